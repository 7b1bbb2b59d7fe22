"""Tables for a trainer's own events, created when the first event of a kind is written.

Reading an archive imports nothing that it names, so such a table is recognised by its form: its SQL must be exactly
what ``table_sql`` makes of its name and columns. So it cannot contain code, such as a check or a computed column.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from types import NoneType
from typing import get_args, get_type_hints

from environments.errors import InputError
from poet.archive.rows import OWN_PREFIX, Value, sql_value
from poet.archive.values import Column
from poet.events import OwnEvent

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_SQL_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL"}
_KEY: tuple[Column, ...] = (("iteration", "INTEGER", False), ("number", "INTEGER", False))


def columns_of(kind: type[OwnEvent]) -> tuple[Column, ...]:
    """The columns of a kind of event: first its key, iteration and number, then its other fields.

    Raises:
        ValueError: the name of its table or of a field is not allowed.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.name != "iteration"]
    for name in (kind.table, *names):
        if not _NAME.fullmatch(name) or name == "number":
            raise ValueError(f"{kind.__name__}: {name!r} must be small letters, digits and _, and not 'number'")
    found: list[Column] = [*_KEY]
    for name in names:
        kinds = get_args(hints[name]) if NoneType in get_args(hints[name]) else (hints[name],)
        types = {_SQL_TYPES.get(part, "TEXT") for part in kinds if part is not NoneType}
        found.append((name, types.pop() if len(types) == 1 else "TEXT", NoneType in kinds))
    return tuple(found)


def table_sql(table: str, columns: Sequence[Column]) -> str:
    """The SQL that creates the table, in one line."""
    defined = [f"{name} {kind}{'' if is_optional else ' NOT NULL'}" for name, kind, is_optional in columns]
    return f"CREATE TABLE {table} ({', '.join([*defined, 'PRIMARY KEY (iteration, number)'])}) STRICT, WITHOUT ROWID"


def is_own_table(connection: sqlite3.Connection, table: str, sql: str, schema: str = "main") -> bool:
    """Whether a table of an archive is a trainer's own, judging by its name and the SQL that created it."""
    if not (table.startswith(OWN_PREFIX) and _NAME.fullmatch(table)):
        return False
    columns = _columns(connection, table, schema)
    return (
        tuple(columns[:2]) == _KEY
        and all(_NAME.fullmatch(name) and kind in ("INTEGER", "REAL", "TEXT") for name, kind, _ in columns)
        and sql == table_sql(table, columns)
    )


def own_tables(connection: sqlite3.Connection, schema: str = "main") -> dict[str, str]:
    """The names of all such tables in an archive, in alphabetical order, with the SQL that created them."""
    rows = connection.execute(f"SELECT name, sql FROM {schema}.sqlite_schema WHERE type = 'table' ORDER BY name")
    return {name: sql for name, sql in rows.fetchall() if is_own_table(connection, str(name), str(sql), schema)}


def insert_own_events(connection: sqlite3.Connection, events: Iterable[OwnEvent]) -> dict[str, list[tuple[Value, ...]]]:
    """Append each event to its table, which is created if it does not exist.

    Returns:
        The new rows of each table, as SQLite stores them.

    Raises:
        ValueError: a number is NaN, or a name is not allowed.
        InputError: the run has a table of that name with other columns.
    """
    by_kind: dict[type[OwnEvent], list[OwnEvent]] = {}
    for event in events:
        by_kind.setdefault(type(event), []).append(event)
    rows: dict[str, list[tuple[Value, ...]]] = {}
    for kind, of_kind in by_kind.items():
        columns, table = columns_of(kind), OWN_PREFIX + kind.table
        _make_table(connection, table, table_sql(table, columns))
        rows[table] = [
            (
                event.iteration,
                number,
                *(sql_value(event, name, sql_type == "REAL") for name, sql_type, _ in columns[2:]),
            )
            for number, event in enumerate(of_kind)
        ]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
    return rows


def _make_table(connection: sqlite3.Connection, table: str, sql: str) -> None:
    """Create a table unless the run already has it."""
    made = own_tables(connection).get(table)
    if made is None:
        try:
            connection.execute(sql)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # a full disk, say
                raise
            raise ValueError(f"{table}: a field must not be called by a word of SQL ({error})") from error
    elif made != sql:
        raise InputError(f"the run has a table {table} with other columns than its trainer writes: rename the new one")


def _columns(connection: sqlite3.Connection, table: str, schema: str) -> list[Column]:
    rows = connection.execute(f"PRAGMA {schema}.table_info({table})")
    return [(name, kind, not is_required) for _, name, kind, is_required, _, _ in rows]
