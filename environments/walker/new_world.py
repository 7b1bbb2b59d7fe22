"""Gymnasium's own walker, but each of its episodes in a new Box2D world, as ours are."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray


class NewWorld(gymnasium.Wrapper[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]):
    """Wraps ``BipedalWalker-v3`` or ``BipedalWalkerHardcore-v3``: ``poet/...`` of the same name gives its bits.

    Without this, Gymnasium fills the world of the episode before again. What is left in there decides the order of
    contacts, so the last bits of an env's later episodes depend on its earlier ones.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """As the env does, in a new world."""
        walker: Any = self.unwrapped
        walker.world, walker.terrain = type(walker.world)(), []
        return super().reset(seed=seed, options=options)
