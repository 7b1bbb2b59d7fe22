"""Episodes that get lost are tried again, later and later, until patience is over."""

from __future__ import annotations

import logging

import pytest

from agents.evaluation import patience
from agents.evaluation.patience import Patience
from agents.evaluation.ray import RayExecutor
from environments.errors import InputError


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(patience.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that ``Patience`` reads."""
    return Clock(monkeypatch)


def test_what_is_lost_comes_again_later_and_later(clock: Clock) -> None:
    """A lost chunk is due after 1, 2, 4, ... seconds, and not before; a chunk that succeeded starts again at 1."""
    kept = Patience[int](1000.0)
    for wait in (1.0, 2.0, 4.0, 8.0):
        kept.lost(7, "WorkerCrashedError: the worker died")
        clock.now += wait - 0.1
        assert kept.next() is None
        clock.now += 0.1
        assert 7 == kept.next()
        assert kept.next() is None
    kept.won(7)
    kept.lost(7, "WorkerCrashedError: the worker died")
    clock.now += 1.0

    assert 7 == kept.next()


def test_patience_ends_with_what_was_said_last(clock: Clock) -> None:
    """The last try is when patience is over; then a sentence gives the time and the reason, in one line."""
    kept = Patience[int](30.0)
    for _ in range(5):
        kept.lost(0, "OutOfMemoryError: the node\nis low on memory")
        while kept.next() is None:
            clock.now += 0.5

    assert 130.0 == clock.now
    with pytest.raises(RuntimeError, match=r"lost again and again for 30 s, .* OutOfMemoryError: the node is low on"):
        kept.lost(0, "OutOfMemoryError: the node\nis low on memory")


def test_a_loss_is_said_with_its_reason(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The log says what died, in Ray's words, and that the run goes on."""
    with caplog.at_level(logging.WARNING):
        Patience[int](30.0).lost(0, "NodeDiedError: " + "x" * 1000)

    (record,) = caplog.records
    assert record.getMessage().startswith(
        "episodes were lost and will be run again in 1 s: Ray says: NodeDiedError: xxx"
    )
    assert len(record.getMessage()) < 400


@pytest.mark.parametrize("text", ["ten", "-1", "nan"])
def test_patience_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An invalid time is refused before Ray is started."""
    monkeypatch.setenv("POET_RAY_PATIENCE", text)
    with pytest.raises(InputError, match=rf"POET_RAY_PATIENCE must be a number of seconds, 0 or more, but is '{text}'"):
        RayExecutor(1)
