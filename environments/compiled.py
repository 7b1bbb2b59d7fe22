"""How kernels are compiled: one decorator, no fastmath, and a disk cache that knows every source it depends on.

Numba's own cache checks only the file of the function itself: an edited callee in another file would leave its callers
stale (PHYSICS.md 5), and so would an edited constant. So the cache folder is named by a hash of the sources of both
packages that have kernels, and of the compilers' versions and settings, before the first decorator runs. Any edit there
recompiles everything. Old folders are harmless; ``cache_home`` says where they are.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import event
from numba.core import types as numba_types
from numba.extending import intrinsic
from numba.np import arrayobj
from numpy.typing import NDArray

from environments.cache_home import cache_home
from environments.errors import InputError

# Numba's internals have no types.
_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
_config: Any = numba.config
_njit: Any = numba.njit
_types: Any = numba_types

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("environments", "agents")
#: Settings of Numba that change the code it makes. It tells processors apart by itself.
_SETTINGS = ("BOUNDSCHECK", "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")


def _num_lanes() -> int:
    """Worlds in a pack: 16, a vector of float32 with AVX-512 and two with AVX2.

    Fewer leave vectors empty, more leave lanes empty where there are few worlds or their work differs (BENCHMARKS.md).
    """
    chosen = os.environ.get("POET_LANES", "")
    if chosen:
        if chosen not in _LANES:
            raise InputError(f"POET_LANES must be one of {', '.join(_LANES)}, but is {chosen!r}")
        return int(chosen)
    return 16


_FEATURES = llvmlite.binding.get_host_cpu_features()
_LANES = ("4", "8", "16", "32")
#: How many worlds a lane loop takes at once; changes no result. Tests set another number with POET_LANES.
LANES = _num_lanes()


def _keep_lane_loops() -> None:
    """Keep LLVM from unrolling whole lane loops of 16 passes or fewer, after which it takes each lane for itself.

    Without this, an island's contacts are scalar code where vectors have eight lanes (AVX2). Loops of 32 lanes are too
    long for that. It is an option of this process's LLVM, and changes no result.
    """
    if LANES <= 16:
        llvmlite.binding.set_option("poet", f"-unroll-full-max-count={LANES - 1}")


_keep_lane_loops()


def _cache_folder() -> Path:
    """The folder that belongs to everything that decides what is compiled."""
    made_by = [numba.__version__, llvmlite.__version__, np.__version__, sys.version, LANES]
    made_by += [getattr(_config, name) for name in _SETTINGS]
    digest = hashlib.blake2b(repr(made_by).encode(), digest_size=8)
    for package in _PACKAGES:
        for source in sorted((_ROOT / package).rglob("*.py")):
            digest.update(source.relative_to(_ROOT).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return cache_home() / "poet" / "kernels" / digest.hexdigest()


#: Where compiled kernels are kept.
CACHE_DIR = str(_cache_folder())
_config.CACHE_DIR = CACHE_DIR
if _FEATURES.get("avx512f"):
    # For Intel's processors LLVM prefers half vectors, to spare their clock; that is 1.5 times slower here.
    _config.CPU_FEATURES = f"{_FEATURES.flatten()},-prefer-256-bit"
if _config.DISABLE_JIT:
    raise InputError("NUMBA_DISABLE_JIT is set, and uncompiled kernels give other numbers than compiled ones: unset it")


def indices_as_they_are(arrays: Any) -> Callable[..., Any]:
    """A substitute for Numba's ``fix_integer_index``, with which kernels have no negative indices.

    Numba checks every index, since a negative one counts from the end. Kernels have none, and the check costs about as
    much as computing the address, most of all on a GPU, whose integers have 32 bits. A house rule looks for negative
    indices in the source; tests with NUMBA_BOUNDSCHECK=1 find indices that are negative at run time.

    Args:
        arrays: the module ``arrayobj`` of Numba or of numba-cuda.
    """
    fix = arrays.fix_integer_index

    def fix_others(context: Any, builder: Any, index_type: Any, index: Any, size: Any) -> Any:
        if builder.function.name.startswith(_MANGLED):
            return context.cast(builder, index, index_type, _types.intp)
        return fix(context, builder, index_type, index, size)

    return fix_others


_MANGLED = tuple(f"_ZN{len(package)}{package}" for package in _PACKAGES)
_arrays: Any = arrayobj
if hasattr(_arrays, "fix_integer_index"):  # else Numba checks indices, which is slower but just as right
    _arrays.fix_integer_index = indices_as_they_are(_arrays)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that loops over memory: IEEE arithmetic as written, division by zero as NumPy has it.

    It runs without the GIL, so threads may call it at the same time. It makes no arrays, so references need no
    counting. Numba counts them atomically whenever an array is passed on: half the time of a small function.
    """
    return _compiled(function, cache=True, nogil=True, _nrt=False)


def kernel_of(part: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile, like ``kernel``, one of several functions that differ in their constants, one for each ``part``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__qualname__ += f"_of_{part}"
        return kernel(function)

    return decorate


def allocating_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, like ``kernel``, a function that makes arrays for its own use."""
    return _compiled(function, cache=True, nogil=True, _nrt=True)


def inline_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a scalar function that lane loops inline (without it a tuple return blocks vectorisation)."""
    return _compiled(function, forceinline=True, _nrt=False)


def thread_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, like ``kernel``, the whole work of a GPU thread; a GPU's kernel inlines it."""
    return _compiled(function, cache=True, nogil=True, forceinline=True, _nrt=False)


def inline_kernel_of(part: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile, like ``inline_kernel``, one of several functions that differ in constants; see ``kernel_of``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__qualname__ += f"_of_{part}"
        return inline_kernel(function)

    return decorate


class KernelTemplate:
    """A function that becomes a kernel once it is known which other kernels it calls, see ``kernel_template``."""

    def __init__(self, function: Callable[..., Any], **options: bool) -> None:
        self._function, self._options = function, options
        self._made: dict[tuple[tuple[str, Callable[..., Any]], ...], Callable[..., Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, *_: Any) -> Any:
        """Refused: it cannot run as it is."""
        raise TypeError(f"{self._function.__name__} is a template: say by ``calling`` what it calls")

    def calling(self, **callees: Callable[..., Any]) -> Callable[..., Any]:
        """The kernel that calls these in place of what it knows under their names; always the same one."""
        key = tuple(sorted(callees.items(), key=lambda pair: pair[0]))
        with self._lock:  # threads that begin together must not both make it
            if key not in self._made:
                # The cache's folder is named by our sources alone: what calls others may be stale there.
                function = calling(self._function, callees)
                self._made[key] = _compiled(function, cache=all(map(is_ours, callees.values())), **self._options)
            return self._made[key]


def kernel_template(function: Callable[..., Any]) -> KernelTemplate:
    """What is compiled as by ``kernel``, once for each choice of what it calls."""
    return KernelTemplate(function, nogil=True, _nrt=False)


def thread_kernel_template(function: Callable[..., Any]) -> KernelTemplate:
    """What is compiled as by ``thread_kernel``, once for each choice of what it calls."""
    return KernelTemplate(function, nogil=True, forceinline=True, _nrt=False)


def calling(function: Callable[..., Any], callees: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """A copy of a function that calls other kernels under some names, and has a name that says which.

    No closure: the disk cache would know none again that holds kernels.
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"a copy can be made of a function alone, found {function!r}")
    names = {**function.__globals__, **callees}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__qualname__ = "_of_".join((function.__qualname__, *map(_full_name, callees.values())))
    copy.__doc__ = function.__doc__
    return copy


def is_ours(kernel: Callable[..., Any]) -> bool:
    """Whether a kernel is of the packages whose sources name the cache's folder."""
    return kernel.__module__.partition(".")[0] in _PACKAGES


_names: set[str] = set()


def _compiled(function: Callable[..., Any], **options: bool) -> Callable[..., Any]:
    """Compile with a name that no other kernel has.

    Numba tells functions of the same name apart by a number that it counts up as it compiles. The disk cache holds
    numbers from other processes. So two closures of the same name could get the same number, and the linker would
    confuse them. This happened: processes that started together gave other results than each alone.

    A user's module may be loaded again: its kernels then get numbers. They are not kept on disk, since Numba would not
    see an edit of another file whose functions they call.
    """
    if not is_ours(function):
        options = {**options, "cache": False}
        plain, number = function.__qualname__, 2
        while _full_name(function) in _names:
            function.__qualname__, number = f"{plain}_{number}", number + 1
    name = _full_name(function)
    if name in _names:
        raise TypeError(f"there are two kernels with the name {name}: tell them apart by kernel_of")
    _names.add(name)
    return _once(_njit(error_model="numpy", fastmath=False, **options)(function))


def _full_name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _once(dispatcher: Any) -> Callable[..., Any]:
    """Compile once for all integer arguments. Numba would recompile it for each constant; LLVM sees them anyway."""
    resolve = dispatcher.get_call_template

    def resolve_without_literals(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return resolve(*types_without_literals(arguments, keywords))

    dispatcher.get_call_template = resolve_without_literals
    return cast(Callable[..., Any], dispatcher)


def types_without_literals(
    arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Types of a call's arguments; a constant has the type of any other integer."""
    plain = tuple(_types.unliteral(argument) for argument in arguments)
    return plain, {name: _types.unliteral(argument) for name, argument in keywords.items()}


@_intrinsic
def fetch_and_add(typing_context: Any, counter: Any, amount: Any) -> Any:
    """For kernels: add ``amount`` to ``counter[0]``, an int64 array, and return what it was; one thread at a time."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", array.data, arguments[1], "monotonic")

    return _types.int64(counter, _types.int64), generate


def lane_memory(size: int) -> NDArray[np.float32]:
    """(size,) float32 zeros, aligned to vectors: unaligned ones would cost two accesses each."""
    memory = np.zeros(size + _VECTOR_BYTES // 4, np.float32)
    first = -memory.ctypes.data % _VECTOR_BYTES // 4
    return memory[first : first + size]


_VECTOR_BYTES = 64

#: Whether ``ticks`` counts. On other processors programs may not read the counter.
HAS_TICKS = platform.machine() in ("x86_64", "AMD64")


@_intrinsic
def ticks(typing_context: Any) -> Any:
    """For kernels: the processor's time stamp, int64. Its unit is unknown, so use ratios of differences only."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not HAS_TICKS:
            return ir.Constant(ir.IntType(64), 0)
        return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", (), _TICKS_TYPE), ())

    return _types.int64(), generate


_TICKS_TYPE = ir.FunctionType(ir.IntType(64), ())


class _Passes(event.Listener):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def on_start(self, _: Any) -> None:
        self._tell()

    def on_end(self, _: Any) -> None:
        pass


def compiler_passes(tell: Callable[[], None]) -> AbstractContextManager[object]:
    """A block in which ``tell`` is called before each pass of the compiler; never, if all kernels are cached.

    An exception from it ends the compilation.
    """
    manager: AbstractContextManager[object] = event.install_listener("numba:run_pass", _Passes(tell))
    return manager
