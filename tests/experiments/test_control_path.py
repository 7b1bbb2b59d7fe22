"""Two controls of a run of POET: straight to a niche's terrain, and the same run without transfers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.controls.es import env_steps_of, goal_of, tried
from poet.archive.reader import open_run
from poet.archive.rows import canonical_json
from poet.types import theta_digest
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused


class Whole:
    """A number of trials by which nothing is divided."""

    def __rtruediv__(self, number: Any) -> Any:
        """The number itself."""
        return number


def test_the_direct_path_leads_from_the_first_walker_to_the_niches_terrain(
    poet: Poet, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its target is the niche's ground, to the bit; called again it goes on; it says how far it is and compares."""
    control = ("control", "curriculum", tiny_run, 2, "--output", tmp_path / "path", "--workers", 1)
    settings = ("--set", "trainer.settings={threshold = -100, roughness_step = 'whole'}")
    first = poet(*control, *settings, "--env-steps", 1)
    with open_run(tmp_path / "path") as made:
        left = made.own_tables["curriculum"]["steps_left"].iloc[-1]
    again = poet(*control, *settings, "--budget", "run")

    with open_run(tiny_run) as run, open_run(tmp_path / "path") as made:
        budgets, path = env_steps_of(run, goal_of(run, 2)), made.own_tables["curriculum"]
        spent = made.ledger.groupby("iteration")["env_steps"].sum().cumsum()
        assert run.terrain(2) == made.terrain(int(path["niche_id"].iloc[-1]))
        assert run.agent(0, 0).version.theta_digest == made.agent(0, 0).version.theta_digest
        assert canonical_json(run.niches["genotype"][2]) == made.config.run.start_terrain
        monkeypatch.setattr(
            "experiments.controls.es.num_successes", lambda run, niche, theta, name: theta_digest(theta)
        )
        monkeypatch.setattr("experiments.controls.es.NUM_TRIALS", Whole())
        expected = (made.agent(int(path["niche_id"].iloc[-1])), run.agent(2, goal_of(run, 2).iteration))
        assert tuple(agent.version.theta_digest for agent in expected) == tried(run, goal_of(run, 2), made)
    assert 0 == path["steps_left"].iloc[-1] < left
    assert spent.iloc[-2] < budgets["run"] <= spent.iloc[-1]
    assert (0, 0) == (first.code, again.code)
    assert f"the agent is {left} or more terrains away from that of niche 2" in first.out
    assert "terrains away" not in again.out
    assert f"under 200 pushes that decided nothing the direct path succeeds 0 % after {spent.iloc[-1]:,}" in again.out


@pytest.mark.parametrize("without", ["both", "periodic", "admission"])
def test_without_transfers_agents_stay_where_they_are(poet: Poet, tiny_run: Path, tmp_path: Path, without: str) -> None:
    """A child's first agent is its parent's and nobody's else, or no agent moves later, or both; at the run's cost."""
    control = ("control", "no-transfer", tiny_run, "--output", tmp_path / "new", "--workers", 1)
    ended = poet(*control, *(("--without", without) * (without != "both")))
    with open_run(tiny_run) as run, open_run(tmp_path / "new") as made:
        configs = [one.config.to_json() for one in (run, made)]
        transfers, versions, niches = made.transfers, made.versions, made.niches.set_index("niche_id")
        spent = made.ledger.groupby("iteration")["env_steps"].sum().cumsum()
        assert spent.iloc[-2] < run.ledger["env_steps"].sum() <= spent.iloc[-1]
    again = poet(*control, *(("--without", without) * (without != "both")))

    assert (0, 0) == (ended.code, again.code)
    is_periodic = transfers["candidate_id"].isna()
    assert (is_periodic.any(), (~is_periodic).any()) == (without == "admission", without == "periodic")
    assert len(niches) > 1
    if without != "periodic":
        first = versions[versions["origin"].str.startswith("admission")]
        assert {"admission_direct"} == {*first["origin"]}
        assert [*niches["parent_id"][first["niche_id"]]] == [*first["source_id"]]
    assert {"periodic": {"at_admission": True}, "admission": {"periodic": True}, "both": {}}[without].items() <= {
        key: value for key, value in configs[1]["transfer"].items() if value is True
    }.items()
    for config in configs:
        del config["transfer"]["periodic"], config["transfer"]["at_admission"], config["run"]["iterations"]
    assert configs[0] == configs[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-transfer", "RUN", "--output", "new", "--without", "perodic"), ("--without", "did you mean 'periodic'")),
        (("no-transfer", "RUN", "--output", "new", "--env-steps", 0), ("--env-steps", "0")),
        (("no-transfer", "RUN", "--output", "RUN"), ("was made with other settings", "transfer.periodic")),
        (("curriculum", "RUN", 77, "--output", "new"), ("no niche 77",)),
        (("curriculum", "RUN", 1, "--output", "new", "--set", "trainer.settings={terrains=2}"), ("'terrains'",)),
    ],
)
def test_what_cannot_be_controlled_is_refused(
    poet: Poet, tiny_run: Path, tmp_path: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """In one sentence, before anything is written."""
    places = {"RUN": tiny_run, "new": tmp_path / "new"}
    assert_refused(poet("control", *(places.get(str(word), word) for word in arguments)), *words)
    assert not (tmp_path / "new").exists()


def test_a_path_without_a_target_is_refused(poet: Poet, tmp_path: Path) -> None:
    """The sentence shows how to name one; nothing is written."""
    run = ("run", tmp_path / "new", "--preset", "tiny", "--workers", 1, "--set", "run.trainer=curriculum")
    assert_refused(poet(*run), "needs a target", "--set run.start_terrain=")
    assert_refused(poet(*run, "--set", "run.start_terrain={}", "--set", "terrain.genotype=cppn"), "run.start_terrain")
    assert not (tmp_path / "new").exists()


def test_a_control_has_no_control(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """A run without transfers, one in which nothing is born, and a fork: each sentence says what to do instead."""
    tiny = ("--preset", "tiny", "--workers", 1, "--iterations", 1)
    off = [word for key in ("periodic", "at_admission") for word in ("--set", f"transfer.{key}=false")]
    poet("run", tmp_path / "off", *tiny, *off)
    poet("run", tmp_path / "es", *tiny, "--set", "run.trainer=es")
    poet("fork", tiny_run, tmp_path / "fork", "--at", 6, "--workers", 1)
    for name, words in (
        ("off", "has no such transfers (transfer.periodic, transfer.at_admission): control another run"),
        ("es", "since its trainer is es: a run of the trainer poet has such a control"),
        ("fork", "is a fork, which no run from the start repeats: control"),
    ):
        assert_refused(poet("control", "no-transfer", tmp_path / name, "--output", tmp_path / "new"), words)
    assert not (tmp_path / "new").exists()
