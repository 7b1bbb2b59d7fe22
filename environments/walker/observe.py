"""What the walker feels: 14 numbers of its body and 10 of its lidar, float32.

Source: ``gymnasium/envs/box2d/bipedal_walker.py``, ``step``. Everything is computed in float64 from Box2D's float32
state, in Gymnasium's order of operations, and rounded once.
"""

from __future__ import annotations

import numpy as np

from environments.biped import SPEED_HIP, SPEED_KNEE
from environments.compiled import inline_kernel
from environments.physics.constants import STEPS_PER_SECOND

_FPS = float(STEPS_PER_SECOND)
_HIP, _KNEE = float(SPEED_HIP), float(SPEED_KNEE)
# The viewport, 600 by 400 pixels at 30 pixels a metre, m.
_VIEW_WIDTH, _VIEW_HEIGHT = 600 / 30.0, 400 / 30.0


@inline_kernel
def observe_hull(angle, angular_velocity, vx, vy):  # type: ignore[no-untyped-def]
    """Observations 0 to 3 from the hull's float32 angle (rad), angular velocity (rad/s) and velocity (m/s)."""
    return (
        angle,
        np.float32(2.0 * np.float64(angular_velocity) / _FPS),
        np.float32(0.3 * np.float64(vx) * _VIEW_WIDTH / _FPS),
        np.float32(0.3 * np.float64(vy) * _VIEW_HEIGHT / _FPS),
    )


@inline_kernel
def observe_leg(hip_angle, hip_speed, knee_angle, knee_speed):  # type: ignore[no-untyped-def]
    """Observations 4 to 7, or 9 to 12, from a leg's float32 joint angles (rad) and speeds (rad/s).

    Observations 8 and 13, after them, are 1 where the lower leg touches and otherwise 0.
    """
    return (
        hip_angle,
        np.float32(np.float64(hip_speed) / _HIP),
        np.float32(np.float64(knee_angle) + 1.0),
        np.float32(np.float64(knee_speed) / _KNEE),
    )
