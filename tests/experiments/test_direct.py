"""The direct path to a niche: its terrain, the run's first walker, the run's budget, and no stepping stones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from environments.errors import InputError
from experiments.controls.direct import NO_END, best_and_last, budget, direct_config
from poet.archive.reader import open_run
from poet.archive.rows import canonical_json
from poet.events import NicheValidated, Occasion, ValidationSet
from tests.experiments.command_line import Poet
from tests.experiments.synthetic_runs import add_events, three_niches
from tests.experiments.test_bad_input import assert_refused
from tests.experiments.test_learning_report import validated


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


def test_the_direct_path_is_one_niche_on_the_same_ground(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """The terrain of the niche, to the bit, from the run's first walker, and nothing is ever born."""
    ended = poet("control", "direct", tiny_run, 2, "--output", tmp_path / "direct", "--env-steps", 1, "--workers", 1)

    assert 0 == ended.code
    assert "directly: " in ended.out
    assert "agents of niche 2" in ended.out
    with open_run(tiny_run) as run, open_run(tmp_path / "direct") as made:
        assert run.terrain(2) == made.terrain(0)
        assert run.agent(0, 0).version.theta_digest == made.agent(0, 0).version.theta_digest
        assert NO_END == made.config.poet.reproduction_interval
        assert run.config.es == made.config.es


def test_a_path_may_cost_what_the_run_had_spent_by_then(tmp_path: Path) -> None:
    """On the niche and its ancestry, or on everything, by its first robust solution, or by its end."""
    three_niches(tmp_path / "run")
    robust = [
        NicheValidated(niche_id, iteration, version_id, which, Occasion.INTERVAL, 10, 8, 0.0, 50.0)
        for niche_id, iteration, version_id in ((0, 1, 1), (1, 3, 7))
        for which in ValidationSet
    ]
    add_events(tmp_path / "run", robust)
    with open_run(tmp_path / "run") as run:
        assert [0, 1] == run.niches.set_index("niche_id")["parent_id"][[1, 2]].tolist()
        assert (1100, 1100) == (budget(run, 0, "ancestry"), budget(run, 0, "run"))
        assert (5450, 7450) == (budget(run, 1, "ancestry"), budget(run, 1, "run"))
        assert 7450 == budget(run, 2, "ancestry")  # never robustly solved, so until the end


def test_the_best_and_the_last_rate_are_those_of_the_niche(tiny_run: Path, tmp_path: Path) -> None:
    """Of a niche that was measured twice."""
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "run")), (9, 3))
    with open_run(run) as stored:
        assert (0.9, 0.3) == best_and_last(stored, 1)
        with pytest.raises(InputError, match="has no niche 77"):
            direct_config(stored, 77)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((77, "--output", "new"), ("no niche 77",)),
        ((1, "--output", "new", "--budget", "all"), ("--budget", "ancestry")),
    ],
)
def test_what_cannot_be_controlled_is_refused(
    poet: Poet, tiny_run: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """In one sentence, before anything is written."""
    assert_refused(poet("control", "direct", tiny_run, *arguments), *words)
    assert not Path("new").exists()
