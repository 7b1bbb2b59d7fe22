"""Fitness shaping: only the order of returns counts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.strategies.shaping import centered_mean_ranks, centered_ranks, ranks
from tests.naive import naive_centered_ranks, naive_mean_ranks

Shaping = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_RETURNS = st.lists(st.one_of(st.floats(-500, 500), st.just(-math.inf), st.just(7.0)), min_size=2, max_size=40)


def test_ranks_by_hand() -> None:
    """The worst row gets -1/2, the best 1/2, equal ones ranks in their order, a diverged one the worst."""
    fitness = np.array([3.0, -math.inf, 8.0, 3.0, -7.0])

    assert [2, 0, 4, 3, 1] == ranks(fitness).tolist()
    assert [0.0, -0.5, 0.5, 0.25, -0.25] == centered_ranks(fitness).tolist()


@given(fitness=_RETURNS)
def test_ranks_are_the_naive_ones(fitness: list[float]) -> None:
    """A rank is how many rows are worse, or as good and earlier."""
    assert naive_centered_ranks(fitness) == centered_ranks(np.array(fitness)).tolist()


@given(fitness=_RETURNS)
def test_mean_ranks_are_the_naive_ones(fitness: list[float]) -> None:
    """Each rank is half of (worse + not better - 1), to the bit."""
    assert naive_mean_ranks(fitness) == centered_mean_ranks(np.array(fitness)).tolist()


@pytest.mark.parametrize("centered", [centered_ranks, centered_mean_ranks])
@given(fitness=_RETURNS)
def test_ranks_sum_to_zero(fitness: list[float], centered: Shaping) -> None:
    """Centered ranks weigh no direction as a whole."""
    assert math.isclose(0.0, math.fsum(centered(np.array(fitness))), abs_tol=1e-12)


@pytest.mark.parametrize("centered", [centered_ranks, centered_mean_ranks])
def test_each_niche_is_ranked_by_itself(centered: Shaping) -> None:
    """The last axis is ranked: what another niche got changes nothing."""
    fitness = np.array([[1.0, 2.0, 3.0], [30.0, 20.0, 10.0]])

    assert [[-0.5, 0.0, 0.5], [0.5, 0.0, -0.5]] == centered(fitness).tolist()


@pytest.mark.parametrize("centered", [centered_ranks, centered_mean_ranks])
@pytest.mark.parametrize("fitness", [[1.0], [], [1.0, math.nan]])
def test_what_cannot_be_ranked_is_refused(fitness: list[float], centered: Shaping) -> None:
    """NaN has no rank, and one row has no spread: both are refused, not turned into NaN."""
    with pytest.raises(ValueError, match=r"fitness must (hold two or more numbers a row|be without NaN)"):
        centered(np.array(fitness))
