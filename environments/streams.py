"""Randomness as an argument: counter-based streams, each named by what it is for.

A stream is named by ``(seed, purpose, *ids)``. Its name is hashed to the key and the upper half of the counter of
Philox4x32-10; the lower half counts blocks. Streams share nothing, and only a position is kept between two draws. So a
draw added in one place changes no other, and any worker (or GPU thread) can make any part of a stream.

Everything here is integer arithmetic or float64 ``+ - * /`` and ``sqrt`` (exact by IEEE 754): no libm, hence the same
bits on every machine.

Reference: Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3 (Philox, table 2 and the Random123 vectors).
"""

from __future__ import annotations

import hashlib
import operator
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.compiled import inline_kernel, kernel
from environments.errors import InputError

Item = TypeVar("Item")

# Multipliers and Weyl increments of Philox4x32 (Salmon et al. 2011, section 3.3; Random123 philox.h).
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
NUM_ROUNDS = 10
WORDS_PER_BLOCK = 4


@dataclass(frozen=True)
class StreamKey:
    """The place of a stream in Philox's space: two key words and the two upper counter words, each 0..2^32-1."""

    key: tuple[int, int]
    counter: tuple[int, int]

    @property
    def words(self) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
        """As kernels take it: two counter words, two key words."""
        c2, c3, k0, k1 = (np.uint64(word) for word in (*self.counter, *self.key))
        return c2, c3, k0, k1


def stream_key(seed: int, purpose: str, *ids: int) -> StreamKey:
    """The place of the stream named ``(seed, purpose, *ids)``.

    Args:
        seed: of the run or of the terrain, any integer.
        purpose: what the draws are for, such as ``"es"``.
        ids: integers that tell this stream from others of the purpose (iteration, niche id, ...).

    Returns:
        128 bits of BLAKE2b over the name: 64 for the key, 64 for the upper half of the counter.

    Raises:
        InputError: a seed or an id that is no integer.
    """
    try:
        name = "/".join([str(operator.index(seed)), purpose, *(str(operator.index(i)) for i in ids)])
    except TypeError:
        raise InputError(f"seed and ids of a stream must be whole numbers, but are {(seed, *ids)!r:.60}") from None
    k0, k1, c2, c3 = struct.unpack("<4I", hashlib.blake2b(name.encode(), digest_size=16).digest())
    return StreamKey(key=(k0, k1), counter=(c2, c3))


@inline_kernel
def philox4x32(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """One block of Philox4x32-10.

    Words are passed as uint64 below 2^32: Numba widens uint32 products and sums by itself, so 32-bit wrap-around is
    written out.

    Args:
        c0, c1, c2, c3: counter words, lowest first.
        k0, k1: key words.

    Returns:
        Four uint64, each a random word below 2^32.
    """
    for _ in range(NUM_ROUNDS):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> _SHIFT) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@kernel
def fill_words(words_out, first_block, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Fill ``words_out`` (N,) uint64, N a multiple of 4, with the stream's words from block ``first_block`` on."""
    # Numbers that are clearly below 2^32 are multiplied in one vector instruction.
    c2, c3, k0, k1 = c2 & _MASK, c3 & _MASK, k0 & _MASK, k1 & _MASK
    for block in range(words_out.size // WORDS_PER_BLOCK):
        index = first_block + np.uint64(block)
        w0, w1, w2, w3 = philox4x32(index & _MASK, index >> _SHIFT, c2, c3, k0, k1)
        words_out[4 * block] = w0
        words_out[4 * block + 1] = w1
        words_out[4 * block + 2] = w2
        words_out[4 * block + 3] = w3


class Stream:
    """Scalar draws in sequence from one named stream. It is a local object, owned by its creator.

    Args:
        seed, purpose, ids: the stream's name, see ``stream_key``.
    """

    _BLOCKS_AT_ONCE = 64

    def __init__(self, seed: int, purpose: str, *ids: int) -> None:
        self._place = stream_key(seed, purpose, *ids).words
        self._words = np.zeros(0, np.uint64)
        self._position = 0
        self._next_block = 0

    def word(self) -> int:
        """The next random word, 0..2^32-1."""
        if self._position == self._words.size:
            self._words = np.zeros(self._BLOCKS_AT_ONCE * WORDS_PER_BLOCK, np.uint64)
            fill_words(self._words, np.uint64(self._next_block), *self._place)
            self._next_block += self._BLOCKS_AT_ONCE
            self._position = 0
        self._position += 1
        return int(self._words[self._position - 1])

    @exact
    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A float64 in [low, high): 53 random bits, scaled."""
        bits = (self.word() << 21) | (self.word() >> 11)
        return low + (high - low) * (bits / 9007199254740992.0)  # 2^53

    def integer(self, low: int, high: int) -> int:
        """An integer in low..high-1, without bias (rejection).

        Raises:
            ValueError: the range is empty or wider than 2^32.
        """
        span = high - low
        if not 0 < span <= 2**32:
            raise ValueError(f"integer range {low}..{high - 1} must hold between 1 and 2^32 values")
        limit = 2**32 - 2**32 % span
        while (word := self.word()) >= limit:
            pass
        return low + word % span

    def choice(self, items: Sequence[Item]) -> Item:
        """One of ``items``, uniformly."""
        return items[self.integer(0, len(items))]


def words(place: StreamKey, first_block: int, num_blocks: int) -> NDArray[np.uint64]:
    """``num_blocks`` blocks of the stream at ``place`` as (4 * num_blocks,) words, from block ``first_block`` on."""
    words_out = np.zeros(WORDS_PER_BLOCK * num_blocks, np.uint64)
    fill_words(words_out, np.uint64(first_block), *place.words)
    return words_out
