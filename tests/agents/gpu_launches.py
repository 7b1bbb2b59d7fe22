"""The kernels of the engine ``cuda``, their launch arguments, and their instructions."""

from __future__ import annotations

import re
from bisect import bisect
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from agents.policies.base import AbstractPolicy
from agents.rollouts.named import named_episodes
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from environments.cuda import Compiled, GpuKernel
from tests.agents import crowd
from tests.ptx.gpu import ptx_on_cpu

#: Instructions between a fused one of a division or root and the estimate that it refines, or its check.
_NEAR = 32


@cache
def launches(policy: AbstractPolicy = crowd.POLICY) -> dict[str, tuple[GpuKernel, tuple[Any, ...]]]:
    """Each kernel, with arguments of the types that it is launched with for a policy."""
    # Imported here: they need numba-cuda.
    from agents.rollouts import cuda as engine
    from agents.rollouts.launches import kernels

    launched = dict[str, tuple[GpuKernel, tuple[Any, ...]]]()

    def note(kernel: GpuKernel, _: int, *arguments: Any, **__: int) -> None:
        launched[kernel.function.__name__] = kernel, arguments
        if len(launched) == len(kernels(policy.kernels, policy.scratch_shape)):
            raise _AllSeenError

    index = np.zeros(1, np.int64)
    block = Block(Thetas(np.zeros((1, policy.num_parameters), np.float32)), index, crowd.terrains()[:1], index)
    episodes = named_episodes(EvaluationRequest((block,), policy), index)
    with ptx_on_cpu(note), suppress(_AllSeenError):
        engine.run_on_gpu(policy, episodes, crowd.terrains()[:1], crowd.MAX_STEPS)
    return launched


class _AllSeenError(Exception):
    """Every kernel was launched."""


@cache
def compiled(name: str, capability: tuple[int, int], policy: AbstractPolicy = crowd.POLICY) -> Compiled:
    """A kernel for GPUs of a compute capability, with the options that it is launched with."""
    kernel, arguments = launches(policy)[name]
    return kernel.compile_for(capability, *arguments)


def fused(sass: str) -> tuple[int, list[str]]:
    """How many instructions multiply and add at once, and those of them that belong to no division or root.

    These begin with an estimate (MUFU) and refine it by fused operations, or check their operands (FCHK); slow cases
    are in routines of the assembler's own.
    """
    routine, instructions = "", list[tuple[str, str]]()
    for line in sass.splitlines():
        if label := re.match(r"\s*\.text\.(\S+):", line):
            routine = label[1]
        if found := re.match(r"\s*/\*[0-9a-f]+\*/\s+(.*?);", line):
            instructions.append((routine, found[1]))
    marks = [i for i, (_, text) in enumerate(instructions) if re.search(r"\b(MUFU|FCHK)\b", text)]
    places = [i for i, (_, text) in enumerate(instructions) if re.search(r"\b(FFMA|DFMA)\b", text)]
    stray = []
    for i in places:
        after = bisect(marks, i)
        distance = min((abs(mark - i) for mark in marks[max(0, after - 1) : after + 1]), default=_NEAR + 1)
        if distance > _NEAR and not instructions[i][0].startswith("__cuda_sm"):
            stray.append(instructions[i][1])
    return len(places), stray
