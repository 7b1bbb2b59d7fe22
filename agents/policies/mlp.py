"""A multilayer perceptron, in float32 arithmetic that every engine repeats to the bit.

Reference: Wang et al. 2019 (after Ha 2018), and model.py of the released code: 24-40-40-4, tanh on all three layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import ClassVar

from agents.policies.activations import ACTIVATIONS, RELU, TANH, relu32, tanh32
from agents.policies.base import AbstractPolicy
from agents.policies.kernels import PolicyKernels, forget
from environments.compiled import kernel
from environments.errors import InputError, check_name


@kernel
def forward(theta, at, n, shape, observation, state, state_at, action_out, scratch):  # type: ignore[no-untyped-def]
    """``act_policy`` for contiguous parameters that begin at index 0.

    Each layer computes h = f(b + h[0] W[0] + h[1] W[1] + ...), summed in that order. For each layer, theta has
    W (in, out) row-major, then b (out,). ``shape`` has the units of the L + 1 layers, then the L activations.
    """
    current, following = scratch[0], scratch[1]
    num_layers = shape.size // 2
    for i in range(shape[0]):
        current[i] = observation[i]
    offset = 0
    for layer in range(num_layers):
        num_in, num_out = shape[layer], shape[layer + 1]
        bias = offset + num_in * num_out
        # Through views LLVM can tell that no index is negative; otherwise it does not vectorise the inner loop.
        weights, biases = theta[offset:bias].reshape(num_in, num_out), theta[bias : bias + num_out]
        for j in range(num_out):
            following[j] = biases[j]
        # Eight inputs at a time, so that sums are loaded and stored less often. The order of addition stays the same.
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
        activation = shape[num_layers + 1 + layer]
        if activation == TANH:
            for j in range(num_out):
                following[j] = tanh32(following[j])
        elif activation == RELU:
            for j in range(num_out):
                following[j] = relu32(following[j])
        current, following = following, current
        offset = bias + num_out
    for j in range(shape[num_layers]):
        action_out[j] = current[j]


@kernel
def forward_column(theta, at, n, shape, observation, state, state_at, action_out, scratch):  # type: ignore[no-untyped-def]
    """``act_policy`` for parameters in columns: the same sums as in ``forward``, in the same order.

    It computes four units at a time. Neighbouring GPU threads read neighbouring addresses.
    """
    num_layers = shape.size // 2
    for i in range(shape[0]):
        scratch[0, i] = observation[i]
    offset, source = 0, 0
    for layer in range(num_layers):
        num_in, num_out, activation = shape[layer], shape[layer + 1], shape[num_layers + 1 + layer]
        bias, last = at + (offset + num_in * num_out) * n, num_out - 1
        for j in range(0, num_out, 4):
            # If fewer than four units are left, the last one is computed again in place of the missing ones.
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
            if activation == TANH:
                h, h1, h2, h3 = tanh32(h), tanh32(h1), tanh32(h2), tanh32(h3)
            elif activation == RELU:
                h, h1, h2, h3 = relu32(h), relu32(h1), relu32(h2), relu32(h3)
            scratch[1 - source, j], scratch[1 - source, j1] = h, h1
            scratch[1 - source, j2], scratch[1 - source, j3] = h2, h3
        source = 1 - source
        offset += num_in * num_out + num_out
    for j in range(shape[num_layers]):
        action_out[j] = scratch[source, j]


@dataclass(frozen=True)
class MLPPolicy(AbstractPolicy):
    """A multilayer perceptron; the defaults are the paper's.

    Attributes:
        layer_sizes: the number of units in each layer, including observation and action.
        activations: ``"tanh"``, ``"relu"`` or ``"linear"`` for each layer except the first, or one for all layers.

    Raises:
        InputError: there are fewer than two layers, a layer has no units, or an activation is unknown.
    """

    kind: ClassVar[str] = "mlp"
    kernels: ClassVar[PolicyKernels] = PolicyKernels(begin=forget, act=forward_column, act_row=forward)

    layer_sizes: tuple[int, ...] = (24, 40, 40, 4)
    activations: tuple[str, ...] = ("tanh",)

    def __post_init__(self) -> None:
        try:
            sizes = tuple(index(size) for size in self.layer_sizes)
        except TypeError:
            sizes = ()
        if len(sizes) < 2 or min(sizes) < 1:
            raise InputError(f"layer_sizes must be two or more whole numbers from 1 on, but is {self.layer_sizes!r}")
        object.__setattr__(self, "layer_sizes", sizes)
        object.__setattr__(self, "activations", _activations(self.activations, len(sizes) - 1))

    @property
    def num_inputs(self) -> int:
        """See ``AbstractPolicy``."""
        return self.layer_sizes[0]

    @property
    def num_outputs(self) -> int:
        """See ``AbstractPolicy``."""
        return self.layer_sizes[-1]

    @property
    def num_parameters(self) -> int:
        """P: weights and biases of all layers; 2804 for 24-40-40-4."""
        return sum((a + 1) * b for a, b in zip(self.layer_sizes, self.layer_sizes[1:], strict=False))

    @property
    def shape(self) -> tuple[int, ...]:
        """(2 L + 1,) the units of all layers, then the activations."""
        return (*self.layer_sizes, *(ACTIVATIONS[name] for name in self.activations))

    @property
    def scratch_shape(self) -> tuple[int, int]:
        """(2, the width of the widest layer)."""
        return 2, max(self.layer_sizes)

    @property
    def first_layer_units(self) -> int:
        """The number of units in the first hidden layer."""
        return self.layer_sizes[1]

    @property
    def description(self) -> str:
        """Such as ``mlp 24-40-40-4 (tanh, tanh, tanh)``."""
        return f"{self.kind} {'-'.join(map(str, self.layer_sizes))} ({', '.join(self.activations)})"


def _activations(given: Sequence[str], num_layers: int) -> tuple[str, ...]:
    """The activation of each layer, from one per layer or one for all."""
    names = tuple(given) if isinstance(given, list | tuple) else ()
    names = names * num_layers if len(names) == 1 else names
    if len(names) != num_layers or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"activations must be the names of {num_layers} layers' own, or of one for all, but is {given!r}"
        )
    for name in names:
        check_name("activation", name, ACTIVATIONS)
    return names
