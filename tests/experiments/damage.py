"""Ways to damage a run's archive: SQL that spoils its tables, invalid states, and bytes of the file."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from poet.archive.schema import TABLES_OF, table_names

#: What does damage to the file of an archive.
Damage = Callable[[Path], None]

TABLES = table_names(TABLES_OF[2])
_JSON = {("configs", "config"), ("sessions", "versions"), ("niches", "genotype"), ("niches", "terrain"),
         ("candidates", "genotype")}  # fmt: skip

#: What a value of any column becomes, as SQL.
_VALUES = (
    "NULL", "'text'", "x'00ff'", "-1", "9223372036854775807", "9e999", "0.5", f"'{'x' * 100_000}'",
    "CAST(x'ff' AS TEXT)", "''",
)  # fmt: skip
_TEXTS = (
    "{", "null", "[]", "{}", '{"a":1}', "NaN", '{"a":' + "9" * 5000 + "}", "[" * 100_000, '{"a":' * 5000, "1", '"x"',
)  # fmt: skip


def damages() -> Iterator[tuple[str, Damage]]:
    """Every kind of damage by name."""
    for table in TABLES:
        for statement in (f"DROP TABLE {table}", f"ALTER TABLE {table} RENAME TO gone", f"DELETE FROM {table}"):
            yield statement, partial(_sql, statements=[statement])
        yield f"view {table}", partial(_sql, statements=[f"ALTER TABLE {table} RENAME TO gone", _endless_view(table)])
        trigger = f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM versions; END"
        yield f"trigger {table}", partial(_sql, statements=[trigger])
        yield f"column {table}", partial(_sql, statements=[f"ALTER TABLE {table} ADD COLUMN more TEXT"])
    for table, name in _columns():
        yield f"rename {table}.{name}", partial(_sql, statements=[f"ALTER TABLE {table} RENAME COLUMN {name} TO other"])
        for value in _VALUES:
            one = f"UPDATE {table} SET {name} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})"
            yield f"{table}.{name} = {value:.30}", partial(_sql, statements=[one])
        if (table, name) in _JSON:
            for text in _TEXTS:
                one = f"UPDATE {table} SET {name} = '{text}'"
                yield f"{table}.{name} = json {text:.30}", partial(_sql, statements=[one])
    for statement in _ACROSS:
        yield statement, partial(_sql, statements=[statement])
    for what, change in _STATES.items():
        yield f"state {what}", partial(_state, change=change)
    for what, spoil in _FILES.items():
        yield f"file {what}", spoil


#: Rows that are possible one by one.
_ACROSS = (
    "UPDATE niches SET parent_id = 77 WHERE niche_id = 1",
    "UPDATE niches SET parent_id = 2 WHERE niche_id = 1",
    "UPDATE niches SET parent_id = niche_id",
    "UPDATE niches SET iteration = 9 - iteration",
    "UPDATE versions SET parent_id = id",
    "UPDATE versions SET niche_id = 0",
    "UPDATE versions SET iteration = 99",
    "UPDATE iterations SET iteration = iteration + 1",
    "DELETE FROM iterations WHERE iteration = 3",
    "DELETE FROM versions WHERE id % 2",
    "DELETE FROM niches WHERE niche_id = 1",
    "UPDATE thetas SET theta = zeroblob(11216)",
    "UPDATE thetas SET theta = x'00'",
    "UPDATE thetas SET digest = 'x' || digest",
    "UPDATE snapshots SET iteration = iteration + 1",
    "INSERT INTO run (id) SELECT 2",
    "UPDATE retirements SET iteration = 0",
    "PRAGMA application_id = 7",
    "PRAGMA user_version = 99",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 3",
    "CREATE INDEX more ON versions (score)",
    "CREATE TABLE more (id)",
    "CREATE VIRTUAL TABLE more USING fts4(text)",
    f"UPDATE configs SET config = json_set(config, '$.run.seed', json('{'9' * 400}'))",
    "UPDATE configs SET config = json_set(config, '$.es.pairs', 0)",
    "UPDATE configs SET config = json_set(config, '$.es', 3)",
    "UPDATE configs SET config = json_set(config, '$.unknown', json('{}'))",
    "UPDATE configs SET config = json_remove(config, '$.es.pairs')",
    "UPDATE niches SET genotype = json_set(genotype, '$.roughness', 'x')",
    f"UPDATE niches SET genotype = json_set(genotype, '$.roughness', json('{'9' * 400}'))",
    "UPDATE niches SET genotype = json_remove(genotype, '$.roughness')",
    "UPDATE niches SET terrain = json_remove(terrain, '$.ground')",
    f"UPDATE niches SET terrain = json_set(terrain, '$.push', json('{'9' * 400}'))",
    "UPDATE niches SET terrain = json_set(terrain, '$.ground', json('[[0,0],[0,0]]'))",
)  # fmt: skip

Entries = dict[str, Any]


def _header(change: Callable[[dict[str, Any]], object]) -> Callable[[Entries], None]:
    def spoil(entries: Entries) -> None:
        header = json.loads(entries["header"].tobytes())
        change(header)
        entries["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return spoil


def _same_ids(header: dict[str, Any]) -> None:
    for niche in header["active"]:
        niche["id"] = 0


_STATES: dict[str, Callable[[Entries], object]] = {
    "empty": lambda entries: entries.clear(),
    "without header": lambda entries: entries.pop("header"),
    "misnamed": lambda entries: entries.update(other=entries.pop("optimiser.centre")),
    "objects": lambda entries: entries.update({"optimiser.centre": np.array([{}], object)}),
    "float64": lambda entries: entries.update({"optimiser.centre": entries["optimiser.centre"].astype(float)}),
    "texts": lambda entries: entries.update({"optimiser.first_moment": np.array(["x"])}),
    "shape": lambda entries: entries.update({"optimiser.centre": entries["optimiser.centre"][:, :5]}),
    "scalar": lambda entries: entries.update({"optimiser.noise_std": np.float64(1)}),
    "niches": lambda entries: entries.update({"optimiser.noise_std": np.zeros(99)}),
    "scores": lambda entries: entries.update({"retired_scores": np.zeros(3)}),
    "more scores": lambda entries: entries.update({"retired_scores": np.zeros((50, 50))}),
    "no json": lambda entries: entries.update(header=np.frombuffer(b"{", np.uint8)),
    "deep": lambda entries: entries.update(header=np.frombuffer(b"[" * 100_000, np.uint8)),
    "no text": lambda entries: entries.update(header=np.frombuffer(b"\xff\xfe\xff", np.uint8)),
    "digits": lambda entries: entries.update(header=np.frombuffer(b'{"a":' + b"9" * 5000 + b"}", np.uint8)),
    "list": lambda entries: entries.update(header=np.frombuffer(b"[]", np.uint8)),
    "no counters": _header(lambda header: header.pop("counters")),
    "counters of text": _header(lambda header: header["counters"].update(iteration="x")),
    "other counters": _header(lambda header: header["counters"].update(more=1)),
    "iteration": _header(lambda header: header["counters"].update(iteration=3)),
    "env_steps": _header(lambda header: header["counters"].update(env_steps=3)),
    "none active": _header(lambda header: header.update(active=[])),
    "active null": _header(lambda header: header.update(active=None)),
    "niche null": _header(lambda header: header["active"].__setitem__(0, None)),
    "same ids": _header(_same_ids),
    "genotype": _header(lambda header: header["active"][0].update(genotype={})),
    "great genotype": _header(lambda header: header["active"][0]["genotype"].update(roughness=10**400)),
    "scores of text": _header(lambda header: header["active"][0].update(recent_scores=["x"])),
    "evaluation": _header(lambda header: header["active"][0].update(evaluation=[1])),
    "theta": _header(lambda header: [niche.update(theta="x") for niche in header["retired"]]),
    "other theta": _header(lambda header: [niche.update(theta=7) for niche in header["retired"]]),
}


def _bomb() -> bytes:
    """A small file whose one array would fill a gigabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("header.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": (2**30,)})
        for _ in range(16):
            entry.write(bytes(2**20))
    return buffer.getvalue()


def _great() -> bytes:
    """An array that says it is larger than any memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("header.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": (2**60,)})
    return buffer.getvalue()


def _state(path: Path, change: Callable[[Entries], object]) -> None:
    with closing(_connect(path)) as connection:
        for iteration, state in connection.execute("SELECT iteration, state FROM snapshots").fetchall():
            with np.load(io.BytesIO(state)) as stored:
                entries = dict(stored)
            change(entries)
            buffer = io.BytesIO()
            np.savez(buffer, **entries)
            _set_state(connection, iteration, buffer.getvalue())


def _states(path: Path, make: Callable[[], bytes]) -> None:
    with closing(_connect(path)) as connection:
        for (iteration,) in connection.execute("SELECT iteration FROM snapshots").fetchall():
            _set_state(connection, iteration, make())


def _set_state(connection: sqlite3.Connection, iteration: int, state: bytes) -> None:
    connection.execute("UPDATE snapshots SET state = ? WHERE iteration = ?", (state, iteration))


def _bytes(path: Path, change: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def _shared_pages(path: Path) -> None:
    """A table of twenty pages, in which each lists the next one as often as it can: rows without end."""
    size = 4096
    with closing(_connect(path)) as connection:
        (num,) = connection.execute("PRAGMA page_count").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'ledger'").fetchone()
    data = bytearray(path.read_bytes())
    pages = [root, *range(num + 1, num + 9)]
    data += bytes(size * 8)
    for page, below in pairwise(pages):
        cells = bytearray(size)
        count = 400
        cells[0] = 0x02  # an interior page of an index
        key = bytes([3, 2, 9, 9])  # a row of no use: SQLite looks at none before the last
        for i in range(count):
            at = size - (i + 1) * 9
            cells[at : at + 4] = below.to_bytes(4, "big")
            cells[at + 4 : at + 8] = key
            cells[12 + 2 * i : 14 + 2 * i] = at.to_bytes(2, "big")
        cells[3:5], cells[5:7] = count.to_bytes(2, "big"), (size - count * 9).to_bytes(2, "big")
        cells[8:12] = below.to_bytes(4, "big")
        data[(page - 1) * size : page * size] = cells
    cells = bytearray(size)
    cells[0], cells[5:7] = 0x0A, size.to_bytes(2, "big")
    data[(pages[-1] - 1) * size : pages[-1] * size] = cells
    data[28:32] = (num + 8).to_bytes(4, "big")
    path.write_bytes(data)


def _cut(data: bytearray, num: int) -> None:
    del data[num:]


def _zeroed(data: bytearray, page: int) -> None:
    data[4096 * page : 4096 * (page + 1)] = bytes(len(data[4096 * page : 4096 * (page + 1)]))


_FILES: dict[str, Damage] = {
    "bomb": partial(_states, make=_bomb),
    "great array": partial(_states, make=_great),
    "no state": partial(_states, make=lambda: b""),
    "empty": partial(_bytes, change=bytearray.clear),
    "shared pages": _shared_pages,
    **{f"cut to {num}": partial(_bytes, change=partial(_cut, num=num)) for num in (50, 5000, 70_000)},
    **{f"page {i} of zeros": partial(_bytes, change=partial(_zeroed, page=i)) for i in (0, 1, 5, 20, 60)},
}


def _columns() -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLES_OF[2])
        return [(table, row[1]) for table in TABLES for row in connection.execute(f"PRAGMA table_info({table})")]


def _endless_view(table: str) -> str:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLES_OF[2])
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(f"i AS {name}" for name in names)
    return (
        f"CREATE VIEW {table} AS WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) "
        f"SELECT {values} FROM n ORDER BY i DESC"
    )


def _sql(path: Path, statements: list[str]) -> None:
    with closing(_connect(path)) as connection:
        for statement in statements:
            connection.execute(_by_key(statement))


def _by_key(statement: str) -> str:
    """The last row of a table that has no rowid is that of its greatest key."""
    for table in ("transfer_sources", "generations", "ledger"):
        if statement.startswith(f"UPDATE {table} ") and "rowid" in statement:
            return re.sub(r"WHERE .*", "WHERE iteration = 8", statement.replace("UPDATE", "UPDATE OR IGNORE", 1))
    return statement.replace("UPDATE ", "UPDATE OR IGNORE ", 1)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
