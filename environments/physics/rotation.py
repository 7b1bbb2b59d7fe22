"""Sine and cosine of a float32 angle in rad, with the bits of glibc's ``sinf`` and ``cosf``.

Box2D calls ``sinf`` and ``cosf``. They are not correctly rounded, so only the same polynomials give the same bits.
Source: glibc 2.28 and later, ``sysdeps/ieee754/flt-32/s_sincosf.h``: the angle is reduced by multiples of pi/2 in
double, from 120 on by the bits of 4/pi in integers; two polynomials are evaluated in double and rounded once.

glibc chooses its code by the processor. With fused multiply-add the remainder is rounded once, without it twice, which
matters for 34 of the 2.2e9 floats below 120, all above 17. Here it is rounded once, without any fused operation.
"""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel, kernel

#: ``sin_cos`` holds below this, rad.
NEAR = np.float32(120.0)

# Below this the sine is the angle itself, a zero with its sign.
_TINY = np.float32(float.fromhex("0x1p-12"))
_INVERSE_HALF_PI = float.fromhex("0x1.45f306dc9c883p-1")
# Adding and taking away this rounds a small double to a whole number.
_ROUNDER = float.fromhex("0x1.8p52")
# pi/2 in two parts: a count of up to 7 bits times either part is exact.
_HALF_PI_HIGH = float.fromhex("0x1.921fb54442d00p0")
_HALF_PI_LOW = float.fromhex("0x1.8p-48")

# sin(x) = x + S1 x^3 + S2 x^5 + S3 x^7, cos(x) = 1 + C1 x^2 + C2 x^4 + C3 x^6 + C4 x^8 on |x| <= pi/4.
_S1 = float.fromhex("-0x1.555545995a603p-3")
_S2 = float.fromhex("0x1.1107605230bc4p-7")
_S3 = float.fromhex("-0x1.994eb3774cf24p-13")
_C1 = float.fromhex("-0x1.ffffffd0c621cp-2")
_C2 = float.fromhex("0x1.55553e1068f19p-5")
_C3 = float.fromhex("-0x1.6c087e89a359dp-10")
_C4 = float.fromhex("0x1.99343027bf8c3p-16")

# 4/pi as 1.45F306DC... in hexadecimal: words of 32 bits, each starting 8 bits after the one before.
_FOUR_OVER_PI = 0xA2F9836E4E441529FC2757D1F534DDC0DB6295993C439041
_WORDS = np.array([_FOUR_OVER_PI >> 8 * (23 - i) & 0xFFFFFFFF for i in range(24)], np.uint64)
_32, _61, _62 = np.uint64(32), np.uint64(61), np.uint64(62)
_EIGHTH_TURN = np.uint64(1) << _61
# pi/2 * 2^-62.
_UNIT = float.fromhex("0x1.921fb54442d18p-62")
_LEAST_MANTISSA, _MANTISSA_END = float.fromhex("0x1p23"), float.fromhex("0x1p24")
_MAX = np.finfo(np.float32).max
_ZERO = np.float32(0.0)


@inline_kernel
def sin_cos(angle):  # type: ignore[no-untyped-def]
    """(sine, cosine), float32, of a float32 angle with |angle| < 120; without branches, for lane loops.

    NaN gives NaN. From 120 on the result is wrong, but no operation traps: compare with ``NEAR`` where that can happen.
    """
    x = np.float64(angle)
    quarters = (x * _INVERSE_HALF_PI + _ROUNDER) - _ROUNDER
    remainder = (x - quarters * _HALF_PI_HIGH) - quarters * _HALF_PI_LOW
    sine, cosine = _turned(remainder, np.int32(quarters))
    return angle if abs(angle) < _TINY else sine, cosine


@inline_kernel
def _turned(x, quarters):  # type: ignore[no-untyped-def]
    """(sine, cosine), float32, of x + quarters * pi/2, where |x| <= pi/4 and ``quarters`` is an int32."""
    z = x * x
    x3 = x * z
    s = np.float32((x + x3 * _S1) + (x3 * z) * (_S2 + z * _S3))
    z2 = z * z
    c = np.float32(((1.0 + z * _C1) + z2 * _C2) + (z2 * z) * (_C3 + z * _C4))
    is_odd = (quarters & 1) != 0
    sine, cosine = c if is_odd else s, s if is_odd else c
    return -sine if (quarters & 2) != 0 else sine, -cosine if ((quarters + 1) & 2) != 0 else cosine


@kernel
def sin_cos_far(angle):  # type: ignore[no-untyped-def]
    """(sine, cosine), float32, of a float32 angle with |angle| >= 120; NaN for what is not finite."""
    size = abs(angle)
    if not size <= _MAX:
        return angle - angle, angle - angle
    # As a float32 is stored: size = mantissa * 2^(exponent - 150).
    mantissa, exponent = np.float64(size), 150
    while mantissa < _LEAST_MANTISSA:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    while mantissa >= _MANTISSA_END:
        mantissa, exponent = mantissa * 0.5, exponent + 1
    # Three words of 4/pi give the angle modulo one turn, in units of 2^-62 quarter turns.
    first = exponent // 8 % 16
    bits = np.uint64(mantissa) << np.uint64(exponent % 8)
    turn = ((bits * _WORDS[first]) << _32 | (bits * _WORDS[first + 8]) >> _32) + bits * _WORDS[first + 4]
    quarters = (turn + _EIGHTH_TURN) >> _62
    remainder = np.float64(np.int64(turn - (quarters << _62))) * _UNIT
    sine, cosine = _turned(remainder, np.int32(quarters))
    return -sine if angle < _ZERO else sine, cosine


@inline_kernel
def sin_cos_any(angle):  # type: ignore[no-untyped-def]
    """(sine, cosine), float32, of any float32 angle, for scalar code."""
    return sin_cos(angle) if abs(angle) < NEAR else sin_cos_far(angle)
