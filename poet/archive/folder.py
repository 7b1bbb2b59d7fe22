"""A run's folder: its files, and creating it all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from environments.errors import InputError
from poet.archive.errors import ArchiveError
from poet.archive.files import is_plain_or_missing
from poet.archive.lock import RunTakenError, WriterLock

#: The archive in a run's folder, and the suffixes of files that SQLite may put beside it.
ARCHIVE_NAME, SIDE_FILES = "run.sqlite", ("-wal", "-shm", "-journal")
_DRAFT_NAME = f"{ARCHIVE_NAME}.part"
_DRAFT_FILES = tuple(_DRAFT_NAME + end for end in ("", *SIDE_FILES))
#: The files in the folder of a run that is being created, or whose creation was killed.
_UNFINISHED = {"lock", *_DRAFT_FILES}


def archive_path(folder: Path, *, to_write: bool = False) -> Path:
    """The path of a run's SQLite file. The file is never opened here: closing it would drop SQLite's locks on it.

    Args:
        folder: of the run.
        to_write: refuse an archive with a second name, under which it would change too.

    Raises:
        InputError: there is no such folder, it holds no run, or a file of the run is not a regular file.
    """
    if not folder.exists():
        raise InputError(f"there is no run {folder}: the folder does not exist")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, but a run is a folder: name the folder that holds {ARCHIVE_NAME}")
    path = folder / ARCHIVE_NAME
    if not is_plain_or_missing(path, to_write=to_write):
        raise InputError(f"{folder} is no run: it holds no {ARCHIVE_NAME}")
    for end in SIDE_FILES:
        is_plain_or_missing(path.with_name(ARCHIVE_NAME + end), to_write=to_write)
    return path


def is_free(folder: Path) -> bool:
    """Whether a run can be created there: nothing is there, or an empty folder, or the remains of a killed start."""
    if not os.path.lexists(folder):
        return True
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return all(entry.name in _UNFINISHED and entry.is_file(follow_symlinks=False) for entry in entries)


def check_free(folder: Path) -> None:
    """Raise ``InputError`` if no run can be created there."""
    if not is_free(folder):
        raise InputError(f"{folder} exists: name a new folder for the run, or go on with it by poet resume")


@contextmanager
def new_run(folder: Path) -> Iterator[Path]:
    """Yield the path for the archive of a new run. If the block succeeds, it becomes the run's; if not, it is deleted.

    The archive is made in the run's own folder, under another name. So a killed start leaves nothing in the way of the
    next one, and an existing folder is never replaced: it may be a link, a mounted disk, or somebody's current folder.

    Raises:
        InputError: ``folder`` is a file, is not empty, or another process is creating a run in it.
        ArchiveError: it was taken away meanwhile.
        OSError: it cannot be created.
    """
    check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    is_made_here = _make(folder)
    lock: WriterLock | None = None
    try:
        lock = WriterLock(folder)
        check_free(folder)  # again, now that no other process can create a run here
        _remove(folder, _DRAFT_FILES)
        yield folder / _DRAFT_NAME
        _publish(folder)
    except RunTakenError:
        raise
    except BaseException:
        with suppress(OSError):
            _discard(folder, is_made_here)
        raise
    finally:
        if lock is not None:
            lock.release()


def _make(folder: Path) -> bool:
    """Make a folder unless it exists. Returns whether it was made."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _publish(folder: Path) -> None:
    try:
        check_free(folder)
        (folder / _DRAFT_NAME).rename(folder / ARCHIVE_NAME)
    except FileNotFoundError as error:
        message = f"the folder {folder} was taken away while a run was made in it"
        raise ArchiveError(f"{message}: nothing is left of it; start again") from error


def _discard(folder: Path, is_made_here: bool) -> None:
    _remove(folder, _UNFINISHED if is_free(folder) else _DRAFT_FILES)
    if is_made_here:
        folder.rmdir()  # fails if somebody has put anything into it


def _remove(folder: Path, names: set[str] | tuple[str, ...]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
