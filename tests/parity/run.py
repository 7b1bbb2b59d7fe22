"""Many cases on an engine and on Box2D, in as many processes as there are cores: Box2D is the slow side."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import resource_tracker

from environments.signals import left_to_this_process
from environments.walker.worlds import make_worlds
from tests.parity.compare import MakeWorlds, Verdict, compare
from tests.parity.episodes import Case, batches

_BATCH_SIZE = 64


def worlds_of(engine: str) -> MakeWorlds:
    """``make_worlds`` with the engine chosen, on one thread."""
    return partial(make_worlds, engine, threads=1)


def run_here(engine: str, cases: Sequence[Case]) -> list[Verdict]:
    """Compare these cases with Box2D, in this process."""
    expected, found = worlds_of("box2d"), worlds_of(engine)
    return [verdict for batch in batches(cases, _BATCH_SIZE) for verdict in compare(batch, expected, found)]


def run(engine: str, cases: Sequence[Case], workers: int) -> Iterator[list[Verdict]]:
    """Compare these cases with Box2D, in processes of their own; yields one batch after another, as they are ready.

    Raises:
        BrokenProcessPool: a process has died, as one does that writes beyond its memory.
    """
    # spawn: an engine may have started threads, and a forked copy of those can deadlock.
    context = multiprocessing.get_context("spawn")
    with left_to_this_process():
        resource_tracker.ensure_running()  # it would be started by the first process, and then unblock Ctrl-C
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            with left_to_this_process():
                tasks = [pool.submit(run_here, engine, batch) for batch in batches(cases, _BATCH_SIZE)]
            for done in as_completed(tasks):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
