"""SHA-256 digests that an archive stores with its configs and events, to detect flipped bits.

Thetas are stored under their own digests (``poet.archive.thetas``), and .npz files have checksums of their entries.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Kind = Literal["config", "events"]


def store_digest(connection: sqlite3.Connection, kind: Kind, iteration: int, digest: str) -> None:
    """Store a digest in place of any other of that kind and iteration."""
    connection.execute(
        "INSERT OR REPLACE INTO digests (kind, iteration, digest) VALUES (?, ?, ?)", (kind, iteration, digest)
    )


def stored_digests(connection: sqlite3.Connection, kind: Kind) -> dict[int, Any] | None:
    """Digests of a kind by iteration; None if the archive has a schema without digests."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'digests'").fetchall():
        return None
    return dict(connection.execute("SELECT iteration, digest FROM digests WHERE kind = ?", (kind,)).fetchall())


def text_digest(text: str) -> str:
    """The digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def rows_digest(rows: Mapping[str, Iterable[tuple[Any, ...]]]) -> str:
    """The digest of an iteration's rows by table. The order of rows does not matter.

    A row holds int, finite or infinite float, text and None, whose ``repr`` preserves every bit.
    """
    lines = sorted(f"{table}{row!r}" for table, of_table in rows.items() for row in of_table)
    return text_digest("\n".join(lines))
