"""How speeds are measured: cases take turns, so that other load on the machine affects all of them equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Result = TypeVar("Result")

NUM_REPEATS = 5


@dataclass(frozen=True)
class Work:
    """What a case did in one repetition.

    Attributes:
        num_steps: control steps; resets do not count.
        num_episodes: episodes begun.
        seconds: wall-clock time, resets included.
        reset_seconds: the part of it that resets took; None if that is unknown.
    """

    num_steps: int
    num_episodes: int
    seconds: float
    reset_seconds: float | None = None


@dataclass(frozen=True)
class Case:
    """Something that walks.

    Attributes:
        who: an engine of ours, or another implementation.
        ground: what it walks on.
        num_threads: how many of its threads walk.
        warm_up: compiles or loads what a repetition needs.
        run: one repetition, with the same walks every time; EnvPool's worlds cannot be reseeded, so only as many walks.
    """

    who: str
    ground: str
    num_threads: int
    warm_up: Callable[[], object]
    run: Callable[[], Work]


@dataclass(frozen=True)
class Measurement:
    """The speed of a case.

    Attributes:
        who, ground, num_threads: as in ``Case``.
        resets: ``"in"`` the measured time, or ``"out"`` of it.
        first_seconds: the warm-up: compilation, or the loading of what was compiled before.
        steps_per_second: of each repetition.
        steps_per_episode: mean.
    """

    who: str
    ground: str
    num_threads: int
    resets: str
    first_seconds: float
    steps_per_second: tuple[float, ...]
    steps_per_episode: float

    @property
    def median(self) -> float:
        """Median control steps a second."""
        return median(self.steps_per_second)

    @property
    def spread(self) -> float:
        """Greatest minus least, over the median."""
        return (max(self.steps_per_second) - min(self.steps_per_second)) / self.median


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one measurement is as another.

    Attributes:
        faster, slower: what is compared.
    """

    faster: Measurement
    slower: Measurement

    @property
    def values(self) -> tuple[float, ...]:
        """Faster over slower, in each repetition: the two were measured seconds apart."""
        pairs = zip(self.faster.steps_per_second, self.slower.steps_per_second, strict=True)
        return tuple(a / b for a, b in pairs)

    @property
    def median(self) -> float:
        """Median over the repetitions."""
        return median(self.values)


def measure(cases: Sequence[Case], progress: Callable[[int, int], None]) -> list[Measurement]:
    """Warm up every case, then run them in turn, ``NUM_REPEATS`` times round.

    Args:
        cases: at least one.
        progress: told how many repetitions are done, of how many.

    Returns:
        One measurement for each case; two, with resets in and out, if the case tells how long resets took.
    """
    first = [timed(case.warm_up)[0] for case in cases]
    works: list[list[Work]] = [[] for _ in cases]
    for repeat in range(NUM_REPEATS):
        for i, case in enumerate(cases):
            works[i].append(case.run())
            progress(repeat * len(cases) + i + 1, NUM_REPEATS * len(cases))
    found = []
    for case, seconds, done in zip(cases, first, works, strict=True):
        found.append(_measurement(case, seconds, done, "in", [work.num_steps / work.seconds for work in done]))
        apart = [
            work.num_steps / (work.seconds - work.reset_seconds) for work in done if work.reset_seconds is not None
        ]
        if apart:
            found.append(_measurement(case, seconds, done, "out", apart))
    return found


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds that a call took, and what it returned."""
    begun = time.perf_counter()
    result = function()
    return time.perf_counter() - begun, result


def ratios(ours: Sequence[Measurement], others: Sequence[Measurement]) -> list[Ratio]:
    """Every comparison that means something.

    Args:
        ours, others: measurements of one run.

    Returns:
        Our engines on one thread against each of the others at its fastest; the faster of our engines against the
        slower on the same ground; several threads against one.
    """
    found = []
    names = dict.fromkeys(other.who for other in others)
    fastest = [max((row for row in others if row.who == who), key=lambda row: row.median) for who in names]
    single = [row for row in ours if row.num_threads == 1]
    for row in single:
        found += [Ratio(row, other) for other in fastest]
        found += [Ratio(row, slow) for slow in single if row.ground == slow.ground and row.median > slow.median]
    for row in ours:
        if row.num_threads > 1:
            found += [Ratio(row, one) for one in single if (row.who, row.ground) == (one.who, one.ground)]
    return found


def _measurement(case: Case, seconds: float, done: Sequence[Work], resets: str, rates: Sequence[float]) -> Measurement:
    per_episode = sum(work.num_steps for work in done) / sum(work.num_episodes for work in done)
    return Measurement(case.who, case.ground, case.num_threads, resets, seconds, tuple(rates), per_episode)
