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
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from environments.errors import InputError

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
    return _writable_home() / "poet" / "kernels" / digest.hexdigest()


def _writable_home() -> Path:
    """Where caches may be kept. Numba must not choose: it would take ``__pycache__``, which misses edited callees."""
    homes = [Path(os.environ[name]) for name in ("XDG_CACHE_HOME",) if os.environ.get(name)]
    with suppress(RuntimeError):  # a user without a home
        homes.append(Path.home() / ".cache")
    for home in homes:
        with suppress(OSError):
            (home / "poet").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=home / "poet"):
                return home
    return Path(tempfile.mkdtemp(prefix="poet-cache-"))


numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise InputError("NUMBA_DISABLE_JIT is set, and uncompiled kernels give other numbers than compiled ones: unset it")


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that loops over memory: IEEE arithmetic as written, division by zero as NumPy has it."""
    return cast(Callable[..., Any], numba.njit(function, error_model="numpy", fastmath=False, cache=True))


def inline_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a scalar function that lane loops inline (without it a tuple return blocks vectorisation)."""
    return cast(Callable[..., Any], numba.njit(function, error_model="numpy", fastmath=False, forceinline=True))
