"""The kernels of the engine ``cuda``, and in which order they are launched: a thread for each part of a walker's step.

What a thread does is in ``thread.py``; here is who does it. Walkers with alike work are brought together in warps,
since a warp does what any of its threads has to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import float32, int64
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.policies.kernels import PolicyKernels
from agents.rollouts.thread import (
    FREE,
    Episodes,
    Walkers,
    act,
    act_of,
    assign,
    find_island,
    judge,
    look,
    make_theta,
    meet,
    solve,
    solve_found,
    solve_late,
)
from environments import cuda
from environments.biped import NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import calling, is_ours
from environments.physics.constants import TOUCHING_CAPACITY
from environments.physics.course import Course
from environments.physics.lidar import RAYS_SIZE
from environments.physics.solver_layout import SOLVER_SIZE
from environments.physics.thread_step import NUM_BINS
from environments.streams import WORDS_PER_BLOCK
from environments.walker.judge import NUM_READINGS

# What kernels call: thread numbers, memory, atomic counters.
gpu = cuda.module()


class Lists(NamedTuple):
    """Which of N walkers do what in a step, side by side; within a list, in no order that matters.

    Attributes:
        bins, places: (N,) int64, of each walker, the ``bin_of`` it, and how many came into that before it.
        order: (N,) int64, walkers bin after bin; then FREE.
        late: (N,) int64, for ``solve_late``.
        striking: (NUM_STRIKES + 1, N) int64, that may meet something, once, twice and so on.
        num: (NUM_COUNTS,) int64, walkers in ``late`` at LATE, in the rows of ``striking`` from STRIKING on, in each bin
            from BINS on, in each SPAN bins from SPANS on.
    """

    bins: NDArray[np.int64]
    places: NDArray[np.int64]
    order: NDArray[np.int64]
    late: NDArray[np.int64]
    striking: NDArray[np.int64]
    num: NDArray[np.int64]


#: Impacts of a step that walkers handle side by side, each in a launch; whoever has more goes on alone. A second such
#: launch would spare a warp 2 % of its instructions (``tests.benchmarks.warps``).
NUM_STRIKES = 1
LATE, STRIKING = 0, 1
BINS = STRIKING + NUM_STRIKES + 1
SPAN = 32
SPANS = BINS + NUM_BINS
NUM_COUNTS = SPANS + NUM_BINS // SPAN


class Counts(NamedTuple):
    """What threads count together.

    Attributes:
        given: (1,) int64, episodes that walkers were given, or asked for.
        done: (2,) int64, episodes that are over, and their steps.
    """

    given: NDArray[np.int64]
    done: NDArray[np.int64]


def launches(
    policy: AbstractPolicy, num: int, walkers: Walkers, episodes: Episodes, course: Course, lists: Lists,
    counts: Counts, max_steps: int, block_size: int,
) -> tuple[list[Callable[[], None]], list[Callable[[], None]]]:  # fmt: skip
    """What is launched when a round begins, and in each of its steps, in order."""
    named = kernels(policy.kernels, policy.scratch_shape)
    ground = (walkers, episodes, course)

    def bound(name: str, *arguments: Any, threads: int = num, size: int = block_size) -> Callable[[], None]:
        return named[name].bind(threads, num, *arguments, block_size=size)

    begin = [
        bound("take_episodes", walkers, episodes, counts),
        bound("make_thetas", walkers, episodes, threads=num * cuda.BLOCK_SIZE, size=cuda.BLOCK_SIZE),
    ]
    step = [
        bound("act_all", *ground, lists),
        bound("meet_all", *ground, lists),
        bound("order_all", walkers, lists),
        bound("solve_all", walkers, lists),
        bound("solve_all_late", walkers, lists),
        bound("look_all", *ground, lists),
    ]
    for k in range(NUM_STRIKES):
        step += [bound("find_islands", *ground, lists, k), bound("solve_islands", *ground, lists, k + 1)]
    step += [bound("strike_on", *ground, lists), bound("judge_all", *ground, max_steps, counts)]
    return begin, step


@cache
def kernels(of_policy: PolicyKernels, scratch_shape: tuple[int, int]) -> dict[str, cuda.GpuKernel]:
    """What is launched, by name: a thread for each walker, but a block for each in ``make_thetas``.

    Args:
        of_policy, scratch_shape: the policy's.
    """
    act_all = calling(_of_policy(*scratch_shape), {"act": act_of(of_policy)})
    return {**_kernels(), act_all.__name__: cuda.GpuKernel(act_all, is_kept=all(map(is_ours, of_policy)))}


@cache
def _kernels() -> dict[str, cuda.GpuKernel]:
    """Those that know no policy."""
    functions = (*_of_episodes(), *_of_motion(), *_of_impacts())
    return {function.__name__: cuda.GpuKernel(function) for function in functions}


def _of_episodes() -> tuple[Callable[..., None], ...]:
    """Kernels that begin episodes, and end them."""

    def take_episodes(num, walkers, episodes, counts):  # type: ignore[no-untyped-def]
        walker = gpu.grid(1)
        if walker < num and walkers.episode[walker] == FREE:
            assign(walker, walkers, episodes, gpu.atomic.add(counts.given, 0, 1))

    def make_thetas(num, walkers, episodes):  # type: ignore[no-untyped-def]
        walker = gpu.blockIdx.x
        if walker < num and walkers.is_new[walker]:
            num_blocks = (episodes.centre.shape[1] + WORDS_PER_BLOCK - 1) // WORDS_PER_BLOCK
            for block in range(gpu.threadIdx.x, num_blocks, gpu.blockDim.x):
                make_theta(walker, block, walkers, episodes)

    def judge_all(num, walkers, episodes, course, max_steps, counts):  # type: ignore[no-untyped-def]
        walker = gpu.grid(1)
        action = gpu.local.array(NUM_JOINTS, float32)
        readings = gpu.local.array(NUM_READINGS, float32)
        rays = gpu.local.array(RAYS_SIZE, float32)
        observation = gpu.local.array(OBSERVATION_SIZE, float32)
        if walker < num and walkers.episode[walker] != FREE:
            length = judge(walker, walkers, episodes, course, max_steps, action, readings, rays, observation)
            if length >= 0:
                gpu.atomic.add(counts.done, 0, 1)
                gpu.atomic.add(counts.done, 1, length)

    return take_episodes, make_thetas, judge_all


def _of_policy(num_rows: int, num_columns: int) -> Callable[..., None]:
    """The kernel that begins a step, once ``act`` is that of a policy which needs so much scratch."""

    def act_all(num, walkers, episodes, course, lists):  # type: ignore[no-untyped-def]
        walker = gpu.grid(1)
        observation = gpu.local.array(OBSERVATION_SIZE, float32)
        actions = gpu.local.array((1, NUM_JOINTS), float32)
        scratch = gpu.local.array((num_rows, num_columns), float32)
        for i in range(walker, NUM_COUNTS, gpu.gridsize(1)):
            lists.num[i] = 0
        if walker < num:
            lists.order[walker] = FREE
            if walkers.episode[walker] != FREE:
                act(walker, walkers, episodes, course, observation, actions, scratch)

    return act_all


def _of_motion() -> tuple[Callable[..., None], ...]:
    """Kernels that let walkers move."""

    def meet_all(num, walkers, episodes, course, lists):  # type: ignore[no-untyped-def]
        walker = gpu.grid(1)
        if walker < num and walkers.episode[walker] != FREE:
            chosen = meet(walker, walkers, episodes, course)
            lists.bins[walker] = chosen
            lists.places[walker] = gpu.atomic.add(lists.num, BINS + chosen, 1)
            gpu.atomic.add(lists.num, SPANS + chosen // SPAN, 1)

    def order_all(num, walkers, lists):  # type: ignore[no-untyped-def]
        walker = gpu.grid(1)
        if walker < num and walkers.episode[walker] != FREE:
            chosen, place = lists.bins[walker], lists.places[walker]
            for span in range(chosen // SPAN):
                place += lists.num[SPANS + span]
            for before in range(chosen // SPAN * SPAN, chosen):
                place += lists.num[BINS + before]
            lists.order[place] = walker

    def solve_all(num, walkers, lists):  # type: ignore[no-untyped-def]
        place = gpu.grid(1)
        m = gpu.local.array(SOLVER_SIZE, float32)
        slots = gpu.local.array(SOLVER_SIZE, float32)
        num_slots = gpu.local.array(NUM_BODIES, int64)
        if place < num and lists.order[place] != FREE:
            walker = lists.order[place]
            if not solve(walker, walkers, m, slots, num_slots):
                lists.late[gpu.atomic.add(lists.num, LATE, 1)] = walker

    def solve_all_late(num, walkers, lists):  # type: ignore[no-untyped-def]
        place = gpu.grid(1)
        m = gpu.local.array(SOLVER_SIZE, float32)
        slots = gpu.local.array(SOLVER_SIZE, float32)
        num_slots = gpu.local.array(NUM_BODIES, int64)
        if place < lists.num[LATE]:
            solve_late(lists.late[place], walkers, m, slots, num_slots)

    return meet_all, order_all, solve_all, solve_all_late


def _of_impacts() -> tuple[Callable[..., None], ...]:
    """Kernels that look for impacts in a step and handle them."""

    def look_all(num, walkers, episodes, course, lists):  # type: ignore[no-untyped-def]
        walker = gpu.grid(1)
        if walker < num and walkers.episode[walker] != FREE and look(walker, walkers, episodes, course):
            lists.striking[0, gpu.atomic.add(lists.num, STRIKING, 1)] = walker

    def find_islands(num, walkers, episodes, course, lists, k):  # type: ignore[no-untyped-def]
        place = gpu.grid(1)
        members = gpu.local.array(TOUCHING_CAPACITY, int64)
        if place < lists.num[STRIKING + k]:
            walker = lists.striking[k, place]
            if find_island(walker, walkers, episodes, course, members):
                lists.striking[k + 1, gpu.atomic.add(lists.num, STRIKING + k + 1, 1)] = walker

    def solve_islands(num, walkers, episodes, course, lists, k):  # type: ignore[no-untyped-def]
        place = gpu.grid(1)
        slots = gpu.local.array(SOLVER_SIZE, float32)
        members = gpu.local.array(TOUCHING_CAPACITY, int64)
        if place < lists.num[STRIKING + k]:
            solve_found(lists.striking[k, place], walkers, episodes, course, slots, members)

    def strike_on(num, walkers, episodes, course, lists):  # type: ignore[no-untyped-def]
        place = gpu.grid(1)
        slots = gpu.local.array(SOLVER_SIZE, float32)
        members = gpu.local.array(TOUCHING_CAPACITY, int64)
        if place < lists.num[STRIKING + NUM_STRIKES]:
            walker = lists.striking[NUM_STRIKES, place]
            goes_on = True
            while goes_on:
                goes_on = find_island(walker, walkers, episodes, course, members)
                if goes_on:
                    solve_found(walker, walkers, episodes, course, slots, members)

    return look_all, find_islands, solve_islands, strike_on
