"""Gymnasium's ``BipedalWalker-v3`` and ``BipedalWalkerHardcore-v3`` in our own physics."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from environments.terrain.bipedal_walker import draw_terrain
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.env import Observation, WalkerEnv
from environments.walker.worlds import NEVER


class BipedalWalkerEnv(WalkerEnv):
    """Gymnasium's bipedal walker: its courses from the same seeds, its observations, rewards and ends, to the bit.

    Its bits are those of an env that was just made. Gymnasium fills one Box2D world again and again, and what is left
    in there of earlier episodes changes the last bits of later ones. Here every reset makes a new world.

    ``terrain`` is the course of the latest reset. There are no Box2D bodies to look at, and pictures are drawn in our
    own way.

    Args:
        render_mode: ``"human"`` opens a window, ``"rgb_array"`` makes ``render`` return pictures, None draws nothing.
        hardcore: with pits, stumps and stairs.
        engine: who integrates, ``"simd"`` or ``"box2d"``, see ``make_vec_env``; changes no bit.

    Raises:
        InputError: an unknown render mode or engine.
    """

    def __init__(self, render_mode: str | None = None, hardcore: bool = False, engine: str = "simd") -> None:
        super().__init__(ObstacleGenotype().express(seed=0), render_mode, NEVER, engine)
        self.hardcore = hardcore

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.render_mode, self.hardcore, self.engine)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a course and a push, and set the walker on it.

        Args:
            seed: of ``np_random``, from which they are drawn; None: it goes on.
            options: none are known.

        Returns:
            The (24,) float32 observation after one step without torque, and an empty info.
        """
        super().reset(seed=seed)
        self.terrain = draw_terrain(self.np_random, self.hardcore)
        return self._begin(), {}

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one step of 1/50 s.

        Args:
            action: (4,) rounded to float32; hip and knee of leg 1, then of leg 2; beyond -1..1 it counts as -1 or 1.

        Returns:
            Observation (24,) float32, reward, terminated, False, and an empty info.

        Raises:
            ResetNeeded: there was no reset yet.
            InputError: the action has another shape or is no numbers.
        """
        observation, reward, outcome = self._advance(action)
        return observation, reward, outcome is not None, False, {}
