"""Writing a run: whole iterations or nothing, one writer, and a sentence when the disk or the folder refuses."""

from __future__ import annotations

import fcntl
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype
from poet.archive import journal
from poet.archive.errors import ArchiveError
from poet.archive.fingerprint import fingerprint
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import open_run
from poet.archive.thetas import read_theta
from poet.config import make_config
from poet.events import AgentVersion, CandidateJudged, Event, GenerationDone, NicheRetired, NicheSolved, NicheValidated
from poet.types import Origin, PoetState, theta_digest
from tests.poet.archive_examples import (
    CONFIG,
    SESSION,
    STRATEGY,
    Step,
    go_on,
    load,
    plain,
    record,
    toy_iteration,
    toy_run,
    toy_steps,
    toy_terrain,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[RunArchive]:
    """A toy run of five iterations, open for writing, in ``tmp_path / "run"``."""
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        record(archive, *toy_steps(5))
        yield archive


def _stored_digests(folder: Path) -> set[str]:
    with open_run(folder) as run:
        return {agent.version.theta_digest for agent in run.stored_agents()}


def test_an_archive_takes_iterations_in_order(archive: RunArchive) -> None:
    """Only the iteration after the last one is accepted, and only with its own events."""
    steps = toy_steps(7)
    assert 5 == archive.iteration
    with pytest.raises(ValueError, match=r"iteration 6 comes next in .*, found 7"):
        record(archive, steps[7])
    with pytest.raises(ValueError, match="events must be of iteration 6, found "):
        archive.append(steps[6].state, steps[5].events, 0.1)
    record(archive, steps[6])
    assert 6 == archive.iteration


@pytest.mark.parametrize("place", ["insert_events", "store_thetas", "encode_state"])
def test_a_failed_append_leaves_the_iteration_before(
    archive: RunArchive, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Whatever fails within an iteration, the archive stays as it was, and the iteration can be recorded again."""
    folder, step = archive._folder, toy_steps(6)[6]
    before, thetas = fingerprint(folder), _stored_digests(folder)
    works = getattr(journal, place)

    def fail(*args: Any) -> Any:
        works(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(journal, place, fail)
    with pytest.raises(KeyboardInterrupt):
        record(archive, step)
    monkeypatch.undo()
    assert before == fingerprint(folder)
    assert thetas == _stored_digests(folder)
    with open_run(folder) as run:
        assert [0, 4, 5] == run.keyframes
        assert 5 == run.iteration == load(run).iteration
    record(archive, step)
    assert fingerprint(toy_run(folder.with_name("other"), 6)) == fingerprint(folder)


def test_events_that_contradict_history_are_refused(archive: RunArchive) -> None:
    """An id used before and a reference to nothing are errors of the caller, and leave no trace."""
    step = toy_steps(6)[6]
    before = fingerprint(archive._folder)
    version = next(e for e in step.events if isinstance(e, AgentVersion) and e.origin is Origin.ES)
    for wrong in (replace(version, id=0), replace(version, id=999, niche_id=77)):
        with pytest.raises(sqlite3.IntegrityError):
            archive.append(step.state, (*step.events, wrong), 0.1)
    assert before == fingerprint(archive._folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"theta": np.zeros(6, np.float32)}, "theta of the retired niche"),
        ({"version_id": 0}, "version_id of the retired niche"),
        ({"is_solved": False}, "is_solved of the retired niche"),
        ({"genotype": ObstacleGenotype(roughness=3.0)}, "genotype of the retired niche"),
        ({"drawn": toy_terrain(9)}, "drawn of the retired niche"),
        ({"id": 7}, "must be those of all NicheRetired events"),
        (None, "must be those of all NicheRetired events"),
    ],
)
@pytest.mark.parametrize("iteration", [6, 7])
def test_a_retired_niche_is_what_its_events_say(
    tmp_path: Path, iteration: int, change: dict[str, Any] | None, words: str
) -> None:
    """It would be read back otherwise: when it retires and when a trainer changes or drops it later."""
    steps = toy_steps(iteration)
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        record(archive, *steps[:-1])
        *others, last = steps[-1].state.retired
        retired = (*others, *([] if change is None else [replace(last, **change)]))
        with pytest.raises(ValueError, match=words):
            archive.append(replace(steps[-1].state, retired=retired), steps[-1].events, 0.1)
        record(archive, steps[-1])
    with open_run(tmp_path / "run") as run:
        assert plain(steps[-1].state) == plain(load(run))


def test_a_trainer_may_retire_in_any_order(tmp_path: Path) -> None:
    """Two in one iteration, the younger first: so they come back, and so does the state after they were read."""
    steps = toy_steps(6)
    first, second = steps[-1].state.retired
    at_once = replace(first, retired=6)
    state = replace(steps[-1].state, retired=(second, at_once))
    events = [e for step in steps for e in step.events if isinstance(e, NicheRetired)]
    assert [0, 1] == [event.niche_id for event in events]
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        for step in steps[:-1]:
            kept = [e for e in step.events if e is not events[0]]
            archive.append(replace(step.state, retired=()), kept, 0.25)
        archive.append(state, [*steps[-1].events, replace(events[0], iteration=6)], 0.25)
    with open_run(tmp_path / "run") as run:
        assert [1, 0] == [niche.id for niche in state.retired]
        assert plain(state) == plain(load(run))
    go_on(tmp_path / "run", 2)


def test_stored_states_do_not_grow(tmp_path: Path) -> None:
    """A hundred iterations retire fifty niches, and the last state is as large as an early one."""
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        for step in toy_steps(100):
            archive.append(step.state, step.events, 0.25)
    with closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as connection:
        sizes = dict(connection.execute("SELECT iteration, length(state) FROM snapshots"))
        ((num_retired,),) = connection.execute("SELECT count(*) FROM retirements")
    assert 49 == num_retired
    assert sizes[100] < sizes[12] + 100


def test_history_holds_no_nan(archive: RunArchive) -> None:
    """NaN, which SQLite would turn into NULL, is refused by name; NumPy's numbers are stored as numbers."""
    step = toy_steps(6)[6]
    done = next(e for e in step.events if isinstance(e, GenerationDone))
    others = tuple(e for e in step.events if e is not done)
    with pytest.raises(ValueError, match="return_std is NaN"):
        archive.append(step.state, (*others, replace(done, return_std=float("nan"))), 0.1)
    numpy_done = replace(done, return_std=np.float32(0.5), num_diverged=np.int64(3))  # type: ignore[arg-type]
    archive.append(step.state, (*others, numpy_done), 0.1)
    with closing(sqlite3.connect(archive._folder / "run.sqlite")) as connection:
        query = "SELECT return_std, num_diverged FROM generations WHERE version_id = ?"
        assert [(0.5, 3)] == connection.execute(query, (done.version_id,)).fetchall()


def test_states_are_kept_at_keyframes_and_at_the_end(tmp_path: Path) -> None:
    """The states of the start, of every keep_every-th iteration and of the last one are kept; others are deleted."""
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive, open_run(tmp_path / "run") as run:
        kept = []
        for step in toy_steps(9):
            record(archive, step)
            kept.append(run.keyframes)
    assert [[0], [0, 1], [0, 2], [0, 3], [0, 4], [0, 4, 5], [0, 4, 6], [0, 4, 7], [0, 4, 8], [0, 4, 8, 9]] == kept


def test_thetas_that_no_es_step_can_make_again_are_stored(archive: RunArchive) -> None:
    """Stored: first agents, transfers, all active ones every theta_every-th iteration, those of retiring niches."""
    steps = toy_steps(5)
    expected = {
        event.theta_digest
        for step in steps
        for event in step.events
        if isinstance(event, AgentVersion) and event.origin is not Origin.ES
    }
    expected |= {theta_digest(niche.theta) for step in (steps[0], steps[3]) for niche in step.state.active}
    expected |= {theta_digest(niche.theta) for niche in steps[5].state.retired}
    assert expected == _stored_digests(archive._folder)

    active = {theta_digest(niche.theta) for niche in steps[5].state.active}
    assert not active <= expected
    archive.finish(steps[5].state)
    assert expected | active == _stored_digests(archive._folder)
    with pytest.raises(ValueError, match="stands at iteration 5, found the state of 4"):
        archive.finish(steps[4].state)


def _es_step(before: PoetState) -> Step:
    """The next iteration, in which only learning happens, whatever its number."""
    step = toy_iteration(replace(before, iteration=2 * before.iteration))
    iteration = before.iteration + 1
    events = tuple(replace(event, iteration=iteration) for event in step.events)
    return Step(replace(step.state, iteration=iteration), events)


def test_all_active_thetas_are_stored_every_so_many_iterations(tmp_path: Path) -> None:
    """``checkpoint.theta_every = 3``: of ES steps in the iterations 4 to 8 those of 6, whichever niche they are of."""
    steps = toy_steps(3)
    first, last = steps[3].state.active
    other = replace(last, optimiser=STRATEGY.initial_state(last.theta[None] + np.float32(1.0)))
    later = [_es_step(replace(steps[3].state, active=(first, other)))]
    for _ in range(4):
        later.append(_es_step(later[-1].state))
    with create_run(tmp_path / "run", CONFIG, session=SESSION) as archive:
        record(archive, *steps)
        before = _stored_digests(tmp_path / "run")
        record(archive, *later)

    assert 2 == len({theta_digest(niche.theta) for niche in later[2].state.active})
    assert {theta_digest(niche.theta) for niche in later[2].state.active} == _stored_digests(tmp_path / "run") - before


@pytest.mark.parametrize("kind", [NicheSolved, NicheValidated])
def test_thetas_that_solved_or_were_validated_are_stored(archive: RunArchive, kind: type[Event]) -> None:
    """What solved a niche may be a proposal that was refused, and what was validated an ES step: both are kept."""
    step, theta = toy_steps(6)[6], np.full(6, 0.625, np.float32)
    changes = {"theta": theta, **({"theta_digest": theta_digest(theta)} if kind is NicheSolved else {})}
    events = [replace(event, **changes) if isinstance(event, kind) else event for event in step.events]
    archive.append(step.state, events, 0.25)

    assert plain(theta) == plain(read_theta(archive._connection, theta_digest(theta)))


def test_a_missing_theta_is_named(archive: RunArchive) -> None:
    """A version that must be replayable is not recorded without its theta."""
    step = toy_steps(6)[6]
    events = [replace(event, theta=None) if isinstance(event, AgentVersion) else event for event in step.events]
    with pytest.raises(ValueError, match=r"AgentVersion\(id=.* must come with its theta"):
        archive.append(step.state, events, 0.1)
    assert 5 == archive.iteration


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Resumed twice, a run has the history of one that never stopped, and remembers its sessions."""
    toy_run(tmp_path / "run", 3)
    go_on(tmp_path / "run", 2)
    go_on(tmp_path / "run", 4)
    assert fingerprint(toy_run(tmp_path / "whole", 9)) == fingerprint(tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        assert [1] * 4 + [2] * 2 + [3] * 4 == run.iterations.session_id.to_list()
        assert run.sessions.started_at.str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()


def test_a_resumed_run_may_change_what_changes_no_result(tmp_path: Path) -> None:
    """The number of iterations, the engine and the cadence may change; anything else needs a fork."""
    folder = toy_run(tmp_path / "run", 2)
    config = make_config(CONFIG.to_json(), {"run": {"iterations": 7}, "checkpoint": {"keep_every": 1}})
    with RunArchive.open(folder, session=SESSION, config=config) as archive:
        assert config == archive.config
        record(archive, *toy_steps(3)[3:])
    with open_run(folder) as run:
        assert config == run.config
        assert CONFIG == run.config_at(2)
        assert [0, 3] == run.keyframes
    other = make_config(CONFIG.to_json(), {"es": {"pairs": 7}})
    with pytest.raises(InputError, match=r"'es.pairs' is 256 in the run and cannot become 7: .* poet fork"):
        RunArchive.open(folder, session=SESSION, config=other)
    with open_run(folder) as run:
        assert 2 == len(run.sessions)


def test_one_writer_at_a_time(archive: RunArchive) -> None:
    """A second writer is told which process writes; after the first has closed, the next may write."""
    with pytest.raises(InputError, match=r"is being written by process \d+: wait for it"):
        RunArchive.open(archive._folder, session=SESSION)
    record(archive, *toy_steps(6)[6:])
    archive.close()
    archive.close()
    with RunArchive.open(archive._folder, session=SESSION) as second:
        assert 6 == second.iteration


def test_a_glance_at_the_lock_keeps_no_writer_out(tmp_path: Path) -> None:
    """``poet status`` may hold a shared lock for a moment just when a writer opens the run."""
    folder = toy_run(tmp_path / "run", 1)
    with (folder / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        glance = threading.Timer(0.1, fcntl.flock, (lock, fcntl.LOCK_UN))
        glance.start()
        RunArchive.open(folder, session=SESSION).close()
        glance.join()


def test_a_refused_writer_gives_the_lock_back(tmp_path: Path) -> None:
    """Opening that fails after the lock was taken does not keep others out."""
    folder = toy_run(tmp_path / "run", 1)
    data = (folder / "run.sqlite").read_bytes()
    (folder / "run.sqlite").write_bytes(data[:5000])
    with pytest.raises(InputError, match="is damaged"):
        RunArchive.open(folder, session=SESSION)
    (folder / "run.sqlite").write_bytes(data)
    RunArchive.open(folder, session=SESSION).close()


def test_a_new_run_needs_a_new_folder(tmp_path: Path) -> None:
    """Files, folders that hold anything, and dangling links are not overwritten; missing parents are made."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "lock").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "full", "link", "."):
        with pytest.raises(InputError, match="exists: name a new folder"):
            create_run(tmp_path / name, CONFIG, session=SESSION)
    assert {"file", "full", "link"} == {path.name for path in tmp_path.iterdir()}
    folder = tmp_path / "some" / "where" / "run #1? 50%"
    create_run(folder, CONFIG, session=SESSION).close()
    assert ["lock", "run.sqlite"] == sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("place", ["/proc/run", "/proc/1/run", "/dev/null/run"])
def test_a_run_in_an_impossible_place_is_an_input_error(place: str) -> None:
    """Where no folder can be made, not even by root, the sentence names the place."""
    with pytest.raises(InputError, match=rf"the run folder {place} cannot be used \("):
        create_run(place, CONFIG, session=SESSION)


def test_a_run_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while a run is made leaves no folder, and the name stays free."""

    def fail(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "set_config", fail)
        with pytest.raises(KeyboardInterrupt):
            create_run(tmp_path / "run", CONFIG, session=SESSION)
    assert [] == list(tmp_path.iterdir())
    create_run(tmp_path / "run", CONFIG, session=SESSION).close()


@contextmanager
def files_up_to(num_bytes: int) -> Iterator[None]:
    """This process cannot make a file longer; the kernel refuses the write, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_sentence_and_loses_one_iteration(archive: RunArchive) -> None:
    """SQLite's 'disk is full' is an ArchiveError; the run goes on from the iteration before once there is space."""
    folder, step = archive._folder, toy_steps(6)[6]
    before = fingerprint(folder)
    (num_pages,) = archive._connection.execute("PRAGMA page_count").fetchone()
    archive._connection.execute(f"PRAGMA max_page_count = {num_pages}")
    (judged, *others) = step.events
    assert isinstance(judged, CandidateJudged)
    big = replace(judged, genotype={"long": "x" * 100_000})
    with pytest.raises(ArchiveError, match=r"the disk is full, so the run .* could not be written: free some space"):
        archive.append(step.state, (big, *others), 0.1)
    assert before == fingerprint(folder)
    archive._connection.execute("PRAGMA max_page_count = 100000")
    record(archive, step)
    assert 6 == archive.iteration


def test_a_refused_write_loses_one_iteration(archive: RunArchive) -> None:
    """A write that the kernel refuses is an ArchiveError, and the archive is whole; resuming goes on."""
    folder = archive._folder
    steps, num_bytes = toy_steps(60), (folder / "run.sqlite-wal").stat().st_size + 300_000
    with files_up_to(num_bytes), pytest.raises(ArchiveError, match="disk"):
        record(archive, *steps[6:])
    last = archive.iteration
    assert last is not None
    assert 5 < last < 60
    archive.close()
    with open_run(folder) as run:
        assert last == run.iteration
        assert plain(steps[last].state) == plain(load(run))
    go_on(folder, 60 - last)
    assert fingerprint(toy_run(folder.with_name("whole"), 60)) == fingerprint(folder)


def test_a_run_on_a_full_disk_is_not_made(tmp_path: Path) -> None:
    """Creating a run without space for it is an ArchiveError and leaves nothing."""
    with files_up_to(20_000), pytest.raises(ArchiveError, match="disk"):
        create_run(tmp_path / "run", CONFIG, session=SESSION)
    assert [] == list(tmp_path.iterdir())


_FOREVER = """
import sys
from pathlib import Path
from tests.poet.archive_examples import SESSION, load, record, toy_iteration
from poet.archive.journal import RunArchive
from poet.archive.reader import open_run
folder = Path(sys.argv[1])
archive = RunArchive.open(folder, session=SESSION)
with open_run(folder) as run:
    state = load(run)
while True:
    step = toy_iteration(state)
    record(archive, step)
    state = step.state
    print(state.iteration, flush=True)
"""


def test_a_killed_run_ends_with_a_whole_iteration(tmp_path: Path) -> None:
    """kill -9 in the middle of appends, several times, leaves all that was recorded, and the run goes on from there."""
    folder = toy_run(tmp_path / "run", 1)
    for kill in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", _FOREVER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(5)][-1]
            time.sleep(0.003 * kill)
            writer.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in writer.stdout)])
        with open_run(folder) as run:
            last = run.iteration
            assert last in (told, told + 1)
            assert last == load(run).iteration == run.versions.iteration.max() == run.ledger.iteration.max()
            assert "ok" == run._connection.execute("PRAGMA integrity_check").fetchone()[0]
    assert last is not None
    go_on(folder, 1)
    assert fingerprint(toy_run(tmp_path / "whole", last + 1)) == fingerprint(folder)
