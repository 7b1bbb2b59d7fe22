"""Blocks of episodes, some of which need not be run because they were run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agents.rollouts.request import Block
from agents.rollouts.result import RolloutResult
from poet.agent_scores import Key
from poet.parts import Parts
from poet.types import Evaluation, Purpose, theta_digest


def run_unknown(
    blocks: Sequence[Block], known: Mapping[Key, Evaluation], parts: Parts, purpose: Purpose
) -> list[tuple[RolloutResult, RolloutResult]]:
    """Run the episodes of some blocks as one request, except those that are known.

    Returns:
        For each block its whole result, and the part that was run.
    """
    found = [_look_up(block, known) for block in blocks]
    short = [_without_known(block, episodes) for block, episodes in zip(blocks, found, strict=True)]
    results = iter(parts.run_blocks([block for block in short if block.rows.size], purpose))
    none = RolloutResult(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int8))
    run = [next(results) if block.rows.size else none for block in short]
    return [(_with_known(result, episodes), result) for result, episodes in zip(run, found, strict=True)]


def _look_up(block: Block, known: Mapping[Key, Evaluation]) -> list[Evaluation | None]:
    """What is known of each episode of a block."""
    if not known:
        return [None] * block.rows.size
    thetas = [theta_digest(theta) for theta in block.sample.theta(block.rows)]
    terrains = [terrain.digest() for terrain in block.terrains]
    return [known.get((theta, terrains[t])) for theta, t in zip(thetas, block.terrain_index, strict=True)]


def _without_known(block: Block, episodes: Sequence[Evaluation | None]) -> Block:
    if all(episode is None for episode in episodes):
        return block
    is_new = np.array([episode is None for episode in episodes], bool)
    return Block(block.sample, block.rows[is_new], block.terrains, block.terrain_index[is_new])


def _with_known(run: RolloutResult, episodes: Sequence[Evaluation | None]) -> RolloutResult:
    """The result in which unknown episodes come from ``run``, in order."""
    is_new = np.array([episode is None for episode in episodes], bool)
    if is_new.all():
        return run
    returns = np.zeros(is_new.size, np.float64)
    lengths = np.zeros(is_new.size, np.int32)
    outcomes = np.zeros(is_new.size, np.int8)
    for i, episode in enumerate(episodes):
        if episode is not None:
            returns[i], lengths[i], outcomes[i] = episode.own_return, episode.own_length, episode.own_outcome
    returns[is_new], lengths[is_new], outcomes[is_new] = run.returns, run.lengths, run.outcomes
    return RolloutResult(returns, lengths, outcomes)
