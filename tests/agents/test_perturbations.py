"""Samples by name: any worker makes any row, and it is the same row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.strategies.perturbations import Perturbations
from environments.streams import stream_key
from tests.naive import float32, naive_directions

_P, _M = 11, 6
_PLACE = stream_key(5, "test perturbations")


def _sample(antithetic: bool = True, centre: float = 0.0) -> Perturbations:
    values = np.arange(_P, dtype=np.float32) * np.float32(centre)
    scale = np.linspace(0.5, 1.5, _P).astype(np.float32)
    return Perturbations(values, scale, _PLACE, _M, antithetic)


def _all_rows(sample: Perturbations) -> NDArray[np.float32]:
    return sample.theta(np.arange(sample.num_rows))


def test_pairs_lie_on_both_sides_of_the_centre() -> None:
    """Rows 2m and 2m + 1 are the centre plus and minus the same numbers: around 0 their sum is 0 to the bit."""
    theta = _all_rows(_sample())

    assert (2 * _M, _P) == theta.shape
    assert np.array_equal(-theta[0::2], theta[1::2])
    assert 0 < np.abs(theta).min()


@pytest.mark.parametrize("antithetic", [True, False])
def test_rows_are_the_naive_ones_to_the_bit(antithetic: bool) -> None:
    """A row is centre +- scale * eps, each operation rounded to float32, eps counted from the stream."""
    sample = _sample(antithetic, centre=0.3)
    centre, scale = sample.centre.tolist(), sample.scale.tolist()
    expected = []
    for eps in naive_directions(_PLACE, _M, _P):
        steps = [float32(s * e) for s, e in zip(scale, eps, strict=True)]
        expected.append([float32(c + step) for c, step in zip(centre, steps, strict=True)])
        if antithetic:
            expected.append([float32(c - step) for c, step in zip(centre, steps, strict=True)])

    assert expected == _all_rows(sample).tolist()
    assert len(expected) == sample.num_rows


@given(rows=st.lists(st.integers(0, 2 * _M - 1), min_size=1, max_size=20))
def test_any_rows_in_any_order_are_those_of_the_whole(rows: list[int]) -> None:
    """Which rows are made together, in which order and how often, changes none of them."""
    sample = _sample(centre=0.3)

    theta = sample.theta(np.array(rows))

    assert _all_rows(sample)[rows].tolist() == theta.tolist()


def test_streams_give_unlike_samples() -> None:
    """Another stream perturbs by other numbers; another direction too."""
    sample = _sample()
    other = Perturbations(sample.centre, sample.scale, stream_key(6, "test perturbations"), _M)
    numbers = np.concatenate([np.abs(_all_rows(sample)[0::2]), np.abs(_all_rows(other)[0::2])])

    assert numbers.size == np.unique(numbers).size


def test_memory_of_another_shape_is_refused() -> None:
    """A kernel must not write beside the memory that it is given."""
    for shape in ((3, _P), (2, _P - 1)):
        with pytest.raises(ValueError, match=r"theta_out must be \(2, 11\), but is"):
            _sample().fill_theta(np.zeros(shape, np.float32), np.arange(2))
