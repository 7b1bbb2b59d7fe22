"""Where policy and world meet: whole episodes, one module for each engine."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.policy import MLPPolicy
from agents.rollouts.result import RolloutResult
from environments.errors import InputError, nearest
from environments.terrain.terrain import Terrain

#: Engine name to the module whose ``run_episodes`` runs it; imported when first used.
ENGINES = {"box2d": "agents.rollouts.box2d"}


class RunEpisodes(Protocol):
    """One episode for each row of theta (B, P); see ``agents.rollouts.box2d.run_episodes``."""

    def __call__(
        self,
        policy: MLPPolicy,
        theta: NDArray[np.float32],
        terrains: Sequence[Terrain],
        terrain_index: NDArray[np.int64],
        max_steps: int,
    ) -> RolloutResult:
        """Run the episodes."""
        ...


def engine(name: str) -> RunEpisodes:
    """The engine called ``name``.

    Raises:
        InputError: there is none of that name, or what it needs is not installed.
    """
    check_engine(name)
    try:
        run_episodes: RunEpisodes = import_module(ENGINES[name]).run_episodes
    except ImportError as error:
        message = f"engine {name!r} is not available here ({error}); install the extra that brings it"
        raise InputError(message) from error
    return run_episodes


def check_engine(name: str) -> None:
    """Raise ``InputError`` unless an engine called ``name`` is known."""
    if name not in ENGINES:
        raise InputError(f"engine must be one of {', '.join(ENGINES)}, but is {name!r}; {nearest(name, ENGINES)}")
