"""Chunks that are running on Ray: starting, watching and cancelling them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from agents.evaluation.shares import Share
from agents.rollouts import run_chunk
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult

#: Seconds of one call to Ray; Ctrl-C may have to wait as long.
_POLL = 0.1
#: Seconds that Ray is given to end what is cancelled.
_END = 10.0

#: What a worker sends: the result, and the seconds that it took there.
Timed = tuple[RolloutResult, float]


@dataclass(frozen=True)
class Place:
    """Where chunks run: a node, or an actor with a GPU.

    Attributes:
        name: of the node or actor.
        room: how many chunks at the same time.
        worker: an object with ``remote(chunk)``: a function of Ray's or an actor's method.
        is_actor: whether work ends only with the actor, by ``ray.kill``.
    """

    name: str
    room: int
    worker: Any
    is_actor: bool = False


@dataclass(frozen=True, eq=False)
class Ended:
    """A try that has ended: with a result and its seconds, or with how it died."""

    place: str
    share: Share
    outcome: Timed | str


class RayTasks:
    """What runs at the moment.

    Args:
        ray: the module.

    Attributes:
        is_ray_dead: whether this process has lost its Ray and can no longer run anything on it.
    """

    def __init__(self, ray: ModuleType) -> None:
        self.is_ray_dead = False
        self._ray = ray
        self._running: dict[Any, tuple[Place, Share]] = {}

    def running(self) -> Counter[str]:
        """How many chunks run at each place."""
        return Counter(place.name for place, _ in self._running.values())

    def start(self, place: Place, share: Share, chunk: EvaluationRequest) -> None:
        """Give a chunk to a free worker."""
        self._running[place.worker.remote(chunk)] = place, share

    def ended(self) -> Iterator[Ended]:
        """Wait a moment, and return the tries that have ended.

        Raises:
            Exception: what a worker raised.
        """
        if not self._running:
            time.sleep(_POLL)
            return
        done, _ = self._ray.wait(list(self._running), timeout=_POLL)
        for task in done:
            place, share = self._running.pop(task)
            yield Ended(place.name, share, self._result(task))

    def _result(self, task: Any) -> Timed | str:
        try:
            timed: Timed = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None  # what a worker raised, without Ray's pages around it
        except self._ray.exceptions.RayError as error:
            self.is_ray_dead |= isinstance(error, self._ray.exceptions.LocalRayletDiedError)
            return f"{type(error).__name__}: {error}"
        return timed

    def forget(self) -> list[Share]:
        """What was running on a Ray that is now dead."""
        found = [share for _, share in self._running.values()]
        self._running.clear()
        self.is_ray_dead = False
        return found

    def break_off(self) -> None:
        """Cancel all running chunks, but those of actors.

        Returns when this is done: Ray aborts if it is shut down while it is still cancelling.
        """
        for task, (place, _) in self._running.items():
            if not place.is_actor:
                self._ray.cancel(task, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_END)
        self._running.clear()


def run_timed(chunk: EvaluationRequest) -> Timed:
    """Run a chunk in a worker."""
    begun = time.monotonic()
    result = run_chunk(chunk)
    return result, time.monotonic() - begun
