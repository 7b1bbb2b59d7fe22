"""Episodes on an NVIDIA GPU: a thread for each walker, bit for bit what ``simd.py`` gives.

The host launches rounds of some steps. Before each, walkers whose episodes are over are given the next ones, and the
thetas of these are made on the GPU: what goes up is a sample's name, what comes back are returns, lengths and outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts.launches import NUM_COUNTS, NUM_STRIKES, Counts, Lists, launches
from agents.rollouts.result import RolloutResult, join
from agents.rollouts.thread import (
    FREE,
    GROUP,
    ISLAND_SIZE,
    Episodes,
    Walkers,
    grouped_size,
)
from environments import cuda
from environments.arithmetic import exact
from environments.biped import NUM_JOINTS, OBSERVATION_SIZE
from environments.errors import InputError
from environments.physics.course import Course
from environments.physics.layout import WORLD_SIZE
from environments.terrain.terrain import Terrain, check_terrain_index

#: Steps of a round: a walker that falls early waits for its end, and the host for the GPU.
STEPS_A_ROUND = 16
#: Walkers for each multiprocessor: as many threads as its registers hold at once of the kernels that have few.
WALKERS_PER_MULTIPROCESSOR = 8 * cuda.BLOCK_SIZE
#: The part of the GPU's free memory that is taken, and the fewest walkers it must have room for.
_SHARE, FEWEST_WALKERS = 0.8, 32
#: Threads of a block where there are few walkers, so that no multiprocessor is without work.
SMALL_BLOCK = 32


@exact
def run_on_gpu(
    policy: AbstractPolicy,
    episodes: Episodes,
    terrains: Sequence[Terrain],
    max_steps: int,
    on_progress: Callable[[int, int], None] | None = None,
    num_walkers: int | None = None,
    block_size: int = cuda.BLOCK_SIZE,
) -> RolloutResult:
    """Run episodes whose thetas are named.

    Args:
        policy: of all episodes.
        episodes: in the host's memory; its results are not written.
        terrains, max_steps: see ``box2d.run_episodes``.
        on_progress: see ``AbstractEngine.run``.
        num_walkers: how many walk at once; None for as many as the GPU holds well. Changes no result.
        block_size: threads that walk in a block. Changes no result.

    Returns:
        One row for each episode; those that were given up are left to the caller, see ``finish_in_box2d``.

    Raises:
        InputError: the GPU has too little memory, or there is no such terrain.
    """
    num = episodes.sample.size
    if num == 0:
        return RolloutResult(episodes.returns, episodes.lengths, episodes.outcomes)
    check_terrain_index(episodes.terrain_index, len(terrains))
    course = Course.of(terrains)
    if num > 1 and _bytes(episodes, course) > _SHARE * (cuda.free_bytes() + _held.num_bytes) / 2:
        parts = episodes.part(0, num // 2), episodes.part(num // 2, num)
        first = run_on_gpu(policy, parts[0], terrains, max_steps, on_progress, num_walkers, block_size)

        def go_on(num_done: int, num_steps: int) -> None:
            if on_progress is not None:
                on_progress(first.returns.size + num_done, first.num_steps + num_steps)

        rest = run_on_gpu(policy, parts[1], terrains, max_steps, go_on, num_walkers, block_size)
        return join([first, rest])
    wanted = num_walkers or WALKERS_PER_MULTIPROCESSOR * cuda.num_multiprocessors()
    if num_walkers is None and min(num, wanted) < cuda.BLOCK_SIZE * cuda.num_multiprocessors():
        block_size = SMALL_BLOCK
    try:
        walkers = _held.of(wanted, policy, _bytes(episodes, course))
        result = _run(policy, episodes, course, walkers, max_steps, on_progress, block_size)
    except BaseException:
        _held.drop()  # some of them are in the middle of an episode
        raise
    return result


def _run(
    policy: AbstractPolicy,
    episodes: Episodes,
    course: Course,
    walkers: Walkers,
    max_steps: int,
    on_progress: Callable[[int, int], None] | None,
    block_size: int,
) -> RolloutResult:
    """Rounds, until all episodes are done."""
    num = episodes.sample.size
    num_walkers = min(num, walkers.episode.size)
    with cuda.errors_explained():
        on_gpu, course = cuda.to_device(episodes), cuda.to_device(course)
        shapes = (num_walkers,) * 4 + ((NUM_STRIKES + 1, num_walkers), NUM_COUNTS)
        lists = Lists(*(cuda.device_array(shape, np.int64) for shape in shapes))
        counts = cuda.to_device(Counts(np.zeros(1, np.int64), np.zeros(2, np.int64)))
        begin, step = launches(policy, num_walkers, walkers, on_gpu, course, lists, counts, max_steps, block_size)
        num_done, num_rounds = 0, 0
        while num_done < num:
            for launch in begin:
                launch()
            for _ in range(STEPS_A_ROUND):
                for launch in step:
                    launch()
            before, (num_done, num_steps) = num_done, cuda.to_host(counts.done).tolist()
            num_rounds = num_rounds + 1 if num_done == before else 0
            if num_rounds * STEPS_A_ROUND > max_steps + 1:
                raise RuntimeError(f"no episode ends on the GPU, but {num - num_done} are not done")
            if on_progress is not None:
                on_progress(num_done, num_steps)
        return RolloutResult(*(cuda.to_host(a) for a in (on_gpu.returns, on_gpu.lengths, on_gpu.outcomes)))


def _bytes(*tables: tuple[NDArray[Any], ...]) -> int:
    return sum(array.nbytes for table in tables for array in table)


class _Held:
    """The walkers of the latest call, all free again, which the next one takes over."""

    def __init__(self) -> None:
        self._walkers: Walkers | None = None
        self._asked: tuple[int, int, int] | None = None
        self.num_bytes = 0

    def of(self, wanted: int, policy: AbstractPolicy, num_bytes: int) -> Walkers:
        """As many walkers as are wanted, or as find room.

        Args:
            wanted: how many.
            policy: theirs.
            num_bytes: what else has to find room.

        Raises:
            InputError: there is no room for a few.
        """
        asked = (wanted, policy.num_parameters, policy.state_size)
        if self._walkers is None or self._asked != asked:
            self.drop()
            num_floats = WORLD_SIZE + policy.num_parameters + policy.state_size + OBSERVATION_SIZE + NUM_JOINTS
            num_integers = len(Walkers._fields) + ISLAND_SIZE + len(Lists._fields) + NUM_STRIKES
            a_walker = 4 * num_floats + 8 * num_integers
            room = int((_SHARE * cuda.free_bytes(4 * math.prod(policy.scratch_shape)) - num_bytes) // a_walker)
            num = min(wanted, room // GROUP * GROUP)
            if num < min(wanted, FEWEST_WALKERS):
                raise InputError(
                    f"the GPU has {cuda.free_bytes() / 2**20:,.0f} MiB free, but {FEWEST_WALKERS} walkers and their "
                    f"tables need {(num_bytes + FEWEST_WALKERS * a_walker) / _SHARE / 2**20:,.0f} MiB: end other "
                    "programs on it, or use the engine 'simd'"
                )
            self._walkers, self._asked, self.num_bytes = _walkers(num, policy), asked, num
            self.num_bytes *= a_walker
        return self._walkers

    def drop(self) -> None:
        """Give their memory back."""
        self._walkers, self._asked, self.num_bytes = None, None, 0


_held = _Held()


def _walkers(num: int, policy: AbstractPolicy) -> Walkers:
    """Walkers that are all free, as they are again when all episodes are done."""
    with cuda.errors_explained():
        return Walkers(
            state=cuda.device_array(grouped_size(WORLD_SIZE, num), np.float32),
            theta=cuda.device_array(grouped_size(policy.num_parameters, num), np.float32),
            observations=cuda.device_array(grouped_size(OBSERVATION_SIZE, num), np.float32),
            actions=cuda.device_array(grouped_size(NUM_JOINTS, num), np.float32),
            policy_state=cuda.device_array((-(-num // GROUP), policy.state_size * GROUP), np.float32),
            shaping=cuda.device_array(num, np.float64),
            totals=cuda.device_array(num, np.float64),
            num_steps=cuda.device_array(num, np.int64),
            episode=cuda.device_array(num, np.int64, FREE),
            is_new=cuda.device_array(num, np.int64, 0),
            moves=cuda.device_array(num, np.int64),
            islands=cuda.device_array(grouped_size(ISLAND_SIZE, num), np.int64),
            alphas=cuda.device_array(num, np.float32),
        )
