"""Checks stored values: SQLite accepts any value in any column of schemas 1 and 2, and disks can corrupt any file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NoReturn, get_args, get_type_hints

from environments.walker.ending import Outcome
from poet.archive.errors import DamageError
from poet.archive.rows import EVENT_TABLES, OWN_PREFIX, columns

#: A column of a table: its name, its type (``JSON_TEXT`` for a JSON object), and whether it may be NULL.
Column = tuple[str, str, bool]

_PYTHON = {"INTEGER": int, "REAL": float, "TEXT": str, "JSON_TEXT": str, "BLOB": bytes}


def check_rows(table: str, of: Iterable[Column], rows: list[tuple[Any, ...]]) -> None:
    """Check the values of some columns of a table.

    Args:
        table: its name.
        of: the columns.
        rows: one value per column.

    Raises:
        DamageError: a value is of another type or out of range. Integers in an archive are counts and ids, so none is
            negative. A score may be minus infinity, but no number is plus infinity. Only types are checked in a
            trainer's own tables.
    """
    is_own = table.startswith(OWN_PREFIX)
    for (name, kind, is_optional), values in zip(of, zip(*rows, strict=True), strict=False):
        present = [value for value in values if value is not None] if is_optional else values
        if {*map(type, present)} - {_PYTHON[kind]}:
            wrong = next(value for value in present if type(value) is not _PYTHON[kind])
            raise DamageError(f"{table}.{name} holds {wrong!r:.60} for a value of type {kind}")
        if kind == "INTEGER" and min(present, default=0) < 0 and not is_own:
            raise DamageError(f"{table}.{name} holds the negative number {min(present)}")
        if kind == "REAL" and math.inf in present and not is_own:
            raise DamageError(f"{table}.{name} holds infinity")
        if (table, name) in _NAMES and (unknown := {*present} - _NAMES[table, name]):
            raise DamageError(f"{table}.{name} holds {unknown.pop()!r:.60}, which POET never writes")


def load_object(text: Any, what: str, may_be_infinite: bool = False) -> dict[str, Any]:
    """The JSON object in a text.

    Args:
        text: anything.
        what: describes it in the error.
        may_be_infinite: whether numbers may be infinite or NaN.

    Raises:
        DamageError: it does not hold a JSON object.
    """
    try:
        value = json.loads(text, parse_constant=None if may_be_infinite else _refuse)
    except (TypeError, ValueError, RecursionError) as error:  # ValueError also for numbers with thousands of digits
        raise DamageError(f"{what} is no JSON ({error!s:.100})") from error
    if not isinstance(value, dict):
        raise DamageError(f"{what} is no JSON object, but {type(value).__name__}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _names() -> dict[tuple[str, str], set[Any]]:
    """The allowed values of each column that holds members of an enum."""
    found: dict[tuple[str, str], set[Any]] = {("versions", "own_outcome"): {outcome.value for outcome in Outcome}}
    for kind, table in EVENT_TABLES.items():
        hints = get_type_hints(kind)
        for name in columns(kind):
            for part in get_args(hints[name]) or (hints[name],):
                if isinstance(part, type) and issubclass(part, StrEnum):
                    found[table, name] = {member.value for member in part}
    return found


_NAMES = _names()
