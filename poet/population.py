"""Changes to the set of niches: new agent versions, new niches, retirement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import AbstractStrategy, StrategyState
from poet.config import PoetConfig
from poet.events import AgentVersion, NicheRetired
from poet.parts import Parts
from poet.types import Evaluation, Niche, Origin, RetiredNiche, State, theta_digest


def new_version(
    state: State,
    niche_id: int,
    theta: NDArray[np.float32],
    evaluation: Evaluation,
    origin: Origin,
    parent_id: int | None,
    source_id: int | None = None,
) -> tuple[State, AgentVersion]:
    """The record of a niche's new theta, with the next free version id.

    Args:
        state: provides the counter; its ``iteration`` is the last one done.
        niche_id: whose agent it becomes.
        theta: (P,) float32.
        evaluation: of theta in that niche.
        origin: how it was made.
        parent_id: the version it was made from; None for a root's first.
        source_id: the niche it came from by transfer or admission; None otherwise.
    """
    version = AgentVersion(
        id=state.next_version_id,
        niche_id=niche_id,
        iteration=0 if origin is Origin.INITIAL else state.iteration + 1,
        parent_id=parent_id,
        origin=origin,
        source_id=source_id,
        theta_digest=theta_digest(theta),
        score=evaluation.score,
        own_return=evaluation.own_return,
        own_length=evaluation.own_length,
        own_outcome=evaluation.own_outcome,
        theta=theta,
    )
    return replace(state, next_version_id=state.next_version_id + 1), version


def optimiser_for(theta: NDArray[np.float32], source: Niche, parts: Parts) -> StrategyState:
    """The optimiser, N = 1, of an agent that came from another niche (``es.on_arrival``; POET.md 3.7).

    Args:
        theta: (P,) float32, the agent: that of the source, perhaps after a step.
        source: the niche it came from.
        parts: of the run.
    """
    strategy: AbstractStrategy[StrategyState] = parts.strategy
    if parts.config.es.on_arrival == "fresh":
        return strategy.initial_state(theta[None, :])
    return strategy.moved(source.optimiser, theta[None, :])


def replace_niche(state: State, niche: Niche) -> State:
    """The state with ``niche`` in place of the active niche of that id."""
    return replace(state, active=tuple(niche if n.id == niche.id else n for n in state.active))


def retire_oldest(state: State, config: PoetConfig) -> tuple[State, list[NicheRetired]]:
    """Retire from the front until at most ``max_active`` are left (REMOVE_OLDEST of algorithm 3)."""
    num_over = max(0, len(state.active) - config.max_active) if config.retirement == "oldest" else 0
    return retire_first(state, num_over)


def retire_first(state: State, num: int) -> tuple[State, list[NicheRetired]]:
    """Retire the ``num`` oldest active niches."""
    leaving, staying = state.active[:num], state.active[num:]
    iteration = state.iteration + 1
    retired = tuple(
        RetiredNiche(n.id, n.genotype, n.terrain_seed, n.parent_id, n.created, n.is_solved, iteration, n.version_id,
                     n.theta.copy(), n.drawn)
        for n in leaving
    )  # fmt: skip
    events = [NicheRetired(n.id, iteration, n.version_id, n.evaluation.score) for n in leaving]
    return replace(state, active=staying, retired=(*state.retired, *retired)), events
