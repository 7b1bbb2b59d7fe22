"""What the threads of a GPU do, done here by one thread of the CPU, walker after walker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.result import RolloutResult
from agents.rollouts.thread import FREE, Episodes, Memory, Walkers, assign, make_theta, run_round
from environments.compiled import kernel
from environments.physics.constants import TOUCHING_CAPACITY
from environments.physics.course import Course
from environments.physics.layout import WORLD_SIZE
from environments.physics.lidar import RAYS_SIZE
from environments.physics.solver_layout import SOLVER_SIZE
from environments.streams import WORDS_PER_BLOCK
from environments.walker.judge import NUM_READINGS
from environments.walker.spec import NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE


def run(episodes: Episodes, course: Course, max_steps: int, num_walkers: int, steps_a_round: int) -> RolloutResult:
    """Run episodes in rounds, in memory that is poisoned; their results are written to ``episodes`` and returned."""
    num_parameters, widest = episodes.centre.shape[1], int(episodes.layer_sizes.max())
    walkers = Walkers(
        state=_poison(WORLD_SIZE * num_walkers),
        theta=_poison(num_parameters, num_walkers),
        observations=_poison(OBSERVATION_SIZE, num_walkers),
        shaping=np.full(num_walkers, np.nan),
        totals=np.full(num_walkers, np.nan),
        num_steps=np.full(num_walkers, 10**9),
        episode=np.full(num_walkers, FREE),
        is_new=np.zeros(num_walkers, np.int64),
    )
    memory = Memory(
        m=_poison(SOLVER_SIZE),
        slots=_poison(SOLVER_SIZE),
        num_slots=np.full(NUM_BODIES, 10**9),
        members=np.full(TOUCHING_CAPACITY, 10**9),
        readings=_poison(NUM_READINGS),
        rays=_poison(RAYS_SIZE),
        observation=_poison(OBSERVATION_SIZE),
        actions=_poison(1, NUM_JOINTS),
        hidden=_poison(2, widest),
    )
    _run(walkers, episodes, course, max_steps, steps_a_round, memory)
    return RolloutResult(episodes.returns, episodes.lengths, episodes.outcomes)


def thetas(episodes: Episodes) -> NDArray[np.float32]:
    """(B, P) float32, made as a GPU makes them."""
    num, num_parameters = episodes.sample.size, episodes.centre.shape[1]
    nothing = np.zeros(0, np.float32), np.zeros(0)
    walkers = Walkers(
        state=nothing[0],
        theta=_poison(num_parameters, num),
        observations=_poison(0, 0),
        shaping=nothing[1],
        totals=nothing[1],
        num_steps=np.zeros(0, np.int64),
        episode=np.arange(num),
        is_new=np.ones(num, np.int64),
    )
    _make_all(walkers, episodes)
    return np.ascontiguousarray(walkers.theta.T)


def _poison(*shape: int) -> NDArray[np.float32]:
    return np.full(shape, np.nan, np.float32)


@kernel
def _run(walkers, episodes, course, max_steps, steps_a_round, memory):  # type: ignore[no-untyped-def]
    place, num_taken = 0, 1
    while num_taken > 0:
        for walker in range(walkers.episode.size):
            if walkers.episode[walker] == FREE:
                assign(walker, walkers, episodes, place)
                place += 1
        _make_all(walkers, episodes)
        num_taken = 0
        for walker in range(walkers.episode.size):
            num_taken += run_round(walker, walkers, episodes, course, max_steps, steps_a_round, memory)


@kernel
def _make_all(walkers, episodes):  # type: ignore[no-untyped-def]
    num_blocks = (episodes.centre.shape[1] + WORDS_PER_BLOCK - 1) // WORDS_PER_BLOCK
    for walker in range(walkers.episode.size):
        if walkers.is_new[walker]:
            for block in range(num_blocks):
                make_theta(walker, block, walkers, episodes)
