"""Connections to a run's archive, and transactions on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from poet.archive.checks import SMALL_TABLES, check_records, check_schema
from poet.archive.errors import NO_LOCKS, NO_SHARED_MEMORY, DamageError
from poet.archive.folder import archive_path
from poet.archive.guard import GuardedConnection
from poet.archive.schema import create_schema, schema_version, upgrade_schema

#: How long to wait for another program's transaction, such as one in a ``sqlite3`` shell.
_PATIENCE_SECONDS = 30.0


def create_archive(path: Path) -> GuardedConnection:
    """Create an archive with empty tables."""
    connection = _connect(f"{path.resolve().as_uri()}?mode=rwc", path)
    create_schema(connection)
    return _prepared(connection)


def connect_to_write(folder: Path) -> GuardedConnection:
    """Open a run's archive for its only writer, and upgrade it if an older POET made it.

    Raises:
        InputError: ``folder`` holds no archive that can be written.
        DamageError: it is not one of ours, or it holds impossible values.
    """
    path = archive_path(folder, to_write=True)
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
    """Open a run's archive read-only. It sees what is committed while the run goes on.

    An archive from an older POET is read as it is, and keeps being read if a writer upgrades it meanwhile.

    Raises:
        InputError: ``folder`` holds no archive that can be read.
        DamageError: it is not one of ours, or its small tables are not possible.
    """
    connection = _connect(readable_uri(folder), archive_path(folder))
    try:
        _check(connection, folder)
    except BaseException:
        connection.close()
        raise
    return connection


def readable_uri(folder: Path) -> str:
    """The URI with which SQLite reads a run's archive.

    SQLite reads a WAL database through a shared-memory file beside it. It must be able to create that file, which then
    stays, with an empty journal, until the next writer ends. It cannot do so in a read-only folder, or on a file system
    without locks or shared memory. There, a finished run is read as immutable, since all of it is in the one file.
    """
    path = archive_path(folder)
    uri = path.resolve().as_uri()
    live = f"{uri}?mode=ro"
    connection = _connect(live, path)
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
    """Commit the whole block or nothing. Use ``DEFERRED`` for reading, which then sees one snapshot."""
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
    # Without an isolation level, transactions begin and end only in `transaction`. Any thread may use the connection,
    # but one at a time: see `poet.archive.turns`.
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=_PATIENCE_SECONDS,
        check_same_thread=False,
        factory=GuardedConnection,
    )
    try:
        connection.trust_nothing([path])
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, folder: Path) -> None:
    """Check, before anything else is read or written, that it is one of our archives and consistent."""
    with transaction(connection, "DEFERRED"):
        check_schema(connection, schema_version(connection, folder))
        check_records(connection, SMALL_TABLES)


def _prepared(connection: GuardedConnection) -> GuardedConnection:
    """Apply the settings of a writer.

    NORMAL syncs only at checkpoints. A killed process loses nothing, because committed frames are in the kernel's
    cache. A power cut may lose the last iterations, but leaves an intact archive that ends earlier.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
