"""``Worlds`` in Box2D."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from environments.biped import OBSERVATION_SIZE
from environments.copying import CopiedWhole
from environments.machine import check_memory
from environments.terrain.terrain import Terrain
from environments.walker.episode import WalkerEpisode
from environments.walker.worlds import show

#: Memory of one world of Box2D on a hard course, bytes (measured 199,000).
_BOX2D_WORLD_BYTES = 200_000


class Box2DWorlds(CopiedWhole):
    """``Worlds`` in real Box2D, one after another; see ``make_worlds`` for the arguments."""

    def __init__(
        self, terrains: Sequence[Terrain], terrain_index: NDArray[np.int64], max_steps: int, threads: int
    ) -> None:
        self.num_worlds = num = len(terrain_index)
        check_memory(num, _BOX2D_WORLD_BYTES)
        self.observations = np.zeros((num, OBSERVATION_SIZE), np.float32)
        self.rewards = np.zeros(num)
        self.outcomes = np.zeros(num, np.int8)
        self.num_steps = np.zeros(num, np.int32)
        self._terrains = [terrains[i] for i in terrain_index]
        self._max_steps = max_steps
        self._episodes: dict[int, WalkerEpisode] = {}

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
        for i in self._chosen(which):
            self._episodes[i] = WalkerEpisode(self._terrains[i], self._max_steps)
            show(self, i, self._episodes[i], 0.0)

    def set_terrain(self, i: int, terrain: Terrain) -> None:
        """See ``Worlds``."""
        self._terrains[i] = terrain

    def step(
        self,
        actions: NDArray[np.float32],
        which: NDArray[np.bool_] | None = None,
        begun: NDArray[np.bool_] | None = None,
    ) -> None:
        """See ``Worlds``."""
        if begun is not None:
            self.reset(begun)
        for i in self._chosen(which):
            reward, _ = self._episodes[i].step(actions[i])
            show(self, i, self._episodes[i], reward)

    def body_state(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        return np.stack([self._episodes[i].world.body_state() for i in range(self.num_worlds)])

    @property
    def touching(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        return np.stack([self._episodes[i].world.touching for i in range(self.num_worlds)])

    def _chosen(self, which: NDArray[np.bool_] | None) -> Iterable[int]:
        return range(self.num_worlds) if which is None else np.flatnonzero(which).tolist()
