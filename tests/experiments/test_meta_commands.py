"""``poet meta``: from a run to its tasks, to agents that learned on them, to how fast who adapts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from agents.evaluation import make_executor
from experiments.meta.clades import Part, split_run
from experiments.progress import PlainLines
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused

QUICK = ("--pushes", 1, "--episodes", 2, "--set", "es.pairs=1", "--workers", 1, "--quiet")
SMALL = ("--set", "trainer.settings={terrains = 2, generations = 1, inner_pairs = 1, pushes = 1}", "--workers", 1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs that branch, of episodes of 20 steps; so many mutations that few terrains are alike."""
    above = tmp_path_factory.mktemp("branched")
    for seed in (0, 3):
        flags = {"run.iterations": 20, "run.seed": seed, "evaluation.max_steps": 20, "poet.annecs": False}
        config = resolve_config("tiny", flags={**flags, "poet.max_active": 5, "mutation.most_mutations": 20})
        with Path("/dev/null").open("w") as nowhere, make_executor("local", 1) as executor:
            run_experiment(above / f"tiny-{seed}", config, executor, lambda tracker: PlainLines(tracker, nowhere))
    return [above / "tiny-0", above / "tiny-3"]


def test_a_split_is_shown(poet: Poet, runs: list[Path]) -> None:
    """A row for each clade, then the trunk."""
    shown = poet("meta", "split", runs[0])
    with open_run(runs[0]) as run:
        split = split_run(run)

    assert (0, "") == (shown.code, shown.err)
    assert all(f"{clade.part.value} " in shown.out for clade in split.clades)
    assert f"the trunk, which is in no part: {', '.join(map(str, split.trunk))}" in shown.out


def test_from_a_run_to_adaptation_curves(poet: Poet, runs: list[Path], tmp_path: Path) -> None:
    """Reptile learns on the training clades alone, goes on when called again, and adapts beside the other starts."""
    learn = ("meta", "reptile", runs[0], "--output", tmp_path / "reptile", *SMALL)
    ended = [poet(*learn, "--env-steps", steps) for steps in (1, 400)]
    assert [(0, "")] * 2 == [(one.code, one.err) for one in ended]
    with open_run(runs[0]) as run, open_run(tmp_path / "reptile") as made:
        split, niches = split_run(run), run.niches.set_index("niche_id")
        seeds = niches.loc[[*split.tasks(Part.TRAIN)], "terrain_seed"]
        assert [*seeds] == [*made.own_tables["tasks"]["terrain_seed"]]
        assert run.agent(0, 0).version.theta_digest == made.agent(0, 0).version.theta_digest
    assert 0 == len(json.loads((tmp_path / "reptile.terrains.json").read_text())["panel"])

    shown = poet("meta", "curves", runs[0], "--learner", tmp_path / "reptile", "--output", tmp_path / "table", *QUICK)
    assert (0, "") == (shown.code, shown.err)
    table = pd.read_csv(tmp_path / "table" / "curves.csv")
    assert {"first walker", "nearest agent", "oracle", "reptile"} == {*table["arm"]}
    assert {*split.tasks(Part.TEST)} == {*table["niche"]} and {0, 1, 2, 5, 10} == {*table["generation"]}
    assert (tmp_path / "table" / "curves.png").is_file()

    again = poet("meta", "curves", runs[0], "--output", tmp_path / "again", *QUICK)
    others = pd.read_csv(tmp_path / "again" / "curves.csv")
    assert 0 == again.code
    kept = table[table["arm"] != "reptile"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, others)  # the same draws, whoever adapts beside them


def test_a_learner_of_another_run_is_refused(poet: Poet, runs: list[Path], tmp_path: Path) -> None:
    """Its tasks might be the tests; and what is no learner is said to be none."""
    assert 0 == poet("meta", "joint", runs[1], "--output", tmp_path / "joint", "--env-steps", 1, "--workers", 1,
                     "--set", "trainer.settings={terrains = 2}").code  # fmt: skip
    curves = ("meta", "curves", runs[0], "--output", tmp_path / "table", *QUICK)

    assert_refused(poet(*curves, "--learner", tmp_path / "joint"), "learned on other tasks than the training clades")
    assert_refused(poet(*curves, "--learner", runs[1]), "must be a run that poet meta made")
    assert not (tmp_path / "table").exists()


def test_adaptability_of_runs_and_of_a_control(poet: Poet, runs: list[Path], tmp_path: Path) -> None:
    """Agents of each run on terrains of the other, a control's on those like none of its own; too little is refused."""
    control = shutil.copytree(runs[0], tmp_path / "control-0")
    study = ("meta", "adaptability", *runs, "--agents", 3, "--tasks", 1, "--generations", 1)
    refused = poet("meta", "adaptability", runs[0], "--output", tmp_path / "table", *QUICK)
    shown = poet(*study, "--control", control, "--output", tmp_path / "table", *QUICK)

    assert_refused(refused, "needs two runs or more")
    assert (0, "") == (shown.code, shown.err)
    agents = pd.read_csv(tmp_path / "table" / "agents.csv")
    assert [("runs", "tiny-0"), ("runs", "tiny-3"), ("controls", "control-0")] == [
        *agents[["arm", "run"]].drop_duplicates().itertuples(index=False, name=None)
    ]
    assert [1, 1, 1] == [*agents.groupby("run", sort=False)["tasks"].first()]
    assert (tmp_path / "table" / "adaptability.png").is_file()
