"""Code that an archive names is only imported with the user's consent."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.errors import InputError
from experiments.controls.neutral import neutral_shadow
from experiments.replay.verify import verify
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.synthetic_runs import three_niches
from tests.experiments.test_bad_input import assert_refused

CODE = """
from pathlib import Path

from agents.policies.mlp import MLPPolicy
from agents.rollouts.engines import Box2D
from agents.strategies.openai_es import OpenAIES
from environments.terrain.obstacles import ObstacleGenotype
from poet.criterion import ReturnBand
from poet.novelty import NearestGenes
from poet.trainers.poet import Poet

Path("imported").touch()
Hard = ReturnBand
Mine = {own}
"""

PARTS = {
    "terrain.genotype": "ObstacleGenotype",
    "es.strategy": "OpenAIES",
    "policy.kind": "MLPPolicy",
    "poet.criterion": "ReturnBand",
    "novelty.measure": "NearestGenes",
    "run.trainer": "Poet",
    "evaluation.engine": "Box2D",
}
NEXT = ("--iterations", 5, "--workers", 1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The current folder of the commands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("key", list(PARTS))
def test_nothing_that_an_archive_names_is_imported_without_trust(poet: Poet, place: Path, key: str) -> None:
    """One sentence names run, key, module and ``--trust``; looking at a run needs no code at all."""
    section, _, name = key.partition(".")
    module = f"foreign_{name}"
    (place / f"{module}.py").write_text(CODE.format(own=PARTS[key]))
    run = three_niches(place / "run", **{section: {name: f"{module}:Mine"}})
    commands: list[tuple[object, ...]] = [
        ("verify", run), ("resume", run, *NEXT), ("fork", run, place / "fork", "--at", 4),
        ("control", "neutral", run, "--admission", "random", "--output", place / "new"),
    ]  # fmt: skip
    if key == "evaluation.engine":
        commands.append(("analyse", run))
    if key == "terrain.genotype":
        commands.append(("control", "neutral", run, "--replicates", 1))
    for command in commands:
        ended = poet(*command)
        assert_refused(ended, str(run), f"{key}={module}:Mine", "--trust")
        assert "analyse" == command[0] or "" == ended.out
    for command in (("status", run), ("fingerprint", run), ("export", run, "--output", place / "export")):
        assert 0 == poet(*command).code
    with open_run(run) as stored:
        assert f"{module}:Mine" in str(stored.config)
        if key == "terrain.genotype":
            with pytest.raises(InputError, match="give its genotype_type"):
                neutral_shadow(stored, 1)
    assert not (place / "imported").exists()
    assert not (place / "fork").exists() and not (place / "new").exists()


def test_trusted_code_and_code_of_the_own_command_line_run(poet: Poet, place: Path) -> None:
    """``poet run --set`` and ``poet fork --set`` need no ``--trust``; ``poet resume --trust`` goes on, and says so."""
    (place / "mine_to_run.py").write_text(CODE.format(own="ReturnBand"))
    tiny, mine = ("--preset", "tiny", "--workers", 1), ("--set", "poet.criterion=mine_to_run:Mine")
    begun = poet("run", place / "run", *tiny, "--iterations", 2, *mine)
    assert (0, "") == (begun.code, begun.err)
    assert "imported mine_to_run:Mine, named by poet.criterion" in begun.out

    assert_refused(poet("resume", place / "run", *NEXT[2:], "--iterations", 3), "mine_to_run:Mine", "--trust")
    assert 0 == poet("resume", place / "run", *NEXT[2:], "--iterations", 3, "--trust").code
    assert 0 == poet("verify", place / "run", "--trust").code
    fork = ("fork", place / "run", place / "fork", "--at", 2, "--iterations", 3, "--workers", 1)
    assert_refused(poet(*fork), "mine_to_run:Mine", "--trust")
    assert not (place / "fork").exists()
    assert 0 == poet(*fork, *mine).code


def test_a_trusted_policy_is_found_by_those_who_verify(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their processes look for it where this one does, wherever that is."""
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "policy_elsewhere.py").write_text(CODE.format(own="MLPPolicy"))
    monkeypatch.syspath_prepend(place / "elsewhere")
    run = three_niches(place / "run", policy={"kind": "policy_elsewhere:Mine"})

    report = verify(run, workers=1, trust=True)

    assert report.num_pairs > 0
    assert not any("imported" in mismatch.reason for mismatch in report.mismatches)


def test_an_engine_of_ones_own_runs_what_ours_run(poet: Poet, place: Path) -> None:
    """It is named by ``--engine`` or trusted, noted with its session, and changes no result."""
    (place / "mine_to_walk.py").write_text(CODE.format(own="Box2D"))
    begin, mine = ("--preset", "tiny", "--workers", 1, "--iterations"), ("--engine", "mine_to_walk:Mine")
    assert 0 == poet("run", place / "ours", *begin, 3).code
    begun = poet("run", place / "run", *begin, 2, *mine)
    assert (0, "") == (begun.code, begun.err)
    assert "imported mine_to_walk:Mine, named by evaluation.engine" in begun.out

    go_on = ("resume", place / "run", "--workers", 1, "--iterations", 3)
    assert_refused(poet(*go_on), "evaluation.engine=mine_to_walk:Mine", "--trust")
    assert 0 == poet(*go_on, *mine).code
    assert fingerprint(place / "ours") == fingerprint(place / "run")
    with open_run(place / "run") as stored:
        assert ["mine_to_walk:Mine"] * 2 == list(stored.sessions["engine"])
    assert 0 == poet("replay", place / "run", "--verify", *mine, "--workers", 1).code
    analyse = ("analyse", place / "run", "--workers", 1)
    assert_refused(poet(*analyse), "evaluation.engine=mine_to_walk:Mine", "--trust")
    assert 0 == poet(*analyse, "--trust").code
    assert 0 == poet(*analyse, *mine, "--output", place / "report").code
