"""What the page tells of a run, read once and then followed: each time only what is new is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from poet.archive.errors import DamageError
from poet.archive.values import load_object
from poet.criterion import Judgement
from poet.events import (
    AgentVersion,
    NicheAdmitted,
    NicheJudged,
    NicheRetired,
    NicheSolved,
    NicheValidated,
    Occasion,
    SourceScored,
    TransferAttempted,
    TransferOutcome,
    ValidationSet,
)
from poet.roots import drawn_roots
from poet.types import Origin
from poet.validation import ROBUST_RATE

if TYPE_CHECKING:
    from poet.archive.reader import Run

#: Points that a niche's curve keeps; with more, every second one is forgotten.
_MOST_KEPT = 1000


@dataclass
class Rates:
    """The success rates of a niche's agents on one set, 0 to 1, as in ``experiments.analysis.success.rates_by_niche``.

    Attributes:
        admission: of the first agent; None if it was not measured.
        now: of the last agent that was measured, the version ``version_id``.
        best: the greatest.
        reached: the iteration in which ``ROBUST_RATE`` was reached first; None if it never was.
    """

    admission: float | None = None
    now: float | None = None
    best: float | None = None
    reached: int | None = None
    version_id: int = -1

    def add(self, version_id: int, iteration: int, occasion: str, rate: float) -> None:
        """One more measurement."""
        if occasion == Occasion.ADMISSION:
            self.admission = rate
        if version_id > self.version_id:
            self.version_id, self.now = version_id, rate
        self.best = rate if self.best is None else max(self.best, rate)
        if rate >= ROBUST_RATE and self.reached is None:
            self.reached = iteration


@dataclass
class NicheRecord:
    """A niche so far.

    Attributes:
        id, parent_id, created, admission_score, terrain_seed: as in ``NicheAdmitted``.
        genotype: as JSON values.
        is_drawn: whether its ground is one that no genotype makes (``poet.roots``).
        changed: the last iteration in which anything of it was new.
        last_score: of its agent.
        retired, solved: iterations; None if not so far.
        children, transfers_in, transfers_out: niches mutated from it; agents that came and that left by a transfer.
        env_steps: spent on it.
        rates: by validation set.
        judged: what all agents scored in it at its admission.
        scores: iteration and score of its agent at the end of it, ascending.
    """

    id: int
    parent_id: int | None
    created: int
    admission_score: float
    genotype: Mapping[str, Any]
    terrain_seed: int
    is_drawn: bool
    changed: int
    last_score: float
    retired: int | None = None
    solved: int | None = None
    children: int = 0
    transfers_in: int = 0
    transfers_out: int = 0
    env_steps: int = 0
    rates: dict[str, Rates] = field(default_factory=lambda: {which: Rates() for which in ValidationSet})
    judged: NicheJudged | None = None
    scores: list[tuple[int, float]] = field(default_factory=list)

    def add_score(self, iteration: int, score: float) -> None:
        """The score of a new version, which counts from then on; of several in an iteration the last one does."""
        self.last_score = score
        if self.scores and self.scores[-1][0] == iteration:
            self.scores[-1] = (iteration, score)
            return
        if len(self.scores) >= _MOST_KEPT:
            self.scores = self.scores[::2]
        self.scores.append((iteration, score))


@dataclass(frozen=True)
class Measured:
    """A measurement of an agent's success, see ``NicheValidated``; ``rate`` is 0 to 1."""

    niche_id: int
    version_id: int
    validation_set: str
    occasion: str
    iteration: int
    num_episodes: int
    num_successes: int
    rate: float
    return_mean: float


@dataclass(frozen=True)
class Move:
    """An accepted transfer, see ``TransferAttempted``; ``is_periodic`` is False for one into a new niche."""

    source_id: int
    target_id: int
    iteration: int
    origin: str
    score: float
    threshold: float | None
    version_id: int
    is_periodic: bool


class Record:
    """A run up to an iteration. ``follow`` takes in what came since; one thread at a time may use it.

    Attributes:
        iteration: the last one; -1 before anything is recorded.
        steps: env-steps spent by the end of each iteration.
        niches: by id.
        measured, moves: in the order of iterations, then of version ids and attempts.
        tried: how often the agent of a source niche was tried in a target niche, by (source, target).
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._drawn = frozenset(drawn_roots(run.config))
        self._num_versions = self._num_attempts = 0
        self._targets: dict[int, Any] = {}  # of the periodic attempts of an iteration
        self.iteration = -1
        self.steps: list[int] = []
        self.niches: list[NicheRecord] = []
        self.measured: list[Measured] = []
        self.moves: list[Move] = []
        self.tried: Counter[tuple[int, int]] = Counter()

    def follow(self, until: int | None = None) -> bool:
        """Take in what is new, up to an iteration (None for the run's last one). Returns whether there was anything.

        Raises:
            InputError: the archive is damaged or cannot be read.
        """
        return sum(1 for _ in self.follow_each(until)) > 0

    def follow_each(self, until: int | None = None) -> Iterator[int]:
        """``follow``, iteration by iteration: after each one that it yields, this is the record up to its end."""
        with self._run.at_one_moment(), self._explained():
            newest = self._run.iteration
            last = newest if until is None or newest is None else min(until, newest)
            if last is None or last <= self.iteration:
                return
            new = self._read()
        for iteration in range(self.iteration + 1, last + 1):
            with self._explained():
                self.steps.append(self.steps[-1] if self.steps else 0)
                for take, rows in new:
                    for row in rows.pop(iteration, ()):
                        take(*row)
            self._targets.clear()
            self.iteration = iteration
            yield iteration

    def niche(self, niche_id: Any) -> NicheRecord:
        """A niche by its id.

        Raises:
            DamageError: there is none.
        """
        if not isinstance(niche_id, int) or not 0 <= niche_id < len(self.niches):
            raise DamageError(f"something happened in niche {niche_id!r:.40}, which does not exist")
        return self.niches[niche_id]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DamageError as error:
            raise DamageError(f"the archive of the run {self._run.folder} is damaged: {error}") from error

    def _read(self) -> list[tuple[Callable[..., None], dict[int, list[tuple[Any, ...]]]]]:
        """What is new: who takes it in, in this order within an iteration, and the rows by iteration."""

        def new(kind: Any, names: str, first: int = 0) -> dict[int, list[tuple[Any, ...]]]:
            return by_iteration(self._run.rows_after(kind, ["iteration", *names.split()], self.iteration, first))

        measured = new(
            NicheValidated, "niche_id version_id validation_set occasion num_episodes num_successes return_mean"
        )
        attempts = "id target_id candidate_id threshold outcome source_id origin score version_id"
        return [
            (self._admit, new(NicheAdmitted, "niche_id parent_id score terrain_seed genotype", len(self.niches))),
            (self._spend, by_iteration(self._run.spent_after(self.iteration))),
            (self._version, new(AgentVersion, "id niche_id origin source_id score", self._num_versions)),
            (self._solve, new(NicheSolved, "niche_id")),
            (self._retire, new(NicheRetired, "niche_id")),
            (self._judge, new(NicheJudged, "niche_id num_agents num_retired best_score judgement retired_judgement")),
            (self._validate, {i: sorted(rows, key=lambda row: row[2:4]) for i, rows in measured.items()}),
            (self._move, new(TransferAttempted, attempts, self._num_attempts)),
            (self._try, new(SourceScored, "transfer_id source_id", self._num_attempts)),
        ]

    def _admit(
        self, iteration: int, niche_id: int, parent_id: int | None, score: float, terrain_seed: int, text: str
    ) -> None:
        if niche_id != len(self.niches):
            raise DamageError(f"niche {len(self.niches)} is missing")
        genotype = load_object(text, f"the genotype of niche {niche_id}")
        is_drawn = niche_id in self._drawn
        self.niches.append(
            NicheRecord(niche_id, parent_id, iteration, score, genotype, terrain_seed, is_drawn, iteration, score)
        )
        if parent_id is not None:
            self._touched(parent_id, iteration).children += 1

    def _spend(self, iteration: int, niche_id: int, env_steps: int) -> None:
        self.steps[iteration] += env_steps
        self._touched(niche_id, iteration).env_steps += env_steps

    def _solve(self, iteration: int, niche_id: int) -> None:
        self._touched(niche_id, iteration).solved = iteration

    def _retire(self, iteration: int, niche_id: int) -> None:
        self._touched(niche_id, iteration).retired = iteration

    def _version(
        self, iteration: int, version_id: int, niche_id: int, origin: str, source_id: int | None, score: float
    ) -> None:
        self._num_versions = version_id + 1
        niche = self._touched(niche_id, iteration)
        niche.add_score(iteration, score)
        if origin in (Origin.DIRECT, Origin.PROPOSAL):
            niche.transfers_in += 1
            self._touched(source_id, iteration).transfers_out += 1

    def _judge(
        self, iteration: int, niche_id: int, agents: int, retired: int, best: float, judgement: str, other: str | None
    ) -> None:
        of_retired = None if other is None else Judgement(other)
        self._touched(niche_id, iteration).judged = NicheJudged(
            niche_id, iteration, agents, retired, best, Judgement(judgement), None, of_retired
        )

    def _validate(
        self,
        iteration: int,
        niche_id: int,
        version_id: int,
        which: str,
        occasion: str,
        num_episodes: int,
        num_successes: int,
        return_mean: float,
    ) -> None:
        if not 0 <= num_successes <= num_episodes or num_episodes == 0:
            raise DamageError("an agent succeeded more often than it was run")
        rate = num_successes / num_episodes
        self._touched(niche_id, iteration).rates[which].add(version_id, iteration, occasion, rate)
        self.measured.append(
            Measured(
                niche_id, version_id, which, occasion, iteration, num_episodes, num_successes, rate, return_mean
            )
        )  # fmt: skip

    def _move(
        self,
        iteration: int,
        attempt: int,
        target_id: int | None,
        candidate_id: int | None,
        threshold: float | None,
        outcome: str,
        source_id: int | None,
        origin: str | None,
        score: float | None,
        version_id: int | None,
    ) -> None:
        self._num_attempts = attempt + 1
        if candidate_id is None:
            self._targets[attempt] = target_id
        if outcome != TransferOutcome.ACCEPTED or target_id is None:
            return
        if origin is None or score is None or version_id is None:
            raise DamageError(f"the transfer {attempt} was accepted, but does not say what came")
        source, target = self._touched(source_id, iteration), self._touched(target_id, iteration)
        self.moves.append(
            Move(source.id, target.id, iteration, origin, score, threshold, version_id, candidate_id is None)
        )

    def _try(self, iteration: int, attempt: int, source_id: int) -> None:
        if attempt in self._targets:
            self.tried[source_id, self._targets[attempt]] += 1

    def _touched(self, niche_id: Any, iteration: int) -> NicheRecord:
        niche = self.niche(niche_id)
        niche.changed = max(niche.changed, iteration)
        return niche


def by_iteration(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    """Rows that begin with an iteration."""
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found
