"""Fitness shaping: returns to ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.errors import InputError


def ranks(fitness: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ranks 0 (worst) to rows - 1 (best); ties are broken by position, the earlier row lower.

    Args:
        fitness: (..., rows) float64, ranked along the last axis, at least two rows; -inf is the worst.

    Returns:
        The same shape.

    Raises:
        InputError: there is NaN, a value that is not a number, or a row of fewer than two.
    """
    fitness = np.asarray(fitness)
    if fitness.dtype.kind not in "fiu" or fitness.ndim == 0 or fitness.shape[-1] < 2:
        raise InputError(f"fitness must hold two or more numbers a row, but is {fitness.dtype} of {fitness.shape}")
    if np.isnan(fitness).any():
        raise InputError("fitness must be without NaN, which has no rank: a world that diverged has -inf")
    order = np.argsort(fitness, axis=-1, kind="stable")
    ranks_out = np.empty_like(order)
    np.put_along_axis(ranks_out, order, np.broadcast_to(np.arange(fitness.shape[-1]), fitness.shape), axis=-1)
    return ranks_out


@exact
def centered_ranks(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks scaled to [-0.5, 0.5]: rank / (rows - 1) - 0.5; see ``ranks``.

    Reference: compute_centered_ranks of the released es.py (Salimans et al. 2017, section 2.1); POET.md 3.2.
    """
    found = ranks(fitness)
    return found / float(found.shape[-1] - 1) - 0.5
