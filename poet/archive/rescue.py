"""Rescues a run whose files were taken away while it was being written."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from shlex import join

from environments.errors import InputError
from poet.archive.errors import ArchiveError
from poet.archive.folder import new_run
from poet.archive.watch import Watch

#: The errors with which saving can fail.
_FAILURES = (OSError, sqlite3.Error, ArchiveError, InputError)


def rescue(connection: sqlite3.Connection, watch: Watch, lost: Path, iteration: int | None) -> str:
    """Save what can still be read through the open connection, and say where it is.

    Args:
        connection: of the writer, outside a transaction.
        watch: on its files.
        lost: the file or folder that is no longer there.
        iteration: the last one recorded; None if not even the start is.

    Returns:
        The sentence for the user.
    """
    extent = "nothing had been recorded" if iteration is None else f"all up to iteration {iteration}"
    new_place = watch.moved_to()
    if new_place is not None:
        what = f"the folder {watch.folder} was moved away while the run in it was written, which has therefore stopped"
        return f"{what}: {extent} is in {new_place}; go on with: {_resume(new_place)}"
    happened = "replaced" if lost.exists() else "taken away"
    what = f"{lost} was {happened} while the run was written, which has therefore stopped"
    if iteration is None:
        return f"{what}: {extent}; start it in a new folder"
    try:
        saved = save_beside(connection, watch.folder)
    except _FAILURES as error:
        return f"{what}, and {extent} is lost, since no copy could be saved ({error}): start it again, or from a backup"
    return f"{what}: {extent} was saved in {saved}; go on with: {_resume(saved)}"


def _resume(folder: Path | str) -> str:
    """The command, quoted for a shell."""
    return join(("poet", "resume", str(folder)))


def save_beside(connection: sqlite3.Connection, folder: Path) -> Path:
    """Copy an open archive into a new run folder beside its own or, if that fails, in the temporary directory.

    Raises:
        OSError, sqlite3.Error, ArchiveError, InputError: both failed.
    """
    try:
        return _save(connection, folder.parent, folder.name)
    except _FAILURES:
        with suppress(*_FAILURES):
            return _save(connection, Path(tempfile.gettempdir()), folder.name)
        raise


def _save(connection: sqlite3.Connection, parent: Path, name: str) -> Path:
    folder = _new_folder(parent, name)
    try:
        with new_run(folder) as draft, closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
    except BaseException:
        folder.rmdir()
        raise
    return folder


def _new_folder(parent: Path, name: str) -> Path:
    """Make the folder NAME.saved-1, or with the next number that is free."""
    for number in count(1):
        folder = parent / f"{name}.saved-{number}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("numbers do not end")
