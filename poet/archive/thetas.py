"""Thetas of an archive, stored once each under the digest of their content."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from environments.errors import InputError
from poet.types import theta_digest


def store_thetas(connection: sqlite3.Connection, thetas: Iterable[NDArray[np.float32]]) -> None:
    """Keep some thetas (P,); those already kept stay as they are."""
    rows = [(theta_digest(theta), theta.astype("<f4").tobytes()) for theta in thetas]
    connection.executemany("INSERT OR IGNORE INTO thetas (digest, theta) VALUES (?, ?)", rows)


def read_theta(connection: sqlite3.Connection, digest: str) -> NDArray[np.float32]:
    """The theta (P,) of that digest.

    Raises:
        InputError: it is not kept, which an archive promises for the thetas that its states name.
    """
    row = connection.execute("SELECT theta FROM thetas WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        raise InputError(f"the archive is damaged: the theta {digest} is missing; restore it from a backup")
    return theta_from_bytes(row[0])


def theta_from_bytes(data: bytes) -> NDArray[np.float32]:
    """(P,) float32 of a row of the table; writable, the caller's own.

    Raises:
        InputError: the bytes are no float32 numbers.
    """
    if len(data) % 4:
        raise InputError(f"the archive is damaged: a theta has {len(data)} bytes; restore it from a backup")
    return np.frombuffer(data, "<f4").astype(np.float32)
