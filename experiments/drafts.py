"""Output that appears as a whole or not at all. What a killed writer leaves is removed by the next one."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from environments.errors import InputError
from poet.archive.files import open_plain

_DRAFT = "draft"
#: How many letters of a target's name its draft's name has: both must fit into a file system.
_MAX_LETTERS = 40


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A draft folder that becomes ``folder`` if the block succeeds, and vanishes if it fails.

    Raises:
        InputError: ``folder`` is there and not an empty folder, or cannot be made.
        RuntimeError: the draft was removed in the meantime.
    """
    taken = InputError(f"{folder} exists: name a new folder for --output")
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise taken
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unmade(target, error) from error
    with draft_of(target) as draft:
        draft.mkdir()
        yield draft
        try:
            draft.rename(target)  # replaces an empty folder, and nothing else
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise taken from error
            raise


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """A path beside ``target``, with the same ending, for a file that the block renames to it.

    It lies in a hidden folder with a lock file. A folder whose lock nobody holds is a killed writer's, and is removed.

    Raises:
        InputError: nothing can be made there.
        FileNotFoundError: its folder is not there.
        RuntimeError: the draft was removed in the meantime.
    """
    try:
        _sweep(target)
        place = Path(tempfile.mkdtemp(".part", _prefix(target), target.parent))
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    except OSError as error:
        if target.parent.exists():
            raise _unmade(target, error) from error
        error.filename = str(target)  # the name that the user knows
        raise
    try:
        with suppress(OSError):  # without locks nobody can tell that it was left, so it stays
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield place / f"{_DRAFT}{target.suffix}"
    except OSError as error:  # pandas gives no error number if the folder is gone
        if place.exists():
            raise
        raise RuntimeError(f"the draft of {target} was taken away while it was written: write it again") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def is_draft_of(path: Path, target: Path) -> bool:
    """Whether a path has the name of a draft of ``target``."""
    return path.parent == target.parent and path.match(f"{escape(_prefix(target))}*.part")


def _sweep(target: Path) -> None:
    """Remove what killed writers of ``target`` left."""
    for place in target.parent.glob(f"{escape(_prefix(target))}*.part"):
        with suppress(OSError, InputError):  # somebody else's, or in use
            lock = open_plain(place / "lock", os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if {path.name for path in place.iterdir()} <= {"lock", f"{_DRAFT}{target.suffix}"}:
                    shutil.rmtree(place)
            finally:
                os.close(lock)


def _prefix(target: Path) -> str:
    return f".{target.name[:_MAX_LETTERS]}."


def _unmade(target: Path, error: OSError) -> InputError:
    return InputError(f"{target} cannot be made ({error.strerror}): name a place that you may write to")
