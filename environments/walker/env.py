"""The walker as a Gymnasium environment, ``BipedalTerrain-v0``, and what it shares with ``bipedal_walker``."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from environments.arithmetic import exact
from environments.biped import MAX_STEPS, NUM_JOINTS, NUM_RAYS
from environments.errors import COUNT, InputError, nearest, whole_number
from environments.physics.constants import STEPS_PER_SECOND
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.actions import as_actions
from environments.walker.draw import draw
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.scene import Scene, follow, pose_of
from environments.walker.window import Window
from environments.walker.worlds import Worlds, find_worlds, make_worlds

Observation = NDArray[np.float32]

_ACTION_SHAPE = (NUM_JOINTS,)
_RENDER_MODES = ("human", "rgb_array")
# Gymnasium's bounds: joints and hull move at up to five times the rated speeds when something hits them.
_LEG_BOUND = (np.pi, 5.0, np.pi, 5.0, 5.0)
_HIGH = np.array([np.pi, 5.0, 5.0, 5.0, *_LEG_BOUND, *_LEG_BOUND, *(1.0,) * NUM_RAYS], np.float32)
_LOW = np.where(np.isin(np.arange(_HIGH.size), (8, 13)), np.float32(0.0), -_HIGH)


class WalkerEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A walker in a world of its own, and its pictures; the subclasses say what it walks on and what infos there are.

    Args:
        terrain: what the walker walks on; a reset sees to it that it stands on what this attribute names then.
        render_mode: see the subclasses.
        limit: control steps after which an episode is TIMEOUT.
        engine: who integrates, see ``make_worlds``; changes no bit.

    Raises:
        InputError: an unknown render mode or engine.
    """

    metadata = {"render_modes": list(_RENDER_MODES), "render_fps": STEPS_PER_SECOND}  # noqa: RUF012 - as in gymnasium.Env

    def __init__(self, terrain: Terrain, render_mode: str | None, limit: int, engine: str) -> None:
        if render_mode is not None and render_mode not in _RENDER_MODES:
            raise InputError(f"render_mode {render_mode!r} is unknown, {nearest(str(render_mode), _RENDER_MODES)}")
        find_worlds(engine)
        self.terrain = terrain
        self.render_mode = render_mode
        self.engine = engine
        self.observation_space = spaces.Box(_LOW, _HIGH)
        self.action_space = spaces.Box(-1.0, 1.0, _ACTION_SHAPE, np.float32)
        self._limit = limit
        self._worlds: Worlds | None = None
        self._stands_on: Terrain | None = None
        self._window: Window | None = None

    def _begin(self) -> Observation:
        """Set the walker on its terrain. Returns the observation after one step without torque."""
        if self._worlds is None:
            self._worlds = make_worlds(self.engine, (self.terrain,), np.zeros(1, np.int64), self._limit, threads=1)
        elif self._stands_on is not self.terrain:
            self._worlds.set_terrain(0, self.terrain)
        self._stands_on = self.terrain
        self._worlds.reset()
        if self.render_mode == "human":
            self.render()
        observation: Observation = self._worlds.observations[0].copy()
        return observation

    @exact
    def _advance(self, action: ArrayLike) -> tuple[Observation, float, Outcome | None]:
        """Take a step of 1/50 s. Returns the observation, the reward, and how the episode ended, if it has."""
        worlds = self._begun("step")
        worlds.step(as_actions(action, _ACTION_SHAPE, "action")[np.newaxis])
        if self.render_mode == "human":
            self.render()
        code = int(worlds.outcomes[0])
        return worlds.observations[0].copy(), float(worlds.rewards[0]), None if code == GOES_ON else Outcome(code)

    def _begun(self, verb: str) -> Worlds:
        if self._worlds is None:
            raise ResetNeeded(f"{verb} needs an episode, found none: call env.reset() first")
        return self._worlds

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the walker where it is.

        Returns:
            (400, 600, 3) uint8 in the mode ``rgb_array``; None in the mode ``human``, which shows it in a window, and
            in an env that was made without a render mode.

        Raises:
            ResetNeeded: there was no reset yet.
        """
        if self.render_mode is None:
            gymnasium.logger.warn(
                'render draws nothing without a render mode: make the env with render_mode="rgb_array"'
            )
            return None
        worlds = self._begun("render")
        pose = pose_of(worlds.body_state()[0], worlds.observations[0])
        picture = draw(Scene(self.terrain, (pose,), follow(self.terrain, pose)))
        if self.render_mode == "rgb_array":
            return picture
        if self._window is None:
            self._window = Window(type(self).__name__.removesuffix("Env"), self.metadata["render_fps"])
        self._window.show(picture)
        return None

    def close(self) -> None:
        """Close the window, if there is one; a second call changes nothing."""
        if self._window is not None:
            self._window.close()
            self._window = None


class BipedalTerrainEnv(WalkerEnv):
    """A bipedal walker on a given terrain, physics, observations and rewards as in Gymnasium's ``BipedalWalker-v3``.

    Each reset makes a new world, so equal actions give equal episodes. The seed of ``reset`` changes nothing: the push
    belongs to the terrain. A copied or pickled env is on the same terrain, and waits for its own first reset.

    An episode is truncated after 2000 steps, by the env itself; in an env from ``gymnasium.make`` by its wrapper
    ``TimeLimit``, so that ``max_episode_steps`` sets another limit.

    ``info["finished"]`` says after each step whether the walker is beyond the course's end; on the last step of an
    episode ``info["outcome"]`` says how it ended (``Outcome``). It is missing where a wrapper ends the episode before
    step 2000, and TIMEOUT from there on. A world that diverges terminates with reward -100.

    Args:
        terrain: what the walker walks on; None: flat ground.
        render_mode: ``"human"`` opens a window, ``"rgb_array"`` makes ``render`` return pictures, None draws nothing.
        max_steps: control steps after which an episode is truncated; None: that is left to a wrapper.
        engine: who integrates, ``"simd"`` or ``"box2d"``, see ``make_vec_env``; changes no bit.

    Raises:
        InputError: something else than a ``Terrain``, an unknown render mode or engine, or no number of steps.
    """

    def __init__(
        self,
        terrain: Terrain | None = None,
        render_mode: str | None = None,
        max_steps: int | None = MAX_STEPS,
        engine: str = "simd",
    ) -> None:
        if terrain is not None:
            check_terrain(terrain, "terrain")
        self.max_steps = None if max_steps is None else whole_number("max_steps", max_steps, *COUNT)
        ground = ObstacleGenotype().express(seed=0) if terrain is None else terrain
        super().__init__(ground, render_mode, MAX_STEPS if self.max_steps is None else self.max_steps, engine)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.terrain, self.render_mode, self.max_steps, self.engine)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Set the walker on the ground in a new world.

        Args:
            seed: seeds ``np_random`` as Gymnasium asks, and nothing else.
            options: ``{"terrain": Terrain}``: what it walks on from now on.

        Returns:
            The (24,) float32 observation after one step without torque, and an empty info.

        Raises:
            InputError: something else than a ``Terrain``.
        """
        super().reset(seed=None if seed is None else whole_number("seed", seed))
        if options and "terrain" in options:
            self.terrain = check_terrain(options["terrain"], "options['terrain']")
        return self._begin(), {}

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one step of 1/50 s.

        Args:
            action: (4,) rounded to float32; hip and knee of leg 1, then of leg 2; beyond -1..1 it counts as -1 or 1.

        Returns:
            Observation (24,) float32, reward, terminated, truncated, info.

        Raises:
            ResetNeeded: there was no reset yet.
            InputError: the action has another shape or is no numbers.
        """
        observation, reward, outcome = self._advance(action)
        info: dict[str, Any] = {"finished": outcome is Outcome.FINISHED}
        if outcome is not None:
            info["outcome"] = outcome
        is_timeout = outcome is Outcome.TIMEOUT
        is_terminated = outcome is not None and not is_timeout
        return observation, reward, is_terminated, is_timeout and self.max_steps is not None, info


def check_terrain(terrain: Any, name: str) -> Terrain:
    """The terrain itself.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(terrain, Terrain):
        raise InputError(
            f"{name} must be an environments.Terrain, found {type(terrain).__name__}: make one with "
            "ObstacleGenotype(...).express(seed) or Terrain.from_gymnasium(env)"
        )
    return terrain
