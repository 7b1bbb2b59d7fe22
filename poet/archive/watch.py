"""Detects whether the files that a writer has open are still where it opened them."""

from __future__ import annotations

import os
from pathlib import Path

from poet.archive.files import FileId, file_id
from poet.archive.folder import ARCHIVE_NAME, SIDE_FILES


class Watch:
    """Recognises a run's folder and the files that SQLite has open in it, even if others have taken their names.

    A file that was deleted, moved or replaced can still be written to without an error, but the data is lost. Create
    this after the first transaction, when all files exist.
    """

    def __init__(self, folder: Path, folder_file: int) -> None:
        #: The run's folder, absolute, since the process may change its working directory.
        self.folder = folder.absolute()
        self._folder_file = folder_file
        found = os.fstat(folder_file)
        self._folder_id = found.st_dev, found.st_ino
        ids = {name: file_id(name, folder_file) for name in (ARCHIVE_NAME, *(ARCHIVE_NAME + end for end in SIDE_FILES))}
        self._ids: dict[str, FileId] = {name: id for name, id in ids.items() if id is not None}

    def lost(self) -> Path | None:
        """The first path that is missing or has been replaced; None if all are as they were."""
        if not self._is_here():
            return self.folder
        for name, id in self._ids.items():
            if file_id(self.folder / name) != id:
                return self.folder / name
        return None

    def moved_to(self) -> str | None:
        """The new place of the run, in words, if its folder was moved with everything in it; None if it was not."""
        if self._is_here() or any(file_id(name, self._folder_file) != id for name, id in self._ids.items()):
            return None
        try:
            return str(Path(f"/proc/self/fd/{self._folder_file}").readlink())
        except OSError:  # not on this system
            return "the folder's new place"

    def _is_here(self) -> bool:
        try:
            found = self.folder.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._folder_id
