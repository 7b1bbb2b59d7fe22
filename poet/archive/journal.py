"""Writing a run down: one transaction an iteration holds its events, its new thetas and the state after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from poet.archive.checkpoint import encode_state
from poet.archive.configs import config_at, refuse_changes, set_config
from poet.archive.database import connect_to_write, create_archive, transaction
from poet.archive.digests import rows_digest, store_digest
from poet.archive.errors import explained
from poet.archive.folder import WriterLock, archive_path, new_run_folder
from poet.archive.records import SessionInfo
from poet.archive.rows import canonical_json, insert_events
from poet.archive.thetas import store_thetas
from poet.config import Config
from poet.events import AgentVersion, Cost, Event, NicheRetired, NicheSolved, NicheValidated
from poet.types import Origin, PoetState

_LAST_ITERATION = "SELECT max(iteration) FROM iterations"


def create_run(folder: str | PathLike[str], config: Config, *, session: SessionInfo) -> RunArchive:
    """A new run in a new folder, with nothing recorded yet; all of it is made or nothing.

    Args:
        folder: must not exist; missing parents are made.
        config: of the run.
        session: who writes.

    Raises:
        InputError: the folder exists or cannot be made.
        ArchiveError: the disk is full or fails.
    """
    folder = Path(folder)
    with explained(folder), new_run_folder(folder) as draft:
        connection = create_archive(draft / "run.sqlite")
        try:
            with transaction(connection):
                connection.execute("INSERT INTO run (id) VALUES (1)")
                set_config(connection, 0, config)
        finally:
            connection.close()
    return RunArchive.open(folder, session=session)


class RunArchive:
    """A run's archive, open for its one writer; ``create_run`` and ``RunArchive.open`` give one. Close it after use."""

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
        self._iteration: int | None = connection.execute(_LAST_ITERATION).fetchone()[0]
        self._config = config_at(connection, self._next_iteration)
        with transaction(connection):
            if config is not None:
                self._change_config(config)
            self._session_id = _insert_session(connection, session)

    @classmethod
    def open(cls, folder: str | PathLike[str], *, session: SessionInfo, config: Config | None = None) -> RunArchive:
        """Go on with a run.

        Args:
            folder: of the run.
            session: who writes.
            config: the run's, with other values of the keys that change no result; None to keep them all.

        Raises:
            InputError: no run, damaged, from a newer POET, being written by another process, or ``config`` would change
                results.
            ArchiveError: the disk is full or fails.
        """
        folder = Path(folder)
        with explained(folder):
            archive_path(folder)
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
        """The last iteration recorded; None before the start (iteration 0) is."""
        return self._iteration

    def append(self, state: PoetState, events: Sequence[Event], seconds: float) -> None:
        """Record an iteration: all of it or, on any error, nothing.

        Thetas are kept of versions that no ES step made, of those that were validated, of agents that retire, and of
        all active agents every ``checkpoint.theta_every`` iterations.

        Args:
            state: after the iteration.
            events: of the iteration.
            seconds: it took.

        Raises:
            ValueError: the iteration is not the one after the last, an event is of another, or a theta is missing.
            InputError: the archive cannot be written or is damaged.
            ArchiveError: the disk is full or fails.
        """
        if state.iteration != self._next_iteration:
            raise ValueError(f"iteration {self._next_iteration} comes next in {self._folder}, found {state.iteration}")
        for event in events:
            if event.iteration != state.iteration:
                raise ValueError(f"events must be of iteration {state.iteration}, found {event!r:.200}")
        costs = [event for event in events if isinstance(event, Cost)]
        spent = sum(cost.env_steps for cost in costs), sum(cost.episodes for cost in costs)
        clock = (state.iteration, self._session_id, float(seconds), *map(int, spent))
        with explained(self._folder), transaction(self._connection):
            rows = insert_events(self._connection, events)
            self._store_new_thetas(state, events)
            if state.iteration % self._config.checkpoint.theta_every == 0:
                store_thetas(self._connection, (niche.theta for niche in state.active))
            self._replace_snapshot(state)
            self._connection.execute(
                "INSERT INTO iterations (iteration, session_id, seconds, env_steps, episodes) VALUES (?, ?, ?, ?, ?)",
                clock,
            )
            store_digest(self._connection, "events", state.iteration, rows_digest({**rows, "iterations": [clock]}))
        self._iteration = state.iteration

    def finish(self, state: PoetState) -> None:
        """Keep the thetas of all active agents, as the end of a run does.

        Raises:
            ValueError: the state is not the last one recorded.
            InputError, ArchiveError: as ``append``.
        """
        if state.iteration != self._iteration:
            raise ValueError(f"the run stands at iteration {self._iteration}, found the state of {state.iteration}")
        with explained(self._folder), transaction(self._connection):
            store_thetas(self._connection, (niche.theta for niche in state.active))

    def close(self) -> None:
        """Give the archive back; a second call does nothing.

        All of it is then in the one file, unless somebody is in the middle of reading.
        """
        try:
            with explained(self._folder), closing(self._connection):
                if self._lock.is_held:
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

    def _change_config(self, config: Config) -> None:
        refuse_changes(self._config, config, None, "it changes results; poet fork makes a run with a change")
        if config != self._config:
            set_config(self._connection, self._next_iteration, config)
            self._config = config

    def _store_new_thetas(self, state: PoetState, events: Sequence[Event]) -> None:
        """Keep thetas that nobody finds again: new versions, agents that retire, what solved or was validated."""
        leaving = {event.niche_id for event in events if isinstance(event, NicheRetired)}
        store_thetas(self._connection, (niche.theta for niche in state.retired if niche.id in leaving))
        for event in events:
            if isinstance(event, NicheSolved | NicheValidated | AgentVersion):
                if isinstance(event, AgentVersion) and event.origin is Origin.ES:
                    continue
                if event.theta is None:
                    raise ValueError(f"{event!r:.200}: must come with its theta, which no ES step finds again")
                store_thetas(self._connection, [event.theta])

    def _replace_snapshot(self, state: PoetState) -> None:
        """Store the state; the last one goes unless it is a keyframe."""
        self._connection.execute("DELETE FROM snapshots WHERE keyframe = 0")
        is_keyframe = state.iteration % self._config.checkpoint.keep_every == 0
        self._connection.execute(
            "INSERT INTO snapshots (iteration, keyframe, state) VALUES (?, ?, ?)",
            (state.iteration, int(is_keyframe), encode_state(state)),
        )


def _insert_session(connection: sqlite3.Connection, session: SessionInfo) -> int:
    values = {**asdict(session), "versions": canonical_json(session.versions)}
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    cursor = connection.execute(f"INSERT INTO sessions ({names}) VALUES ({marks})", values)
    return int(cursor.lastrowid or 0)
