"""The archive's tables: they match the event records, plain tools read them, and their version is guarded."""

from __future__ import annotations

import json
import sqlite3
import types
import typing
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from environments.errors import InputError
from environments.terrain.terrain import Terrain
from poet.archive.folder import archive_path
from poet.archive.frames import table_columns
from poet.archive.journal import RunArchive
from poet.archive.reader import open_run
from poet.archive.rows import EVENT_TABLES, canonical_json, columns
from poet.archive.schema import (
    MIGRATIONS,
    SCHEMA_VERSION,
    TABLES,
    create_schema,
    schema_version,
    upgrade_schema,
)
from poet.events import Event
from tests.poet.archive_examples import SESSION, plain, toy_run, toy_steps


def _sql_column(annotation: Any) -> tuple[str, bool]:
    """(declared type, whether it may be NULL) that a field's annotation asks for."""
    parts = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    (kind,) = [part for part in parts if part is not type(None)]
    if typing.get_origin(kind) is dict or kind is Terrain:
        return "JSON_TEXT", len(parts) > 1
    if issubclass(kind, StrEnum | str):
        return "TEXT", len(parts) > 1
    return {int: "INTEGER", float: "REAL"}[kind], len(parts) > 1


@pytest.fixture
def database() -> typing.Iterator[sqlite3.Connection]:
    """An empty archive in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_schema(connection)
        yield connection


def test_every_event_has_a_table() -> None:
    """No kind of event is without a table, and no table holds two."""
    assert set(typing.get_args(Event)) == set(EVENT_TABLES)
    assert len(EVENT_TABLES) == len(set(EVENT_TABLES.values()))


@pytest.mark.parametrize("kind", EVENT_TABLES, ids=lambda kind: kind.__name__)
def test_columns_are_the_fields_of_the_record(kind: type[Event], database: sqlite3.Connection) -> None:
    """A table has its record's fields, in any order, with the type and the None that they have there."""
    hints = typing.get_type_hints(kind)
    expected = {name: _sql_column(hints[name]) for name in columns(kind)}
    found = table_columns(database, EVENT_TABLES[kind])
    assert expected == {name: (declared, is_optional) for name, declared, is_optional in found}


def test_rows_hold_what_the_events_say(tmp_path: Path) -> None:
    """Every event of a run is one row, with enums as text, JSON as canonical text and -inf as itself."""
    steps = toy_steps(6)
    toy_run(tmp_path / "run", 6)
    events = [event for step in steps for event in step.events]
    with closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as connection:
        for kind, table in EVENT_TABLES.items():
            names = columns(kind)
            expected = [
                tuple(_expected_value(getattr(event, name)) for name in names)
                for event in events
                if isinstance(event, kind)
            ]
            assert expected, f"the toy run has no {kind.__name__}"
            rows = connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
            assert sorted(map(plain, expected), key=repr) == sorted(map(plain, rows), key=repr)


def _expected_value(value: Any) -> Any:
    if isinstance(value, Terrain):
        return json.dumps(value.to_json(), sort_keys=True, separators=(",", ":"))
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return value.value if isinstance(value, StrEnum) else value


def test_plain_tools_can_read_an_archive(tmp_path: Path) -> None:
    """sqlite3 and pandas alone answer questions about a run, the reason of refusals among them."""
    import pandas as pd

    toy_run(tmp_path / "run", 6)
    with closing(sqlite3.connect(f"file:{tmp_path}/run/run.sqlite?mode=ro", uri=True)) as connection:
        frame = pd.read_sql_query("SELECT outcome, count(*) AS num FROM candidates GROUP BY outcome", connection)
        assert {"admitted": 3, "duplicate": 3} == dict(zip(frame.outcome, frame.num, strict=True))
        query = "SELECT json_extract(genotype, '$.roughness') FROM niches WHERE niche_id = 1"
        assert [(0.1,)] == connection.execute(query).fetchall()
        assert [("wal",)] == connection.execute("PRAGMA journal_mode").fetchall()


def test_canonical_json_does_not_depend_on_the_order_of_keys() -> None:
    """Equal values have equal texts, and NaN has none."""
    assert '{"a":[0.1,null],"b":1}' == canonical_json({"b": 1, "a": [0.1, None]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_foreign_keys_lead_to_tables_that_exist(database: sqlite3.Connection) -> None:
    """SQLite finds no fault in the references of the schema."""
    assert TABLES.count("CREATE TABLE") == len(database.execute("PRAGMA table_list").fetchall()) - 2
    assert [] == database.execute("PRAGMA foreign_key_check").fetchall()


def test_each_schema_but_the_first_has_a_migration() -> None:
    """The newest version is reached from the first by the migrations there are."""
    assert SCHEMA_VERSION == 1 + len(MIGRATIONS)


def test_an_older_archive_is_upgraded(database: sqlite3.Connection) -> None:
    """Each migration runs once, in order, from the archive's version on."""
    more = ["ALTER TABLE run ADD COLUMN note TEXT;", "ALTER TABLE run RENAME COLUMN note TO remark;"]
    one, two = [*MIGRATIONS, more[0]], [*MIGRATIONS, *more]
    newest = SCHEMA_VERSION + 2
    upgrade_schema(database, Path("run"), one)
    assert newest - 1 == schema_version(database, Path("run"), newest)
    upgrade_schema(database, Path("run"), two)
    upgrade_schema(database, Path("run"), two)
    assert newest == schema_version(database, Path("run"), newest)
    assert "remark" == table_columns(database, "run")[-1][0]


def test_a_migration_that_fails_leaves_the_old_version(database: sqlite3.Connection) -> None:
    """Half a migration is no migration."""
    with pytest.raises(sqlite3.OperationalError):
        broken = "ALTER TABLE run ADD COLUMN note TEXT; SELECT * FROM no_such_table;"
        upgrade_schema(database, Path("run"), [*MIGRATIONS, broken])
    assert SCHEMA_VERSION == schema_version(database, Path("run"))
    assert "note" not in [name for name, _, _ in table_columns(database, "run")]


@pytest.mark.parametrize("open_it", [open_run, lambda folder: RunArchive.open(folder, session=SESSION)])
def test_a_newer_archive_is_refused(tmp_path: Path, open_it: typing.Callable[[Path], object]) -> None:
    """Neither reader nor writer touches an archive of a schema that it does not know."""
    folder = toy_run(tmp_path / "run", 1)
    with closing(sqlite3.connect(archive_path(folder))) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(InputError, match=f"schema {SCHEMA_VERSION + 1}, but this POET knows up to {SCHEMA_VERSION}"):
        open_it(folder)


@pytest.mark.parametrize("open_it", [open_run, lambda folder: RunArchive.open(folder, session=SESSION)])
def test_a_foreign_database_is_refused(tmp_path: Path, open_it: typing.Callable[[Path], object]) -> None:
    """A SQLite file of another program is not taken for a run, and not changed."""
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as connection:
        connection.execute("CREATE TABLE songs (title)")
    before = (tmp_path / "run.sqlite").read_bytes()
    with pytest.raises(InputError, match="is no run: POET did not write"):
        open_it(tmp_path)
    assert before == (tmp_path / "run.sqlite").read_bytes()
