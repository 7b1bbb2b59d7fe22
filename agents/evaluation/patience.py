"""What happens to episodes that are lost because their worker died: they are tried again, at growing intervals."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_LONGEST_REASON = 300

#: What can be lost.
Chunk = TypeVar("Chunk", bound=Hashable)

_log = logging.getLogger(__name__)


class Patience(Generic[Chunk]):
    """Keeps lost chunks until it is time to run them again.

    Args:
        seconds: how long a chunk is tried again, counted from its first loss.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._first: dict[Chunk, float] = {}
        self._waits: dict[Chunk, float] = {}
        self._waiting: list[tuple[float, int, Chunk]] = []
        self._num_lost = 0

    def lost(self, chunk: Chunk, reason: str) -> None:
        """Keep a chunk that was lost, and say why.

        Raises:
            RuntimeError: it has been lost for longer than there is patience.
        """
        now, reason = time.monotonic(), _one_line(reason)
        first = self._first.setdefault(chunk, now)
        if now - first >= self._seconds:
            raise RuntimeError(
                f"the same episodes were lost again and again for {now - first:.0f} s, and patience is over; at last, "
                f"Ray says: {reason}"
            )
        wait = self._waits[chunk] = min(2 * self._waits.get(chunk, _FIRST_WAIT / 2), _LONGEST_WAIT)
        wait = min(wait, first + self._seconds - now)
        self._num_lost += 1  # whoever was lost first comes first
        heapq.heappush(self._waiting, (now + wait, self._num_lost, chunk))
        _log.warning("episodes were lost and will be run again in %.0f s: Ray says: %s", wait, reason)

    def next(self) -> Chunk | None:
        """A chunk that is due; None if there is none."""
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        return None

    def won(self, chunk: Chunk) -> None:
        """Forget a chunk that has been run after all."""
        self._first.pop(chunk, None)
        self._waits.pop(chunk, None)


def _one_line(reason: str) -> str:
    words = " ".join(reason.split())
    return words if len(words) <= _LONGEST_REASON else f"{words[: _LONGEST_REASON - 3]}..."
