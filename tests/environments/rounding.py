"""What other libraries do to a thread's arithmetic: it rounds another way, or takes subnormal numbers for zero."""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARY = ctypes.CDLL(None)
_IS_X86 = platform.machine() == "x86_64"
#: Of fenv.h.
_ROUNDINGS = (
    {"down": 0x400, "up": 0x800, "zero": 0xC00} if _IS_X86 else {"up": 1 << 22, "down": 2 << 22, "zero": 3 << 22}
)
#: In MXCSR: results become 0, operands count as 0. ``fenv_t`` of glibc ends with it.
_FLUSHES = {"flush to zero": 0x8000, "denormals are zero": 0x40} if _IS_X86 and sys.platform == "linux" else {}
_MXCSR_AT = 28

#: By name.
MODES = (*_ROUNDINGS, *_FLUSHES)


@contextmanager
def computing(mode: str) -> Iterator[None]:
    """A block in which this thread, and those that it starts, compute in another mode; it must leave it as it is."""
    found, changed = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
    _LIBRARY.fegetenv(found)
    try:
        if mode in _ROUNDINGS:
            _LIBRARY.fesetround(_ROUNDINGS[mode])
        else:
            _LIBRARY.fegetenv(changed)
            (word,) = struct.unpack_from("<I", changed, _MXCSR_AT)
            struct.pack_into("<I", changed, _MXCSR_AT, word | _FLUSHES[mode])
            _LIBRARY.fesetenv(changed)
        before = _sums()
        assert before != bytes(8) + b"\2" + bytes(7)
        yield
        assert before == _sums()
    finally:
        _LIBRARY.fesetenv(found)


def _sums() -> bytes:
    """As bits: comparing is arithmetic too."""
    one, little, least = 1.0, 2.0**-60, struct.unpack("<d", b"\1" + bytes(7))[0]
    return struct.pack("<2d", (one + little) - (one - little), least + least)
