"""Runs that remember what agents score: the ledger too is the same however a run was interrupted or executed."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from poet.archive.rows import EVENT_TABLES
from poet.types import Purpose
from tests.experiments.command_line import Poet, begin, end, wait_for
from tests.experiments.conftest import NUM_ITERATIONS

ENHANCED = ("--preset", "tiny", "--set", "novelty.measure=pata_ec", "--set", "transfer.rule=2020")
WHOLE = (*ENHANCED, "--iterations", NUM_ITERATIONS)


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with PATA-EC, made without interruption; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "enhanced"
    ended = end(begin("run", folder, *WHOLE, "--workers", 1))
    assert 0 == ended.code, ended.err
    return folder


def test_the_run_remembers_scores(enhanced: Path) -> None:
    """What the other tests compare: agents were run for novelty in several reproductions, and niches retired."""
    with open_run(enhanced) as run:
        novelty = run.ledger[run.ledger["purpose"] == Purpose.NOVELTY]
        assert novelty["iteration"].nunique() > 2
        assert len(run.retirements) > 1
        assert run.judgements["num_retired"].max() > 0


def test_a_killed_run_runs_no_agent_twice(enhanced: Path, tmp_path: Path) -> None:
    """kill -9 around reproductions, resumed by two threads: the same ledger, to the episode."""
    folder = tmp_path / "run"
    command: tuple[object, ...] = ("run", folder, *WHOLE)
    for iteration, delay in ((4, 0.0), (7, 0.03)):
        process = begin(*command, "--workers", 1)
        wait_for(process, f"iteration {iteration}/")
        time.sleep(delay)
        process.kill()
        process.communicate()
        command = ("resume", folder)
    ended = end(begin(*command, "--workers", 2))

    assert 0 == ended.code, ended.err
    assert fingerprint(enhanced) == fingerprint(folder)


@pytest.mark.parametrize("at", [4, 6, 8])
def test_a_fork_runs_no_agent_twice(poet: Poet, enhanced: Path, tmp_path: Path, at: int) -> None:
    """A fork without a change reuses the scores of its original."""
    ended = poet("fork", enhanced, tmp_path / "fork", "--at", at, "--workers", 1)

    assert 0 == ended.code, ended.err
    assert fingerprint(enhanced) == fingerprint(tmp_path / "fork")


def test_box2d_ranks_agents_as_our_own_engine_does(poet: Poet, enhanced: Path, tmp_path: Path) -> None:
    """Scores are equal to the bit, hence ranks, distances and admissions."""
    poet("run", tmp_path / "run", *WHOLE, "--engine", "box2d", "--workers", 2)

    assert fingerprint(enhanced) == fingerprint(tmp_path / "run")


def test_without_the_cache_only_the_ledger_differs(poet: Poet, enhanced: Path, tmp_path: Path) -> None:
    """``novelty.cached = false`` runs more episodes for novelty and finds the same, in every other table."""
    poet("run", tmp_path / "run", *WHOLE, "--set", "novelty.cached=false", "--workers", 1)

    with (
        closing(sqlite3.connect(enhanced / "run.sqlite")) as one,
        closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as other,
    ):
        for table in EVENT_TABLES.values():
            rows = [
                connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for connection in (one, other)
            ]
            assert (table != "ledger") == (rows[0] == rows[1]), table
        query = "SELECT sum(episodes) FROM ledger WHERE purpose = 'novelty'"
        ((few,),), ((many,),) = one.execute(query).fetchall(), other.execute(query).fetchall()
    assert few < many


def test_a_fork_may_change_the_measure(poet: Poet, enhanced: Path, tmp_path: Path) -> None:
    """From PATA-EC to genes and back: what is not known is run, and the run goes on."""
    genes = tmp_path / "genes"
    poet("fork", enhanced, genes, "--at", 4, "--set", "novelty.measure=nearest_genes", "--workers", 1)
    ended = poet("fork", genes, tmp_path / "back", "--at", 8, "--set", "novelty.measure=pata_ec", "--workers", 1)

    assert 0 == ended.code, ended.err
    with open_run(tmp_path / "back") as run:
        novelty = run.ledger[run.ledger["purpose"] == Purpose.NOVELTY]
        assert {9} == set(novelty["iteration"])
        with open_run(enhanced) as original:
            assert {5, 7} <= set(original.ledger[original.ledger["purpose"] == Purpose.NOVELTY]["iteration"])
