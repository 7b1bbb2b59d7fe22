"""What SQLite and the file system say about a run's archive, as one sentence for its user."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.errors import InputError


class ArchiveError(RuntimeError):
    """The machine stopped a run from being recorded: a full disk, a failing one, a foreign lock.

    What was recorded before is whole. The command line prints the sentence without a traceback and exits with code 1.
    """


class DamageError(InputError):
    """What is wrong in an archive, as a clause; ``explained`` makes the sentence that names the run."""


@contextmanager
def explained(folder: Path, source: Path | None = None) -> Iterator[None]:
    """Turn errors of SQLite and of the file system within the block into sentences.

    Args:
        folder: the run that is read or written.
        source: the run that is read while ``folder`` is written; None if there is only one.

    Raises:
        ArchiveError: disk full, disk failing, or the archive locked by another program.
        InputError: the folder cannot be read or written, or the file is damaged.
    """
    try:
        yield
    except DamageError as error:
        raise InputError(_damaged(source or folder, error)) from error
    except sqlite3.Error as error:
        # The low byte is the kind; the rest says which system call. Errors of the sqlite3 module itself carry no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        match code:
            case sqlite3.SQLITE_FULL:
                raise ArchiveError(_disk_full(folder)) from error
            case sqlite3.SQLITE_IOERR:
                message = f"the disk under the run {folder} failed ({error}): check its space, quota and health"
                raise ArchiveError(f"{message}, then go on; what was recorded before is whole") from error
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
            case sqlite3.SQLITE_OK if isinstance(error, sqlite3.OperationalError):  # text that is no UTF-8
                raise InputError(_damaged(source or folder, error)) from error
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArchiveError(_disk_full(folder)) from error
        message = f"the run folder {folder} cannot be used ({error.strerror})"
        raise InputError(f"{message}: name a place where you may read and write") from error


def _damaged(folder: Path, what: object) -> str:
    return f"the archive of the run {folder} is damaged ({what!s:.300}): restore it from a backup"


def _disk_full(folder: Path) -> str:
    lost = f"the disk is full, so the run {folder} could not be written"
    return f"{lost}: free some space and go on; what was recorded before is whole"
