"""A finished run's archive as one file that is only ever read, as it comes with the package."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from poet.archive.database import connect_to_read
from poet.archive.errors import explained


def pack_run(folder: str | PathLike[str], file: str | PathLike[str]) -> None:
    """Write a copy of a run's archive that SQLite, unlike a run's own, reads without making any file beside it.

    Args:
        folder: the run's. It is only read.
        file: to make; it must not exist.

    Raises:
        InputError: there is no such run, it is damaged, or the file exists or cannot be made.
    """
    with explained(Path(folder)):
        connection = connect_to_read(Path(folder))
        try:
            connection.execute("VACUUM INTO ?", (str(Path(file)),))
        finally:
            connection.close()
