"""Acceptance: the simd engine against real Box2D, whole episodes, bit for bit; ``make parity`` runs 2,000 of them."""

from __future__ import annotations

from environments.walker.ending import Outcome
from tests.parity.episodes import Case
from tests.parity.report import report
from tests.parity.run import run_here


def test_a_hundred_whole_episodes_are_box2ds_to_the_last_bit() -> None:
    """Bodies, contact flags, observations, rewards and ends of 100 episodes of every kind are the same at each step."""
    verdicts = run_here("simd", [Case(number) for number in range(100)])
    assert all(verdict.is_identical for verdict in verdicts), report(verdicts)
    assert set(Outcome) == {verdict.outcome for verdict in verdicts}
