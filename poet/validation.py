"""How often agents succeed where they were never trained.

Each niche has two validation sets of K episodes (``validation.episodes``), the same for the whole run:

- its own ground under K pushes, drawn from a stream that nothing else draws from;
- K fresh seeds of its genotype, from a million on, below which all seeds of a run are. A drawn ground has no genotype
  that makes others (``poet.roots``): there these are the pushes of those seeds on it.

An agent's success rate is the share of a set that it finishes with a return of 230 or more. It is measured for a
niche's first agent, for one that a transfer puts in its place, for the last one when the niche retires, and for all
active agents after every ``validation.interval`` iterations. A run has no last iteration, since it can always go
further. If the number of iterations is a multiple of the interval, the last measurement is at the run's end.

No result depends on it, unless ``niche.rest_interval`` lets robustly solved niches rest. Otherwise a run with
validation is the same as one without, with these records and costs added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Thetas, every_row
from agents.rollouts.result import RolloutResult
from environments.terrain.generation import draw_push, push_from
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from poet import streams
from poet.events import (
    AgentVersion,
    Event,
    NicheAdmitted,
    NicheRetired,
    NicheValidated,
    Occasion,
    TransferAttempted,
    TransferOutcome,
    ValidationSet,
)
from poet.parts import Parts
from poet.population import replace_niche
from poet.scoring import FIRST_UNSEEN_SEED, cost, own_terrain, successes
from poet.types import Niche, Purpose, RetiredNiche, RunState, State, SuccessRates

#: The success rate from which a niche is robustly solved (pushes), and its agent general (seeds).
ROBUST_RATE = 0.8


@dataclass(frozen=True, eq=False)
class _Due:
    """An agent version to be measured in its niche, and why."""

    niche: Niche | RetiredNiche
    version_id: int
    theta: NDArray[np.float32]
    occasion: Occasion


def validate(
    state: State, events: Sequence[Event], before: RunState, parts: Parts, iteration: int
) -> tuple[State, list[Event]]:
    """Measure the success rates that are due at the end of an iteration, all as one request.

    Args:
        state: after the iteration's last phase.
        events: of the iteration.
        before: the state that it began with.
        parts: what the config names, and what runs episodes.
        iteration: which one it is; 0 is the start of the run.

    Returns:
        The state whose niches know their rates, and records and costs.
    """
    num_episodes = parts.config.validation.episodes
    is_everybodys_turn = iteration % parts.config.validation.interval == 0
    due = _find_due(state, events, before, is_everybodys_turn) if num_episodes else []
    results = parts.run_blocks(
        [every_row(Thetas(d.theta[None, :]), validation_terrains(d.niche, parts.seed, num_episodes).all) for d in due],
        Purpose.VALIDATION,
    )
    happened: list[Event] = []
    for d, result in zip(due, results, strict=True):
        pushes = _measured(d, ValidationSet.PUSHES, result, slice(num_episodes), iteration)
        seeds = _measured(d, ValidationSet.SEEDS, result, slice(num_episodes, None), iteration)
        happened += [pushes, seeds, cost(iteration, d.niche.id, Purpose.VALIDATION, result)]
        if isinstance(d.niche, Niche):
            rates = SuccessRates(d.version_id, pushes.rate, seeds.rate)
            state = replace_niche(state, replace(d.niche, success=rates))
    return state, happened


@dataclass(frozen=True, eq=False)
class ValidationTerrains:
    """A niche's validation sets, K terrains each."""

    pushes: tuple[Terrain, ...]
    seeds: tuple[Terrain, ...]

    @property
    def all(self) -> tuple[Terrain, ...]:
        """Both, pushes first."""
        return (*self.pushes, *self.seeds)


def validation_terrains(niche: Niche | RetiredNiche, seed: int, num_episodes: int) -> ValidationTerrains:
    """The sets of a niche in the run of that seed. Smaller sets are the beginnings of larger ones."""
    own, stream = own_terrain(niche), streams.validation_pushes(seed, niche.id)
    pushes = tuple(own.with_push(push_from(stream)) for _ in range(num_episodes))
    if niche.drawn is not None:
        return ValidationTerrains(
            pushes, tuple(own.with_push(draw_push(FIRST_UNSEEN_SEED + i)) for i in range(num_episodes))
        )
    return ValidationTerrains(pushes, _unseen_seeds(niche.genotype, num_episodes))


# More genotypes than are active in any preset: expressing a hundred terrains may take longer than running them.
@lru_cache(maxsize=64)
def _unseen_seeds(genotype: AbstractGenotype, num_episodes: int) -> tuple[Terrain, ...]:
    return tuple(genotype.express(FIRST_UNSEEN_SEED + i) for i in range(num_episodes))


def _find_due(state: RunState, events: Sequence[Event], before: RunState, is_everybodys_turn: bool) -> list[_Due]:
    """The agents to measure: each version once, and none that was measured before this iteration."""
    niches = {niche.id: niche for niche in state.niches}
    first_thetas = {event.id: event.theta for event in events if isinstance(event, AgentVersion)}
    due: list[_Due] = []
    for event in events:
        match event:
            case NicheAdmitted(niche_id=niche_id, version_id=version_id):
                theta = first_thetas[version_id]
                if theta is None:
                    raise ValueError(f"version {version_id} is new and must come with its theta")
                due.append(_Due(niches[niche_id], version_id, theta, Occasion.ADMISSION))
            case NicheRetired(niche_id=niche_id, version_id=version_id):
                due.append(_Due(niches[niche_id], version_id, niches[niche_id].theta, Occasion.RETIREMENT))
            case TransferAttempted(target_id=int(niche_id), candidate_id=None, outcome=TransferOutcome.ACCEPTED):
                niche = niches[niche_id]
                due.append(_Due(niche, niche.version_id, niche.theta, Occasion.TRANSFER))
    if is_everybodys_turn:
        due += [_Due(niche, niche.version_id, niche.theta, Occasion.INTERVAL) for niche in state.active]
    known = {niche.success.version_id for niche in before.active if niche.success is not None}
    first = {d.version_id: d for d in reversed(due) if d.version_id not in known}
    return [d for d in due if first.get(d.version_id) is d]


def _measured(
    due: _Due, validation_set: ValidationSet, result: RolloutResult, part: slice, iteration: int
) -> NicheValidated:
    """The record of one set. Sums are exact, and so the same in any order."""
    returns, lengths = result.returns[part].tolist(), result.lengths[part].tolist()
    return NicheValidated(
        niche_id=due.niche.id,
        iteration=iteration,
        version_id=due.version_id,
        validation_set=validation_set,
        occasion=due.occasion,
        num_episodes=len(returns),
        num_successes=successes(result)[part].count(True),
        return_mean=math.fsum(returns) / len(returns),
        length_mean=math.fsum(lengths) / len(lengths),
        theta=due.theta,
    )
