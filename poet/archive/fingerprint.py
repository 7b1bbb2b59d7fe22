"""The fingerprint of a run: a hash of what happened in it. It does not depend on how, where or how fast it was run."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

from poet.archive.configs import deciding_configs
from poet.archive.database import connect_to_read, transaction
from poet.archive.errors import explained
from poet.archive.frames import read_rows, table_columns
from poet.archive.own import own_tables
from poet.archive.rows import EVENT_TABLES, LATER_TABLES, OWN_PREFIX
from poet.archive.values import load_object


def fingerprint(path: str | PathLike[str]) -> str:
    """SHA-256 of a run's logical content, 64 hex digits.

    Included are every event of every table, and each config with its first iteration. Not included are clock, host,
    versions, path, engine, executor, workers, which thetas and states are kept, the run it was forked from, and the
    config's neutral keys.

    Args:
        path: the run's folder; the hash is of what is recorded at this moment.

    Raises:
        InputError: there is no run, it is damaged, or a newer POET wrote it. Damage that still gives a possible record
            is only found by ``poet.archive.verify``.
    """
    folder = Path(path)
    sha = hashlib.sha256()
    with explained(folder), closing(connect_to_read(folder)) as connection, transaction(connection, "DEFERRED"):
        sha.update(_line(["configs", *deciding_configs(connection)]))
        for table in (*EVENT_TABLES.values(), *own_tables(connection)):
            columns = table_columns(connection, table)
            if not columns:  # an older POET wrote the archive
                continue
            names = [name for name, _, _ in columns]
            is_json = [kind == "JSON_TEXT" for _, kind, _ in columns]
            rows = read_rows(connection, table, names)
            if not rows and (table in LATER_TABLES or table.startswith(OWN_PREFIX)):
                continue
            sha.update(_line([table, *names]))
            for row in rows:
                sha.update(_line([load_object(v, table) if j else v for v, j in zip(row, is_json, strict=True)]))
    return sha.hexdigest()


def _line(value: Any) -> bytes:
    return f"{_canonical(value)}\n".encode()


def _canonical(value: Any) -> str:
    """JSON with sorted keys. Floats are written in hexadecimal, so they are exact and never equal to an integer."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{_canonical(value[key])}' for key in sorted(value))}}}"
    return json.dumps(value)
