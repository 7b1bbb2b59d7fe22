"""Kernels for NVIDIA GPUs: the only place that knows numba-cuda, which the extra ``cuda`` brings.

A GPU's kernel calls the functions of ``compiled.py`` as they are: numba-cuda compiles their Python once more, for the
GPU. Some things are changed here during a compilation, since numba-cuda has no switch for them:

* Contraction. NVIDIA's compiler fuses a product and a sum into one operation with one rounding, unless it is told not
  to (NVVM's ``fma=0``). PTX then has ``mul.rn`` and ``add.rn``, which the assembler may not fuse either. Link-time
  optimisation would generate the code again, with fused operations, so it is off.
* Constants. A function is compiled once for all integer arguments, not again for each constant (``compiled._once``).
* Indices, see ``compiled.indices_as_they_are``.
* A thread's own memory. numba-cuda fills it with zeros at each launch: thousands of instructions for a few numbers that
  are then used. Tests run what is compiled in memory that is poisoned.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from environments.compiled import CACHE_DIR, indices_as_they_are, types_without_literals
from environments.errors import InputError

#: Whether numba-cuda's simulator stands in for a GPU: for tests, a few walkers and steps.
IS_SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")

#: Threads of a block. With the most registers, three blocks still fit on a multiprocessor (tested).
BLOCK_SIZE = 128

#: A thread's own memory in bytes, a little more than the kernels here need, but for a policy's scratch.
_MOST_LOCAL_BYTES = 13_000
#: Fills memory that nobody has written. It is an integer, since it has to fit any type.
_POISON = -(2**31) + 7

Tables = TypeVar("Tables", bound=tuple[Any, ...])


class GpuKernel:
    """A function that a GPU's threads run; compiled when it is first launched.

    Args:
        function: of device tables (``to_device``) and numbers; it may use ``numba.cuda`` and call kernels.
        is_kept: on disk, which is right only for what calls no kernels but ours.
    """

    def __init__(self, function: Callable[..., None], is_kept: bool = True) -> None:
        self.function = function
        # Not as a decorator with arguments: that forgets ``lto``.
        options = {} if IS_SIMULATED else {"lto": False, "cache": is_kept}
        self._dispatcher: Any = module().jit(function, **options)

    def launch(self, num_threads: int, *arguments: Any, block_size: int = BLOCK_SIZE) -> None:
        """Run at least ``num_threads`` threads, in whole blocks. Does not wait for their end; ``to_host`` does."""
        with _exact():
            self._dispatcher[-(-num_threads // block_size), block_size](*arguments)

    def bind(self, num_threads: int, *arguments: Any, block_size: int = BLOCK_SIZE) -> Callable[[], None]:
        """A function that launches the kernel with these arguments, as often as it is called.

        numba-cuda unpacks arguments at each launch, which takes the host longer than a short kernel takes the GPU. So
        what it passes to CUDA is recorded the first time. Arrays must be in the GPU's memory.
        """
        prepared: list[Callable[[], None]] = []

        def launch_again() -> None:
            if prepared:
                prepared[0]()
                return
            with _noted(prepared):
                self.launch(num_threads, *arguments, block_size=block_size)

        return launch_again

    def compile_for(self, capability: tuple[int, int], *arguments: Any) -> Compiled:
        """The compiled kernel for GPUs of a compute capability, with the options that ``launch`` has; needs no GPU.

        Args:
            capability: such as (9, 0).
            arguments: of the same types as in a launch.
        """
        dispatcher, devices = _part("dispatcher"), _part("cudadrv.devices")
        device = SimpleNamespace(compute_capability=capability)
        types = tuple(self._dispatcher.typeof_pyval(argument) for argument in arguments)
        with (
            _exact(),
            _instead(dispatcher, "get_current_device", lambda: device),
            _instead(devices, "get_context", lambda *_: SimpleNamespace(device=device)),
        ):
            return Compiled(dispatcher._Kernel(self.function, types, **self._dispatcher.targetoptions))

    def resources(self) -> dict[str, int]:
        """What a thread of the kernel uses, known after a launch: registers, and bytes of its own memory."""
        compiled = self._dispatcher
        figures = {"registers": compiled.get_regs_per_thread(), "local bytes": compiled.get_local_mem_per_thread()}
        return {what: int(next(iter(by_types.values()))) for what, by_types in figures.items()}


class Compiled:
    """A kernel compiled for one kind of GPU; no GPU is needed to look at it.

    Attributes:
        ptx: NVIDIA's virtual instructions, the input of its assembler.
    """

    def __init__(self, kernel: Any) -> None:
        self._library = kernel._codelibrary
        ((self._target, text),) = self._library._ptx_cache.items()
        self.ptx = "\n".join(text)

    @cached_property
    def sass(self) -> str:
        """The instructions that the GPU runs, as ``launch`` loads them. Needs nvdisasm."""
        instructions: str = _part("codegen").disassemble_cubin(self._library.get_cubin(cc=self._target))
        return instructions


def problem() -> str | None:
    """Why kernels cannot run on a GPU here; None if they can."""
    if find_spec("numba_cuda") is None:
        return "numba-cuda is not installed: pip install 'poet-open-ended[cuda]'"
    if IS_SIMULATED:
        return None
    if not _part("cudadrv.nvvm").is_available():
        return "numba-cuda finds no NVVM library: pip install 'poet-open-ended[cuda]'"
    if not module().is_available():
        reason = _reason()
        return f"no NVIDIA GPU with a working driver was found{f' ({reason})' if reason else ''}"
    driver, runtime = _part("cudadrv.driver").driver.get_version(), _part("cudadrv.runtime").runtime.get_version()
    if driver[0] < runtime[0]:
        return (
            f"its driver is for CUDA {driver[0]}, but the compiler that is installed makes code for CUDA {runtime[0]}"
        )
    return None


def versions() -> dict[str, str]:
    """Versions of numba, numba-cuda and numpy, which decide whether kernels compile; empty for one not installed."""
    found = {}
    for package in ("numba", "numba-cuda", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def to_device(tables: Tables) -> Tables:
    """A NamedTuple of arrays, copied to the GPU's memory; a copy here in the simulator."""
    if IS_SIMULATED:
        copies: Tables = type(tables)(*(np.array(array) for array in tables))
        return copies
    on_device: Tables = type(tables)(*(module().to_device(array) for array in tables))
    return on_device


def device_array(shape: int | tuple[int, ...], dtype: type, value: int | None = None) -> Any:
    """An array in the GPU's memory, filled with one value or not at all; in the simulator, one here full of poison."""
    if IS_SIMULATED:
        return np.full(shape, _POISON if value is None else value, dtype)
    if value is None:
        return module().device_array(shape, dtype)
    return module().to_device(np.full(shape, value, dtype))


def to_host(array: Any) -> NDArray[Any]:
    """An array copied from the GPU's memory, after everything launched before has finished."""
    copied: NDArray[Any] = array if IS_SIMULATED else array.copy_to_host()
    return copied


def free_bytes(scratch_bytes: int = 0) -> int:
    """Free bytes of the GPU's memory, without what its threads need for themselves; unlimited in the simulator.

    Args:
        scratch_bytes: of each thread, for a policy.
    """
    if IS_SIMULATED:
        return 2**34
    context, device = module().current_context(), module().get_current_device()
    context.memory_manager.deallocations.clear()  # numba-cuda frees memory late
    # A first launch reserves the memory of all threads that could run at once.
    num_threads = device.MAX_THREADS_PER_MULTIPROCESSOR * device.MULTIPROCESSOR_COUNT
    return max(0, int(context.get_memory_info().free) - (_MOST_LOCAL_BYTES + scratch_bytes) * int(num_threads))


def num_multiprocessors() -> int:
    """How many multiprocessors the GPU has."""
    return 1 if IS_SIMULATED else int(module().get_current_device().MULTIPROCESSOR_COUNT)


def clock_hz() -> float:
    """The highest clock rate of the GPU's multiprocessors, cycles per second."""
    return 1e3 * float(module().get_current_device().CLOCK_RATE)


def capability() -> tuple[int, int]:
    """The GPU's compute capability, such as (9, 0)."""
    major, minor = module().get_current_device().compute_capability[:2]
    return int(major), int(minor)


def name() -> str:
    """The GPU's name."""
    if IS_SIMULATED:
        return "numba-cuda's simulator"
    found = module().get_current_device().name
    return found.decode() if isinstance(found, bytes) else str(found)


@contextmanager
def errors_explained() -> Iterator[None]:
    """A block that turns a GPU's lack of memory into an ``InputError``.

    numba-cuda allocates arrays itself; a launch, which reserves the threads' own memory, goes through cuda.core.
    """
    if IS_SIMULATED:
        yield
        return
    core_error = import_module("cuda.core._utils.cuda_utils").CUDAError
    try:
        yield
    except (_part("cudadrv.driver").CudaAPIError, core_error) as error:
        if "OUT_OF_MEMORY" not in str(error).upper():
            raise
        raise InputError("the GPU ran out of memory: end other programs on it, or use the engine 'simd'") from error


@cache
def module() -> Any:
    """``numba.cuda``.

    Raises:
        ImportError: numba-cuda is not installed.
    """
    import_module("numba_cuda")
    config = _part("core.config")
    config.CACHE_DIR = CACHE_DIR  # numba-cuda has a setting of its own
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a few walkers on a GPU are not a mistake
    return import_module("numba.cuda")


def _part(name: str) -> Any:
    """A module of numba-cuda's, which has no types."""
    return import_module(f"numba.cuda.{name}")


def _reason() -> str:
    return str(_part("cudadrv.driver").driver.initialization_error or "").strip().rstrip(".").replace("\n", " ")


@contextmanager
def _exact() -> Iterator[None]:
    """A block in which numba-cuda compiles as described above."""
    if IS_SIMULATED:
        yield
        return
    nvvm, dispatcher, arrays = _part("cudadrv.nvvm"), _part("dispatcher").CUDADispatcher, _part("np.arrayobj")
    values = _part("cgutils")
    compile_ir, resolve, allocate = nvvm.compile_ir, dispatcher.get_call_template, values.alloca_once

    def compile_without_contraction(code: Any, **options: Any) -> bytes:
        compiled: bytes = compile_ir(code, **{**options, "fma": 0})
        return compiled

    def resolve_without_literals(self: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return resolve(self, *types_without_literals(arguments, keywords))

    def allocate_without_zeros(builder: Any, kind: Any, *arguments: Any, **options: Any) -> Any:
        if options.get("name") != "_cudapy_lmem":
            return allocate(builder, kind, *arguments, **options)
        with builder.goto_entry_block():
            return builder.alloca(kind, name=options["name"])

    with (
        _instead(values, "alloca_once", allocate_without_zeros),
        _instead(nvvm, "compile_ir", compile_without_contraction),
        _instead(arrays, "fix_integer_index", indices_as_they_are(arrays)),
        _instead(dispatcher, "get_call_template", resolve_without_literals),
    ):
        yield


@contextmanager
def _noted(prepared: list[Callable[[], None]]) -> Iterator[None]:
    """A block after which ``prepared`` holds what numba-cuda launched in it, if this numba-cuda allows that.

    No thread may launch anything else in the meantime.
    """
    launch = None if IS_SIMULATED else getattr(_part("dispatcher"), "launch", None)
    if launch is None:
        yield
        return

    def launch_and_note(*passed: Any) -> None:
        launch(*passed)
        prepared.append(partial(launch, *passed))

    with _instead(_part("dispatcher"), "launch", launch_and_note):
        yield


@contextmanager
def _instead(owner: Any, attribute: str, value: Any) -> Iterator[None]:
    before = getattr(owner, attribute)
    setattr(owner, attribute, value)
    try:
        yield
    finally:
        setattr(owner, attribute, before)
