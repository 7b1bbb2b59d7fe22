"""How novel candidates are among the environments that were ever admitted.

Our measures give an environment a vector (its genes, or the scores of all agents in it) and take the mean distance to
the nearest.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.strategies.shaping import centered_mean_ranks
from environments.terrain.genotype import AbstractGenotype, TerrainSettings

Vector = tuple[float, ...]

#: More than rounding can move a distance, relatively: a sum of n squares is off by n units in the last place at most.
_ROUGHNESS = 1e-9


@dataclass(frozen=True, eq=False)
class Environment:
    """An environment in the form that measures of novelty get.

    Attributes:
        genotype: how it is encoded.
        scores: (A,) the score of each agent in it: retired ones in order of retirement, then active ones. The same
            agents for all environments; -inf for a diverged world. None unless the measure ``needs_scores``.
    """

    genotype: AbstractGenotype
    scores: tuple[float, ...] | None = None


@dataclass(frozen=True)
class AbstractNovelty(ABC):
    """A measure, made from a config.

    Attributes:
        neighbors: ``novelty.neighbors``, k: how many nearest environments count.
        scale: ``novelty.scale``: ``"none"`` or ``"gene_max"``.
        lower, upper: ``poet.criterion_lower`` and ``poet.criterion_upper``.
        settings: what terrains may do.
    """

    neighbors: int
    scale: str
    lower: float
    upper: float
    settings: TerrainSettings

    #: Whether environments must come with agents' scores in them, which cost an episode for each pair.
    needs_scores: ClassVar[bool] = False

    @abstractmethod
    def measure(self, candidates: Sequence[Environment], others: Sequence[Environment]) -> list[float]:
        """How novel each candidate is among ``others``, all environments ever admitted; higher is more novel."""


class AbstractDistance(AbstractNovelty):
    """Mean Euclidean distance to the k nearest of the others' vectors; to all of them if there are fewer than k.

    Reference: novelty.py of the released code; POET.md 4.2 and 4.4.
    """

    @abstractmethod
    def vector(self, environment: Environment) -> Vector:
        """What characterises an environment: as many finite numbers for each."""

    def measure(self, candidates: Sequence[Environment], others: Sequence[Environment]) -> list[float]:
        """See ``AbstractNovelty``."""
        if not others:
            raise ValueError("others must hold at least the root environment, but is empty")
        known = [self.vector(other) for other in others]
        table = np.array(known, np.float64)
        return [self._to_nearest(self.vector(candidate), known, table) for candidate in candidates]

    def _to_nearest(self, own: Vector, known: Sequence[Vector], table: NDArray[np.float64]) -> float:
        num = min(self.neighbors, len(known))
        with np.errstate(over="ignore"):
            rough = np.sqrt(np.square(table - np.array(own, np.float64)).sum(axis=1))
        # Sums in another order decide nothing: they only say who is surely not among the nearest.
        within = np.partition(rough, num - 1)[num - 1] * (1.0 + _ROUGHNESS)
        nearest = sorted(_distance(own, known[i]) for i in np.flatnonzero(rough <= within).tolist())[:num]
        return math.fsum(nearest) / num


class NearestGenes(AbstractDistance):
    """By gene vectors.

    With ``scale = "gene_max"`` each gene is divided by its greatest value first (the paper's e_max, section 4).

    Reference: Wang et al. 2019; POET.md 4.2.
    """

    def vector(self, environment: Environment) -> Vector:
        """The genes."""
        genotype = environment.genotype
        limits = genotype.feature_limits(self.settings)
        unit = limits if self.scale == "gene_max" else np.ones_like(limits)
        return tuple((genotype.features(self.settings) / unit).tolist())


class PataEc(AbstractDistance):
    """By how all agents rank in an environment: Performance of All Transferred Agents, Environment Characterization.

    Scores are clipped to the criterion's bounds; beyond these they only say too hard or too easy. Agents that
    score the same share the mean of their ranks: the released code ranks them by position, so that two environments
    that are too hard for the same agents may look different (POET.md 4.4).

    Reference: Wang et al. 2020, section on PATA-EC; ``update_pata_ec`` of the released code.
    """

    needs_scores: ClassVar[bool] = True

    def vector(self, environment: Environment) -> Vector:
        """The centred rank of each agent."""
        if environment.scores is None:
            raise ValueError("PATA-EC needs what each agent scores in an environment, but found None")
        scores = np.clip(np.array(environment.scores, np.float64), self.lower, self.upper)
        # A single agent ranks 0, since there is nothing to compare it with.
        return tuple(centered_mean_ranks(scores).tolist()) if scores.size > 1 else (0.0,) * scores.size


def _distance(a: Vector, b: Vector) -> float:
    return math.sqrt(math.fsum((x - y) * (x - y) for x, y in zip(a, b, strict=True)))
