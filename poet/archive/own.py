"""Tables for a trainer's own events, created when the first event of a kind is written.

Reading an archive imports nothing that it names, so such a table is recognised by its form: its SQL must be exactly
what ``table_sql`` makes of its name and columns. So it cannot contain code, such as a check or a computed column.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import combinations
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from environments.errors import InputError
from poet.archive.rows import OWN_PREFIX, Value, sql_value
from poet.archive.values import Column
from poet.events import OwnEvent

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_SQL_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL"}
_HELD = {"INTEGER": int, "REAL": float, "TEXT": str}
_KEY: tuple[Column, ...] = (("iteration", "INTEGER", False), ("number", "INTEGER", False))


def columns_of(kind: type[OwnEvent]) -> tuple[Column, ...]:
    """The columns of a kind of event: first its key, iteration and number, then its other fields.

    Raises:
        ValueError: the name of its table or of a field is not allowed.
    """
    parts_of = _types_of(kind)
    for name in (kind.table, OWN_PREFIX + kind.table, *parts_of):
        if not _NAME.fullmatch(name) or name == "number":
            raise ValueError(
                f"{kind.__name__}: {name!r} must be small letters, digits and _, 60 at most, and not 'number'"
            )
    found: list[Column] = [*_KEY]
    for name, parts in parts_of.items():
        types = {_SQL_TYPES.get(part, "TEXT") for part in parts if part is not NoneType}
        sql_type = types.pop() if len(types) == 1 else "REAL" if types == {"INTEGER", "REAL"} else "TEXT"
        found.append((name, sql_type, NoneType in parts))
    return tuple(found)


def _types_of(kind: type[OwnEvent]) -> dict[str, tuple[Any, ...]]:
    """What each field but the iteration may be, by its hint."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.name != "iteration"]
    return {
        name: get_args(hints[name]) if get_origin(hints[name]) in (Union, UnionType) else (hints[name],)
        for name in names
    }


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
        InputError: a value is not of its column's type, or the run has a table of that name with other columns.
    """
    by_kind: dict[type[OwnEvent], list[OwnEvent]] = {}
    for event in events:
        by_kind.setdefault(type(event), []).append(event)
    for kind, other in combinations(by_kind, 2):
        if kind.table == other.table:
            raise InputError(
                f"the events {kind.__name__} and {other.__name__} have one table, {kind.table!r}: rename it"
            )
    rows: dict[str, list[tuple[Value, ...]]] = {}
    for kind, of_kind in by_kind.items():
        columns, table, parts_of = columns_of(kind), OWN_PREFIX + kind.table, _types_of(kind)
        _make_table(connection, table, table_sql(table, columns))
        rows[table] = [
            (
                event.iteration,
                number,
                *(_value(event, name, sql_type, parts_of[name]) for name, sql_type, _ in columns[2:]),
            )
            for number, event in enumerate(of_kind)
        ]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
    return rows


def _value(event: OwnEvent, name: str, sql_type: str, parts: tuple[Any, ...]) -> Value:
    """What SQLite holds for a field, of the very type that it will give back."""
    given: Value = getattr(event, name)
    try:
        value = sql_value(event, name, sql_type == "REAL")
    except (TypeError, OverflowError):  # no JSON, or too large for a float
        fits = False
    else:
        fits = NoneType in parts if value is None else type(value) is _HELD[sql_type]
        is_truth, is_number = isinstance(given, bool), sql_type == "INTEGER"
        fits &= not (is_truth and bool not in parts)
        fits &= not (is_number and isinstance(value, int) and not (-(2**63) <= value < 2**63))
        fits &= not (is_number and value is not None and not is_truth and int not in parts)
    if not fits:
        hint = " | ".join(getattr(part, "__name__", str(part)) for part in parts)
        raise InputError(
            f"{type(event).__name__}: {name} must be of the type {hint}, whole numbers of 64 bits at most, but is "
            f"{given!r:.60}, a {type(given).__name__}: convert it"
        )
    return value


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
