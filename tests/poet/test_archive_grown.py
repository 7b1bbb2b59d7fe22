"""Tables of a state that grow: what each iteration adds is enough to have any of them back, to the bit."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from environments.errors import InputError
from poet.archive.grown import GrownTables, read_grown
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import open_run
from poet.archive.schema import create_schema
from poet.types import PoetState
from tests.poet.archive_examples import CONFIG, SESSION, Step, load, plain, toy_start, toy_steps

_NAME = "retired_scores"
_BITS = st.integers(0, 2**64 - 1)


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_schema(connection)
    return connection


def _state(iteration: int, values: Any) -> PoetState:
    return replace(toy_start().state, iteration=iteration, retired_scores=values)


def _steps(num: int) -> list[Step]:
    """A toy run whose table grows: a row and a column every second time, in which the last column is not known yet."""
    steps = []
    for step in toy_steps(num):
        shape = step.state.retired_scores.shape
        table = np.add.outer(np.arange(shape[0]) / 7.0, np.arange(shape[1]) / 11.0)
        table[:, -1:] = math.nan
        steps.append(replace(step, state=replace(step.state, retired_scores=table)))
    return steps


def _run(folder: Path, steps: list[Step]) -> Path:
    with create_run(folder, CONFIG, session=SESSION) as archive:
        for step in steps:
            archive.append(step.state, step.events, 0.25)
    return folder


def _sizes(connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """Iteration, is_whole, and bytes of each piece."""
    return connection.execute("SELECT iteration, is_whole, length(added) + length(changed) FROM grown").fetchall()


@given(
    tables=st.lists(
        hnp.arrays(np.uint64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=_BITS).map(
            lambda bits: bits.view(np.float64)
        ),
        min_size=1,
        max_size=6,
    ),
    num_open=st.integers(1, 6),
)
def test_any_tables_come_back_to_the_bit(tables: list[NDArray[np.float64]], num_open: int) -> None:
    """Whatever follows on what, also NaN of any kind, and with a new writer in between; equal digests, equal tables."""
    with closing(_empty()) as connection:
        writer, digests = GrownTables(connection), []
        for iteration, values in enumerate(tables):
            if iteration == num_open:
                writer = GrownTables(connection)
            digests.append(writer.store(_state(iteration, values))[_NAME])
        for iteration, values in enumerate(tables):
            found = read_grown(connection, _NAME, iteration)
            assert (values.tobytes(), digests[iteration]) == (found.values.tobytes(), found.digest)
            assert values.shape == found.values.shape or not values.size


def test_what_is_known_is_not_written_again() -> None:
    """A table of 100 x 200 that gains a row and a column, and once three numbers, writes these alone."""
    table = np.random.default_rng(0).normal(size=(101, 201))
    filled = table.copy()
    filled[[3, 4, 100], [200, 200, 7]] = math.nan
    with closing(_empty()) as connection:
        writer = GrownTables(connection)
        for iteration, values in enumerate((table[:100, :200].copy(), filled, filled, filled.copy(), table)):
            writer.store(_state(iteration, values))
        assert [(0, 1, 8 * 20_000), (1, 0, 8 * (201 + 100)), (4, 0, 3 * 16)] == _sizes(connection)


def test_an_iteration_that_could_not_be_written_comes_again(tmp_path: Path) -> None:
    """What a transaction took back is not taken for known."""
    steps = _steps(6)
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        for step in steps:
            with pytest.MonkeyPatch.context() as patch, pytest.raises(ValueError, match="full"):
                patch.setattr("poet.archive.journal.encode_state", _fail)
                archive.append(step.state, step.events, 0.25)
            archive.append(step.state, step.events, 0.25)
    with open_run(tmp_path / "run") as run:
        for iteration in run.keyframes:
            assert plain(steps[iteration].state) == plain(load(run, iteration))


def _fail(*_: object) -> bytes:
    raise ValueError("full")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE grown SET added = CAST(x'0000000000000001' || substr(added, 9) AS BLOB) WHERE iteration = 4",
        "UPDATE grown SET added = substr(added, 9) WHERE iteration = 4",
        "UPDATE grown SET num_rows = num_rows + 1 WHERE iteration = 4",
        "UPDATE grown SET num_rows = 1000000000, num_columns = 1000000000 WHERE iteration = 6",
        "UPDATE grown SET num_rows = 1000000000000, num_columns = 0, added = x'' WHERE iteration = 6",
        "REPLACE INTO grown VALUES ('retired_scores', 6, 1, 0, 4611686018427387904, x'', x'')",
        "REPLACE INTO grown VALUES ('retired_scores', 6, 1, 4611686018427387904, 0, x'', x'')",
        "UPDATE grown SET is_whole = 1 WHERE iteration = 6",
        "UPDATE grown SET is_whole = 7 WHERE iteration = 4",
        "UPDATE grown SET changed = x'05000000050000000000000000000000' WHERE iteration = 6",
        "UPDATE grown SET changed = x'00000000000000000000000000000000' WHERE iteration = 6",
        "UPDATE grown SET changed = x'00' WHERE iteration = 6",
        "UPDATE grown SET name = 'other' WHERE iteration = 4",
        "DELETE FROM grown WHERE iteration = 4",
        "DELETE FROM grown",
    ],
)
def test_damage_is_found(tmp_path: Path, change: str) -> None:
    """A state with other pieces than it was stored with is refused, and nothing of a size that they pretend is made."""
    folder = _run(tmp_path / "run", _steps(6))
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as connection:
        assert [2, 4, 6] == [iteration for iteration, *_ in _sizes(connection)]
        connection.execute(change)
    with open_run(folder) as run, pytest.raises(InputError, match="damaged"):
        load(run)


@pytest.mark.parametrize("values", [np.zeros((2, 2), np.float32), np.zeros(3), [[1.0]]])
def test_what_is_no_table_is_refused(values: Any) -> None:
    """By the field's name."""
    with closing(_empty()) as connection, pytest.raises(ValueError, match="retired_scores must be an array"):
        GrownTables(connection).store(_state(0, values))


def test_a_writer_does_not_go_on_from_damage(tmp_path: Path) -> None:
    """Nothing is added to pieces that do not fit each other."""
    steps = _steps(8)
    folder = _run(tmp_path / "run", steps[:7])
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE grown SET num_rows = 7 WHERE iteration = 4")
    with RunArchive.open(folder, session=SESSION) as archive, pytest.raises(InputError, match="does not grow"):
        archive.append(steps[7].state, steps[7].events, 0.25)
