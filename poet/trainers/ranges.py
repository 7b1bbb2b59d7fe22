"""Ranges whose ends are whole steps, and the rule of automatic domain randomisation by which trials move them.

Reference: OpenAI 2019, Solving Rubik's Cube with a Robot Hand (arXiv 1910.07113), algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from environments.terrain.elementary import natural_log
from environments.terrain.gene import AbstractGene, Interval
from environments.terrain.genes import known_genes
from environments.terrain.obstacles import ObstacleSettings


class Side(StrEnum):
    """Which end of a range."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class GeneRange:
    """The sizes of one gene that an agent trains on, with the trials at both ends.

    Attributes:
        gene: its name.
        low, high: the ends (the paper's phi), in steps of the gene above its least value.
        low_returns, high_returns: the returns of trials at each end since it was last judged, oldest first.
    """

    gene: str
    low: int = 0
    high: int = 0
    low_returns: tuple[float, ...] = ()
    high_returns: tuple[float, ...] = ()

    def bounds(self, settings: ObstacleSettings) -> Interval:
        """The values of both ends."""
        gene = known_genes()[self.gene]
        return value_at(gene, self.low, settings), value_at(gene, self.high, settings)

    def is_movable(self, side: Side, settings: ObstacleSettings) -> bool:
        """Whether an end can move outwards, or inwards."""
        is_outermost = self.low == 0 if side is Side.LOW else self.high == most_steps(self.gene, settings)
        return self.low < self.high or not is_outermost

    def without_returns(self) -> GeneRange:
        """The range before any trial at its ends."""
        return GeneRange(self.gene, self.low, self.high)


@dataclass(frozen=True)
class MoveRule:
    """When an end moves.

    Attributes:
        buffer: m, how many trials judge an end.
        lower: t_L, the mean return from which downwards it moves inwards by a step.
        upper: t_H, the mean return from which upwards it moves outwards by a step.
    """

    buffer: int
    lower: float
    upper: float

    def after_trial(self, found: GeneRange, side: Side, value: float, most: int) -> tuple[GeneRange, float | None]:
        """A range after one more trial at one of its ends.

        The m-th trial judges the end, and the next m are counted anew. Neither end passes the other, or the bounds.

        Args:
            found: the range.
            side: the end.
            value: the trial's return.
            most: the steps from the gene's least value to its greatest.

        Returns:
            The range, and the mean return that judged the end; None if it was not judged.
        """
        is_low = side is Side.LOW
        returns = (*(found.low_returns if is_low else found.high_returns), value)
        if len(returns) < self.buffer:
            return (replace(found, low_returns=returns) if is_low else replace(found, high_returns=returns)), None
        mean = math.fsum(returns) / len(returns)
        outwards = 1 if mean >= self.upper else -1 if mean <= self.lower else 0
        if is_low:
            return replace(found, low=min(max(0, found.low - outwards), found.high), low_returns=()), mean
        return replace(found, high=min(max(found.low, found.high + outwards), most), high_returns=()), mean


def value_at(gene: AbstractGene[Any], steps: int, settings: ObstacleSettings) -> float:
    """The value so many steps above a gene's least one. Like mutations it is rounded; the last step may be shorter."""
    return float(min(round(gene.least + steps * gene.step, 1), gene.greatest(settings)))


def most_steps(name: str, settings: ObstacleSettings) -> int:
    """How many steps lead from a gene's least value to its greatest; roughness takes 17, of which the last is 0.4."""
    gene = known_genes()[name]
    return math.ceil(round((gene.greatest(settings) - gene.least) / gene.step, 6))


def entropy(ranges: Sequence[GeneRange], settings: ObstacleSettings) -> float:
    """How wide d ranges are: (1/d) sum of ln(max(width, step) / width of all that the gene can have), at most 0.

    The paper's entropy has ln(width), in nats per dimension, which depends on the units and is minus infinity for a
    single point. A width below one step counts as one step.
    """
    logs = []
    for one in ranges:
        gene, (low, high) = known_genes()[one.gene], one.bounds(settings)
        logs.append(natural_log(max(high - low, gene.step) / (gene.greatest(settings) - gene.least)))
    return math.fsum(logs) / len(logs)
