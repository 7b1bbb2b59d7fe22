"""Connections to a run's archive, and transactions on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from poet.archive.checks import SMALL_TABLES, check_records, check_schema
from poet.archive.errors import DamageError
from poet.archive.folder import archive_path
from poet.archive.guard import GuardedConnection
from poet.archive.schema import create_schema, schema_version, upgrade_schema

#: How long to wait for another program's transaction, such as one in a ``sqlite3`` shell.
_PATIENCE_SECONDS = 30.0


def create_archive(path: Path) -> GuardedConnection:
    """A new archive with empty tables."""
    connection = _connect(f"{path.resolve().as_uri()}?mode=rwc", path)
    create_schema(connection)
    return _prepared(connection)


def connect_to_write(folder: Path) -> GuardedConnection:
    """A run's archive for its one writer, upgraded if an older POET made it.

    Raises:
        InputError: ``folder`` holds no archive that can be written.
        DamageError: it is none of ours, or its values cannot be.
    """
    path = archive_path(folder)
    connection = _connect(f"{path.resolve().as_uri()}?mode=rw", path)
    try:
        _check(connection, folder)
        upgrade_schema(connection, folder)
    except sqlite3.IntegrityError as error:  # a value that its column cannot hold
        connection.close()
        raise DamageError(str(error)) from error
    except BaseException:
        connection.close()
        raise
    return _prepared(connection)


def connect_to_read(folder: Path) -> GuardedConnection:
    """A run's archive, read-only; it sees what is committed while the run goes on.

    One that an older POET wrote is read as it is, and as what it becomes when a writer upgrades it meanwhile.

    Raises:
        InputError: ``folder`` holds no archive that can be read.
        DamageError: it is none of ours, or what its small tables say cannot be.
    """
    connection = _connect(readable_uri(folder), archive_path(folder))
    try:
        _check(connection, folder)
    except BaseException:
        connection.close()
        raise
    return connection


def readable_uri(folder: Path) -> str:
    """The address under which SQLite reads a run's archive.

    SQLite reads a WAL database through a shared-memory file beside it, which it must be able to make (and which stays,
    with an empty journal, until the next writer ends). Where it cannot, in a read-only folder, a finished run is read
    as a file that never changes: all of it is in the one file.
    """
    path = archive_path(folder)
    uri = path.resolve().as_uri()
    live = f"{uri}?mode=ro"
    connection = _connect(live, path)
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError as error:
        journal = path.with_name(f"{path.name}-wal")
        is_cannot_open = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if is_cannot_open and not (journal.exists() and journal.stat().st_size):
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


def _connect(uri: str, path: Path) -> GuardedConnection:
    # No isolation level: transactions begin and end where `transaction` says, never by themselves.
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=_PATIENCE_SECONDS, factory=GuardedConnection
    )
    try:
        connection.trust_nothing([path])
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, folder: Path) -> None:
    """Before anything else is read or written: whether it is an archive of ours, at one moment of its run."""
    with transaction(connection, "DEFERRED"):
        check_schema(connection, schema_version(connection, folder))
        check_records(connection, SMALL_TABLES)


def _prepared(connection: GuardedConnection) -> GuardedConnection:
    """Settings of a writer.

    NORMAL syncs at checkpoints only. A killed process loses nothing, because committed frames are in the kernel's
    cache; a power cut may lose the last iterations, but leaves a whole archive that ends earlier.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
