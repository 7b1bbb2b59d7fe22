"""A connection to a file that may be hostile: what SQLite must refuse, and how long a query may take."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from environments.errors import InputError

#: The oldest SQLite that knows STRICT tables.
_OLDEST = (3, 37)

#: Several times what our statements and schemas need.
_LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 64,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 64,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 8,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 16,
    sqlite3.SQLITE_LIMIT_ATTACHED: 1,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 64,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}

#: How many instructions of SQLite's virtual machine run between two checks of a query, how many every query may use,
#: and how many more per byte of the file. A row takes about ten bytes and fifty instructions. Without a limit, a file
#: whose tree shares pages between branches could be read for ever.
_TICK, _MOST, _MOST_PER_BYTE = 1_000_000, 200_000_000, 100


class GuardedConnection(sqlite3.Connection):
    """A connection that does not trust its files, and that interrupts endless queries.

    Raises:
        InputError: this SQLite is too old.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            oldest = ".".join(map(str, _OLDEST))
            message = f"archives need SQLite {oldest} or newer, but this Python has {sqlite3.sqlite_version}"
            raise InputError(f"{message}: use a newer Python, or a newer SQLite library")
        super().__init__(*arguments, **options)
        for limit, most in _LIMITS.items():
            self.setlimit(limit, most)
        self._files: list[Path] = []
        self._ticks = ticks = [0]
        files = self._files

        # Not a method: a handler that refers to the connection would keep it from being freed.
        def is_endless() -> bool:
            ticks[0] += 1
            done = ticks[0] * _TICK
            return done > _MOST and done > _MOST + _MOST_PER_BYTE * _size(files)

        self.set_progress_handler(is_endless, _TICK)

    def trust_nothing(self, files: Iterable[Path]) -> None:
        """Refuse functions and tables that a schema should not use, and check every cell of a page.

        Args:
            files: databases of this connection. Their size limits how long a query may take.
        """
        self._files += files
        self.execute("PRAGMA trusted_schema = OFF")
        self.execute("PRAGMA cell_size_check = ON")

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """See ``sqlite3.Connection.execute``. The query's limit starts from zero."""
        self._ticks[0] = 0
        return super().execute(*arguments)


def _size(files: Iterable[Path]) -> int:
    """The size of databases and their journals in bytes."""
    journals = [file.with_name(f"{file.name}-wal") for file in files]
    return sum(file.stat().st_size for file in (*files, *journals) if file.exists())
