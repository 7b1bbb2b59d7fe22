"""Reading a run: frames, agents, terrains, states, while it is written and after; one sentence where it is no run."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poet
from environments.errors import InputError
from poet.archive.configs import deciding_configs, seal_configs
from poet.archive.fingerprint import fingerprint
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import Run, open_run
from poet.config import EARLIER_VALUES, NEUTRAL_KEYS, Config, make_config
from poet.events import AgentVersion, CandidateJudged
from poet.types import Origin, theta_digest
from tests.poet.archive_examples import CONFIG, SESSION, load, plain, record, toy_run, toy_steps, toy_terrain

FRAMES = [
    "niches", "candidates", "transfers", "transfer_sources", "generations", "versions", "ledger", "retirements",
    "solved", "judgements", "validations", "iterations", "sessions",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy run of ten iterations; tests only read it."""
    return toy_run(tmp_path_factory.mktemp("runs") / "run", 10)


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    """That run, open."""
    with open_run(folder) as run:
        yield run


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Run the block as a user whom file permissions stop: root gives up its privileges for it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user can reach (those of pytest are private)."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def test_frames_hold_one_row_an_event(run: Run) -> None:
    """Each frame has its events in order, ids as whole numbers, None as missing and -inf as -inf."""
    events = [event for step in toy_steps(10) for event in step.events]
    versions = [event for event in events if isinstance(event, AgentVersion)]
    assert [v.id for v in versions] == run.versions.id.to_list()
    assert [v.theta_digest for v in versions] == run.versions.theta_digest.to_list()
    assert [v.score for v in versions] == run.versions.score.to_list()
    assert -math.inf in run.versions.score.to_list()
    assert ["<NA>", "0", "1"] == [str(i) for i in run.versions.parent_id[:3]]
    assert ["candidate_transfer", "es", "es"] == run.ledger.purpose[2:5].to_list()

    candidates = run.candidates
    assert [True, False] == candidates.niche_id.isna()[:2].to_list()
    assert [True, False] == candidates.best_score.isna()[:2].to_list()
    judged = [event for event in events if isinstance(event, CandidateJudged)]
    assert [event.genotype for event in judged] == candidates.genotype.to_list()
    assert run.transfers.origin[2] is None


def test_frames_keep_their_types_when_empty(tmp_path: Path) -> None:
    """A run that has just begun has frames with the columns and types of a long one."""
    toy_run(tmp_path / "long", 10)
    create_run(tmp_path / "new", CONFIG, session=SESSION).close()
    with open_run(tmp_path / "long") as long, open_run(tmp_path / "new") as new:
        for name in FRAMES:
            assert getattr(long, name).dtypes.to_dict() == getattr(new, name).dtypes.to_dict()
        assert new.niches.empty
        assert new.iteration is None
        assert CONFIG == new.config
        with pytest.raises(InputError, match="has no state yet"):
            load(new)
        with pytest.raises(InputError, match="no niche 0: nothing is recorded yet"):
            new.agent(0)


def test_the_clock_tells_what_each_iteration_cost(run: Run) -> None:
    """Env-steps and episodes of the iterations add up to the state's, which is the ledger's sum."""
    state, clock = load(run), run.iterations
    assert list(range(11)) == clock.iteration.to_list()
    assert state.env_steps == clock.env_steps.sum() == run.ledger.env_steps.sum()
    assert state.episodes == clock.episodes.sum() == run.ledger.episodes.sum()
    assert [0.25] * 11 == clock.seconds.to_list()
    assert ["toy-host"] == run.sessions.host.to_list()
    assert {"python": "3.11"} == run.sessions.versions[0]


def test_an_agent_is_its_latest_stored_version(run: Run) -> None:
    """By default the last stored version, with an iteration the last at or before it; its theta is its digest's."""
    last = toy_steps(10)[-1].state.active[-1]
    assert plain(last.theta) == plain(run.agent(last.id).theta)
    assert last.version_id == run.agent(last.id).version.id

    agent = run.agent(0, iteration=1)
    assert (0, Origin.INITIAL) == (agent.version.iteration, agent.version.origin)  # iteration 1 was not stored
    agent = run.agent(0, iteration=2)
    assert (2, Origin.DIRECT) == (agent.version.iteration, agent.version.origin)
    assert theta_digest(agent.theta) == agent.version.theta_digest
    assert np.float32 == agent.theta.dtype
    with pytest.raises(ValueError, match="read-only"):
        agent.theta[0] = 1.0


def test_stored_agents_are_all_versions_with_a_theta(run: Run) -> None:
    """Every version that no ES step made can be replayed, and each theta has the digest of its record."""
    agents = run.stored_agents()
    assert sorted(agent.version.id for agent in agents) == [agent.version.id for agent in agents]
    for agent in agents:
        assert theta_digest(agent.theta) == agent.version.theta_digest
    made = run.versions[run.versions.origin != "es"]
    assert set(made.id) < {agent.version.id for agent in agents}
    records = {e.id: e for step in toy_steps(10) for e in step.events if isinstance(e, AgentVersion)}
    assert [records[agent.version.id] for agent in agents] == [agent.version for agent in agents]


def test_terrains_come_back(run: Run) -> None:
    """A niche's own terrain is the one it was admitted with, bit for bit."""
    assert [toy_terrain(i) for i in range(6)] == [run.terrain(i) for i in range(6)]


def test_states_come_back(run: Run) -> None:
    """Every kept state, the last one by default, is the state that was recorded."""
    steps = toy_steps(10)
    assert [0, 4, 8, 10] == run.keyframes
    for iteration in run.keyframes:
        assert plain(steps[iteration].state) == plain(load(run, iteration))
    assert plain(steps[10].state) == plain(load(run))


def test_what_is_not_there_is_named(run: Run) -> None:
    """For unknown niches, early iterations and missing states, the error says what there is instead."""
    with pytest.raises(InputError, match=r"no niche 17: its niches are 0 to 5"):
        run.agent(17)
    with pytest.raises(InputError, match=r"no niche -1: its niches are 0 to 5"):
        run.terrain(-1)
    with pytest.raises(InputError, match=r"agent 2 of .* begins at iteration 4: ask for that or a later one"):
        run.agent(2, iteration=3)
    with pytest.raises(InputError, match=r"no state after iteration 6: the nearest it keeps are after 4 and 8"):
        load(run, 6)
    with pytest.raises(InputError, match=r"no state after iteration 99: the nearest it keeps are after 10"):
        load(run, 99)


def test_a_run_is_read_while_it_is_written(tmp_path: Path) -> None:
    """A reader sees each iteration once it is complete, and neither waits for the writer nor blocks it."""
    steps = toy_steps(4)
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive, open_run(tmp_path / "run") as run:
        for step in steps:
            record(archive, step)
            assert step.state.iteration == run.iteration == load(run).iteration
        with closing(sqlite3.connect(f"file:{tmp_path}/run/run.sqlite?mode=ro", uri=True)) as other:
            other.execute("BEGIN")
            assert [(5,)] == other.execute("SELECT count(*) FROM iterations").fetchall()
            record(archive, *toy_steps(6)[5:])
            assert [(5,)] == other.execute("SELECT count(*) FROM iterations").fetchall()
            assert 6 == run.iteration


def test_a_finished_run_is_one_file(tmp_path: Path) -> None:
    """After the writer ends, run.sqlite alone is the run, even if somebody still has it open."""
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        record(archive, *toy_steps(4))
        reader = open_run(tmp_path / "run")
        assert 4 == reader.iteration
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "run" / "run.sqlite", tmp_path / "copy" / "run.sqlite")
    reader.close()
    with open_run(tmp_path / "copy") as copy:
        assert 4 == copy.iteration
    assert fingerprint(tmp_path / "run") == fingerprint(tmp_path / "copy")


def _with(key: str, value: Any) -> Config:
    """The toy config with one key changed, in which no other says more than runs before could."""
    values = CONFIG.to_json()
    for name, number in {**EARLIER_VALUES, key: value}.items():
        section, name = name.split(".")
        values[section][name] = number
    return make_config(values)


@pytest.mark.parametrize("key", EARLIER_VALUES)
def test_a_key_that_came_later_leaves_fingerprints_as_they_were(tmp_path: Path, key: str) -> None:
    """At what was done before it came it is no part of one, so a run of before has the same; otherwise only neutral
    keys do not count."""
    now = toy_run(tmp_path / "now", 4, _with(key, EARLIER_VALUES[key]))
    others = {
        "novelty.order": "random", "niche.vary": "push", "niche.rest_interval": 2, "poet.eligible_share": 0.5,
        "validation.interval": 26, "run.start_terrain": "{}", "run.start_terrain_seed": 3,
        "run.trainer": "es", "trainer.settings": {"terrains": 4}, "trainer.source": "terrains.json",
        "mutation.most_mutations": 2, "transfer.max_sources": 3, "es.return_ceiling": 230.0, "es.on_arrival": "kept",
        "terrain.settings": {"a": 1}, "poet.criterion_settings": {"a": True}, "novelty.settings": {"a": ["b", 2.5]},
        "policy.kind": "gru", "policy.layer_sizes": [24, 8, 4], "policy.activations": ["relu"],
        "policy.settings": {"units": 4},
        "ppo.terrains": "dr", "ppo.envs": 8, "ppo.steps": 4096, "ppo.batch": 32, "ppo.epochs": 5,
        "ppo.learning_rate": 1e-4, "ppo.clip_range": 0.1, "ppo.gamma": 0.9, "ppo.gae_lambda": 1.0,
        "ppo.entropy_weight": 0.0, "ppo.value_weight": 1.0, "ppo.max_gradient_norm": 1.0, "ppo.log_noise": -1.0,
    }  # fmt: skip
    other = toy_run(tmp_path / "other", 4, _with(key, others.get(key, not EARLIER_VALUES[key])))
    with closing(sqlite3.connect(now / "run.sqlite")) as connection:
        assert not {key for _, values in deciding_configs(connection) for key in values} & set(EARLIER_VALUES)
    before = toy_run(tmp_path / "before", 4, _with(key, EARLIER_VALUES[key]))
    with closing(sqlite3.connect(before / "run.sqlite")) as connection, connection:
        connection.execute(f"UPDATE configs SET config = json_remove(config, '$.{key}')")
        seal_configs(connection)
    with open_run(before) as run:
        assert _with(key, EARLIER_VALUES[key]) == run.config
    assert fingerprint(before) == fingerprint(now)
    assert (key in NEUTRAL_KEYS) == (fingerprint(now) == fingerprint(other))


def test_a_finished_run_is_read_in_a_read_only_folder(open_folder: Path) -> None:
    """Neither folder nor file need be writable; writing there is refused in a sentence."""
    toy_run(open_folder / "run", 4)
    for path in (open_folder / "run" / "run.sqlite", open_folder / "run" / "lock"):
        path.chmod(0o444)
    (open_folder / "run").chmod(0o555)
    with open_run(toy_run(open_folder / "rehearsal", 0)) as run:
        load(run)  # imports what reading needs: Python's own files may be out of the other user's reach
    with ordinary_user():
        with open_run(open_folder / "run") as run:
            assert 4 == run.iteration
            assert 4 == load(run).iteration
        with pytest.raises(InputError, match=r"cannot be used \(Permission denied\)"):
            RunArchive.open(open_folder / "run", session=SESSION)
    assert ["lock", "run.sqlite"] == sorted(path.name for path in (open_folder / "run").iterdir())
    (open_folder / "run").chmod(0o755)


def test_a_killed_run_in_a_read_only_folder_is_not_read_short(open_folder: Path) -> None:
    """What is only in the journal cannot be read there; the reader says so and does not show an older run."""
    archive = create_run(open_folder / "run", CONFIG, session=SESSION)
    record(archive, *toy_steps(4))
    (open_folder / "killed").mkdir()
    for name in ("run.sqlite", "run.sqlite-wal"):
        shutil.copy(open_folder / "run" / name, open_folder / "killed" / name)
    archive.close()
    (open_folder / "killed").chmod(0o555)
    with (
        ordinary_user(),
        pytest.raises(InputError, match=r"cannot be opened or written .* copy it to a folder of yours"),
    ):
        open_run(open_folder / "killed")
    (open_folder / "killed").chmod(0o755)
    with open_run(open_folder / "killed") as run:
        assert 4 == run.iteration


def test_a_place_without_a_run_is_named(tmp_path: Path) -> None:
    """No folder, a file, and a folder of something else are told apart."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"there is no run .*/nowhere: the folder does not exist"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"file is a file, but a run is a folder"):
        open_run(tmp_path / "file")
    with pytest.raises(InputError, match=r"empty is no run: it holds no run\.sqlite"):
        open_run(str(tmp_path / "empty"))


@pytest.mark.parametrize("num_bytes", [0, 10, 100, 4096, 20_000, 60_001])
def test_a_truncated_archive_is_refused(folder: Path, tmp_path: Path, num_bytes: int) -> None:
    """A file that lost its end is never taken for a shorter run."""
    data = (folder / "run.sqlite").read_bytes()
    assert num_bytes < len(data)
    (tmp_path / "run.sqlite").write_bytes(data[:num_bytes])
    with pytest.raises(InputError, match=r"is damaged|is no run"):
        open_run(tmp_path)


def test_a_damaged_page_is_an_input_error(folder: Path, tmp_path: Path) -> None:
    """Damage behind an intact first page is found when it is read."""
    data = bytearray((folder / "run.sqlite").read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    (tmp_path / "run.sqlite").write_bytes(data)
    with pytest.raises(InputError, match=r"the archive of the run .* is damaged"):
        open_run(tmp_path)
    with pytest.raises(InputError, match="is damaged"):
        fingerprint(tmp_path)


def test_poet_offers_open_run() -> None:
    """``from poet import open_run`` gives the reader; other names are attribute errors."""
    assert open_run is poet.open_run
    with pytest.raises(AttributeError, match="no attribute 'open_rum'"):
        poet.open_rum  # noqa: B018


def test_opening_a_run_loads_no_pandas(folder: Path) -> None:
    """``import poet`` is light, and agents and terrains are read without pandas."""
    script = f"""
import sys, poet
assert not {{"numpy", "sqlite3", "pandas"}} & set(sys.modules), "import poet"
run = poet.open_run({str(folder)!r})
assert run.agent(0).theta.size == 6 and run.terrain(0) and run.config and run.iteration == 10
assert not {{"pandas", "ray", "torch", "gymnasium", "Box2D", "matplotlib"}} & set(sys.modules), "open_run"
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert "" == done.stderr
