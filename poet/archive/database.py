"""Connections to a run's archive, and transactions on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from poet.archive.errors import NO_LOCKS, NO_SHARED_MEMORY
from poet.archive.folder import archive_path
from poet.archive.schema import create_schema, schema_version, upgrade_schema

#: How long to wait for another program's transaction, such as one in a ``sqlite3`` shell.
_PATIENCE_SECONDS = 30.0


def create_archive(path: Path) -> sqlite3.Connection:
    """A new archive with empty tables."""
    connection = _connect(f"{path.resolve().as_uri()}?mode=rwc")
    create_schema(connection)
    return _prepared(connection)


def connect_to_write(folder: Path) -> sqlite3.Connection:
    """A run's archive for its one writer, upgraded if an older POET made it.

    Raises:
        InputError: ``folder`` holds no archive that can be written.
    """
    connection = _connect(f"{archive_path(folder, to_write=True).resolve().as_uri()}?mode=rw")
    try:
        upgrade_schema(connection, folder)
    except BaseException:
        connection.close()
        raise
    return _prepared(connection)


def connect_to_read(folder: Path) -> sqlite3.Connection:
    """A run's archive, read-only; it sees what is committed while the run goes on.

    One that an older POET wrote is read as it is, and as what it becomes when a writer upgrades it meanwhile.

    Raises:
        InputError: ``folder`` holds no archive that can be read.
    """
    connection = _connect(readable_uri(folder))
    try:
        schema_version(connection, folder)
    except BaseException:
        connection.close()
        raise
    return connection


def readable_uri(folder: Path) -> str:
    """The address under which SQLite reads a run's archive.

    SQLite reads a WAL database through a shared-memory file beside it, which it must be able to make (and which stays,
    with an empty journal, until the next writer ends). Where it cannot, in a read-only folder or on a file system
    without locks or shared memory, a finished run is read as a file that never changes: all of it is in the one file.
    """
    path = archive_path(folder)
    uri = path.resolve().as_uri()
    live = f"{uri}?mode=ro"
    connection = _connect(live)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        journal = path.with_name(f"{path.name}-wal")
        is_unfit = error.sqlite_errorcode in NO_LOCKS | NO_SHARED_MEMORY
        is_closed = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if (is_unfit or is_closed) and not (journal.exists() and journal.stat().st_size):
            return f"{uri}?mode=ro&immutable=1"
        raise
    finally:
        connection.close()
    return live


@contextmanager
def transaction(connection: sqlite3.Connection, kind: Literal["DEFERRED", "IMMEDIATE"] = "IMMEDIATE") -> Iterator[None]:
    """All of the block or nothing of it; ``DEFERRED`` for reading, which then sees one moment."""
    connection.execute(f"BEGIN {kind}")
    try:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled it back already
            connection.execute("ROLLBACK")
        raise


def _connect(uri: str) -> sqlite3.Connection:
    # No isolation level: transactions begin and end where `transaction` says, never by themselves. Any thread may use
    # it, one at a time: see `poet.archive.turns`.
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE_SECONDS, check_same_thread=False)


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Settings of a writer.

    NORMAL syncs at checkpoints only. A killed process loses nothing, because committed frames are in the kernel's
    cache; a power cut may lose the last iterations, but leaves a whole archive that ends earlier.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
