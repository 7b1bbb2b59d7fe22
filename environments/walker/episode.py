"""One episode in Box2D: what the Gymnasium env and the rollouts of the ``box2d`` engine share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from environments.arithmetic import exact
from environments.biped import MAX_STEPS, NUM_JOINTS, OBSERVATION_SIZE
from environments.copying import NotCopied
from environments.physics.box2d import WalkerWorld
from environments.physics.lidar import RAYS_SIZE
from environments.terrain.terrain import Terrain
from environments.walker.actions import as_actions
from environments.walker.ending import Outcome
from environments.walker.judge import judge_step
from environments.walker.reward import FALL_REWARD

_OUTCOME_OF = (None, *Outcome)
_SHAPE = (NUM_JOINTS,)
_STILL = np.zeros(_SHAPE, np.float32)


class WalkerEpisode(NotCopied):
    """A walker that has been set on ``terrain`` and has taken the reset's step (no torque, with the push).

    Args:
        terrain: what it walks on.
        max_steps: the time limit.

    Attributes:
        observation: (24,) float32 after the latest step; a new array each time. When the world diverges it stays what
            it was before.
        outcome: how the episode ended; None while it goes on.
        num_steps: steps taken, without the reset's.
        world: the Box2D world, to look at.
    """

    copy_refusal = WalkerWorld.copy_refusal

    @exact
    def __init__(self, terrain: Terrain, max_steps: int = MAX_STEPS) -> None:
        self.world = WalkerWorld(terrain)
        self.max_steps = max_steps
        self.num_steps = -1
        self.outcome: Outcome | None = None
        self.observation = np.zeros(OBSERVATION_SIZE, np.float32)
        self._rays = np.empty(RAYS_SIZE, np.float32)
        self._shaping = 0.0
        self._is_broken = False
        self.step(_STILL)
        self.outcome = None

    @exact
    def step(self, action: ArrayLike) -> tuple[float, Outcome | None]:
        """Take one step of 1/50 s.

        Args:
            action: (4,) rounded to float32; hip and knee of leg 1, then of leg 2.

        Returns:
            The reward, and the outcome if the episode ended with this step, else None. A world that diverges ends it:
            no exception, reward -100.

        Raises:
            InputError: the action does not have the shape (4,), or is no numbers.
        """
        action = as_actions(action, _SHAPE, "action")
        self.num_steps += 1
        if not self._advance(action.tolist()):
            self.outcome = Outcome.DIVERGED
            return FALL_REWARD, Outcome.DIVERGED
        world = self.world
        self.observation = np.empty(OBSERVATION_SIZE, np.float32)
        reward, self._shaping, code = judge_step(
            world.readings,
            action,
            self._shaping,
            world.has_fallen,
            self.num_steps,
            self.max_steps,
            world.course.edges,
            world.course.polygons,
            self._rays,
            self.observation,
        )
        self.outcome = _OUTCOME_OF[code]
        return reward, self.outcome

    def _advance(self, action: list[float]) -> bool:
        """Move the world on; False once an action or a number of a body is not finite, or Box2D asserts."""
        if self._is_broken or not math.isfinite(sum(action)):
            self._is_broken = True
            return False
        try:
            self.world.step(action)
            self._is_broken = not self.world.read()
        except AssertionError:
            self._is_broken = True
        return not self._is_broken
