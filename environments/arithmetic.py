"""How the processor rounds: by IEEE 754, to nearest and with subnormal numbers, whatever other libraries have set.

Rounding and the flushing of subnormal numbers are settings of each thread (MXCSR on x86-64, FPCR on aarch64), and new
threads inherit them. Other libraries change them, some when they are loaded. So every function that computes a result
checks them first, which costs a tenth of a microsecond, and sets them for its call if necessary. x87 has its own
settings, which do not matter here: on x86-64, Python, NumPy, Numba and Box2D do not compute with it.
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
# 2^-60 and the smallest subnormal number, made from their bits, since arithmetic might round them.
_LITTLE, _LEAST = struct.unpack("<2d", struct.pack("<2Q", (1023 - 60) << 52, 1))
#: Larger than any system's ``fenv_t``.
_ENVIRONMENT_BYTES = 256
_REFUSAL = (
    "the processor does not round to nearest in this thread, or takes subnormal numbers for zero, and results would "
    "differ: switch that off, as with fesetround(FE_TONEAREST) or torch.set_flush_denormal(False)"
)


def exact(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function that computes a result round to nearest and keep subnormal numbers.

    Raises:
        InputError: raised by the function, if this thread rounds otherwise and that cannot be changed here.
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
    """If rounding is upwards, the first sum is above 1; if downwards or to zero, the difference is below 1. The sum of
    two subnormal numbers is 0 where operands or results are flushed."""
    return bool((_ONE + _LITTLE) - (_ONE - _LITTLE) == 0.0 != _LEAST + _LEAST)


@contextmanager
def _as_ieee_754() -> Iterator[None]:
    import ctypes  # rarely needed, and not for `poet --help`

    found, library = ctypes.create_string_buffer(_ENVIRONMENT_BYTES), ctypes.CDLL(None)
    try:
        is_mac = sys.platform == "darwin"
        default = ctypes.addressof(ctypes.c_char.in_dll(library, "_FE_DFL_ENV")) if is_mac else -1  # as in fenv.h
        library.fegetenv(found)
        library.fesetenv(ctypes.c_void_p(default))
    except (AttributeError, ValueError):  # another system
        raise InputError(_REFUSAL) from None
    try:
        if not _is_ieee_754():
            raise InputError(_REFUSAL)
        yield
    finally:
        library.fesetenv(found)
