"""Files for people, written so that nothing outside their folder is touched, whatever a stranger left in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from environments.errors import InputError

#: Letters of a file's name in that of its draft: both must fit into a file system.
_MAX_LETTERS = 40


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the name ``path`` when the block ends well, and vanishes when it does not.

    What had the name is replaced. A link is replaced too, and never followed.

    Yields:
        The open file; its ``name`` is that of a draft, which ends as ``path`` does.

    Raises:
        InputError: ``path`` is a folder.
        OSError: the file cannot be written.
    """
    draft = path.with_name(f".{path.stem[:_MAX_LETTERS]}.{os.getpid()}.part{path.suffix}")
    try:
        with _opened_new(draft, path) as file:
            yield file
        draft.replace(path)
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, but a file is to be written there: take the folder away") from None
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, see ``written``."""
    with written(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def sub_folder(path: Path) -> Path:
    """A folder within one of ours, made if need be.

    Raises:
        InputError: there is a link of that name, which may lead anywhere, or a file.
    """
    check_sub_folder(path).mkdir(parents=True, exist_ok=True)
    return path


def check_sub_folder(path: Path) -> Path:
    """The same folder, which is not made yet; raises as ``sub_folder`` does."""
    if path.is_symlink():
        raise InputError(f"{path} is a link, which may lead anywhere: take it away, or name another folder by --output")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, but a folder is to be made there: take it away, or name another --output")
    return path


def _opened_new(draft: Path, path: Path) -> IO[bytes]:
    """The draft of ``path``; mode "x" is O_EXCL, which opens nothing that is there, be it a link."""
    try:
        draft.unlink(missing_ok=True)  # of a killed process that had the same id
        return open(draft, "x+b", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666))
    except OSError as error:
        error.filename = str(path)  # the name that the user knows
        raise
