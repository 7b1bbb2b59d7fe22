"""Streams of random numbers: the published generator, and draws that no other draw can move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from environments.errors import InputError
from environments.streams import Stream, philox4x32, stream_key, words

# Random123's kat_vectors for philox4x32-10: counter, key, output.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def _hex_words(text: str) -> list[np.uint64]:
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN_ANSWERS)
def test_philox_gives_the_published_words(counter: str, key: str, output: str) -> None:
    """The generator is Philox4x32-10 as its authors published it."""
    assert _hex_words(output) == list(philox4x32(*_hex_words(counter), *_hex_words(key)))


def test_the_same_name_gives_the_same_draws() -> None:
    """Two streams of one name give the same draws, whatever was drawn from another in between."""
    first, other, second = Stream(7, "es", 3), Stream(7, "es", 4), Stream(7, "es", 3)
    expected = []
    for _ in range(600):
        expected.append(first.word())
        other.word()
    assert expected == [second.word() for _ in range(600)]


def test_every_part_of_the_name_tells_streams_apart() -> None:
    """Seed, purpose and each id give another stream, also where their digits join to the same text."""
    names: list[Any] = [
        (1, "es"),
        (2, "es"),
        (1, "push"),
        (1, "es", 0),
        (1, "es", 1),
        (1, "es", 0, 0),
        (11, "es"),
        (1, "es", 11),
    ]
    names += [(1, "es", 1, 1), (-1, "es")]
    assert len(names) == len({tuple(words(stream_key(*name), 0, 1)) for name in names})


def test_any_part_of_a_stream_can_be_made_alone() -> None:
    """Blocks made from the middle are those that the scalar draws reach in sequence, beyond one refill too."""
    stream = Stream(5, "es", 2)
    sequence = [stream.word() for _ in range(4 * 200)]
    place = stream_key(5, "es", 2)
    assert sequence == list(words(place, 0, 200))
    assert sequence[4 * 63 : 4 * 130] == list(words(place, 63, 67))


def test_blocks_beyond_32_bits_do_not_repeat() -> None:
    """The block number uses both lower counter words, so block 2^32 is not block 0."""
    place = stream_key(5, "es")
    assert list(words(place, 0, 1)) != list(words(place, 2**32, 1))


def test_a_named_stream_is_the_same_on_every_machine() -> None:
    """The first draws of a named stream are fixed for ever: stored runs depend on them."""
    stream = Stream(7, "terrain", 1, 2)
    assert [4081181830, 1483943721, 1007262172, 794083340] == [stream.word() for _ in range(4)]
    assert 0.4283026883828187 == stream.uniform(-5.0, 5.0)
    assert [979, 919, 331, 191] == [stream.integer(0, 1000) for _ in range(4)]


def test_uniform_fills_its_interval() -> None:
    """Uniform draws lie in [low, high) with the mean and the variance of the uniform distribution."""
    stream = Stream(1, "test")
    draws = np.array([stream.uniform(-3.0, 5.0) for _ in range(20000)])
    assert -3.0 <= draws.min() and draws.max() < 5.0
    assert abs(draws.mean() - 1.0) < 5 * 8 / np.sqrt(12 * 20000)
    assert abs(draws.var() - 64 / 12) < 0.15


def test_integers_are_uniform() -> None:
    """Each of five values, both ends included, comes up as often as the others."""
    stream = Stream(1, "test")
    counts = np.bincount([stream.integer(0, 5) for _ in range(20000)])
    assert 5 == len(counts)
    assert np.abs(counts - 4000).max() < 5 * np.sqrt(20000 * 0.2 * 0.8)


def test_wide_integer_ranges_have_no_bias() -> None:
    """Over 3 * 2^30 values the lowest third is not favoured, as plain modulo of a 32-bit word would do."""
    stream = Stream(2, "test")
    low_share = np.mean([stream.integer(0, 3 * 2**30) < 2**30 for _ in range(6000)])
    assert abs(low_share - 1 / 3) < 0.03


@pytest.mark.parametrize("high", [0, -1, 2**32 + 1])
def test_an_impossible_integer_range_is_refused(high: int) -> None:
    """A range with no value, or with more than a word can tell apart, is the caller's error."""
    with pytest.raises(ValueError, match="must hold between 1 and 2"):
        Stream(1, "test").integer(0, high)


def test_choice_gives_one_of_the_items() -> None:
    """Every item is chosen at some time, and nothing else."""
    stream = Stream(1, "test")
    assert set("abc") == {stream.choice("abc") for _ in range(100)}


@pytest.mark.parametrize("name", [(1.5, "x"), ("1", "x"), (1, "x", 2.0), (None, "x")])
def test_a_name_that_is_not_of_whole_numbers_is_refused(name: tuple[Any, ...]) -> None:
    """A fraction would quietly name the stream of another seed."""
    with pytest.raises(InputError, match="seed and ids of a stream must be whole numbers"):
        stream_key(*name)
    assert stream_key(1, "x", 2) == stream_key(np.int64(1), "x", np.uint8(2))
