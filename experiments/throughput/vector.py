"""Vector envs at work: ours and EnvPool's, with equal numbers of worlds on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.walker.bipedal_walker_vector import make_bipedal_walkers
from experiments.throughput.measure import Case, Measurement, Ratio, Work
from experiments.throughput.others import ENVPOOL_NAME, random_actions, start_envpool
from experiments.throughput.report import BenchReport, Table, ratio_table

#: Worlds of a vector env.
NUM_WORLDS = (16, 64, 1024)
#: How often all of them step in one repetition. Walkers that lie and struggle take longer, so all must get as far.
NUM_STEPS = 250

_OURS = "poet/BipedalWalkerHardcore-v3"
#: Steps all worlds. Returns what tells afterwards where episodes began.
_Step = Callable[[NDArray[np.float32]], NDArray[Any]]


@dataclass(frozen=True)
class VectorReport(BenchReport):
    """All figures of one run of ``poet bench --vector``."""

    @property
    def ratios(self) -> list[Ratio]:
        """Ours over EnvPool's, with equal numbers of worlds."""
        return [Ratio(row, other) for row in self.ours for other in self.others if row.ground == other.ground]

    def tables(self) -> list[Table]:
        """The tables that have rows, in reading order."""
        tables = [_speed_table([*self.ours, *self.others]), ratio_table(self.ratios, _HOW_RATIOS)]
        return [table for table in tables if table.rows]


def our_cases() -> list[Case]:
    """Our vector env with each number of worlds."""

    def case(num_worlds: int) -> Case:
        made = cache(partial(make_bipedal_walkers, num_worlds, True, 2000, threads=1))  # where kernels are compiled

        def reset() -> None:
            made().reset(seed=0)

        def step(actions: NDArray[np.float32]) -> NDArray[np.bool_]:
            _, _, terminations, truncations, _ = made().step(actions)
            return terminations | truncations

        def run() -> Work:
            # An episode that is over is followed by a reset in the next call, but for the last one.
            return _walk(num_worlds, reset, step, lambda ends: int(ends[:-1].sum()))

        return _case(_OURS, num_worlds, reset, step, run)

    return [case(num) for num in NUM_WORLDS]


def envpool_cases() -> list[Case]:
    """EnvPool's vector env with each number of worlds.

    Raises:
        InputError: EnvPool is not installed.
    """

    def case(num_worlds: int) -> Case:
        envs = start_envpool(num_worlds)

        def step(actions: NDArray[np.float32]) -> NDArray[np.int32]:
            elapsed: NDArray[np.int32] = envs.step(actions)[4]["elapsed_step"]
            return elapsed

        def run() -> Work:
            return _walk(num_worlds, envs.reset, step, lambda elapsed: int((elapsed == 0).sum()))

        return _case(f"envpool {ENVPOOL_NAME}", num_worlds, envs.reset, step, run)

    return [case(num) for num in NUM_WORLDS]


def _case(who: str, num_worlds: int, reset: Callable[[], object], step: _Step, run: Callable[[], Work]) -> Case:
    def warm_up() -> None:
        reset()
        step(random_actions(num_worlds))

    return Case(who, f"{num_worlds:,}", 1, warm_up, run)


def _walk(num_worlds: int, reset: Callable[[], object], step: _Step, num_resets: Callable[[NDArray[Any]], int]) -> Work:
    """Begin in every world, and take the steps; ``num_resets`` counts in what they returned.

    The time is the processor's, with resets.
    """
    actions = random_actions(NUM_STEPS, num_worlds)
    began = time.process_time()
    reset()
    marks = [step(row) for row in actions]
    seconds = time.process_time() - began
    num_begun = num_resets(np.stack(marks))
    return Work(num_worlds * NUM_STEPS - num_begun, num_worlds + num_begun, seconds)


_HOW_RATIOS = "Each repetition is compared with the same repetition of the other: median, least and greatest."


def _speed_table(rows: list[Measurement]) -> Table:
    how = (
        f"Control steps a second of processor time, all worlds together, median of repetitions in which all rows take "
        f"turns; spread is greatest minus least over the median. Each repetition begins anew in every world and steps "
        f"all of them {NUM_STEPS} times, on hardcore courses with random actions, drawn beforehand; resets and the "
        f"making of courses are counted in."
    )
    columns = ("who", "worlds", "steps/s", "spread", "steps/episode")
    numbers = [(f"{row.median:,.0f}", f"{row.spread:.1%}", f"{row.steps_per_episode:.0f}") for row in rows]
    return Table(
        "Vector envs", how, columns, [(row.who, row.ground, *found) for row, found in zip(rows, numbers, strict=True)]
    )
