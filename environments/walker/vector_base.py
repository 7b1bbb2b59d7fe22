"""What our vector envs share: N walkers that are stepped together, and Gymnasium's ways of beginning again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from environments.arithmetic import exact
from environments.biped import NUM_JOINTS
from environments.copying import CopiedWhole
from environments.errors import COUNT, InputError, nearest, whole_number
from environments.machine import available_cores, check_memory
from environments.terrain.terrain import Terrain
from environments.walker.actions import as_actions
from environments.walker.draw import draw
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.env import BipedalTerrainEnv
from environments.walker.scene import Scene, follow, pose_of
from environments.walker.worlds import Worlds

Observations = NDArray[np.float32]
StepResult = tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]

_MODES = {mode.value: mode for mode in AutoresetMode}
_RENDER_MODES = ("rgb_array",)
#: Memory of one world in a vector env alone, bytes: buffers and results; its engine checks for itself.
_LEAST_WORLD_BYTES = 500


@dataclass(frozen=True)
class VectorOptions:
    """How a vector env is used.

    Attributes:
        autoreset_mode, copy, render_mode: see ``make_vec_env``.
    """

    autoreset_mode: AutoresetMode
    copy: bool
    render_mode: str | None

    @classmethod
    def checked(cls, autoreset_mode: AutoresetMode | str, copy: bool, render_mode: str | None) -> Self:
        """From what a user gave.

        Raises:
            InputError: an unknown mode.
        """
        if render_mode is not None and render_mode not in _RENDER_MODES:
            raise InputError(f"render_mode {render_mode!r} is unknown, {nearest(str(render_mode), _RENDER_MODES)}")
        mode = autoreset_mode if isinstance(autoreset_mode, AutoresetMode) else _MODES.get(str(autoreset_mode))
        if mode is None:
            raise InputError(f"autoreset_mode {autoreset_mode!r} is unknown, {nearest(str(autoreset_mode), _MODES)}")
        return cls(mode, copy, render_mode)


def num_threads(threads: int | None) -> int:
    """``threads``, or all that this process may use if it is None.

    Raises:
        InputError: no number of threads.
    """
    return available_cores() if threads is None else whole_number("threads", threads, *COUNT)


def check_worlds_fit(num_worlds: int) -> None:
    """Check the memory for the buffers and results of a vector env; its engine checks for itself.

    Raises:
        InputError: they do not fit.
    """
    check_memory(num_worlds, _LEAST_WORLD_BYTES)


class WalkerVectorEnv(CopiedWhole, VectorEnv[Observations, NDArray[np.float32], NDArray[Any]]):
    """N walkers; the subclasses say what they walk on and what infos there are.

    Autoreset, ``info["final_obs"]``, ``info["final_info"]`` and ``reset(options={"reset_mask": ...})`` are as in
    ``gymnasium.vector.SyncVectorEnv``.

    Args:
        worlds: of any engine, not yet reset.
        terrains: at first world i has the terrain i modulo their number.
        options: how the env is used.
    """

    def __init__(self, worlds: Worlds, terrains: Sequence[Terrain], options: VectorOptions) -> None:
        single = BipedalTerrainEnv(terrains[0])
        self.num_envs = worlds.num_worlds
        self._terrains = [terrains[i % len(terrains)] for i in range(self.num_envs)]
        self.autoreset_mode = mode = options.autoreset_mode
        self.copy = options.copy
        self.render_mode = options.render_mode
        self.metadata = {**single.metadata, "render_modes": list(_RENDER_MODES), "autoreset_mode": mode}
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, self.num_envs)
        self.action_space = batch_space(single.action_space, self.num_envs)
        self._worlds: Worlds | None = worlds
        self._has_begun = False
        self._is_over = np.zeros(self.num_envs, np.bool_)
        self._shape = self.num_envs, NUM_JOINTS

    @property
    def terrains(self) -> tuple[Terrain, ...]:
        """What each world walks on."""
        return tuple(self._terrains)

    @abstractmethod
    def _new_terrains(self, which: NDArray[np.bool_] | None) -> Mapping[int, Terrain]:
        """The terrains of those worlds that begin an episode on another one than before; None: of all worlds."""

    @abstractmethod
    def _infos(self, worlds: Worlds, is_stepped: NDArray[np.bool_], is_over: NDArray[np.bool_]) -> dict[str, Any]:
        """The infos of the worlds that have taken a step, and of those whose episode is over."""

    def _begin(self, mask: NDArray[np.bool_] | None) -> Worlds:
        """Begin an episode in these worlds, None: in all."""
        worlds = self._open("reset")
        self._reset(worlds, mask)
        self._is_over[... if mask is None else mask] = False
        self._has_begun = True
        return worlds

    def _reset(self, worlds: Worlds, which: NDArray[np.bool_] | None) -> None:
        for i, terrain in self._new_terrains(which).items():
            worlds.set_terrain(i, terrain)
            self._terrains[i] = terrain
        worlds.reset(which)

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
            self._reset(worlds, self._is_over)
            worlds.step(actions, is_stepped)
        else:
            worlds.step(actions, None)
        rewards = worlds.rewards.copy()
        is_over = worlds.outcomes != GOES_ON
        is_timeout = worlds.outcomes == Outcome.TIMEOUT
        terminations, truncations = is_over & ~is_timeout, self._truncated(worlds, is_timeout)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._begin_again(worlds, is_over)
        else:
            infos = self._infos(worlds, is_stepped, is_over)
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
            terrain, pose = self._terrains[i], pose_of(bodies, observation)
            pictures.append(draw(Scene(terrain, (pose,), follow(terrain, pose))))
        return tuple(pictures)

    def close_extras(self, **kwargs: Any) -> None:
        """Let the worlds go; called by ``close``."""
        self._worlds = None

    def _begin_again(self, worlds: Worlds, is_over: NDArray[np.bool_]) -> dict[str, Any]:
        """Reset the worlds that are over. Returns the step's infos with what the resets would hide."""
        if not is_over.any():
            return self._infos(worlds, ~is_over, is_over)
        final = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(is_over):
            final[i] = worlds.observations[i].copy()
        last = {"final_obs": final, "_final_obs": is_over, "final_info": self._infos(worlds, is_over, is_over)}
        self._reset(worlds, is_over)
        return {**self._infos(worlds, ~is_over, np.zeros_like(is_over)), **last, "_final_info": is_over.copy()}

    def _truncated(self, worlds: Worlds, is_timeout: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which worlds are truncated: those whose episode has ended for nothing else."""
        return is_timeout

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

    def _mask_of(self, options: Any) -> NDArray[np.bool_] | None:
        """Which worlds ``reset`` is to begin anew by its options; None for all.

        Raises:
            InputError: the options are no dict, or the mask has another type or shape, or chooses no world.
            ResetNeeded: a first reset that leaves worlds out.
        """
        if not isinstance(options, Mapping | None):
            raise InputError(f"options must be a dict, such as {{'reset_mask': mask}}, found {type(options).__name__}")
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return None
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            found = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise InputError(f"options['reset_mask'] must be a bool array of shape ({self.num_envs},), found {found}")
        if not mask.any():
            raise InputError("options['reset_mask'] must choose at least one world, but all its values are False")
        if not self._has_begun and not mask.all():
            raise ResetNeeded("the first reset must be of all worlds: call envs.reset() without a reset_mask")
        return mask
