"""Tables of an archive as pandas frames; pandas is imported when the first one is asked for."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from poet.archive.schema import create_schema

if TYPE_CHECKING:
    import pandas as pd

#: A column's declared type, and whether it may be NULL, to the pandas type. NULL is NaN in a score (a score is never
#: NaN), <NA> in a whole number and None in a text.
_DTYPES = {
    ("INTEGER", False): "int64",
    ("INTEGER", True): "Int64",
    ("REAL", False): "float64",
    ("REAL", True): "float64",
    ("TEXT", False): "object",
    ("TEXT", True): "object",
    ("JSON_TEXT", False): "object",
}


def read_frame(connection: sqlite3.Connection, table: str, without: tuple[str, ...] = ()) -> pd.DataFrame:
    """A table in the order of its key; JSON becomes Python values. One that an older POET did not make is empty."""
    import pandas as pd

    stored = table_columns(connection, table)
    columns = [column for column in stored or _newest_columns(table) if column[0] not in without]
    rows = read_rows(connection, table, [name for name, _, _ in columns]) if stored else []
    series = {}
    for i, (name, kind, is_optional) in enumerate(columns):
        values = [json.loads(row[i]) if kind == "JSON_TEXT" else row[i] for row in rows]
        series[name] = pd.Series(values, dtype=_DTYPES[kind, is_optional])
    return pd.DataFrame(series)


def table_columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str, bool]]:
    """(name, declared type, whether it may be NULL) of each column; none if there is no such table."""
    rows = connection.execute(f"PRAGMA table_info({table})")
    return [(name, kind, not is_required) for _, name, kind, is_required, _, _ in rows]


def read_rows(connection: sqlite3.Connection, table: str, names: list[str]) -> list[tuple[Any, ...]]:
    """Some columns of all rows, in the order of the table's key."""
    columns = connection.execute(f"PRAGMA table_info({table})")
    order = ", ".join(name for place, name in sorted((place, name) for _, name, *_, place in columns) if place)
    return connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}").fetchall()


def _newest_columns(table: str) -> list[tuple[str, str, bool]]:
    """The columns that a table has in an archive of today."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        return table_columns(connection, table)
