"""The work of GPU threads, done by one CPU thread, part after part and walker after walker."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts.result import RolloutResult
from agents.rollouts.thread import (
    FREE,
    GROUP,
    ISLAND_SIZE,
    Episodes,
    Walkers,
    act,
    act_of,
    assign,
    find_island,
    grouped_size,
    judge,
    look,
    make_theta,
    meet,
    solve,
    solve_found,
    solve_late,
)
from environments.biped import NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import kernel, kernel_template
from environments.physics.constants import TOUCHING_CAPACITY
from environments.physics.course import Course
from environments.physics.layout import WORLD_SIZE
from environments.physics.lidar import RAYS_SIZE
from environments.physics.solver_layout import SOLVER_SIZE
from environments.physics.thread_step import NUM_BINS
from environments.streams import WORDS_PER_BLOCK
from environments.walker.judge import NUM_READINGS


class Memory(NamedTuple):
    """The scratch memory of a thread; see the parts of a step."""

    m: NDArray[np.float32]
    slots: NDArray[np.float32]
    num_slots: NDArray[np.int64]
    members: NDArray[np.int64]
    readings: NDArray[np.float32]
    rays: NDArray[np.float32]
    observation: NDArray[np.float32]
    actions: NDArray[np.float32]
    scratch: NDArray[np.float32]


def run(
    policy: AbstractPolicy, episodes: Episodes, course: Course, max_steps: int, num_walkers: int, steps_a_round: int
) -> RolloutResult:
    """Run episodes in rounds, in memory that is poisoned; their results are written to ``episodes`` and returned."""
    walkers = poisoned_walkers(num_walkers, episodes.centre.shape[1], policy.state_size)
    memory = Memory(
        m=_poison(SOLVER_SIZE),
        slots=_poison(SOLVER_SIZE),
        num_slots=np.full(NUM_BODIES, 10**9),
        members=np.full(TOUCHING_CAPACITY, 10**9),
        readings=_poison(NUM_READINGS),
        rays=_poison(RAYS_SIZE),
        observation=_poison(OBSERVATION_SIZE),
        actions=_poison(1, NUM_JOINTS),
        scratch=_poison(*policy.scratch_shape),
    )
    step = _step.calling(act=act_of(policy.kernels))
    _run.calling(_step=step)(walkers, episodes, course, max_steps, steps_a_round, memory)
    return RolloutResult(episodes.returns, episodes.lengths, episodes.outcomes)


def poisoned_walkers(num: int, num_parameters: int, state_size: int = 0) -> Walkers:
    """Walkers that are all free, as on a GPU, with NaN wherever nothing was written."""
    return Walkers(
        state=_poison(grouped_size(WORLD_SIZE, num)),
        theta=_poison(grouped_size(num_parameters, num)),
        observations=_poison(grouped_size(OBSERVATION_SIZE, num)),
        actions=_poison(grouped_size(NUM_JOINTS, num)),
        policy_state=_poison(grouped_size(1, num) // GROUP, state_size * GROUP),
        shaping=np.full(num, np.nan),
        totals=np.full(num, np.nan),
        num_steps=np.full(num, 10**9),
        episode=np.full(num, FREE),
        is_new=np.zeros(num, np.int64),
        moves=np.full(num, 10**9),
        islands=np.full(grouped_size(ISLAND_SIZE, num), 10**9),
        alphas=_poison(num),
    )


def thetas(episodes: Episodes) -> NDArray[np.float32]:
    """(B, P) float32, made as a GPU makes them."""
    num, num_parameters = episodes.sample.size, episodes.centre.shape[1]
    walkers = poisoned_walkers(num, num_parameters)
    walkers.episode[:], walkers.is_new[:] = np.arange(num), 1
    _make_all(walkers, episodes)
    grouped = walkers.theta.reshape(-1, num_parameters, GROUP)
    return np.ascontiguousarray(grouped.transpose(0, 2, 1).reshape(-1, num_parameters)[:num])


def _poison(*shape: int) -> NDArray[np.float32]:
    return np.full(shape, np.nan, np.float32)


@kernel_template
def _run(walkers, episodes, course, max_steps, steps_a_round, memory):  # type: ignore[no-untyped-def]
    place, goes_on = 0, True
    while goes_on:
        for walker in range(walkers.episode.size):
            if walkers.episode[walker] == FREE:
                assign(walker, walkers, episodes, place)
                place += 1
        _make_all(walkers, episodes)
        goes_on = False
        for walker in range(walkers.episode.size):
            goes_on |= walkers.episode[walker] != FREE
        for _ in range(steps_a_round):
            _step(walkers, episodes, course, max_steps, memory)


@kernel_template
def _step(walkers, episodes, course, max_steps, memory):  # type: ignore[no-untyped-def]
    m, slots, num_slots, members = memory.m, memory.slots, memory.num_slots, memory.members
    for walker in range(walkers.episode.size):
        if walkers.episode[walker] == FREE:
            continue
        _poison_again(memory)
        act(walker, walkers, episodes, course, memory.observation, memory.actions, memory.scratch)
        if not 0 <= meet(walker, walkers, episodes, course) < NUM_BINS:
            raise AssertionError
        _poison_again(memory)
        if not solve(walker, walkers, m, slots, num_slots):
            _poison_again(memory)
            solve_late(walker, walkers, m, slots, num_slots)
        if look(walker, walkers, episodes, course):
            _poison_again(memory)
            while find_island(walker, walkers, episodes, course, members):
                _poison_again(memory)
                solve_found(walker, walkers, episodes, course, slots, members)
        _poison_again(memory)
        judge(
            walker, walkers, episodes, course, max_steps,
            memory.actions[0], memory.readings, memory.rays, memory.observation,
        )  # fmt: skip


@kernel
def _poison_again(memory):  # type: ignore[no-untyped-def]
    """A thread's memory holds whatever another one left there."""
    memory.m[:] = memory.slots[:] = memory.readings[:] = memory.rays[:] = np.nan
    memory.observation[:] = memory.actions[:] = memory.scratch[:] = np.nan
    memory.num_slots[:] = memory.members[:] = 10**9


@kernel
def _make_all(walkers, episodes):  # type: ignore[no-untyped-def]
    num_blocks = (episodes.centre.shape[1] + WORDS_PER_BLOCK - 1) // WORDS_PER_BLOCK
    for walker in range(walkers.episode.size):
        if walkers.is_new[walker]:
            for block in range(num_blocks):
                make_theta(walker, block, walkers, episodes)
