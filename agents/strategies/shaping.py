"""Fitness shaping: what weight an episode's return has in a gradient.

**Ranks** are the papers'. They suit returns of any scale, and a fitness that is a mean of many episodes. But where each
row runs one episode, returns lie in two heaps: falls, and finishes that differ by a few points of torque. Ranks spread
each heap evenly. With 60 % of finishes, going from the slowest finish to the thriftiest earns more than finishing at
all does, and agents learn to spare torque rather than not to fall.

**Standardised returns** keep distances. Their gradient is that of the expected return, whatever its distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.errors import InputError

#: The standard deviation of centered ranks, had they infinitely many rows: that of uniform numbers between -1/2 and 1/2.
_RANKS_DEVIATION = math.sqrt(1.0 / 12.0)


def checked(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fitness, if it can be shaped; otherwise ``InputError``, see ``ranks``."""
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
def standardised_returns(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fitness less its mean, scaled to the standard deviation of centered ranks, so that step sizes mean the same.

    Args:
        fitness: as for ``ranks``; -inf counts as the lowest number of its row.

    Returns:
        The same shape; a row of equal numbers becomes zeros. Every sum is exact (fsum), and so the same in any order.

    Raises:
        InputError: as for ``ranks``; or +inf, which has no distance.
    """
    fitness = checked(fitness).astype(np.float64)
    if (fitness == np.inf).any():
        raise InputError("fitness must be below infinity, which is at no distance from a number")
    rows = [_standardised(row.tolist()) for row in fitness.reshape(-1, fitness.shape[-1])]
    return np.array(rows).reshape(fitness.shape)


def _standardised(row: list[float]) -> list[float]:
    lowest = min((value for value in row if value > -math.inf), default=0.0)
    finite = [max(value, lowest) for value in row]
    mean = math.fsum(finite) / len(finite)
    deviation = math.sqrt(math.fsum((value - mean) * (value - mean) for value in finite) / len(finite))
    if max(finite) == lowest:  # a mean may differ from equal numbers by rounding
        return [0.0] * len(row)
    return [(value - mean) * (_RANKS_DEVIATION / deviation) for value in finite]


#: By the name that a strategy's setting ``shaping`` gives.
SHAPINGS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "ranks": centered_ranks,
    "returns": standardised_returns,
}
