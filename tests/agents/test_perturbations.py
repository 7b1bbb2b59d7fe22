"""Samples by name: any worker makes any row, and it is the same row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
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


@pytest.mark.parametrize(
    "memory",
    [
        np.zeros((3, _P), np.float32),
        np.zeros((2, _P - 1), np.float32),
        np.zeros((2, _P)),
        np.zeros((2, 2 * _P), np.float32)[:, ::2],
        np.broadcast_to(np.float32(0.0), (2, _P)),
    ],
)
def test_memory_of_another_shape_is_refused(memory: NDArray[np.float32]) -> None:
    """A kernel must not write outside its memory."""
    with pytest.raises(InputError, match=r"theta_out must be float32 of \(2, 11\) in C order to write into, but is"):
        _sample().fill_theta(memory, np.arange(2))


@pytest.mark.parametrize("rows", [[-1], [2**40], [0.5], [[0]]])
def test_rows_that_are_not_there_are_refused(rows: Any) -> None:
    """They would be other thetas than any that was drawn."""
    with pytest.raises(InputError, match=r"rows must be int64 of shape \(B,\) in 0\.\."):
        _sample().theta(np.array(rows))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scale": np.ones(_P - 1, np.float32)}, r"scale of a sample must be float32 of one shape .*\(10,\)"),
        ({"scale": 0.1}, "scale of a sample must be float32"),
        ({"centre": np.ones(_P)}, "centre of a sample must be float32 .*float64"),
        ({"centre": np.ones((_P, 1), np.float32)}, r"centre of a sample .*\(11, 1\)"),
        ({"num_directions": 0}, "num_directions must be a whole number"),
    ],
)
def test_a_sample_that_does_not_fit_together_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """A kernel reads as many numbers of its scale as of its centre."""
    with pytest.raises(InputError, match=sentence):
        replace(_sample(), **changes)
