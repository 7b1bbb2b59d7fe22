"""What a run knows between two iterations: niches, active and retired, and the counters of ids.

All of it is frozen: an iteration takes a state and returns the next one with the events between them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import StrategyState
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain


class Origin(StrEnum):
    """How an agent version was made."""

    INITIAL = "initial"
    ES = "es"
    DIRECT = "direct"
    PROPOSAL = "proposal"
    ADMISSION_DIRECT = "admission_direct"
    ADMISSION_PROPOSAL = "admission_proposal"


class Purpose(StrEnum):
    """What env-steps are spent on; the ledger's columns."""

    ES = "es"
    SELF_EVAL = "self_eval"
    TRANSFER_DIRECT = "transfer_direct"
    TRANSFER_PROPOSAL = "transfer_proposal"
    TRANSFER_CONFIRMATION = "transfer_confirmation"
    CANDIDATE_CRITERION = "candidate_criterion"
    CANDIDATE_TRANSFER = "candidate_transfer"
    NOVELTY = "novelty"
    ANNECS = "annecs"
    VALIDATION = "validation"
    BOUNDARY = "boundary"
    LEVEL_SCORE = "level_score"
    ORDER = "order"


@dataclass(frozen=True)
class Evaluation:
    """One theta in one niche.

    Attributes:
        score: mean return over the niche's instances of the iteration; -inf if a world diverged.
        own_return: of the episode on the niche's own instance (the same as ``score`` when instances are fixed).
        own_length: control steps of that episode.
        own_outcome: how it ended, a value of ``Outcome``.
        num_solved: episodes on fresh instances that finished with a return of 230 or more; 0 when instances are fixed.
    """

    score: float
    own_return: float
    own_length: int
    own_outcome: int
    num_solved: int = 0


@dataclass(frozen=True)
class SuccessRates:
    """How often an agent succeeded on its niche's validation sets; see ``poet.validation``.

    Attributes:
        version_id: the agent version that was measured.
        pushes: share of successes on the niche's own ground under pushes, 0 to 1.
        seeds: the same on fresh seeds of its genotype.
    """

    version_id: int
    pushes: float
    seeds: float


@dataclass(frozen=True, eq=False)
class Niche:
    """An environment and its paired agent.

    Attributes:
        id: of the niche and of its agent; ids grow with admission.
        genotype: what its children mutate from.
        terrain_seed: of its own instance, ``genotype.express(terrain_seed)``.
        parent_id: the niche it is a child of; None for a root.
        created: iteration of its admission.
        optimiser: the strategy's state, N = 1; its theta is the agent's.
        version_id: the agent version that theta is.
        evaluation: of that theta in this niche.
        recent_scores: last self evaluations, oldest first; the 2020 transfer rule's memory.
        is_solved: whether any agent has solved it once.
        success: the latest success rates of its agent; None if it never was validated.
        drawn: its own instance, if that is a ground which no genotype makes; see ``poet.roots``.
    """

    id: int
    genotype: AbstractGenotype
    terrain_seed: int
    parent_id: int | None
    created: int
    optimiser: StrategyState
    version_id: int
    evaluation: Evaluation
    recent_scores: tuple[float, ...] = ()
    is_solved: bool = False
    success: SuccessRates | None = None
    drawn: Terrain | None = None

    def __repr__(self) -> str:
        """In brief: the optimiser's arrays would fill a screen."""
        parent = "the root" if self.parent_id is None else f"child of {self.parent_id}"
        return (
            f"{type(self).__name__}({self.id}, {parent}, admitted in iteration {self.created}, "
            f"score {self.evaluation.score:.1f}, {self.genotype!r})"
        )

    @property
    def theta(self) -> NDArray[np.float32]:
        """(P,) float32, the agent."""
        theta: NDArray[np.float32] = self.optimiser.theta[0]
        return theta


@dataclass(frozen=True, eq=False)
class RetiredNiche:
    """A retired niche: no longer trained, a parent, a source or a target; it still counts for novelty and ANNECS.

    It can still be solved, when an agent first solves it in an evaluation for novelty. Nothing else of it changes: an
    archive stores no retired niche, but reads it back from its events.

    Attributes:
        id, genotype, terrain_seed, parent_id, created, is_solved, drawn: as in ``Niche``.
        retired: iteration of its retirement.
        version_id: its agent's last version.
        theta: (P,) float32, that agent.
    """

    id: int
    genotype: AbstractGenotype
    terrain_seed: int
    parent_id: int | None
    created: int
    is_solved: bool
    retired: int
    version_id: int
    theta: NDArray[np.float32]
    drawn: Terrain | None = None

    @cached_property
    def digest(self) -> str:
        """``theta_digest`` of its theta, computed once, since all retired agents are run in every new niche."""
        return theta_digest(self.theta)


@dataclass(frozen=True, eq=False)
class RunState:
    """What every trainer knows of a run between two iterations; a trainer's own state has further fields.

    A further field is an ``int`` from 0 on, an array of numbers (``NDArray[np.float64]``), or what JSON can hold:
    ``float``, ``str``, ``bool``, None, dicts, and tuples and frozen dataclasses of these. By its type an archive reads
    it back, to the bit.

    Attributes:
        iteration: iterations done.
        active: niches being optimised, oldest first; at least one.
        retired: retired niches, in order of retirement.
        next_niche_id, next_version_id: ids not used yet.
        env_steps: control steps spent so far, the sum of the ledger.
        episodes: episodes run so far.
        scored_steps: ``evaluation.max_steps`` of the episodes that the active niches' evaluations come from; 0 in a
            state of archive schema 1, which does not say.
    """

    iteration: int
    active: tuple[Niche, ...]
    retired: tuple[RetiredNiche, ...] = ()
    next_niche_id: int = 0
    next_version_id: int = 0
    env_steps: int = 0
    episodes: int = 0
    scored_steps: int = 0

    @property
    def niches(self) -> tuple[Niche | RetiredNiche, ...]:
        """All ever admitted: retired ones in order of retirement, then active ones, oldest first."""
        return (*self.retired, *self.active)

    def evaluated_at(self, max_steps: int) -> Self:
        """The state once all active agents were evaluated in episodes of that length."""
        return replace(self, scored_steps=max_steps)

    def check(self) -> None:
        """Raise ``ValueError``, with a clause that says why, if a state that was read cannot be one."""


#: The metadata of a state's field that holds a table (rows, columns) of float64 of which most stays as it is from one
#: iteration to the next: each iteration stores what is new of it. See ``poet.archive.grown``.
GROWS = {"grows": True}

#: The state of some trainer.
State = TypeVar("State", bound=RunState)


@dataclass(frozen=True, eq=False)
class PoetState(RunState):
    """A run of POET between two iterations.

    Attributes:
        next_candidate_id, next_transfer_id: ids not used yet.
        retired_scores: (R, N) float64, what the agent of each retired niche, in order of retirement, scores on the own
            instance of each niche ever admitted, by id; -inf for a diverged world, NaN where it was never run. It never
            changes, so it is never run again, while episodes are as long as ``scored_steps``. (0, 0) where novelty
            needs no scores. See ``poet.agent_scores``.
    """

    next_candidate_id: int = 0
    next_transfer_id: int = 0
    retired_scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)), metadata=GROWS)

    def evaluated_at(self, max_steps: int) -> Self:
        """See ``RunState``; scores that come from other episodes are dropped."""
        kept = self if self.scored_steps == max_steps else replace(self, retired_scores=np.zeros((0, 0)))
        return super(PoetState, kept).evaluated_at(max_steps)

    def check(self) -> None:
        """See ``RunState``."""
        scores = self.retired_scores
        if scores.ndim != 2 or len(scores) > len(self.retired) or scores.shape[1] > self.next_niche_id:
            raise ValueError(f"retired_scores of the shape {scores.shape} do not fit its niches")


def theta_digest(theta: NDArray[np.float32]) -> str:
    """SHA-256 of a theta's little-endian bytes, 64 hex digits; the name of its content in an archive."""
    return hashlib.sha256(theta.astype("<f4", copy=False).tobytes()).hexdigest()
