"""Where compiled kernels are kept on this machine."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from environments.errors import InputError


def cache_home() -> Path:
    """The first writable folder of: NUMBA_CACHE_DIR, XDG_CACHE_HOME, ~/.cache, the user's own folder in /tmp.

    Numba must not choose: it would take ``__pycache__``, which misses edited callees. Kernels are code, so a folder
    that somebody else made, or can write to, is skipped; NUMBA_CACHE_DIR=/tmp may lead to one.

    Raises:
        InputError: there is none.
    """
    for home in _homes():
        if _can_be_written(home):
            return home
    return _folder_of_this_process()


def _homes() -> Iterator[Path]:
    # Numba takes a relative path from the current folder. The XDG specification says to ignore relative paths.
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen).absolute()
    if (home := Path(os.environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        yield home
    with suppress(RuntimeError):  # a user without a home
        if (home := Path.home()).is_absolute():
            yield home / ".cache"
    with suppress(OSError):  # no folder for temporary files
        yield from _own_temporary_folder(Path(tempfile.gettempdir()))


def _can_be_written(home: Path) -> bool:
    try:
        (home / "poet").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home / "poet"):
            return _is_own(home / "poet")
    except OSError:
        return False


def _is_own(folder: Path) -> bool:
    """Whether the folder, and a link to it, belong to this user and cannot be written by everybody."""
    found = folder.stat()
    return {found.st_uid, folder.lstat().st_uid} == {os.getuid()} and not found.st_mode & stat.S_IWOTH


def _own_temporary_folder(parent: Path) -> Iterator[Path]:
    """One folder per user, which every process finds again. Kernels are code, so nobody else may have made it."""
    folder = parent / f"poet-cache-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        yield folder


def _folder_of_this_process() -> Path:
    """The last resort, if somebody else owns the user's folder: a temporary one, removed at exit."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="poet-cache-"))
    except OSError:
        raise InputError(
            "no folder can be written to keep compiled kernels in: set NUMBA_CACHE_DIR to one that can be"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
