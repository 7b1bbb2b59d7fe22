"""Batches of worlds that are stepped in the background while the caller works on others, as EnvPool has it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.errors import InputError

Result = TypeVar("Result")


class Line(Generic[Result]):
    """One thread that does one thing after another, and what it was given to do and nobody has asked for yet.

    Since nothing overtakes anything, results do not depend on how fast the thread and its caller are.

    Attributes:
        is_away: (N,) bool, worlds that are on their way.
    """

    def __init__(self, num_worlds: int) -> None:
        self.is_away = np.zeros(num_worlds, np.bool_)
        self._batches: deque[tuple[NDArray[np.int64], Future[Result]]] = deque()
        self._thread: tuple[int, ThreadPoolExecutor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        if self._batches:
            raise InputError("a vector env cannot be copied while batches are on their way: call envs.recv() first")
        return {**self.__dict__, "_thread": None}

    def send(self, worlds: NDArray[np.int64], work: Callable[[], Result]) -> None:
        """Let the thread do ``work`` for these worlds."""
        self.is_away[worlds] = True
        self._batches.append((worlds, self._executor().submit(work)))

    def tell(self, work: Callable[[], object]) -> None:
        """Do something after all that the thread was given before. Waits for it."""
        if self._batches:
            self._executor().submit(work).result()
        else:
            work()

    def receive(self) -> Result:
        """What was sent first of all that is left, of which there must be some. Waits for it."""
        worlds, done = self._batches[0]
        try:
            return done.result()
        finally:
            if done.done():  # Ctrl-C while waiting: the batch can still be received
                self._batches.popleft()
                self.is_away[worlds] = False

    def close(self) -> None:
        """Wait for what goes on, and let the thread go. Nothing can be received any more."""
        if self._thread is not None and self._thread[0] == os.getpid():
            self._thread[1].shutdown(wait=True, cancel_futures=True)
        self._thread = None
        self._batches.clear()
        self.is_away[:] = False

    def _executor(self) -> ThreadPoolExecutor:
        """The thread of this process: a forked child does not inherit its parent's."""
        if self._thread is None or self._thread[0] != os.getpid():
            self._thread = os.getpid(), ThreadPoolExecutor(1)
        return self._thread[1]


def as_worlds(env_id: ArrayLike, is_away: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The numbers of worlds that a caller sends actions for.

    Args:
        env_id: (M,) whole numbers.
        is_away: (N,) bool, worlds that cannot be sent.

    Raises:
        InputError: they are no such numbers, one is given twice, or one is on its way.
    """
    num = len(is_away)
    worlds = np.asarray(env_id)
    if worlds.ndim != 1 or not worlds.size or worlds.dtype.kind not in "iu":
        raise InputError(f"env_id must be the numbers of worlds, a row of integers, found {env_id!r:.60}")
    if worlds.min() < 0 or worlds.max() >= num:
        raise InputError(f"env_id must name worlds from 0 to {num - 1}, found {worlds.min()} to {worlds.max()}")
    worlds = worlds.astype(np.int64)
    times = np.bincount(worlds)
    if times.max() > 1:
        raise InputError(f"env_id must name each world once, but has world {times.argmax()} {times.max()} times")
    if is_away[worlds].any():
        raise InputError(
            f"world {worlds[is_away[worlds]][0]} is on its way: call envs.recv() until it comes back, then send for it"
        )
    return worlds


def rows_of(infos: dict[str, Any], worlds: NDArray[np.int64]) -> dict[str, Any]:
    """The rows of some worlds of all infos, those within infos too."""
    return {key: rows_of(value, worlds) if isinstance(value, dict) else value[worlds] for key, value in infos.items()}
