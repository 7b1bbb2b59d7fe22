"""The contract of a trainer: it turns the state of a run into the next one and reports what happened.

A trainer object holds only settings. The runner calls it, the archive stores its states and events, and ``status`` and
``analyse`` show the events that it declares. None of them needs to know which trainer it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar, Generic, cast

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import StrategyState
from environments.errors import InputError
from poet.config import NicheConfig
from poet.events import AgentVersion, AnyEvent, Cost, GenerationDone, NicheAdmitted, NicheSolved, NicheValidated
from poet.loop import start, strategy_optimiser
from poet.parts import Parts
from poet.types import RunState, State

#: The events of every trainer in which agents learn in niches.
LEARNING: frozenset[type[AnyEvent]] = frozenset(
    {NicheAdmitted, AgentVersion, GenerationDone, NicheSolved, NicheValidated, Cost}
)


class AbstractTrainer(ABC, Generic[State]):
    """Turns a state into the next one, with events.

    Every trainer has niches, whatever it trains on. A niche is an agent with its own terrain. Each version of the agent
    is run on that terrain for the record, so that every run can be replayed and verified. At least one niche is active;
    niche 0 is a root.

    A trainer is a frozen dataclass whose fields are its settings, ``trainer.settings`` of a config. What it does may
    depend only on the config, the state and named streams (``environments.streams``).

    Raises:
        InputError: a count (int) is below 1, or another number (float) is not finite.
    """

    #: The name under which configs know the trainer.
    kind: ClassVar[str]
    #: The class of its states: ``RunState``, or a subclass with further fields.
    state_type: ClassVar[type[RunState]] = RunState
    #: The kinds of events that it emits. Reports on a run show these.
    events: ClassVar[frozenset[type[AnyEvent]]] = LEARNING
    #: What it does not read of a config: whole sections, or keys as ``section.key``. Here, of one agent that stays.
    unused: ClassVar[tuple[str, ...]] = (
        "poet", "novelty", "transfer", "mutation", "es.on_arrival", "trainer.source", "ppo"
    )  # fmt: skip

    def __post_init__(self) -> None:
        for f in fields(cast(Any, self)):
            value, what = getattr(self, f.name), f"trainer.settings: {f.name} of the trainer {self.kind!r}"
            if f.type in (int, "int") and not (type(value) is int and value >= 1):
                raise InputError(f"{what} must be a whole number from 1 on, but is {value!r}")
            if f.type in (float, "float") and not (type(value) in (int, float) and math.isfinite(value)):
                raise InputError(f"{what} must be a finite number, but is {value!r}")

    def start(self, parts: Parts, theta: NDArray[np.float32] | None) -> tuple[State, tuple[AnyEvent, ...]]:
        """Start a run, with a niche on each terrain of ``run.start_terrain``, or one on the easiest terrain.

        Args:
            parts: the parts that the config names, and the function that runs episodes.
            theta: (P,) float32, the walker to start from; None for random weights.

        Returns:
            The state after 0 iterations, and its events, all of iteration 0.

        Raises:
            InputError: ``run.start_terrain`` names too many terrains.
        """
        self.check_roots(parts)
        return start(parts, theta, cast(type[State], self.state_type), self.first_optimiser)

    def check_roots(self, parts: Parts) -> None:
        """Raise ``InputError`` if a run cannot start on so many terrains."""
        if len(parts.roots) > 1:
            raise InputError(
                f"the trainer {self.kind!r} starts on one terrain, but run.start_terrain names {len(parts.roots)}: "
                "name one, or set run.trainer to 'poet'"
            )

    @abstractmethod
    def iterate(self, state: State, parts: Parts) -> tuple[State, tuple[AnyEvent, ...]]:
        """Do one iteration. ``poet.loop.close_iteration`` counts it and books its costs.

        Args:
            state: after t iterations; it must not be modified.
            parts: the parts that the config names, and the function that runs episodes.

        Returns:
            The state after t + 1 iterations, and its events in order, all of iteration t + 1. They must include a
            ``Cost`` for all episodes that were run.
        """

    def first_optimiser(self, parts: Parts, theta: NDArray[np.float32]) -> StrategyState:
        """The optimiser of a new niche, N = 1, around theta (P,) float32. Later ones keep its types and shapes."""
        return strategy_optimiser(parts, theta)

    def facts(self, state: State) -> Sequence[str]:
        """Short facts about a state that the progress display adds to the niches and their best score."""
        return ()


def without_niches(parts: Parts) -> Parts:
    """The parts of a trainer whose agent trains on other terrains than its own.

    What [niche] says is about a niche's own terrain. Such an agent never rests because it has mastered that one.
    """
    return replace(parts, config=parts.config.model_copy(update={"niche": NicheConfig()}))
