"""Activation functions by name, in float32 arithmetic that every engine repeats to the bit."""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel

#: The numbers by which kernels know them.
TANH, RELU, LINEAR = 0, 1, 2
#: The names that configs use.
ACTIVATIONS = {"tanh": TANH, "relu": RELU, "linear": LINEAR}

# tanh(x) = x p(x^2) / q(x^2) on |x| <= 8.5; at 8.5, tanh is 1 - 8e-8. Fitted for minimal relative error (weighted least
# squares on 400 Chebyshev nodes, 50 digits): 1.2e-8 before rounding, 3.6e-7 in float32. It uses only * + / and selects,
# so it needs no libm, and a lane loop vectorises it.
_TANH_BOUND = np.float32(8.5)
_P1, _P2, _P3, _P4 = (np.float32(c) for c in (0.13413341, 0.0035341377, 2.1252796e-05, 1.4271526e-08))
_Q1, _Q2, _Q3, _Q4 = (np.float32(c) for c in (0.46746665, 0.02602318, 0.0003349043, 8.1460905e-07))
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


@inline_kernel
def tanh32(x):  # type: ignore[no-untyped-def]
    """tanh of a float32, accurate to 4e-7, odd, within [-1, 1]."""
    x = _TANH_BOUND if x > _TANH_BOUND else x
    x = -_TANH_BOUND if x < -_TANH_BOUND else x
    z = x * x
    p = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _ONE
    q = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _ONE
    y = x * p / q
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


@inline_kernel
def relu32(x):  # type: ignore[no-untyped-def]
    """x, or 0 if x is negative; like the others, it maps NaN to NaN."""
    return _ZERO if x < _ZERO else x


@inline_kernel
def sigmoid32(x):  # type: ignore[no-untyped-def]
    """1 / (1 + exp(-x)) of a float32, within [0, 1]."""
    return _HALF + _HALF * tanh32(_HALF * x)
