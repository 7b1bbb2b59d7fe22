"""Adaptation: what a few generations make of an agent on one task, from a fresh optimiser.

A task is a ground; all its episodes within one adaptation are on the same instances, such as the ground under some
pushes. So a return depends on theta alone, and climbing never ends below its start there. Many adaptations run side by
side, and each generation of all of them is one request.

Reference: Song et al. 2020, ES-MAML (arXiv 1910.01215), sections 3.3 (hill climbing) and 4 (a step of ES).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Thetas, every_row
from agents.rollouts.result import RolloutResult, join
from agents.strategies.base import AbstractStrategy, StrategyState, concatenate
from agents.strategies.perturbations import Perturbations
from environments.arithmetic import exact
from environments.streams import StreamKey
from environments.terrain.terrain import Terrain
from poet.parts import Parts
from poet.scoring import Ground, training_block
from poet.types import Purpose


@dataclass(frozen=True, eq=False)
class Start:
    """Where an adaptation begins.

    Attributes:
        theta: (P,) float32.
        instances: of the task, at least one.
        places: of each generation's draws. Two starts with the same places draw the same perturbations.
    """

    theta: NDArray[np.float32]
    instances: tuple[Terrain, ...]
    places: tuple[StreamKey, ...]


@dataclass(frozen=True, eq=False)
class Adapted:
    """What N adaptations of K generations found.

    Attributes:
        path: (K + 1, N, P) float32, the agents after 0, 1, ... K generations.
        env_steps, episodes: of all of them together.
    """

    path: NDArray[np.float32]
    env_steps: int
    episodes: int


#: Adapts starts with the same number of places by a strategy.
Adapt = Callable[[Sequence[Start], AbstractStrategy[Any], Parts], Adapted]


@exact
def by_es(starts: Sequence[Start], strategy: AbstractStrategy[Any], parts: Parts) -> Adapted:
    """Generations of the strategy, from its first step sizes and without moments."""
    state = concatenate([strategy.initial_state(start.theta[None, :]) for start in starts])
    path, results = [state.theta], list[RolloutResult]()
    for places in zip(*(start.places for start in starts), strict=True):
        samples = strategy.ask(state, places)
        blocks = [training_block(s, Ground(start.instances[0], start.instances)) for s, start in _with(samples, starts)]
        found = parts.run_blocks(blocks, Purpose.ES)
        state = strategy.tell(state, samples, np.stack([result.fitness for result in found]))
        path.append(state.theta)
        results += found
    return _adapted(path, results)


@exact
def by_climbing(starts: Sequence[Start], strategy: AbstractStrategy[Any], parts: Parts) -> Adapted:
    """Batch hill climbing: the best of a generation's perturbed agents, if it is better than what it was made from.

    There are as many of them as rows in the strategy's sample, around the agent with the strategy's first noise. Each
    runs on all instances of the task, and the mean decides; of equal ones the first.
    """
    current = np.stack([start.theta for start in starts])
    first = strategy.initial_state(current)
    rows, noise = _sample_size(strategy, first, starts), np.float32(strategy.step_sizes(first)[0][0])
    blocks = [every_row(Thetas(start.theta[None, :]), start.instances) for start in starts]
    results = [*parts.run_blocks(blocks, Purpose.ES)]
    best = [_means(result, len(start.instances))[0] for result, start in _with(results, starts)]
    path = [current]
    for places in zip(*(start.places for start in starts), strict=True):
        samples = [
            Perturbations(theta, np.full_like(theta, noise), place, rows, antithetic=False)
            for theta, place in zip(current, places, strict=True)
        ]
        found = parts.run_blocks([every_row(s, start.instances) for s, start in _with(samples, starts)], Purpose.ES)
        current = current.copy()
        for n, (sample, result) in enumerate(zip(samples, found, strict=True)):
            means = _means(result, len(starts[n].instances))
            if (highest := max(means)) > best[n]:
                best[n], current[n] = highest, sample.theta(np.array([means.index(highest)]))[0]
        path.append(current)
        results += found
    return _adapted(path, results)


#: How an agent adapts, by name.
ADAPTATIONS: dict[str, Adapt] = {"es": by_es, "climb": by_climbing}


def _sample_size(strategy: AbstractStrategy[Any], state: StrategyState, starts: Sequence[Start]) -> int:
    """How many rows a generation of the strategy has."""
    return strategy.ask(state, [start.places[0] for start in starts])[0].num_rows


def _with(items: Sequence[Any], starts: Sequence[Start]) -> zip[tuple[Any, Start]]:
    return zip(items, starts, strict=True)


def _means(result: RolloutResult, num_instances: int) -> list[float]:
    """The mean return of each row of an ``every_row`` block; -inf if one of its worlds diverged."""
    fitness = result.fitness.reshape(-1, num_instances).tolist()
    return [math.fsum(row) / num_instances for row in fitness]


def _adapted(path: Sequence[NDArray[np.float32]], results: Sequence[RolloutResult]) -> Adapted:
    every = join(results)
    return Adapted(np.stack(path), every.num_steps, every.returns.size)
