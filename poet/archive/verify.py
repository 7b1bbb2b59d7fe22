"""Verifies an archive: reads and decodes everything in it, and compares it with the stored digests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from poet.archive.checks import check_records
from poet.archive.configs import all_configs
from poet.archive.database import connect_to_read, transaction
from poet.archive.digests import rows_digest, stored_digests
from poet.archive.errors import DamageError, explained
from poet.archive.frames import read_rows, table_columns
from poet.archive.own import own_tables
from poet.archive.rows import EVENT_TABLES, columns
from poet.archive.schema import TABLES_OF, schema_version, table_names
from poet.archive.thetas import theta_from_bytes
from poet.archive.values import load_object
from poet.types import Origin


def find_damage(path: str | PathLike[str], genotype_type: type[AbstractGenotype]) -> list[str]:
    """Find all damage in an archive, except in its states, which ``Run.load_state`` checks.

    This checks pages, and types, ranges and references of all rows; thetas, configs and events against their digests;
    that no theta is missing that a run keeps; and that genotypes and terrains can be decoded.

    Args:
        path: the run's folder; what is recorded at this moment is checked.
        genotype_type: the run's genotype class.

    Returns:
        A clause for each problem; empty if there is none. Events that were recorded in an archive of schema 1 or 2 have
        no digest.

    Raises:
        InputError: there is no run, or it is too damaged to be opened.
    """
    folder, found = Path(path), list[str]()
    with explained(folder), closing(connect_to_read(folder)) as connection, transaction(connection, "DEFERRED"):
        tables = [*table_names(TABLES_OF[schema_version(connection, folder)]), *own_tables(connection)]
        (*problems,) = (text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok")
        if problems:
            return problems  # no row can be trusted
        for table in tables:
            with _noted(found):
                _check_table(connection, table, genotype_type)
            with _noted(found):
                check_records(connection, [table])
        with _noted(found):
            all_configs(connection)
        _check_thetas(connection, found)
        _check_events(connection, found)
    return found


@contextmanager
def _noted(found: list[str]) -> Iterator[None]:
    """A block whose damage is added to ``found``."""
    try:
        yield
    except DamageError as error:
        found.append(str(error))


def _check_table(connection: sqlite3.Connection, table: str, genotype_type: type[AbstractGenotype]) -> None:
    """Check the values of every row, and decode its JSON."""
    makers: dict[str, Callable[[dict[str, Any]], object]] = {
        "genotype": genotype_type.from_json,
        "terrain": Terrain.from_json,
    }
    names = [name for name, kind, _ in table_columns(connection, table) if kind != "BLOB"]
    kinds = {name: kind for name, kind, _ in table_columns(connection, table)}
    for row in read_rows(connection, table, names):
        for name, value in zip(names, row, strict=True):
            if kinds[name] == "JSON_TEXT":
                what = f"{table}.{name} of {row[0]}"
                described = load_object(value, what)
                try:
                    makers.get(name, dict)(described)
                except Exception as error:  # a user's own class may raise anything
                    raise DamageError(f"{what}: {error}") from error


def _check_thetas(connection: sqlite3.Connection, found: list[str]) -> None:
    for digest, data in connection.execute("SELECT digest, theta FROM thetas ORDER BY digest"):
        with _noted(found):
            theta_from_bytes(data, digest)
    named = "SELECT theta_digest FROM versions UNION SELECT theta_digest FROM solved"
    for (digest,) in connection.execute(f"SELECT digest FROM thetas WHERE digest NOT IN ({named}) LIMIT 10"):
        found.append(f"the theta {digest} is no version's")
    kept = f"SELECT theta_digest FROM solved UNION SELECT theta_digest FROM versions WHERE {_is_kept(connection)}"
    for (digest,) in connection.execute(f"{kept} EXCEPT SELECT digest FROM thetas LIMIT 10"):
        found.append(f"the theta {digest} is missing")


def _is_kept(connection: sqlite3.Connection) -> str:
    """SQL that is true for versions whose thetas the journal always keeps."""
    tables = [table for table in ("retirements", "validations") if table_columns(connection, table)]
    return " OR ".join([f"origin != '{Origin.ES}'", *(f"id IN (SELECT version_id FROM {table})" for table in tables)])


def _check_events(connection: sqlite3.Connection, found: list[str]) -> None:
    """Compare the rows of each iteration with their digest."""
    digests = stored_digests(connection, "events")
    if not digests:
        return
    of_tables = {table: columns(kind) for kind, table in EVENT_TABLES.items()}
    for table in ("iterations", *own_tables(connection)):
        of_tables[table] = [name for name, _, _ in table_columns(connection, table)]
    by_iteration: dict[Any, dict[str, list[tuple[Any, ...]]]] = {iteration: {} for iteration in digests}
    for table, names in of_tables.items():
        place = names.index("iteration")
        for row in connection.execute(f"SELECT {', '.join(names)} FROM {table}"):
            by_iteration.setdefault(row[place], {}).setdefault(table, []).append(row)
    for iteration, rows in by_iteration.items():
        if iteration in digests and rows_digest(rows) != digests[iteration]:
            found.append(f"the events of iteration {iteration} are not those that were written")
    for table in of_tables:
        late = f"SELECT 1 FROM {table} WHERE iteration > (SELECT coalesce(max(iteration), -1) FROM iterations) LIMIT 1"
        if connection.execute(late).fetchall():
            found.append(f"{table} has events of an iteration that was not done")
    ((last,),) = connection.execute("SELECT coalesce(max(iteration), -1) FROM iterations")
    if missing := {*range(min(digests), last + 1)} - digests.keys():
        found.append(f"the digest of iteration {min(missing)} is missing")
