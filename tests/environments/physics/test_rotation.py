"""Our sine and cosine against the C library's, bit for bit."""

from __future__ import annotations

import ctypes
import math
import platform
import re

import llvmlite.binding
import numpy as np
import pytest

from environments.compiled import inline_kernel, kernel
from environments.physics.rotation import NEAR, sin_cos, sin_cos_any, sin_cos_far

HAS_REFERENCE = platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
needs_reference = pytest.mark.skipif(not HAS_REFERENCE, reason="the reference is glibc on x86-64")

# Angles whose remainder shows whether it was rounded once, as glibc does with fused multiply-add: sine and cosine.
FUSED = {
    "0x1.1475b6p+4": (None, "-0x1.69eeep-16"),
    "0x1.1475b8p+4": (None, "-0x1.49eeep-16"),
    "0x1.ab6152p+5": ("-0x1.fa1152p-7", None),
    "0x1.46b80ep+6": ("-0x1.b54768p-10", None),
    "0x1.46ba88p+6": ("0x1.897112p-11", None),
}
HAS_FUSED = llvmlite.binding.get_host_cpu_features().get("fma", False)


@kernel
def _all_near(angles, out):  # type: ignore[no-untyped-def]
    for i in range(angles.size):
        out[0, i], out[1, i] = sin_cos(angles[i])


@kernel
def _all_far(angles, out):  # type: ignore[no-untyped-def]
    for i in range(angles.size):
        out[0, i], out[1, i] = sin_cos_far(angles[i])


@kernel
def _any(angles, out):  # type: ignore[no-untyped-def]
    for i in range(angles.size):
        out[0, i], out[1, i] = sin_cos_any(angles[i])


@inline_kernel  # not kept on disk: the assembly of what comes from there cannot be read
def _lanes(s):  # type: ignore[no-untyped-def]
    for i in range(32):
        s[32 + i], s[64 + i] = sin_cos(s[i])


def _computed(function, angles: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    out = np.full((2, angles.size), np.nan, np.float32)
    function(angles, out)
    return out


def _reference(angles: np.ndarray) -> np.ndarray:
    """(2, N) float32: ``sinf`` and ``cosf``."""
    library = ctypes.CDLL("libm.so.6")
    rows = []
    for function in (library.sinf, library.cosf):
        function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
        rows.append([function(angle) for angle in angles.tolist()])
    return np.array(rows, np.float32)


def _assert_same_bits(expected: np.ndarray, actual: np.ndarray, angles: np.ndarray) -> None:
    wrong = np.flatnonzero((expected.view(np.uint32) != actual.view(np.uint32)).any(axis=0))
    assert not wrong.size, f"{wrong.size} angles, the first {float(angles[wrong[0]]).hex()}"


def _bits_between(low: np.float32, high: np.float32, number: int, seed: int) -> np.ndarray:
    """Floats of either sign whose size, as stored, is spread evenly between ``low`` and below ``high``."""
    rng = np.random.default_rng(seed)
    first, last = (int(np.float32(bound).view(np.uint32)) for bound in (low, high))
    bits = rng.integers(first, last, number).astype(np.uint32)
    return (bits | rng.integers(0, 2, number).astype(np.uint32) << 31).view(np.float32)


def _near_multiples() -> np.ndarray:
    """Floats next to the multiples of pi/4 below ``NEAR``, where quadrants change and remainders are smallest."""
    angles = np.float32(np.arange(-152, 153) * (math.pi / 4.0))
    steps = np.arange(-6, 7, dtype=np.int32)
    near = (angles.view(np.int32)[:, None] + steps).view(np.float32).ravel()
    return near[np.abs(near) < 16.0]


@needs_reference
@pytest.mark.parametrize(
    "angles",
    [
        pytest.param(_bits_between(np.float32(0.0), np.float32(16.0), 100_000, 1), id="any size"),
        pytest.param(np.random.default_rng(2).uniform(-16.0, 16.0, 100_000).astype(np.float32), id="any angle"),
        pytest.param(_near_multiples(), id="quadrants"),
    ],
)
def test_near_angles_have_the_bits_of_the_c_library(angles: np.ndarray) -> None:
    """Subnormal, tiny, ordinary and awkward angles: both results have every bit of ``sinf`` and ``cosf``."""
    _assert_same_bits(_reference(angles), _computed(_all_near, angles), angles)


@needs_reference
@pytest.mark.skipif(not HAS_FUSED, reason="without fused multiply-add glibc differs at a few of these angles")
def test_angles_of_many_turns_have_the_bits_of_the_c_library() -> None:
    """From 16 to 120, where the remainder is rounded, both results have every bit of ``sinf`` and ``cosf``."""
    angles = np.random.default_rng(3).uniform(16.0, 120.0, 100_000).astype(np.float32)
    _assert_same_bits(_reference(angles), _computed(_all_near, angles), angles)


def test_the_remainder_is_rounded_once() -> None:
    """Where glibc's code with and without fused multiply-add differs, ours gives what the fused one does."""
    for angle, expected in FUSED.items():
        results = _computed(_all_near, np.array([float.fromhex(angle)], np.float32))[:, 0]
        for value, result in zip(expected, results, strict=True):
            assert value is None or float.fromhex(value) == result, angle


@needs_reference
def test_far_angles_have_the_bits_of_the_c_library() -> None:
    """From 120 to the greatest float: both results have every bit of ``sinf`` and ``cosf``."""
    angles = _bits_between(NEAR, np.float32(np.inf), 100_000, 4)
    _assert_same_bits(_reference(angles), _computed(_all_far, angles), angles)


def test_results_are_sines_and_cosines_on_every_machine() -> None:
    """Both results are within 0.6 units in the last place of the exact ones."""
    angles = np.random.default_rng(5).uniform(-119.9, 119.9, 20_000).astype(np.float32)
    exact = np.array([np.sin(angles.astype(np.float64)), np.cos(angles.astype(np.float64))])

    errors = np.abs(_computed(_all_near, angles) - exact) / np.spacing(np.abs(exact).astype(np.float32))

    assert errors.max() < 0.6


def test_any_angle_goes_to_the_function_that_is_made_for_it() -> None:
    """Below 120 ``sin_cos_any`` is ``sin_cos``, from 120 on ``sin_cos_far``, for either sign."""
    near = np.array([0.0, -0.0, 1.0, -1.0, np.nextafter(NEAR, np.float32(0.0)), -119.0], np.float32)
    far = np.array([120.0, -120.0, 1e4, -1e38], np.float32)

    _assert_same_bits(_computed(_all_near, near), _computed(_any, near), near)
    _assert_same_bits(_computed(_all_far, far), _computed(_any, far), far)


def test_what_is_no_angle_has_no_sine() -> None:
    """NaN gives NaN in all three functions, infinity in the two that take any size."""
    for function in (_all_near, _all_far, _any):
        assert np.isnan(_computed(function, np.array([np.nan], np.float32))).all()
    for function in (_all_far, _any):
        assert np.isnan(_computed(function, np.array([np.inf, -np.inf], np.float32))).all()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 assembly")
def test_a_loop_over_lanes_is_packed() -> None:
    """The polynomials of ``sin_cos`` are evaluated in whole vectors, and nothing is done one by one."""
    _lanes(np.zeros(96, np.float32))

    (assembly,) = _lanes.inspect_asm().values()

    assert re.search(r"\bv?mulpd\b", assembly)
    assert not re.search(r"\bv?mulsd\b", assembly)
