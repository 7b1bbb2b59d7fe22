"""Hostile files: anything but a regular file is named in an error, and is not followed, written or waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.errors import InputError
from poet.archive.files import open_plain


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path must be short
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


#: What may lie where a file should, and how it is called.
TRAPS: dict[str, Callable[[Path], object]] = {
    "a symbolic link": lambda path: path.symlink_to(path.with_name("victim")),
    "a folder": Path.mkdir,
    "a named pipe": os.mkfifo,
    "a socket": _socket,
}


@pytest.mark.parametrize("kind", TRAPS)
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDWR])
def test_only_plain_files_are_opened(tmp_path: Path, kind: str, flags: int) -> None:
    """A link, folder, pipe or socket is refused at once and by name, for reading and writing."""
    (tmp_path / "victim").write_bytes(b"mine")
    TRAPS[kind](tmp_path / "file")
    with pytest.raises(InputError, match=f"file is {kind}, but must be a plain file"):
        open_plain(tmp_path / "file", flags)
    assert b"mine" == (tmp_path / "victim").read_bytes()


def test_a_dangling_link_makes_no_file(tmp_path: Path) -> None:
    """The file that a link names is not created."""
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="is a symbolic link"):
        open_plain(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    assert not (tmp_path / "victim").exists()


def test_a_file_with_a_second_name_is_read_and_not_written(tmp_path: Path) -> None:
    """A hard link would carry what is written to a file elsewhere; it is refused before anything is cut off."""
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "file").hardlink_to(tmp_path / "victim")
    with open(tmp_path / "file", "rb", opener=open_plain) as file:
        assert b"mine" == file.read()
    for flags in (os.O_WRONLY | os.O_TRUNC, os.O_RDWR):
        with pytest.raises(InputError, match="file is a hard link"):
            open_plain(tmp_path / "file", flags)
    assert b"mine" == (tmp_path / "victim").read_bytes()


def test_plain_files_are_opened_as_ever(tmp_path: Path) -> None:
    """A new file is made with the usual rights, an old one is written over."""
    for text in (b"a long text", b"short"):
        with open(tmp_path / "file", "wb", opener=open_plain) as file:
            file.write(text)
    assert b"short" == (tmp_path / "file").read_bytes()
    (tmp_path / "usual").touch()
    assert (tmp_path / "usual").stat().st_mode == (tmp_path / "file").stat().st_mode
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "missing", os.O_RDONLY)
