"""ES alone on a niche's terrain: from the run's first walker, for the run's budget, without stepping stones."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.controls.es import env_steps_of, goal_of, too_short_to_finish
from poet.archive.reader import open_run
from poet.archive.rows import canonical_json
from poet.config import make_config
from poet.events import NicheValidated, Occasion, ValidationSet
from tests.experiments.command_line import Poet
from tests.experiments.synthetic_runs import add_events, three_niches
from tests.experiments.test_bad_input import assert_refused


def test_a_run_may_start_on_any_terrain(poet: Poet, tmp_path: Path) -> None:
    """The root's genotype and the seed of its instance; what is not said is drawn as ever."""
    genotype = '{"pit_gap":[0.4,0.8],"roughness":0.3,"stair_height":null,"stair_steps":null,"stump_height":null}'
    settings = ("--preset", "tiny", "--workers", 1, "--iterations", 1, "--set", f"run.start_terrain={genotype}")
    poet("run", tmp_path / "seeded", *settings, "--set", "run.start_terrain_seed=7")
    poet("run", tmp_path / "drawn", *settings)

    with open_run(tmp_path / "seeded") as seeded, open_run(tmp_path / "drawn") as drawn:
        roots = [run.niches.iloc[0] for run in (seeded, drawn)]
    assert [genotype, genotype] == [canonical_json(root["genotype"]) for root in roots]
    assert roots[0]["terrain_seed"] == 7 != roots[1]["terrain_seed"]


def test_the_control_is_one_niche_on_the_same_ground(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """The terrain of the niche, to the bit, from the run's first walker; nothing is born; called again it goes on."""
    control = ("control", "es", tiny_run, 2, "--output", tmp_path / "es", "--workers", 1)
    first = poet(*control, "--env-steps", 1)
    with open_run(tmp_path / "es") as made:
        assert 0 == made.iteration
    again = poet(*control, "--budget", "lineage")

    with open_run(tiny_run) as run, open_run(tmp_path / "es") as made:
        budgets, config = env_steps_of(run, goal_of(run, 2)), made.config
        spent = made.ledger.groupby("iteration")["env_steps"].sum().cumsum()
        assert run.terrain(2) == made.terrain(0)
        assert run.agent(0, 0).version.theta_digest == made.agent(0, 0).version.theta_digest
        assert ([0], "es") == (made.niches["niche_id"].tolist(), config.run.trainer)
        assert run.config.es == config.es
    assert spent.iloc[-2] < budgets["lineage"] <= spent.iloc[-1]
    assert (0, 0) == (first.code, again.code)
    assert f"lineage {budgets['lineage']:,}" in again.out
    assert "nobody can finish in evaluation.max_steps=60: the end is 84 m away, which takes 70 m/s" in again.out
    assert f"under 200 pushes that decided nothing ES alone succeeds 0 % after {spent.iloc[-1]:,}" in again.out


def test_episodes_are_long_enough_or_said_to_be_too_short() -> None:
    """Those of 8.4 m/s are not: a fast walker could do that."""
    assert [
        too_short_to_finish(make_config({"evaluation": {"max_steps": most}})) is None for most in (2000, 500, 400)
    ] == [True, True, False]


def test_a_control_may_cost_what_the_run_had_spent_by_then(tmp_path: Path) -> None:
    """On its agent's lineage, on the niche and its ancestry, or on everything, by its first robust solution."""
    three_niches(tmp_path / "run")
    robust = [
        NicheValidated(niche_id, iteration, version_id, which, Occasion.INTERVAL, 10, 8, 0.0, 50.0)
        for niche_id, iteration, version_id in ((0, 1, 1), (1, 3, 7))
        for which in ValidationSet
    ]
    add_events(tmp_path / "run", robust)
    with open_run(tmp_path / "run") as run:
        goals = [goal_of(run, niche_id) for niche_id in range(3)]
        budgets = [env_steps_of(run, goal) for goal in goals]
    assert [1, 3] == [goal.iteration for goal in goals[:2]]
    assert {"lineage": 1100, "ancestry": 1100, "run": 1100} == budgets[0]
    # Version 9 of niche 1 came from niche 2 (version 8), and so on: 6, 3, 1, 0.
    assert {"lineage": 100 + 1000 + 1050 + 4000, "ancestry": 5450, "run": 7450} == budgets[1]


def test_another_first_walker_is_refused(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """The control of a run from random weights begins with the same ones."""
    ended = poet("control", "es", tiny_run, 1, "--output", tmp_path / "es", "--set", "run.start=flat")

    assert_refused(ended, "is not the walker that", "run.start=flat")
    assert not (tmp_path / "es").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((77, "--output", "new"), ("no niche 77",)),
        ((1, "--output", "new", "--budget", "all"), ("--budget", "ancestry")),
        ((1, "--output", "new", "--env-steps", 0), ("--env-steps", "0")),
    ],
)
def test_what_cannot_be_controlled_is_refused(
    poet: Poet, tiny_run: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """They are refused in one sentence, before anything is written."""
    ended = poet("control", "es", tiny_run, *arguments)
    assert 2 == ended.code
    assert all(word in ended.err for word in words)
    assert not Path("new").exists()


def test_a_control_of_other_settings_is_not_gone_on_with(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """A folder holds one control."""
    control = ("control", "es", tiny_run, 1, "--output", tmp_path / "es", "--env-steps", 1, "--workers", 1)
    poet(*control)

    assert_refused(poet(*control, "--set", "es.pairs=7"), "was made with other settings (es.pairs differ)")
