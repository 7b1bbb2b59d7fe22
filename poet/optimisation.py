"""One generation of every active niche: ask, run, tell, evaluate (ES_STEP of algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from agents.rollouts.request import Block
from agents.rollouts.result import RolloutResult
from agents.strategies.base import StrategyState, concatenate, split
from environments.walker.ending import Outcome
from poet import streams
from poet.config import Config
from poet.events import AgentVersion, Event, GenerationDone, NicheSolved
from poet.parts import Parts
from poet.population import new_version, replace_niche
from poet.scoring import (
    Ground,
    agent_block,
    cost,
    niche_ground,
    own_attempt,
    read_evaluations,
    solve,
    training_block,
)
from poet.types import Evaluation, Niche, Origin, Purpose, RunState, State
from poet.validation import ROBUST_RATE

#: The episodes of a generation, and their results.
Sampled = tuple[Block, RolloutResult]


def optimise(
    state: State, parts: Parts, ground_of: Callable[[Niche, Config, int], Ground] = niche_ground
) -> tuple[State, list[Event]]:
    """Take one ES step in each active niche that does not rest, and evaluate the theta that it leads to.

    All niches' samples run as one request, then all their new thetas as another.

    Args:
        state: of any trainer.
        parts: what the config names, and what runs episodes.
        ground_of: where a niche's agent trains and is scored in an iteration; its own instance is always one of these.
    """
    state, events, _ = optimise_with_samples(state, parts, ground_of)
    return state, events


def optimise_with_samples(
    state: State, parts: Parts, ground_of: Callable[[Niche, Config, int], Ground] = niche_ground
) -> tuple[State, list[Event], dict[int, Sampled]]:
    """The same as ``optimise``, for a trainer that also wants to know how each perturbed agent did, and where.

    Returns:
        The state, events, and the episodes of each niche's generation by its id; none for a niche that rests.
    """
    iteration, strategy = state.iteration + 1, parts.strategy
    niches = [niche for niche in state.active if not is_at_rest(niche, state, parts.config)]
    if not niches:
        return state, [], {}
    grounds = [ground_of(niche, parts.config, iteration) for niche in niches]

    before = concatenate([niche.optimiser for niche in niches])
    samples = strategy.ask(before, [streams.es_sample(parts.seed, iteration, niche.id) for niche in niches])
    blocks = [training_block(s, g) for s, g in zip(samples, grounds, strict=True)]
    sampled = parts.run_blocks(blocks, Purpose.ES)
    after = strategy.tell(before, samples, np.stack([result.fitness for result in sampled]))

    optimisers = split(after)
    evaluated = parts.run_blocks(
        [agent_block([o.theta[0]], g) for o, g in zip(optimisers, grounds, strict=True)], Purpose.SELF_EVAL
    )

    events: list[Event] = []
    noise_std, learning_rate = strategy.step_sizes(before)
    for n, niche in enumerate(niches):
        evaluation = read_evaluations(evaluated[n], grounds[n])[0]
        state, moved, (version, *solved) = take_step(
            state, niche, optimisers[n], evaluation, parts, len(grounds[n].fresh)
        )
        done = generation_done(niche, moved, sampled[n], float(noise_std[n]), float(learning_rate[n]), iteration)
        events += [
            version,
            done,
            *solved,
            cost(iteration, niche.id, Purpose.ES, sampled[n]),
            cost(iteration, niche.id, Purpose.SELF_EVAL, evaluated[n]),
        ]
    of_niche = {niche.id: (blocks[n], sampled[n]) for n, niche in enumerate(niches)}
    return state.evaluated_at(parts.config.evaluation.max_steps), events, of_niche


def is_at_rest(niche: Niche, state: RunState, config: Config) -> bool:
    """Whether a niche takes no ES step in the next iteration: it is robustly solved, and it is not its turn.

    Its agent stays as it is, a source of transfers and a parent of children, until a transfer replaces it or its
    success rate is measured again. Turns go by id, so that resting niches do not all train in the same iteration. In a
    fork no niche rests because of something that the fork's config would not have found: rates that it does not
    measure, and scores of episodes of another length.
    """
    if niche.success is None or niche.success.pushes < ROBUST_RATE:
        return False
    if config.validation.episodes == 0 or state.scored_steps != config.evaluation.max_steps:
        return False
    return (state.iteration + 1 + niche.id) % config.niche.rest_interval != 0


def take_step(
    state: State, niche: Niche, optimiser: StrategyState, evaluation: Evaluation, parts: Parts, num_fresh: int
) -> tuple[State, Niche, list[AgentVersion | NicheSolved]]:
    """Give a niche the agent that its training has led to.

    Args:
        state: before.
        niche: of the state.
        optimiser: after the step, with the new agent.
        evaluation: of that agent in the niche.
        parts: of the run.
        num_fresh: how many fresh instances the evaluation has.

    Returns:
        The state, the niche in it, and the new version; and that the niche is solved, if this solves it.
    """
    state, version = new_version(state, niche.id, optimiser.theta[0], evaluation, Origin.ES, niche.version_id)
    moved = replace(
        niche,
        optimiser=optimiser,
        version_id=version.id,
        evaluation=evaluation,
        recent_scores=(*niche.recent_scores, evaluation.score)[-parts.config.transfer.recent_scores :],
    )
    moved, solved = solve(moved, [own_attempt(moved, Origin.ES)], state.iteration + 1, num_fresh)
    return replace_niche(state, moved), moved, [version, *solved]


def generation_done(
    before: Niche, after: Niche, sampled: RolloutResult, noise_std: float, learning_rate: float, iteration: int
) -> GenerationDone:
    """The statistics of a generation. Every sum is exact (fsum), and so the same in any order."""
    returns = sampled.returns.tolist()
    mean = math.fsum(returns) / len(returns)
    return GenerationDone(
        iteration=iteration,
        niche_id=before.id,
        version_id=after.version_id,
        return_mean=mean,
        return_median=median(returns),
        return_std=math.sqrt(math.fsum((r - mean) * (r - mean) for r in returns) / len(returns)),
        return_min=min(returns),
        return_max=max(returns),
        length_mean=sampled.num_steps / len(returns),
        num_diverged=sampled.outcomes.tolist().count(Outcome.DIVERGED),
        noise_std=noise_std,
        learning_rate=learning_rate,
        theta_norm=_norm(after.theta.tolist()),
        update_norm=_norm((after.theta.astype(np.float64) - before.theta).tolist()),
        score=after.evaluation.score,
    )


def _norm(values: Sequence[float]) -> float:
    return math.sqrt(math.fsum(x * x for x in values))
