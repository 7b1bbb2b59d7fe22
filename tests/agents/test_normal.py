"""Normal numbers: the inverse distribution function, the same on every machine."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.normal import fill_normals, normal_from_word
from environments.streams import Stream, stream_key, words

_LAST = 2**32 - 1


def _words() -> list[int]:
    """Both tails, where the branches of the algorithm meet (|q| = 0.425), the middle, and anything in between."""
    edges = [0, 322_122_547, 2**31, 3_972_844_748, _LAST]
    near = [word for edge in edges for word in range(edge - 200, edge + 200) if 0 <= word <= _LAST]
    stream = Stream(1, "test normal")
    return near + [stream.word() for _ in range(5000)] + [2**k for k in range(32)]


def _normals(name: int, size: int) -> NDArray[np.float32]:
    normals_out = np.full(size, np.nan, np.float32)
    fill_normals(normals_out, np.uint64(0), *stream_key(name, "golden normals").words)
    return normals_out


def test_a_word_gives_the_quantile_of_its_middle() -> None:
    """Word w gives the number below which (w + 1/2) / 2^32 of the standard normal distribution lies, to 1e-14."""
    normal = NormalDist()
    for word in _words():
        assert abs(normal_from_word(np.uint64(word)) - normal.inv_cdf((word + 0.5) / 2**32)) <= 1e-14


def test_the_numbers_are_symmetric() -> None:
    """The word's complement gives minus its number, to the bit: no drift in a sum of many."""
    for word in _words():
        assert -normal_from_word(np.uint64(word)) == normal_from_word(np.uint64(_LAST - word))


def test_the_moments_are_those_of_a_standard_normal() -> None:
    """Mean, variance, skewness and kurtosis of a million numbers lie within four standard errors."""
    numbers = _normals(1, 1_000_000).astype(np.float64)
    for power, expected, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs(math.fsum(numbers**power) / numbers.size - expected) < 4.0 * math.sqrt(variance / numbers.size)


def test_a_named_stream_gives_these_numbers() -> None:
    """The first numbers of a named stream never change: every recorded run depends on them."""
    expected = [
        "-0x1.7c90140000000p-1",
        "0x1.5f7cb20000000p-1",
        "0x1.b9e0c20000000p-1",
        "0x1.1e81880000000p-2",
        "-0x1.3986b20000000p-2",
        "0x1.cdc68c0000000p-1",
        "-0x1.d27cfc0000000p+0",
        "-0x1.ef6ef60000000p-3",
    ]
    assert expected == [x.hex() for x in _normals(7, 8).tolist()]


@pytest.mark.parametrize("size", [1, 2, 7, 1023, 1024, 1025, 4100])
def test_numbers_made_together_are_those_of_their_words(size: int) -> None:
    """However many are made at once, number i is that of the stream's word i, rounded; tails are in their places."""
    own_words = words(stream_key(11, "golden normals"), 0, (size + 3) // 4)[:size]

    assert [np.float32(normal_from_word(word)) for word in own_words] == _normals(11, size).tolist()


def test_numbers_are_counted_from_a_block() -> None:
    """Any stretch of a stream can be made without what lies before it, also one that ends within a block."""
    whole = _normals(3, 64)
    part = np.full(10, np.nan, np.float32)

    fill_normals(part, np.uint64(5), *stream_key(3, "golden normals").words)

    assert whole[20:30].tolist() == part.tolist()
