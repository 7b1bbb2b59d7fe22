"""What happens in an iteration: frozen records, each a row that the archive appends and never changes.

Every record carries the iteration that made it: 0 for the start of the run, then 1, 2, ... Ids count from 0 in the
order of events, so they are the same in every execution of a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.terrain.terrain import Terrain
from poet.criterion import Judgement
from poet.types import Origin, Purpose


class CandidateOutcome(StrEnum):
    """What happened to a candidate, in the order in which it can be refused."""

    DUPLICATE = "duplicate"  # an active niche has the same genotype
    TOO_HARD = "too_hard"  # its parent scores below the criterion's lower bound in it
    TOO_EASY = "too_easy"  # its parent scores above the upper bound
    NOT_REACHED = "not_reached"  # enough more novel candidates had been admitted
    TRANSFER_TOO_HARD = "transfer_too_hard"  # the best of all agents scores below the lower bound
    TRANSFER_TOO_EASY = "transfer_too_easy"  # the best of all agents scores above the upper bound
    REJECTED_BY_FORK = "rejected_by_fork"  # a forked run was told to refuse it
    ADMITTED = "admitted"


class TransferOutcome(StrEnum):
    """What happened to a transfer attempt."""

    NOT_BETTER = "not_better"  # no source beat the target's own agent
    NOT_CONFIRMED = "not_confirmed"  # one did, but not on fresh instances (transfer.confirm_episodes)
    ACCEPTED = "accepted"
    CANDIDATE_REFUSED = "candidate_refused"  # the best source does not satisfy the criterion in a candidate
    REJECTED_BY_FORK = "rejected_by_fork"  # a forked run was told to refuse it


class ValidationSet(StrEnum):
    """What an agent is validated on."""

    PUSHES = "pushes"  # its niche's own ground under pushes
    SEEDS = "seeds"  # fresh seeds of its niche's genotype


class Occasion(StrEnum):
    """Why an agent is validated. A version with several reasons is validated once, for the first of them."""

    ADMISSION = "admission"  # it is a niche's first agent
    RETIREMENT = "retirement"  # its niche retires
    TRANSFER = "transfer"  # it has replaced a niche's agent
    INTERVAL = "interval"  # ``validation.interval`` iterations are over


@dataclass(frozen=True)
class CandidateJudged:
    """A child on trial, and what happened to it.

    Attributes:
        id: of the candidate.
        parent_id: niche that it was mutated from.
        genotype: JSON values.
        parent_score: of its parent's agent in it; None for a duplicate, which is not run.
        novelty: None unless it passed the criterion with its parent.
        best_score: of the best agent in it; None unless it came to the transfer test.
        niche_id: of the niche it became; None if it was refused.
    """

    id: int
    iteration: int
    parent_id: int
    genotype: dict[str, Any]
    terrain_seed: int
    parent_score: float | None
    novelty: float | None
    best_score: float | None
    outcome: CandidateOutcome
    niche_id: int | None


@dataclass(frozen=True)
class NicheAdmitted:
    """A niche begins. ``terrain`` is its own instance as engines use it, so replay needs no genotype code.

    Attributes:
        candidate_id, parent_id, novelty: None for the root.
        score: of its first agent, version ``version_id``.
    """

    niche_id: int
    iteration: int
    parent_id: int | None
    candidate_id: int | None
    genotype: dict[str, Any]
    terrain_seed: int
    terrain: Terrain
    score: float
    novelty: float | None
    version_id: int


@dataclass(frozen=True)
class NicheJudged:
    """Scores of all agents, as they are, in a new niche at its admission: the half of ANNECS that is known then.

    Its agents are those from before the reproduction that admitted it: of the niches 0 to ``num_agents - 1``, retired
    ones with their last theta, active ones with their current one. Scores are of one episode on its own instance.

    Attributes:
        num_agents: how many judged it.
        num_retired: how many of them had retired.
        best_score: the best of their scores and of its first agent's.
        judgement: the criterion's judgement of that (Wang et al. 2020).
        retired_best_score: the best score of a retired agent; None if there is none yet.
        retired_judgement: the criterion's judgement of that (the released code); None likewise.
    """

    niche_id: int
    iteration: int
    num_agents: int
    num_retired: int
    best_score: float
    judgement: Judgement
    retired_best_score: float | None
    retired_judgement: Judgement | None


@dataclass(frozen=True)
class NicheSolved:
    """The first time that any agent solves a niche: the papers' rule (finished, return >= 230, on its own instance;
    POET.md 7.1), and with ``niche.instances = K`` as much in half of the K fresh ones in the same evaluation.

    Attributes:
        source_id: the niche whose agent did it.
        source_version_id: that agent's version then. The niche was solved by that version itself (``direct``), or by it
            after one ES step in the niche (``proposal``). The niche's own agent is its own source.
        origin: how the solving theta was made: ``initial``, ``es``, ``direct`` or ``proposal``.
        purpose: the evaluation in which it happened.
        own_return: the return.
        theta_digest, theta: of the solving theta, as in ``AgentVersion``. The archive keeps it even if the transfer was
            refused.
    """

    niche_id: int
    iteration: int
    source_id: int
    source_version_id: int
    origin: Origin
    purpose: Purpose
    own_return: float
    theta_digest: str
    theta: NDArray[np.float32] | None = field(default=None, repr=False, compare=False, metadata={"is_column": False})


@dataclass(frozen=True)
class NicheValidated:
    """How often one agent version succeeds on one of its niche's validation sets; no version is run twice on one.

    Attributes:
        num_episodes: size of the set.
        num_successes: episodes that finished with a return of 230 or more.
        return_mean: over all of them.
        length_mean: likewise, control steps.
        theta: (P,) float32 of the version; not a column. The archive keeps it, so that the rate can be measured again.
    """

    niche_id: int
    iteration: int
    version_id: int
    validation_set: ValidationSet
    occasion: Occasion
    num_episodes: int
    num_successes: int
    return_mean: float
    length_mean: float
    theta: NDArray[np.float32] | None = field(default=None, repr=False, compare=False, metadata={"is_column": False})

    @property
    def rate(self) -> float:
        """Share of successes, 0 to 1."""
        return self.num_successes / self.num_episodes


@dataclass(frozen=True)
class NicheRetired:
    """A niche goes from active to retired, with the agent and score it then has."""

    niche_id: int
    iteration: int
    version_id: int
    score: float


@dataclass(frozen=True)
class TransferAttempted:
    """One (round, target), or the transfer test of one candidate.

    Attributes:
        target_id: the niche; None when the target is a candidate that was refused.
        candidate_id: the candidate; None for a periodic transfer.
        threshold: the score that had to be beaten; None for a candidate.
        source_id, origin, score: of the best source; None when no source was tried.
        version_id: the version it became; None unless accepted.
    """

    id: int
    iteration: int
    target_id: int | None
    candidate_id: int | None
    threshold: float | None
    outcome: TransferOutcome
    source_id: int | None
    origin: Origin | None
    score: float | None
    version_id: int | None


@dataclass(frozen=True)
class SourceScored:
    """What one source scored in a transfer attempt.

    Attributes:
        proposal_score: None when the rule spent no proposal on it.
    """

    transfer_id: int
    source_id: int
    iteration: int
    direct_score: float
    proposal_score: float | None


@dataclass(frozen=True)
class GenerationDone:
    """One ES step of one niche: statistics of its sample, then of the resulting theta (version ``version_id``).

    Attributes:
        return_mean, return_median, return_std, return_min, return_max: over the sample's episodes.
        length_mean: control steps.
        num_diverged: episodes of the sample that diverged.
        noise_std, learning_rate: of this step.
        theta_norm, update_norm: Euclidean norms of the new theta and of its change.
        score: of the new theta.
    """

    iteration: int
    niche_id: int
    version_id: int
    return_mean: float
    return_median: float
    return_std: float
    return_min: float
    return_max: float
    length_mean: float
    num_diverged: int
    noise_std: float
    learning_rate: float
    theta_norm: float
    update_norm: float
    score: float


@dataclass(frozen=True)
class AgentVersion:
    """One theta of one niche's agent, with its origin.

    Attributes:
        parent_id: the version it was made from; None for the root's first.
        source_id: the niche that version belongs to; None unless it came by transfer or admission.
        theta_digest: see ``poet.types.theta_digest``.
        score, own_return, own_length, own_outcome: see ``poet.types.Evaluation``.
        theta: (P,) float32; not a column. The archive keeps it separately, and only for some versions; None in a record
            read back from there.
    """

    id: int
    niche_id: int
    iteration: int
    parent_id: int | None
    origin: Origin
    source_id: int | None
    theta_digest: str
    score: float
    own_return: float
    own_length: int
    own_outcome: int
    theta: NDArray[np.float32] | None = field(default=None, repr=False, compare=False, metadata={"is_column": False})


@dataclass(frozen=True)
class Cost:
    """Env-steps and episodes spent by one niche on one purpose in one iteration; a candidate's go to its parent."""

    iteration: int
    niche_id: int
    purpose: Purpose
    env_steps: int
    episodes: int


Event = (
    CandidateJudged
    | NicheAdmitted
    | NicheJudged
    | NicheSolved
    | NicheValidated
    | NicheRetired
    | TransferAttempted
    | SourceScored
    | GenerationDone
    | AgentVersion
    | Cost
)


@dataclass(frozen=True)
class OwnEvent:
    """Base of the events that one trainer alone has: a frozen dataclass, whose rows make a table of its own.

    A field is a column: a number (int, float, bool), a text, one of these or None, or what JSON can hold, which is
    stored as its text. No number is NaN. ``number``, the place among the iteration's events of the kind, is added.

    Attributes:
        table: its name, of small letters, digits and ``_``; the archive puts ``own_`` before it.
    """

    table: ClassVar[str]

    iteration: int


AnyEvent = Event | OwnEvent
