"""Fingerprints depend only on what happened. A fork shares history and goes on as the original would."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from environments.errors import InputError
from poet.archive import database, frames
from poet.archive.errors import DamageError
from poet.archive.fingerprint import fingerprint
from poet.archive.fork import check_change, fork_run
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import open_run
from poet.archive.records import ForkOrigin, SessionInfo
from poet.archive.rows import EVENT_TABLES
from poet.archive.thetas import read_theta
from poet.config import Config, make_config
from poet.events import NicheSolved
from poet.types import theta_digest
from tests.poet.archive_examples import (
    CONFIG,
    SESSION,
    go_on,
    load,
    plain,
    record,
    toy_iteration,
    toy_run,
    toy_steps,
    toy_terrain,
)


def _changed(config: Config, **sections: Any) -> Config:
    return make_config(config.to_json(), sections)


def _with_config(folder: Path, config: Config) -> str:
    return fingerprint(toy_run(folder, 4, config))


def test_a_fingerprint_is_64_hex_digits_and_repeats(tmp_path: Path) -> None:
    """The same run twice, in two places, has one fingerprint."""
    first, second = fingerprint(toy_run(tmp_path / "a", 6)), fingerprint(toy_run(tmp_path / "b" / "c", 6))
    assert first == second
    assert 64 == len(first) == len(bytes.fromhex(first).hex())
    assert first != fingerprint(toy_run(tmp_path / "longer", 7))


def test_a_fingerprint_is_the_same_for_resumed_runs(tmp_path: Path) -> None:
    """Six iterations, then resumed to ten by another machine with another goal and cadence, equal ten."""
    toy_run(tmp_path / "whole", 10)
    toy_run(tmp_path / "parts", 6)
    other = SessionInfo("elsewhere", {}, "simd", "ray", 64, "fff")
    config = _changed(
        CONFIG, run={"iterations": 10}, evaluation={"engine": "simd"}, checkpoint={"keep_every": 1, "theta_every": 1}
    )
    with RunArchive.open(tmp_path / "parts", session=other, config=config) as archive:
        record(archive, *toy_steps(8)[7:])
        archive.finish(toy_steps(8)[8].state)
    go_on(tmp_path / "parts", 2)
    assert fingerprint(tmp_path / "whole") == fingerprint(tmp_path / "parts")


@pytest.mark.parametrize(
    "change",
    [
        {"run": {"seed": 1}},
        {"run": {"reject": ["transfer:0"]}},
        {"es": {"pairs": 8}},
        {"evaluation": {"max_steps": 100}},
        {"poet": {"criterion_lower": 10}},
    ],
    ids=str,
)
def test_a_fingerprint_sees_the_config(tmp_path: Path, change: dict[str, Any]) -> None:
    """Keys that decide results are part of the fingerprint."""
    assert _with_config(tmp_path / "a", CONFIG) != _with_config(tmp_path / "b", _changed(CONFIG, **change))


@pytest.mark.parametrize("table", EVENT_TABLES.values())
def test_a_fingerprint_sees_every_column_of_every_table(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One number changed in its last bit, one text, one NULL or one row lost: another fingerprint."""
    monkeypatch.setattr(database, "check_records", lambda *_: None)  # they refuse what is no history
    monkeypatch.setattr(frames, "check_rows", lambda *_: None)
    folder = toy_run(tmp_path / "run", 6)
    seen = {fingerprint(folder)}
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        columns = frames.table_columns(connection, table)
        keys = [name for _, name, *_, place in connection.execute(f"PRAGMA table_info({table})") if place == 1]
        changes = {
            "REAL": "CASE WHEN {0} < -1e300 THEN 0.0 ELSE coalesce({0} * (1 + 2.3e-16), 0.0) END",
            "INTEGER": "coalesce({0}, 0) + 1000",
            "TEXT": "coalesce({0}, '') || 'x'",
            "JSON_TEXT": "json_insert({0}, '$.more', 1)",
        }
        statements = [f"UPDATE {table} SET {name} = {changes[kind].format(name)}" for name, kind, _ in columns]
        last = " AND ".join(f"{name} = (SELECT max({name}) FROM {table})" for name in keys)
        for statement in [*statements, f"DELETE FROM {table} WHERE {last}"]:
            connection.execute(statement)
            connection.commit()
            seen.add(fingerprint(folder))
    assert len(columns) + 2 == len(seen)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE iterations SET seconds = 9.0, env_steps = 0, session_id = 1",
        "UPDATE sessions SET host = 'x', started_at = 'x', engine = 'x', workers = 99, versions = '{}'",
        "UPDATE run SET created_at = 'x', parent_run = 'x', parent_iteration = 3",
        "DELETE FROM thetas",
        "DELETE FROM snapshots",
    ],
)
def test_a_fingerprint_ignores_what_is_not_history(tmp_path: Path, statement: str) -> None:
    """Clock, machine, ancestry and what is kept for going on are left out."""
    folder = toy_run(tmp_path / "run", 6)
    before = fingerprint(folder)
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()
    assert before == fingerprint(folder)


@pytest.mark.parametrize("at", [0, 4, 8, 10])
def test_a_fork_without_change_becomes_the_original(tmp_path: Path, at: int) -> None:
    """From every kept state, the first and the last included, the fork goes on to the original's fingerprint."""
    original = toy_run(tmp_path / "original", 10)
    fork_run(original, tmp_path / "fork", at)
    with open_run(tmp_path / "fork") as fork:
        assert ForkOrigin(str(original), at) == fork.parent
        assert at == fork.iteration
        assert [at] == fork.keyframes
        assert plain(toy_steps(at)[-1].state) == plain(load(fork))
    go_on(tmp_path / "fork", 10 - at)
    assert fingerprint(original) == fingerprint(tmp_path / "fork")
    with open_run(original) as run, open_run(tmp_path / "fork") as fork:
        assert run.parent is None
        assert run.iterations.drop(columns="session_id").equals(fork.iterations.drop(columns="session_id"))


def test_a_drawn_root_keeps_its_ground_when_it_retires(tmp_path: Path) -> None:
    """Resumed, and forked before and after it retires, the run is as if it had never stopped; its ground is its own."""
    first, *_ = toy_steps(0)
    root = replace(first.state.active[0], drawn=toy_terrain(0))
    steps = [replace(first, state=replace(first.state, active=(root,)))]
    while len(steps) <= 10:
        steps.append(toy_iteration(steps[-1].state))
    for name, num in (("original", 10), ("resumed", 5)):
        with create_run(tmp_path / name, CONFIG, session=SESSION) as archive:
            record(archive, *steps[: num + 1])
    go_on(tmp_path / "resumed", 5)
    for at in (0, 4, 8):
        fork_run(tmp_path / "original", tmp_path / f"fork{at}", at)
        go_on(tmp_path / f"fork{at}", 10 - at)
    assert [toy_terrain(0), None] == [niche.drawn for niche in steps[-1].state.retired[:2]]
    for folder in tmp_path.iterdir():
        assert fingerprint(tmp_path / "original") == fingerprint(folder)
        with open_run(folder) as run:
            assert plain(steps[-1].state) == plain(load(run))


def test_a_run_has_one_id_for_life_and_its_fork_another(tmp_path: Path) -> None:
    """Other programs know a run by it when it goes on, lies elsewhere, or has forks."""
    original = toy_run(tmp_path / "original", 4)
    ids = []
    for config in (None, make_config(CONFIG.to_json(), {"poet": {"max_active": 7}})):
        fork_run(original, tmp_path / f"fork{len(ids)}", 4, config)
        with open_run(tmp_path / f"fork{len(ids)}") as fork:
            ids.append(fork.id)
    with open_run(original) as run:
        first = run.id
    go_on(original, 6)
    with open_run(original.rename(tmp_path / "elsewhere")) as run:
        assert first == run.id
    assert 3 == len({first, *ids})
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)


def test_a_fork_changes_nothing_in_its_source(tmp_path: Path) -> None:
    """The source's file keeps every byte."""
    original = toy_run(tmp_path / "original", 10)
    before = (original / "run.sqlite").read_bytes()
    fork_run(original, tmp_path / "fork", 8)
    go_on(tmp_path / "fork", 5)
    assert before == (original / "run.sqlite").read_bytes()


def test_a_running_run_can_be_forked(tmp_path: Path) -> None:
    """The source may be open for writing and go on meanwhile; the fork keeps the state that it comes from."""
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        record(archive, *toy_steps(5))
        fork_run(tmp_path / "run", tmp_path / "fork", 5)
        record(archive, *toy_steps(6)[6:])
    go_on(tmp_path / "fork", 1)
    assert fingerprint(tmp_path / "run") == fingerprint(tmp_path / "fork")
    with open_run(tmp_path / "fork") as fork:
        assert [5, 6] == fork.keyframes


def test_a_fork_with_a_change_keeps_both_configs(tmp_path: Path) -> None:
    """The new config is in force after the shared history, the old one before, and the fingerprints part."""
    original = toy_run(tmp_path / "original", 8)
    config = _changed(CONFIG, es={"weight_decay": 0.5}, run={"reject": ["transfer:3"]})
    fork_run(original, tmp_path / "fork", 4, config)
    go_on(tmp_path / "fork", 4, rate=0.5)
    with open_run(tmp_path / "fork") as fork:
        assert CONFIG == fork.config_at(0) == fork.config_at(4)
        assert config == fork.config_at(5) == fork.config
    assert fingerprint(original) != fingerprint(tmp_path / "fork")

    fork_run(tmp_path / "fork", tmp_path / "again", 4)
    go_on(tmp_path / "again", 4, rate=0.5)
    assert fingerprint(tmp_path / "fork") == fingerprint(tmp_path / "again")

    fork_run(tmp_path / "fork", tmp_path / "back", 4, CONFIG)
    go_on(tmp_path / "back", 4)
    assert fingerprint(original) == fingerprint(tmp_path / "back")


def test_the_shared_agents_can_be_replayed_from_a_fork(tmp_path: Path) -> None:
    """A fork stands alone: the stored thetas of the shared history and its terrains are in it."""
    original = toy_run(tmp_path / "original", 10)
    fork_run(original, tmp_path / "fork", 8)
    with open_run(original) as run, open_run(tmp_path / "fork") as fork:
        shared = [agent for agent in run.stored_agents() if agent.version.iteration <= 8]
        assert [plain(agent) for agent in shared] == [plain(agent) for agent in fork.stored_agents()]
        assert run.terrain(4) == fork.terrain(4)


def test_the_thetas_that_solved_the_shared_niches_come_along(tmp_path: Path) -> None:
    """Also those of refused proposals, which are no version's; what solved a niche later stays behind."""
    thetas, steps = {}, []
    for step in toy_steps(6):
        events = list(step.events)
        for i, event in enumerate(events):
            if isinstance(event, NicheSolved):
                theta = thetas[event.iteration] = np.full(6, 1.0 + event.niche_id, np.float32)
                events[i] = replace(event, theta_digest=theta_digest(theta), theta=theta)
        steps.append(replace(step, events=tuple(events)))
    with create_run(tmp_path / "original", CONFIG, session=SESSION) as archive:
        record(archive, *steps)
    fork_run(tmp_path / "original", tmp_path / "fork", 4)

    assert [2, 4, 6] == list(thetas)
    with open_run(tmp_path / "fork") as fork:
        assert [theta_digest(thetas[i]) for i in (2, 4)] == fork.solved["theta_digest"].to_list()
        for i in (2, 4):
            assert plain(thetas[i]) == plain(read_theta(fork._connection, theta_digest(thetas[i])))
        with pytest.raises(DamageError, match="is missing"):
            read_theta(fork._connection, theta_digest(thetas[6]))


@pytest.mark.parametrize(
    ("at", "sentence"),
    [(6, r"after iteration 6: the nearest it keeps are after 4 and 8"), (-1, "are after 0"), (50, "are after 10")],
)
def test_a_fork_needs_a_kept_state(tmp_path: Path, at: int, sentence: str) -> None:
    """If a state is not kept, the error names the nearest kept ones, and nothing is created."""
    original = toy_run(tmp_path / "original", 10)
    with pytest.raises(InputError, match=sentence):
        fork_run(original, tmp_path / "fork", at)
    assert [original] == list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"es": {"strategy": "cem"}}, {"terrain": {"genotype": "my:Own"}},
                                    {"cppn": {"released_quirks": True}}, {"ppo": {"log_noise": -2.0}}],
                         ids=str)  # fmt: skip
def test_a_fork_keeps_strategy_and_genotype(tmp_path: Path, change: dict[str, Any]) -> None:
    """A state cannot be converted to another strategy or encoding."""
    original = toy_run(tmp_path / "original", 4)
    with pytest.raises(InputError, match=r"cannot become .*: the stored state has taken it in"):
        fork_run(original, tmp_path / "fork", 4, _changed(CONFIG, **change))
    assert [original] == list(tmp_path.iterdir())


def test_a_fork_needs_a_run_and_a_new_place(tmp_path: Path) -> None:
    """The source must be a run and the destination must not exist."""
    original = toy_run(tmp_path / "original", 4)
    with pytest.raises(InputError, match="original exists"):
        fork_run(original, original, 4)
    with pytest.raises(InputError, match="there is no run"):
        fork_run(tmp_path / "nowhere", tmp_path / "fork", 4)
    (original / "run.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(InputError, match=r"original is damaged"):
        fork_run(original, tmp_path / "fork", 4)


@pytest.mark.parametrize("make", [lambda s: replace(s, host="other"), lambda s: replace(s, versions={"numpy": "2"})])
def test_sessions_of_the_shared_history_come_along(tmp_path: Path, make: Callable[[SessionInfo], SessionInfo]) -> None:
    """Who ran the shared iterations stays on record; who ran later ones does not come along."""
    original = toy_run(tmp_path / "original", 4)
    with RunArchive.open(original, session=make(SESSION)) as archive:
        record(archive, *toy_steps(8)[5:])
    fork_run(original, tmp_path / "fork", 4)
    with open_run(tmp_path / "fork") as fork:
        assert ["toy-host"] == fork.sessions.host.to_list()
        assert [{"python": "3.11"}] == fork.sessions.versions.to_list()


def test_a_policy_that_is_said_in_other_words_is_the_same() -> None:
    """One activation for all layers or one for each; a user's is not imported to find out."""
    shared = make_config({"policy": {"activations": ["tanh"]}})
    check_change(shared, make_config({"policy": {"activations": ["tanh"] * 3}}))
    with pytest.raises(InputError, match=r"'policy\.activations' is .* cannot become"):
        check_change(shared, make_config({"policy": {"activations": ["relu"]}}))
    own = [make_config({"policy": {"kind": "nowhere:Mine", "activations": ["tanh"] * num}}) for num in (1, 3)]
    with pytest.raises(InputError, match=r"'policy\.activations' is .* cannot become"):
        check_change(*own)
