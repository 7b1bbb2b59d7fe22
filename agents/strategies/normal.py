"""Standard normal numbers from random words: the inverse distribution function in fixed arithmetic, without libm.

One word gives one number, so parameter p of perturbation m has a known position in its stream.

Reference: Wichura 1988, Algorithm AS 241: The Percentage Points of the Normal Distribution (PPND16, relative error
1e-16).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.compiled import allocating_kernel, inline_kernel, kernel
from environments.streams import StreamKey, fill_words

_LN2 = 0.6931471805599453
#: Beyond |q| = 0.425 the algorithm uses its tail formulas; about 15 % of all numbers lie there.
_CENTRAL = 0.425
#: How many numbers are made at once: few enough that their words and tails stay in the L1 cache.
_AT_ONCE = 1024


@inline_kernel
def _log_fraction(numerator):  # type: ignore[no-untyped-def]
    """ln(numerator / 2^33) for an integer 1 <= numerator <= 2^32.

    numerator = m 2^e with m in [1/sqrt(2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1)/(m + 1), |s| < 0.172, by its
    series: the first omitted term, 2 s^21 / 21, is below 1e-17. Halvings are exact, so they are done in large steps,
    and by selects, which a lane loop vectorises.
    """
    m, e = float(numerator), 0.0
    for k in range(4, -1, -1):
        halvings = 1 << k
        power = float(1 << halvings)
        is_large = m >= power
        m = m / power if is_large else m
        e = e + halvings if is_large else e
    is_large = m >= 1.4142135623730951
    m = m * 0.5 if is_large else m
    e = e + 1.0 if is_large else e
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    series = 1.0 / 19.0
    for k in range(8, -1, -1):
        series = series * z + 1.0 / (2.0 * k + 1.0)
    return 2.0 * s * series + (e - 33.0) * _LN2


@inline_kernel
def _distance(word):  # type: ignore[no-untyped-def]
    """q, the word's probability (word + 1/2) / 2^32 minus 1/2."""
    return (float(word) + 0.5) / 4294967296.0 - 0.5


@inline_kernel
def _central_number(word):  # type: ignore[no-untyped-def]
    """The number of a word with |q| <= 0.425."""
    q = _distance(word)
    r = 0.180625 - q * q
    numerator = (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
        + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
        + 133.14166789178437745) * r + 3.3871328727963666080)  # fmt: skip
    denominator = (((((((5226.4952788528545610 * r + 28729.085735721942674) * r + 39307.895800092710610) * r
        + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.18700749205790830) * r
        + 42.313330701600911252) * r + 1.0)  # fmt: skip
    return q * numerator / denominator


@inline_kernel
def _tail_number(word):  # type: ignore[no-untyped-def]
    """The number of a word with |q| > 0.425. Words of 32 bits keep r below 4.8, so AS 241's third branch is omitted."""
    is_low = _distance(word) < 0.0
    odd = np.int64(2) * np.int64(word) + np.int64(1)
    tail = odd if is_low else np.int64(8589934592) - odd  # 2^33
    r = math.sqrt(-_log_fraction(tail)) - 1.6
    numerator = (((((((7.74545014278341407640e-4 * r + 0.0227238449892691845833) * r + 0.241780725177450611770) * r
        + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.76949722146069140550) * r
        + 4.63033784615654529590) * r + 1.42343711074968357734)  # fmt: skip
    denominator = (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
        + 0.148103976427480074590) * r + 0.689767334985100004550) * r + 1.67638483018380384940) * r
        + 2.05319162663775882187) * r + 1.0)  # fmt: skip
    value = numerator / denominator
    return -value if is_low else value


@kernel
def normal_from_word(word):  # type: ignore[no-untyped-def]
    """The standard normal number, float64, whose probability is (word + 1/2) / 2^32, for a word below 2^32."""
    return _central_number(word) if abs(_distance(word)) <= _CENTRAL else _tail_number(word)


@allocating_kernel
def fill_normals(normals_out, first_block, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Fill ``normals_out`` (P,) float32 with the stream's numbers from block ``first_block`` (uint64) on, 4 per block.

    Each number is ``normal_from_word`` of its word, rounded. To avoid branches, one loop computes all numbers as if
    they were central, and a second loop recomputes those in the tails.
    """
    num = min(_AT_ONCE, normals_out.size)
    stream_words = np.empty((num + 3) // 4 * 4, np.uint64)
    where, tails = np.empty(num, np.int64), np.empty(num, np.float32)
    for start in range(0, normals_out.size, _AT_ONCE):
        part = normals_out[start : start + _AT_ONCE]
        fill_words(stream_words[: (part.size + 3) // 4 * 4], first_block + np.uint64(start // 4), c2, c3, k0, k1)
        for i in range(part.size):
            part[i] = np.float32(_central_number(stream_words[i]))
        num_tails = 0
        for i in range(part.size):  # moves the tails' words to the front; the words there are no longer needed
            word = stream_words[i]
            where[num_tails], stream_words[num_tails] = i, word
            num_tails += abs(_distance(word)) > _CENTRAL
        for t in range(num_tails):
            tails[t] = np.float32(_tail_number(stream_words[t]))
        for t in range(num_tails):
            part[where[t]] = tails[t]


@exact
def normals(place: StreamKey, num: int) -> NDArray[np.float32]:
    """(num,) float32: the first numbers of the stream at ``place``."""
    normals_out = np.full(num, np.nan, np.float32)
    fill_normals(normals_out, np.uint64(0), *place.words)
    return normals_out
