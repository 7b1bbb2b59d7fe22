"""Thetas of an archive, each stored once, under the digest of its content."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poet.archive.errors import DamageError
from poet.types import theta_digest


def store_thetas(connection: sqlite3.Connection, thetas: Iterable[NDArray[np.float32]]) -> None:
    """Store some thetas (P,), except those that are already stored."""
    rows = [(theta_digest(theta), theta.astype("<f4").tobytes()) for theta in thetas]
    connection.executemany("INSERT OR IGNORE INTO thetas (digest, theta) VALUES (?, ?)", rows)


def read_theta(connection: sqlite3.Connection, digest: str) -> NDArray[np.float32]:
    """The theta (P,) with that digest.

    Raises:
        DamageError: it is missing, though an archive keeps all thetas that its states refer to, or it is damaged.
    """
    row = connection.execute("SELECT theta FROM thetas WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        raise DamageError(f"the theta {digest} is missing")
    return theta_from_bytes(row[0], digest)


def theta_from_bytes(data: Any, digest: str) -> NDArray[np.float32]:
    """(P,) float32 from a row of the table, as a writable copy.

    Raises:
        DamageError: the bytes do not have that digest.
    """
    if not isinstance(data, bytes) or len(data) % 4:
        raise DamageError(f"the theta {digest} is no list of float32 numbers")
    theta = np.frombuffer(data, "<f4").astype(np.float32)
    if theta_digest(theta) != digest:
        raise DamageError(f"the theta {digest} has other bits than when it was written")
    return theta
