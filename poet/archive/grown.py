"""Tables of a trainer's state that grow, of which each iteration writes what is new.

What all retired agents score in all niches is most of a long run's state, and all but a few of it is old. So a field
with the metadata ``GROWS``, a float64 array (rows, columns), is not stored in states. An iteration that changes it adds
a piece: new rows, new columns of the earlier rows, and single numbers that have changed. A state has a digest of all
pieces before it, by which damage to them is found.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poet.archive.errors import DamageError
from poet.archive.frames import read_rows, table_columns
from poet.types import GROWS, RunState

_NUMBER, _PLACE = np.dtype("<f8"), np.dtype("<i4")
_CHANGE_BYTES = 2 * _PLACE.itemsize + _NUMBER.itemsize
#: Rows or columns. Without rows, columns need no bytes, and NumPy refuses too many.
_MOST = int(np.iinfo(_PLACE).max)


def grown_names(state_type: type[RunState]) -> tuple[str, ...]:
    """The fields of a state that are stored as pieces."""
    return tuple(of_field.name for of_field in fields(state_type) if of_field.metadata == GROWS)


@dataclass(frozen=True, eq=False)
class Grown:
    """A table as its pieces have made it.

    Attributes:
        values: (rows, columns) float64.
        digest: of the pieces; empty if there are none.
    """

    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    digest: str = ""


@dataclass(frozen=True, eq=False)
class _Piece:
    """What an iteration adds to a table.

    Attributes:
        is_whole: whether the table begins anew.
        num_rows, num_columns: of the table with it.
        added: float64, the new rows, then of earlier rows the new columns.
        changed: of earlier numbers, int32 row and column of each, then each as float64.
    """

    is_whole: int
    num_rows: int
    num_columns: int
    added: bytes
    changed: bytes

    def digest(self, before: str) -> str:
        """The digest of all pieces up to this one."""
        sha = hashlib.sha256(f"{before} {self.is_whole} {self.num_rows} {self.num_columns} {len(self.added)} ".encode())
        sha.update(self.added)
        sha.update(self.changed)
        return sha.hexdigest()

    def put(self, values: NDArray[np.float64], rows: int, columns: int) -> None:
        """Write it into a table, which had so many rows and columns before."""
        new = np.frombuffer(self.added, _NUMBER)
        shape, wider = (self.num_rows - rows, self.num_columns), (rows, self.num_columns - columns)
        values[rows : self.num_rows, : self.num_columns] = new[: math.prod(shape)].reshape(shape)
        values[:rows, columns : self.num_columns] = new[math.prod(shape) :].reshape(wider)
        num = len(self.changed) // _CHANGE_BYTES
        places = np.frombuffer(self.changed, _PLACE, 2 * num).reshape(num, 2)
        if num and not ((places >= 0).all() and (places < (rows, columns)).all()):
            raise DamageError("grown changes numbers that were not there")
        values[places[:, 0], places[:, 1]] = np.frombuffer(self.changed, _NUMBER, offset=2 * num * _PLACE.itemsize)


class GrownTables:
    """Writes the growing tables of a run's states."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, tuple[int, Grown]] = {}

    def store(self, state: RunState) -> dict[str, str]:
        """Write what is new since the last iteration; the digest of each table, by the field's name.

        Raises:
            ValueError: a field is no table of numbers.
            DamageError: the pieces so far are damaged.
        """
        return {name: self._store(name, getattr(state, name), state.iteration) for name in grown_names(type(state))}

    def _store(self, name: str, values: Any, iteration: int) -> str:
        if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.ndim != 2:
            raise ValueError(f"{name} must be an array (rows, columns) of float64, but is {values!r:.60}")
        at, known = self._known.get(name, (None, Grown()))
        if at != iteration - 1:  # the first one here, or again one that could not be written
            known = read_grown(self._connection, name, iteration - 1)
        piece = _difference(known.values, values)
        if piece is not None:
            known = Grown(values, piece.digest("" if piece.is_whole else known.digest))
            self._connection.execute(
                "INSERT INTO grown (name, iteration, is_whole, num_rows, num_columns, added, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (name, iteration, *vars(piece).values()),
            )
        self._known[name] = iteration, known
        return known.digest


def read_grown(connection: sqlite3.Connection, name: str, iteration: int) -> Grown:
    """A table as it was after an iteration.

    Raises:
        DamageError: its pieces do not fit each other.
    """
    if not table_columns(connection, "grown"):  # an older POET wrote the archive
        return Grown()
    where, at = "name = ? AND iteration <= ?", (name, iteration)
    anew = "SELECT coalesce(max(iteration), 0) FROM grown WHERE name = ? AND iteration <= ? AND is_whole = 1"
    ((first,),) = connection.execute(anew, at).fetchall()
    names = ["is_whole", "num_rows", "num_columns"]
    shapes = read_rows(connection, "grown", ["iteration", *names], f"{where} AND iteration >= ?", (*at, first))
    if not shapes:
        return Grown()
    # Sizes are checked before anything of that size is made.
    sizes = "SELECT length(added), length(changed) FROM grown WHERE name = ? AND iteration = ?"
    rows = columns = 0
    for of_piece, is_whole, num_rows, num_columns in shapes:
        num_added = num_rows * num_columns - rows * columns
        is_first = of_piece == shapes[0][0]
        ((added, changed),) = connection.execute(sizes, (name, of_piece)).fetchall()
        is_larger = _MOST >= num_rows >= rows and _MOST >= num_columns >= columns
        if is_whole != is_first or not is_larger or added != num_added * _NUMBER.itemsize or changed % _CHANGE_BYTES:
            raise DamageError(f"{name} does not grow from piece to piece")
        rows, columns = num_rows, num_columns
    values, digest = np.zeros((rows, columns)), ""
    rows = columns = 0
    for piece in _pieces(connection, name, [of_piece for of_piece, *_ in shapes]):
        piece.put(values, rows, columns)
        digest, rows, columns = piece.digest(digest), piece.num_rows, piece.num_columns
    return Grown(values, digest)


def _pieces(connection: sqlite3.Connection, name: str, iterations: list[int]) -> Iterator[_Piece]:
    one = "SELECT is_whole, num_rows, num_columns, added, changed FROM grown WHERE name = ? AND iteration = ?"
    for iteration in iterations:
        ((*parts,),) = connection.execute(one, (name, iteration)).fetchall()
        yield _Piece(*parts)


def _difference(before: NDArray[np.float64], after: NDArray[np.float64]) -> _Piece | None:
    """The piece that turns a table into another; None if they are equal to the bit."""
    if after is before:
        return None
    (rows, columns), (num_rows, num_columns) = before.shape, after.shape
    if num_rows >= rows and num_columns >= columns:
        is_other = before.view(np.int64) != np.ascontiguousarray(after[:rows, :columns]).view(np.int64)
        places = np.argwhere(is_other)
        if before.shape == after.shape and not len(places):
            return None
        added = np.concatenate([after[rows:].ravel(), after[:rows, columns:].ravel()])
        changed = places.astype(_PLACE).tobytes() + after[tuple(places.T)].astype(_NUMBER).tobytes()
        if rows and len(changed) <= before.size * _NUMBER.itemsize:
            return _Piece(0, num_rows, num_columns, added.astype(_NUMBER).tobytes(), changed)
    return _Piece(1, num_rows, num_columns, after.astype(_NUMBER).tobytes(), b"")
