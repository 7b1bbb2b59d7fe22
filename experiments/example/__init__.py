"""The run that comes with the package, to look at before any other is made: ``poet replay --example``.

It is a run of the preset ``demo``, seed 0: who makes it again has the same fingerprint. ``ship`` says how.
"""

from __future__ import annotations

from pathlib import Path

from environments.errors import InputError
from poet.archive.folder import ARCHIVE_NAME

#: Its folder, in which nothing is ever written: it may be read-only, and nobody would look there.
FOLDER = Path(__file__).parent


def example_folder() -> Path:
    """The folder of the run, for ``open_run``.

    Raises:
        InputError: the package was installed without it.
    """
    if not (FOLDER / ARCHIVE_NAME).is_file():
        raise InputError(f"the example is missing from {FOLDER}: install poet-open-ended again")
    return FOLDER


def is_example(folder: Path) -> bool:
    """Whether it is the folder of that run, in which nothing is written."""
    return folder == FOLDER
