"""What engines ask before they run episodes: kernels would read beside what does not fit together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from environments.biped import NUM_JOINTS, OBSERVATION_SIZE
from environments.errors import InputError
from environments.terrain.terrain import Terrain, check_terrain_index


def check_policy(policy: AbstractPolicy) -> None:
    """Raise ``InputError`` unless a policy takes what a walker senses and gives what moves it."""
    if not isinstance(policy, AbstractPolicy):
        raise InputError(f"policy must be a policy, such as agents.MLPPolicy(), but is a {type(policy).__name__}")
    if (policy.num_inputs, policy.num_outputs) != (OBSERVATION_SIZE, NUM_JOINTS):
        raise InputError(
            f"policy must have {OBSERVATION_SIZE} inputs and {NUM_JOINTS} outputs, but {policy.description} has "
            f"{policy.num_inputs} and {policy.num_outputs}"
        )


def check_rows(
    policy: AbstractPolicy, theta: NDArray[np.float32], terrains: Sequence[Terrain], terrain_index: NDArray[np.int64]
) -> None:
    """What an engine asks before it runs episodes: kernels would read beside what does not fit together.

    Raises:
        InputError: the policy is no walker's, theta has another shape or type, rows and terrains do not go together, or
            there is no such terrain.
    """
    check_policy(policy)
    policy.check_shape(theta)
    if theta.ndim != 2 or terrain_index.shape != theta.shape[:1] or terrain_index.dtype.kind not in "iu":
        raise InputError(
            f"terrain_index must hold a whole number for each row of a theta (B, P), but is {terrain_index.dtype} of "
            f"shape {terrain_index.shape} for a theta of shape {theta.shape}"
        )
    check_terrain_index(terrain_index, len(terrains))
