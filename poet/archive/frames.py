"""Tables of an archive as pandas frames. The first one imports pandas."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from poet.archive.checks import check_records
from poet.archive.schema import JSON_COLUMNS, create_schema
from poet.archive.values import Column, check_rows, load_object

if TYPE_CHECKING:
    import pandas as pd

#: The pandas type for a column's declared type and whether it may be NULL. NULL becomes NaN in a score (which is never
#: NaN itself), <NA> in an integer and None in a text.
_DTYPES = {
    ("INTEGER", False): "int64",
    ("INTEGER", True): "Int64",
    ("REAL", False): "float64",
    ("REAL", True): "float64",
    ("TEXT", False): "object",
    ("TEXT", True): "object",
    ("JSON_TEXT", False): "object",
}

#: Tables whose rows are numbered in the order of iterations, and the column of the number, which begins their key.
SEQUENCES = {
    "niches": "niche_id", "candidates": "id", "versions": "id", "transfers": "id", "transfer_sources": "transfer_id",
}  # fmt: skip


def read_frame(connection: sqlite3.Connection, table: str, without: tuple[str, ...] = ()) -> pd.DataFrame:
    """A table in the order of its key, with JSON as Python values. It is empty if an older POET did not have the table.

    Raises:
        DamageError: its rows are not possible, or are not consistent with other tables.
    """
    import pandas as pd

    stored = table_columns(connection, table)
    columns = [column for column in stored or _newest_columns(table) if column[0] not in without]
    rows = read_rows(connection, table, [name for name, _, _ in columns]) if stored else []
    check_records(connection, [table])
    series = {}
    for i, (name, kind, is_optional) in enumerate(columns):
        values = [load_object(row[i], f"{table}.{name}") if kind == "JSON_TEXT" else row[i] for row in rows]
        series[name] = pd.Series(values, dtype=_DTYPES[kind, is_optional])
    return pd.DataFrame(series)


def table_columns(connection: sqlite3.Connection, table: str) -> list[Column]:
    """The columns of a table, with the type ``JSON_TEXT`` for JSON. Empty if there is no such table."""
    rows = connection.execute(f"PRAGMA table_info({table})")
    of_json = JSON_COLUMNS.get(table, set())
    return [
        (name, "JSON_TEXT" if name in of_json else kind, not is_required) for _, name, kind, is_required, _, _ in rows
    ]


def read_rows(
    connection: sqlite3.Connection, table: str, names: list[str], where: str = "TRUE", parameters: tuple[Any, ...] = ()
) -> list[tuple[Any, ...]]:
    """Some columns of the rows for which ``where`` is true, in the order of the table's key.

    Raises:
        DamageError: a value is not valid for its column.
    """
    info = connection.execute(f"PRAGMA table_info({table})")
    order = ", ".join(name for place, name in sorted((place, name) for _, name, *_, place in info) if place)
    query = f"SELECT {', '.join(names)} FROM {table} WHERE {where} ORDER BY {order}"
    rows = connection.execute(query, parameters).fetchall()
    by_name = {column[0]: column for column in table_columns(connection, table)}
    check_rows(table, [by_name[name] for name in names], rows)
    return rows


def read_rows_after(
    connection: sqlite3.Connection, table: str, names: list[str], iteration: int, first: int
) -> list[tuple[Any, ...]]:
    """``read_rows`` of what happened after an iteration.

    Args:
        connection: open on the archive.
        table: one of ``EVENT_TABLES``; an archive of an older POET may lack it, and then has no rows of it.
        names: of columns.
        iteration: the last one that is left out.
        first: of a table in ``SEQUENCES``, a number that no such row is below: older rows are not even looked at.

    Raises:
        DamageError: as for ``read_rows``.
    """
    if not table_columns(connection, table):
        return []
    if table not in SEQUENCES:
        return read_rows(connection, table, names, "iteration > ?", (iteration,))
    return read_rows(connection, table, names, f"{SEQUENCES[table]} >= ? AND iteration > ?", (first, iteration))


def read_spent_after(connection: sqlite3.Connection, iteration: int) -> list[tuple[int, int, int]]:
    """Env-steps by iteration and niche in the iterations after one, in that order.

    Raises:
        DamageError: a value is not valid for its column.
    """
    of_type: list[Column] = [(name, "INTEGER", False) for name in ("iteration", "niche_id", "env_steps")]
    query = (
        "SELECT iteration, niche_id, sum(env_steps) FROM ledger WHERE iteration > ? "
        "GROUP BY iteration, niche_id ORDER BY iteration, niche_id"
    )
    rows = connection.execute(query, (iteration,)).fetchall()
    check_rows("ledger", of_type, rows)
    return rows


def _newest_columns(table: str) -> list[Column]:
    """The columns of a table in the newest schema."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        return table_columns(connection, table)
