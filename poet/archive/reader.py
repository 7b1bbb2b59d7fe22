"""A run as it was recorded, read-only: frames for analysis, agents and terrains for replay, states to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agents.strategies.base import StrategyState
from environments.errors import InputError, whole_number
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from poet.archive.checkpoint import decode_state
from poet.archive.configs import all_configs, config_at
from poet.archive.database import connect_to_read
from poet.archive.errors import DamageError, explained
from poet.archive.frames import read_frame, read_rows, table_columns
from poet.archive.guard import GuardedConnection
from poet.archive.own import own_tables
from poet.archive.records import ForkOrigin, StoredAgent
from poet.archive.rows import EVENT_TABLES, OWN_PREFIX, columns, read_version
from poet.archive.snapshots import check_state, kept_iterations, nearest_kept
from poet.archive.thetas import read_theta
from poet.archive.turns import Turns
from poet.archive.values import load_object
from poet.config import Config
from poet.events import AgentVersion, Event
from poet.types import State

if TYPE_CHECKING:
    import pandas as pd

    from agents.policies.base import AbstractPolicy

_STORED = "theta_digest IN (SELECT digest FROM thetas)"


def open_run(path: str | PathLike[str], trust: bool = False) -> Run:
    """A run to be read, while it is written or after.

    Args:
        path: the run's folder. It may be read-only once the run has stopped.
        trust: whether code that the run names may be imported, by ``Run.policy`` and for episodes in ``Run.engine``.

    Raises:
        InputError: no run, damaged, or written by a newer POET.
    """
    folder = Path(path)
    with explained(folder):
        return Run(folder, connect_to_read(folder), trust)


class Run:
    """A run's record, from ``open_run``. Each call reads what is recorded at that moment.

    Frames hold a row for each event, in the order of their ids, with the fields of the event as columns
    (``poet.events``). An id that is None is <NA>, a score that is None is NaN; the score of a diverged episode is -inf.

    Threads may share it, and take turns. After ``close``, and in a process that was forked since, every call raises
    ``InputError``.
    """

    def __init__(self, folder: Path, connection: GuardedConnection, trust: bool = False) -> None:
        self._folder = folder
        self._connection = connection
        self._turns = Turns(folder)
        self._trust = trust

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy opens the run anew, in another process too."""
        return open_run, (self._folder, self._trust)

    @property
    def niches(self) -> pd.DataFrame:
        """Niches admitted (``NicheAdmitted``), without their terrains: see ``terrain``."""
        return self._frame("niches", without=("terrain",))

    @property
    def candidates(self) -> pd.DataFrame:
        """Candidates and what became of them (``CandidateJudged``)."""
        return self._frame("candidates")

    @property
    def judgements(self) -> pd.DataFrame:
        """What all agents scored in each niche at its admission (``NicheJudged``); ANNECS is counted from it."""
        return self._frame("judgements")

    @property
    def solved(self) -> pd.DataFrame:
        """Niches solved, each once (``NicheSolved``)."""
        return self._frame("solved")

    @property
    def validations(self) -> pd.DataFrame:
        """Success rates measured (``NicheValidated``): a row for each agent version and validation set."""
        return self._frame("validations")

    @property
    def retirements(self) -> pd.DataFrame:
        """Niches retired (``NicheRetired``)."""
        return self._frame("retirements")

    @property
    def transfers(self) -> pd.DataFrame:
        """Transfer attempts (``TransferAttempted``)."""
        return self._frame("transfers")

    @property
    def transfer_sources(self) -> pd.DataFrame:
        """What each source scored in each attempt (``SourceScored``)."""
        return self._frame("transfer_sources")

    @property
    def generations(self) -> pd.DataFrame:
        """ES steps (``GenerationDone``)."""
        return self._frame("generations")

    @property
    def versions(self) -> pd.DataFrame:
        """Agent versions (``AgentVersion``), those without a stored theta included."""
        return self._frame("versions")

    @property
    def ledger(self) -> pd.DataFrame:
        """Env-steps and episodes by iteration, niche and purpose (``Cost``)."""
        return self._frame("ledger")

    @property
    def iterations(self) -> pd.DataFrame:
        """The clock: seconds, env-steps and episodes of each iteration, and the session that ran it."""
        return self._frame("iterations")

    @property
    def sessions(self) -> pd.DataFrame:
        """Each time that a program went on with the run: when, where, and with which versions."""
        return self._frame("sessions")

    @property
    def own_tables(self) -> dict[str, pd.DataFrame]:
        """What its trainer alone notes (``OwnEvent``), by name, as far as something is noted.

        Rows come by iteration and ``number``, the place in it. What is no number is text, also JSON.
        """
        with self._turns.turn():
            names = own_tables(self._connection)
        frames = {name.removeprefix(OWN_PREFIX): self._frame(name) for name in names}
        return {name: frame for name, frame in frames.items() if len(frame)}

    @property
    def recorded(self) -> frozenset[type[Event]]:
        """The kinds of events of which it has any."""
        with self._turns.turn():
            found = [
                kind
                for kind, table in EVENT_TABLES.items()
                if table_columns(self._connection, table)
                and self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()
            ]
        return frozenset(found)

    @property
    def folder(self) -> Path:
        """Where the run is."""
        return self._folder

    @property
    def iteration(self) -> int | None:
        """The last iteration recorded; None before the start (iteration 0) is."""
        with self._turns.turn():
            ((last,),) = self._connection.execute("SELECT max(iteration) FROM iterations").fetchall()
        return None if last is None else int(last)

    @property
    def parent(self) -> ForkOrigin | None:
        """The run that this one was forked from; None if it is nobody's fork."""
        ((run, iteration),) = self._rows("run", ["parent_run", "parent_iteration"])
        return None if run is None or iteration is None else ForkOrigin(run, iteration)

    @property
    def config(self) -> Config:
        """The config in force for the next iteration."""
        iteration = self.iteration
        return self.config_at(0 if iteration is None else iteration + 1)

    @property
    def configs(self) -> list[tuple[int, Config]]:
        """From which iteration on which config was in force, ascending."""
        with self._turns.turn():
            return all_configs(self._connection)

    @property
    def policy(self) -> AbstractPolicy:
        """Of every theta in the run: no fork changes it.

        Raises:
            InputError: it is code that the run names, and that nobody trusts, see ``open_run``; or cannot be imported.
        """
        config = self.config.policy
        self._check_trust("policy.kind", config.kind)
        from poet.policy import make_run_policy  # here, so that whoever looks at a run waits for no policies

        return make_run_policy(config)

    @property
    def engine(self) -> str:
        """The name of the engine in which the run goes on.

        Raises:
            InputError: it is code that the run names, and that nobody trusts, see ``open_run``.
        """
        engine = self.config.evaluation.engine
        self._check_trust("evaluation.engine", engine)
        return engine

    def _check_trust(self, key: str, name: str) -> None:
        if ":" in name and not self._trust:
            raise InputError(
                f"the run {self._folder} names code that would be imported and may do anything here: "
                f"{key}={name}; add --trust, or open_run(..., trust=True), if you trust it"
            )

    def config_at(self, iteration: int) -> Config:
        """The config that an iteration was (or will be) done under; a fork may have changed it on the way."""
        with self._turns.turn():
            return config_at(self._connection, whole_number("iteration", iteration))

    @property
    def keyframes(self) -> list[int]:
        """Iterations after which the state is kept, ascending; the last one goes when the run goes on."""
        with self._turns.turn():
            return kept_iterations(self._connection)

    def agent(self, id: int, iteration: int | None = None) -> StoredAgent:
        """A niche's agent: the latest version with a stored theta.

        Args:
            id: of the agent, which is that of its niche.
            iteration: consider versions up to it; None for all.

        Raises:
            InputError: no such niche, or none of its versions is that old.
        """
        id = self._known_niche(id)
        up_to = "" if iteration is None else f" AND iteration <= {whole_number('iteration', iteration)}"
        latest = f"SELECT id FROM versions WHERE niche_id = ?{up_to} AND {_STORED} ORDER BY iteration DESC, id DESC"
        rows = self._rows("versions", columns(AgentVersion), f"id = ({latest} LIMIT 1)", id)
        if not rows:
            ((first,),) = self._rows("niches", ["iteration"], "niche_id = ?", id)
            raise InputError(f"agent {id} of {self._folder} begins at iteration {first}: ask for that or a later one")
        return self._stored_agent(read_version(rows[0]))

    def stored_agents(self) -> list[StoredAgent]:
        """Every agent version with a stored theta, in the order of version ids."""
        rows = self._rows("versions", columns(AgentVersion), _STORED)
        return [self._stored_agent(read_version(row)) for row in rows]

    def terrain(self, niche_id: int) -> Terrain:
        """A niche's own instance.

        Raises:
            InputError: no such niche.
        """
        niche_id = self._known_niche(niche_id)
        ((text,),) = self._rows("niches", ["terrain"], "niche_id = ?", niche_id)
        with self._turns.turn():
            try:
                return Terrain.from_json(load_object(text, f"the terrain of niche {niche_id}"))
            except (ValueError, OverflowError) as error:
                raise DamageError(f"the terrain of niche {niche_id}: {error}") from error

    def last_scores(self) -> dict[int, float]:
        """The score of each niche's last agent version, by niche id."""
        last = "id IN (SELECT max(id) FROM versions GROUP BY niche_id)"
        return dict(sorted(self._rows("versions", ["niche_id", "score"], last)))

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """A block in which every call reads the same moment of a run that goes on; other threads wait for its end."""
        with self._turns.alone():
            if self._connection.in_transaction:  # a block within such a block
                yield
                return
            with self._turns.turn():
                self._connection.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                with suppress(InputError), self._turns.turn():  # it may have been closed meanwhile
                    self._connection.rollback()

    def load_state(
        self,
        iteration: int | None = None,
        *,
        state_type: type[State],
        optimiser_type: type[StrategyState],
        genotype_type: type[AbstractGenotype],
    ) -> State:
        """The state after an iteration, from which the run can go on.

        Args:
            iteration: one of ``keyframes``; None for the last.
            state_type: the state class of the run's trainer.
            optimiser_type: the state class of what its niches are trained with, such as the strategy's.
            genotype_type: the run's genotype class.

        Raises:
            InputError: that state is not kept, or it is of another trainer, strategy or genotype.
        """
        kept = self.keyframes
        wanted = whole_number("iteration", iteration) if iteration is not None else kept[-1] if kept else None
        if wanted is None or wanted not in kept:
            raise InputError(nearest_kept(self._folder, kept, wanted))
        ((data,),) = self._rows("snapshots", ["state"], "iteration = ?", wanted)
        with self._turns.turn():
            thetas = partial(read_theta, self._connection)
            state = decode_state(data, thetas, state_type, optimiser_type, genotype_type)
            check_state(self._connection, state, wanted)
        return state

    def close(self) -> None:
        """Give the archive back; a second call does nothing."""
        if self._turns.end():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _frame(self, table: str, without: tuple[str, ...] = ()) -> pd.DataFrame:
        with self._turns.turn():
            return read_frame(self._connection, table, without)

    def _rows(self, table: str, names: list[str], where: str = "TRUE", *parameters: Any) -> list[tuple[Any, ...]]:
        with self._turns.turn():
            return read_rows(self._connection, table, names, where, parameters)

    def _stored_agent(self, version: AgentVersion) -> StoredAgent:
        with self._turns.turn():
            theta = read_theta(self._connection, version.theta_digest)
        theta.setflags(write=False)
        return StoredAgent(version, theta)

    def _known_niche(self, id: int) -> int:
        """The id as SQLite knows it: it takes the bytes of NumPy's numbers."""
        niche_id = whole_number("a niche's id", id)
        with self._turns.turn():
            ((num_niches,),) = self._connection.execute("SELECT count(*) FROM niches").fetchall()
        if not 0 <= niche_id < num_niches:
            known = f"its niches are 0 to {num_niches - 1}" if num_niches else "nothing is recorded yet"
            raise InputError(f"the run {self._folder} has no niche {niche_id}: {known}")
        return niche_id
