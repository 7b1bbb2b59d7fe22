"""Runs used by several threads, after they were closed, and by forked processes: right, or one sentence."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from environments.errors import InputError
from poet.archive.fingerprint import fingerprint
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import Run, open_run
from poet.events import AgentVersion
from tests.poet.archive_examples import CONFIG, SESSION, load, plain, record, toy_run, toy_steps
from tests.poet.test_archive_reader import FRAMES


def _at_one_moment(run: Run) -> None:
    with run.at_one_moment():
        pass


#: Every public way to read a run.
READINGS: dict[str, Callable[[Run], Any]] = {
    **{name: lambda run, name=name: getattr(run, name).to_csv() for name in FRAMES},  # type: ignore[misc]
    **{
        name: lambda run, name=name: getattr(run, name)
        for name in ("id", "iteration", "parent", "config", "configs", "keyframes", "recorded", "policy", "engine")
    },  # type: ignore[misc]
    "scores": lambda run: run.scores.to_csv(),
    "own_tables": lambda run: {name: frame.to_csv() for name, frame in run.own_tables.items()},
    "config_at": lambda run: run.config_at(1),
    "agent": lambda run: plain(run.agent(0)),
    "stored_agent": lambda run: plain(run.stored_agent(0)),
    "stored_agents": lambda run: plain(run.stored_agents()),
    "stored_versions": lambda run: run.stored_versions(),
    "num_thetas": lambda run: run.num_thetas,
    "rows_after": lambda run: run.rows_after(AgentVersion, ["id", "niche_id"], 0),
    "spent_after": lambda run: run.spent_after(0),
    "seconds_after": lambda run: run.seconds_after(0),
    "stored_version_ids": lambda run: sorted(run.stored_version_ids()),
    "terrain": lambda run: run.terrain(0).to_json(),
    "last_scores": lambda run: run.last_scores(),
    "at_one_moment": _at_one_moment,
    "load_state": lambda run: plain(load(run)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a toy run."""
    return toy_run(tmp_path / "run", 4)


def test_every_public_member_is_read_here() -> None:
    """A new one has to join the list above, unless it reads by these alone, as ``show`` does."""
    members = {name for name in vars(Run) if not name.startswith("_")}
    assert members - {"folder", "close", "show"} == set(READINGS)


def test_threads_share_a_run(folder: Path) -> None:
    """What any thread reads is what the opening one reads, also when all read at once."""
    with open_run(folder) as run, ThreadPoolExecutor(8) as pool:
        expected = [read(run) for read in READINGS.values()]
        for found in pool.map(lambda _: [read(run) for read in READINGS.values()], range(8)):
            assert expected == found


def test_a_moment_is_one_threads_own(tmp_path: Path) -> None:
    """Within such a block nothing changes, blocks may lie in each other, and other threads read after it."""
    steps = toy_steps(2)
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive, open_run(tmp_path / "run") as run:
        record(archive, *steps[:2])
        seen: list[int | None] = []
        other = threading.Thread(target=lambda: seen.append(run.iteration))
        with run.at_one_moment():
            assert 1 == run.iteration
            record(archive, steps[2])
            other.start()
            with run.at_one_moment():
                assert 1 == run.iteration
            assert 1 == run.iteration
            assert not seen
        other.join()
        assert [2] == seen


@pytest.mark.parametrize("name", READINGS)
def test_a_closed_run_says_so(folder: Path, name: str) -> None:
    """After ``close`` every way to read it gives one sentence, from any caller."""
    run = open_run(folder)
    run.close()
    run.close()
    with pytest.raises(InputError, match=r"the run \S*run was closed: open it again"):
        READINGS[name](run)


def test_a_run_closed_within_a_moment_says_so(folder: Path) -> None:
    """The block ends without another error."""
    run = open_run(folder)
    with pytest.raises(InputError, match="was closed"), run.at_one_moment():
        run.close()
        run.iteration  # noqa: B018 - what is read is not the question


def test_a_writer_may_be_used_by_another_thread(tmp_path: Path) -> None:
    """Iterations of any thread are recorded; after ``close`` each call is one sentence."""
    steps = toy_steps(4)
    with ThreadPoolExecutor(1) as pool:
        archive = create_run(tmp_path / "run", CONFIG, session=SESSION)
        record(archive, *steps[:2])
        pool.submit(record, archive, *steps[2:]).result()
        pool.submit(archive.finish, steps[4].state).result()
        pool.submit(archive.close).result()
    assert fingerprint(toy_run(tmp_path / "whole", 4)) == fingerprint(tmp_path / "run")
    for act in (lambda: archive.finish(steps[4].state), lambda: record(archive, *toy_steps(5)[5:])):
        with pytest.raises(InputError, match="was closed"):
            act()
    archive.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_a_run_of_its_own(folder: Path) -> None:
    """A connection that came along by a fork would break the locks of both: it is refused, and closes nothing."""
    with open_run(folder) as run, RunArchive.open(folder, session=SESSION) as archive:
        child = os.fork()
        if child == 0:
            refused = 0
            for act in (lambda: run.niches, lambda: archive.finish(toy_steps(4)[4].state)):
                try:
                    act()
                except InputError as error:
                    refused += "was opened by another process" in str(error)
            run.close()
            archive.close()
            os._exit(refused)
        assert 2 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert 4 == run.iteration
        record(archive, *toy_steps(5)[5:])
        assert 5 == run.iteration
