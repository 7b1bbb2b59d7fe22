"""Elementary functions and normal numbers in fixed arithmetic: the same bits on every machine, no libm.

Everything is float64 ``+ - * /``, ``sqrt``, rounding and scaling by powers of two, each exact or correctly rounded by
IEEE 754. Coefficients are Taylor's, on intervals so short that the first term left out is below 1e-17 of the value.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from environments.streams import Stream

Array = NDArray[np.float64]

# pi/2 in three parts: the first two have 33 bits, so that their products with small integers are exact.
_HALF_PI_PARTS = tuple(
    float.fromhex(part) for part in ("0x1.921fb54400000p+0", "0x1.0b4611a600000p-34", "0x1.3198a2e037073p-69")
)
# ln 2 in two parts, the first of 40 bits.
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42fefa2000p-1"), float.fromhex("0x1.9ef35793c7673p-41")

# Highest order first: of (sin r - r) / r^3 and (cos r - 1) / r^2 in r^2, for |r| <= pi/4; of (exp r - 1 - r) / r^2 in
# r, for |r| <= ln(2)/2; of artanh(s) / s in s^2, for |s| <= 0.172.
_SINE = tuple((-1.0 if k % 2 else 1.0) / math.factorial(2 * k + 1) for k in range(8, 0, -1))
_COSINE = tuple((-1.0 if k % 2 else 1.0) / math.factorial(2 * k) for k in range(8, 0, -1))
_EXPONENTIAL = tuple(1.0 / math.factorial(k) for k in range(14, 1, -1))
_ARTANH = tuple(1.0 / (2.0 * k + 1.0) for k in range(10, -1, -1))


def sine(z: Array) -> Array:
    """The sine of ``z``, for |z| <= 60; relative error below 1e-15."""
    quarter_turns = np.rint(z / (0.5 * math.pi))
    r = z
    for part in _HALF_PI_PARTS:
        r = r - quarter_turns * part
    square = r * r
    sine_of_r = r + r * (square * _polynomial(_SINE, square))
    cosine_of_r = 1.0 + square * _polynomial(_COSINE, square)
    quadrant = quarter_turns - 4.0 * np.floor(quarter_turns / 4.0)
    value = np.where((quadrant == 1.0) | (quadrant == 3.0), cosine_of_r, sine_of_r)
    return np.where(quadrant >= 2.0, -value, value)


def tanh(z: Array) -> Array:
    """The hyperbolic tangent of ``z``, for |z| <= 60; relative error below 1e-15, odd to the bit."""
    shrunk = _exponential_minus_1(-2.0 * np.abs(z))
    return np.copysign(shrunk / (shrunk + 2.0), z)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), for |z| <= 60; relative error below 1e-15."""
    return 1.0 / (2.0 + _exponential_minus_1(-z))


def normal(stream: Stream, std: float) -> float:
    """A number of N(0, std^2), by Marsaglia's polar method: the first of a pair, the second is dropped.

    Reference: Marsaglia and Bray 1964, A Convenient Method for Generating Normal Variables.
    """
    while True:
        u, v = stream.uniform(-1.0, 1.0), stream.uniform(-1.0, 1.0)
        square = u * u + v * v
        if 0.0 < square < 1.0:
            return std * (u * math.sqrt(-2.0 * natural_log(square) / square))


def natural_log(x: float) -> float:
    """ln x, for a normal x > 0; relative error below 1e-15.

    x = m 2^e with m in [1/sqrt(2), sqrt(2)), and ln m = 2 artanh(s), s = (m - 1)/(m + 1).
    """
    m, e = math.frexp(x)
    if m < math.sqrt(0.5):
        m, e = 2.0 * m, e - 1
    s = (m - 1.0) / (m + 1.0)
    series = 0.0
    for coefficient in _ARTANH:
        series = series * (s * s) + coefficient
    return e * _LN2_HIGH + (2.0 * s * series + e * _LN2_LOW)


def _exponential_minus_1(z: Array) -> Array:
    """exp(z) - 1, for |z| <= 120; relative error below 1e-15."""
    halvings = np.rint(z / (_LN2_HIGH + _LN2_LOW))
    r = (z - halvings * _LN2_HIGH) - halvings * _LN2_LOW
    of_r = r + r * (r * _polynomial(_EXPONENTIAL, r))
    with np.errstate(invalid="ignore"):  # a NaN's exponent is arbitrary, but the product is NaN
        power = np.ldexp(1.0, halvings.astype(np.int32))
    return power * of_r + (power - 1.0)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """The polynomial with these coefficients, highest order first."""
    value = np.zeros_like(x)
    for coefficient in coefficients:
        value = value * x + coefficient
    return value
