"""Worker processes that run chunks, one pipe each; they end when this process does, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from threading import Lock, RLock, Thread, get_ident
from types import ModuleType
from typing import cast
from weakref import WeakSet

from agents.rollouts import run_chunk
from agents.rollouts.base import OnProgress
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.copying import NotCopied
from environments.errors import InputError
from environments.signals import held, left_to_this_process

_ATTEMPTS = 3
#: Seconds of one wait for workers; Ctrl-C may have to wait as long.
_POLL = 0.1


class WorkerPool(NotCopied):
    """Processes that start when there is work and then wait for more. A forked child starts its own.

    Args:
        num_workers: the most processes.
    """

    copy_refusal = "a pool of processes cannot be copied: make another one"

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._lock = Lock()
        self._thread: int | None = None
        _pools.add(self)
        self._processes: dict[Connection, BaseProcess] = {}
        self._idle: list[Connection] = []

    def run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        """Yield the results of the chunks, in order. If closed early, or if ``on_progress`` raises, end all workers.

        Other threads that call it wait until it ends.

        Raises:
            InputError: this thread is in the middle of other chunks.
            RuntimeError: workers were killed over one chunk again and again.
            Exception: what a worker raised.
        """
        if self._thread == get_ident():
            raise InputError(
                "these workers are in the middle of a request of this thread: use another executor for this"
            )
        with self._lock:  # not in a context manager of our own: Ctrl-C could keep it from being left
            try:
                self._thread = get_ident()
                yield from self._run(chunks, on_progress)
            finally:
                self._thread = None

    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        self._forget_dead()
        _check_importable(chunks)
        waiting, lost = deque(range(len(chunks))), Counter[int]()
        busy: dict[Connection, int] = {}
        finished: dict[int, RolloutResult] = {}
        try:
            for number in range(len(chunks)):
                while number not in finished:
                    self._start_workers(len(waiting) + len(busy))
                    while waiting and self._idle:
                        pipe = self._idle.pop()
                        busy[pipe] = waiting.popleft()
                        with suppress(OSError):  # it is dead; reading its answer will show that
                            pipe.send(chunks[busy[pipe]])
                    for pipe in cast(list[Connection], wait(list(busy), _POLL)):
                        done, answer = busy.pop(pipe), self._answer(pipe)
                        if answer is not None:
                            finished[done] = answer
                        else:  # killed from outside (memory, a signal): run again, the same names and bits
                            waiting.appendleft(done)
                            lost[done] += 1
                        if lost[done] == _ATTEMPTS:
                            message = f"worker processes were killed {_ATTEMPTS} times over the same episodes"
                            raise RuntimeError(f"{message}; is there enough memory?")
                    on_progress(0, 0)
                yield finished.pop(number)
        except BaseException:
            # On Ctrl-C, or when the caller stops early, nothing may go on running behind the caller's back.
            self.close()
            raise

    def _start_workers(self, num_wanted: int) -> None:
        num_missing = min(num_wanted, self._num_workers) - len(self._processes)
        if num_missing <= 0:
            return
        # spawn: a forked copy of a process with threads (Ray, BLAS, a progress bar) can deadlock.
        context = multiprocessing.get_context("spawn")
        with _workers_start():
            for _ in range(num_missing):
                pipe, theirs = context.Pipe()
                self._processes[pipe] = context.Process(target=_work, args=(theirs,), daemon=True)
                self._processes[pipe].start()
                theirs.close()
                self._idle.append(pipe)

    def _answer(self, pipe: Connection) -> RolloutResult | None:
        """What a worker sent; it then waits for more work. None if it is dead, in which case it is forgotten."""
        try:
            answer = pipe.recv()
        except (EOFError, OSError):
            _end(pipe, self._processes.pop(pipe))
            return None
        self._idle.append(pipe)
        if isinstance(answer, Exception):
            raise answer
        result: RolloutResult = answer
        return result

    def _forget_dead(self) -> None:
        """Forget workers that died while idle, so that no chunk is blamed for their death."""
        for pipe in [pipe for pipe in self._idle if not self._processes[pipe].is_alive()]:
            self._idle.remove(pipe)
            _end(pipe, self._processes.pop(pipe))

    def abandon(self) -> None:
        """In a forked child: leave workers and pipes to the parent; the workers stop when the pipes close."""
        for pipe in self._processes:
            pipe.close()
        # Python would end them when the child exits.
        multiprocessing.process._children.difference_update(self._processes.values())  # type: ignore[attr-defined]
        self._processes, self._idle, self._lock, self._thread = {}, [], Lock(), None

    def close(self) -> None:
        """End all workers, even in the middle of an episode. ``run`` would start new ones."""
        with held():
            self._idle.clear()
            while self._processes:
                _end(*self._processes.popitem())


def _check_importable(chunks: list[EvaluationRequest]) -> None:
    """Workers import what a policy's class says: they do not rerun the user's script, see ``_workers_start``."""
    for policy in {chunk.policy for chunk in chunks}:
        if type(policy).__module__ == "__main__":
            raise InputError(
                f"the policy {type(policy).__name__} is defined in the script that runs, which worker processes do not "
                "import: put it into a module of its own, or ask for 1 worker"
            )


def may_have_workers() -> bool:
    """Whether this process may start others. Python forbids it for daemons, such as the workers of its own pools.

    Raises:
        InputError: a script that starts processes is being imported by one of them.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        raise InputError(
            "this script is being imported by a process that it has started, and may start no more: put what it does "
            'below if __name__ == "__main__":'
        )
    return not process.daemon


_pools: WeakSet[WorkerPool] = WeakSet()
#: Held while workers start and while this process forks: a child must not inherit the ``__main__`` set below.
_starting = RLock()


def _after_fork() -> None:
    _starting.release()
    for pool in list(_pools):
        pool.abandon()


os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_after_fork)


def _end(pipe: Connection, process: BaseProcess) -> None:
    if process.pid is not None:
        process.kill()  # before it could miss the pipe
        process.join()
    pipe.close()


@contextmanager
def _workers_start() -> Iterator[None]:
    """A block in which new processes leave signals to this one and do not rerun the user's script.

    ``spawn`` imports ``__main__`` again in each process. That costs the imports of the command line, and it breaks a
    script without ``if __name__ == "__main__"``. Workers need nothing from it.
    """
    with _starting:
        with left_to_this_process():
            resource_tracker.ensure_running()  # else the first process would start it, and unblock Ctrl-C
        main = sys.modules["__main__"]
        with left_to_this_process():
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                yield
            finally:
                sys.modules["__main__"] = main


def _work(pipe: Connection) -> None:
    """A worker's life: run the chunks that come through its pipe, and send back each one's result or error."""
    chunks: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(pipe, chunks), daemon=True).start()
    answer: RolloutResult | Exception
    while True:
        chunk = chunks.get()
        try:
            answer = run_chunk(ForkingPickler.loads(chunk))
        except Exception as error:
            answer = error
            if not isinstance(error, InputError):  # that is a sentence for the user; other errors are for us
                error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        with suppress(BrokenPipeError):  # the other end is closed: ``_receive`` ends this process
            pipe.send(answer)


def _receive(pipe: Connection, chunks: SimpleQueue[bytes]) -> None:
    """Pass on what comes. End this process when the other end is closed, also by the parent's death (kill -9)."""
    with suppress(EOFError, OSError):
        while True:
            chunks.put(pipe.recv_bytes())
    os._exit(1)
