"""Fitness shaping: returns to ranks.

Where each row runs one episode, returns lie in two heaps: falls, and finishes that differ by a few points of torque.
Ranks spread each heap evenly. With 60 % of finishes, to be the thriftiest rather than the slowest of them is worth 0.6,
and to finish at all rather than to fall 0.5 on average: agents learn to spare torque, and risk falls for it. So whoever
wants agents that do not fall makes finishes equal, by a ceiling, and lets equal rows share their rank.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.errors import InputError


def checked(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fitness, if it can be ranked; otherwise ``InputError``, see ``ranks``."""
    fitness = np.asarray(fitness)
    if fitness.dtype.kind not in "fiu" or fitness.ndim == 0 or fitness.shape[-1] < 2:
        raise InputError(f"fitness must hold two or more numbers a row, but is {fitness.dtype} of {fitness.shape}")
    if np.isnan(fitness).any():
        raise InputError("fitness must be without NaN, which has no rank: a world that diverged has -inf")
    return fitness


def ranks(fitness: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ranks 0 (worst) to rows - 1 (best); ties are broken by position, the earlier row lower.

    Args:
        fitness: (..., rows) float64, ranked along the last axis, at least two rows; -inf is the worst.

    Returns:
        The same shape.

    Raises:
        InputError: there is NaN, a value that is not a number, or a row of fewer than two.
    """
    fitness = checked(fitness)
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


@exact
def centered_mean_ranks(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from -0.5 (worst) to 0.5 (best), where equal values share the mean of the ranks that they take up.

    Args:
        fitness: as for ``ranks``.

    Returns:
        The same shape.

    Raises:
        InputError: as for ``ranks``.
    """
    fitness = checked(fitness)
    shared = [_mean_ranks(row) for row in fitness.reshape(-1, fitness.shape[-1])]
    return np.reshape(shared, fitness.shape) / float(fitness.shape[-1] - 1) - 0.5


def _mean_ranks(row: NDArray[np.float64]) -> NDArray[np.float64]:
    ascending = np.sort(row)
    num_below = np.searchsorted(ascending, row, side="left")
    num_up_to = np.searchsorted(ascending, row, side="right")
    # Equal values take up the ranks num_below .. num_up_to - 1; halves of whole numbers are exact.
    return (num_below + num_up_to - 1) / 2.0
