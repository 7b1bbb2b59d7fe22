"""Chunks that are running on Ray: starting, watching and cancelling them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult

#: Seconds of one call to Ray; Ctrl-C may have to wait as long.
_POLL = 0.1
#: Seconds that Ray is given to end what is cancelled.
_END = 10.0


class RayTasks:
    """One chunk at a time for each worker.

    Args:
        ray: the module.
        workers: objects with ``remote(chunk)``: one function, as often as it may run at once, or methods of actors.

    Attributes:
        is_ray_dead: whether this process has lost its Ray and can no longer run anything on it.
    """

    def __init__(self, ray: ModuleType, workers: Sequence[Any]) -> None:
        self.is_ray_dead = False
        self._ray = ray
        self._free = list(reversed(workers))
        self._running: dict[Any, tuple[int, Any]] = {}

    def has_room(self) -> bool:
        """Whether a worker is free."""
        return bool(self._free)

    def start(self, index: int, chunk: EvaluationRequest) -> None:
        """Give a chunk to a free worker. ``ended`` reports it under ``index``."""
        worker = self._free.pop()
        self._running[worker.remote(chunk)] = index, worker

    def ended(self) -> Iterator[tuple[int, RolloutResult | str]]:
        """Wait a moment, and return the chunks that have ended, with their results or with how they died.

        Raises:
            Exception: what a worker raised.
        """
        if not self._running:
            time.sleep(_POLL)
            return
        done, _ = self._ray.wait(list(self._running), timeout=_POLL)
        for task in done:
            index, worker = self._running.pop(task)
            self._free.append(worker)
            yield index, self._result(task)

    def _result(self, task: Any) -> RolloutResult | str:
        try:
            result: RolloutResult = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None  # what a worker raised, without Ray's pages around it
        except self._ray.exceptions.RayError as error:
            self.is_ray_dead |= isinstance(error, self._ray.exceptions.LocalRayletDiedError)
            return f"{type(error).__name__}: {error}"
        return result

    def forget(self) -> list[int]:
        """The chunks that were running on a Ray that is now dead. Its workers are free for another Ray."""
        found = [index for index, _ in self._running.values()]
        self._free += [worker for _, worker in self._running.values()]
        self._running.clear()
        self.is_ray_dead = False
        return found

    def break_off(self) -> None:
        """Cancel all running chunks. Work on actors ends with the actors, by ``ray.kill``.

        Returns when this is done: Ray aborts if it is shut down while it is still cancelling.
        """
        for task, (_, worker) in self._running.items():
            if isinstance(worker, self._ray.remote_function.RemoteFunction):
                self._ray.cancel(task, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_END)
        self._running.clear()
