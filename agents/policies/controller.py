"""Running a policy in this process, one observation at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.arithmetic import exact
from environments.copying import CopiedWhole
from environments.errors import InputError

if TYPE_CHECKING:
    from agents.policies.base import AbstractPolicy

_FLOAT32 = np.dtype(np.float32)


class Controller(CopiedWhole):
    """A policy with one theta, and the state and buffers of one walker.

    A new controller is ready to begin an episode. If the policy has a state, call ``begin`` before every later episode.
    """

    def __init__(self, policy: AbstractPolicy, theta: NDArray[np.float32]) -> None:
        self._policy = policy
        self._theta = _as_kernels_take_it(theta)
        self._observation_shape = (policy.num_inputs,)
        self._shape = np.array(policy.shape, np.int64)
        self._state = np.zeros(policy.state_size, np.float32)
        self._action = np.zeros(policy.num_outputs, np.float32)
        self._scratch = np.zeros(policy.scratch_shape, np.float32)
        self.begin()

    @exact
    def begin(self) -> None:
        """Begin an episode: reset the state."""
        self._policy.kernels.begin(self._theta, 0, 1, self._shape, self._state, 0)

    @exact
    def __call__(self, observation: ArrayLike) -> NDArray[np.float32]:
        """The action (4,) float32 for an observation (24,), which is rounded to float32. It is the caller's to keep.

        Raises:
            InputError: the observation has another shape, such as that of a batch, or does not hold numbers.
        """
        # The fast path for what every env returns: this is called in every step.
        if (
            type(observation) is not np.ndarray
            or observation.dtype is not _FLOAT32
            or observation.shape != self._observation_shape
            or not observation.flags.carray
        ):
            observation = self._checked(observation)
        self._policy.kernels.act_row(
            self._theta, 0, 1, self._shape, observation, self._state, 0, self._action, self._scratch
        )  # fmt: skip
        return self._action.copy()

    def _checked(self, observation: ArrayLike) -> NDArray[np.float32]:
        try:
            found = np.asarray(observation)
        except ValueError:  # rows of several lengths
            found = np.array(None)
        if found.shape != self._observation_shape or found.dtype.kind not in "fiu":
            raise InputError(
                f"observation must be the {self._observation_shape[0]} numbers that one walker senses, float32, but "
                f"is {found.dtype} of shape {found.shape}"
            )
        return _as_kernels_take_it(found)


def _as_kernels_take_it(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """The same array if it fits, otherwise a copy: Numba would recompile for read-only or strided arrays."""
    if numbers.dtype == np.float32 and numbers.flags.carray:
        return numbers
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinity
        return np.require(numbers, np.float32, ["C", "W", "A"])
