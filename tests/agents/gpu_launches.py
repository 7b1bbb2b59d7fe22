"""The kernels of the engine ``cuda`` with what they are launched with, and what stands in their instructions."""

from __future__ import annotations

import re
from bisect import bisect
from typing import Any

import numpy as np

from agents.evaluation.named import named_episodes
from agents.evaluation.request import Block, EvaluationRequest, Thetas
from agents.policy import MLPPolicy
from environments.cuda import GpuKernel
from environments.physics.course import Course
from tests.agents import crowd

#: Instructions between a fused one of a division or root and the estimate that it refines, or its check.
_NEAR = 32


def launches() -> dict[str, tuple[GpuKernel, tuple[Any, ...]]]:
    """Each kernel, with arguments of the types that it is launched with."""
    # Imported here: they need numba-cuda.
    from agents.rollouts import cuda as engine
    from agents.rollouts.thread import Walkers

    policy, index = MLPPolicy(), np.zeros(1, np.int64)
    block = Block(Thetas(np.zeros((1, policy.num_parameters), np.float32)), index, crowd.terrains()[:1], index)
    episodes = named_episodes(EvaluationRequest((block,), policy), index)
    numbers = (np.zeros(1, np.float32), np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))
    walkers = Walkers(*numbers, np.zeros(1), np.zeros(1), index, index, index)
    counts, course = engine.Counts(index, np.zeros(2, np.int64)), Course.of(crowd.terrains()[:1])
    take_episodes, make_thetas, walk = engine.kernels(max(policy.layer_sizes))
    return {
        "take_episodes": (take_episodes, (1, walkers, episodes, counts)),
        "make_thetas": (make_thetas, (1, walkers, episodes)),
        "walk": (walk, (1, walkers, episodes, course, 2000, engine.STEPS_A_ROUND, counts)),
    }


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
