"""A multilayer perceptron with memory: the output of a gated recurrent unit is added to the perceptron's.

The GRU's output weights start at zero, so at first a walker acts exactly like the perceptron alone, bit for bit.

Reference: Cho et al. 2014, equations 5 to 8 (the gated unit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.policies.activations import sigmoid32, tanh32
from agents.policies.base import AbstractPolicy
from agents.policies.kernels import PolicyKernels, forget
from agents.policies.mlp import MLPPolicy, forward, forward_column
from environments.compiled import kernel
from environments.errors import COUNT, whole_number

_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel
def _sums(theta, at, n, num_out, observation, inputs, inputs_at, inputs_n, sums_out):  # type: ignore[no-untyped-def]
    """sums_out[j] = b[j] + o[0] W[0, j] + ... + h[0] W[24, j] + ..., added in that order.

    Args:
        theta, at, n: W (24 + units, num_out) row-major, then b (num_out,), see ``act_policy``.
        num_out: how many sums.
        observation: (24,) float32, o.
        inputs, inputs_at, inputs_n: float32; h[k] is ``inputs[inputs_at + k * inputs_n]``, to the end of the array.
        sums_out: float32, written.
    """
    num_in = observation.size
    num_units = (inputs.size - inputs_at + inputs_n - 1) // inputs_n
    bias = at + (num_in + num_units) * num_out * n
    for j in range(num_out):
        sums_out[j] = theta[bias + j * n]
    for i in range(num_in):
        x, row = observation[i], at + i * num_out * n
        for j in range(num_out):
            sums_out[j] += x * theta[row + j * n]
    for k in range(num_units):
        x, row = inputs[inputs_at + k * inputs_n], at + (num_in + k) * num_out * n
        for j in range(num_out):
            sums_out[j] += x * theta[row + j * n]


@kernel
def _remember(theta, at, n, num_units, observation, state, state_at, action_out, scratch):  # type: ignore[no-untyped-def]
    """One step of the GRU: update its state h, and add its output to the action.

    r, z = sigmoid of the gates' sums of (o, h); c = tanh of the candidate's sums of (o, r h); h' = z h + (1 - z) c; the
    output h' V is added to the action.

    Args:
        theta, at, n: W and b of the gates, r and z side by side; W and b of the candidate; V (units, 4) row-major.
        num_units: int64.
        observation, state, state_at, action_out: see ``act_policy``.
        scratch: (3, 2 units or more) float32, overwritten.
    """
    num_rows, num_out = observation.size + num_units, action_out.size
    gates, reset, candidate = scratch[0], scratch[1, :num_units], scratch[2]
    _sums(theta, at, n, 2 * num_units, observation, state, state_at, n, gates)
    for k in range(num_units):
        reset[k] = sigmoid32(gates[k]) * state[state_at + k * n]
    at += (num_rows + 1) * 2 * num_units * n
    _sums(theta, at, n, num_units, observation, reset, 0, 1, candidate)
    for k in range(num_units):
        z = sigmoid32(gates[num_units + k])
        state[state_at + k * n] = z * state[state_at + k * n] + (_ONE - z) * tanh32(candidate[k])
    at += (num_rows + 1) * num_units * n
    for j in range(num_out):
        said = _ZERO
        for k in range(num_units):
            said = said + state[state_at + k * n] * theta[at + (k * num_out + j) * n]
        # A sum of 0 is not added, since it would turn an action of -0.0 into 0.0.
        if said != _ZERO:
            action_out[j] = action_out[j] + said


@kernel
def remember_row(theta, at, n, shape, observation, state, state_at, action_out, scratch):  # type: ignore[no-untyped-def]
    """``act_policy`` for contiguous parameters; ``shape`` has the units, P of the perceptron, and its shape."""
    forward(theta, at, n, shape[2:], observation, state, state_at, action_out, scratch)
    _remember(theta, shape[1], 1, shape[0], observation, state, state_at, action_out, scratch)


@kernel
def remember_column(theta, at, n, shape, observation, state, state_at, action_out, scratch):  # type: ignore[no-untyped-def]
    """``act_policy`` for parameters in columns."""
    forward_column(theta, at, n, shape[2:], observation, state, state_at, action_out, scratch)
    _remember(theta, at + shape[1] * n, n, shape[0], observation, state, state_at, action_out, scratch)


@dataclass(frozen=True)
class GRUPolicy(MLPPolicy):
    """A multilayer perceptron and a gated recurrent unit that adds to its actions. Theta begins with the perceptron's.

    Attributes:
        layer_sizes, activations: of the perceptron, see ``MLPPolicy``.
        units: the size of the GRU's state, which is zero at the beginning of an episode.

    Raises:
        InputError: as for ``MLPPolicy``, or ``units`` is below 1.
    """

    kind: ClassVar[str] = "gru"
    kernels: ClassVar[PolicyKernels] = PolicyKernels(begin=forget, act=remember_column, act_row=remember_row)

    units: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "units", whole_number("units", self.units, *COUNT))

    @property
    def mlp(self) -> MLPPolicy:
        """The perceptron alone."""
        return MLPPolicy(self.layer_sizes, self.activations)

    @property
    def num_parameters(self) -> int:
        """P: the parameters of the perceptron, of two gates and the candidate, and the output weights."""
        of_sums = (self.num_inputs + self.units + 1) * 3 * self.units
        return self.mlp.num_parameters + of_sums + self.units * self.num_outputs

    @property
    def state_size(self) -> int:
        """S: the number of units."""
        return self.units

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of units, P of the perceptron, and its shape."""
        return (self.units, self.mlp.num_parameters, *self.mlp.shape)

    @property
    def scratch_shape(self) -> tuple[int, int]:
        """(3, the width of the widest layer or of both gates)."""
        return 3, max(*self.layer_sizes, 2 * self.units)

    @property
    def description(self) -> str:
        """Such as ``gru of 8 units beside mlp 24-40-40-4 (tanh, tanh, tanh)``."""
        return f"{self.kind} of {self.units} units beside {self.mlp.description}"

    def initial_theta(self, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """The noise, except that the GRU's output weights are zero."""
        theta = noise.copy()
        theta[self.num_parameters - self.units * self.num_outputs :] = 0.0
        return theta

    def adopted(
        self, other: AbstractPolicy, theta: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """See ``AbstractPolicy``. It also adopts a perceptron's theta and adds a GRU whose output is zero at first."""
        if other != self.mlp:
            return super().adopted(other, theta, noise)
        return np.concatenate([theta, self.initial_theta(noise)[theta.size :]])
