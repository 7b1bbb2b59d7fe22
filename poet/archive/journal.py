"""Recording a run: one transaction per iteration stores its events, its new thetas and the state after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from environments.copying import NotCopied
from poet.archive.checkpoint import encode_state
from poet.archive.configs import config_at, refuse_changes, set_config
from poet.archive.database import connect_to_write, create_archive, transaction
from poet.archive.digests import rows_digest, store_digest
from poet.archive.errors import ArchiveError, explained
from poet.archive.folder import archive_path, new_run
from poet.archive.grown import GrownTables
from poet.archive.lock import RunTakenError, WriterLock
from poet.archive.own import insert_own_events
from poet.archive.records import SessionInfo
from poet.archive.rescue import rescue
from poet.archive.retired import RetiredDigests
from poet.archive.rows import canonical_json, insert_events
from poet.archive.thetas import store_thetas
from poet.archive.turns import Turns
from poet.archive.watch import Watch
from poet.config import Config
from poet.events import AgentVersion, AnyEvent, Cost, NicheRetired, NicheSolved, NicheValidated, OwnEvent
from poet.types import Origin, RunState

_LAST_ITERATION = "SELECT max(iteration) FROM iterations"


def create_run(folder: str | PathLike[str], config: Config, *, session: SessionInfo) -> RunArchive:
    """Create a run in a new folder, with nothing recorded yet. Either all of it is made or nothing.

    Args:
        folder: must not exist, or be empty. Missing parents are created.
        config: of the run.
        session: describes the writer.

    Raises:
        InputError: the folder is not empty or cannot be created.
        ArchiveError: the disk is full or fails, or the folder was taken away meanwhile.
    """
    folder = Path(folder)
    with explained(folder), new_run(folder) as draft:
        connection = create_archive(draft)
        try:
            with transaction(connection):
                connection.execute("INSERT INTO run (id) VALUES (1)")
                set_config(connection, 0, config)
        finally:
            connection.close()
    return RunArchive.open(folder, session=session)


class RunArchive(NotCopied):
    """A run's archive, open for its only writer, from ``create_run`` or ``RunArchive.open``. Close it after use.

    Everything that it reports as recorded is on disk at the run's path. Before each commit and when it is closed, the
    archive checks that its files are still there. If they are not, their content is saved beside the run.
    """

    copy_refusal = "a run has one writer, which cannot be copied: read it with open_run"

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        lock: WriterLock,
        session: SessionInfo,
        config: Config | None,
    ) -> None:
        self._folder = folder
        self._connection = connection
        self._lock = lock
        self._turns = Turns(folder)
        self._is_lost = False
        self._retired = RetiredDigests(connection)
        self._grown = GrownTables(connection)
        self._iteration: int | None = connection.execute(_LAST_ITERATION).fetchone()[0]
        self._config = config_at(connection, self._next_iteration)
        with transaction(connection):
            if config is not None:
                self._change_config(config)
            self._session_id = _insert_session(connection, session)
        self._watch = Watch(folder, lock.folder)

    @classmethod
    def open(cls, folder: str | PathLike[str], *, session: SessionInfo, config: Config | None = None) -> RunArchive:
        """Open a run to go on with it.

        Args:
            folder: of the run.
            session: describes the writer.
            config: the run's config, in which keys that do not affect results may differ; None for no change.

        Raises:
            InputError: there is no run, it is damaged, comes from a newer POET or is being written by another process,
                or ``config`` would change results.
            ArchiveError: the disk is full or fails.
        """
        folder = Path(folder)
        with explained(folder):
            archive_path(folder, to_write=True)
            lock = WriterLock(folder)
            try:
                connection = connect_to_write(folder)
                try:
                    return cls(folder, connection, lock, session, config)
                except BaseException:
                    connection.close()
                    raise
            except BaseException:
                lock.release()
                raise

    @property
    def config(self) -> Config:
        """The config in force for the next iteration."""
        return self._config

    @property
    def iteration(self) -> int | None:
        """The last iteration recorded; None if not even the start (iteration 0) is."""
        return self._iteration

    def append(self, state: RunState, events: Sequence[AnyEvent], seconds: float) -> None:
        """Record an iteration completely or, on any error, not at all.

        It keeps the thetas of versions that no ES step made, of validated versions and of agents that retire. Every
        ``checkpoint.theta_every`` iterations it keeps those of all active agents.

        Args:
            state: after the iteration.
            events: of the iteration.
            seconds: how long the iteration took.

        Raises:
            ValueError: the iteration is not the next one, an event belongs to another one, a theta is missing, or
                retired niches are not as events say.
            InputError: the archive cannot be written, is damaged or was closed.
            ArchiveError: the disk is full or fails, another process writes the run, or its files were taken away.
        """
        if state.iteration != self._next_iteration:
            raise ValueError(f"iteration {self._next_iteration} comes next in {self._folder}, found {state.iteration}")
        for event in events:
            if event.iteration != state.iteration:
                raise ValueError(f"events must be of iteration {state.iteration}, found {event!r:.200}")
        costs = [event for event in events if isinstance(event, Cost)]
        spent = sum(cost.env_steps for cost in costs), sum(cost.episodes for cost in costs)
        clock = (state.iteration, self._session_id, float(seconds), *map(int, spent))
        with self._writing():
            rows = insert_events(self._connection, [e for e in events if not isinstance(e, OwnEvent)])
            rows |= insert_own_events(self._connection, [e for e in events if isinstance(e, OwnEvent)])
            self._store_new_thetas(state, events)
            if state.iteration % self._config.checkpoint.theta_every == 0:
                store_thetas(self._connection, (niche.theta for niche in state.active))
            self._replace_snapshot(state, self._retired.of(state, events), self._grown.store(state))
            self._connection.execute(
                "INSERT INTO iterations (iteration, session_id, seconds, env_steps, episodes) VALUES (?, ?, ?, ?, ?)",
                clock,
            )
            store_digest(self._connection, "events", state.iteration, rows_digest({**rows, "iterations": [clock]}))
        self._iteration = state.iteration

    def finish(self, state: RunState) -> None:
        """Keep the thetas of all active agents. Call this when the run stops.

        Raises:
            ValueError: the state is not the last one recorded.
            InputError, ArchiveError: as for ``append``.
        """
        if state.iteration != self._iteration:
            raise ValueError(f"the run stands at iteration {self._iteration}, found the state of {state.iteration}")
        with self._writing():
            store_thetas(self._connection, (niche.theta for niche in state.active))

    def close(self) -> None:
        """Close the archive; a second call does nothing.

        Afterwards all of it is in one file, unless someone is reading at that moment.

        Raises:
            ArchiveError: the disk is full or fails, or the files were taken away since the last commit.
        """
        if not self._turns.end():
            return
        try:
            with explained(self._folder), closing(self._connection):
                if not self._is_lost:
                    self._rescue()
                    self._connection.execute("PRAGMA busy_timeout = 1000")
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _next_iteration(self) -> int:
        return 0 if self._iteration is None else self._iteration + 1

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that is only committed if the archive is still at the run's path."""
        with self._turns.turn():
            try:
                with transaction(self._connection):
                    self._check_place()
                    self._refuse_second_writer()
                    yield
                    self._check_place()
            except (_FilesLostError, sqlite3.Error):  # SQLite may notice missing files before we do
                self._rescue()
                raise

    def _check_place(self) -> None:
        if self._watch.lost() is not None:
            message = f"the files of the run {self._folder} were away for a moment, so it has stopped"
            raise _FilesLostError(f"{message}: what was recorded before is whole; go on with poet resume")

    def _refuse_second_writer(self) -> None:
        """Every writer adds a session when it begins, so a later writer shows even if the lock has failed."""
        message = f"another process has begun to write to the run {self._folder}, so this one has stopped"
        message += ": let the other go on, and start no second one"
        (newest,) = self._connection.execute("SELECT max(id) FROM sessions").fetchone()
        if newest != self._session_id:
            raise ArchiveError(message)
        try:
            self._lock.renew()
        except RunTakenError as error:
            raise ArchiveError(message) from error

    def _rescue(self) -> None:
        """If the files are no longer in place, save what was recorded and raise an error that says so."""
        lost = self._watch.lost()
        if lost is not None:
            self._is_lost = True
            raise ArchiveError(rescue(self._connection, self._watch, lost, self._iteration))

    def _change_config(self, config: Config) -> None:
        refuse_changes(self._config, config, None, "it changes results; poet fork makes a run with a change")
        if config != self._config:
            set_config(self._connection, self._next_iteration, config)
            self._config = config

    def _store_new_thetas(self, state: RunState, events: Sequence[AnyEvent]) -> None:
        """Keep thetas that no ES step finds again, and those of agents that retire, solve a niche or are validated."""
        leaving = {event.niche_id for event in events if isinstance(event, NicheRetired)}
        store_thetas(self._connection, (niche.theta for niche in state.retired if niche.id in leaving))
        for event in events:
            if isinstance(event, NicheSolved | NicheValidated | AgentVersion):
                if isinstance(event, AgentVersion) and event.origin is Origin.ES:
                    continue
                if event.theta is None:
                    raise ValueError(f"{event!r:.200}: must come with its theta, which no ES step finds again")
                store_thetas(self._connection, [event.theta])

    def _replace_snapshot(self, state: RunState, retired_digest: str, grown: Mapping[str, str]) -> None:
        """Store the state, and delete the last one unless it is a keyframe."""
        self._connection.execute("DELETE FROM snapshots WHERE iteration = ? AND keyframe = 0", (self._iteration,))
        is_keyframe = state.iteration % self._config.checkpoint.keep_every == 0
        self._connection.execute(
            "INSERT INTO snapshots (iteration, keyframe, state) VALUES (?, ?, ?)",
            (state.iteration, int(is_keyframe), encode_state(state, retired_digest, grown)),
        )


class _FilesLostError(ArchiveError):
    """The files are not where a reader would look for them."""


def _insert_session(connection: sqlite3.Connection, session: SessionInfo) -> int:
    values = {**asdict(session), "versions": canonical_json(session.versions)}
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    cursor = connection.execute(f"INSERT INTO sessions ({names}) VALUES ({marks})", values)
    return int(cursor.lastrowid or 0)
