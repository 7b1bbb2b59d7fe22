"""What our vector envs share: N walkers that are stepped together, and Gymnasium's ways of beginning again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
from gymnasium.error import ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
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
from environments.walker.batches import Line, as_worlds, rows_of
from environments.walker.draw import draw
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.env import BipedalTerrainEnv
from environments.walker.scene import Scene, follow, pose_of
from environments.walker.worlds import Worlds

Observations = NDArray[np.float32]
StepResult = tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]

Value = TypeVar("Value", bound=np.generic)

_MODES = {mode.value: mode for mode in AutoresetMode}
_RENDER_MODES = ("rgb_array",)
#: As the arrays have it: of an ``Outcome`` NumPy would make an int64, and of the arrays too.
_TIMEOUT = np.int8(Outcome.TIMEOUT)
#: Memory of one world in a vector env alone, bytes: buffers and results; its engine checks for itself.
_LEAST_WORLD_BYTES = 500


@dataclass(frozen=True)
class VectorOptions:
    """How a vector env is used.

    Attributes:
        autoreset_mode, copy, render_mode: see ``make_vec_env``.
        batch_size: worlds in each batch of ``async_reset``.
    """

    autoreset_mode: AutoresetMode
    copy: bool
    render_mode: str | None
    batch_size: int

    @classmethod
    def checked(
        cls,
        num_envs: int,
        autoreset_mode: AutoresetMode | str,
        copy: bool,
        render_mode: str | None,
        batch_size: int | None,
    ) -> Self:
        """From what a user gave.

        Raises:
            InputError: an unknown mode, or a size of batches that does not divide the number of worlds.
        """
        size = num_envs if batch_size is None else whole_number("batch_size", batch_size, *COUNT)
        if num_envs % size:
            raise InputError(f"batch_size must divide the number of worlds, {num_envs}, but is {size}")
        if render_mode is not None and render_mode not in _RENDER_MODES:
            raise InputError(f"render_mode {render_mode!r} is unknown, {nearest(str(render_mode), _RENDER_MODES)}")
        mode = autoreset_mode if isinstance(autoreset_mode, AutoresetMode) else _MODES.get(str(autoreset_mode))
        if mode is None:
            raise InputError(f"autoreset_mode {autoreset_mode!r} is unknown, {nearest(str(autoreset_mode), _MODES)}")
        return cls(mode, copy, render_mode, size)


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
    ``gymnasium.vector.SyncVectorEnv``; ``async_reset``, ``send`` and ``recv`` as in EnvPool.

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
        self._shape = self.num_envs, NUM_JOINTS
        self._batch_size, self._line = options.batch_size, Line[StepResult](self.num_envs)
        self._sent_actions = np.zeros(self._shape, np.float32)
        #: Where an episode is over that has not begun anew, and where a step was taken.
        self._is_over, self._is_stepped = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        self._terminations, self._truncations = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        # A reset within the step overwrites what the worlds say of rewards.
        self._rewards = worlds.rewards.copy() if mode is AutoresetMode.SAME_STEP else worlds.rewards

    @property
    def terrains(self) -> tuple[Terrain, ...]:
        """What each world walks on."""
        return tuple(self._terrains)

    @abstractmethod
    def _new_terrains(self, which: NDArray[np.bool_] | None) -> Mapping[int, Terrain]:
        """The terrains of those worlds that begin an episode on another one than before; None: of all worlds."""

    @abstractmethod
    def _infos(self, worlds: Worlds, is_stepped: NDArray[np.bool_], ended: NDArray[np.bool_] | None) -> dict[str, Any]:
        """The infos of the worlds that have taken a step, and of those whose episode is over; None: of no world.

        An env that does not copy may give buffers, which the next call overwrites.
        """

    def _begin(self, mask: NDArray[np.bool_] | None) -> Worlds:
        """Begin an episode in these worlds, None: in all."""
        worlds = self._open("reset")
        self._reset(worlds, mask)
        self._is_over[... if mask is None else mask] = False
        self._has_begun = True
        return worlds

    def _place(self, worlds: Worlds, which: NDArray[np.bool_] | None) -> None:
        """Give these worlds the terrains of their next episodes."""
        for i, terrain in self._new_terrains(which).items():
            worlds.set_terrain(i, terrain)
            self._terrains[i] = terrain

    def _reset(self, worlds: Worlds, which: NDArray[np.bool_] | None) -> None:
        self._place(worlds, which)
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
        self._check_all_here("step")
        actions = as_actions(actions, self._shape)
        if self.autoreset_mode is AutoresetMode.DISABLED and self._is_over.any():
            raise ResetNeeded(
                f"step needs episodes that go on, but that of world {self._is_over.argmax()} is over: "
                "call envs.reset(options={'reset_mask': terminations | truncations})"
            )
        infos = self._step(worlds, actions, None)
        flags = self._shown(self._terminations), self._shown(self._truncations)
        return self._observed(worlds), self._shown(self._rewards), *flags, infos

    def async_reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode in every world; then ``recv`` gives them in batches, for which ``send`` takes actions.

        Batch k has the worlds k, k + K, k + 2 K and so on, of K batches. A batch is stepped in the background while the
        caller works on others. Batches come back whole, in the order in which they were sent, and what a world does
        depends on its own actions alone.

        Args:
            seed, options: as of ``reset``; without a ``reset_mask``.

        Raises:
            InputError: as ``reset``; there is a mask; batches are on their way; or autoreset is disabled.
        """
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise InputError("batches begin new episodes by themselves: make the env with another autoreset_mode")
        if options and "reset_mask" in options:
            raise InputError("async_reset begins an episode in every world: leave out options['reset_mask']")
        self._check_all_here("async_reset")
        observations, _ = self.reset(seed=seed, options=options)
        num_batches = self.num_envs // self._batch_size
        for k in range(num_batches):
            worlds = np.arange(k, self.num_envs, num_batches)
            flags = np.zeros(self._batch_size, np.bool_), np.zeros(self._batch_size, np.bool_)
            begun = (observations[worlds], np.zeros(self._batch_size), *flags, {"env_id": worlds.copy()})
            self._line.send(worlds, partial(_itself, begun))

    def send(self, actions: ArrayLike, env_id: ArrayLike) -> None:
        """Let some worlds take a step in the background; where an episode is over, the next one begins instead.

        Args:
            actions: (M, 4) as of ``step``; they are copied.
            env_id: (M,) the numbers of the worlds, as in ``info["env_id"]``, or others that are not on their way.

        Raises:
            InputError: the actions or numbers do not fit, or one of the worlds is on its way.
            ResetNeeded: there was no reset yet.
        """
        worlds = self._ready("send")
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise InputError("batches begin new episodes by themselves: make the env with another autoreset_mode")
        chosen = as_worlds(env_id, self._line.is_away)
        self._sent_actions[chosen] = as_actions(actions, (len(chosen), NUM_JOINTS))
        self._line.send(chosen, partial(self._step_batch, worlds, chosen))

    def recv(self) -> StepResult:
        """The batch that was sent first of those on their way. Waits for it.

        Returns:
            As ``step``, new arrays with a row for each of its worlds; the infos also have ``env_id``, (M,) int64.

        Raises:
            gymnasium.error.NoAsyncCallError: no batch is on its way.
        """
        self._open("recv")
        if not np.count_nonzero(self._line.is_away):
            raise NoAsyncCallError(
                "recv needs a batch that was sent, found none: call envs.async_reset() first", "recv"
            )
        return self._line.receive()

    def _step(self, worlds: Worlds, actions: NDArray[np.float32], sent: NDArray[np.bool_] | None) -> dict[str, Any]:
        """Take a step in these worlds, None: in all, or begin an episode; fills the buffers. Returns infos of all."""
        is_over, is_stepped = self._is_over, self._is_stepped
        # count_nonzero takes a tenth of any's time.
        if sent is None and not np.count_nonzero(is_over):
            is_stepped.fill(True)
            worlds.step(actions, None)
        else:
            due = is_over if sent is None else is_over & sent
            np.logical_not(due, out=is_stepped)
            if sent is not None:
                is_stepped &= sent
            if np.count_nonzero(due):
                self._place(worlds, due)
                worlds.step(actions, is_stepped, due)
            else:
                worlds.step(actions, is_stepped)
        is_same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        if is_same_step:
            np.copyto(self._rewards, worlds.rewards)
        np.not_equal(worlds.outcomes, GOES_ON, out=is_over)
        np.equal(worlds.outcomes, _TIMEOUT, out=self._truncations)
        np.greater(is_over, self._truncations, out=self._terminations)
        self._truncate(worlds, self._truncations)
        if not np.count_nonzero(is_over):
            return self._infos(worlds, is_stepped, None)
        ended = is_over.copy() if sent is None else is_over & sent
        return self._begin_again(worlds, is_stepped, ended) if is_same_step else self._infos(worlds, is_stepped, ended)

    @exact
    def _step_batch(self, worlds: Worlds, chosen: NDArray[np.int64]) -> StepResult:
        """``_step`` of a batch. Returns the rows of its worlds."""
        sent = np.zeros(self.num_envs, np.bool_)
        sent[chosen] = True
        infos = self._step(worlds, self._sent_actions, sent)
        flags = self._terminations[chosen], self._truncations[chosen]
        rows = {**rows_of(infos, chosen), "env_id": chosen.copy()}
        return worlds.observations[chosen], self._rewards[chosen], *flags, rows

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
        self._check_all_here("render")
        pictures = []
        for i, (bodies, observation) in enumerate(zip(worlds.body_state(), worlds.observations, strict=True)):
            terrain, pose = self._terrains[i], pose_of(bodies, observation)
            pictures.append(draw(Scene(terrain, (pose,), follow(terrain, pose))))
        return tuple(pictures)

    def close_extras(self, **kwargs: Any) -> None:
        """Let the worlds go; called by ``close``."""
        self._line.close()
        self._worlds = None

    def _begin_again(self, worlds: Worlds, is_stepped: NDArray[np.bool_], ended: NDArray[np.bool_]) -> dict[str, Any]:
        """Reset the worlds that are over. Returns the step's infos with what the resets would hide."""
        if not ended.any():
            return self._infos(worlds, is_stepped, None)
        final = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(ended):
            final[i] = worlds.observations[i].copy()
        final_info = {key: value.copy() for key, value in self._infos(worlds, ended, ended).items()}
        last = {"final_obs": final, "_final_obs": ended, "final_info": final_info}
        self._reset(worlds, ended)
        self._is_over[ended] = False
        return {**self._infos(worlds, is_stepped & ~ended, None), **last, "_final_info": ended.copy()}

    def _truncate(self, worlds: Worlds, truncations: NDArray[np.bool_]) -> None:
        """Correct which worlds are truncated: those whose episode has ended for nothing but the time limit."""

    def _open(self, verb: str) -> Worlds:
        if self._worlds is None:
            raise ClosedEnvironmentError(f"{verb} needs an open env, but this one was closed: make another one")
        return self._worlds

    def _ready(self, verb: str) -> Worlds:
        worlds = self._open(verb)
        if not self._has_begun:
            raise ResetNeeded(f"{verb} needs episodes, found none: call envs.reset() first")
        return worlds

    def _check_all_here(self, verb: str) -> None:
        if np.count_nonzero(self._line.is_away):
            raise InputError(
                f"{verb} needs all worlds, but {np.count_nonzero(self._line.is_away)} of them are on their way: call "
                "envs.recv() until they are back"
            )

    def _observed(self, worlds: Worlds) -> Observations:
        return self._shown(worlds.observations)

    def _shown(self, buffer: NDArray[Value]) -> NDArray[Value]:
        """What the caller gets of a buffer."""
        return buffer.copy() if self.copy else buffer

    def _mask_of(self, options: Any) -> NDArray[np.bool_] | None:
        """Which worlds ``reset`` is to begin anew by its options; None for all.

        Raises:
            InputError: a world is on its way, options are no dict, or the mask has another type or shape, or chooses
                no world.
            ResetNeeded: a first reset that leaves worlds out.
        """
        self._check_all_here("reset")
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


def _itself(result: StepResult) -> StepResult:
    return result
