"""The contract of a trainer: what turns the state of a run into the next one, and says what happened.

A trainer object holds settings only. The runner calls it, the archive keeps its states and events, and ``status`` and
``analyse`` show what it declares; none of these knows which trainer it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar, Generic, cast

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import StrategyState
from environments.errors import InputError
from poet.events import AgentVersion, AnyEvent, Cost, GenerationDone, NicheAdmitted, NicheSolved, NicheValidated
from poet.loop import start, strategy_optimiser
from poet.parts import Parts
from poet.types import RunState, State

#: What happens wherever an agent learns in a niche.
LEARNING: frozenset[type[AnyEvent]] = frozenset(
    {NicheAdmitted, AgentVersion, GenerationDone, NicheSolved, NicheValidated, Cost}
)


class AbstractTrainer(ABC, Generic[State]):
    """From a state to the next one, with events.

    Whatever it trains, and on whatever, it has niches: an agent and a terrain of its own, on which each version of the
    agent is run for the record, so that every run can be replayed and proven. At least one is active; niche 0 is the
    root.

    A trainer is a frozen dataclass whose fields are its settings, ``trainer.settings`` of a config. What happens is
    decided by the config, the state and named streams (``environments.streams``) alone.

    Raises:
        InputError: a count (int) below 1, or another number (float) that is negative or not finite.
    """

    #: The name under which configs know the trainer.
    kind: ClassVar[str]
    #: Its states: ``RunState``, or a subclass with what else it has to remember.
    state_type: ClassVar[type[RunState]] = RunState
    #: The kinds of events that it has. What is shown of a run goes by these.
    events: ClassVar[frozenset[type[AnyEvent]]] = LEARNING
    #: Sections of a config that it does not read.
    unused: ClassVar[tuple[str, ...]] = ("poet", "novelty", "transfer", "mutation")

    def __post_init__(self) -> None:
        for f in fields(cast(Any, self)):
            value, what = getattr(self, f.name), f"trainer.settings: {f.name} of the trainer {self.kind!r}"
            if f.type in (int, "int") and not (type(value) is int and value >= 1):
                raise InputError(f"{what} must be a whole number from 1 on, but is {value!r}")
            if f.type in (float, "float") and not (type(value) in (int, float) and 0.0 <= value < math.inf):
                raise InputError(f"{what} must be a number from 0 on, but is {value!r}")

    def start(self, parts: Parts, theta: NDArray[np.float32] | None) -> tuple[State, tuple[AnyEvent, ...]]:
        """A run's beginning: one niche on ``run.start_terrain``, or on the easiest terrain.

        Args:
            parts: what the config names, and what runs episodes.
            theta: (P,) float32, the walker to start from; None for random weights.

        Returns:
            The state after 0 iterations, and its events, all of iteration 0.
        """
        return start(parts, theta, cast(type[State], self.state_type), self.first_optimiser)

    @abstractmethod
    def iterate(self, state: State, parts: Parts) -> tuple[State, tuple[AnyEvent, ...]]:
        """One iteration; ``poet.loop.close_iteration`` counts it, and books its costs.

        Args:
            state: after t iterations; nothing of it is changed.
            parts: what the config names, and what runs episodes.

        Returns:
            The state after t + 1 iterations, and what happened, in order: every event of iteration t + 1, and a
            ``Cost`` for all that was run.
        """

    def first_optimiser(self, parts: Parts, theta: NDArray[np.float32]) -> StrategyState:
        """What a niche's agent is trained with, N = 1, at theta (P,) float32; later ones are of its types and sizes."""
        return strategy_optimiser(parts, theta)

    def facts(self, state: State) -> Sequence[str]:
        """What progress says of a state, in a few words each, beside its niches and their best score."""
        return ()
