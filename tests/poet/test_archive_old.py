"""An archive from an older POET can be read as it is, upgraded by a writer, and continued."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype
from poet.archive.database import connect_to_read
from poet.archive.fingerprint import fingerprint
from poet.archive.fork import fork_run
from poet.archive.frames import table_columns
from poet.archive.journal import RunArchive
from poet.archive.reader import open_run
from poet.archive.rows import EVENT_TABLES
from poet.archive.schema import SCHEMA_VERSION, create_schema
from poet.archive.verify import find_damage
from poet.types import PoetState
from tests.poet.archive_examples import SESSION, go_on, load, plain, toy_steps

GOLDEN = Path(__file__).parent / "golden"
NUM_ITERATIONS = 6
ROOT = Path(__file__).parents[2]
#: A writer in a process of its own.
_GO_ON = (
    "import sys; from pathlib import Path; from tests.poet.archive_examples import go_on; go_on(Path(sys.argv[1]), 2)"
)


def _stored(name: str, folder: Path) -> Path:
    """A toy run of six iterations by an earlier schema."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        connection.executescript((GOLDEN / name).read_text(encoding="utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")  # as it was: a dump does not tell
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """By the first schema."""
    return _stored("archive_v1.sql", tmp_path / "old")


@pytest.fixture
def whole_states(tmp_path: Path) -> Path:
    """By the third schema, in which each state repeats all retired niches."""
    return _stored("archive_v3.sql", tmp_path / "whole")


@pytest.fixture(params=["archive_v3.sql", "archive_v4.sql"])
def whole_tables(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """By the third and the fourth schema, in which each state repeats what all retired agents have scored."""
    return _stored(request.param, tmp_path / "whole")


def _version(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _without_scores(state: PoetState) -> PoetState:
    """What the first schema held of a state: no scores of retired agents, no success rates."""
    active = tuple(replace(niche, success=None) for niche in state.active)
    return replace(state, active=active, retired_scores=np.zeros((0, 0)), scored_steps=0)


def test_an_old_run_is_read_as_it_is(old: Path) -> None:
    """Frames, states and agents come back; nobody was judged then; the file keeps every byte."""
    before = (old / "run.sqlite").read_bytes()
    with open_run(old) as run:
        assert NUM_ITERATIONS == run.iteration
        assert 4 == len(run.niches)
        assert not run.config.poet.annecs  # what did not exist then is not switched on midway
        assert run.judgements.empty and run.validations.empty
        assert plain(_without_scores(toy_steps(NUM_ITERATIONS)[-1].state)) == plain(load(run))
        assert len(run.stored_agents()) > 3
    assert before == (old / "run.sqlite").read_bytes()
    assert 1 == _version(old)


def test_an_old_run_keeps_its_fingerprint(old: Path) -> None:
    """What it was by the code that wrote it (commit bbd10dd), as it is and once upgraded: new tables are empty."""
    expected = "af39ed56836832e3e7c8f1d331db291cad76f78aa15260403447e1cd76ab9a4c"

    assert expected == fingerprint(old)
    RunArchive.open(old, session=SESSION).close()
    assert expected == fingerprint(old)


def test_an_old_run_goes_on(old: Path) -> None:
    """Its writer upgrades the archive to tables that equal those of a new one; new niches are judged."""
    go_on(old, 2)

    assert SCHEMA_VERSION == _version(old)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh, closing(connect_to_read(old)) as upgraded:
        create_schema(fresh)
        for table in [*EVENT_TABLES.values(), "run", "configs", "sessions", "iterations", "thetas", "snapshots"]:
            assert table_columns(fresh, table) == table_columns(upgraded, table)
    with open_run(old) as run:
        assert NUM_ITERATIONS + 2 == run.iteration
        assert [4] == run.judgements["niche_id"].tolist()
        expected = toy_steps(NUM_ITERATIONS + 2)[-1]
        assert [niche.id for niche in expected.state.active] == [niche.id for niche in load(run).active]


def test_a_reader_sees_what_a_writer_makes_of_an_old_run(old: Path) -> None:
    """One that was open before the upgrade: no judgements by then, with their columns, then those of new niches."""
    with open_run(old) as run:
        before = run.judgements
        with run.at_one_moment():
            assert NUM_ITERATIONS == run.iteration
            writer = subprocess.run([sys.executable, "-c", _GO_ON, old], cwd=ROOT, capture_output=True, text=True)
            assert 0 == writer.returncode, writer.stderr
            assert run.judgements.empty
            assert NUM_ITERATIONS == run.iteration
        assert NUM_ITERATIONS + 2 == run.iteration
        assert [4] == run.judgements["niche_id"].tolist()
        assert before.empty
        assert before.dtypes.equals(run.judgements.dtypes)
    assert SCHEMA_VERSION == _version(old)


def test_an_old_run_can_be_forked(old: Path, tmp_path: Path) -> None:
    """The fork has the newest schema; the old run keeps its own."""
    fork_run(old, tmp_path / "fork", 4)
    go_on(tmp_path / "fork", 2)

    assert (1, SCHEMA_VERSION) == (_version(old), _version(tmp_path / "fork"))
    with open_run(tmp_path / "fork") as run:
        assert [3] == run.judgements["niche_id"].tolist()


def test_opening_to_write_upgrades_once(old: Path) -> None:
    """The second writer finds the newest schema."""
    for _ in range(2):
        RunArchive.open(old, session=SESSION).close()
        assert SCHEMA_VERSION == _version(old)


def test_states_that_repeat_what_came_before_are_gone_on_with(whole_tables: Path, tmp_path: Path) -> None:
    """Loaded, verified, resumed and forked: the fingerprints are those of the code that wrote it (commit 1579a56)."""
    steps = toy_steps(10)
    with open_run(whole_tables) as run:
        assert [0, 4, 6] == run.keyframes
        for iteration in run.keyframes:
            assert plain(steps[iteration].state) == plain(load(run, iteration))
    assert [] == find_damage(whole_tables, ObstacleGenotype)
    assert "7a4805a1b87bca778b79d9dc747a06a3ced75dcd602d65ba6438aff85e52dd22" == fingerprint(whole_tables)
    fork_run(whole_tables, tmp_path / "fork", 4)
    go_on(tmp_path / "fork", 6)
    go_on(whole_tables, 4)

    for folder in (whole_tables, tmp_path / "fork"):
        assert "dac6d71c4482097cf8b7acb7276c52d15f25d5cf149ca87993de57301dfc7b12" == fingerprint(folder)
        assert SCHEMA_VERSION == _version(folder)
        assert [] == find_damage(folder, ObstacleGenotype)
        with open_run(folder) as run:
            for iteration in run.keyframes:
                assert plain(steps[iteration].state) == plain(load(run, iteration))


@pytest.mark.parametrize(
    "change",
    ["versions SET theta_digest = (SELECT theta_digest FROM versions WHERE id = 0) WHERE id = ",
     "retirements SET version_id = 0 WHERE version_id = "],
)  # fmt: skip
def test_a_state_that_repeats_other_niches_than_were_recorded_is_refused(whole_states: Path, change: str) -> None:
    """Its retired agents must be those of the record, from which the next state takes them."""
    with closing(sqlite3.connect(whole_states / "run.sqlite")) as connection, connection:
        ((version_id,),) = connection.execute("SELECT version_id FROM retirements WHERE niche_id = 1")
        connection.execute(f"UPDATE {change} {version_id}")
    with (
        open_run(whole_states) as run,
        pytest.raises(InputError, match="of the retired niche 1 is not what its events"),
    ):
        load(run)
