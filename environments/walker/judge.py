"""What a step was worth: observation, reward and ending from a world's readings, the same for every engine."""

from __future__ import annotations

import numpy as np

from environments.compiled import kernel
from environments.physics.lidar import cast_lidar
from environments.walker.ending import Outcome, ending
from environments.walker.observe import observe_hull, observe_leg
from environments.walker.reward import FALL_REWARD, shaping, step_reward
from environments.walker.spec import NUM_BODY_OBSERVATIONS

_FELL = int(Outcome.FELL)
_FALL_REWARD = np.float32(FALL_REWARD)


@kernel
def judge_step(  # type: ignore[no-untyped-def]
    readings, action, shaping_before, has_fallen, num_steps, max_steps, edges, polygons, rays, observation_out
):
    """Observation, reward and ending of a step that the world has taken.

    Args:
        readings: (16,) float32, see ``WalkerWorld.readings``.
        action: (4,) float32.
        shaping_before: float64, of the step before.
        has_fallen, num_steps, max_steps: see ``ending``.
        edges, polygons, rays: see ``cast_lidar``.
        observation_out: (24,) float32.

    Returns:
        The reward (float64), the shaping for the next step (float64), the outcome as an integer.
    """
    x, y, angle = readings[0], readings[1], readings[2]
    observation_out[0:4] = observe_hull(angle, readings[3], readings[4], readings[5])
    for leg in range(2):
        at, joint = 4 + 5 * leg, 6 + 4 * leg
        observation_out[at : at + 4] = observe_leg(
            readings[joint], readings[joint + 1], readings[joint + 2], readings[joint + 3]
        )
        observation_out[at + 4] = readings[14 + leg]
    cast_lidar(x, y, edges, polygons, rays, observation_out, NUM_BODY_OBSERVATIONS)

    shaping_now = shaping(x, angle)
    reward = step_reward(shaping_now, shaping_before, action[0], action[1], action[2], action[3])
    code = ending(has_fallen, x, num_steps, max_steps)
    return np.float64(_FALL_REWARD if code == _FELL else reward), shaping_now, code
