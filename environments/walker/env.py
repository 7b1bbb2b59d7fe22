"""The walker as a Gymnasium environment, ``BipedalTerrain-v0``."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import ArrayLike, NDArray

from environments.biped import MAX_STEPS, NUM_JOINTS, NUM_RAYS
from environments.errors import COUNT, InputError, nearest, whole_number
from environments.physics.constants import STEPS_PER_SECOND
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.draw import draw
from environments.walker.ending import Outcome
from environments.walker.episode import WalkerEpisode
from environments.walker.scene import Scene, follow, pose_of
from environments.walker.window import Window

Observation = NDArray[np.float32]

_RENDER_MODES = ("human", "rgb_array")
# Gymnasium's bounds: joints and hull move at up to five times the rated speeds when something hits them.
_LEG_BOUND = (np.pi, 5.0, np.pi, 5.0, 5.0)
_HIGH = np.array([np.pi, 5.0, 5.0, 5.0, *_LEG_BOUND, *_LEG_BOUND, *(1.0,) * NUM_RAYS], np.float32)
_LOW = np.where(np.isin(np.arange(_HIGH.size), (8, 13)), np.float32(0.0), -_HIGH)


class BipedalTerrainEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A bipedal walker on a given terrain, physics, observations and rewards as in Gymnasium's ``BipedalWalker-v3``.

    Each reset makes a new Box2D world, so equal actions give equal episodes. The seed of ``reset`` changes nothing: the
    push belongs to the terrain. A copied or pickled env is on the same terrain, and waits for its own first reset.

    An episode is truncated after 2000 steps, by the env itself; in an env from ``gymnasium.make`` by its wrapper
    ``TimeLimit``, so that ``max_episode_steps`` sets another limit.

    ``info["finished"]`` says after each step whether the walker is beyond the course's end; on the last step of an
    episode ``info["outcome"]`` says how it ended (``Outcome``). It is missing where a wrapper ends the episode before
    step 2000, and TIMEOUT from there on. A world that diverges terminates with reward -100.

    Args:
        terrain: what the walker walks on; None: flat ground.
        render_mode: ``"human"`` opens a window, ``"rgb_array"`` makes ``render`` return pictures, None draws nothing.
        max_steps: control steps after which an episode is truncated; None: that is left to a wrapper.

    Raises:
        InputError: something else than a ``Terrain``, an unknown render mode, or no number of steps.
    """

    metadata = {"render_modes": list(_RENDER_MODES), "render_fps": STEPS_PER_SECOND}  # noqa: RUF012 - as in gymnasium.Env

    def __init__(
        self, terrain: Terrain | None = None, render_mode: str | None = None, max_steps: int | None = MAX_STEPS
    ) -> None:
        if terrain is not None and not isinstance(terrain, Terrain):
            raise InputError(
                f"terrain must be an environments.Terrain or None, found {type(terrain).__name__}: make one with "
                "ObstacleGenotype(...).express(seed) or Terrain.from_gymnasium(env)"
            )
        if render_mode is not None and render_mode not in _RENDER_MODES:
            raise InputError(f"render_mode {render_mode!r} is unknown, {nearest(str(render_mode), _RENDER_MODES)}")
        self.terrain = ObstacleGenotype().express(seed=0) if terrain is None else terrain
        self.max_steps = None if max_steps is None else whole_number("max_steps", max_steps, *COUNT)
        self.render_mode = render_mode
        self.observation_space = spaces.Box(_LOW, _HIGH)
        self.action_space = spaces.Box(-1.0, 1.0, (NUM_JOINTS,), np.float32)
        self._episode: WalkerEpisode | None = None
        self._window: Window | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.terrain, self.render_mode, self.max_steps)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Set the walker on the ground in a new world.

        Args:
            seed: seeds ``np_random`` as Gymnasium asks, and nothing else.
            options: none are known.

        Returns:
            The (24,) float32 observation after one step without torque, and an empty info.
        """
        super().reset(seed=None if seed is None else whole_number("seed", seed))
        self._episode = WalkerEpisode(self.terrain, MAX_STEPS if self.max_steps is None else self.max_steps)
        if self.render_mode == "human":
            self.render()
        return self._episode.observation.copy(), {}

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
        if self._episode is None:
            raise ResetNeeded("step needs an episode, found none: call env.reset() first")
        reward, outcome = self._episode.step(action)
        info: dict[str, Any] = {"finished": outcome is Outcome.FINISHED}
        if outcome is not None:
            info["outcome"] = outcome
        if self.render_mode == "human":
            self.render()
        is_timeout = outcome is Outcome.TIMEOUT
        is_terminated = outcome is not None and not is_timeout
        return self._episode.observation.copy(), reward, is_terminated, is_timeout and self.max_steps is not None, info

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
        if self._episode is None:
            raise ResetNeeded("render needs an episode, found none: call env.reset() first")
        pose = pose_of(self._episode.world.body_state(), self._episode.observation)
        picture = draw(Scene(self.terrain, (pose,), follow(self.terrain, pose)))
        if self.render_mode == "rgb_array":
            return picture
        if self._window is None:
            self._window = Window("BipedalTerrain", self.metadata["render_fps"])
        self._window.show(picture)
        return None

    def close(self) -> None:
        """Close the window, if there is one; a second call changes nothing."""
        if self._window is not None:
            self._window.close()
            self._window = None
