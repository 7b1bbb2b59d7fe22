"""Where policy and world meet: whole episodes, one module for each engine.

A module has ``run_episodes``, see ``RunEpisodes``; and ``prepare()``, if there is something to be compiled before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.policy import MLPPolicy
from agents.rollouts.result import RolloutResult
from environments.errors import InputError, check_name
from environments.terrain.terrain import Terrain

#: Told how a call goes: episodes done, control steps done, both since it began.
OnProgress = Callable[[int, int], None]


class RunEpisodes(Protocol):
    """One episode for each row of theta; what an engine's module has under the name ``run_episodes``."""

    def __call__(
        self,
        policy: MLPPolicy,
        theta: NDArray[np.float32],
        terrains: Sequence[Terrain],
        terrain_index: NDArray[np.int64],
        max_steps: int,
        threads: int = 1,
        on_progress: OnProgress | None = None,
    ) -> RolloutResult:
        """Run the episodes.

        Args:
            policy: the network.
            theta: (B, P) float32.
            terrains: the grounds that ``terrain_index`` points into.
            terrain_index: (B,) which terrain each row walks on.
            max_steps: control steps after which an episode is TIMEOUT.
            threads: of a batched engine; others have one. Changes no result.
            on_progress: called from the calling thread while episodes run; what it raises ends them all at once, as
                Ctrl-C does. None to be told nothing.

        Returns:
            One row for each theta, in order.
        """
        ...


@dataclass(frozen=True)
class Engine:
    """How to reach an engine, and what it wants.

    Attributes:
        module: whose ``run_episodes`` runs it; imported when first used.
        is_batched: whether it runs many episodes side by side, on threads of its own without the GIL: it wants all
            episodes at once, in one process. Otherwise it runs one after the other on one core.
    """

    module: str
    is_batched: bool = False


#: By name.
ENGINES = {"simd": Engine("agents.rollouts.simd", is_batched=True), "box2d": Engine("agents.rollouts.box2d")}


def engine(name: str) -> RunEpisodes:
    """What runs episodes in the engine called ``name``.

    Raises:
        InputError: there is none of that name, or what it needs is not installed.
    """
    check_engine(name)
    try:
        run_episodes: RunEpisodes = import_module(ENGINES[name].module).run_episodes
    except ImportError as error:
        message = f"engine {name!r} is not available here ({error}); install the extra that brings it"
        raise InputError(message) from error
    return run_episodes


@cache
def prepare(name: str) -> None:
    """Compile what the engine called ``name`` needs, or load it from the disk cache; once in a process.

    It happens in the calling thread: there Ctrl-C ends it, and workers that start later find it done.

    Raises:
        InputError: there is none of that name, or what it needs is not installed.
    """
    engine(name)
    prepare_engine: Callable[[], None] | None = getattr(import_module(ENGINES[name].module), "prepare", None)
    if prepare_engine is not None:
        prepare_engine()


def is_batched(name: str) -> bool:
    """Whether the engine called ``name`` wants all episodes at once, see ``Engine``.

    Raises:
        InputError: there is none of that name.
    """
    check_engine(name)
    return ENGINES[name].is_batched


def check_engine(name: str) -> None:
    """Raise ``InputError`` unless an engine called ``name`` is known."""
    check_name("engine", name, ENGINES)
