"""Opening files in folders that may be hostile: no link is followed, and only regular files are opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from environments.errors import InputError

#: Names of the other kinds of files.
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

FileId = tuple[int, int]


def open_plain(path: str | os.PathLike[str], flags: int, mode: int = 0o666) -> int:
    """Open a regular file and return its descriptor. It can serve as an ``opener`` for ``open``.

    The kind of file is checked before anything is truncated or written, and pipes and devices do not block.

    Args:
        path: of the file. The file itself must not be a link, but the folders above it may be.
        flags: as for ``os.open``.
        mode: permissions of a new file, before the umask.

    Raises:
        InputError: it is something else, or it would be written but has a second name, under which it would change too.
        OSError: it cannot be opened.
    """
    is_plain_or_missing(path)
    file = os.open(path, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    try:
        found = os.fstat(file)
        _check_kind(path, found.st_mode)
        if flags & (os.O_WRONLY | os.O_RDWR):
            _check_alone(path, found.st_nlink)
        if flags & os.O_TRUNC:
            os.ftruncate(file, 0)
        os.set_blocking(file, True)
    except BaseException:
        os.close(file)
        raise
    return file


def is_plain_or_missing(path: str | os.PathLike[str], *, to_write: bool = False) -> bool:
    """Whether a file exists. It is not opened.

    Args:
        path: of the file.
        to_write: refuse a file with a second name, under which it would change too.

    Raises:
        InputError: it is something else.
        OSError: its folder cannot be searched.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    _check_kind(path, found.st_mode)
    if to_write:
        _check_alone(path, found.st_nlink)
    return True


def file_id(path: str | os.PathLike[str], folder: int | None = None) -> FileId | None:
    """Device and inode of a path, without following a link; None if nothing is there.

    Args:
        path: of the file.
        folder: descriptor of the folder to which a relative path refers; None for the current one.
    """
    try:
        found = os.lstat(path, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _check_kind(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise InputError(f"{Path(path)} is {kind}, but must be a plain file: take it away, or put a copy in its place")


def _check_alone(path: str | os.PathLike[str], num_names: int) -> None:
    if num_names > 1:
        message = f"{Path(path)} is a hard link, so that writing would change a file elsewhere too"
        raise InputError(f"{message}: put a copy in its place")
