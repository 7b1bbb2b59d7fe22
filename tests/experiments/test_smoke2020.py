"""The preset smoke2020: all of Enhanced POET happens in it, and its result depends on its config alone."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from poet.criterion import Judgement
from poet.events import CandidateOutcome, TransferOutcome
from poet.types import Purpose
from tests.experiments.command_line import begin, end, wait_for

#: Five reproductions, two retirements, and novelty that compares agents which have retired.
NUM_ITERATIONS = 16
#: Two reproductions and the first transfer round that replaces an agent.
NUM_FEW = 7


def run_preset(folder: Path, iterations: int, *options: object) -> Path:
    """A finished run of the preset, made by a process of its own."""
    ended = end(begin("run", folder, "--preset", "smoke2020", "--iterations", iterations, *options))
    assert 0 == ended.code, ended.err
    return folder


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by two threads, without interruption; tests only read it."""
    return run_preset(tmp_path_factory.mktemp("runs") / "smoke", NUM_ITERATIONS, "--workers", 2)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shorter one, for what is slow; tests only read it."""
    folder = run_preset(tmp_path_factory.mktemp("runs") / "few", NUM_FEW, "--workers", 2)
    with open_run(folder) as run:
        assert {4, 7} == set(run.judgements["iteration"])
        in_rounds = run.transfers[run.transfers["candidate_id"].isna()]
        assert TransferOutcome.ACCEPTED in set(in_rounds["outcome"])
    return folder


def test_everything_of_enhanced_poet_happens(smoke: Path) -> None:
    """CPPN terrains are admitted by what all agents score there, agents move, niches retire, ANNECS is counted."""
    with open_run(smoke) as run:
        candidates, niches, transfers = run.candidates, run.niches, run.transfers
        novelty = run.ledger[run.ledger["purpose"] == Purpose.NOVELTY]
        judgements, retirements, solved = run.judgements, run.retirements, run.solved
        uneven = [run.terrain(niche_id).ground[:, 1].std() for niche_id in niches["niche_id"]]

    admitted = candidates[candidates["outcome"] == CandidateOutcome.ADMITTED]
    in_rounds = transfers[transfers["candidate_id"].isna()]
    assert [4, 7, 10, 13, 16] == sorted(set(candidates["iteration"]))
    assert {7, 10, 13, 16} == set(novelty["iteration"])  # a single agent is known wherever it counts
    assert 5 == len(admitted) == len(niches) - 1
    assert all({"nodes", "connections"} <= set(genotype) for genotype in niches["genotype"])
    assert (admitted["novelty"] > 0.0).sum() > 1
    assert max(uneven[1:]) > 0.0
    assert TransferOutcome.ACCEPTED in set(in_rounds["outcome"])
    assert [0, 1] == retirements["niche_id"].tolist()
    assert judgements["num_retired"].max() > 0
    assert set(judgements.loc[judgements["judgement"] == Judgement.ADMISSIBLE, "niche_id"]) & set(solved["niche_id"])


def test_one_thread_gives_the_fingerprint_of_two(smoke: Path, tmp_path: Path) -> None:
    """It does not matter which thread runs which episode."""
    assert fingerprint(smoke) == fingerprint(run_preset(tmp_path / "run", NUM_ITERATIONS, "--workers", 1))


def test_ray_gives_the_fingerprint_of_threads(few: Path, tmp_path: Path) -> None:
    """Episodes on Ray change nothing."""
    run = run_preset(tmp_path / "run", NUM_FEW, "--executor", "ray", "--workers", 2)

    assert fingerprint(few) == fingerprint(run)


def test_box2d_gives_the_fingerprint_of_our_own_engine(few: Path, tmp_path: Path) -> None:
    """Box2D itself ranks agents, moves them and admits CPPN terrains as the engine simd does, to the last bit."""
    run = run_preset(tmp_path / "run", NUM_FEW, "--engine", "box2d", "--workers", 2)

    assert fingerprint(few) == fingerprint(run)


def test_a_killed_run_ends_with_the_fingerprint_of_one_that_was_not(smoke: Path, tmp_path: Path) -> None:
    """kill -9 in a reproduction, before and after the first retirement: what was known is known again."""
    folder = tmp_path / "run"
    command: tuple[object, ...] = ("run", folder, "--preset", "smoke2020", "--iterations", NUM_ITERATIONS)
    for iteration in (6, 15):
        process = begin(*command, "--workers", 2)
        wait_for(process, f"iteration {iteration}/")
        time.sleep(0.05)
        process.kill()
        process.communicate()
        command = ("resume", folder)
    with open_run(folder) as run:
        assert run.iteration is not None and run.iteration < NUM_ITERATIONS
    ended = end(begin(*command, "--workers", 2))

    assert 0 == ended.code, ended.err
    assert fingerprint(smoke) == fingerprint(folder)


@pytest.mark.parametrize("engine", ["simd", "box2d"])
def test_every_stored_pair_walks_again_as_recorded(smoke: Path, engine: str) -> None:
    """``replay --verify`` runs each stored agent on its CPPN terrain and finds the archive's episode to the bit."""
    ended = end(begin("replay", smoke, "--verify", "--engine", engine, "--workers", 2))
    with open_run(smoke) as run:
        num_pairs = len(run.stored_agents())

    assert 0 == ended.code, ended.out + ended.err
    assert [str(num_pairs)] == re.findall(r"(\d+) stored pairs of", ended.out)
    assert num_pairs > 20
