"""Many walkers as one Gymnasium vector environment, for people's own learners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from environments.arithmetic import exact
from environments.biped import MAX_STEPS, NUM_JOINTS
from environments.copying import CopiedWhole
from environments.errors import COUNT, InputError, nearest, whole_number
from environments.machine import available_cores, check_memory
from environments.terrain.terrain import Terrain
from environments.walker.actions import as_actions
from environments.walker.draw import draw
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.env import BipedalTerrainEnv
from environments.walker.scene import Scene, follow, pose_of
from environments.walker.worlds import Worlds, make_worlds

Observations = NDArray[np.float32]
StepResult = tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]

_MODES = {mode.value: mode for mode in AutoresetMode}
_RENDER_MODES = ("rgb_array",)
#: Memory of one world in this module alone, bytes: buffers and results; its engine checks for itself.
_LEAST_WORLD_BYTES = 500
#: A time limit that no episode reaches, since steps are counted as int32.
_NEVER = 2**31 - 1


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
        copy: whether observations are new arrays; False: one buffer that each call overwrites.
        render_mode: ``"rgb_array"`` makes ``render`` return pictures, None draws nothing.

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
    threads = available_cores() if threads is None else whole_number("threads", threads, *COUNT)
    if num_worlds < len(given):
        raise InputError(f"num_envs must be at least the number of terrains, {len(given)}, but is {num_worlds}")
    if render_mode is not None and render_mode not in _RENDER_MODES:
        raise InputError(f"render_mode {render_mode!r} is unknown, {nearest(str(render_mode), _RENDER_MODES)}")
    mode = autoreset_mode if isinstance(autoreset_mode, AutoresetMode) else _MODES.get(str(autoreset_mode))
    if mode is None:
        raise InputError(f"autoreset_mode {autoreset_mode!r} is unknown, {nearest(str(autoreset_mode), _MODES)}")
    check_memory(num_worlds, _LEAST_WORLD_BYTES)
    # An engine prepares each terrain once, even if it was given several times.
    distinct = {terrain: i for i, terrain in enumerate(dict.fromkeys(given))}
    index = np.array([distinct[terrain] for terrain in given], np.int64)[np.arange(num_worlds) % len(given)]
    worlds = make_worlds(engine, tuple(distinct), index, max_steps, threads)
    return BipedalTerrainVectorEnv(worlds, given, mode, copy, render_mode)


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
        max_episode_steps = _NEVER
    max_episode_steps = whole_number("max_episode_steps", max_episode_steps, *COUNT)
    if max_steps is not None and max_episode_steps not in (MAX_STEPS, max_steps):
        raise InputError(f"max_episode_steps is {max_episode_steps} and max_steps is {max_steps}: give one of the two")
    limit = max_episode_steps if max_steps is None else max_steps
    grounds = BipedalTerrainEnv().terrain if terrain is None else terrain
    return make_vec_env(grounds, num_envs, max_steps=limit, **options)


class BipedalTerrainVectorEnv(CopiedWhole, VectorEnv[Observations, NDArray[np.float32], NDArray[Any]]):
    """N walkers, each on its own terrain; each one gives, bit for bit, what ``BipedalTerrainEnv`` gives.

    Autoreset, ``info["final_obs"]``, ``info["final_info"]`` and ``reset(options={"reset_mask": ...})`` are as in
    ``gymnasium.vector.SyncVectorEnv``. So is the format of infos, whose keys appear in a step only if a world has them:
    ``finished`` (N,) bool, and ``outcome`` (N,) int8, a value of ``Outcome`` where an episode ended and otherwise 0;
    ``_finished`` and ``_outcome`` say which worlds have them.

    Args:
        worlds: of any engine, not yet reset.
        terrains: world i has the terrain i modulo their number.
        autoreset_mode, copy, render_mode: see ``make_vec_env``.
    """

    def __init__(
        self,
        worlds: Worlds,
        terrains: Sequence[Terrain],
        autoreset_mode: AutoresetMode,
        copy: bool,
        render_mode: str | None,
    ) -> None:
        single = BipedalTerrainEnv(terrains[0])
        self.num_envs = worlds.num_worlds
        self.terrains = tuple(terrains)
        self.autoreset_mode = autoreset_mode
        self.copy = copy
        self.render_mode = render_mode
        self.metadata = {**single.metadata, "render_modes": list(_RENDER_MODES), "autoreset_mode": autoreset_mode}
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self._worlds: Worlds | None = worlds
        self._has_begun = False
        self._is_over = np.zeros(self.num_envs, np.bool_)
        self._shape = self.num_envs, NUM_JOINTS

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Set the walkers on the ground.

        Args:
            seed: seeds ``np_random`` as Gymnasium asks, and nothing else: the push belongs to the terrain.
            options: ``{"reset_mask": (N,) bool}`` resets these worlds only.

        Returns:
            The (N, 24) float32 observations after one step without torque, and an empty info.

        Raises:
            InputError: the mask has another type or shape, or chooses no world.
            ResetNeeded: a first reset that leaves worlds out.
        """
        super().reset(seed=None if seed is None else whole_number("seed", seed))
        worlds = self._open("reset")
        mask = (options or {}).get("reset_mask")
        if mask is not None:
            self._check_mask(mask)
            if not self._has_begun and not mask.all():
                raise ResetNeeded("the first reset must be of all worlds: call envs.reset() without a reset_mask")
        worlds.reset(mask)
        self._is_over[... if mask is None else mask] = False
        self._has_begun = True
        return self._observed(worlds), {}

    @exact
    def step(self, actions: ArrayLike) -> StepResult:
        """Take one step of 1/50 s in every world; where an episode begins in this step, no action is taken.

        Args:
            actions: (N, 4) rounded to float32; hip and knee of leg 1, then of leg 2; beyond -1..1 it counts as -1 or 1.

        Returns:
            Observations (N, 24) float32, rewards (N,) float64, terminations and truncations (N,) bool, infos.

        Raises:
            InputError: the actions have another shape or are no numbers.
            ResetNeeded: there was no reset yet; or, without autoreset, an episode is over.
        """
        worlds = self._ready("step")
        actions = as_actions(actions, self._shape)
        if self.autoreset_mode is AutoresetMode.DISABLED and self._is_over.any():
            raise ResetNeeded(
                f"step needs episodes that go on, but that of world {self._is_over.argmax()} is over: "
                "call envs.reset(options={'reset_mask': terminations | truncations})"
            )
        is_stepped = ~self._is_over
        if self._is_over.any():
            worlds.reset(self._is_over)
            worlds.step(actions, is_stepped)
        else:
            worlds.step(actions, None)
        rewards = worlds.rewards.copy()
        is_over = worlds.outcomes != GOES_ON
        truncations = worlds.outcomes == Outcome.TIMEOUT
        terminations = is_over & ~truncations
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._begin_again(worlds, is_over)
        else:
            infos = _infos(worlds, is_stepped, is_over)
            self._is_over = is_over
        return self._observed(worlds), rewards, terminations, truncations, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Draw every walker where it is.

        Returns:
            N pictures, (400, 600, 3) uint8; None in an env that was made without a render mode.

        Raises:
            ResetNeeded: there was no reset yet.
        """
        if self.render_mode is None:
            return None
        worlds = self._ready("render")
        pictures = []
        for i, (bodies, observation) in enumerate(zip(worlds.body_state(), worlds.observations, strict=True)):
            terrain, pose = self.terrains[i % len(self.terrains)], pose_of(bodies, observation)
            pictures.append(draw(Scene(terrain, (pose,), follow(terrain, pose))))
        return tuple(pictures)

    def close_extras(self, **kwargs: Any) -> None:
        """Let the worlds go; called by ``close``."""
        self._worlds = None

    def _begin_again(self, worlds: Worlds, is_over: NDArray[np.bool_]) -> dict[str, Any]:
        """Reset the worlds that are over. Returns the step's infos with what the resets would hide."""
        if not is_over.any():
            return _infos(worlds, ~is_over, is_over)
        final = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(is_over):
            final[i] = worlds.observations[i].copy()
        last = {"final_obs": final, "_final_obs": is_over, "final_info": _infos(worlds, is_over, is_over)}
        worlds.reset(is_over)
        return {**_infos(worlds, ~is_over, np.zeros_like(is_over)), **last, "_final_info": is_over.copy()}

    def _open(self, verb: str) -> Worlds:
        if self._worlds is None:
            raise ClosedEnvironmentError(f"{verb} needs an open env, but this one was closed: make another one")
        return self._worlds

    def _ready(self, verb: str) -> Worlds:
        worlds = self._open(verb)
        if not self._has_begun:
            raise ResetNeeded(f"{verb} needs episodes, found none: call envs.reset() first")
        return worlds

    def _observed(self, worlds: Worlds) -> Observations:
        return worlds.observations.copy() if self.copy else worlds.observations

    def _check_mask(self, mask: Any) -> None:
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            found = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise InputError(f"options['reset_mask'] must be a bool array of shape ({self.num_envs},), found {found}")
        if not mask.any():
            raise InputError("options['reset_mask'] must choose at least one world, but all its values are False")


def _infos(worlds: Worlds, has_finished: NDArray[np.bool_], has_outcome: NDArray[np.bool_]) -> dict[str, Any]:
    """The worlds' infos in Gymnasium's vector format; the masks say which worlds have which key."""
    infos: dict[str, Any] = {}
    if has_finished.any():
        infos |= {"finished": worlds.outcomes == Outcome.FINISHED, "_finished": has_finished.copy()}
    if has_outcome.any():
        infos |= {"outcome": worlds.outcomes.copy(), "_outcome": has_outcome.copy()}
    return infos
