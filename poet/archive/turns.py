"""Sharing a connection to an archive between threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from environments.errors import InputError
from poet.archive.errors import explained


class Turns:
    """Lets one thread at a time use a connection, in the process that opened it, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = RLock()
        self._process = os.getpid()
        self._is_over = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A block in which no other thread uses the connection, and in which SQLite's errors become sentences.

        Raises:
            InputError: the archive was closed, or this process was forked from the one that opened it.
            ArchiveError, InputError: as for ``explained``.
        """
        with self.alone(), explained(self._folder):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A turn that leaves errors as they are, for a block that does other things too.

        Raises:
            InputError: as for ``turn``.
        """
        if os.getpid() != self._process:
            message = f"the run {self._folder} was opened by another process"
            raise InputError(f"{message}: open it again in this one, since a connection cannot be shared by a fork")
        with self._lock:
            if self._is_over:
                raise InputError(f"the run {self._folder} was closed: open it again")
            yield

    def end(self) -> bool:
        """Wait for the current turn, then allow no more. Returns whether the caller must now close the connection."""
        if os.getpid() != self._process:
            return False
        with self._lock:
            was_open, self._is_over = not self._is_over, True
            return was_open
