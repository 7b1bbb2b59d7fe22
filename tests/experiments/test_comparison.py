"""``poet compare``: statistics against SciPy or by hand, and what is compared."""

from __future__ import annotations

import io
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from environments.errors import InputError
from experiments.comparison import comparing, statistics
from experiments.comparison.arms import arms_of
from experiments.comparison.comparing import Budget, unequal
from experiments.settings import resolve_config
from experiments.tables import csv_text, json_records
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused

#: Scores of a few seeds, some of them equal.
seeds = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=5).map(np.array)


def test_the_interquartile_mean_cuts_a_quarter_on_each_side() -> None:
    """Of ten scores two on each side; the extreme ones do not matter."""
    scores = np.array([[1e9, 5.0, 1.0, 2.0, 3.0], [4.0, 6.0, -1e9, 7.0, 8.0]])
    assert np.mean([2.0, 3.0, 4.0, 5.0, 6.0, 7.0]) == statistics.interquartile_mean(scores)


def test_the_bootstrap_resamples_whole_seeds() -> None:
    """All 3^3 samples of rows, each as likely; an interval over seeds that agree on each task is a point."""
    scores = np.array([[0.0, 1.0], [0.5, 0.5], [0.2, 0.9]])
    found = statistics.bootstrap_interval(scores, lambda rows: float(rows.mean()), confidence=0.8)
    every = sorted(float(scores[list(rows)].mean()) for rows in product(range(3), repeat=3))
    low = next(value for value in every if sum(v <= value for v in every) / 27 >= 0.1 - 1e-12)
    high = next(value for value in every if sum(v <= value for v in every) / 27 >= 0.9 - 1e-12)
    assert pytest.approx((low, high)) == found
    assert all(np.isnan(statistics.bootstrap_interval(scores[:number])).all() for number in (1, 2))
    same = np.tile([0.0, 1.0, 0.3], (4, 1))
    assert pytest.approx((statistics.interquartile_mean(same),) * 2) == statistics.bootstrap_interval(same)
    with pytest.raises(InputError, match="1 to 10 seeds"):
        statistics.bootstrap_interval(np.zeros((11, 2)))


@settings(max_examples=40, deadline=None)
@given(ours=seeds, theirs=seeds)
def test_the_permutation_test_is_that_of_scipy(ours: np.ndarray, theirs: np.ndarray) -> None:  # type: ignore[type-arg]
    """Of the size of the difference, over every deal."""
    p = statistics.permutation_p(ours, theirs)
    two_sided = stats.permutation_test(
        (ours, theirs), lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)), vectorized=True,
        n_resamples=np.inf, alternative="greater",
    )  # fmt: skip
    assert pytest.approx(two_sided.pvalue) == p
    assert p >= statistics.least_p(ours.size, theirs.size) - 1e-12


def test_the_least_p_of_few_seeds() -> None:
    """3 against 3: .10, 4: .029, 5: .0079, 6: .0022; reached where all of ours are above all of theirs."""
    for number, expected in ((3, 0.1), (4, 0.0286), (5, 0.00794), (6, 0.00216)):
        assert pytest.approx(expected, rel=0.01) == statistics.least_p(number, number)
        ours = np.arange(number) + 10.0
        assert statistics.permutation_p(ours, ours - 10.0) == pytest.approx(statistics.least_p(number, number))


def test_holms_adjustment_by_hand() -> None:
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02 (Holm 1979: factors 4, 3, 2, 1; never falling)."""
    assert pytest.approx([0.03, 0.06, 0.06, 0.02]) == statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert [1.0, 1.0] == statistics.holm([0.6, 0.9])
    assert [] == statistics.holm([])


@settings(max_examples=40, deadline=None)
@given(ours=seeds, theirs=seeds)
def test_improvement_is_u_over_all_pairs(ours: np.ndarray, theirs: np.ndarray) -> None:  # type: ignore[type-arg]
    """On one task; over tasks it is the mean."""
    expected = stats.mannwhitneyu(ours, theirs).statistic / (ours.size * theirs.size)
    found = statistics.probability_of_improvement(ours[:, None], theirs[:, None])
    assert pytest.approx(expected) == found
    two = statistics.probability_of_improvement(np.c_[ours, np.ones_like(ours)], np.c_[theirs, np.zeros_like(theirs)])
    assert pytest.approx((expected + 1.0) / 2.0) == two


def test_the_interval_of_a_difference_has_what_is_not_rejected() -> None:
    """Just inside either end Mann-Whitney's exact test does not reject the shift, and just outside it does."""
    ours, theirs = np.array([0.31, 0.52, 0.73, 0.84, 0.95]), np.array([0.12, 0.23, 0.34, 0.45, 0.6])
    middle, low, high = statistics.difference(ours, theirs)
    assert np.median(ours[:, None] - theirs) == middle
    assert low < middle < high
    for end, outwards in ((low, -1.0), (high, 1.0)):
        for step, is_rejected in ((1e-6, True), (-1e-6, False)):
            p = stats.mannwhitneyu(ours - (end + outwards * step), theirs, method="exact").pvalue
            assert is_rejected == (p <= 0.05)
    assert (-np.inf, np.inf) == statistics.difference(ours[:3], theirs[:3])[1:]


def test_power_is_that_of_the_literature() -> None:
    """5 against 5 find 2 standard deviations in 68 of 100 cases (a t-test in 79); no effect in about 5 at most."""
    assert 0.62 < statistics.power(5, 5, 2.0) < 0.82
    assert statistics.power(5, 5, 0.0) < 0.07
    assert 0.0 == statistics.power(3, 3, 3.0)


def test_arms_are_runs_of_one_name_with_seeds() -> None:
    """In the order given, and refused where an arm is not one."""
    config = {seed: resolve_config("tiny", flags={"run.seed": seed}) for seed in (1, 2, 3)}
    found = arms_of({"x/dr-2": config[2], "x/dr-1": config[1], "y/poet-3": config[3]})
    assert {"dr": ["x/dr-1", "x/dr-2"], "poet": ["y/poet-3"]} == found
    with pytest.raises(InputError, match="same seed"):
        arms_of({"x/dr-2": config[2], "y/dr-2": config[2]})
    with pytest.raises(InputError, match=r"es\.pairs is 3 in dr-1 and 7 in dr-2"):
        arms_of({"dr-1": config[1], "dr-2": resolve_config("tiny", flags={"run.seed": 2, "es.pairs": 7})})


def test_runs_of_an_arm_may_differ_in_what_changes_no_result() -> None:
    """Such as how often thetas are stored; but the start counts."""
    one = resolve_config("tiny", flags={"run.seed": 1})
    flags = {"run.seed": 2, "checkpoint.theta_every": 7, "checkpoint.keep_every": 9, "evaluation.engine": "box2d"}
    assert {"dr": ["dr-1", "dr-2"]} == arms_of({"dr-1": one, "dr-2": resolve_config("tiny", flags=flags)})
    with pytest.raises(InputError, match=r"run\.start is"):
        arms_of({"dr-1": one, "dr-2": resolve_config("tiny", flags={"run.seed": 2, "run.start": "flat"})})


@pytest.mark.parametrize("name", ["dr-2", "dr1", "x-1/dr", "dr-01", "-1", "1"])
def test_a_folder_without_its_seed_is_refused(name: str) -> None:
    """It would be an arm of its own."""
    with pytest.raises(InputError, match="must be called ARM-SEED, such as dr-1 for seed 1, but is"):
        arms_of({name: resolve_config("tiny", flags={"run.seed": 1})})


def test_more_seeds_than_can_be_tested_are_refused_at_once() -> None:
    """With the name of the arm."""
    comparing.check_arms({"a": list("0123456789")})
    with pytest.raises(InputError, match="at most 10 seeds for exact tests, but a has 11"):
        comparing.check_arms({"a": list("0123456789x")})


def test_the_generalist_of_equals_has_the_greatest_score() -> None:
    """Successes first, then scores, then the oldest niche."""
    cells = pd.DataFrame({"agent": ["r:2", "r:10", "r:11"] * 2, "success_rate": 0.0, "score_mean": [1.0, 5.0, 5.0] * 2})
    assert "r:10" == comparing.generalist(cells)
    cells["success_rate"] = [0.0, 0.0, 0.0, 0.5, 0.0, 0.0]
    assert "r:2" == comparing.generalist(cells)


def test_power_is_that_of_holms_first_step() -> None:
    """Three pairs of four seeds can never be shown to differ, though one pair alone can."""
    arms = {arm: [f"{arm}-{i}" for i in range(4)] for arm in "abc"}
    (row,) = comparing.power_table(arms).to_dict("records")
    assert {"seeds": "4 and 4", "1 sd": 0.0, "1.5 sd": 0.0, "2 sd": 0.0, "3 sd": 0.0} == row
    assert (0.05, 0.05 / 3) == (comparing.holm_alpha({"a": [], "b": []}), comparing.holm_alpha(arms))


def test_a_verdict_follows_the_difference_that_is_tested() -> None:
    """The median of all differences may be 0 where the means differ, p is 0.033 and no run of b is better."""
    tried = _tried({f"a-{i}": [0.5 if i < 4 else 0.0] for i in range(9)} | {f"b-{i}": [0.0] for i in range(10)})
    names = {arm: [name for name in tried["run"] if name.startswith(arm)] for arm in "ab"}
    for arms, sign in ((names, 1.0), (dict(reversed(names.items())), -1.0)):
        (row,) = comparing.pairs_table(tried, arms).to_dict("records")
        assert ("a succeeds more often than b", 0.0) == (row["verdict"], row["difference"])
        assert pytest.approx((sign * 2 / 9, 0.0325), abs=1e-3) == (row["mean_difference"], row["p"])


def _tried(rates: dict[str, list[float]]) -> pd.DataFrame:
    same = {"agents": 2, "agent": "0", "score_mean": 0.0, "best_of_all": 1.0}
    rows = [
        {"run": run, "cell": str(i), "success_rate": rate, **same}
        for run, mine in rates.items()
        for i, rate in enumerate(mine)
    ]
    return pd.DataFrame(rows)


def test_a_verdict_needs_seeds_and_a_difference() -> None:
    """Five seeds apart are shown to differ, five alike are not, and three cannot be."""
    levels = {"a": (0.9, 0.8), "b": (0.1, 0.2)}
    rates = {f"{arm}-{i}": [high, low + i / 100] for arm, (high, low) in levels.items() for i in range(5)}
    tried = _tried(rates)
    arms = {arm: [f"{arm}-{i}" for i in range(5)] for arm in "ab"}
    (row,) = comparing.pairs_table(tried, arms).to_dict("records")
    assert ("a succeeds more often than b", 1.0) == (row["verdict"], row["probability"])
    assert pytest.approx((2 / 252, 0.7)) == (row["p"], row["difference"])
    few = {arm: names[:3] for arm, names in arms.items()}
    (row,) = comparing.pairs_table(tried, few).to_dict("records")
    assert "not testable with so few seeds" == row["verdict"]
    alike = _tried({name: [0.5] for name in [*rates, "c-0", "c-1", "c-2"]})
    uneven = {**arms, "c": ["c-0", "c-1", "c-2"]}
    # Five against three give p = 1/56 at the least, which Holm passes at its second step and not at its first.
    assert ["no difference shown"] * 3 == comparing.pairs_table(alike, uneven)["verdict"].tolist()
    (row,) = comparing.pairs_table(alike, arms).to_dict("records")
    assert ("no difference shown", 0.5, 1.0) == (row["verdict"], row["probability"], row["p"])


def test_runs_are_compared_at_the_same_env_steps(tiny_run: Path) -> None:
    """The last iteration within the budget; more than a run has is refused."""
    with open_run(tiny_run) as run:
        steps = run.ledger.groupby("iteration")["env_steps"].sum().cumsum()
        end = int(steps.iloc[-1])
        last = run.iteration or 0
        assert comparing.Budget(last, end, 1.0, last, end) == comparing.budgets({"a": run})["a"]
        budget = int(steps[3]) + 1
        at = comparing.budgets({"a": run}, budget)["a"]
        assert comparing.Budget(3, int(steps[3]), int(steps[3]) / budget, 3, int(steps[3])) == at
        with pytest.raises(InputError, match="below 80% of them"):
            comparing.budgets({"a": run}, int(steps[1]) - 1)
        with pytest.raises(InputError, match="fewer than are compared"):
            comparing.budgets({"a": run}, end + 1)
        with pytest.raises(InputError, match="first iteration"):
            comparing.budgets({"a": run}, 1)


def test_unequal_env_steps_are_said() -> None:
    """Of the arms' means, above 2 % of the budget and not at it; of one arm there is nothing to say."""

    def at(agents: int) -> Budget:
        return Budget(9, 1000, 1.0, 8, agents)

    arms = {"a": ["a-1", "a-2"], "b": ["b-1"], "c": ["c-1"]}
    spent = {"a-1": at(1000), "a-2": at(980), "b-1": at(970), "c-1": at(980)}
    assert [] == unequal(arms, spent, 1000) == unequal({"a": ["a-1"]}, spent, 1000)
    (words,) = unequal(arms, {**spent, "b-1": at(969)}, 1000)
    assert "the agents of b had 969 on average and those of a 990, which differ by more than 2% of 1,000" in words


def test_tables_for_machines_keep_every_digit() -> None:
    """As CSV and as JSON a number is the one that it was; what is none is missing."""
    numbers = [0.1 + 0.2, 1e300 / 3.0, 123_456_789.25, float("nan")]
    table = pd.DataFrame(
        {"x": numbers, "n": pd.array([2**53 + 1, None, 3, 4], dtype="Int64"), "t": ["a", None, "", ","]}
    )
    read = pd.read_csv(io.StringIO(csv_text(table)), dtype={"n": "Int64"})
    assert table["x"].equals(read["x"]) and table["n"].equals(read["n"])
    rows = json.loads(json.dumps(json_records(table), allow_nan=False))
    assert [*numbers[:3], None] == [row["x"] for row in rows]
    assert [2**53 + 1, None, 3, 4] == [row["n"] for row in rows]
    assert [{"x": None}] == json_records(pd.DataFrame({"x": [-np.inf]}))


def test_only_agents_of_the_moment_are_compared(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two iterations with stored thetas there are none; with enough patience, the earlier ones count."""
    with open_run(tiny_run) as run:
        steps = run.ledger.groupby("iteration")["env_steps"].sum().cumsum()
        with pytest.raises(InputError, match=r"checkpoint\.theta_every below 3"):
            comparing.budgets({"a": run}, int(steps[5]))
        monkeypatch.setattr(comparing, "MAX_AGE", 1.0)
        at = comparing.budgets({"a": run}, int(steps[5]))["a"]
        assert (5, 3, int(steps[3])) == (at.iteration, at.agent_iteration, at.agent_env_steps)
        stored = run.stored_version_ids()
        assert {agent.version.id for agent in run.stored_agents()} == stored
        versions = run.versions
        for niche_id in comparing.active_niches(run, at.agent_iteration):
            mine = versions[(versions["niche_id"] == niche_id) & (versions["iteration"] <= at.agent_iteration)]
            assert run.agent(niche_id, at.agent_iteration).version.id == mine["id"].max()


def test_the_command(poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two arms of POET and one of a single agent: tables, plots, a file for machines, and what does not apply."""
    (tmp_path / "own.toml").write_text(
        '[[cells]]\nname = "flat"\nterrain = {}\n[[cells]]\nname = "rough"\nterrain = {roughness = 1.0}\n'
    )
    own = {"few": ["es.pairs=1"], "more": ["es.pairs=2"], "dr": ["run.trainer=dr", "es.pairs=4"]}
    for name in ("few-1", "few-2", "more-1", "more-2", "dr-1"):
        arm, _, seed = name.partition("-")
        settings_ = [word for value in (*own[arm], "checkpoint.theta_every=1") for word in ("--set", value)]
        ended = poet("run", tmp_path / name, "--preset", "tiny", "--iterations", "2", "--seed", seed, *settings_)
        assert 0 == ended.code, ended.err
    runs = [tmp_path / name for name in ("few-2", "few-1", "more-2", "more-1", "dr-1")]
    arguments = [*runs, "--on", tmp_path / "own.toml", "--episodes", "2", "--workers", "1"]
    monkeypatch.setattr(comparing, "MIN_SHARE", 0.0)  # two iterations are long ones
    monkeypatch.setattr(comparing, "MAX_AGE", 1.0)
    ended = poet("compare", *arguments, "--output", tmp_path / "out")
    assert 0 == ended.code, ended.err
    assert "not testable" in ended.out and "nan" not in ended.out and "<NA>" not in ended.out
    assert "Few seeds: few (2), more (2), dr (1)" in ended.out
    assert "Arms are compared at unequal env-steps: the agents of" in ended.out
    assert "dr: the trainer dr trains one agent and makes no niches" in ended.out
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert ["few", "more", "dr"] == [row["arm"] for row in found["arms"]] == list(found["seeds"])
    assert all(row["low"] is None for row in found["arms"])
    assert ["few-2", "few-1", "more-2", "more-1", "dr-1"] == list(dict.fromkeys(row["run"] for row in found["tried"]))
    for row in found["tried"]:
        interval = stats.binomtest(round(2 * row["success_rate"]), 2).proportion_ci(method="wilson")
        assert pytest.approx((interval.low, interval.high)) == (row["success_low"], row["success_high"])
    of_dr = [row for row in found["measures"] if row["arm"] == "dr"]
    assert all(row["mean"] is None and row["why"] for row in of_dr)
    assert {"arm", "purpose", "env_steps", "share"} == set(found["spending"][0])
    for arm in own:
        assert pytest.approx(1.0) == sum(row["share"] for row in found["spending"] if row["arm"] == arm)
    assert ["flat", "rough"] == pd.read_csv(tmp_path / "out" / "cells.csv")["cell"].tolist()
    plots = ["classes.png", "first-once.png", "open-endedness.png", "success.png"]
    assert plots == sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    tables = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    assert tables == set(found) - {"suite", "digest", "env_steps", "seeds", "remarks"}
    assert_refused(poet("compare", *arguments, "--output", tmp_path / "out"), "new or empty folder")
    assert_refused(poet("compare", *arguments, "--env-steps", 10**9), "fewer than are compared")
    alone = poet("compare", tmp_path / "dr-1", *arguments[5:], "--output", tmp_path / "alone")
    assert 0 == alone.code, alone.err
    assert "Pairs of arms" not in alone.out
    assert ["success.png"] == [path.name for path in (tmp_path / "alone").glob("*.png")]
