"""Which chunks a free worker takes: by measured speed, fewer towards the end, and the last ones also of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.rollouts.result import RolloutResult

#: A free worker takes this part of what would be its own if all that is left were dealt out at once.
_PART = 0.5
#: Seconds of a share of several chunks, at most, once the length of episodes is known.
_MOST_SECONDS = 5.0
#: Where a share has run for so many times as long as a free worker elsewhere would need, that one runs it too.
_LATE = 2.0
#: Seconds that each share may run before another worker is given it.
_LEAST_SECONDS = 1.0
#: Of a speed that is measured, how much counts beside those before.
_NEWEST = 0.5


class Speeds:
    """Env-steps per second of one worker of each place, as measured lately."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def measured(self, place: str, num_steps: int, seconds: float) -> None:
        """Take note of what a worker has done."""
        speed = num_steps / max(seconds, 1e-6)
        self._known[place] = (1.0 - _NEWEST) * self._known.get(place, speed) + _NEWEST * speed

    def of(self, place: str) -> float:
        """The speed at a place; of one that is not known, the mean of all others."""
        known = self._known
        return known.get(place, sum(known.values()) / len(known) if known else 1.0)


@dataclass(eq=False)
class Share:
    """Consecutive chunks that a worker runs at once.

    Attributes:
        start, stop: the chunks.
        num_episodes: of all of them.
        begun: where and when each try has begun.
        num_running: tries that have not ended.
        result: of the try that came first; None until then.
    """

    start: int
    stop: int
    num_episodes: int
    begun: list[tuple[str, float]] = field(default_factory=list)
    num_running: int = 0
    result: RolloutResult | None = None


class Shares:
    """Deals out the chunks of one request.

    Args:
        sizes: episodes of each chunk.
        most: the most episodes of a share of several chunks.
        speeds: of the places.
    """

    def __init__(self, sizes: Sequence[int], most: int, speeds: Speeds) -> None:
        self._sizes, self._most, self._speeds = sizes, most, speeds
        self._next, self._num_left = 0, sum(sizes)
        self._running: list[Share] = []
        self._num_done, self._num_steps = 0, 0

    def take(self, place: str, rooms: Mapping[str, int]) -> Share | None:
        """The next share, for a worker at a place; None if all chunks are dealt out.

        Args:
            place: where the worker is.
            rooms: how many workers each place has.
        """
        if self._next == len(self._sizes):
            return None
        together = sum(num * self._speeds.of(of_place) for of_place, num in rooms.items())
        wanted = min(self._most, _PART * self._num_left * self._speeds.of(place) / together)
        if self._num_done:  # what is lost with a worker must not be much
            wanted = min(wanted, _MOST_SECONDS / self._episode_seconds(place))
        stop, num = self._next + 1, self._sizes[self._next]
        while stop < len(self._sizes) and num + self._sizes[stop] <= wanted:
            num += self._sizes[stop]
            stop += 1
        share = Share(self._next, stop, num)
        self._next, self._num_left = stop, self._num_left - num
        return share

    def late(self, place: str, now: float) -> Share | None:
        """A share that runs elsewhere and is late, so that a worker at a place would probably end it sooner."""
        if not self._num_done:
            return None
        for share in self._running:
            elsewhere, begun = share.begun[-1]
            seconds = share.num_episodes * self._episode_seconds(place)
            is_late = now - begun > max(_LEAST_SECONDS, _LATE * seconds)
            if is_late and share.num_running == 1 and elsewhere != place:
                return share
        return None

    def _episode_seconds(self, place: str) -> float:
        """How long an episode of this request takes at a place."""
        return self._num_steps / self._num_done / self._speeds.of(place)

    def started(self, share: Share, place: str, now: float) -> None:
        """Take note that a worker has begun with a share."""
        share.begun.append((place, now))
        share.num_running += 1
        if share not in self._running:
            self._running.append(share)

    def won(self, share: Share, result: RolloutResult) -> None:
        """Take note of a share's first result."""
        share.result = result
        self._running.remove(share)
        self._num_done += share.num_episodes
        self._num_steps += result.num_steps
