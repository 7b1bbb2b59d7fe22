"""File systems without locks or shared memory are named as the cause of errors."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from environments.errors import InputError
from poet.archive import database
from poet.archive.errors import ArchiveError, explained
from poet.archive.fork import fork_run
from poet.archive.journal import RunArchive, create_run
from poet.archive.lock import writer_of
from poet.archive.reader import open_run
from tests.poet.archive_examples import CONFIG, SESSION, toy_run


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Writers are refused with the reason and the fix, and nothing is made; readers need no lock."""
    folder = toy_run(tmp_path / "run", 1)
    (tmp_path / "empty").mkdir()

    def flock(file: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    words = r"the file system under the run \S+ has no locks .* name a folder on a local disk"
    for name in ("new", "empty"):
        with pytest.raises(InputError, match=words):
            create_run(tmp_path / name, CONFIG, session=SESSION)
        with pytest.raises(InputError, match=words):
            fork_run(folder, tmp_path / name, 1)
    with pytest.raises(InputError, match=words):
        RunArchive.open(folder, session=SESSION)
    assert {"run", "empty"} == {path.name for path in tmp_path.iterdir()}
    assert not list((tmp_path / "empty").iterdir())
    with open_run(folder) as run:
        assert 1 == run.iteration
    assert writer_of(folder) is None


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("SQLITE_PROTOCOL", InputError, "has no locks that SQLite could use"),
        ("SQLITE_IOERR_LOCK", InputError, "has no locks that SQLite could use"),
        ("SQLITE_IOERR_RDLOCK", InputError, "has no locks that SQLite could use"),
        ("SQLITE_IOERR_SHMOPEN", InputError, "has no shared memory that SQLite could use"),
        ("SQLITE_IOERR_SHMMAP", InputError, "has no shared memory that SQLite could use"),
        ("SQLITE_IOERR_SHMLOCK", InputError, "has no shared memory that SQLite could use"),
        ("SQLITE_IOERR_SHMSIZE", ArchiveError, "check its space"),
        ("SQLITE_IOERR_WRITE", ArchiveError, "check its space"),
    ],
)
def test_what_sqlite_says_of_a_file_system_is_explained(name: str, kind: type[Exception], words: str) -> None:
    """A place that cannot hold a run is the user's to change; a failing disk is not."""
    error: Any = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = getattr(sqlite3, name)
    with (
        pytest.raises(kind, match=rf"under the run some/run .*{words}.*(local disk|go on)"),
        explained(Path("some/run")),
    ):
        raise error


class Unfit:
    """A connection on a file system without shared memory."""

    def execute(self, sql: str) -> None:
        """SQLite's error on such a file system."""
        error: Any = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMMAP
        raise error

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_finished_run_is_read_where_nothing_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_finished: bool
) -> None:
    """All of it is in the one file; one that goes on has more in its journal, and is refused with the reason."""
    connect, folder = database._connect, toy_run(tmp_path / "run", 3)
    monkeypatch.setattr(database, "_connect", lambda uri, path: connect(uri, path) if "immutable" in uri else Unfit())
    if is_finished:
        with open_run(folder) as run:
            assert 3 == run.iteration
    else:
        (folder / "run.sqlite-wal").write_bytes(b"an iteration")
        with pytest.raises(InputError, match="has no shared memory that SQLite could use"):
            open_run(folder)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOSPC])
def test_a_failing_disk_is_not_the_users_fault(code: int) -> None:
    """Failures of the machine are ArchiveErrors, so the command line exits with 1."""
    with pytest.raises(ArchiveError, match="disk"), explained(Path("run")):
        raise OSError(code, os.strerror(code))
