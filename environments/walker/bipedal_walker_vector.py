"""Gymnasium's ``BipedalWalker-v3`` and ``BipedalWalkerHardcore-v3``, many at a time in our own physics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from environments.errors import COUNT, InputError, whole_number
from environments.terrain.bipedal_walker import draw_terrain
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.vector_base import (
    Observations,
    VectorOptions,
    WalkerVectorEnv,
    check_worlds_fit,
    num_threads,
)
from environments.walker.worlds import NEVER, Worlds, make_worlds


def make_bipedal_walkers(
    num_envs: int = 1,
    hardcore: bool = False,
    max_episode_steps: int | None = None,
    *,
    engine: str = "simd",
    threads: int | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    render_mode: str | None = None,
    batch_size: int | None = None,
) -> BipedalWalkerVectorEnv:
    """What ``gymnasium.make_vec("poet/BipedalWalker-v3", num_envs, ...)`` calls.

    Args:
        num_envs: number of worlds.
        hardcore: with pits, stumps and stairs.
        max_episode_steps: steps after which an episode is truncated; -1 or None: never.
        engine, threads, autoreset_mode, copy, render_mode, batch_size: see ``make_vec_env``.

    Raises:
        InputError: an argument has another type or range, an unknown name, or the worlds do not fit into memory.
    """
    num_envs = whole_number("num_envs", num_envs, *COUNT)
    is_endless = max_episode_steps in (None, -1)
    limit = NEVER if is_endless else whole_number("max_episode_steps", max_episode_steps, *COUNT)
    options = VectorOptions.checked(num_envs, autoreset_mode, copy, render_mode, batch_size)
    check_worlds_fit(num_envs)
    start = ObstacleGenotype().express(seed=0)  # until the first reset
    worlds = make_worlds(engine, (start,), np.zeros(num_envs, np.int64), limit, num_threads(threads))
    return BipedalWalkerVectorEnv(worlds, start, bool(hardcore), limit, options)


class BipedalWalkerVectorEnv(WalkerVectorEnv):
    """N walkers, each on courses of its own; each one gives, bit for bit, what ``BipedalWalkerEnv`` gives.

    Seeds, ``np_random``, autoreset, infos and ``reset(options={"reset_mask": ...})`` are as in
    ``gymnasium.vector.SyncVectorEnv``.

    Args:
        worlds: of any engine, not yet reset, with the time limit ``limit``.
        start: what they have been made with.
        is_hardcore: with pits, stumps and stairs.
        limit: control steps after which an episode is truncated, whether it is also terminated or not.
        options: see ``WalkerVectorEnv``.
    """

    def __init__(self, worlds: Worlds, start: Terrain, is_hardcore: bool, limit: int, options: VectorOptions) -> None:
        super().__init__(worlds, (start,), options)
        self.hardcore = is_hardcore
        self._limit = limit
        self._seeded: list[tuple[np.random.Generator, int] | None] = [None] * self.num_envs

    @property
    def np_random(self) -> Any:
        """The generator of each world, a tuple."""
        return tuple(self._generator(i)[0] for i in range(self.num_envs))

    @np_random.setter
    def np_random(self, generators: Any) -> None:
        """Take these, one for each world; nobody knows their seeds, so they are -1, as in Gymnasium."""
        self._seeded = [(generator, -1) for generator in generators]

    @property
    def np_random_seed(self) -> Any:
        """The seed of the generator of each world, a tuple of integers."""
        return tuple(self._generator(i)[1] for i in range(self.num_envs))

    def _generator(self, i: int) -> tuple[np.random.Generator, int]:
        """The generator of a world and its seed, which comes by chance if nobody gave it."""
        seeded = self._seeded[i]
        if seeded is None:
            self._seeded[i] = seeded = seeding.np_random()
        return seeded

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Draw courses and pushes, and set the walkers on them.

        Args:
            seed: an integer s: s + i for world i; or one for each world; None: the world's generator goes on.
            options: ``{"reset_mask": (N,) bool}`` resets these worlds only.

        Returns:
            The (N, 24) float32 observations after one step without torque, and an empty info.

        Raises:
            InputError: another number of seeds; or the mask has another type or shape, or chooses no world.
            gymnasium.error.Error: a seed that is negative or no integer.
            ResetNeeded: a first reset that leaves worlds out.
        """
        mask = self._mask_of(options)
        for i, one in enumerate(self._seeds_from(seed)):
            if one is not None and (mask is None or mask[i]):
                self._seeded[i] = seeding.np_random(one)
        return self._observed(self._begin(mask)), {}

    def _seeds_from(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None or isinstance(seed, int):
            return [None if seed is None else seed + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise InputError(f"seed must be an integer or one for each of {self.num_envs} worlds, found {len(seed)}")
        return seed

    def _new_terrains(self, which: NDArray[np.bool_] | None) -> Mapping[int, Terrain]:
        chosen = range(self.num_envs) if which is None else np.flatnonzero(which).tolist()
        return {i: draw_terrain(self._generator(i)[0], self.hardcore) for i in chosen}

    def _infos(self, worlds: Worlds, is_stepped: NDArray[np.bool_], ended: NDArray[np.bool_] | None) -> dict[str, Any]:
        return {}

    def _truncate(self, worlds: Worlds, truncations: NDArray[np.bool_]) -> None:
        """As by the wrapper ``TimeLimit``: a walker that falls in the last step is terminated and truncated."""
        np.greater_equal(worlds.num_steps, self._limit, out=truncations)
