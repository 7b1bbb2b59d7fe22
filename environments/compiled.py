"""How kernels are compiled: one decorator, no fastmath, a disk cache that knows every source it depends on.

Numba's own cache looks at the file of a function alone: an edited callee in another file would leave its callers
stale (PHYSICS.md 5), and so would an edited constant. So the cache folder is named by a hash of the sources of all
kernels and constants and of Numba's version, set before the first decorator runs. Old folders are harmless; they lie
under the user's cache directory.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("environments", "agents")
_CONSTANTS = ("constants.py", "spec.py")


def _cache_folder() -> Path:
    digest = hashlib.blake2b(f"{numba.__version__} {sys.version}".encode(), digest_size=8)
    for package in _PACKAGES:
        for source in sorted((_ROOT / package).rglob("*.py")):
            text = source.read_bytes()
            if source.name in _CONSTANTS or b"@kernel" in text or b"@inline_kernel" in text:
                digest.update(source.relative_to(_ROOT).as_posix().encode() + text)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "poet" / "kernels" / digest.hexdigest()


numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that loops over memory: IEEE arithmetic as written, division by zero as NumPy has it."""
    return cast(Callable[..., Any], numba.njit(function, error_model="numpy", fastmath=False, cache=True))


def inline_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a scalar function that lane loops inline (without it a tuple return blocks vectorisation)."""
    return cast(Callable[..., Any], numba.njit(function, error_model="numpy", fastmath=False, forceinline=True))
