"""ES alone: one agent on one terrain, without stepping stones.

Reference: Wang et al. 2019, section 4.1 (ES on a given terrain from random weights); Wang et al. 2020, controls.
"""

from __future__ import annotations

from dataclasses import dataclass

from poet.events import AnyEvent
from poet.loop import close_iteration
from poet.optimisation import optimise
from poet.parts import Parts
from poet.trainers.base import AbstractTrainer
from poet.types import RunState
from poet.validation import validate


@dataclass(frozen=True)
class EsAlone(AbstractTrainer[RunState]):
    """The agent of ``run.start`` takes ES steps on ``run.start_terrain``, exactly as in a niche of POET."""

    kind = "es"

    def iterate(self, state: RunState, parts: Parts) -> tuple[RunState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        before = state
        state, events = optimise(state, parts)
        state, validated = validate(state, events, before, parts, before.iteration + 1)
        return close_iteration(state, [*events, *validated])
