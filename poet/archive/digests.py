"""SHA-256 of what an archive holds, written with it: a flipped bit in a config or an event is found.

A theta lies under its own (``poet.archive.thetas``), and an .npz file has checksums of its entries.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Kind = Literal["config", "events"]


def store_digest(connection: sqlite3.Connection, kind: Kind, iteration: int, digest: str) -> None:
    """Keep a digest in place of any other of that kind and iteration."""
    connection.execute(
        "INSERT OR REPLACE INTO digests (kind, iteration, digest) VALUES (?, ?, ?)", (kind, iteration, digest)
    )


def stored_digests(connection: sqlite3.Connection, kind: Kind) -> dict[int, Any] | None:
    """Digests of a kind by iteration; None in an archive of a schema that had none."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'digests'").fetchall():
        return None
    return dict(connection.execute("SELECT iteration, digest FROM digests WHERE kind = ?", (kind,)).fetchall())


def text_digest(text: str) -> str:
    """Of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def rows_digest(rows: Mapping[str, Iterable[tuple[Any, ...]]]) -> str:
    """Of an iteration's rows by table, in whatever order they come.

    A row holds int, finite or infinite float, text and None, whose ``repr`` gives every bit.
    """
    lines = sorted(f"{table}{row!r}" for table, of_table in rows.items() for row in of_table)
    return text_digest("\n".join(lines))
