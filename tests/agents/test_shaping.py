"""Fitness shaping: of ranks only the order of returns counts, of standardised returns their distances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.strategies.shaping import SHAPINGS, centered_ranks, ranks, standardised_returns
from tests.naive import naive_centered_ranks

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
def test_ranks_sum_to_zero(fitness: list[float]) -> None:
    """Centered ranks weigh no direction as a whole."""
    assert math.isclose(0.0, math.fsum(centered_ranks(np.array(fitness))), abs_tol=1e-12)


def test_each_niche_is_ranked_by_itself() -> None:
    """The last axis is ranked: what another niche got changes nothing."""
    fitness = np.array([[1.0, 2.0, 3.0], [30.0, 20.0, 10.0]])

    assert [[-0.5, 0.0, 0.5], [0.5, 0.0, -0.5]] == centered_ranks(fitness).tolist()


def test_standardised_returns_by_hand() -> None:
    """Distances stay: two falls and two finishes lie far from each other, and hardly differ among themselves."""
    falls_and_finishes = np.array([-100.0, -98.0, 270.0, 272.0])

    shaped = standardised_returns(falls_and_finishes)

    # Mean 86, squared distances 186^2 and 184^2 twice, deviation sqrt(34226); ranks have sqrt(1 / 12).
    expected = [distance / math.sqrt(34226.0 * 12.0) for distance in (-186.0, -184.0, 184.0, 186.0)]
    np.testing.assert_allclose(shaped, expected, rtol=1e-14)


@given(fitness=_RETURNS)
def test_standardised_returns_have_the_deviation_of_ranks(fitness: list[float]) -> None:
    """Mean 0 and variance 1/12, unless all are equal; a diverged world counts as the worst of the others."""
    numbers = [value for value in fitness if value > -math.inf]
    worst = min(numbers, default=0.0)

    shaped = standardised_returns(np.array(fitness)).tolist()

    assert shaped == standardised_returns(np.array([max(value, worst) for value in fitness])).tolist()
    variance = math.fsum(value * value for value in shaped) / len(shaped)
    assert math.isclose(0.0, math.fsum(shaped), abs_tol=1e-9)
    assert math.isclose(1.0 / 12.0 if len({max(v, worst) for v in fitness}) > 1 else 0.0, variance, rel_tol=1e-9)


@given(fitness=st.lists(st.integers(-500, 500).map(float), min_size=2, max_size=40), scale=st.sampled_from([0.25, 8.0]))
def test_standardised_returns_know_no_unit(fitness: list[float], scale: float) -> None:
    """A reward in other units, from another zero, gives the same weights."""
    moved = np.array(fitness) * scale + 1024.0

    np.testing.assert_allclose(standardised_returns(moved), standardised_returns(np.array(fitness)), atol=1e-12)


def test_each_niche_is_standardised_by_itself() -> None:
    """The last axis is one niche's: what another one got changes nothing."""
    fitness = np.array([[1.0, 2.0, 3.0], [30.0, 20.0, 10.0]])

    both = standardised_returns(fitness)

    assert [standardised_returns(row).tolist() for row in fitness] == both.tolist()
    np.testing.assert_allclose(both[0], both[1][::-1], atol=1e-15)


@pytest.mark.parametrize("shaping", SHAPINGS)
@pytest.mark.parametrize("fitness", [[1.0], [], [1.0, math.nan]])
def test_what_cannot_be_shaped_is_refused(fitness: list[float], shaping: str) -> None:
    """NaN has no weight, and one row has no spread: both are refused, not turned into NaN."""
    with pytest.raises(ValueError, match=r"fitness must (hold two or more numbers a row|be without NaN)"):
        SHAPINGS[shaping](np.array(fitness))


def test_an_infinite_return_has_no_distance() -> None:
    """It would make NaN of all weights; ranks take it as the best."""
    assert [-0.5, 0.5] == centered_ranks(np.array([1.0, math.inf])).tolist()
    with pytest.raises(ValueError, match="fitness must be below infinity"):
        standardised_returns(np.array([1.0, math.inf]))
