"""``poet control paced``: one agent on the terrains of a run, easy ones first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from poet.archive.reader import open_run
from poet.archive.rows import canonical_json
from poet.types import theta_digest
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused

SMALL = ("--workers", 1, "--set", "trainer.settings={terrains = 2, interval = 1, episodes = 2}")


def test_a_control_trains_on_the_runs_terrains(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """All of them, judged by the run's last agents, for the run's cost if no other is said; again, it goes on."""
    control = ("control", "paced", tiny_run, "--output", tmp_path / "new", *SMALL)
    first = poet(*control, "--env-steps", 1)
    again = poet(*control)

    assert (0, 0) == (first.code, again.code), first.err + again.err
    with open_run(tiny_run) as run, open_run(tmp_path / "new") as made:
        terrains, panel, niches = made.own_tables["terrains"], made.own_tables["panel"], run.niches
        assert [*map(canonical_json, niches["genotype"])] == [*terrains["genotype"]]
        assert [*niches["terrain_seed"]] == [*terrains["terrain_seed"]]
        agents = [theta_digest(run.agent(niche_id).theta) for niche_id in niches["niche_id"]]
        judges = [*zip(panel["own_level_id"], panel["theta_digest"], strict=True)]
        assert judges and all(agents[own] == digest for own, digest in judges)
        assert {0, len(agents) - 1} <= {own for own, _ in judges}
        assert run.agent(0, 0).version.theta_digest == made.agent(0, 0).version.theta_digest
        cost, spent = int(run.ledger["env_steps"].sum()), made.ledger.groupby("iteration")["env_steps"].sum().cumsum()
    assert spent.iloc[-2] < cost <= spent.iloc[-1]
    assert f"have cost {tiny_run} {cost:,} env-steps" in first.out
    assert "try its agent on them by: poet evaluate" in again.out


@pytest.mark.parametrize("order", ["anti", "random", "none"])
def test_an_order_is_part_of_the_settings(poet: Poet, tiny_run: Path, tmp_path: Path, order: str) -> None:
    """Besides those that ``--set`` gives; without scores no place depends on any."""
    ended = poet("control", "paced", tiny_run, "--output", tmp_path / "new", *SMALL, "--env-steps", 1, "--order", order)

    assert 0 == ended.code, ended.err
    with open_run(tmp_path / "new") as made:
        assert {"terrains": 2, "interval": 1, "episodes": 2, "order": order} == made.config.trainer.settings
        terrains = made.own_tables["terrains"]
        assert (order == "anti") == ("panel" in made.own_tables) == terrains["mean_return"].notna().all()
    if order == "anti":
        assert [*terrains.sort_values("place")["mean_return"]] == sorted(terrains["mean_return"])


def test_other_agents_may_judge(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """A shipped walker judges all terrains, an agent of the run all but its own."""
    panel = ("--panel", "flat", "--panel", f"{tiny_run}:1")
    ended = poet("control", "paced", tiny_run, "--output", tmp_path / "new", *SMALL, "--env-steps", 1, *panel)

    assert 0 == ended.code, ended.err
    owners = [judge["own"] for judge in json.loads((tmp_path / "new.terrains.json").read_text())["panel"]]
    assert [None, 1] == owners


def test_agents_of_another_policy_cannot_judge(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Episodes of a request have one policy; the sentence names both."""
    other = tmp_path / "other"
    small = ("--preset", "tiny", "--workers", 1, "--iterations", 1, "--set", "policy.layer_sizes=[24,4]")
    assert 0 == poet("run", other, *small).code
    ended = poet("control", "paced", tiny_run, "--output", tmp_path / "new", *SMALL, "--panel", other)
    assert_refused(ended, "other:0 is an agent of the policy mlp 24-4", "24-40-40-4")
    assert [] == [*tmp_path.glob("new*")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--order", "hard"), ("--order must be one of curriculum, anti, random, none",)),
        (("--env-steps", 0), ("--env-steps", "0")),
        (("--panel", "flatt"), ("did you mean 'flat'",)),
        (("--set", "policy.kind=gru"), ("another policy than the run",)),
        (("--set", "trainer.settings={terrains = 1000}"), ("raise es.pairs",)),
        (("--set", "trainer.settings={terrain = 2}"), ("did you mean 'terrains'",)),
        (("--set", "terrain.genotype=cppn"), ("of the genotype 'obstacles', but terrain.genotype is 'cppn'",)),
    ],
)
def test_what_cannot_be_controlled_is_refused(
    poet: Poet, tiny_run: Path, tmp_path: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """In one sentence, before anything is written."""
    ended = poet("control", "paced", tiny_run, "--output", tmp_path / "new", *SMALL, *arguments)
    assert_refused(ended, *words)
    assert [] == [*tmp_path.glob("new*")]


def test_a_file_with_something_else_stays_as_it_is(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Whether it was there before the run, or the control would now begin with other agents than it did."""
    control: tuple[Any, ...] = ("control", "paced", tiny_run, "--output", tmp_path / "new", *SMALL, "--env-steps", 1)
    source = tmp_path / "new.terrains.json"
    source.write_text("mine")
    assert_refused(poet(*control), "new.terrains.json exists, and has other terrains or agents: take it away")
    assert "mine" == source.read_text()
    assert not (tmp_path / "new").exists()

    source.unlink()
    assert 0 == poet(*control).code
    assert_refused(poet(*control, "--panel", "flat"), "go on with that run by poet resume")
    assert_refused(poet(*control, "--order", "anti"), "was made with other settings", "trainer.settings")
    source.unlink()
    assert_refused(poet(*control), "go on with that run by poet resume")
    assert 0 == poet("resume", tmp_path / "new", "--env-steps", 5000, "--workers", 1).code
