"""Elementary functions: as accurate as float64 allows, the same bits on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain.elementary import natural_log, normal, sigmoid, sine, tanh

ACCURACY = 1e-15
#: Of sine, tanh and sigmoid at six places, and of the logarithm at three.
GOLDEN_BITS = [
    [
        "-0x1.834e86acd1fdfp-3",
        "-0x1.aed548f090ceep-1",
        "0x1.12e0be826d695p-30",
        "0x1.49d6e694619b8p-1",
        "0x1.210386db6d55bp-3",
        "-0x1.d5424ff4c0fedp-1",
    ],
    [
        "-0x1.0000000000000p+0",
        "-0x1.85efab514f394p-1",
        "0x1.12e0be826d695p-30",
        "0x1.356fb17af2e92p-1",
        "0x1.fd77d111a0b01p-1",
        "0x1.0000000000000p+0",
    ],
    [
        "0x1.1df48490e49cap-86",
        "0x1.136561454ba86p-2",
        "0x1.0000000225c18p-1",
        "0x1.561cb52a19476p-1",
        "0x1.e7b7cbc36fabbp-1",
        "0x1.0000000000000p+0",
    ],
    ["-0x1.7069e2aa2aa5bp+3", "-0x1.34378fcbda721p+0", "0x1.f2272ae325a57p+0"],
]
Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _places() -> NDArray[np.float64]:
    """All of -60 to 60, near 0 down to 1e-12, next to every multiple of pi/2, and both ends."""
    stream = Stream(1, "test elementary")
    wide = [stream.uniform(-60.0, 60.0) for _ in range(3000)]
    small = [stream.uniform(-1.0, 1.0) * 10.0 ** -stream.integer(0, 13) for _ in range(1000)]
    quarters = [k * math.pi / 2 for k in range(-38, 39)]
    beside = [math.nextafter(z, side) for z in quarters for side in (-99.0, 99.0)]
    return np.array([*wide, *small, *quarters, *beside, -60.0, 60.0, 0.0])


@pytest.mark.parametrize(
    ("ours", "exact"),
    [(sine, mpmath.sin), (tanh, mpmath.tanh), (sigmoid, lambda z: 1 / (1 + mpmath.exp(-z)))],
    ids=["sine", "tanh", "sigmoid"],
)
def test_functions_are_accurate_to_1e_15_of_their_value(ours: Function, exact: Callable[[object], object]) -> None:
    """Also where a sine is nearly 0, a tanh is nearly its argument and a sigmoid is nearly 0."""
    with mpmath.workprec(200):
        for z, found in zip(_places().tolist(), ours(_places()).tolist(), strict=True):
            expected = exact(mpmath.mpf(z))
            assert abs(mpmath.mpf(found) - expected) <= ACCURACY * abs(expected), z


def test_the_logarithm_is_accurate_to_1e_15_of_its_value() -> None:
    """Also next to 1, where it is nearly 0, and where the mantissa changes sides."""
    stream = Stream(2, "test elementary")
    places = [stream.uniform(0.0, 1.0) * 10.0 ** -stream.integer(0, 30) + 1e-300 for _ in range(2000)]
    places += [1.0 - 10.0**-k for k in range(1, 16)] + [1.0 + 10.0**-k for k in range(1, 16)]
    places += [math.nextafter(math.sqrt(0.5), side) for side in (0.0, 1.0)] + [2.0, 0.5, 1e300]
    with mpmath.workprec(200):
        for x in places:
            expected = mpmath.log(mpmath.mpf(x))
            assert abs(mpmath.mpf(natural_log(x)) - expected) <= ACCURACY * abs(expected), x
    assert 0.0 == natural_log(1.0)


def test_tanh_is_odd_and_a_nan_stays_one() -> None:
    """A mirrored network makes mirrored ground, to the bit; what is no number does not become one."""
    assert np.array_equal(-tanh(_places()), tanh(-_places()))
    for function in (sine, tanh, sigmoid):
        assert np.isnan(function(np.array([math.nan]))).all()


def test_these_bits_never_change() -> None:
    """Expressed terrains, and so every recorded run, depend on them."""
    z = np.array([-59.5, -1.0, 1e-9, 0.7, 3.0, 42.0])
    expected = GOLDEN_BITS
    found = [[value.hex() for value in function(z).tolist()] for function in (sine, tanh, sigmoid)]
    assert expected == [*found, [natural_log(x).hex() for x in (1e-5, 0.3, 7.0)]]


def test_normal_numbers_are_distributed_as_such() -> None:
    """Of 20,000 with deviation 0.25 the moments and the whole distribution are N(0, 0.25^2)'s, within 4 errors."""
    stream = Stream(3, "test elementary")
    numbers = np.sort([normal(stream, 0.25) / 0.25 for _ in range(20_000)])
    for power, expected, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs((numbers**power).mean() - expected) < 4.0 * math.sqrt(variance / numbers.size)
    expected_shares = np.array([NormalDist().cdf(number) for number in numbers])
    shares = np.arange(numbers.size) / numbers.size
    # Kolmogorov: beyond 1.95 / sqrt(n) in one of a thousand.
    assert np.abs(expected_shares - shares).max() < 1.95 / math.sqrt(numbers.size)
