"""Episodes on this machine: in this process, or in worker processes that end when it does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import ModuleType

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
        self._pool_ends: tuple[Connection, Connection] | None = None

    @property
    def num_workers(self) -> int:
        """See ``AbstractExecutor``."""
        return self._workers

    def _run(self, chunks: list[EvaluationRequest]) -> Generator[RolloutResult, None, None]:
        if self._workers == 1:
            yield from map(run_chunk, chunks)
            return
        num_done = 0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with _workers_start():
                    results = self._started_pool().map(run_chunk, chunks[num_done:])
                for result in results:
                    num_done += 1
                    yield result
                return
            except BrokenProcessPool as error:
                # A worker was killed from outside (memory, a signal). Its episodes are run again: same names and bits.
                self.close()
                if attempt == _ATTEMPTS:
                    message = f"worker processes were killed {_ATTEMPTS} times in one phase; is there enough memory?"
                    raise RuntimeError(message) from error
            except BaseException:
                # Ctrl-C, or a caller that wants no more: nothing may go on running behind the caller's back.
                self.close()
                raise

    def _started_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawn: a forked copy of a process with threads (Ray, BLAS, a progress bar) can deadlock.
            context = multiprocessing.get_context("spawn")
            self._pool_ends = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_start_worker, initargs=(self._pool_ends[0],)
            )
        return self._pool

    def close(self) -> None:
        """See ``AbstractExecutor``; workers end at once, also in the middle of an episode."""
        if self._pool is not None and self._pool_ends is not None:
            for end in self._pool_ends:
                end.close()
            # The queue's thread may be in the middle of a chunk that no worker will read. This process holds the pipe's
            # other end too, so the thread, and with it the end of this process, would wait for ever (CPython 94777).
            self._pool._call_queue._reader.close()  # type: ignore[attr-defined]
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _workers_start() -> Iterator[None]:
    """Processes started in here leave Ctrl-C to this one and do not run the user's script once more.

    A signal mask is inherited. And ``spawn`` imports ``__main__`` again in each process, which costs the imports of the
    command line, and which a script without ``if __name__ == "__main__"`` does not survive; workers need nothing of it.
    """
    resource_tracker.ensure_running()  # it would be started by the first process, and then unblock the signal
    main = sys.modules["__main__"]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_worker(pool_end: Connection) -> None:
    """Die with the pool, and so with the parent, however it dies (kill -9 included)."""
    threading.Thread(target=_exit_with, args=(pool_end,), daemon=True).start()


def _exit_with(pool_end: Connection) -> None:
    pool_end.poll(None)  # nothing is ever sent: it returns when the other end is closed
    os._exit(1)
