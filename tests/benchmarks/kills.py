"""Kills at random moments: ``python -m tests.benchmarks.kills --kills 100``.

A toy run is made, written, upgraded from the first archive schema and forked, each in a process that ``kill -9`` hits
at a random moment of its work, and gone on with by the next process until the run is done. Fails unless every run ends
with the fingerprint of one that nobody killed, nothing that was said to be recorded is lost, and nothing is left over.
``tests/benchmarks/same_result.py`` kills real runs.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from environments.streams import Stream
from poet.archive.fingerprint import fingerprint
from poet.archive.folder import is_free
from poet.archive.fork import fork_run
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import open_run
from tests.poet.archive_examples import CONFIG, SESSION, load, record, toy_iteration, toy_run, toy_start

NUM_ITERATIONS = 12
_OLD = Path(__file__).parents[1] / "poet" / "golden" / "archive_v1.sql"

Work = Callable[[Path, int], None]


def go_on(folder: Path, told: int) -> None:
    """Write a run to its end, and tell each iteration that is on disk."""
    with RunArchive.open(folder, session=SESSION) as archive:
        if archive.iteration is None:
            step = toy_start()
            record(archive, step)
            state = step.state
        else:
            with open_run(folder) as run:
                state = load(run)
        os.write(told, bytes([state.iteration]))
        while state.iteration < NUM_ITERATIONS:
            step = toy_iteration(state)
            record(archive, step)
            state = step.state
            os.write(told, bytes([state.iteration]))


def start(folder: Path, told: int) -> None:
    """Make a run and write it."""
    if is_free(folder):
        create_run(folder, CONFIG, session=SESSION).close()
    go_on(folder, told)


def fork(folder: Path, told: int) -> None:
    """Fork the whole run beside it and go on with that."""
    if is_free(folder):
        fork_run(folder.parent.with_name("whole"), folder, 4)
    go_on(folder, told)


def old_run(folder: Path) -> None:
    """A run of six iterations by the first schema."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        connection.executescript(_OLD.read_text(encoding="utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")


def in_child(work: Work, folder: Path, seconds: float | None) -> tuple[float, int, bool]:
    """Work in a process of its own, killed after some seconds of it; None to let it end.

    Returns:
        Seconds until it ended, the last iteration that it told (-1 for none), and whether it was killed.
    """
    reading, told = os.pipe()
    begun = time.perf_counter()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            work(folder, told)
            code = 0
        finally:
            os._exit(code)
    os.close(told)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        last, deadline = b"", None if seconds is None else begun + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.perf_counter())
            if not select.select([pipe], [], [], left)[0]:
                os.kill(child, signal.SIGKILL)
                deadline = None
                continue
            more = pipe.read(4096)
            if not more:
                break
            last = more[-1:]
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{work.__name__} ended with code {code}")
    return time.perf_counter() - begun, last[0] if last else -1, code != 0


def check(folder: Path, told: int, is_killed: bool) -> None:
    """What must be there after a kill and at the end: a whole archive with all that was told, and nothing beside it."""
    found = {path.name for path in folder.parent.iterdir()}
    if not found <= {folder.name}:
        raise RuntimeError(f"a kill left {found} in {folder.parent}")
    if not folder.exists() or is_free(folder):
        if told >= 0:
            raise RuntimeError(f"iteration {told} was recorded, and the run is gone")
        return
    names = {"lock", "run.sqlite", *(("run.sqlite-wal", "run.sqlite-shm") if is_killed else ())}
    left = {path.name for path in folder.iterdir()} - names  # before readers make files of their own
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    with open_run(folder) as run:
        done = -1 if run.iteration is None else run.iteration
    if verdict != "ok" or done < told or left:
        raise RuntimeError(f"after a kill: integrity {verdict}, iteration {done} of {told} recorded, {left} left")


def killed_until_done(work: Work, folder: Path, seconds: float, stream: Stream, limit: int) -> int:
    """Work that is killed at random moments of its seconds, and begun again until it ends; how many kills hit it."""
    num_kills, told = 0, -1
    while num_kills < limit:
        _, last, is_killed = in_child(work, folder, stream.uniform(0.0, seconds))
        told = max(told, last)
        if not is_killed:
            break
        check(folder, told, is_killed=True)
        num_kills += 1
    else:
        in_child(work, folder, None)
    check(folder, NUM_ITERATIONS, is_killed=False)
    return num_kills


def main(arguments: list[str]) -> int:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args(arguments)
    stream, num_kills, num_runs = Stream(options.seed, "kills"), {"start": 0, "upgrade": 0, "fork": 0}, 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        toy_run(place / "whole", NUM_ITERATIONS)
        old_run(place / "old")
        shutil.copytree(place / "old", place / "upgraded")
        in_child(go_on, place / "upgraded", None)
        whole, upgraded = fingerprint(place / "whole"), fingerprint(place / "upgraded")
        kinds: dict[str, tuple[Work, str]] = {
            "start": (start, whole), "upgrade": (go_on, upgraded), "fork": (fork, whole),
        }  # fmt: skip
        while sum(num_kills.values()) < options.kills:
            kind = list(kinds)[num_runs % len(kinds)]
            work, expected = kinds[kind]
            folder = place / f"{num_runs}" / "run"
            folder.parent.mkdir()
            if kind == "upgrade":
                shutil.copytree(place / "old", folder)
            trial = place / f"{num_runs} trial" / "run"
            trial.parent.mkdir()
            if kind == "upgrade":
                shutil.copytree(place / "old", trial)
            seconds, _, _ = in_child(work, trial, None)
            left = options.kills - sum(num_kills.values())
            num_kills[kind] += killed_until_done(work, folder, seconds, stream, min(left, 10))
            num_runs += 1
            if fingerprint(folder) != expected:
                print(f"{kind} {num_runs}: another fingerprint after its kills")
                return 1
    print(f"{num_runs} runs, kills: {num_kills}; every fingerprint is that of a run that nobody killed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
