"""A generation's samples, by name: no matrix of thetas is ever sent, since each worker makes the rows it runs.

Row 2m of an antithetic sample is centre + scale * eps_m, row 2m + 1 is centre - scale * eps_m (EvoTorch's order), and
each operation is rounded to float32. eps_m has a known position in the sample's stream, so any row can be made
anywhere.

If a sample knows the mean observation (``mean_input``), perturbing the weights of the first layer does not change its
units at that observation. Whatever the weights add to a unit there is subtracted from its bias, on top of the bias's
own perturbation: b_j + (scale eps)_j - sum_i mean_i (scale eps)_ij.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.strategies.normal import fill_normals
from environments.arithmetic import exact
from environments.compiled import allocating_kernel, kernel
from environments.errors import COUNT, InputError, whole_number
from environments.streams import WORDS_PER_BLOCK, StreamKey


@dataclass(frozen=True, eq=False)
class Perturbations:
    """The samples of one niche in one generation.

    Attributes:
        centre: (P,) float32, the theta around which samples lie.
        scale: (P,) float32, standard deviation of each parameter.
        place: the stream of the numbers eps.
        num_directions: M, how many eps are drawn.
        antithetic: whether each eps is used with both signs, which gives 2M rows instead of M.
        mean_input: (I,) float32, the mean observation; None if biases move only by their own eps.
        num_units: the number of units in the first layer; 0 without ``mean_input``. Theta begins with that layer's
            weights (I, num_units), followed by its biases.

    Raises:
        InputError: centre and scale are not float32 of one shape (P,), no direction is drawn, or theta has no such
            first layer.
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    place: StreamKey
    num_directions: int
    antithetic: bool = True
    mean_input: NDArray[np.float32] | None = None
    num_units: int = 0

    def __post_init__(self) -> None:
        for name, values in (("centre", self.centre), ("scale", self.scale)):
            shape = np.shape(self.centre)
            if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.shape != shape[:1]:
                found = f"{values.dtype} of {values.shape}" if isinstance(values, np.ndarray) else f"{values!r:.60}"
                raise InputError(f"{name} of a sample must be float32 of one shape (P,), but is {found}")
        whole_number("num_directions", self.num_directions, *COUNT)
        self._check_first_layer()

    def _check_first_layer(self) -> None:
        """Make sure that the first layer lies within theta, since a kernel reads and writes there."""
        whole_number("num_units", self.num_units, 0, COUNT[1])
        means = self.mean_input
        if means is None:
            return
        if not isinstance(means, np.ndarray) or means.dtype != np.float32 or means.ndim != 1:
            raise InputError(f"mean_input of a sample must be float32 of shape (I,), but is {means!r:.60}")
        if self.num_units < 1 or (means.size + 1) * self.num_units > self.centre.size:
            raise InputError(
                f"a first layer of {means.size} inputs and {self.num_units} units does not fit into a theta of "
                f"{self.centre.size} parameters"
            )

    @property
    def num_rows(self) -> int:
        """The number of thetas in the sample: 2M or M."""
        return self.num_directions * (2 if self.antithetic else 1)

    def theta(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The thetas (len(rows), P) float32 of the given rows."""
        rows = np.asarray(rows)
        theta_out = np.full((rows.size, self.centre.size), np.nan, np.float32)
        self.fill_theta(theta_out, rows)
        return theta_out

    @exact
    def fill_theta(self, theta_out: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Write the thetas of the given rows into ``theta_out`` (len(rows), P) float32. Threads may do so in parallel.

        Raises:
            InputError: there is no such row, or ``theta_out`` has another shape, type or order.
        """
        if rows.dtype != np.int64 or rows.ndim != 1 or not ((rows >= 0) & (rows < self.num_rows)).all():
            raise InputError(f"rows must be int64 of shape (B,) in 0..{self.num_rows - 1}, but are {rows!r:.60}")
        shape, flags = (rows.size, self.centre.size), theta_out.flags
        if theta_out.shape != shape or theta_out.dtype != np.float32 or not flags.carray:
            raise InputError(
                f"theta_out must be float32 of {shape} in C order to write into, but is {theta_out.dtype} of "
                f"{theta_out.shape}{'' if flags.writeable else ', read-only'}"
            )
        means = _NO_INPUTS if self.mean_input is None else self.mean_input
        _fill_theta(theta_out, rows, self.centre, self.scale, means, self.num_units, self.antithetic, *self.place.words)


_NO_INPUTS = np.zeros(0, np.float32)


@kernel
def fill_direction(eps_out, direction, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Write eps_m (P,) float32 of ``direction`` m, which the stream holds from block m * ceil(P / 4) on."""
    blocks = (eps_out.size + WORDS_PER_BLOCK - 1) // WORDS_PER_BLOCK
    fill_normals(eps_out, np.uint64(direction * blocks), c2, c3, k0, k1)


@allocating_kernel
def _fill_theta(  # type: ignore[no-untyped-def]
    theta_out, rows, centre, scale, mean_input, num_units, antithetic, c2, c3, k0, k1
):
    moves = np.empty(centre.size, np.float32)
    last = np.int64(-1)
    for b in range(rows.size):
        direction = rows[b] // 2 if antithetic else rows[b]
        if direction != last:
            fill_direction(moves, direction, c2, c3, k0, k1)
            for p in range(centre.size):
                moves[p] *= scale[p]
            _keep_means(moves, mean_input, num_units)
            last = direction
        if antithetic and rows[b] % 2 == 1:
            for p in range(centre.size):
                theta_out[b, p] = centre[p] - moves[p]
        else:
            for p in range(centre.size):
                theta_out[b, p] = centre[p] + moves[p]


@kernel
def _keep_means(moves, mean_input, num_units):  # type: ignore[no-untyped-def]
    """Subtract from the first layer's biases what the moves of its weights add at the mean input, input by input."""
    bias = mean_input.size * num_units
    for i in range(mean_input.size):
        for j in range(num_units):
            moves[bias + j] -= mean_input[i] * moves[i * num_units + j]
