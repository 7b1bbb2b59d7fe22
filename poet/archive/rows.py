"""Event records as rows of tables, and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from environments.terrain.terrain import Terrain
from poet.events import (
    AgentVersion,
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

#: Tables that the first release did not have. A fingerprint leaves them out while they are empty.
LATER_TABLES = ("judgements", "validations")

Value = int | float | str | None


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, shortest digits that give the same float."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def columns(kind: type[Event]) -> list[str]:
    """The names of the fields that are columns of its table."""
    return [field.name for field in fields(kind) if field.metadata.get("is_column", True)]


def insert_events(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Append each event to its table."""
    rows: dict[type[Event], list[tuple[Value, ...]]] = {}
    for event in events:
        row = tuple(_value(event, name) for name in columns(type(event)))
        rows.setdefault(type(event), []).append(row)
    for kind, kind_rows in rows.items():
        names = columns(kind)
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO {EVENT_TABLES[kind]} ({', '.join(names)}) VALUES ({marks})", kind_rows)


def _value(event: Event, name: str) -> Value:
    """What SQLite holds for a field. NumPy's numbers are made Python's: SQLite would take their bytes for a BLOB."""
    value = getattr(event, name)
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            raise ValueError(f"{event!r:.200}: {name} is NaN, which history cannot hold (SQLite takes it for None)")
        return float(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Terrain):
        return canonical_json(value.to_json())
    return None if value is None else canonical_json(value)


VERSION_COLUMNS = ", ".join(f"versions.{name}" for name in columns(AgentVersion))


def read_version(row: tuple[Any, ...]) -> AgentVersion:
    """The record of a row of ``VERSION_COLUMNS``."""
    values = dict(zip(columns(AgentVersion), row, strict=True))
    return AgentVersion(**{**values, "origin": Origin(values["origin"])})
