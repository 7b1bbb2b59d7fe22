"""With all that is ours switched on a run's result depends on its config alone, and validation changes nothing else."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest

from agents.evaluation import make_executor
from experiments.progress import PlainLines
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import Run, open_run
from poet.types import Purpose
from tests.experiments.command_line import Poet, begin, end, wait_for
from tests.experiments.conftest import NUM_ITERATIONS

#: What no preset of the papers has, without validation and with it.
OURS = ("es.strategy=averaged_es", "es.return_ceiling=230", "es.on_arrival=kept", "niche.instances=2",
        "niche.vary=push", "transfer.candidate_step=none",
        "transfer.confirm_episodes=2", "poet.eligible_share=0.3", "run.start=flat",
        "evaluation.max_steps=800")  # fmt: skip
VALIDATED_TOO = (*OURS, "validation.episodes=3", "validation.interval=3")
#: The shipped walker crosses flat ground in 650 steps: the root rests.
SETTINGS = (*VALIDATED_TOO, "niche.rest_interval=3")
VALIDATED = ("--preset", "tiny", "--iterations", NUM_ITERATIONS, *chain(*(("--set", key) for key in SETTINGS)))


@pytest.fixture(scope="module")
def validated_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preset tiny with validation."""
    return run_tiny(tmp_path_factory.mktemp("runs") / "validated", SETTINGS)


def run_tiny(folder: Path, settings: tuple[str, ...]) -> Path:
    """Make a run in one go in one thread."""
    config = resolve_config("tiny", None, settings, {"run.iterations": NUM_ITERATIONS})
    with Path("/dev/null").open("w") as nowhere, make_executor("local", 1) as executor:
        run_experiment(folder, config, executor, lambda tracker: PlainLines(tracker, nowhere))
    return folder


def test_engine_threads_and_interruptions_change_no_rate(poet: Poet, tmp_path: Path, validated_run: Path) -> None:
    """Four iterations in Box2D in two processes, then the rest in two threads of ``simd``: the same fingerprint."""
    folder = tmp_path / "run"
    poet("run", folder, *VALIDATED, "--iterations", 4, "--engine", "box2d", "--workers", 2)
    poet("resume", folder, "--iterations", NUM_ITERATIONS, "--engine", "simd", "--workers", 2)

    assert fingerprint(validated_run) == poet("fingerprint", folder).last_line


def test_a_killed_run_measures_nothing_twice(tmp_path: Path, validated_run: Path) -> None:
    """kill -9, resumed: what was measured is known from the state, and the fingerprint is that of a whole run."""
    folder = tmp_path / "run"
    process = begin("run", folder, *VALIDATED, "--workers", 1)
    wait_for(process, "iteration 4/")
    time.sleep(0.01)
    process.kill()
    process.communicate()
    ended = end(begin("resume", folder, "--workers", 1))

    assert 0 == ended.code, ended.err
    assert fingerprint(validated_run) == fingerprint(folder)


def test_a_fork_keeps_what_was_measured(poet: Poet, tmp_path: Path, validated_run: Path) -> None:
    """Without a change it ends with the original's fingerprint; and it can be replayed, the validated agents too."""
    ended = poet("fork", validated_run, tmp_path / "fork", "--at", 4, "--workers", 1)
    verified = poet("replay", tmp_path / "fork", "--verify", "--engine", "simd", "--workers", 1)

    assert (0, 0) == (ended.code, verified.code), ended.err + verified.out
    assert fingerprint(validated_run) == fingerprint(tmp_path / "fork")


def test_the_root_rests_and_transfers_are_confirmed(validated_run: Path) -> None:
    """Otherwise the tests above would say nothing of niches at rest and of confirmations."""
    with open_run(validated_run) as run:
        trained = set(run.generations.groupby("niche_id")["iteration"].get_group(0))
        purposes = set(run.ledger["purpose"])

    assert set(range(1, max(trained))) - trained
    assert Purpose.TRANSFER_CONFIRMATION in purposes


def test_validation_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    """Every other table is that of the run without; the ledger has one purpose more, and its sum is the cost."""

    def frames(run: Run) -> list[pd.DataFrame]:
        ledger = run.ledger
        kept = ledger[ledger["purpose"] != Purpose.VALIDATION].reset_index(drop=True)
        tables = [run.niches, run.candidates, run.judgements, run.solved, run.retirements, run.transfers]
        return [*tables, run.transfer_sources, run.generations, run.versions, kept]

    validated = run_tiny(tmp_path / "validated", VALIDATED_TOO)
    with open_run(run_tiny(tmp_path / "run", OURS)) as without, open_run(validated) as run:
        for expected, found in zip(frames(without), frames(run), strict=True):
            pd.testing.assert_frame_equal(expected, found)
        assert without.validations.empty
        validations = run.validations
        assert len(validations) == len(validations.groupby(["version_id", "validation_set"]))
        assert {"admission", "transfer", "interval"} <= set(validations["occasion"])
        spent = run.ledger[run.ledger["purpose"] == Purpose.VALIDATION]
        assert 3 * len(validations) == spent["episodes"].sum()
        assert run.ledger["env_steps"].sum() == run.iterations["env_steps"].sum()
        stored = {agent.version.id for agent in run.stored_agents()}
        assert set(validations["version_id"]) <= stored
