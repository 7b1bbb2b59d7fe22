"""The ground that an agent is run on, and its score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Block, Thetas, every_row
from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments.streams import Stream
from environments.terrain.generation import push_from
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

#: Terrain seeds of a run are below this, as in the released code (POET.md 1.6). No training has seen seeds from it on.
FIRST_UNSEEN_SEED = 1_000_000

express = lru_cache(maxsize=4096)(lambda genotype, seed: genotype.express(seed))


@dataclass(frozen=True, eq=False)
class Ground:
    """The instances of a niche (or candidate) in one iteration.

    Attributes:
        own: the instance that its terrain seed gives; solving and replay are about this one.
        fresh: K instances for this iteration only: other seeds of the genotype, or other pushes on the own ground
            (``niche.vary``, or because it is drawn); empty when instances are fixed.
    """

    own: Terrain
    fresh: tuple[Terrain, ...] = ()

    @property
    def training(self) -> tuple[Terrain, ...]:
        """The instances that perturbations and scores come from."""
        return self.fresh or (self.own,)


def niche_ground(niche: Niche, config: Config, iteration: int) -> Ground:
    """A niche's instances in an iteration."""
    stream = streams.niche_instances(config.run.seed, iteration, niche.id)
    return make_ground(niche.genotype, niche.terrain_seed, config, stream, niche.drawn)


def make_ground(
    genotype: AbstractGenotype, terrain_seed: int, config: Config, stream: Stream, drawn: Terrain | None = None
) -> Ground:
    """The own instance, and K fresh ones whose seeds or pushes come from ``stream``."""
    own = express(genotype, terrain_seed) if drawn is None else drawn
    vary = None if drawn is not None else genotype
    return Ground(own, fresh_instances(vary, own, config.niche.num_fresh, config, stream))


def own_terrain(niche: Niche | RetiredNiche) -> Terrain:
    """A niche's own instance."""
    made: Terrain = express(niche.genotype, niche.terrain_seed) if niche.drawn is None else niche.drawn
    return made


def fresh_instances(
    genotype: AbstractGenotype | None, own: Terrain, number: int, config: Config, stream: Stream
) -> tuple[Terrain, ...]:
    """Instances of a genotype that differ from its own as ``niche.vary`` says.

    A drawn ground has no genotype that makes others (None), so only pushes differ.
    """
    if genotype is None or config.niche.vary == "push":
        return tuple(own.with_push(push_from(stream)) for _ in range(number))
    return tuple(genotype.express(draw_terrain_seed(stream)) for _ in range(number))


def draw_terrain_seed(stream: Stream) -> int:
    """A terrain's seed: below ``FIRST_UNSEEN_SEED``."""
    return stream.integer(0, FIRST_UNSEEN_SEED)


def training_block(sample: Perturbations, ground: Ground) -> Block:
    """Each row of a sample once; direction m on training instance m mod K, so both members of a pair share it."""
    rows = np.arange(sample.num_rows)
    direction = rows // 2 if sample.antithetic else rows
    return Block(sample, rows, ground.training, direction % len(ground.training))


def agent_block(thetas: Sequence[NDArray[np.float32]], ground: Ground) -> Block:
    """Each theta on the own instance and on every fresh one."""
    return every_row(Thetas(np.stack(thetas)), (ground.own, *ground.fresh))


def read_evaluations(result: RolloutResult, ground: Ground) -> tuple[Evaluation, ...]:
    """The results of an ``agent_block``: one evaluation per theta."""
    num_terrains = 1 + len(ground.fresh)
    first_scored = 1 if ground.fresh else 0
    has_succeeded = successes(result)
    evaluations = []
    for start in range(0, result.returns.size, num_terrains):
        stop = start + num_terrains
        scored = result.fitness[start + first_scored : stop].tolist()
        evaluations.append(
            Evaluation(
                score=math.fsum(scored) / len(scored),  # -inf if any world diverged
                own_return=float(result.returns[start]),
                own_length=int(result.lengths[start]),
                own_outcome=int(result.outcomes[start]),
                num_solved=has_succeeded[start + 1 : stop].count(True),
            )
        )
    return tuple(evaluations)


def successes(result: RolloutResult) -> list[bool]:
    """Which episodes finished with ``SOLVED_RETURN`` or more."""
    has_finished: list[bool] = (result.outcomes == Outcome.FINISHED).tolist()
    return [done and value >= SOLVED_RETURN for done, value in zip(has_finished, result.returns.tolist(), strict=True)]


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


def solve(
    niche: AnyNiche, attempts: Iterable[Attempt], iteration: int, num_fresh: int = 0
) -> tuple[AnyNiche, list[NicheSolved]]:
    """Mark a niche solved once, by the first attempt that solves it.

    An attempt solves a niche if it finishes the own instance with ``SOLVED_RETURN`` or more (the papers' rule) and, in
    the same evaluation, at least half of the fresh ones. So if there are fresh ones, an episode on the own instance
    alone, such as one for novelty, solves nothing.

    Args:
        niche: active or retired.
        attempts: in order.
        iteration: of the attempts.
        num_fresh: ``niche.instances``; 0 when they are fixed.
    """
    if niche.is_solved:
        return niche, []
    for attempt in attempts:
        own = attempt.evaluation
        is_own_solved = own.own_outcome == Outcome.FINISHED and own.own_return >= SOLVED_RETURN
        if is_own_solved and 2 * own.num_solved >= num_fresh:
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
