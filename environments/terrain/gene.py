"""What a gene of obstacle terrains is: its values, how they mutate, and how they are shown to people.

The genes themselves are in ``genes``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from environments.errors import InputError

if TYPE_CHECKING:
    from environments.streams import Stream
    from environments.terrain.obstacles import ObstacleSettings

Value = TypeVar("Value")
Interval = tuple[float, float]

#: The least move of a number, in steps: the released code's, and the paper's, whose roughness only grows.
LEAST_MOVE = {"symmetric": -1.0, "upward": 0.0}


@dataclass(frozen=True, kw_only=True)
class AbstractGene(ABC, Generic[Value]):
    """One gene; a mutation rounds values to one decimal.

    Attributes:
        name: its key in JSON and in tables, and in ``ObstacleGenotype``.
        unit: of its values, as plots show it; lengths are in terrain steps of 14/30 m.
        step: how far a mutation moves a value.
        limit: the greatest value.
        challenging: the upper end from which it makes a terrain harder than Gymnasium's hardcore course; None if the
            paper gives no such bound (Wang et al. 2019; POET.md 7.1).
        hardcore: the upper end from which a terrain is as hard as that course; None if that course has no such gene.
    """

    name: str
    unit: str
    step: float
    limit: float
    challenging: float | None = None
    hardcore: float | None = None

    #: The value in a terrain without it.
    absent: ClassVar[Any]
    #: How many numbers it adds to the features that terrains are compared by.
    num_features: ClassVar[int]

    @property
    @abstractmethod
    def least(self) -> float:
        """The least value where the gene is present."""

    def greatest(self, settings: ObstacleSettings) -> float:
        """The greatest value that mutation can give it in a run."""
        return self.limit

    @abstractmethod
    def mutated(self, parent: Value, stream: Stream, settings: ObstacleSettings) -> Value:
        """The child's value; every draw comes from ``stream``."""

    @abstractmethod
    def drawn(self, stream: Stream, settings: ObstacleSettings) -> Value:
        """A value from the whole range that a run allows; every draw comes from ``stream``."""

    @abstractmethod
    def of_one_size(self, low: float, high: float, stream: Stream) -> Value:
        """A value in which every size is the same, drawn uniformly from ``low`` to ``high``; absent where it is 0."""

    @abstractmethod
    def checked(self, value: object) -> Value:
        """A value in its canonical type.

        Raises:
            InputError: this gene cannot have that value.
        """

    @abstractmethod
    def features(self, value: Value) -> tuple[float, ...]:
        """``num_features`` numbers, the greatest last; absent ones are 0."""


@dataclass(frozen=True, kw_only=True)
class NumberGene(AbstractGene[float]):
    """A number from 0, which means absent, to ``limit``. A mutation moves it by at most a step.

    Attributes:
        direction_setting: the field of ``ObstacleSettings`` that says whether it moves both ways; None: it does.
    """

    direction_setting: str | None = None

    absent: ClassVar[Any] = 0.0
    num_features: ClassVar[int] = 1

    @property
    def least(self) -> float:
        """The same as if it were absent."""
        return 0.0

    def mutated(self, parent: float, stream: Stream, settings: ObstacleSettings) -> float:
        """The parent's number, moved by a uniform draw, and kept within its bounds."""
        direction = getattr(settings, self.direction_setting) if self.direction_setting else "symmetric"
        move = stream.uniform(LEAST_MOVE[direction] * self.step, self.step)
        return min(max(0.0, round(parent + move, 1)), self.limit)

    def drawn(self, stream: Stream, settings: ObstacleSettings) -> float:
        """Uniform from 0 to the limit."""
        return stream.uniform(0.0, self.greatest(settings))

    def of_one_size(self, low: float, high: float, stream: Stream) -> float:
        """The number that is drawn."""
        return stream.uniform(low, high)

    def checked(self, value: object) -> float:
        """See ``AbstractGene``."""
        return _number(self.name, value, 0.0, self.limit)

    def features(self, value: float) -> tuple[float, ...]:
        """The number."""
        return (value,)


@dataclass(frozen=True, kw_only=True)
class IntervalGene(AbstractGene[Interval | None]):
    """Least and greatest size of the obstacles of one course; None: it has no such obstacles.

    Attributes:
        initial: the interval with which the obstacle first appears; also the least value of either end.
        limit_setting: the field of ``ObstacleSettings`` with the greatest value in a run; None: ``limit``.
        is_whole: whether both ends are whole numbers.
    """

    initial: Interval
    limit_setting: str | None = None
    is_whole: bool = False

    absent: ClassVar[Any] = None
    num_features: ClassVar[int] = 2

    @property
    def least(self) -> float:
        """The lower end of the first interval."""
        return self.initial[0]

    def greatest(self, settings: ObstacleSettings) -> float:
        """See ``AbstractGene``."""
        return float(getattr(settings, self.limit_setting)) if self.limit_setting else self.limit

    def mutated(self, parent: Interval | None, stream: Stream, settings: ObstacleSettings) -> Interval:
        """The first interval, or the parent's with one or both ends moved by one step.

        The move is drawn uniformly among those that keep both ends ordered and within bounds. Where none does (a parent
        outside the bounds, such as after lowering ``max_pit_gap``), the interval stays, as in the released code.

        Reference: Wang et al. 2019, table 1; ``reproduce_ops.py`` of the released code; POET.md 1.4.
        """
        if parent is None:
            return self.initial
        limit = self.greatest(settings)
        moves = [
            (low, high) for low in (-self.step, 0, self.step) for high in (-self.step, 0, self.step) if low or high
        ]
        children = [(round(parent[0] + low, 1), round(parent[1] + high, 1)) for low, high in moves]
        legal = [
            (low, high) for low, high in children if self.initial[0] <= low <= high <= limit and high >= self.initial[1]
        ]
        return stream.choice(legal) if legal else parent

    def drawn(self, stream: Stream, settings: ObstacleSettings) -> Interval | None:
        """Two uniform draws in order, so uniform over all intervals; None if no obstacle could be as large as at first.

        Reference: ``envs/bipedalwalker/adversarial.py`` of facebookresearch/dcd, whose pits vanish below 0.8, too, but
        stumps and stairs below 0.2.
        """
        greatest = self.greatest(settings)
        if self.is_whole:
            ends: list[float] = [stream.integer(int(self.least), int(greatest) + 1) for _ in range(2)]
        else:
            ends = [stream.uniform(self.least, greatest) for _ in range(2)]
        low, high = sorted(ends)
        return (low, high) if high >= self.initial[1] else None

    def of_one_size(self, low: float, high: float, stream: Stream) -> Interval | None:
        """An interval from the size that is drawn to itself."""
        size = stream.integer(int(low), int(high) + 1) if self.is_whole else stream.uniform(low, high)
        return (size, size) if size > 0 else None

    def checked(self, value: object) -> Interval | None:
        """``value`` as (low, high), whole numbers where the gene is; None stays None."""
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise InputError(f"{self.name} must be two numbers (low, high) or None, found {value!r}")
        low, high = (_number(self.name, end, self.least, self.limit) for end in value)
        if low > high:
            raise InputError(f"{self.name} must have low <= high, found ({low:g}, {high:g}): swap them")
        if not self.is_whole:
            return low, high
        if low != int(low) or high != int(high):
            raise InputError(f"{self.name} must be two whole numbers, found ({low:g}, {high:g})")
        return int(low), int(high)

    def features(self, value: Interval | None) -> tuple[float, ...]:
        """Both ends."""
        return value or (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class GeneGroup:
    """Genes that mutate together: what ``terrain.obstacles`` names.

    Attributes:
        name: its name there.
        genes: in the order of draws and of features. Intervals of one group are all present, or none is.
        symbol: its letter in a genotype's short name.
        lay: puts one obstacle on a ``Course``, given the genes' values in that order. None for genes that make no
            obstacles but change how others or the ground are laid; those are read from ``Course.genes``.
    """

    name: str
    genes: tuple[AbstractGene[Any], ...]
    symbol: str
    lay: Callable[..., None] | None = None

    def is_present(self, values: Mapping[str, Any]) -> bool:
        """Whether a terrain with these values, by gene, has any of it."""
        return any(values[gene.name] != gene.absent for gene in self.genes)


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, found {value!r}")
    return math.fabs(value)
