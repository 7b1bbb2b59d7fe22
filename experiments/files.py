"""Files for people, written so that nothing outside their folder is touched, whatever a stranger left in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from environments.errors import InputError
from experiments.drafts import draft_of


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the name ``path`` if the block succeeds, and vanishes if it fails.

    Whatever had that name is replaced, including a link, which is never followed.

    Yields:
        The open file; its ``name`` is that of a draft, which ends as ``path`` does.

    Raises:
        InputError: ``path`` is a folder.
        OSError: the file cannot be written.
    """
    if path.is_dir() and not path.is_symlink():
        raise InputError(f"{path} is a folder, but a file must be written there: take the folder away")
    with draft_of(path) as draft:
        with draft.open("x+b") as file:
            yield file
        draft.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, see ``written``."""
    with written(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def sub_folder(path: Path) -> Path:
    """A folder within one of ours, made if need be.

    Raises:
        InputError: there is a file of that name, or a link, which may lead anywhere.
    """
    check_sub_folder(path).mkdir(parents=True, exist_ok=True)
    return path


def check_sub_folder(path: Path, option: str = "--output") -> Path:
    """The same folder, without making it; raises like ``sub_folder``, and says by which option to name another."""
    if path.is_symlink():
        raise InputError(f"{path} is a link, which may lead anywhere: take it away, or name another folder by {option}")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, but a folder must be made there: take it away, or name another {option}")
    return path
