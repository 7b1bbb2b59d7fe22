"""Episodes on this machine: in this process, or in worker processes that end when it does."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from agents.evaluation.executor import AbstractExecutor, run_chunk
from agents.evaluation.request import EvaluationRequest
from agents.rollouts.result import RolloutResult

_ATTEMPTS = 3


class LocalExecutor(AbstractExecutor):
    """A pool of worker processes; one worker means this process itself.

    Args:
        workers: processes; None for one a core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or available_cores()
        self._pool: ProcessPoolExecutor | None = None

    @property
    def num_workers(self) -> int:
        """See ``AbstractExecutor``."""
        return self._workers

    def _run(self, chunks: list[EvaluationRequest]) -> Iterable[RolloutResult]:
        if self._workers == 1:
            yield from map(run_chunk, chunks)
            return
        num_done = 0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for result in self._started_pool().map(run_chunk, chunks[num_done:]):
                    num_done += 1
                    yield result
                return
            except BrokenProcessPool as error:
                # A worker was killed from outside (memory, a signal). Its episodes are run again: same names, same bits.
                self.close()
                if attempt == _ATTEMPTS:
                    message = f"worker processes were killed {_ATTEMPTS} times in one phase; is there enough memory?"
                    raise RuntimeError(message) from error

    def _started_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawn: a forked copy of a process with threads (Ray, BLAS, a progress bar) can deadlock.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=_start_worker)
        return self._pool

    def close(self) -> None:
        """See ``AbstractExecutor``."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and die with it however it dies (kill -9 included)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent.sentinel,), daemon=True).start()


def _exit_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
