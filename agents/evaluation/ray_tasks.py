"""Chunks that run on Ray now: started, watched and broken off."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from agents.evaluation.request import EvaluationRequest
from agents.rollouts.result import RolloutResult

#: Seconds for which Ray is asked at once: as long does Ctrl-C wait.
_POLL = 0.1
#: Seconds for which Ray is given time to end what is broken off.
_END = 10.0


class RayTasks:
    """One chunk at a time for each worker.

    Args:
        ray: the module.
        workers: what has ``remote(chunk)``: a remote function, as often as it may run at once, or methods of actors.

    Attributes:
        is_ray_dead: whether this process has lost the Ray that it is connected to, and can run nothing on it any more.
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
        """Give a free worker a chunk, which ``ended`` calls by ``index``."""
        worker = self._free.pop()
        self._running[worker.remote(chunk)] = index, worker

    def ended(self) -> Iterator[tuple[int, RolloutResult | str]]:
        """Wait a moment; which chunks have ended in it, with their results, or with what Ray says of how they died.

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
        """Which chunks were running on a Ray that is dead; its workers are free for another Ray."""
        found = [index for index, _ in self._running.values()]
        self._free += [worker for _, worker in self._running.values()]
        self._running.clear()
        self.is_ray_dead = False
        return found

    def break_off(self) -> None:
        """End all that run; what actors run ends with them, by ``ray.kill``.

        Returns when it is over: Ray aborts when it is shut down while it still works at it.
        """
        for task, (_, worker) in self._running.items():
            if isinstance(worker, self._ray.remote_function.RemoteFunction):
                self._ray.cancel(task, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_END)
        self._running.clear()
