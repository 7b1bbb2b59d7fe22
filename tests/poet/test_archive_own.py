"""A trainer's own tables and state fields are kept to the bit, are part of the fingerprint, and let no code in."""

from __future__ import annotations

import io
import json
import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIESState
from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype
from poet.archive.checkpoint import decode_state
from poet.archive.fingerprint import fingerprint
from poet.archive.fork import fork_run
from poet.archive.grown import Grown
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import open_run
from poet.archive.verify import find_damage
from poet.events import AnyEvent, CandidateJudged, CandidateOutcome, OwnEvent
from poet.types import RunState
from tests.poet.archive_examples import CONFIG, SESSION, encoded, plain, toy_run, toy_start, toy_steps


class Side(StrEnum):
    """Of a boundary."""

    LOW = "low"


@dataclass(frozen=True)
class BoundaryMoved(OwnEvent):
    """Of every kind of field."""

    table = "boundaries"

    side: Side
    bound: float
    change: int
    is_last: bool
    entropy: float | None
    genes: dict[str, float]


@dataclass(frozen=True)
class Other(OwnEvent):
    """Of another table."""

    table = "others"

    value: int


@dataclass(frozen=True)
class Whole(OwnEvent):
    """Of either kind of number."""

    table = "whole"

    value: int | float


@dataclass(frozen=True)
class Twin(OwnEvent):
    """Of a table that another kind has."""

    table = "others"

    value: int


@dataclass(frozen=True)
class Long(OwnEvent):
    """Of a table whose name fits without what is put before it."""

    table = "t" * 57

    value: int


def _boundary(iteration: int, bound: float = 0.5, entropy: float | None = None) -> BoundaryMoved:
    return BoundaryMoved(iteration, Side.LOW, bound, -2, True, entropy, {"roughness": 0.5})


def _run(folder: Path, own: dict[int, list[OwnEvent]], num_iterations: int = 4) -> Path:
    """A toy run in whose iterations these happen too."""
    with create_run(folder, CONFIG, session=SESSION) as archive:
        for step in toy_steps(num_iterations):
            events: list[AnyEvent] = [*step.events, *own.get(step.state.iteration, [])]
            archive.append(step.state, events, seconds=0.25)
    return folder


def test_rows_come_back(tmp_path: Path) -> None:
    """With their place in the iteration; infinity, negative numbers and None stay what they are, JSON is text."""
    own: dict[int, list[OwnEvent]] = {
        0: [_boundary(0, math.inf), Other(0, 7), _boundary(0)], 3: [_boundary(3, -math.inf, 0.25)],
    }  # fmt: skip
    with open_run(_run(tmp_path / "run", own)) as run:
        found = run.own_tables

    assert ["boundaries", "others"] == list(found)
    frame = found["boundaries"]
    columns = ["iteration", "number", "side", "bound", "change", "is_last", "entropy", "genes"]
    assert columns == list(frame)
    assert [(0, 0), (0, 1), (3, 0)] == list(zip(frame["iteration"], frame["number"], strict=True))
    assert [math.inf, 0.5, -math.inf] == frame["bound"].tolist()
    assert [-2] * 3 == frame["change"].tolist() and [1] * 3 == frame["is_last"].tolist()
    assert [True, True, False] == frame["entropy"].isna().tolist()
    assert {("low", '{"roughness":0.5}')} == set(zip(frame["side"], frame["genes"], strict=True))
    assert [] == find_damage(tmp_path / "run", ObstacleGenotype)


def test_a_fingerprint_is_that_of_the_rows_too(tmp_path: Path) -> None:
    """Another value, or a row more, is another run; a table in which nothing happened is none."""
    prints = [
        fingerprint(_run(tmp_path / str(i), own))
        for i, own in enumerate(
            [{}, {2: [_boundary(2)]}, {2: [_boundary(2, 0.75)]}, {2: [_boundary(2), _boundary(2)]}, {}]
        )
    ]
    assert prints[0] == prints[4] == fingerprint(toy_run(tmp_path / "toy", 4))
    assert 4 == len(set(prints))
    with closing(sqlite3.connect(tmp_path / "1" / "run.sqlite")) as connection, connection:
        connection.execute("DELETE FROM own_boundaries")
    assert prints[0] == fingerprint(tmp_path / "1")


def test_a_fork_shares_the_rows_of_its_past(tmp_path: Path) -> None:
    """The fork copies the table and goes on with it."""
    source = _run(tmp_path / "run", {2: [_boundary(2)], 6: [_boundary(6)]}, 8)
    fork_run(source, tmp_path / "fork", 4)
    with open_run(tmp_path / "fork") as run:
        assert [2] == run.own_tables["boundaries"]["iteration"].tolist()
    with RunArchive.open(tmp_path / "fork", session=SESSION) as archive:
        for step in toy_steps(8)[5:]:
            archive.append(step.state, [*step.events, *[_boundary(6)] * (step.state.iteration == 6)], seconds=0.25)
    assert fingerprint(source) == fingerprint(tmp_path / "fork")
    assert [] == find_damage(tmp_path / "fork", ObstacleGenotype)


def test_a_changed_row_is_found(tmp_path: Path) -> None:
    """The digest of the iteration finds it, and also a row of an iteration that was not done."""
    for change, words in (
        ("UPDATE own_boundaries SET bound = 0.25", "events of iteration 2 are not those that were written"),
        ("UPDATE own_boundaries SET iteration = 9", "own_boundaries has events of an iteration that was not done"),
    ):
        folder = _run(tmp_path / words, {2: [_boundary(2)]})
        with closing(sqlite3.connect(folder / "run.sqlite")) as connection, connection:
            connection.execute(change)
        assert any(words in line for line in find_damage(folder, ObstacleGenotype))


def test_a_field_of_either_kind_of_number_holds_both(tmp_path: Path) -> None:
    """As floats: a column of text would give back what was not written. NumPy's numbers are numbers."""
    own: dict[int, list[OwnEvent]] = {2: [Whole(2, 3), Whole(2, 0.5), Other(2, np.int64(4))]}  # type: ignore[arg-type]
    folder = _run(tmp_path / "run", own)
    assert [] == find_damage(folder, ObstacleGenotype)
    with open_run(folder) as run:
        assert [3.0, 0.5] == run.own_tables["whole"]["value"].tolist()


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        *[
            (Other(5, value), "Other: value must be of the type int, whole numbers of 64 bits")  # type: ignore[arg-type]
            for value in (2.0, True, 2**63, np.bool_(True), None, "1", np.float32(1.0))
        ],
        (replace(_boundary(5), is_last=1), "is_last must be of the type bool"),
        (replace(_boundary(5), side=3), "side must be of the type Side"),
        (replace(_boundary(5), genes=3), "genes must be of the type dict"),
        (replace(_boundary(5), bound=10**400), "bound must be of the type float"),
        (replace(_boundary(5), entropy=False), r"entropy must be of the type float \| None"),
        (Long(5, 1), "Long: 'own_t*' must be small letters, digits and _, 60 at most"),
        (Twin(5, 1), "the events Other and Twin have one table, 'others'"),
    ],
)
def test_a_value_that_would_come_back_as_another_is_refused(tmp_path: Path, event: OwnEvent, sentence: str) -> None:
    """When it is noted, and not as damage when its archive is read."""
    folder, step = _run(tmp_path / "run", {}), toy_steps(5)[5]
    with RunArchive.open(folder, session=SESSION) as archive, pytest.raises(ValueError, match=sentence):
        archive.append(step.state, [*step.events, Other(5, 1), event], seconds=0.25)
    assert [] == find_damage(folder, ObstacleGenotype)


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    """Before anything of the iteration is written; also a table that has other columns by now."""

    @dataclass(frozen=True)
    class Renamed(OwnEvent):
        table = "boundaries"

        width: float

    @dataclass(frozen=True)
    class Odd(OwnEvent):
        table = "odd; DROP TABLE niches"

    @dataclass(frozen=True)
    class Word(OwnEvent):
        table = "words"

        order: int

    folder = _run(tmp_path / "run", {2: [_boundary(2)]})
    step = toy_steps(5)[5]
    for event, error, sentence in (
        (_boundary(5, math.nan), ValueError, "bound is NaN"),
        (Renamed(5, 1.0), InputError, "has a table own_boundaries with other columns"),
        (Odd(5), ValueError, "must be small letters"),
        (Word(5, 1), ValueError, "a field must not be called by a word of SQL"),
    ):
        with RunArchive.open(folder, session=SESSION) as archive, pytest.raises(error, match=sentence):
            archive.append(step.state, [*step.events, event], seconds=0.25)
        with open_run(folder) as run:
            assert 4 == run.iteration


KEY = "iteration INTEGER NOT NULL, number INTEGER NOT NULL"
END = "PRIMARY KEY (iteration, number)) STRICT, WITHOUT ROWID"


@pytest.mark.parametrize(
    "sql",
    [
        f"CREATE TABLE own_x ({KEY}, a INTEGER CHECK (a > length(hex(randomblob(9)))), {END}",
        f"CREATE TABLE own_x ({KEY}, a INTEGER DEFAULT (random()), {END}",
        f"CREATE TABLE own_x ({KEY}, a INTEGER, b INTEGER AS (abs(a)), {END}",
        f"CREATE TABLE own_x ({KEY}, a INTEGER REFERENCES niches (niche_id), {END}",
        f"CREATE TABLE own_x ({KEY}, a TEXT COLLATE NOCASE, {END}",
        f"CREATE TABLE own_x ({KEY}, a BLOB, {END}",
        f"CREATE TABLE own_x ({KEY}, A INTEGER, {END}",
        f"CREATE TABLE own_x ({KEY}, 'a, b' INTEGER, {END}",
        f"CREATE TABLE own_x ({KEY}, a INTEGER, PRIMARY KEY (iteration, number)) WITHOUT ROWID",
        f"CREATE TABLE own_x ({KEY}, a INTEGER, PRIMARY KEY (iteration)) STRICT, WITHOUT ROWID",
        f"CREATE TABLE 'own_x y' ({KEY}, a INTEGER, {END}",
        f"CREATE TABLE owned ({KEY}, a INTEGER, {END}",
        "CREATE VIEW own_x AS SELECT * FROM niches",
        "CREATE TRIGGER own_x AFTER INSERT ON own_boundaries BEGIN SELECT 1; END",
        "CREATE INDEX own_x ON own_boundaries (bound)",
    ],
)
def test_only_plain_tables_are_taken_for_a_trainers(tmp_path: Path, sql: str) -> None:
    """What could be code, or is not of the one form, is refused before anything is read."""
    folder = _run(tmp_path / "run", {2: [_boundary(2)]})
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection, connection:
        connection.execute(sql)
    with pytest.raises(InputError, match="which POET did not make"):
        open_run(folder)


def test_a_plain_table_of_an_unknown_trainer_is_read(tmp_path: Path) -> None:
    """Nothing is imported to read it, since its form is enough."""
    folder = _run(tmp_path / "run", {})
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection, connection:
        connection.execute(f"CREATE TABLE own_x ({KEY}, a INTEGER, {END}")
        connection.execute("INSERT INTO own_x VALUES (1, 0, -3)")
    with open_run(folder) as run:
        assert [-3] == run.own_tables["x"]["a"].tolist()


@dataclass(frozen=True)
class Level:
    """Within a state."""

    genotype: dict[str, Any]
    score: float


@dataclass(frozen=True, eq=False)
class OwnState(RunState):
    """Of every kind of field."""

    num_levels: int = 0
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    any_numbers: NDArray[Any] = field(default_factory=lambda: np.zeros((0, 0)))
    levels: tuple[Level, ...] = ()
    lowest: float = math.inf
    is_done: bool = False
    side: Side | None = None
    counts: dict[str, int] = field(default_factory=dict)


FULL: dict[str, Any] = {
    "num_levels": 2**62, "weights": np.array([0.1, -np.inf], np.float32), "any_numbers": np.array([[1, 2]], np.int16),
    "levels": (Level({"roughness": 0.1, "pit_gap": [0.4, 0.8]}, -math.inf), Level({}, 0.1 + 0.2)), "lowest": -0.0,
    "is_done": True, "side": Side.LOW, "counts": {"a": 3, "b": -1},
}  # fmt: skip


def _common() -> dict[str, Any]:
    """The fields of any state."""
    base = toy_start().state
    return {f.name: getattr(base, f.name) for f in fields(RunState)}


def _own_state(**values: Any) -> OwnState:
    return OwnState(**_common(), **values)


def _no_table(name: str, iteration: int) -> Grown:
    raise KeyError(name)


def _decode(data: bytes) -> OwnState:
    return decode_state(data, {}.__getitem__, lambda _: [], _no_table, OwnState, OpenAIESState, ObstacleGenotype)


@pytest.mark.parametrize("values", [{}, FULL])
def test_a_state_of_its_own_comes_back_to_the_bit(values: dict[str, Any]) -> None:
    """Arrays, nested records, infinity, names, None: as they were; equal states have equal bytes."""
    state = _own_state(**values)
    data = encoded(state)
    assert data == encoded(_decode(data))
    for name, value in values.items():
        assert plain(value) == plain(getattr(_decode(data), name))


def test_a_field_that_came_later_has_its_default() -> None:
    """An older state, which lacks it, is read."""
    assert plain(_own_state()) == plain(_decode(encoded(RunState(**_common()))))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("levels", [{"genotype": {}, "score": "high"}]), ("levels", [{"genotype": {}}]), ("levels", 3),
        ("lowest", None), ("is_done", 1), ("side", "up"),
        ("counts", {"a": 0.5}), ("nonsense", 1),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_damage(name: str, value: Any) -> None:
    """Whatever a stranger's archive has in its place."""
    with np.load(io.BytesIO(encoded(_own_state(**FULL)))) as arrays:
        parts = dict(arrays)
    header = json.loads(parts["header"].tobytes())
    header["others"][name] = value
    with pytest.raises(InputError, match=f"a stored state is damaged.*{name}"):
        _decode(_packed({**parts, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)}))
    with pytest.raises(InputError, match=r"a stored state is damaged.*weights is of float64"):
        _decode(_packed({**parts, "weights": np.zeros(2)}))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"lowest": "low"}, "OwnState: lowest is not of its type"),
        ({"is_done": 1}, "is_done is"),
        ({"weights": np.array([object()])}, "weights must be an array of numbers"),
        ({"weights": np.zeros(2)}, "OwnState cannot be stored: weights is of float64"),
        *[({"num_levels": value}, "OwnState cannot be stored: num_levels of the counters is")
          for value in (-1, True, 1.0, np.int64(1), 2**63)],
        ({"iteration": -1}, "iteration of the counters is -1"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_fields_type_is_not_written(values: dict[str, Any], sentence: str) -> None:
    """A trainer that errs is told when it does, and not when its run is to go on."""
    with pytest.raises(ValueError, match=sentence):
        encoded(OwnState(**_common() | values))


@pytest.mark.parametrize("values", [{"version_id": -1}, {"is_solved": 1}, {"recent_scores": (True,)}])
def test_a_niche_of_wrong_values_is_not_written(values: dict[str, Any]) -> None:
    """Nor is one that could not be read back."""
    common = _common()
    with pytest.raises(ValueError, match=r"OwnState cannot be stored: .* of a"):
        encoded(OwnState(**common | {"active": (replace(common["active"][0], **values),)}))


def test_a_trainer_may_count_candidates_without_a_counter(tmp_path: Path) -> None:
    """Only the counters that a state has are compared with what is on record."""
    common = _common()
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        judged = CandidateJudged(0, 0, 0, {}, 1, None, None, None, CandidateOutcome.DUPLICATE, None)
        archive.append(RunState(**common), [*toy_start().events, judged], seconds=0.25)
    with open_run(tmp_path / "run") as run:
        assert (
            0
            == run.load_state(
                state_type=RunState, optimiser_type=OpenAIESState, genotype_type=ObstacleGenotype
            ).iteration
        )


def _packed(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
