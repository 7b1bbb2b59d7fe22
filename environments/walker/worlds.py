"""Many walkers moved together by actions from outside: the interface of every engine, and its version in Box2D."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from environments.biped import OBSERVATION_SIZE
from environments.copying import CopiedWhole
from environments.engines import AUTO, engines_with_worlds, find_engine
from environments.errors import InputError
from environments.machine import check_memory
from environments.registry import load_named
from environments.terrain.terrain import Terrain, check_terrain_index
from environments.walker.ending import GOES_ON
from environments.walker.episode import WalkerEpisode

#: Memory of one world of Box2D on a hard course, bytes (measured 199,000).
_BOX2D_WORLD_BYTES = 200_000


class Worlds(Protocol):
    """N walkers, each in its own world.

    The arrays are buffers: they stay the same objects, and each call overwrites the rows of the worlds it moves and
    leaves the others as they are. Rows mean nothing before the first reset. Nothing here resets a world by itself;
    a world whose episode is over must be reset before its next step.

    Attributes:
        num_worlds: N.
        observations: (N, 24) float32 after the latest step; of a world that diverges, what it was before.
        rewards: (N,) float64 of the latest step; 0 after a reset.
        outcomes: (N,) int8, ``GOES_ON`` or a value of ``Outcome``.
        num_steps: (N,) int32, steps taken, the one inside the reset not.
    """

    num_worlds: int
    observations: NDArray[np.float32]
    rewards: NDArray[np.float64]
    outcomes: NDArray[np.int8]
    num_steps: NDArray[np.int32]

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """Begin an episode in each of these worlds, with the step inside the reset.

        Args:
            which: (N,); None: all.
        """
        ...

    def step(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None = None) -> None:
        """Take one step of 1/50 s in each of these worlds.

        Args:
            actions: (N, 4) float32, C order; read where ``which`` is true.
            which: (N,); None: all.
        """
        ...

    def body_state(self) -> NDArray[np.float32]:
        """(N, 5, 6) float32, see ``WalkerWorld.body_state``."""
        ...

    @property
    def touching(self) -> NDArray[np.float32]:
        """(N, 2) float32: 1 where lower leg 1, or 2, touches, otherwise 0."""
        ...


def make_worlds(
    engine: str, terrains: Sequence[Terrain], terrain_index: NDArray[np.int64], max_steps: int, threads: int
) -> Worlds:
    """The worlds of an engine; reset them before anything else.

    Args:
        engine: who integrates, see ``environments.engines.find_engine``; changes no bit. ``AUTO`` is ``"simd"``.
        terrains: the grounds that ``terrain_index`` points into.
        terrain_index: (N,) which terrain each world has.
        max_steps: control steps after which an episode is TIMEOUT.
        threads: the most cores that are used; changes no bit. ``box2d`` uses one.

    Raises:
        InputError: the engine is unknown or has no worlds, there is no such terrain, or the worlds do not fit into
            memory.
    """
    path = find_engine("simd" if engine == AUTO else engine).worlds
    if not path:
        names = " or ".join(map(repr, engines_with_worlds()))
        raise InputError(f"engine {engine!r} runs whole episodes and has no worlds to step: take {names}")
    check_terrain_index(np.asarray(terrain_index), len(terrains))
    worlds: Worlds = load_named(path, {}, "worlds")(terrains, terrain_index, max_steps, threads)
    return worlds


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

    def step(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
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


def show(worlds: Worlds, i: int, episode: WalkerEpisode, reward: float) -> None:
    """Write row ``i`` of the buffers of ``worlds``: where an episode is, and the reward of its latest step."""
    worlds.observations[i] = episode.observation
    worlds.rewards[i] = reward
    worlds.outcomes[i] = episode.outcome or GOES_ON
    worlds.num_steps[i] = episode.num_steps
