"""Files in folders that strangers may have prepared: no link is followed, and nothing but a plain file is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from environments.errors import InputError

#: What lies where a plain file should, in words.
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
    """A file descriptor of a plain file; also an ``opener`` for ``open``.

    Nothing is truncated or written before it is known what the file is, and no pipe or device keeps us waiting.

    Args:
        path: of the file. A link at its end is refused; folders before it may be links.
        flags: as for ``os.open``.
        mode: rights of a file that is made, before the umask.

    Raises:
        InputError: it is something else, or would be written and has a second name, under which it would change too.
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
    """Whether a file is there, by its name alone: it is not opened.

    Args:
        path: of the file.
        to_write: refuse one with a second name, under which it would change too.

    Raises:
        InputError: it is something else.
        OSError: its folder cannot be looked into.
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
    """Device and inode of what lies at a path, a link itself if it is one; None if nothing does.

    Args:
        path: where.
        folder: descriptor of the folder from which a relative path starts; None for the current one.
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
