"""How novel a candidate is among the environments that were ever admitted."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.terrain.genotype import AbstractGenotype, TerrainSettings


@dataclass(frozen=True)
class AbstractNovelty(ABC):
    """Made from the ``[novelty]`` section of a config.

    Attributes:
        neighbors: k, how many nearest environments count.
        scale: ``"none"`` or ``"gene_max"``.
    """

    neighbors: int
    scale: str

    @abstractmethod
    def score(
        self, candidate: AbstractGenotype, others: Sequence[AbstractGenotype], settings: TerrainSettings
    ) -> float:
        """How novel ``candidate`` is among ``others``, all environments ever admitted; higher is more novel."""


class NearestGenes(AbstractNovelty):
    """Mean Euclidean distance to the k nearest gene vectors; all of them if there are fewer than k.

    With ``scale = "gene_max"`` each gene is divided by its greatest value first (the paper's e_max, section 4).

    Reference: novelty.py of the released code; POET.md 4.2.
    """

    def score(
        self, candidate: AbstractGenotype, others: Sequence[AbstractGenotype], settings: TerrainSettings
    ) -> float:
        """See ``AbstractNovelty``."""
        if not others:
            raise ValueError("others must hold at least the root environment, but is empty")
        limits = candidate.feature_limits(settings)
        unit = limits if self.scale == "gene_max" else np.ones_like(limits)
        own = candidate.features(settings) / unit
        distances = sorted(_distance(own, other.features(settings) / unit) for other in others)
        nearest = distances[: self.neighbors]
        return math.fsum(nearest) / len(nearest)


def _distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return math.sqrt(math.fsum((x - y) * (x - y) for x, y in zip(a.tolist(), b.tolist(), strict=True)))
