"""The space of obstacle genes: distances in it, and how much of it a run has reached.

Reference: Wang et al. 2019, section 4; POET.md 7.1. The paper samples 1,000 environments of each challenge level and
sums their distances to the nearest solved one: the less, the better the run covers the space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain.genes import enabled_genes
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from experiments.analysis.genes import level_of
from experiments.analysis.run_tables import RunTables
from poet.config import Config

#: Environments sampled of each level (Wang et al. 2019).
SAMPLES_PER_LEVEL = 1000
#: The samples are the same for every run, so that runs can be compared. They are not part of any run.
SAMPLE_SEED = 0
#: Equal parts of a gene's range, for the share of cells.
CELLS_PER_GENE = 5


@dataclass(frozen=True)
class GeneSpace:
    """The genes that a run lets mutate.

    Attributes:
        settings: of its terrains; only ``obstacles`` and ``max_pit_gap`` are used.
    """

    settings: ObstacleSettings

    @property
    def limits(self) -> NDArray[np.float64]:
        """(G,) the greatest value of each feature."""
        return ObstacleGenotype.feature_limits(self.settings)

    @property
    def uppers(self) -> dict[str, int]:
        """Each gene with the index of its upper end (roughness has one value) among the features."""
        places, index = {}, -1
        for gene in enabled_genes(self.settings):
            index += gene.num_features
            places[gene.name] = index
        return places

    @property
    def max_level(self) -> int:
        """The greatest challenge level that these genes can reach."""
        return self.level(self.limits)

    def level(self, features: Sequence[float] | NDArray[np.float64]) -> int:
        """The challenge level of an environment with these features (G,)."""
        return level_of({gene: features[i] for gene, i in self.uppers.items()})

    def point(self, genotype: Mapping[str, Any]) -> NDArray[np.float64]:
        """(G,) a genotype's features, each over its greatest value; JSON values."""
        return ObstacleGenotype.from_json(dict(genotype)).features(self.settings) / self.limits

    def cell(self, genotype: Mapping[str, Any]) -> tuple[int, ...]:
        """The cell that a genotype lies in: for each gene in which of ``CELLS_PER_GENE`` parts its upper end is."""
        uppers = self.point(genotype)[list(self.uppers.values())]
        return tuple(np.minimum((uppers * CELLS_PER_GENE).astype(np.int64), CELLS_PER_GENE - 1).tolist())

    def distance_from_flat(self, genotype: Mapping[str, Any]) -> float:
        """The paper's distance of two environments, 0 to 1, from the one without roughness and obstacles."""
        point = self.point(genotype)
        return float(np.sqrt(np.mean(point * point)))


def gene_space(config: Config) -> GeneSpace | None:
    """The space of a run's genes; None where terrains are not made of obstacle genes."""
    if config.terrain.genotype != ObstacleGenotype.kind:
        return None
    return GeneSpace(ObstacleSettings(obstacles=config.terrain.obstacles, max_pit_gap=config.terrain.max_pit_gap))


def coverage_table(run: RunTables) -> pd.DataFrame:
    """How much of the gene space the terrains admitted, and those solved, cover.

    Returns:
        Rows ``admitted`` and ``solved``. Columns terrains (which), number (of them), distance (the
        paper's coverage: the sum over samples of all levels of the distance to the nearest of these terrains; less is
        better; NaN where there is none), distance_level_1, 2, 3 (its parts; as far as the genes can reach), cells_share
        (of cells, with each gene's upper end in ``CELLS_PER_GENE`` parts, that hold a terrain). Empty where terrains
        are not made of obstacle genes.
    """
    space = gene_space(run.config)
    if space is None:
        return pd.DataFrame(columns=["terrains", "number", "distance", "cells_share"])
    solved = run.niches["niche_id"].isin(run.solved["niche_id"])
    return pd.DataFrame(
        [
            {"terrains": which, "number": len(niches), **coverage(space, list(niches["genotype"]))}
            for which, niches in (("admitted", run.niches), ("solved", run.niches[solved]))
        ]
    )


def coverage(space: GeneSpace, genotypes: list[dict[str, Any]]) -> dict[str, float]:
    """``distance``, ``distance_level_L`` and ``cells_share`` of ``coverage_table``."""
    points = np.array([space.point(genotype) for genotype in genotypes]).reshape(-1, len(space.limits))
    by_level = {
        f"distance_level_{level}": _distance_to_nearest(sample_level(space, level), points)
        for level in range(1, space.max_level + 1)
    }
    cells = {space.cell(genotype) for genotype in genotypes}
    num_cells = CELLS_PER_GENE ** len(space.uppers)
    total = float(np.sum(list(by_level.values()))) if by_level else float("nan")
    return {"distance": total, **by_level, "cells_share": len(cells) / num_cells}


@lru_cache(maxsize=16)
def sample_level(space: GeneSpace, level: int) -> NDArray[np.float64]:
    """(``SAMPLES_PER_LEVEL``, G) environments of a challenge level, features over their greatest values. Read-only.

    Drawn uniformly from the whole space (both ends of an interval uniform between its least and its greatest value,
    then put in order), keeping those of the level. The stream is ``(SAMPLE_SEED, "coverage", level)``.

    Raises:
        ValueError: these genes cannot reach that level.
    """
    if not 0 <= level <= space.max_level:
        raise ValueError(f"these genes reach the levels 0 to {space.max_level}, found {level}")
    stream = Stream(SAMPLE_SEED, "coverage", level)
    kept: list[list[float]] = []
    while len(kept) < SAMPLES_PER_LEVEL:
        values = _draw(space, stream)
        if space.level(values) == level:
            kept.append(values)
    samples = np.array(kept) / space.limits
    samples.setflags(write=False)
    return samples


def _draw(space: GeneSpace, stream: Stream) -> list[float]:
    """Features of one environment, drawn uniformly."""
    values: list[float] = []
    for gene in enabled_genes(space.settings):
        least, greatest = gene.least, gene.greatest(space.settings)
        values += sorted(stream.uniform(least, greatest) for _ in range(gene.num_features))
    return values


def _distance_to_nearest(samples: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Sum over samples (S, G) of the distance to the nearest point (N, G); NaN without a point."""
    if not len(points):
        return float("nan")
    nearest = np.full(len(samples), np.inf)
    for point in points:
        difference = samples - point
        nearest = np.minimum(nearest, np.mean(difference * difference, axis=1))
    return float(np.sqrt(nearest).sum())
