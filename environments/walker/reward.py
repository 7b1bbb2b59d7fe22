"""What a step is worth.

Source: ``gymnasium/envs/box2d/bipedal_walker.py``, ``step``, as NumPy 2 evaluates it for a float32 action: shaping in
float64, its difference rounded to float32, then four float32 subtractions (PHYSICS.md section 1). An episode's return
is the float64 sum of its rewards in step order; the step inside the reset does not count.
"""

from __future__ import annotations

import numpy as np

from environments.biped import MOTORS_TORQUE
from environments.compiled import inline_kernel
from environments.terrain.constants import SCALE

#: Reward of the step in which the walker falls (or its world diverges), instead of everything else.
FALL_REWARD = -100.0

_SCALE = float(SCALE)
#: Cost of a fully driven motor per step.
TORQUE_COST = np.float32(0.00035 * MOTORS_TORQUE)
_ONE = np.float32(1.0)


@inline_kernel
def shaping(x, angle):  # type: ignore[no-untyped-def]
    """The potential whose growth is the reward, float64: 364 over the course, less 5 per rad that the hull leans.

    Args:
        x: of the hull, float32, m.
        angle: of the hull, float32, rad.
    """
    return 130.0 * np.float64(x) / _SCALE - 5.0 * abs(np.float64(angle))


@inline_kernel
def step_reward(shaping_now, shaping_before, action_0, action_1, action_2, action_3):  # type: ignore[no-untyped-def]
    """The reward of a step that is not a fall, float32, from two float64 shapings and the four float32 actions."""
    reward = np.float32(shaping_now - shaping_before)
    reward -= TORQUE_COST * _torque_share(action_0)
    reward -= TORQUE_COST * _torque_share(action_1)
    reward -= TORQUE_COST * _torque_share(action_2)
    reward -= TORQUE_COST * _torque_share(action_3)
    return reward


@inline_kernel
def _torque_share(action):  # type: ignore[no-untyped-def]
    share = abs(action)
    return _ONE if share > _ONE else share
