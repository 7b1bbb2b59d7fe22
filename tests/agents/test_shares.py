"""Who runs what: shares by measured speed, small ones at the end, the last ones twice."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest

from agents.evaluation.shares import Share, Shares, Speeds
from agents.rollouts.result import RolloutResult

_STEPS = 100


def _result(num_episodes: int) -> RolloutResult:
    lengths = np.full(num_episodes, _STEPS, np.int32)
    return RolloutResult(np.zeros(num_episodes), lengths, np.zeros(num_episodes, np.int8))


def _speeds(**of: float) -> Speeds:
    """Speeds in episodes per second, known from an earlier request."""
    speeds = Speeds()
    for place, speed in of.items():
        speeds.measured(place, round(speed * _STEPS), 1.0)
    return speeds


def _simulated(speed_of: dict[str, float], speeds: Speeds, num_chunks: int = 256) -> tuple[float, list[Share]]:
    """Seconds until all of 10 episodes a chunk are done by one worker at each place, and all tries in order."""
    shares = Shares([10] * num_chunks, 512, speeds)
    rooms = dict.fromkeys(speed_of, 1)
    now, tries, running, free = 0.0, list[Share](), list[tuple[float, str, int]](), [*speed_of]
    num_done = 0
    while num_done < num_chunks:
        for place in [*free]:
            share = shares.take(place, rooms) or shares.late(place, now)
            if share is not None:
                shares.started(share, place, now)
                free.remove(place)
                tries.append(share)
                heapq.heappush(running, (now + share.num_episodes / speed_of[place], place, len(tries) - 1))
        ends, place, number = running[0]
        if free and ends > now + 0.25:  # those who have nothing to do look again
            now += 0.25
            continue
        heapq.heappop(running)
        now, share = ends, tries[number]
        free.append(place)
        share.num_running -= 1
        speeds.measured(place, share.num_episodes * _STEPS, share.num_episodes / speed_of[place])
        if share.result is None:
            shares.won(share, _result(share.num_episodes))
            num_done += share.stop - share.start
    return now, tries


def test_every_chunk_is_dealt_out_once_and_the_last_shares_are_small() -> None:
    """Equal workers: no gap, no overlap, sizes that fall, and nobody waits long for the last one."""
    seconds, tries = _simulated(dict.fromkeys("abcd", 20.0), Speeds())

    assert [*pairwise([0, *(share.stop for share in tries)])] == [(share.start, share.stop) for share in tries]
    assert 256 == tries[-1].stop
    assert tries[0].num_episodes == max(s.num_episodes for s in tries) == 320
    assert 10 == tries[-1].num_episodes
    assert 2560 / 80 <= seconds <= 2560 / 80 + 10 / 20


@pytest.mark.parametrize("known", [False, True])
def test_a_slow_node_does_not_hold_the_rest_back(known: bool) -> None:
    """One of four workers has a tenth of the speed: the end is within a fifth of the best there can be.

    So it is if nobody knows it before: its first share is then run again by others.
    """
    speed_of = {"a": 20.0, "b": 20.0, "c": 20.0, "slow": 2.0}
    seconds, tries = _simulated(speed_of, _speeds(**speed_of) if known else Speeds())

    assert seconds < 1.2 * 2560 / 62
    num_twice = len(tries) - len(set(tries))
    assert num_twice <= 1 if known else 1 <= num_twice <= 2


def test_speeds_are_measured_anew() -> None:
    """A node that has become slow is known as such soon; one that nobody knows is taken for an ordinary one."""
    speeds = _speeds(a=20.0, b=40.0)
    assert 30.0 * _STEPS == speeds.of("new")
    for _ in range(10):
        speeds.measured("a", 100, 1.0)
    assert speeds.of("a") == pytest.approx(100, rel=0.02)


def test_only_what_is_late_is_run_twice() -> None:
    """Not before twice the time that the other place needs, not by the same place, and not a third time."""
    shares = Shares([10, 10], 10, _speeds(a=10.0, b=10.0))
    done, late = (shares.take("a", {"a": 1, "b": 1}) for _ in range(2))
    assert done is not None and late is not None
    shares.started(late, "a", 0.0)
    shares.started(done, "b", 0.0)
    assert shares.late("b", 99.0) is None  # how long episodes are is not known yet
    shares.won(done, _result(10))

    assert shares.late("b", 1.9) is None
    assert shares.late("a", 99.0) is None
    assert late is shares.late("b", 2.1)
    shares.started(late, "b", 2.1)
    assert shares.late("c", 99.0) is None
