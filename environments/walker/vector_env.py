"""Many walkers as one Gymnasium vector environment, for people's own learners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.biped import MAX_STEPS
from environments.errors import COUNT, InputError, whole_number
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from environments.walker.env import BipedalTerrainEnv, check_terrain
from environments.walker.vector_base import (
    Observations,
    VectorOptions,
    WalkerVectorEnv,
    check_worlds_fit,
    num_threads,
)
from environments.walker.worlds import NEVER, Worlds, make_worlds

_FINISHED = np.int8(Outcome.FINISHED)


@exact
def make_vec_env(
    terrains: Terrain | Sequence[Terrain],
    num_envs: int | None = None,
    *,
    engine: str = "simd",
    threads: int | None = None,
    max_steps: int = MAX_STEPS,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    render_mode: str | None = None,
    batch_size: int | None = None,
) -> BipedalTerrainVectorEnv:
    """Many walkers that are stepped together.

    Args:
        terrains: one for all worlds, or several that are dealt out in turn: world i walks on the terrain i modulo their
            number.
        num_envs: number of worlds; None: as many as there are terrains.
        engine: who integrates, ``"simd"`` or ``"box2d"``, or ``"package.module:Name"`` of an engine of your own, if
            it has worlds; changes no bit.
        threads: the most cores that are used; None: all that this process may use. Changes no bit. ``box2d`` uses
            one.
        max_steps: control steps after which an episode is truncated.
        autoreset_mode: when the next episode begins, see ``gymnasium.vector.AutoresetMode``; or its value, such as
            ``"SameStep"``.
        copy: whether ``reset`` and ``step`` return new arrays; False: the same ones each time, which each call
            overwrites, so that a step in which no episode ends makes no array.
        render_mode: ``"rgb_array"`` makes ``render`` return pictures, None draws nothing.
        batch_size: number of worlds that ``recv`` returns after ``async_reset``; None: all.

    Raises:
        InputError: an argument has another type or range, an unknown name, or the worlds do not fit into memory.
    """
    if not isinstance(terrains, Terrain | Iterable):
        raise InputError(f"terrains must be environments.Terrain, but is a {type(terrains).__name__}")
    given = (terrains,) if isinstance(terrains, Terrain) else tuple(terrains)
    if not given:
        raise InputError("terrains must hold at least one environments.Terrain, found none")
    for i, terrain in enumerate(given):
        if not isinstance(terrain, Terrain):
            raise InputError(f"terrains must be environments.Terrain, but number {i} is a {type(terrain).__name__}")
    num_worlds = len(given) if num_envs is None else whole_number("num_envs", num_envs, *COUNT)
    max_steps = whole_number("max_steps", max_steps, *COUNT)
    if num_worlds < len(given):
        raise InputError(f"num_envs must be at least the number of terrains, {len(given)}, but is {num_worlds}")
    threads = num_threads(threads)
    options = VectorOptions.checked(num_worlds, autoreset_mode, copy, render_mode, batch_size)
    check_worlds_fit(num_worlds)
    # An engine prepares each terrain once, even if it was given several times.
    distinct = {terrain: i for i, terrain in enumerate(dict.fromkeys(given))}
    index = np.array([distinct[terrain] for terrain in given], np.int64)[np.arange(num_worlds) % len(given)]
    worlds = make_worlds(engine, tuple(distinct), index, max_steps, threads)
    return BipedalTerrainVectorEnv(worlds, given, options)


def make_registered(
    num_envs: int = 1,
    terrain: Terrain | Sequence[Terrain] | None = None,
    max_episode_steps: int | None = MAX_STEPS,
    max_steps: int | None = None,
    **options: Any,
) -> BipedalTerrainVectorEnv:
    """What ``gymnasium.make_vec("BipedalTerrain-v0", num_envs, ...)`` calls.

    Args:
        num_envs: number of worlds.
        terrain: as in ``gymnasium.make`` (None: flat ground), or several as in ``make_vec_env``.
        max_episode_steps: steps after which an episode is truncated; -1: never; None: the registered number, which
            Gymnasium gives where the caller gives none.
        max_steps: the name that ``make_vec_env`` has for it; it wins if given.
        options: further arguments of ``make_vec_env``.

    Raises:
        InputError: as ``make_vec_env``; or the two names say different things.
    """
    if max_episode_steps is None:
        max_episode_steps = MAX_STEPS
    elif max_episode_steps == -1:
        max_episode_steps = NEVER
    max_episode_steps = whole_number("max_episode_steps", max_episode_steps, *COUNT)
    if max_steps is not None and max_episode_steps not in (MAX_STEPS, max_steps):
        raise InputError(f"max_episode_steps is {max_episode_steps} and max_steps is {max_steps}: give one of the two")
    limit = max_episode_steps if max_steps is None else max_steps
    grounds = BipedalTerrainEnv().terrain if terrain is None else terrain
    return make_vec_env(grounds, num_envs, max_steps=limit, **options)


class BipedalTerrainVectorEnv(WalkerVectorEnv):
    """N walkers, each on its own terrain; each one gives, bit for bit, what ``BipedalTerrainEnv`` gives.

    Infos have the format of ``gymnasium.vector.SyncVectorEnv``: keys appear in a step only if a world has them.
    ``finished`` (N,) bool, and ``outcome`` (N,) int8, a value of ``Outcome`` where an episode ended and otherwise 0;
    ``_finished`` and ``_outcome`` say which worlds have them.

    Args:
        worlds, terrains, options: see ``WalkerVectorEnv``.
    """

    def __init__(self, worlds: Worlds, terrains: Sequence[Terrain], options: VectorOptions) -> None:
        super().__init__(worlds, terrains, options)
        self._next_terrains: dict[int, Terrain] = {}
        self._is_finished, self._has_finished = (np.zeros(self.num_envs, np.bool_) for _ in range(2))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Set the walkers on the ground.

        Args:
            seed: seeds ``np_random`` as Gymnasium asks, and nothing else: the push belongs to the terrain.
            options: ``{"reset_mask": (N,) bool}`` resets these worlds only; ``{"terrains": {i: Terrain}}`` does first
                what ``set_terrains`` does.

        Returns:
            The (N, 24) float32 observations after one step without torque, and an empty info.

        Raises:
            InputError: the mask has another type or shape, or chooses no world; or as ``set_terrains``.
            ResetNeeded: a first reset that leaves worlds out.
        """
        mask = self._mask_of(options)
        VectorEnv.reset(self, seed=None if seed is None else whole_number("seed", seed))
        if options and "terrains" in options:
            self.set_terrains(options["terrains"])
        return self._observed(self._begin(mask)), {}

    def set_terrains(self, terrains: Mapping[int, Terrain]) -> None:
        """Give worlds other terrains, on which they walk from their next episode on, however that begins.

        Batches on their way are waited for, and begin no episode on them.

        Args:
            terrains: by the number of the world. The others stay on what they have.

        Raises:
            InputError: something else than a ``Terrain``, or there is no such world; then all stay on what they have.
        """
        if not isinstance(terrains, Mapping):
            raise InputError(f"terrains must map the numbers of worlds to terrains, found {type(terrains).__name__}")
        chosen = {
            whole_number("the number of a world", i, 0, self.num_envs - 1): check_terrain(terrain, f"terrain {i}")
            for i, terrain in terrains.items()
        }
        self._line.tell(partial(self._next_terrains.update, chosen))

    def _new_terrains(self, which: NDArray[np.bool_] | None) -> Mapping[int, Terrain]:
        due = [i for i in self._next_terrains if which is None or which[i]]
        return {i: self._next_terrains.pop(i) for i in due}

    def _infos(self, worlds: Worlds, is_stepped: NDArray[np.bool_], ended: NDArray[np.bool_] | None) -> dict[str, Any]:
        """In Gymnasium's vector format."""
        infos: dict[str, Any] = {}
        if np.count_nonzero(is_stepped):
            np.equal(worlds.outcomes, _FINISHED, out=self._is_finished)
            np.copyto(self._has_finished, is_stepped)
            infos["finished"], infos["_finished"] = self._shown(self._is_finished), self._shown(self._has_finished)
        if ended is not None and np.count_nonzero(ended):
            infos |= {"outcome": worlds.outcomes.copy(), "_outcome": ended.copy()}
        return infos
