"""Where compiled kernels may be kept on this machine."""

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
    """The first folder that can be written of: NUMBA_CACHE_DIR, XDG_CACHE_HOME, ~/.cache, the user's own in /tmp.

    Numba must not choose: it would take ``__pycache__``, which misses edited callees. Kernels are code: a folder that
    somebody else made, or can write to, is passed over, as NUMBA_CACHE_DIR=/tmp may lead to one.

    Raises:
        InputError: there is none.
    """
    for home in _homes():
        if _can_be_written(home):
            return home
    return _folder_of_this_process()


def _homes() -> Iterator[Path]:
    # A relative path is Numba's from where the process is, but invalid by the XDG specification, which then ignores it.
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
    """Whether folder, and a link to it, are this user's, and not for everybody to write."""
    found = folder.stat()
    return {found.st_uid, folder.lstat().st_uid} == {os.getuid()} and not found.st_mode & stat.S_IWOTH


def _own_temporary_folder(parent: Path) -> Iterator[Path]:
    """One folder for each user, found again by every process; kernels are code, so nobody else may have made it."""
    folder = parent / f"poet-cache-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        yield folder


def _folder_of_this_process() -> Path:
    """The last resort, where somebody else has the user's: removed at exit."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="poet-cache-"))
    except OSError:
        raise InputError(
            "no folder can be written to keep compiled kernels in: set NUMBA_CACHE_DIR to one that can be"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
