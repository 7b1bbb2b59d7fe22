"""A stand-in for a batched engine: Box2D runs the episodes, and calls are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from agents.rollouts import OnProgress, box2d
from agents.rollouts.result import RolloutResult
from environments import Terrain


@dataclass(frozen=True)
class Call:
    """The arguments of a call of the engine."""

    num_episodes: int
    num_terrains: int
    threads: int


calls: list[Call] = []


def run_episodes(
    policy: MLPPolicy,
    theta: NDArray[np.float32],
    terrains: Sequence[Terrain],
    terrain_index: NDArray[np.int64],
    max_steps: int,
    threads: int = 1,
    on_progress: OnProgress | None = None,
) -> RolloutResult:
    """See ``agents.rollouts.RunEpisodes``."""
    calls.append(Call(theta.shape[0], len(terrains), threads))
    return box2d.run_episodes(policy, theta, terrains, terrain_index, max_steps, threads, on_progress)
