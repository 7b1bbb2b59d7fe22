"""Turns errors of SQLite and of the file system about a run's archive into sentences for the user."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.errors import InputError

#: SQLite's error codes on a file system without locks, and on one without shared memory.
NO_LOCKS = {
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
}
NO_SHARED_MEMORY = {sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMLOCK, sqlite3.SQLITE_IOERR_SHMMAP}


class ArchiveError(RuntimeError):
    """The machine kept a run from being recorded: the disk is full or failing, or another program holds a lock.

    What was recorded before is intact. The command line prints the sentence without a traceback and exits with code 1.
    """


class DamageError(InputError):
    """Damage in an archive, as a clause. ``explained`` turns it into a sentence that names the run."""


@contextmanager
def explained(folder: Path, source: Path | None = None) -> Iterator[None]:
    """Turn errors of SQLite and of the file system within the block into sentences.

    Args:
        folder: the run that is read or written.
        source: the run that is read while ``folder`` is written; None if there is only one.

    Raises:
        ArchiveError: the disk is full or fails, or another program has locked the archive.
        InputError: the folder cannot be read or written, lacks what SQLite needs, or the file is damaged.
    """
    try:
        yield
    except DamageError as error:
        raise InputError(_damaged(source or folder, error)) from error
    except sqlite3.Error as error:
        # The low byte is the kind, the rest the system call. Errors of the sqlite3 module itself have no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        if code in NO_LOCKS | NO_SHARED_MEMORY:
            raise InputError(
                _unfit(source or folder, "locks" if code in NO_LOCKS else "shared memory", error)
            ) from error
        match code & 0xFF:
            case sqlite3.SQLITE_FULL:
                raise ArchiveError(_disk_full(folder)) from error
            case sqlite3.SQLITE_IOERR:
                raise ArchiveError(_disk_failed(folder, error)) from error
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                message = f"the archive of the run {folder} is locked by another program ({error})"
                raise ArchiveError(f"{message}: end that program's transaction, then resume the run") from error
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
                message = f"the run {folder} cannot be opened or written ({error})"
                raise InputError(f"{message}: give yourself the rights, or copy it to a folder of yours") from error
            case sqlite3.SQLITE_INTERRUPT:
                endless = "reading it does not end: its pages lead in circles"
                raise InputError(_damaged(source or folder, endless)) from error
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR | sqlite3.SQLITE_TOOBIG:
                raise InputError(_damaged(source or folder, error)) from error
            case sqlite3.SQLITE_CONSTRAINT | sqlite3.SQLITE_MISMATCH if source is not None:
                raise InputError(_damaged(source, error)) from error
            case sqlite3.SQLITE_OK if isinstance(error, sqlite3.OperationalError):  # text that is not UTF-8
                raise InputError(_damaged(source or folder, error)) from error
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArchiveError(_disk_full(folder)) from error
        if error.errno in (errno.EIO, errno.ESTALE):
            raise ArchiveError(_disk_failed(folder, error)) from error
        message = f"the run folder {folder} cannot be used ({error.strerror})"
        raise InputError(f"{message}: name a place where you may read and write") from error


def _damaged(folder: Path, what: object) -> str:
    return f"the archive of the run {folder} is damaged ({what!s:.300}): restore it from a backup"


def _disk_full(folder: Path) -> str:
    lost = f"the disk is full, so the run {folder} could not be written"
    return f"{lost}: free some space and go on; what was recorded before is whole"


def _disk_failed(folder: Path, error: Exception) -> str:
    message = f"the disk under the run {folder} failed ({error}): check its space, quota and health"
    return f"{message}, then go on; what was recorded before is whole"


def _unfit(folder: Path, what: str, error: sqlite3.Error) -> str:
    message = f"the file system under the run {folder} has no {what} that SQLite could use ({error}), without which"
    return f"{message} writer and readers would disturb each other: have the run in a folder on a local disk"
