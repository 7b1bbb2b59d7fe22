"""Paired Open-Ended Trailblazer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from environments.errors import InputError
from poet.config import Config
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
    unused = ("trainer.source", "ppo")

    def check_roots(self, parts: Parts) -> None:
        """See ``AbstractTrainer``. Each is an active niche."""
        check_num_roots(len(parts.roots), parts.config)

    def iterate(self, state: PoetState, parts: Parts) -> tuple[PoetState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        return poet_iteration(state, parts)


def check_num_roots(num_roots: int, config: Config) -> None:
    """Raise ``InputError`` if a run of POET cannot start on so many terrains."""
    if num_roots > (most := config.poet.max_active):
        raise InputError(
            f"run.start_terrain names {num_roots} terrains, but poet.max_active is {most}: raise it, or leave terrains "
            "out"
        )
