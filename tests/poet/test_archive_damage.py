"""Flipped bits and foreign files are found when they are read, and a run never continues from them."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIESState
from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype
from poet.archive import guard
from poet.archive.checkpoint import decode_state, encode_state
from poet.archive.database import connect_to_read
from poet.archive.fingerprint import fingerprint
from poet.archive.fork import fork_run
from poet.archive.grown import read_grown
from poet.archive.journal import RunArchive
from poet.archive.reader import open_run
from poet.archive.retired import retired_digest, retired_values
from poet.archive.schema import TABLES_OF, table_names
from poet.archive.thetas import read_theta
from poet.archive.verify import find_damage
from poet.types import PoetState
from tests.poet.archive_examples import SESSION, go_on, load, plain, recorded, toy_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy run of eight iterations."""
    return toy_run(tmp_path_factory.mktemp("runs") / "run", 8)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(whole, tmp_path / "run")


def schema_2(folder: Path, new: Path) -> Path:
    """A run as an earlier POET wrote it."""
    new.mkdir()
    with closing(sqlite3.connect(new / "run.sqlite", isolation_level=None)) as connection:
        connection.executescript(f"PRAGMA journal_mode = WAL; {TABLES_OF[2]}")
        connection.execute("ATTACH ? AS source", (str(folder / "run.sqlite"),))
        for table in table_names(TABLES_OF[2]):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM source.{table}")
        with closing(sqlite3.connect(folder / "run.sqlite")) as source:
            for iteration, data in connection.execute("SELECT iteration, state FROM snapshots").fetchall():
                state = _with_table(data, read_grown(source, "retired_scores", iteration).values)
                connection.execute("UPDATE main.snapshots SET state = ? WHERE iteration = ?", (state, iteration))
        connection.executescript("PRAGMA main.application_id = 1347372372; PRAGMA main.user_version = 2;")
    return new


def _with_table(data: bytes, scores: NDArray[np.float64]) -> bytes:
    """A state that repeats its table, as states did until schema 5."""
    with np.load(io.BytesIO(data)) as arrays:
        parts = {**arrays, "retired_scores": scores}
    header = json.loads(parts["header"].tobytes())
    del header["grown"]
    buffer = io.BytesIO()
    np.savez(buffer, **{**parts, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    return buffer.getvalue()


def change(folder: Path, *statements: str) -> None:
    """Change an archive behind its back."""
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit flipped."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_flipped_bit_of_a_theta_is_found(folder: Path) -> None:
    """By every way to read it: its bits are no longer those of its name."""
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as connection:
        ((digest, data),) = connection.execute("SELECT * FROM thetas JOIN versions ON digest = theta_digest "
                                               "WHERE id = 0").fetchall()[:1][0][:2],  # fmt: skip
        for bit in range(8 * len(data)):
            connection.execute("UPDATE thetas SET theta = ? WHERE digest = ?", (flipped(data, bit), digest))
            with pytest.raises(InputError, match=f"the theta {digest} has other bits"):
                read_theta(connection, digest)
    with open_run(folder) as run:
        for read in (run.stored_agents, lambda: run.agent(0, 0)):
            with pytest.raises(InputError, match=r"run is damaged .*other bits.*: restore it from a backup"):
                read()
    assert any("other bits" in line for line in find_damage(folder, ObstacleGenotype))


def test_no_flipped_bit_of_a_state_changes_it(folder: Path) -> None:
    """One of the state's bytes is refused, or is one that the state does not depend on, such as a date."""
    with open_run(folder) as run, closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        expected = plain(load(run))
        ((data,),) = connection.execute("SELECT state FROM snapshots WHERE iteration = 8").fetchall()
        num_refused = 0
        for bit in random.Random(1).sample(range(8 * len(data)), 1000):
            try:
                state = decode_state(
                    flipped(data, bit), partial(read_theta, connection), partial(retired_values, connection),
                    partial(read_grown, connection), PoetState, OpenAIESState, ObstacleGenotype,
                )  # fmt: skip
            except InputError:
                num_refused += 1
            else:
                assert expected == plain(state)
    assert num_refused > 500


def test_an_agent_that_was_exchanged_in_a_state_is_found(folder: Path) -> None:
    """A run would go on from an agent that no version records."""
    with open_run(folder) as run:
        state = load(run)
    first = state.active[0]
    other = replace(first, optimiser=replace(first.optimiser, centre=first.optimiser.centre + np.float32(0.5)))
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as connection:
        exchanged = replace(state, active=(other, *state.active[1:]))
        table = read_grown(connection, "retired_scores", state.iteration)
        data = encode_state(exchanged, retired_digest(recorded(exchanged)), {"retired_scores": table.digest})
        connection.execute("UPDATE snapshots SET state = ? WHERE iteration = ?", (data, state.iteration))

    with (
        open_run(folder) as run,
        pytest.raises(InputError, match=f"another agent in niche {first.id} than was recorded"),
    ):
        load(run)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE niches SET genotype = replace(genotype, '0.1', '0.2') WHERE niche_id = 1",
        "UPDATE niches SET terrain_seed = terrain_seed + 1 WHERE niche_id = 0",
        "UPDATE niches SET terrain = replace(terrain, '0.3', '0.4') WHERE niche_id = 0",
        "UPDATE retirements SET version_id = 0 WHERE niche_id = 1",
        "UPDATE retirements SET iteration = iteration + 1 WHERE niche_id = 0",
        "UPDATE versions SET theta_digest = (SELECT theta_digest FROM versions WHERE id = 0) "
        "WHERE id = (SELECT version_id FROM retirements WHERE niche_id = 1)",
        "DELETE FROM solved WHERE niche_id = 1",
        "DELETE FROM retirements WHERE niche_id = 0",
        "INSERT INTO retirements SELECT max(niche_id), 8, 0, 0.0 FROM niches",
    ],
)
def test_a_change_of_a_retired_niches_record_is_found(folder: Path, statement: str) -> None:
    """A state takes them from there, so a run that went on would go another way."""
    change(folder, statement)
    with open_run(folder) as run, pytest.raises(InputError, match="its retired niches are not as they were recorded"):
        load(run)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE configs SET config = replace(config, '\"seed\":0', '\"seed\":1')", "config"),
        ("UPDATE generations SET return_mean = return_mean + 1e-9 WHERE iteration = 3", "events of iteration 3"),
        ("UPDATE niches SET genotype = replace(genotype, '0.1', '0.2') WHERE niche_id = 1", "events of iteration 2"),
        ("UPDATE ledger SET env_steps = env_steps + 1 WHERE iteration = 5", "events of iteration 5"),
        ("UPDATE versions SET theta_digest = 'a' || theta_digest WHERE id = 0", "events of iteration 0"),
        ("DELETE FROM ledger WHERE iteration = 4", "events of iteration 4"),
        ("UPDATE iterations SET seconds = 7 WHERE iteration = 8", "events of iteration 8"),
    ],
)
def test_a_change_of_the_record_is_found(folder: Path, statement: str, words: str) -> None:
    """A config, a number, a genotype, a name of a theta, a lost row: the check names the iteration."""
    assert [] == find_damage(folder, ObstacleGenotype)
    change(folder, statement)
    try:
        found = find_damage(folder, ObstacleGenotype)
    except InputError as error:
        found = [str(error)]
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    "named_by",
    [
        "solved",
        "versions WHERE origin = 'initial'",
        *(f"versions WHERE id IN (SELECT version_id FROM {table})" for table in ("retirements", "validations")),
    ],
)
def test_a_lost_theta_is_found(folder: Path, named_by: str) -> None:
    """A run keeps every theta that no ES step finds again."""
    change(folder, f"DELETE FROM thetas WHERE digest = (SELECT theta_digest FROM {named_by} LIMIT 1)")
    assert any("is missing" in line for line in find_damage(folder, ObstacleGenotype))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE validations SET num_successes = num_episodes + 1", "more often than it was run"),
        ("UPDATE validations SET num_episodes = 0, num_successes = 0", "more often than it was run"),
        (
            "DELETE FROM validations WHERE validation_set = 'seeds' AND niche_id = 1",
            "on one set and not on the other",
        ),
        ("UPDATE validations SET niche_id = niche_id - 1 WHERE niche_id > 0", "validated in another's niche"),
        ("UPDATE validations SET iteration = 0 WHERE niche_id > 0", "before its admission"),
    ],
)
def test_success_rates_that_cannot_be_are_refused(folder: Path, statement: str, words: str) -> None:
    """A rate above one, of no episodes, or of another niche's agent is never used."""
    change(folder, statement)
    with open_run(folder) as run, pytest.raises(InputError, match=rf"is damaged \(.*{words}"):
        run.validations  # noqa: B018


def test_a_run_with_lost_versions_is_not_gone_on_with(folder: Path) -> None:
    """The last state is beside a record that it does not belong to."""
    change(folder, "UPDATE versions SET id = 999 WHERE id = (SELECT max(id) FROM versions)")
    with (
        open_run(folder) as run,
        pytest.raises(InputError, match=r"versions has \d+ rows, but they are numbered 0 to 999"),
    ):
        load(run)


def test_another_config_is_not_gone_on_with(folder: Path) -> None:
    """A digit of a config that flipped decides no result: neither writer nor reader nor fork takes it."""
    change(folder, "UPDATE configs SET config = replace(config, '\"pairs\":256', '\"pairs\":258')")
    before = (folder / "run.sqlite").read_bytes()
    for use in (
        lambda: RunArchive.open(folder, session=SESSION),
        lambda: open_run(folder).config,
        lambda: fingerprint(folder),
    ):
        with pytest.raises(InputError, match=r"is damaged \(the config from iteration 0 on is not what was written\)"):
            use()
    assert before == (folder / "run.sqlite").read_bytes()


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY i DESC"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["CREATE TRIGGER t AFTER INSERT ON iterations BEGIN DELETE FROM versions; END"], "the trigger 't'"),
        (["CREATE VIEW v AS SELECT 1"], "the view 'v'"),
        (["DROP TABLE solved", f"CREATE VIEW solved (niche_id) AS {ENDLESS}"], "the view 'solved'"),
        (["CREATE VIRTUAL TABLE more USING fts4(text)"], "'more'"),
        (["CREATE UNIQUE INDEX one ON ledger (purpose, iteration, niche_id)"], "the index 'one'"),
        (["ALTER TABLE run ADD COLUMN note TEXT"], "table 'run' is not that of archive schema"),
        (["ALTER TABLE run ADD COLUMN note TEXT AS (host)"], "table 'run'"),
        (["DROP INDEX versions_of_niche"], "the index 'versions_of_niche' is missing"),
        (["DROP TABLE generations"], "the table 'generations' is missing"),
    ],
)
def test_what_poet_did_not_make_is_refused(
    folder: Path, tmp_path: Path, version: int, statements: list[str], words: str
) -> None:
    """Readers, forks and writers refuse foreign code, columns and tables, and nothing is written."""
    folder = folder if version == 3 else schema_2(folder, tmp_path / "old")
    change(folder, *(statement.replace("(host)", "(created_at)") for statement in statements))
    before = (folder / "run.sqlite").read_bytes()
    for use in (
        lambda: open_run(folder),
        lambda: RunArchive.open(folder, session=SESSION),
        lambda: fork_run(folder, tmp_path / "fork", 8),
    ):
        with pytest.raises(InputError, match=rf"is damaged \(.*{re.escape(words)}.*\): restore it from a backup"):
            use()
    assert before == (folder / "run.sqlite").read_bytes()
    assert not (tmp_path / "fork").exists()


def test_statistics_of_sqlite_are_no_damage(folder: Path) -> None:
    """ANALYZE and VACUUM change nothing that matters."""
    before = fingerprint(folder)
    change(folder, "ANALYZE", "VACUUM")
    assert before == fingerprint(folder)
    assert [] == find_damage(folder, ObstacleGenotype)


def test_a_query_without_end_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that makes a query endless only costs a bounded time."""
    monkeypatch.setattr(guard, "_MOST", 2_000_000)
    monkeypatch.setattr(guard, "_MOST_PER_BYTE", 1)
    with closing(connect_to_read(folder)) as connection, pytest.raises(sqlite3.OperationalError, match="interrupted"):
        connection.execute(ENDLESS).fetchall()


def test_an_old_sqlite_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite without STRICT tables is refused, and the error says what to do."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(InputError, match=r"archives need SQLite 3\.37 or newer, .*: use a newer Python"):
        open_run(folder)


def test_a_run_of_schema_2_is_upgraded(folder: Path, tmp_path: Path) -> None:
    """Read as it is, forked as it is, upgraded by its writer; equal fingerprints, and what comes then has digests."""
    change(folder, "DELETE FROM validations")  # of which schema 2 knew nothing
    old, expected = schema_2(folder, tmp_path / "old"), fingerprint(folder)
    assert expected == fingerprint(old)
    assert [] == find_damage(old, ObstacleGenotype)
    fork_run(old, tmp_path / "fork", 8)
    go_on(old, 0)
    for run in (old, tmp_path / "fork"):
        assert expected == fingerprint(run)
        go_on(run, 2)
        assert [] == find_damage(run, ObstacleGenotype)
        with closing(sqlite3.connect(run / "run.sqlite")) as connection:
            kinds = connection.execute("SELECT kind, iteration FROM digests").fetchall()
            strict = connection.execute("SELECT min(strict) FROM pragma_table_list WHERE name NOT LIKE 'sqlite_%'")
            assert [(1,)] == strict.fetchall()
        assert [("config", 0), ("events", 9), ("events", 10)] == kinds
        change(run, "UPDATE candidates SET novelty = 0.75 WHERE iteration = 10 AND novelty IS NOT NULL")
        assert ["the events of iteration 10 are not those that were written"] == find_damage(run, ObstacleGenotype)


def test_a_type_that_schema_2_took_is_refused(folder: Path, tmp_path: Path) -> None:
    """Text in place of a number: every reader refuses it in one sentence, and so does the upgrade, without a change."""
    old = schema_2(folder, tmp_path / "old")
    change(old, "UPDATE generations SET score = 'high' WHERE iteration = 3")
    before = (old / "run.sqlite").read_bytes()
    with open_run(old) as run, pytest.raises(InputError, match=r"generations\.score holds 'high' for a value of type"):
        run.generations  # noqa: B018
    with pytest.raises(InputError, match="is damaged"):
        fingerprint(old)
    with pytest.raises(InputError, match=r"old is damaged \(cannot store TEXT value in REAL column"):
        RunArchive.open(old, session=SESSION)
    with pytest.raises(InputError, match=r"old is damaged \(cannot store TEXT value in REAL column"):
        fork_run(old, tmp_path / "fork", 8)
    assert before == (old / "run.sqlite").read_bytes()
