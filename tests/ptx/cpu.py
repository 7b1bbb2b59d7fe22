"""Kernels of the GPU, run on the CPU from the PTX that the GPU would be given."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from tests.ptx.translate import Program, translate


class PtxKernel:
    """A kernel's PTX as a function of the CPU.

    Args:
        ptx: a module with one kernel.
        traced: whether ``launch`` notes which basic blocks a thread runs.
    """

    def __init__(self, ptx: str, traced: bool = False) -> None:
        self.program: Program = translate(ptx, traced)
        self._engine = _engine(self.program.ir)
        address = self._engine.get_function_address("thread")
        self._thread = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int32] * 4)(address)

    def launch(self, num_threads: int, *arguments: Any, block_size: int = 128) -> None:
        """Run at least ``num_threads`` threads, in whole blocks, one thread after the other."""
        for run in self.threads(num_threads, arguments, block_size):
            run()

    def threads(self, num_threads: int, arguments: tuple[Any, ...], block_size: int) -> Iterator[Callable[[], None]]:
        """What runs each thread, block after block."""
        parameters = np.array(_flat(arguments), np.int64)
        if parameters.size != self.program.num_parameters:
            raise ValueError(f"{parameters.size} parameters for a kernel of {self.program.num_parameters}")
        num_blocks = -(-num_threads // block_size)
        for block in range(num_blocks):
            for thread in range(block_size):
                yield partial(self._run, parameters, thread, block_size, block, num_blocks)

    def _run(self, parameters: NDArray[np.int64], *place: int) -> None:
        self._thread(parameters.ctypes.data, *place)

    @cached_property
    def _trace_places(self) -> tuple[Any, Any]:
        pointer = ctypes.c_void_p.from_address(self._engine.get_global_value_address("trace"))
        size = ctypes.c_int64.from_address(self._engine.get_global_value_address("trace_size"))
        return pointer, size

    def trace_into(self, trace: NDArray[np.int32]) -> None:
        """Let the next threads write their blocks' numbers to an array, which must be large enough."""
        pointer, size = self._trace_places
        pointer.value, size.value = trace.ctypes.data, 0

    def trace_size(self) -> int:
        """How many block numbers were written."""
        return int(self._trace_places[1].value)


def _flat(arguments: Any) -> list[int]:
    """Arguments as numba-cuda passes them: of an array an owner, a parent, sizes, the address, shape and strides."""
    flat: list[int] = []
    for argument in arguments:
        if isinstance(argument, tuple):
            flat += _flat(argument)
        elif isinstance(argument, np.ndarray):
            flat += [0, 0, argument.size, argument.itemsize, argument.ctypes.data, *argument.shape, *argument.strides]
        else:
            flat.append(int(argument))
    return flat


def _engine(ir: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        opt=1, cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), jit=True
    )
    module = llvm.parse_assembly(ir)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    llvm.create_pass_builder(machine, options).getModulePassManager().run(
        module, llvm.create_pass_builder(machine, options)
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
