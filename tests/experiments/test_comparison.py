"""``poet compare``: statistics against SciPy or by hand, and what is compared."""

from __future__ import annotations

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
from experiments.settings import resolve_config
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
    with pytest.raises(InputError, match="different settings"):
        arms_of({"dr-1": config[1], "dr-2": resolve_config("tiny", flags={"run.seed": 2, "es.pairs": 7})})


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
    alike = _tried({name: [0.5] for name in rates})
    (row,) = comparing.pairs_table(alike, arms).to_dict("records")
    assert ("no difference shown", 0.5, 1.0) == (row["verdict"], row["probability"], row["p"])


def test_runs_are_compared_at_the_same_env_steps(tiny_run: Path) -> None:
    """The last iteration within the budget; more than a run has is refused."""
    with open_run(tiny_run) as run:
        steps = run.ledger.groupby("iteration")["env_steps"].sum().cumsum()
        end = int(steps.iloc[-1])
        assert comparing.Budget(run.iteration or 0, end) == comparing.budgets({"a": run})["a"]
        at = comparing.budgets({"a": run}, int(steps[2]) + 1)["a"]
        assert comparing.Budget(2, int(steps[2])) == at
        with pytest.raises(InputError, match="fewer than are compared"):
            comparing.budgets({"a": run}, end + 1)
        with pytest.raises(InputError, match="first iteration"):
            comparing.budgets({"a": run}, 1)


def test_the_command(tiny_run: Path, poet: Poet, tmp_path: Path) -> None:
    """Two arms of two tiny runs: tables, a file for machines, and the agent that other grounds chose."""
    (tmp_path / "own.toml").write_text(
        '[[cells]]\nname = "flat"\nterrain = {}\n[[cells]]\nname = "rough"\nterrain = {roughness = 1.0}\n'
    )
    for arm, pairs in (("few", 1), ("more", 2)):
        for seed in (1, 2):
            settings_ = ["--seed", seed, "--set", f"es.pairs={pairs}", "--iterations", "2"]
            assert 0 == poet("run", tmp_path / f"{arm}-{seed}", "--preset", "tiny", *settings_, "--workers", "1").code
    runs = [tmp_path / f"{arm}-{seed}" for arm in ("few", "more") for seed in (2, 1)]
    arguments = [*runs, "--on", tmp_path / "own.toml", "--episodes", "2", "--workers", "1"]
    ended = poet("compare", *arguments, "--output", tmp_path / "out")
    assert 0 == ended.code, ended.err
    assert "not testable" in ended.out
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert ["few", "more"] == [row["arm"] for row in found["arms"]]
    assert ["few-2", "few-1", "more-2", "more-1"] == list(dict.fromkeys(row["run"] for row in found["tried"]))
    assert ["flat", "rough"] == pd.read_csv(tmp_path / "out" / "cells.csv")["cell"].tolist()
    assert_refused(poet("compare", *arguments, "--output", tmp_path / "out"), "new or empty folder")
    assert_refused(poet("compare", *arguments, "--env-steps", 10**9), "fewer than are compared")
