"""Walkers that several tests drive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def straddling(observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """A pose with legs apart and knees stretched, in which the walker stands for ever."""
    (hip_1, hip_1_speed, knee_1, knee_1_speed), (hip_2, hip_2_speed, knee_2, knee_2_speed) = (
        observation[4:8].tolist(),
        observation[9:13].tolist(),
    )
    wanted = [
        2.0 * (0.6 - hip_1) - 0.25 * hip_1_speed,
        2.0 * (0.85 - knee_1) - 0.25 * knee_1_speed,
        2.0 * (-0.6 - hip_2) - 0.25 * hip_2_speed,
        2.0 * (0.85 - knee_2) - 0.25 * knee_2_speed,
    ]
    return np.clip(np.array(wanted, np.float32), np.float32(-1.0), np.float32(1.0))
