"""Whether what a writer has open still lies where it was opened."""

from __future__ import annotations

import os
from pathlib import Path

from poet.archive.files import FileId, file_id
from poet.archive.folder import ARCHIVE_NAME, SIDE_FILES


class Watch:
    """A run's folder and the files that SQLite has open in it, told from others of the same names.

    A file that is deleted, moved or replaced can still be written to by who has it open: nothing says so, and nothing
    is kept. Begin it after the first transaction, when all files are there.
    """

    def __init__(self, folder: Path, folder_file: int) -> None:
        #: The run's folder, wherever the process goes.
        self.folder = folder.absolute()
        self._folder_file = folder_file
        found = os.fstat(folder_file)
        self._folder_id = found.st_dev, found.st_ino
        ids = {name: file_id(name, folder_file) for name in (ARCHIVE_NAME, *(ARCHIVE_NAME + end for end in SIDE_FILES))}
        self._ids: dict[str, FileId] = {name: id for name, id in ids.items() if id is not None}

    def lost(self) -> Path | None:
        """The first of them that is not there any more, or another; None if all are as they were."""
        if not self._is_here():
            return self.folder
        for name, id in self._ids.items():
            if file_id(self.folder / name) != id:
                return self.folder / name
        return None

    def moved_to(self) -> str | None:
        """Where the whole run now is, in words, if its folder was moved with all that is in it; None if it was not."""
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
