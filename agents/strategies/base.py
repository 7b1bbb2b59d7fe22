"""The contract of an evolution strategy: ask, tell and propose on frozen state, batched over niches.

A strategy object holds only settings. Its state is a frozen dataclass of NumPy arrays. The first axis of each is the
niche axis N, so niches can be joined, split and stored without knowing the strategy. Sums that affect a result are
added in a fixed order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
from environments.streams import StreamKey


@dataclass(frozen=True, eq=False)
class StrategyState:
    """Base of all strategy states: every field is an array whose first axis is N.

    Attributes:
        centre: (N, P) float32, the theta around which each niche's next samples lie.
    """

    centre: NDArray[np.float32]

    @property
    def theta(self) -> NDArray[np.float32]:
        """(N, P) float32, each niche's agent: what is scored, stored and transferred; the centre, unless overridden."""
        return self.centre

    def check(self) -> None:
        """Raise ``ValueError`` if a state that was read back holds what no run writes."""


State = TypeVar("State", bound=StrategyState)


class AbstractStrategy(ABC, Generic[State]):
    """Ask for samples, tell their fitness. Returns are maximised.

    A strategy is a frozen dataclass whose fields are its settings.

    Raises:
        InputError: a count (int) below 1, another number (float) that is negative or not finite, or no noise.
    """

    #: The name under which configs know the strategy.
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for f in fields(cast(Any, self)):
            value = getattr(self, f.name)
            if f.type == "int" and not (type(value) is int and value >= 1):
                raise InputError(f"{self.kind} setting {f.name} must be a whole number from 1 on, but is {value!r}")
            if f.type == "float":
                is_number = isinstance(value, (int, float)) and 0.0 <= value < math.inf
                if not is_number or (f.name == "noise_std" and value == 0.0):
                    raise InputError(f"{self.kind} setting {f.name} must be a positive number, but is {value!r}")

    @abstractmethod
    def initial_state(self, theta: NDArray[np.float32]) -> State:
        """A fresh optimiser around each theta (N, P) float32."""

    def moved(self, state: State, theta: NDArray[np.float32]) -> State:
        """An optimiser that goes on around other thetas (N, P) float32, with the moments and step sizes of ``state``.

        Raises:
            InputError: theta is not (N, P) float32, or not finite.
        """
        return replace(state, centre=as_centres(theta))

    @abstractmethod
    def ask(self, state: State, places: Sequence[StreamKey]) -> tuple[Perturbations, ...]:
        """One sample for each niche, its numbers from that niche's stream."""

    @abstractmethod
    def tell(self, state: State, samples: Sequence[Perturbations], fitness: NDArray[np.float64]) -> State:
        """The state after one step.

        Args:
            state: the same state that ``ask`` was called with.
            samples: the N samples that ``ask`` returned.
            fitness: (N, rows) float64 of every row; -inf ranks below all numbers. NaN is refused.
        """

    @abstractmethod
    def propose(
        self, state: State, samples: Sequence[Perturbations], fitness: NDArray[np.float64], plain: bool = False
    ) -> NDArray[np.float32]:
        """The theta (N, P) that one step would give, from samples around centres *other* than the state's own.

        Args:
            state: the target's optimiser. Its moments and step sizes are used, but not updated.
            samples: around the source's theta.
            fitness: (N, rows) float64.
            plain: take a plain gradient step instead of the optimiser's (POET.md 3: SimpleSGD of the released code).
        """

    @abstractmethod
    def step_sizes(self, state: State) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(N,) noise standard deviation (mean over parameters) and (N,) learning rate, for statistics."""


def as_centres(theta: NDArray[np.float32]) -> NDArray[np.float32]:
    """A checked copy of the thetas that a strategy starts from.

    Raises:
        InputError: it is not (N, P) float32, or not finite.
    """
    found = np.asarray(theta)
    if found.dtype != np.float32 or found.ndim != 2 or found.size == 0:
        raise InputError(f"theta must be (N, P) float32, a row for each niche, but is {found.dtype} of {found.shape}")
    if not np.isfinite(found).all():
        raise InputError("theta must be finite, but holds NaN or infinity")
    return found.copy()


def check_places(state: StrategyState, places: Sequence[StreamKey]) -> None:
    """Raise ``InputError`` unless each niche has a place."""
    if len(places) != len(state.centre) or not all(isinstance(place, StreamKey) for place in places):
        raise InputError(f"places must be a StreamKey for each of {len(state.centre)} niches, but are {places!r:.60}")


def as_fitness(
    state: StrategyState, samples: Sequence[Perturbations], fitness: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The fitness (N, rows) as float64, checked, since kernels would read and write out of bounds if it did not fit.

    Raises:
        InputError: there is not one sample of P parameters per niche, or not one number per row, or NaN.
    """
    found = np.asarray(fitness)
    if [sample.centre.size for sample in samples] != [state.centre.shape[1]] * len(state.centre):
        raise InputError(
            f"samples must be one of {state.centre.shape[1]} parameters for each of {len(state.centre)} niches, but "
            f"are {len(samples)} of {[sample.centre.size for sample in samples]} parameters"
        )
    shape = (len(samples), samples[0].num_rows)
    if found.shape != shape or found.dtype.kind not in "fiu" or {sample.num_rows for sample in samples} != {shape[1]}:
        raise InputError(
            f"fitness must be {shape} numbers, one for each row of a sample, but is {found.dtype} of {found.shape}"
        )
    return found.astype(np.float64, copy=False)


def concatenate(states: Sequence[State]) -> State:
    """One state of all niches, in the order given."""
    first = states[0]
    values: dict[str, Any] = {
        f.name: np.concatenate([getattr(state, f.name) for state in states]) for f in fields(first)
    }
    return replace(first, **values)


def take(state: State, start: int, stop: int) -> State:
    """Niches start..stop-1 of a state."""
    return replace(state, **{f.name: getattr(state, f.name)[start:stop] for f in fields(state)})


def split(state: State) -> tuple[State, ...]:
    """One state for each niche."""
    return tuple(take(state, n, n + 1) for n in range(state.centre.shape[0]))
