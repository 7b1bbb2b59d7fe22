"""Reading a recorded run: frames for analysis, agents and terrains for replay, states to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from importlib import import_module
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
from poet.archive.digests import text_digest
from poet.archive.errors import DamageError, explained
from poet.archive.frames import read_frame, read_rows, read_rows_after, read_spent_after, table_columns
from poet.archive.grown import read_grown
from poet.archive.guard import GuardedConnection
from poet.archive.own import own_tables
from poet.archive.records import ForkOrigin, Shown, StoredAgent
from poet.archive.retired import retired_values
from poet.archive.rows import EVENT_TABLES, OWN_PREFIX, canonical_json, columns, read_version
from poet.archive.snapshots import check_state, kept_iterations, nearest_kept
from poet.archive.thetas import read_theta
from poet.archive.turns import Turns
from poet.archive.values import load_object
from poet.config import Config, PolicyConfig
from poet.events import AgentVersion, Event
from poet.types import State
from poet_open_ended import check_packages

if TYPE_CHECKING:
    import pandas as pd

    from agents.policies.base import AbstractPolicy

_STORED = "theta_digest IN (SELECT digest FROM thetas)"


def open_run(path: str | PathLike[str], trust: bool = False) -> Run:
    """Open a run for reading, while it is being written or afterwards.

    Args:
        path: the run's folder. It may be read-only once the run has stopped.
        trust: whether code that the run names may be imported, by ``Run.policy`` and for episodes in ``Run.engine``.

    Raises:
        InputError: there is no run, it is damaged, or a newer POET wrote it.
    """
    folder = Path(path)
    with explained(folder):
        return Run(folder, connect_to_read(folder), trust)


class Run:
    """A run's record, from ``open_run``. Each call reads what is recorded at that moment.

    Frames have a row for each event, in the order of ids, and the fields of the event as columns (``poet.events``).
    None becomes <NA> in an id and NaN in a score. The score of a diverged episode is -inf.

    Threads may share it; they take turns. Every call raises ``InputError`` after ``close``, and in a forked process.
    """

    def __init__(self, folder: Path, connection: GuardedConnection, trust: bool = False) -> None:
        self._folder = folder
        self._connection = connection
        self._turns = Turns(folder)
        self._trust = trust

    def __repr__(self) -> str:
        return f"Run({str(self._folder)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy opens the run again, also in another process."""
        return open_run, (self._folder, self._trust)

    @property
    def niches(self) -> pd.DataFrame:
        """Niches admitted (``NicheAdmitted``), without their terrains; for those see ``terrain``."""
        return self._frame("niches", without=("terrain",))

    @property
    def candidates(self) -> pd.DataFrame:
        """Candidates and what became of them (``CandidateJudged``)."""
        return self._frame("candidates")

    @property
    def judgements(self) -> pd.DataFrame:
        """The scores of all agents in each niche at its admission (``NicheJudged``), from which ANNECS is counted."""
        return self._frame("judgements")

    @property
    def solved(self) -> pd.DataFrame:
        """The first time that each niche was solved (``NicheSolved``)."""
        return self._frame("solved")

    @property
    def validations(self) -> pd.DataFrame:
        """Measured success rates (``NicheValidated``), one row per agent version and validation set."""
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
        """The score of each source in each attempt (``SourceScored``)."""
        return self._frame("transfer_sources")

    @property
    def generations(self) -> pd.DataFrame:
        """ES steps (``GenerationDone``)."""
        return self._frame("generations")

    @property
    def versions(self) -> pd.DataFrame:
        """Agent versions (``AgentVersion``), including those without a stored theta."""
        return self._frame("versions")

    @property
    def ledger(self) -> pd.DataFrame:
        """Env-steps and episodes by iteration, niche and purpose (``Cost``)."""
        return self._frame("ledger")

    @property
    def iterations(self) -> pd.DataFrame:
        """Seconds, env-steps and episodes of each iteration, and the session that ran it."""
        return self._frame("iterations")

    @property
    def sessions(self) -> pd.DataFrame:
        """Each time that a program started or resumed the run: when, where, and with which versions."""
        return self._frame("sessions")

    @property
    def scores(self) -> pd.DataFrame:
        """The score of every niche's agent at the end of each iteration, over what the whole run had spent by then.

        Columns niche_id, iteration, env_steps (cumulative, of all niches), score; in order of niche and iteration.
        """
        from poet.archive.scores import cumulative_steps, score_history

        with self.at_one_moment():
            iteration = self.iteration
            steps = cumulative_steps(self.ledger, -1 if iteration is None else iteration)
            return score_history(self.versions, steps)

    @property
    def own_tables(self) -> dict[str, pd.DataFrame]:
        """The non-empty tables of the trainer's own events (``OwnEvent``), by name.

        Rows are ordered by iteration and by ``number``, their position in it. Anything but numbers is text or JSON.
        """
        with self._turns.turn():
            names = own_tables(self._connection)
        frames = {name.removeprefix(OWN_PREFIX): self._frame(name) for name in names}
        return {name: frame for name, frame in frames.items() if len(frame)}

    @property
    def recorded(self) -> frozenset[type[Event]]:
        """The kinds of events that have been recorded."""
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
        """The run's folder."""
        return self._folder

    @property
    def id(self) -> str:
        """16 hex digits that name the run in other programs, wherever it lies; a copy of it has the same."""
        ((created, parent, at),) = self._rows("run", ["created_at", "parent_run", "parent_iteration"])
        begun_with = self.config_at(0 if at is None else at + 1).to_json()
        return text_digest(canonical_json([created, parent, at, begun_with]))[:16]

    @property
    def iteration(self) -> int | None:
        """The last iteration recorded; None if not even the start (iteration 0) is."""
        with self._turns.turn():
            ((last,),) = self._connection.execute("SELECT max(iteration) FROM iterations").fetchall()
        return None if last is None else int(last)

    @property
    def parent(self) -> ForkOrigin | None:
        """The run that this one was forked from; None if it is not a fork."""
        ((run, iteration),) = self._rows("run", ["parent_run", "parent_iteration"])
        return None if run is None or iteration is None else ForkOrigin(run, iteration)

    @property
    def config(self) -> Config:
        """The config in force for the next iteration."""
        iteration = self.iteration
        return self.config_at(0 if iteration is None else iteration + 1)

    @property
    def configs(self) -> list[tuple[int, Config]]:
        """Every config with the first iteration in which it is in force, ascending."""
        with self._turns.turn():
            return all_configs(self._connection)

    @property
    def policy(self) -> AbstractPolicy:
        """The policy of every theta in the run; a fork cannot change it.

        Raises:
            InputError: it is a user's own code and is not trusted, see ``open_run``; or it cannot be imported.
        """
        config = self.config.policy
        self._check_trust("policy.kind", config.kind)
        from poet.policy import make_run_policy  # here, so that looking at a run does not import policies

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
        """The config that is in force in an iteration, done or not. A fork may have changed it on the way."""
        with self._turns.turn():
            return config_at(self._connection, whole_number("iteration", iteration))

    @property
    def keyframes(self) -> list[int]:
        """Iterations whose states are kept, ascending. The last one may be dropped when the run goes on."""
        with self._turns.turn():
            return kept_iterations(self._connection)

    def agent(self, id: int, iteration: int | None = None) -> StoredAgent:
        """A niche's agent: the latest version with a stored theta.

        Args:
            id: of the agent, which is the same as that of its niche.
            iteration: ignore versions after this iteration; None for all versions.

        Raises:
            InputError: there is no such niche, or none of its versions is that old.
        """
        id = self._known_niche(id)
        up_to = "" if iteration is None else f" AND iteration <= {whole_number('iteration', iteration)}"
        latest = f"SELECT id FROM versions WHERE niche_id = ?{up_to} AND {_STORED} ORDER BY iteration DESC, id DESC"
        rows = self._rows("versions", columns(AgentVersion), f"id = ({latest} LIMIT 1)", id)
        if not rows:
            ((first,),) = self._rows("niches", ["iteration"], "niche_id = ?", id)
            raise InputError(f"agent {id} of {self._folder} begins at iteration {first}: ask for that or a later one")
        return self._stored_agent(read_version(rows[0]))

    def stored_agent(self, version_id: int) -> StoredAgent:
        """An agent version by its id.

        Raises:
            InputError: there is no such version, or its theta is not stored.
        """
        version_id = whole_number("a version's id", version_id)
        rows = self._rows("versions", columns(AgentVersion), f"id = ? AND {_STORED}", version_id)
        if not rows:
            raise InputError(
                f"{self._folder} has no agent of the version {version_id}: either it is another run's, or its theta "
                "was not stored"
            )
        return self._stored_agent(read_version(rows[0]))

    def stored_agents(self, id: int | None = None) -> list[StoredAgent]:
        """All agent versions with a stored theta, in the order of version ids.

        Args:
            id: of the one agent whose versions are wanted; None for all agents.

        Raises:
            InputError: there is no such niche.
        """
        niche_id = None if id is None else self._known_niche(id)
        return [self._stored_agent(version) for version in self.stored_versions(niche_id)]

    def stored_versions(self, niche_id: int | None = None, after: int = -1) -> list[AgentVersion]:
        """The records of agent versions with a stored theta, in the order of version ids.

        Args:
            niche_id: whose; None for all. A niche that does not exist has none.
            after: leave out this version and older ones.
        """
        of_niche, parameters = ("", ()) if niche_id is None else ("niche_id = ? AND ", (niche_id,))
        rows = self._rows("versions", columns(AgentVersion), f"{of_niche}id > ? AND {_STORED}", *parameters, after)
        return [read_version(row) for row in rows]

    @property
    def num_thetas(self) -> int:
        """How many thetas are stored, which also grows when a run stops."""
        with self._turns.turn():
            ((newest,),) = self._connection.execute("SELECT max(rowid) FROM thetas").fetchall()
        return newest or 0

    def rows_after(self, kind: type[Event], names: list[str], iteration: int, first: int = 0) -> list[tuple[Any, ...]]:
        """Some fields of the events of a kind after an iteration, for who follows a run; in the order of ids.

        Args:
            kind: of events.
            names: of their fields, without arrays and terrains; JSON comes as text.
            iteration: the last one that is left out; -1 for none.
            first: an id that none of these events is below, where the kind has ids (for ``SourceScored`` it is that of
                the attempt). With it nothing older is read, however long the run is.
        """
        with self._turns.turn():
            return read_rows_after(self._connection, EVENT_TABLES[kind], names, iteration, first)

    def spent_after(self, iteration: int) -> list[tuple[int, int, int]]:
        """Iteration, niche id and env-steps of all purposes, for the iterations after one; -1 for all."""
        with self._turns.turn():
            return read_spent_after(self._connection, iteration)

    def seconds_after(self, iteration: int) -> list[tuple[int, float]]:
        """Iteration and wall time of the iterations after one; -1 for all."""
        return [
            (i, seconds)
            for i, seconds in self._rows("iterations", ["iteration", "seconds"], "iteration > ?", iteration)
        ]

    def stored_version_ids(self) -> frozenset[int]:
        """The ids of all agent versions with a stored theta."""
        return frozenset(int(id) for (id,) in self._rows("versions", ["id"], _STORED))

    def terrain(self, niche_id: int) -> Terrain:
        """A niche's own instance.

        Raises:
            InputError: there is no such niche.
        """
        niche_id = self._known_niche(niche_id)
        ((text,),) = self._rows("niches", ["terrain"], "niche_id = ?", niche_id)
        with self._turns.turn():
            try:
                return Terrain.from_json(load_object(text, f"the terrain of niche {niche_id}"))
            except (ValueError, OverflowError) as error:
                raise DamageError(f"the terrain of niche {niche_id}: {error}") from error

    def show(self, niche: int | None = None, agent: int | None = None, iteration: int | None = None) -> Shown:
        """A niche in which its agents walk, in a notebook: the very physics of the run, in a page of its own.

        Args:
            niche: whose terrain; None for a hard one that is solved.
            agent: who walks; None for the niche's first and its last agent, side by side.
            iteration: the agent's latest stored version at or before it; None for the last.

        Returns:
            What draws itself as the last value of a cell, without a network. Elsewhere ``save`` it, and open the file.

        Raises:
            InputError: no such niche or agent, none that old, or a policy of a user's own.
        """
        check_packages("experiments")
        # By name, since the page is made above the algorithm; only who looks at a run needs it.
        shown: Shown = import_module("experiments.page.notebook").show(self, niche, agent, iteration)
        return shown

    def last_scores(self) -> dict[int, float]:
        """The score of each niche's last agent version, by niche id."""
        last = "id IN (SELECT max(id) FROM versions GROUP BY niche_id)"
        return dict(sorted(self._rows("versions", ["niche_id", "score"], last)))

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """A block in which every call sees one snapshot, even if the run goes on. Other threads wait until it ends."""
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
            optimiser_type: the state class of the niches' optimisers, such as the strategy's.
            genotype_type: the run's genotype class.

        Raises:
            InputError: that state is not kept, or it belongs to another trainer, strategy or genotype.
        """
        kept = self.keyframes
        wanted = whole_number("iteration", iteration) if iteration is not None else kept[-1] if kept else None
        if wanted is None or wanted not in kept:
            raise InputError(nearest_kept(self._folder, kept, wanted))
        ((data,),) = self._rows("snapshots", ["state"], "iteration = ?", wanted)
        with self._turns.turn():
            thetas = partial(read_theta, self._connection)
            retired = partial(retired_values, self._connection)
            grown = partial(read_grown, self._connection)
            state = decode_state(data, thetas, retired, grown, state_type, optimiser_type, genotype_type)
            check_state(self._connection, state, wanted)
        return state

    def close(self) -> None:
        """Close the archive; a second call does nothing."""
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
        return StoredAgent(version, theta, self._policy_config)

    @cached_property
    def _policy_config(self) -> PolicyConfig:
        """The same for every agent: a fork cannot change it."""
        return self.config_at(0).policy

    def _known_niche(self, id: int) -> int:
        """The checked id as a Python int, since SQLite would store the bytes of NumPy's integers."""
        niche_id = whole_number("a niche's id", id)
        with self._turns.turn():
            # Niches are not counted for each question, which would go through all of their terrains.
            of_niche = "SELECT 1 FROM niches WHERE niche_id = ?"
            if 0 <= niche_id < 2**63 and self._connection.execute(of_niche, (niche_id,)).fetchall():
                return niche_id
            ((num_niches,),) = self._connection.execute("SELECT count(*) FROM niches").fetchall()
        known = f"its niches are 0 to {num_niches - 1}" if num_niches else "nothing is recorded yet"
        raise InputError(f"the run {self._folder} has no niche {niche_id}: {known}")
