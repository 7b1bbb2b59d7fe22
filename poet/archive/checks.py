"""Checks whether an archive can be one of ours: its tables, and the consistency of their rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from itertools import chain

from poet.archive.errors import DamageError
from poet.archive.own import is_own_table
from poet.archive.rows import EVENT_TABLES
from poet.archive.schema import TABLES_OF

#: Tables that are checked whenever an archive is opened, since they have only a row per niche, iteration or session.
SMALL_TABLES = ("run", "configs", "iterations", "niches", "judgements", "solved", "retirements")

#: Tables whose rows are numbered 0, 1, 2, ... in the order of events, and the column of the number.
NUMBERED = {"iterations": "iteration", "niches": "niche_id", "candidates": "id", "transfers": "id", "versions": "id"}

_BEFORE = "SELECT 1 FROM {table} JOIN niches USING (niche_id) WHERE {table}.iteration < niches.iteration"
#: What must not occur, by table: a description, and SQL that finds a row of it.
_IMPOSSIBLE = {
    "run": [("run has not one row", "SELECT 1 WHERE (SELECT count(*) FROM run) != 1")],
    "configs": [
        ("no config is in force at the start", "SELECT 1 WHERE 0 NOT IN (SELECT from_iteration FROM configs)"),
    ],
    "snapshots": [
        (
            "the state after the last iteration is missing",
            "SELECT 1 WHERE (SELECT max(iteration) FROM iterations) IS NOT (SELECT max(iteration) FROM snapshots)",
        ),
    ],
    "niches": [
        ("a niche is older than its parent", "SELECT 1 FROM niches WHERE parent_id >= niche_id"),
        ("not all niches of the start, and only these, are roots",
         "SELECT 1 FROM niches WHERE (parent_id IS NULL) != (iteration = 0)"),
        (
            "a niche begins with another's agent",
            "SELECT 1 FROM niches LEFT JOIN versions ON versions.id = niches.version_id "
            "WHERE versions.niche_id IS NOT niches.niche_id",
        ),
        (
            "no niche is active",
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM iterations) "
            "AND (SELECT count(*) FROM niches) <= (SELECT count(*) FROM retirements)",
        ),
    ],
    "versions": [("a version is older than its parent", "SELECT 1 FROM versions WHERE parent_id >= id")],
    **{
        table: [
            (
                f"{table} has a niche before its admission",
                _BEFORE.format(table=table),
            )
        ]
        for table in ("judgements", "solved", "retirements")
    },
    "validations": [
        ("validations has a niche before its admission", _BEFORE.format(table="validations")),
        (
            "an agent succeeded more often than it was run",
            "SELECT 1 FROM validations WHERE num_episodes = 0 OR num_successes > num_episodes",
        ),
        (
            "an agent was validated on one set and not on the other",
            "SELECT 1 FROM validations GROUP BY version_id HAVING count(DISTINCT validation_set) != 2",
        ),
        (
            "an agent was validated in another's niche",
            "SELECT 1 FROM validations JOIN versions ON versions.id = version_id "
            "WHERE versions.niche_id != validations.niche_id OR versions.iteration > validations.iteration",
        ),
    ],
}  # fmt: skip


def check_schema(connection: sqlite3.Connection, version: int) -> None:
    """Check that the file has exactly the tables and indexes of a schema version and, from 3 on, a trainer's tables.

    Nothing else is allowed: a trigger could write history, and reading would run the code in a view or a generated
    column.

    Raises:
        DamageError: something is missing or different, or should not be there.
    """
    expected = _objects_of(version)
    found = _objects(connection)
    for (kind, name), sql in found.items():
        if version >= 3 and kind == "table" and is_own_table(connection, name, sql):
            continue
        if (kind, name) not in expected:
            raise DamageError(f"it has the {kind} {name!r:.60}, which POET did not make")
        if sql != expected[kind, name]:
            raise DamageError(f"its {kind} {name!r} is not that of archive schema {version}")
    if missing := expected.keys() - found.keys():
        kind, name = min(missing)
        raise DamageError(f"the {kind} {name!r} is missing")


def check_records(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Check that the rows of some tables are consistent with each other and with other tables.

    Raises:
        DamageError: rows are missing, out of order, or refer to rows that do not exist.
    """
    for table in tables:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchall():
            continue  # an older POET wrote the archive
        if table in NUMBERED:
            check_numbers(connection, table)
        if dangling := connection.execute(f"PRAGMA foreign_key_check({table})").fetchone():
            raise DamageError(f"{table} refers to what is not in {dangling[2]}")
        for words, sql in chain(_IMPOSSIBLE.get(table, ()), _out_of_order(table)):
            if connection.execute(f"{sql} LIMIT 1").fetchall():
                raise DamageError(words)


def check_numbers(connection: sqlite3.Connection, table: str) -> None:
    """Check that the rows in a table of ``NUMBERED`` are numbered 0, 1, 2, ...

    Raises:
        DamageError: some are missing.
    """
    key = NUMBERED[table]
    num, first, last = connection.execute(f"SELECT count(*), min({key}), max({key}) FROM {table}").fetchone()
    if num and (first, last) != (0, num - 1):
        raise DamageError(f"{table} has {num} rows, but they are numbered {first!r:.40} to {last!r:.40}")


def _out_of_order(table: str) -> list[tuple[str, str]]:
    """A check that the iterations of a table of numbered events are in order; empty for other tables."""
    if table not in EVENT_TABLES.values() or table not in NUMBERED:
        return []
    before = f"lag(iteration, 1, 0) OVER (ORDER BY {NUMBERED[table]})"
    ordered = f"SELECT 1 FROM (SELECT iteration < {before} AS is_earlier FROM {table}) WHERE is_earlier"
    return [(f"{table} has iterations out of order", ordered)]


@cache
def _objects_of(version: int) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLES_OF[version])
        return _objects(connection)


def _objects(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """The SQL of all objects in a database by kind and name, without comments and without SQLite's statistics."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_schema LIMIT 100").fetchall()
    return {
        (kind, name): _plain(sql)
        for kind, name, sql in rows
        if not (sql is None and str(name).startswith("sqlite_autoindex_"))
        and not (kind == "table" and str(name).startswith("sqlite_stat"))
    }


def _plain(sql: object) -> str:
    """The SQL in one line, without the quotes that ``ALTER TABLE`` adds."""
    without = re.sub(r'^CREATE TABLE "(\w+)"', r"CREATE TABLE \1", re.sub(r"--.*", "", str(sql)))
    return " ".join(without.split())
