"""Many walkers moved together by actions from outside: the interface of every engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from environments.engines import AUTO, engines_with_worlds, find_engine
from environments.errors import InputError
from environments.registry import load_named
from environments.terrain.terrain import Terrain, check_terrain_index
from environments.walker.ending import GOES_ON

if TYPE_CHECKING:
    from environments.walker.episode import WalkerEpisode

#: A time limit that no episode reaches, since steps are counted as int32.
NEVER = 2**31 - 1


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

    def step(
        self,
        actions: NDArray[np.float32],
        which: NDArray[np.bool_] | None = None,
        begun: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take one step of 1/50 s in each of these worlds.

        Args:
            actions: (N, 4) float32, C order; read where ``which`` is true.
            which: (N,); None: all.
            begun: (N,), none of ``which``: begin an episode in each of these at the same time, as ``reset`` does, which
                costs less than a call of its own; None: in none.
        """
        ...

    def set_terrain(self, i: int, terrain: Terrain) -> None:
        """Give a world another terrain. Its episode is over with that: reset it before its next step.

        Args:
            i: which world.
            terrain: what it walks on from now on.
        """
        ...

    def body_state(self) -> NDArray[np.float32]:
        """(N, 5, 6) float32, see ``WalkerWorld.body_state``."""
        ...

    @property
    def touching(self) -> NDArray[np.float32]:
        """(N, 2) float32: 1 where lower leg 1, or 2, touches, otherwise 0."""
        ...


#: Terrains, the index into them, the time limit and the number of threads, as of ``make_worlds``.
MakeWorlds = Callable[[Sequence[Terrain], NDArray[np.int64], int, int], Worlds]


def make_worlds(
    engine: str, terrains: Sequence[Terrain], terrain_index: NDArray[np.int64], max_steps: int, threads: int
) -> Worlds:
    """The worlds of an engine; reset them before anything else.

    Args:
        engine: who integrates, see ``environments.engines.find_engine``; changes no bit. ``AUTO`` is ``"simd"``.
        terrains: the grounds that ``terrain_index`` points into.
        terrain_index: (N,) which terrain each world has.
        max_steps: control steps after which an episode is TIMEOUT; ``NEVER``: none is.
        threads: the most cores that are used; changes no bit. ``box2d`` uses one.

    Raises:
        InputError: as ``find_worlds``; there is no such terrain, or the worlds do not fit into memory.
    """
    make = find_worlds(engine)
    check_terrain_index(np.asarray(terrain_index), len(terrains))
    return make(terrains, terrain_index, max_steps, threads)


def find_worlds(engine: str) -> MakeWorlds:
    """What makes the worlds of an engine, see ``make_worlds``.

    Raises:
        InputError: the engine is unknown, cannot be imported or has no worlds.
    """
    path = find_engine("simd" if engine == AUTO else engine).worlds
    if not path:
        names = " or ".join(map(repr, engines_with_worlds()))
        raise InputError(f"engine {engine!r} runs whole episodes and has no worlds to step: take {names}")
    found: MakeWorlds = load_named(path, {}, "worlds")
    return found


def show(worlds: Worlds, i: int, episode: WalkerEpisode, reward: float) -> None:
    """Write row ``i`` of the buffers of ``worlds``: where an episode is, and the reward of its latest step."""
    worlds.observations[i] = episode.observation
    worlds.rewards[i] = reward
    worlds.outcomes[i] = episode.outcome or GOES_ON
    worlds.num_steps[i] = episode.num_steps
