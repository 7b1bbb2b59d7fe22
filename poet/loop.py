"""POET's main loop, one iteration at a time: state in, (state, events) out. Other trainers share its start and end.

Reference: Wang et al. 2019, algorithm 2 (POET MAIN LOOP); names in capitals in these modules are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.strategies.base import StrategyState
from agents.strategies.normal import normals
from environments.arithmetic import exact
from environments.terrain.genotype import AbstractGenotype
from poet import streams
from poet.admission import reproduce_and_admit
from poet.events import AnyEvent, Cost, Event, NicheAdmitted
from poet.optimisation import optimise
from poet.parts import Parts
from poet.population import new_version
from poet.scoring import Ground, agent_block, cost, draw_terrain_seed, make_ground, own_attempt, read_evaluations, solve
from poet.transfer import transfer
from poet.types import Niche, Origin, PoetState, Purpose, State
from poet.validation import validate

#: Standard deviation of random first weights (``--init random`` of the released code; POET.md 2).
INITIAL_THETA_STD = 0.1


@exact
def poet_iteration(state: PoetState, parts: Parts) -> tuple[PoetState, tuple[Event, ...]]:
    """One pass of the main loop.

    Every M iterations environments reproduce. Then each agent takes an ES step in its niche, and every N iterations
    agents are transferred. New agents are validated, and from time to time all of them.

    Args:
        state: after t iterations.
        parts: the parts that the config names, and the function that runs episodes.

    Returns:
        The state after t + 1 iterations, and the events of this one.
    """
    events: list[Event] = []
    before = state
    if is_due(state.iteration, parts.config.poet.reproduction_interval) and state.iteration > 0:
        state, happened = reproduce_and_admit(state, parts)
        events += happened

    state, happened = optimise(state, parts)
    events += happened

    is_round = parts.config.transfer.periodic and is_due(state.iteration, parts.config.transfer.interval)
    if is_round and len(state.active) > 1:
        state, happened = transfer(state, parts)
        events += happened

    state, happened = validate(state, events, before, parts, state.iteration + 1)
    events += happened

    return close_iteration(state, events)


def is_due(iteration: int, interval: int) -> bool:
    """Whether ``iteration``, the number of iterations done, is a multiple of ``interval``."""
    return iteration % interval == 0


#: The type of a trainer's events.
Kind = TypeVar("Kind", bound=AnyEvent)
#: Makes a niche's first optimiser, N = 1, around its theta (P,) float32.
MakeOptimiser = Callable[[Parts, NDArray[np.float32]], StrategyState]


def strategy_optimiser(parts: Parts, theta: NDArray[np.float32]) -> StrategyState:
    """The optimiser that ``es.strategy`` names."""
    optimiser: StrategyState = parts.strategy.initial_state(theta[None, :])
    return optimiser


@exact
def start(
    parts: Parts,
    theta: NDArray[np.float32] | None,
    state_type: type[State],
    make_optimiser: MakeOptimiser = strategy_optimiser,
) -> tuple[State, tuple[Event, ...]]:
    """Start a run: make a root niche for each terrain of ``run.start_terrain``, or one on the easiest terrain.

    All begin with the same agent.

    Args:
        parts: the parts that the config names, and the function that runs episodes.
        theta: (P,) float32, the walker to start from; None for random weights, N(0, 0.1^2).
        state_type: the state class of the run's trainer; the fields that it adds get their defaults.
        make_optimiser: makes the roots' optimisers.

    Returns:
        The state after 0 iterations, and the roots' events.
    """
    theta = random_theta(parts.policy, parts.seed) if theta is None else theta
    parts.policy.check_theta(theta)
    genotypes, grounds = zip(*(_root_ground(parts, i) for i in range(len(parts.roots))), strict=True)
    results = parts.run_blocks([agent_block([theta], ground) for ground in grounds], Purpose.SELF_EVAL)

    nobody = state_type(
        iteration=0, active=(), next_niche_id=len(grounds), scored_steps=parts.config.evaluation.max_steps
    )
    state, niches, events = nobody, list[Niche](), list[Event]()
    for i, (genotype, ground, result) in enumerate(zip(genotypes, grounds, results, strict=True)):
        (evaluation,) = read_evaluations(result, ground)
        state, version = new_version(state, i, theta, evaluation, Origin.INITIAL, parent_id=None)
        seed, optimiser, drawn = root_seed(parts, i), make_optimiser(parts, theta), parts.roots[i].drawn
        niche = Niche(i, genotype, seed, None, 0, optimiser, version.id, evaluation, drawn=drawn)
        niche, solved = solve(niche, [own_attempt(niche, Origin.INITIAL)], 0, parts.config.niche.num_fresh)
        admitted = NicheAdmitted(
            i, 0, None, None, genotype.to_json(), seed, ground.own, evaluation.score, None, version.id
        )
        niches.append(niche)
        events += [admitted, version, *solved, cost(0, i, Purpose.SELF_EVAL, result)]
    state, validated = validate(replace(state, active=tuple(niches)), events, nobody, parts, 0)
    return book(state, [*events, *validated])


def _root_ground(parts: Parts, number: int) -> tuple[AbstractGenotype, Ground]:
    """A root's genotype and instances."""
    root, genotype = parts.roots[number], parts.roots[number].genotype
    if genotype is None:
        genotype = parts.genotype_type.initial(parts.settings, streams.root_genotype(parts.seed))
    stream = streams.niche_instances(parts.seed, 0, number)
    return genotype, make_ground(genotype, root_seed(parts, number), parts.config, stream, root.drawn)


def root_seed(parts: Parts, number: int = 0) -> int:
    """The terrain seed of the run's first root, or of another one by its number."""
    seed = parts.roots[number].terrain_seed
    return draw_terrain_seed(streams.root_terrain(parts.seed, number)) if seed is None else seed


def random_theta(policy: AbstractPolicy, seed: int) -> NDArray[np.float32]:
    """(P,) float32: the first theta of a run that does not start from a walker."""
    return policy.initial_theta(initial_noise(policy, seed))


def initial_noise(policy: AbstractPolicy, seed: int) -> NDArray[np.float32]:
    """(P,) float32 random weights and biases."""
    eps = normals(streams.initial_theta(seed), policy.num_parameters)
    return np.float32(INITIAL_THETA_STD) * eps


def close_iteration(state: State, events: Iterable[Kind]) -> tuple[State, tuple[Kind | Cost, ...]]:
    """Count the iteration as done, and merge its costs into one ledger entry per niche and purpose."""
    state, booked = book(state, events)
    return replace(state, iteration=state.iteration + 1), booked


def book(state: State, events: Iterable[Kind]) -> tuple[State, tuple[Kind | Cost, ...]]:
    """Add the costs to the state. In the events they come last, merged into one per niche and purpose."""
    others = [event for event in events if not isinstance(event, Cost)]
    costs: dict[tuple[int, Purpose], Cost] = {}
    for event in events:
        if isinstance(event, Cost):
            key = (event.niche_id, event.purpose)
            last = costs.get(key)
            costs[key] = event if last is None else replace(
                last, env_steps=last.env_steps + event.env_steps, episodes=last.episodes + event.episodes
            )  # fmt: skip
    done = replace(
        state,
        env_steps=state.env_steps + sum(c.env_steps for c in costs.values()),
        episodes=state.episodes + sum(c.episodes for c in costs.values()),
    )
    return done, (*others, *costs.values())
