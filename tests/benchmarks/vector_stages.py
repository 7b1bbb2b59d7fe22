"""Where the time of a vector env goes: ``python -m tests.benchmarks.vector_stages [WORLDS]``, 16 if not given.

Microseconds of one thread that a world's step spends in each stage, and around the kernel: with random actions from a
reset on, as in ``poet bench --vector``. Shares are the processor's ticks, the time is its time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.physics.stages import IS_DETAILED, NAMES
from environments.walker.bipedal_walker_vector import make_bipedal_walkers
from environments.walker.simd import SimdWorlds
from experiments.throughput.others import random_actions
from experiments.throughput.vector import NUM_STEPS

_REPEATS = 9


def main() -> None:
    """Measure, and print a table."""
    num_worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    envs = make_bipedal_walkers(num_worlds, hardcore=True, max_episode_steps=2000, threads=1)
    worlds: Any = envs._worlds
    assert isinstance(worlds, SimdWorlds)
    spent, kernel_seconds = worlds._teams[0].scratch.spent, [0.0]
    spent[IS_DETAILED] = 1
    worlds._advance_team = _timed(worlds._advance_team, kernel_seconds)  # type: ignore[method-assign]
    actions = random_actions(NUM_STEPS, num_worlds)
    rows = []
    for _ in range(_REPEATS + 1):
        spent[: len(NAMES)], kernel_seconds[0] = 0, 0.0
        began = time.thread_time()
        envs.reset(seed=0)
        for row in actions:
            envs.step(row)
        seconds = time.thread_time() - began
        shares = spent[: len(NAMES)] / spent[: len(NAMES)].sum()
        rows.append([*(shares * kernel_seconds[0]), seconds - kernel_seconds[0], seconds])
    _print(1e6 * np.median(rows[1:], axis=0) / (num_worlds * NUM_STEPS))


def _timed(function: Callable[..., bool], seconds: list[float]) -> Callable[..., bool]:
    def run(*arguments: Any) -> bool:
        began = time.thread_time()
        result = function(*arguments)
        seconds[0] += time.thread_time() - began
        return result

    return run


def _print(microseconds: NDArray[np.float64]) -> None:
    for name, value in zip((*NAMES, "around the kernel", "all"), microseconds, strict=True):
        print(f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    main()
