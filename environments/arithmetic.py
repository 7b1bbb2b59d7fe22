"""How the processor rounds: results are IEEE 754's, to nearest and with subnormal numbers, whatever others have set.

Rounding and the flushing of subnormal numbers are settings of each thread (MXCSR of x86-64, FPCR of aarch64), which the
threads that it starts inherit. Other libraries change them, some when they are loaded. So whatever computes a result
asks first, which costs a tenth of a microsecond, and if need be sets them for the time of the call. x87 has settings of
its own, which nobody here needs: on x86-64 Python, NumPy, Numba and Box2D compute elsewhere.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from environments.errors import InputError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_ONE = 1.0
# 2^-60 and the least number there is, made of their bits: arithmetic might not give them.
_LITTLE, _LEAST = struct.unpack("<2d", struct.pack("<2Q", (1023 - 60) << 52, 1))
#: More than any system's ``fenv_t`` has.
_ENVIRONMENT_BYTES = 256
_REFUSAL = (
    "the processor does not round to nearest in this thread, or takes subnormal numbers for zero, and results would "
    "differ: switch that off, as with fesetround(FE_TONEAREST) or torch.set_flush_denormal(False)"
)


def exact(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function that computes a result: it rounds to nearest and keeps subnormal numbers.

    Raises:
        InputError: by the function, if this thread does otherwise, and cannot be set here.
    """

    # As in ``_is_ieee_754``, without the cost of a call.
    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if (_ONE + _LITTLE) - (_ONE - _LITTLE) == 0.0 != _LEAST + _LEAST:
            return function(*args, **kwargs)
        with _as_ieee_754():
            return function(*args, **kwargs)

    return run


def _is_ieee_754() -> bool:
    """Upwards the first sum is above 1, downwards and to zero the difference is below. The sum of two subnormal numbers
    is 0 where either operands or results are."""
    return bool((_ONE + _LITTLE) - (_ONE - _LITTLE) == 0.0 != _LEAST + _LEAST)


@contextmanager
def _as_ieee_754() -> Iterator[None]:
    import ctypes  # seldom needed, and not before `poet --help`

    found, library = ctypes.create_string_buffer(_ENVIRONMENT_BYTES), ctypes.CDLL(None)
    try:
        is_mac = sys.platform == "darwin"
        default = ctypes.addressof(ctypes.c_char.in_dll(library, "_FE_DFL_ENV")) if is_mac else -1  # as in fenv.h
        library.fegetenv(found)
        library.fesetenv(ctypes.c_void_p(default))
    except (AttributeError, ValueError):  # another system's
        raise InputError(_REFUSAL) from None
    try:
        if not _is_ieee_754():
            raise InputError(_REFUSAL)
        yield
    finally:
        library.fesetenv(found)
