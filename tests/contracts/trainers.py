"""The contract of a trainer as a test class. A subclass names the trainer; pytest runs each class called ``Test...``.

For your own trainer, write a class such as::

    class TestMine(TrainerContract):
        trainer = "my_module:MyTrainer"
"""

from __future__ import annotations

import io
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agents.evaluation import make_executor
from agents.rollouts import available_engines
from environments.errors import InputError
from experiments.progress import PlainLines
from experiments.replay.verify import verify
from experiments.runner import Stopped, run_experiment, stored_state
from experiments.settings import resolve_config
from poet.archive.fingerprint import fingerprint
from poet.archive.fork import fork_run
from poet.archive.reader import open_run
from poet.archive.verify import find_damage
from poet.config import Config
from poet.events import Cost
from poet.parts import Parts, make_parts
from poet.trainers import make_trainer
from poet.types import RunState
from tests.experiments.command_line import Poet, in_process
from tests.experiments.test_runner import InterruptedExecutor
from tests.poet.archive_examples import plain
from tests.poet.test_archive_damage import flipped

#: A finished run of each class, which its tests only read.
_FINISHED: dict[type, Path] = {}


class TrainerContract:
    """Tests that every trainer must pass."""

    #: ``run.trainer``.
    trainer: str
    #: ``trainer.settings``.
    settings: Mapping[str, Any] = {}
    #: Further settings, as ``KEY=VALUE`` on the command line.
    assignments: tuple[str, ...] = ()
    #: The preset of the runs, which should take seconds on one core.
    preset = "tiny"
    #: The length of each run; at least 4.
    iterations = 6

    @pytest.fixture
    def poet(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Poet:
        """``poet(*arguments)`` calls the command line in this process."""
        return in_process(capsys, monkeypatch)

    def config(self, **flags: Any) -> Config:
        """The config of its runs; flags such as ``run__seed`` change keys."""
        values = {"run.trainer": self.trainer, "trainer.settings": {**self.settings}, "run.iterations": self.iterations}
        values |= {key.replace("__", "."): value for key, value in flags.items()}
        return resolve_config(self.preset, assignments=self.assignments, flags=values)

    def run(
        self, folder: Path, workers: int = 1, chunks: int | None = None, config: Config | None = None, **flags: Any
    ) -> Stopped:
        """Start or resume a run. Ctrl-C comes after ``chunks`` chunks of episodes, or never for None."""
        with make_executor("local", workers) as local:
            executor = local if chunks is None else InterruptedExecutor(chunks)
            lines: Callable[[Any], PlainLines] = lambda tracker: PlainLines(tracker, io.StringIO())  # noqa: E731
            return run_experiment(folder, config or self.config(**flags), executor, lines)

    @pytest.fixture
    def finished(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A run without interruption, made once for all tests of a class, which only read it."""
        if type(self) not in _FINISHED:
            folder = tmp_path_factory.mktemp("trainer") / "run"
            self.run(folder)
            _FINISHED[type(self)] = folder
        return _FINISHED[type(self)]

    @pytest.fixture
    def parts(self) -> Iterator[Parts]:
        """The parts of its runs."""
        with make_executor("local", 1) as executor:
            yield make_parts(self.config(), executor.evaluate)

    def test_a_run_is_whole_and_can_be_proven(self, finished: Path, parts: Parts) -> None:
        """Every iteration is recorded, nothing is damaged, and Box2D confirms every pair in the archive."""
        with open_run(finished) as run:
            assert self.iterations == run.iteration
            for kept in run.keyframes:
                assert kept == stored_state(run, parts, kept).iteration
        assert [] == find_damage(finished, parts.genotype_type)
        report = verify(finished, workers=1)
        assert 0 == report.exit_status, report.lines()
        assert report.num_pairs > 0

    def test_an_iteration_is_state_in_state_and_events_out(self, parts: Parts) -> None:
        """An iteration counts one, does not modify its input, emits declared events, and books its costs."""
        trainer = make_trainer(parts.config)
        state, events = trainer.start(parts, None)
        spent = (0, 0)
        for iteration in range(self.iterations + 1):
            costs = [event for event in events if isinstance(event, Cost)]
            spent = spent[0] + sum(c.env_steps for c in costs), spent[1] + sum(c.episodes for c in costs)
            assert iteration == state.iteration
            assert {iteration} == {event.iteration for event in events}
            assert {type(event) for event in events} <= trainer.events
            assert spent == (state.env_steps, state.episodes) and spent[0] > 0
            assert all(isinstance(fact, str) for fact in trainer.facts(state))
            before = plain(state)
            following, events = trainer.iterate(state, parts)
            assert before == plain(state)
            state = following

    def test_threads_engines_and_repetition_change_nothing(self, finished: Path, tmp_path: Path) -> None:
        """The fingerprint is the same wherever the episodes run."""
        expected = fingerprint(finished)
        for engine in available_engines():
            self.run(tmp_path / engine, workers=2, evaluation__engine=engine)
            assert expected == fingerprint(tmp_path / engine), engine

    @pytest.mark.parametrize("chunks", [2, 5])
    def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(
        self, finished: Path, tmp_path: Path, chunks: int
    ) -> None:
        """Repeated Ctrl-C within an iteration, and raising ``run.iterations`` later, do not change a bit."""
        folder = tmp_path / "run"
        stops = [self.run(folder, chunks=chunks + more) for more in range(3)]
        self.run(folder, config=self.config(run__iterations=self.iterations - 1))
        self.run(folder)

        assert stops[0].is_interrupted
        assert fingerprint(finished) == fingerprint(folder)

    def test_a_fork_without_a_change_is_the_same_run(self, finished: Path, tmp_path: Path) -> None:
        """A fork from any kept state has the same fingerprint."""
        with open_run(finished) as run:
            kept = run.keyframes[:-1]
        for at in kept:
            fork_run(finished, tmp_path / f"fork{at}", at)
            self.run(tmp_path / f"fork{at}")
            assert fingerprint(finished) == fingerprint(tmp_path / f"fork{at}")

    def test_a_state_comes_back_from_the_archive(self, tmp_path: Path, parts: Parts) -> None:
        """It comes back to the bit, and the run goes on as if it had never been written."""
        trainer = make_trainer(parts.config)
        state, _ = trainer.start(parts, None)
        for iteration in range(3):
            state, _ = trainer.iterate(state, parts) if iteration else (state, ())
            self.run(tmp_path / "run", config=self.config(run__iterations=max(1, iteration)))
            with open_run(tmp_path / "run") as run:
                back: RunState = stored_state(run, parts, iteration)
            assert plain(state) == plain(back)
        assert plain(trainer.iterate(state, parts)) == plain(trainer.iterate(back, parts))

    def test_a_damaged_state_is_refused(self, finished: Path, tmp_path: Path, parts: Parts) -> None:
        """A flipped bit anywhere in it gives an error of one sentence, or changes nothing."""
        copy = tmp_path / "run.sqlite"
        copy.write_bytes((finished / "run.sqlite").read_bytes())
        query = "SELECT iteration, state FROM snapshots ORDER BY iteration DESC LIMIT 1"
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection, open_run(finished) as run:
            ((iteration, data),) = connection.execute(query).fetchall()
            expected, num_refused = plain(stored_state(run, parts)), 0
            for bit in random.Random(1).sample(range(8 * len(data)), 60):
                change = "UPDATE snapshots SET state = ? WHERE iteration = ?"
                connection.execute(change, (flipped(data, bit), iteration))
                with open_run(tmp_path) as damaged:
                    try:
                        assert expected == plain(stored_state(damaged, parts))
                    except InputError:
                        num_refused += 1
        assert num_refused > 20

    def test_another_seed_is_another_run(self, finished: Path, tmp_path: Path) -> None:
        """At least the agents differ from the first iteration on."""
        self.run(tmp_path / "other", config=self.config(run__seed=1, run__iterations=1))
        digests = []
        for folder in (finished, tmp_path / "other"):
            with open_run(folder) as run:
                versions = run.versions
            digests.append(set(versions.loc[versions["iteration"] <= 1, "theta_digest"]))
        assert not digests[0] & digests[1]

    def test_unknown_settings_are_refused(self) -> None:
        """The error is one sentence that names the key."""
        with pytest.raises(InputError, match=r"trainer\.settings has 'nonsense'"):
            make_trainer(self.config(trainer__settings={"nonsense": 1}))

    def test_commands_take_its_runs(self, finished: Path, tmp_path: Path, poet: Poet) -> None:
        """Commands work without knowing the trainer, and they show and export its own tables."""
        report, export = tmp_path / "report", tmp_path / "export"
        trust = ["--trust"] * (":" in self.trainer)
        ended = [
            poet("status", finished), poet("analyse", finished, "--output", report, "--matrix", 0),
            poet("export", finished, "--output", export), poet("fingerprint", finished),
            poet("replay", finished, "--output", tmp_path / "walk.png"), poet("verify", finished, *trust),
        ]  # fmt: skip
        assert [(0, "")] * len(ended) == [(one.code, one.err) for one in ended]
        with open_run(finished) as run:
            own = {name: len(frame) for name, frame in run.own_tables.items()}
        for name, num_rows in own.items():
            assert f"\n{name:<11} iteration " in ended[0].out
            assert num_rows == len((report / "tables" / f"own_{name}.csv").read_text().splitlines()) - 1
            assert (export / f"own_{name}.parquet").is_file()
