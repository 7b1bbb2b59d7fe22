"""The network that acts: an MLP with tanh layers, in float32 arithmetic that every engine repeats to the bit.

Reference: Wang et al. 2019 (after Ha 2018), and model.py of the released code: 24-40-40-4, tanh on all three layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.arithmetic import exact
from environments.compiled import inline_kernel, kernel
from environments.copying import CopiedWhole
from environments.errors import InputError

_FLOAT32 = np.dtype(np.float32)

# tanh(x) = x p(x^2) / q(x^2) on |x| <= 8.5, where tanh is 1 - 8e-8. Fitted for least relative error (weighted least
# squares on 400 Chebyshev nodes, 50 digits): 1.2e-8 before rounding, 3.6e-7 in float32. Only * + / and selects: no
# libm, and a lane loop packs it.
_TANH_BOUND = np.float32(8.5)
_P1, _P2, _P3, _P4 = (np.float32(c) for c in (0.13413341, 0.0035341377, 2.1252796e-05, 1.4271526e-08))
_Q1, _Q2, _Q3, _Q4 = (np.float32(c) for c in (0.46746665, 0.02602318, 0.0003349043, 8.1460905e-07))
_ONE = np.float32(1)


@inline_kernel
def tanh32(x):  # type: ignore[no-untyped-def]
    """tanh of a float32, to 4e-7, odd, within [-1, 1]."""
    x = _TANH_BOUND if x > _TANH_BOUND else x
    x = -_TANH_BOUND if x < -_TANH_BOUND else x
    z = x * x
    p = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _ONE
    q = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _ONE
    y = x * p / q
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


@kernel
def forward(theta, layer_sizes, observation, action_out, scratch):  # type: ignore[no-untyped-def]
    """One step of the policy: per layer h = tanh(b + h[0] W[0] + h[1] W[1] + ...), summed in that order.

    Args:
        theta: (P,) float32; per layer W (in, out) row-major, then b (out,).
        layer_sizes: (L + 1,) int64.
        observation: (in,) float32.
        action_out: (out,) float32, written.
        scratch: (2, widest layer) float32, overwritten.
    """
    current, following = scratch[0], scratch[1]
    for i in range(layer_sizes[0]):
        current[i] = observation[i]
    offset = 0
    for layer in range(layer_sizes.size - 1):
        num_in, num_out = layer_sizes[layer], layer_sizes[layer + 1]
        bias = offset + num_in * num_out
        # Views, so that no index could be negative for all that LLVM knows: only then does the inner loop pack.
        weights, biases = theta[offset:bias].reshape(num_in, num_out), theta[bias : bias + num_out]
        for j in range(num_out):
            following[j] = biases[j]
        # Eight inputs at a time, so that a sum is fetched and stored less often; added in the same order.
        num_eights = num_in // 8 * 8
        for i in range(0, num_eights, 8):
            x0, x1, x2, x3 = current[i], current[i + 1], current[i + 2], current[i + 3]
            x4, x5, x6, x7 = current[i + 4], current[i + 5], current[i + 6], current[i + 7]
            for j in range(num_out):
                h = following[j] + x0 * weights[i, j]
                h = h + x1 * weights[i + 1, j]
                h = h + x2 * weights[i + 2, j]
                h = h + x3 * weights[i + 3, j]
                h = h + x4 * weights[i + 4, j]
                h = h + x5 * weights[i + 5, j]
                h = h + x6 * weights[i + 6, j]
                following[j] = h + x7 * weights[i + 7, j]
        for i in range(num_eights, num_in):
            x = current[i]
            for j in range(num_out):
                following[j] += x * weights[i, j]
        for j in range(num_out):
            following[j] = tanh32(following[j])
        current, following = following, current
        offset = bias + num_out
    for j in range(layer_sizes[layer_sizes.size - 1]):
        action_out[j] = current[j]


@kernel
def forward_column(theta, at, n, layer_sizes, observation, action_out, scratch):  # type: ignore[no-untyped-def]
    """``forward`` with a theta whose parameter p lies at ``theta[at + p * n]``: the same sums in the same order.

    Four units at a time; neighbouring threads of a GPU read neighbouring places. Other arguments are as of ``forward``.
    """
    for i in range(layer_sizes[0]):
        scratch[0, i] = observation[i]
    offset, source = 0, 0
    for layer in range(layer_sizes.size - 1):
        num_in, num_out = layer_sizes[layer], layer_sizes[layer + 1]
        bias, last = at + (offset + num_in * num_out) * n, num_out - 1
        for j in range(0, num_out, 4):
            # Beyond the last unit the last one is computed once more.
            j1, j2, j3 = min(j + 1, last), min(j + 2, last), min(j + 3, last)
            h, h1, h2, h3 = theta[bias + j * n], theta[bias + j1 * n], theta[bias + j2 * n], theta[bias + j3 * n]
            weight, row, i = at + (offset + j) * n, num_out * n, 0
            if j + 3 <= last:
                while i < num_in:
                    x = scratch[source, i]
                    h = h + x * theta[weight]
                    h1 = h1 + x * theta[weight + n]
                    h2 = h2 + x * theta[weight + 2 * n]
                    h3 = h3 + x * theta[weight + 3 * n]
                    weight += row
                    i += 1
            else:
                while i < num_in:
                    x = scratch[source, i]
                    h = h + x * theta[weight]
                    h1 = h1 + x * theta[weight + (j1 - j) * n]
                    h2 = h2 + x * theta[weight + (j2 - j) * n]
                    weight += row
                    i += 1
                h3 = h2
            scratch[1 - source, j], scratch[1 - source, j1] = tanh32(h), tanh32(h1)
            scratch[1 - source, j2], scratch[1 - source, j3] = tanh32(h2), tanh32(h3)
        source = 1 - source
        offset += num_in * num_out + num_out
    for j in range(layer_sizes[layer_sizes.size - 1]):
        action_out[j] = scratch[source, j]


@dataclass(frozen=True)
class MLPPolicy:
    """A multilayer perceptron, tanh on every layer; its parameters travel apart, as a flat ``theta``.

    Attributes:
        layer_sizes: units of each layer, observation and action included.

    Raises:
        InputError: fewer than two layers, or a layer without units.
    """

    layer_sizes: tuple[int, ...] = (24, 40, 40, 4)

    def __post_init__(self) -> None:
        try:
            sizes = tuple(index(size) for size in self.layer_sizes)
        except TypeError:
            sizes = ()
        if len(sizes) < 2 or min(sizes) < 1:
            raise InputError(f"layer_sizes must be two or more whole numbers from 1 on, but is {self.layer_sizes!r}")
        object.__setattr__(self, "layer_sizes", sizes)

    @property
    def num_parameters(self) -> int:
        """P: weights and biases of all layers; 2804 for 24-40-40-4."""
        return sum((a + 1) * b for a, b in zip(self.layer_sizes, self.layer_sizes[1:], strict=False))

    def check_theta(self, theta: NDArray[np.float32]) -> None:
        """Raise ``InputError`` unless ``theta`` is finite float32 with a last axis of P."""
        self.check_shape(theta)
        if not np.isfinite(theta).all():
            raise InputError("theta must be finite, but holds NaN or infinity")

    def check_shape(self, theta: NDArray[np.float32]) -> None:
        """Raise ``InputError`` unless ``theta`` is float32 with a last axis of P."""
        if not isinstance(theta, np.ndarray) or isinstance(theta, np.ma.MaskedArray):
            raise InputError(f"theta must be an array of float32, but is a {type(theta).__name__}")
        if theta.dtype != np.float32 or theta.ndim not in (1, 2) or theta.shape[-1] != self.num_parameters:
            raise InputError(
                f"theta must be float32 of shape (P,) or (B, P) with P = {self.num_parameters} for layers "
                f"{self.layer_sizes}, but is {theta.dtype} of shape {theta.shape}"
            )

    def controller(self, theta: NDArray[np.float32]) -> Controller:
        """The policy with its parameters bound.

        Args:
            theta: (P,) float32.

        Raises:
            InputError: theta has another shape or dtype, or is not finite.
        """
        self.check_theta(theta)
        if theta.ndim != 1:
            raise InputError(f"theta must be (P,), that of one walker, but has the shape {theta.shape}: choose a row")
        return Controller(self, theta)


class Controller(CopiedWhole):
    """A policy with one theta and the buffers of one walker; the returned action is valid until the next call."""

    def __init__(self, policy: MLPPolicy, theta: NDArray[np.float32]) -> None:
        self._theta = _as_kernels_take_it(theta)
        self._shape = (policy.layer_sizes[0],)
        self._layer_sizes = np.array(policy.layer_sizes, np.int64)
        self._action = np.zeros(policy.layer_sizes[-1], np.float32)
        self._scratch = np.zeros((2, max(policy.layer_sizes)), np.float32)

    @exact
    def __call__(self, observation: ArrayLike) -> NDArray[np.float32]:
        """(24,) observation, rounded to float32, to (4,) float32 action in [-1, 1]; NaN for an observation with NaN.

        Raises:
            InputError: the observation has another shape, as a batch has, or holds no numbers.
        """
        # What every env gives is seen at once: a policy is called in every step.
        if (
            type(observation) is not np.ndarray
            or observation.dtype is not _FLOAT32
            or observation.shape != self._shape
            or not observation.flags.carray
        ):
            observation = self._checked(observation)
        forward(self._theta, self._layer_sizes, observation, self._action, self._scratch)
        return self._action

    def _checked(self, observation: ArrayLike) -> NDArray[np.float32]:
        try:
            found = np.asarray(observation)
        except ValueError:  # rows of several lengths
            found = np.array(None)
        if found.shape != self._shape or found.dtype.kind not in "fiu":
            raise InputError(
                f"observation must be the {self._shape[0]} numbers that one walker senses, float32, but is "
                f"{found.dtype} of shape {found.shape}"
            )
        return _as_kernels_take_it(found)


def _as_kernels_take_it(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """The same array if it fits: for one that is read-only, or strided, Numba would compile all anew."""
    if numbers.dtype == np.float32 and numbers.flags.carray:
        return numbers
    with np.errstate(over="ignore"):  # beyond float32 is infinity
        return np.require(numbers, np.float32, ["C", "W", "A"])
