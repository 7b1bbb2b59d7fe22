"""Episodes on the oracle: real Box2D, one world at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts.base import OnProgress
from agents.rollouts.checks import check_rows
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from environments.walker.episode import WalkerEpisode


@exact
def run_episodes(
    policy: AbstractPolicy,
    theta: NDArray[np.float32],
    terrains: Sequence[Terrain],
    terrain_index: NDArray[np.int64],
    max_steps: int,
    on_progress: OnProgress | None = None,
) -> RolloutResult:
    """One episode for each row of theta, one after the other.

    Args:
        policy: of all of them.
        theta: (B, P) float32.
        terrains: the grounds that ``terrain_index`` points into.
        terrain_index: (B,) which terrain each row walks on.
        max_steps: control steps after which an episode is TIMEOUT.
        on_progress: see ``AbstractEngine.run``.

    Raises:
        InputError: as ``check_rows``.
    """
    check_rows(policy, theta, terrains, terrain_index)
    num, num_steps = theta.shape[0], 0
    result = RolloutResult(np.full(num, np.nan), np.zeros(num, np.int32), np.full(num, -1, np.int8))
    for b in range(num):
        total, length, outcome = run_episode(policy, theta[b], terrains[terrain_index[b]], max_steps)
        result.returns[b], result.lengths[b], result.outcomes[b] = total, length, outcome
        num_steps += length
        if on_progress is not None:
            on_progress(b + 1, num_steps)
    return result


@exact
def run_episode(
    policy: AbstractPolicy, theta: NDArray[np.float32], terrain: Terrain, max_steps: int
) -> tuple[float, int, Outcome]:
    """One episode: its return, its length in control steps and how it ended."""
    act = policy.controller(theta)
    episode = WalkerEpisode(terrain, max_steps)
    total, outcome = 0.0, None
    while outcome is None:
        reward, outcome = episode.step(act(episode.observation))
        total += reward
    return total, episode.num_steps, outcome
