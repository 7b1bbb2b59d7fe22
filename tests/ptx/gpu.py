"""A GPU that is none: the engine ``cuda`` as it is, but its kernels' PTX is run by this CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agents.rollouts.chunks import grounds
from agents.rollouts.named import named_episodes
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments import cuda
from tests.ptx.cpu import PtxKernel

CAPABILITY = (9, 0)
_OF_MEMORY = ("to_device", "device_array", "to_host", "free_bytes", "num_multiprocessors")

#: What runs a launch: the kernel, at least so many threads, its arguments and threads of a block.
Launch = Callable[..., None]


@contextmanager
def ptx_on_cpu(launch: Launch | None = None) -> Iterator[None]:
    """A block in which ``run_on_gpu`` works without a GPU; memory is poisoned as in numba-cuda's simulator.

    Args:
        launch: called instead of ``GpuKernel.launch``; None for ``PtxKernel.launch``.
    """
    from agents.rollouts import cuda as engine

    with pytest.MonkeyPatch.context() as patched:
        for name in _OF_MEMORY:
            patched.setattr(cuda, name, _simulated(getattr(cuda, name)))
        patched.setattr(cuda.GpuKernel, "launch", launch or _launch)
        engine._held.drop()  # they may be a GPU's
        try:
            yield
        finally:
            engine._held.drop()  # a GPU could not use them


_programs = dict[cuda.GpuKernel, PtxKernel]()


def _launch(kernel: cuda.GpuKernel, num: int, *arguments: Any, block_size: int = cuda.BLOCK_SIZE) -> None:
    _program(kernel, arguments).launch(num, *arguments, block_size=block_size)


def _launch_backwards(kernel: cuda.GpuKernel, num: int, *arguments: Any, block_size: int = cuda.BLOCK_SIZE) -> None:
    for run in reversed(list(_program(kernel, arguments).threads(num, arguments, block_size))):
        run()


def _program(kernel: cuda.GpuKernel, arguments: tuple[Any, ...]) -> PtxKernel:
    if kernel not in _programs:
        _programs[kernel] = PtxKernel(kernel.compile_for(CAPABILITY, *arguments).ptx)
    return _programs[kernel]


def on_cpu(request: EvaluationRequest, num_walkers: int, backwards: bool = False) -> RolloutResult:
    """What the engine ``cuda`` makes of a request, so many walkers at a time; the last threads first if asked for."""
    from agents.rollouts.cuda import run_on_gpu

    terrains, index = grounds(request)
    with ptx_on_cpu(_launch_backwards if backwards else None):
        episodes = named_episodes(request, index)
        return run_on_gpu(request.policy, episodes, terrains, request.max_steps, None, num_walkers, 32)


def _simulated(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(cuda, "IS_SIMULATED", True)
            return function(*arguments)

    return called
