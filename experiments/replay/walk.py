"""One episode, recorded so that any moment of it can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.biped import HULL
from environments.engines import box2d_problem
from environments.physics.constants import STEPS_PER_SECOND
from environments.signals import held
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.scene import WalkerPose, pose_of
from environments.walker.worlds import Worlds, make_worlds

Controller = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Walk:
    """An episode of T steps; row 0 is the start, row t is after step t.

    Attributes:
        terrain: what was walked on.
        bodies: (T+1, 5, 3) float32: x (m), y (m), angle (rad) of each body's origin. A world that diverged
            keeps the last finite ones.
        observations: (T+1, 24) float32.
        returns: (T+1,) float64, the return so far.
        outcome: how it ended.
    """

    terrain: Terrain
    bodies: NDArray[np.float32]
    observations: NDArray[np.float32]
    returns: NDArray[np.float64]
    outcome: Outcome

    @property
    def length(self) -> int:
        """T, control steps."""
        return len(self.returns) - 1

    @property
    def hull_x(self) -> NDArray[np.float32]:
        """(T+1,) float32: x of the hull, m."""
        return self.bodies[:, HULL, 0]

    def pose(self, step: int, opacity: float = 1.0, with_lidar: bool = True) -> WalkerPose:
        """The walker after a step, ready to be drawn."""
        return pose_of(self.bodies[step], self.observations[step] if with_lidar else None, opacity)


@exact
def record_walk(terrain: Terrain, act: Controller, max_steps: int) -> Walk:
    """Run an episode on real Box2D; where that is not installed, in our own physics, which gives the same bits.

    Args:
        terrain: what is walked on.
        act: from an observation (24,) to an action (4,).
        max_steps: control steps after which it is TIMEOUT.
    """
    engine = "box2d" if box2d_problem() is None else "simd"
    worlds = make_worlds(engine, (terrain,), np.zeros(1, np.int64), max_steps, threads=1)
    worlds.reset()
    total, bodies, observations, returns = 0.0, [_bodies(worlds)], [worlds.observations[0].copy()], [0.0]
    with held() as let_through:  # Box2D calls Python and aborts if that raises
        while worlds.outcomes[0] == GOES_ON:
            worlds.step(act(observations[-1])[np.newaxis])
            total += float(worlds.rewards[0])
            state = _bodies(worlds)
            bodies.append(state if np.isfinite(state).all() else bodies[-1])
            observations.append(worlds.observations[0].copy())
            returns.append(total)
            let_through()
    outcome = Outcome(worlds.outcomes[0])
    return Walk(terrain, np.stack(bodies), np.stack(observations), np.array(returns), outcome)


def _bodies(worlds: Worlds) -> NDArray[np.float32]:
    return worlds.body_state()[0, :, :3]


def seconds(step: int) -> float:
    """The time of a step within the episode, s."""
    return step / STEPS_PER_SECOND
