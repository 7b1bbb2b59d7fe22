"""On what an agent is run, and what its score is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.request import Block, Thetas, every_row
from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments.streams import Stream
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet import streams
from poet.config import Config
from poet.events import Cost, NicheSolved
from poet.types import Evaluation, Niche, Origin, Purpose, RetiredNiche, theta_digest

AnyNiche = TypeVar("AnyNiche", Niche, RetiredNiche)

#: The return from which a finished episode counts as solved (Wang et al. 2019; POET.md 7.1).
SOLVED_RETURN = 230.0

express = lru_cache(maxsize=4096)(lambda genotype, seed: genotype.express(seed))


@dataclass(frozen=True, eq=False)
class Ground:
    """The instances of a niche (or candidate) in one iteration.

    Attributes:
        own: the instance that its terrain seed gives; "solved" and replay are about this one.
        fresh: K instances of the same genotype for this iteration only; empty when instances are fixed.
    """

    own: Terrain
    fresh: tuple[Terrain, ...] = ()

    @property
    def training(self) -> tuple[Terrain, ...]:
        """Where perturbations and scores come from."""
        return self.fresh or (self.own,)


def niche_ground(niche: Niche, config: Config, iteration: int) -> Ground:
    """A niche's instances in an iteration."""
    stream = streams.niche_instances(config.run.seed, iteration, niche.id)
    return make_ground(niche.genotype, niche.terrain_seed, config, stream)


def make_ground(genotype: AbstractGenotype, terrain_seed: int, config: Config, stream: Stream) -> Ground:
    """The own instance, and K fresh ones whose seeds come from ``stream``."""
    num_fresh = 0 if config.niche.instances == "fixed" else config.niche.instances
    fresh = tuple(genotype.express(draw_terrain_seed(stream)) for _ in range(num_fresh))
    return Ground(express(genotype, terrain_seed), fresh)


def draw_terrain_seed(stream: Stream) -> int:
    """A terrain's seed: below a million, as in the released code (POET.md 1.6)."""
    return stream.integer(0, 1_000_000)


def training_block(sample: Perturbations, ground: Ground) -> Block:
    """Each row of a sample once; direction m on training instance m mod K, so both members of a pair share it."""
    rows = np.arange(sample.num_rows)
    direction = rows // 2 if sample.antithetic else rows
    return Block(sample, rows, ground.training, direction % len(ground.training))


def agent_block(thetas: Sequence[NDArray[np.float32]], ground: Ground) -> Block:
    """Each theta on the own instance and on every fresh one."""
    return every_row(Thetas(np.stack(thetas)), (ground.own, *ground.fresh))


def read_evaluations(result: RolloutResult, ground: Ground) -> tuple[Evaluation, ...]:
    """What an ``agent_block`` gave: one evaluation a theta."""
    num_terrains = 1 + len(ground.fresh)
    first_scored = 1 if ground.fresh else 0
    evaluations = []
    for start in range(0, result.returns.size, num_terrains):
        scored = result.fitness[start + first_scored : start + num_terrains].tolist()
        evaluations.append(
            Evaluation(
                score=math.fsum(scored) / len(scored),  # -inf if any world diverged
                own_return=float(result.returns[start]),
                own_length=int(result.lengths[start]),
                own_outcome=int(result.outcomes[start]),
            )
        )
    return tuple(evaluations)


def cost(iteration: int, niche_id: int, purpose: Purpose, result: RolloutResult) -> Cost:
    """The ledger's entry for a block."""
    return Cost(iteration, niche_id, purpose, result.num_steps, result.returns.size)


@dataclass(frozen=True, eq=False)
class Attempt:
    """One theta that was run in a niche, and where it comes from.

    Attributes:
        source: the niche whose agent it is, or was made from.
        origin: ``initial``, ``es``, ``direct`` or ``proposal``.
        purpose: what it was run for.
        theta: (P,) float32.
        evaluation: of theta in the niche.
    """

    source: Niche | RetiredNiche
    origin: Origin
    purpose: Purpose
    theta: NDArray[np.float32]
    evaluation: Evaluation


def own_attempt(niche: Niche, origin: Origin) -> Attempt:
    """A niche's own agent, run for its score."""
    return Attempt(niche, origin, Purpose.SELF_EVAL, niche.theta, niche.evaluation)


def solve(niche: AnyNiche, attempts: Iterable[Attempt], iteration: int) -> tuple[AnyNiche, list[NicheSolved]]:
    """Mark a niche solved by the first attempt that finishes its own instance with ``SOLVED_RETURN`` or more."""
    if niche.is_solved:
        return niche, []
    for attempt in attempts:
        own = attempt.evaluation
        if own.own_outcome == Outcome.FINISHED and own.own_return >= SOLVED_RETURN:
            event = NicheSolved(
                niche_id=niche.id,
                iteration=iteration,
                source_id=attempt.source.id,
                source_version_id=attempt.source.version_id,
                origin=attempt.origin,
                purpose=attempt.purpose,
                own_return=own.own_return,
                theta_digest=theta_digest(attempt.theta),
                theta=attempt.theta,
            )
            return replace(niche, is_solved=True), [event]
    return niche, []
