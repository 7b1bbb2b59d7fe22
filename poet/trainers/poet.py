"""Paired Open-Ended Trailblazer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from poet.events import AnyEvent, Event
from poet.loop import poet_iteration
from poet.parts import Parts
from poet.trainers.base import AbstractTrainer
from poet.types import PoetState


@dataclass(frozen=True)
class Poet(AbstractTrainer[PoetState]):
    """Terrains mutate, agents learn on them, and agents transfer between them. The algorithm is in ``poet.loop``."""

    kind = "poet"
    state_type = PoetState
    events = frozenset(get_args(Event))
    unused = ("trainer.source",)

    def iterate(self, state: PoetState, parts: Parts) -> tuple[PoetState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        return poet_iteration(state, parts)
