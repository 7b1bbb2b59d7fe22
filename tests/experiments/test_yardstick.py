"""The yardsticks: what they measure, on which terrains, and that they can be interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents.evaluation.local import LocalExecutor
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from experiments.settings import differences, resolve_config
from experiments.yardstick import evolution, inner
from experiments.yardstick.tasks import TASKS
from poet.archive.reader import open_run
from poet.parts import Parts, make_parts
from poet.scoring import FIRST_UNSEEN_SEED
from poet.types import Purpose
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused

#: Two pairs, episodes of a second: nobody learns.
SMALL = ("es.pairs=2", "niche.instances=2", "evaluation.max_steps=50")


def small_parts(*assignments: str) -> tuple[Parts, list[EvaluationRequest]]:
    """Parts that run episodes, and the requests that they will have made."""
    requests: list[EvaluationRequest] = []
    executor = LocalExecutor(1)

    def evaluate(request: EvaluationRequest) -> tuple[RolloutResult, ...]:
        requests.append(request)
        return executor.evaluate(request)

    return make_parts(resolve_config(None, None, [*SMALL, *assignments]), evaluate), requests


def last_table(parts: Parts, names: list[str], budget: float = 400.0, every: float = 300.0) -> pd.DataFrame:
    """What the suite has found at its end."""
    *_, table = inner.run_suite(parts, inner.chosen_learners(names, 1), budget, every)
    return table


def test_a_learner_is_tested_before_training_and_until_its_budget_is_spent() -> None:
    """Env-steps count training alone; the last test is the first one at or beyond the budget."""
    parts, requests = small_parts()
    table = last_table(parts, ["rough 1"])

    assert list(inner.COLUMNS) == list(table)
    steps = table["env_steps"].tolist()
    assert 0 == steps[0] < steps[-1]
    assert steps[-2] < 400 <= steps[-1]
    assert 1 == (last_table(small_parts()[0], ["rough 1"], 1.0, 1e9)["env_steps"] > 0).sum()
    of_training = [r for r in requests if r.label == Purpose.ES]
    assert len(of_training) == table["generation"].iloc[-1]
    assert {4} == {request.num_episodes for request in of_training}


def test_who_learns_beside_it_changes_no_walker() -> None:
    """A task's rows are the same alone and among others: streams are keyed by task and seed."""
    together, alone = (last_table(small_parts()[0], names) for names in (["rough 1", "gaps 1.6"], ["gaps 1.6"]))

    among = together[together["task"] == "gaps 1.6"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among)


def test_nobody_is_tested_on_what_it_was_trained_on() -> None:
    """Tests are on the genotype's seeds from a million on, training never."""
    parts, requests = small_parts()
    last_table(parts, ["rough 2.5"])
    genotype = next(task.genotype for task in TASKS if task.name == "rough 2.5")
    unseen = {genotype.express(FIRST_UNSEEN_SEED + i).digest() for i in range(inner.NUM_EPISODES)}

    for request in requests:
        found = {terrain.digest() for block in request.blocks for terrain in block.terrains}
        if request.label == Purpose.VALIDATION:
            assert found == unseen
        else:
            assert not found & unseen


def test_a_walker_that_succeeds_is_done() -> None:
    """The shipped walker crosses flat ground: one test, no training."""
    flat = replace(inner.chosen_learners(None, 1)[0].task, start="flat")
    parts, requests = small_parts("evaluation.max_steps=2000")

    (table,) = inner.run_suite(parts, [inner.Learner(flat, 0, 0)], 1e6, 1e6)

    assert 0.95 < table["success_rate"].item()
    assert [Purpose.VALIDATION] == [request.label for request in requests]


def test_time_to_success_is_that_of_the_first_test_that_succeeded() -> None:
    """A later failure does not matter; a walker that never succeeds took infinitely long; medians are over seeds."""
    rows = [
        ("a", 0, 100, 0.1), ("a", 0, 200, 0.8), ("a", 0, 300, 0.7), ("a", 1, 100, 0.2), ("a", 1, 400, 0.9),
        ("a", 2, 900, 0.79), ("b", 0, 50, 0.0), ("b", 1, 60, 1.0), ("b", 2, 70, 0.5),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["task", "seed", "env_steps", "success_rate"])

    assert [200, 400, np.inf, np.inf, 60, np.inf] == inner.time_to_success(table).tolist()
    compared = inner.medians({"x": table, "y": table.assign(env_steps=2 * table["env_steps"])})
    assert [400e-6, np.inf] == compared["x: M env-steps"].tolist()
    assert 2.0 == compared["y / x"][0]
    assert 0.79 == compared["x: last rate"][0]


def test_tables_of_the_suite_are_written_and_compared(poet: Poet, tmp_path: Path) -> None:
    """``poet bench inner`` twice gives the same table; ``poet bench compare`` sets them side by side."""
    sets = [word for text in SMALL for word in ("--set", text)]
    for name in ("one", "other"):
        ended = poet(
            "bench", "inner", tmp_path / f"{name}.csv", "--seeds", 1, "--task", "rough 1", "--budget", 1, *sets
        )
        assert 0 == ended.code, ended.err
        assert "rough 1, seed 0: 0 env-steps, 0%" in ended.out
    compared = poet("bench", "compare", tmp_path / "one.csv", tmp_path / "other.csv")

    assert "other / one" in compared.out
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("inner", "table.txt"), ("OUTPUT must be a .csv",)),
        (("inner", "t.csv", "--task", "rough 11"), ("--task", "did you mean 'rough 1'")),
        (("inner", "t.csv", "--seeds", 0), ("--seeds must be a whole number from 1 on",)),
        (("inner", "t.csv", "--budget", "nan"), ("--budget and --every must be numbers above 0",)),
        (("inner", "t.csv", "--set", "es.pears=3"), ("es.pears",)),
        (("compare", "missing.csv"), ("missing.csv",)),
        (("compare", __file__), ("is no table of poet bench inner",)),
        (("inner", "missing/t.csv"), ("OUTPUT must be a new file in a folder that is there", "has no folder")),
        (("inner", "t.csv", "--preset", "demo", "--set", "niche.vary=push"), ("trains them there",)),
        (("evolution", "folder", "tiny", "--env-steps", 0), ("--env-steps must be 1 or more",)),
        (("evolution", "folder", "tiny", "x/tiny.toml"), ("settings must have names of their own",)),
        (("evolution", __file__, "tiny"), ("FOLDER must be a folder",)),
        (("evolution", "folder", "tiny", "--without", "es.pears"), ("--without takes a config key", "es.pairs")),
        (("evolution", "folder", "tiny", "--without", "es.noise_std"), ("--without es.noise_std changes nothing",)),
        (("evolution", "folder", "tiny", "--without", "run.iterations"), ("run.iterations belongs to every run",)),
        (("evolution", "folder", "tiny", "--without", "validation.episodes"), ("validation.episodes belongs to",)),
        (("--engine", "simd", "compare", "t.csv"), ("the options of poet bench are not those of poet bench compare",)),
    ],
)
def test_what_does_not_fit_is_refused(
    poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """One sentence, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert_refused(poet("bench", *arguments), *words)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "b", "demo"])
def test_settings_are_found_by_name_and_end_with_their_env_steps(tmp_path: Path, name: str) -> None:
    """Presets, and the settings that the yardstick compares them with; iterations end none of them."""
    (entry,) = evolution.make_entries(tmp_path, [name], [7], ["es.pairs=5"])

    assert tmp_path / f"{name}-7" == entry.folder
    assert (7, 5, evolution.NO_END) == (entry.config.run.seed, entry.config.es.pairs, entry.config.run.iterations)
    assert "flat" == entry.config.run.start


def test_an_ablation_is_the_first_settings_but_for_one_key(tmp_path: Path) -> None:
    """The ablation has that key's default; it is run besides the settings themselves and those for comparison."""
    entries = evolution.make_entries(tmp_path, ["desktop", "a"], [7], [], ["es.strategy", "niche.vary"])

    names = ["desktop-7", "a-7", "desktop-without-es.strategy-7", "desktop-without-niche.vary-7"]
    assert names == [entry.folder.name for entry in entries]
    whole, _, plain, seeds = (entry.config for entry in entries)
    assert {"es.strategy": "openai_es"} == differences(plain, whole)
    assert {"niche.vary": "seed"} == differences(seeds, whole)


def test_evolutions_go_on_where_they_stopped(poet: Poet, tmp_path: Path) -> None:
    """When called again with more env-steps, runs are resumed; a report compares the settings."""
    for env_steps in (1, 20_000):  # more than the preset's iterations take
        options = ("--seed", 1, "--seed", 2, "--env-steps", env_steps)
        assert 0 == poet("bench", "evolution", tmp_path, "tiny", *options).code
    other = poet("bench", "evolution", tmp_path, "tiny", "--set", "es.pairs=5")
    assert_refused(other, f"{tmp_path / 'tiny-1'} was made with other settings (es.pairs differ)")

    for seed in (1, 2):
        with open_run(tmp_path / f"tiny-{seed}") as run:
            assert 2 == len(run.sessions)
            assert run.ledger["env_steps"].sum() >= 20_000
            assert seed == run.config.run.seed
    assert (tmp_path / "report" / "tables" / "milestones.csv").exists()
