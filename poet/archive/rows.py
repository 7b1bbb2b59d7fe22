"""Converts event records to table rows and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

import numpy as np

from environments.terrain.terrain import Terrain
from poet.events import (
    AgentVersion,
    AnyEvent,
    CandidateJudged,
    Cost,
    Event,
    GenerationDone,
    NicheAdmitted,
    NicheJudged,
    NicheRetired,
    NicheSolved,
    NicheValidated,
    SourceScored,
    TransferAttempted,
)
from poet.types import Origin

#: The table of each kind of event, in the order in which a fingerprint reads them.
EVENT_TABLES: dict[type[Event], str] = {
    NicheAdmitted: "niches",
    CandidateJudged: "candidates",
    NicheJudged: "judgements",
    NicheSolved: "solved",
    NicheValidated: "validations",
    NicheRetired: "retirements",
    TransferAttempted: "transfers",
    SourceScored: "transfer_sources",
    GenerationDone: "generations",
    AgentVersion: "versions",
    Cost: "ledger",
}

_KINDS = {table: kind for kind, table in EVENT_TABLES.items()}

#: Tables that the first release did not have. Fingerprints leave them out if they are empty.
LATER_TABLES = ("judgements", "validations")

#: Prefix of the tables for a trainer's own events; see ``poet.archive.own``.
OWN_PREFIX = "own_"

Value = int | float | str | None


def canonical_json(value: Any) -> str:
    """The canonical JSON text of a value: sorted keys, no spaces, floats with the fewest digits that identify them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def columns(kind: type[Event]) -> list[str]:
    """The names of an event's fields that are columns of its table."""
    return [field.name for field in fields(kind) if field.metadata.get("is_column", True)]


def insert_events(connection: sqlite3.Connection, events: Iterable[Event]) -> dict[str, list[tuple[Value, ...]]]:
    """Append each event to its table.

    Returns:
        The new rows of each table, as SQLite stores them.
    """
    rows: dict[str, list[tuple[Value, ...]]] = {}
    for event in events:
        kind: type[Event] = type(event)
        floats = _float_columns(EVENT_TABLES[kind])
        row = tuple(sql_value(event, name, name in floats) for name in columns(kind))
        rows.setdefault(EVENT_TABLES[kind], []).append(row)
    for table, some in _batches(rows):
        names = columns(_KINDS[table])
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        connection.executemany(insert, some)
    return rows


def _batches(rows: dict[str, list[tuple[Value, ...]]]) -> Iterator[tuple[str, list[tuple[Value, ...]]]]:
    """Tables and rows in the order in which they are inserted: what others refer to comes first.

    While anything refers to a row that is not there yet, SQLite goes through whole tables for each row that it inserts.
    Only a niche refers to its candidate and its first version while they refer to it, so these follow at once.
    """
    names = columns(NicheAdmitted)
    partners = {"candidates": names.index("candidate_id"), "versions": names.index("version_id")}
    niches = rows.get("niches", [])
    for niche in niches:
        yield "niches", [niche]
        for table, place in partners.items():
            yield table, [row for row in rows.get(table, []) if row[0] == niche[place]]
    for table, place in partners.items():
        done = {niche[place] for niche in niches}
        yield table, [row for row in rows.get(table, []) if row[0] not in done]
    yield "transfers", rows.get("transfers", [])
    yield from ((table, some) for table, some in rows.items() if table not in ("niches", "transfers", *partners))


@cache
def _float_columns(table: str) -> set[str]:
    """The columns in which integers are stored as floats."""
    (kind,) = (kind for kind, name in EVENT_TABLES.items() if name == table)
    hints = get_type_hints(kind)
    return {name for name in columns(kind) if float in (hints[name], *get_args(hints[name]))}


def sql_value(event: AnyEvent, name: str, is_float: bool) -> Value:
    """The SQLite value of a field. NumPy's numbers become Python's, since SQLite would store their bytes as a BLOB."""
    value = getattr(event, name)
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            raise ValueError(f"{event!r:.200}: {name} is NaN, which history cannot hold (SQLite takes it for None)")
        return float(value) + 0.0  # SQLite does not store a negative zero
    if is_float and value is not None:
        return float(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Terrain):
        return canonical_json(value.to_json())
    return None if value is None else canonical_json(value)


def read_version(row: tuple[Any, ...]) -> AgentVersion:
    """The record in a row that has the columns of ``AgentVersion``."""
    values = dict(zip(columns(AgentVersion), row, strict=True))
    return AgentVersion(**{**values, "origin": Origin(values["origin"])})
