"""What mutates: the contract that every terrain encoding keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain.terrain import Terrain


@dataclass(frozen=True)
class TerrainSettings:
    """What a run lets its terrains do; the ``[terrain]``, ``[mutation]`` and ``[cppn]`` sections of a config.

    Attributes:
        obstacles: the gene groups that may mutate, of ``genes.GENE_GROUPS``, such as ``roughness`` and ``stairs``.
        mutated_genes: ``"all"``: every enabled group mutates in every child (released code); ``"random_subset"``: a
            non-empty random subset does ("some or all", Wang et al. 2019).
        roughness_step: ``"symmetric"``: roughness moves by U(-0.6, 0.6) (released code); ``"upward"``: by U(0, 0.6)
            (the paper's table 1).
        max_pit_gap: upper bound of the pit gap, in terrain steps: 10 in the paper's table 1, 8 in the released code.
        most_mutations: a child is its parent mutated once, or, drawn uniformly, up to so many times.
        cppn_released_quirks: whether CPPN terrains are what the released code makes of them; see ``CppnGenotype``.
    """

    obstacles: tuple[str, ...] = ("roughness", "pit_gap", "stump_height")
    mutated_genes: str = "all"
    roughness_step: str = "symmetric"
    max_pit_gap: float = 10.0
    cppn_released_quirks: bool = False
    most_mutations: int = 1


class AbstractGenotype(ABC):
    """A terrain's encoding. Concrete genotypes are frozen dataclasses and are never subclassed."""

    #: The name under which configs and archives know this encoding.
    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def initial(cls, settings: TerrainSettings, stream: Stream) -> Self:
        """The easiest terrain, from which a run starts; draws, if any, come from ``stream``."""

    @abstractmethod
    def mutate(self, stream: Stream, settings: TerrainSettings) -> Self:
        """One mutation of it; every draw comes from ``stream``."""

    def child(self, stream: Stream, settings: TerrainSettings) -> Self:
        """It after one mutation, or after as many as are drawn where ``settings.most_mutations`` is more than 1."""
        genotype = self
        for _ in range(stream.integer(1, settings.most_mutations + 1) if settings.most_mutations > 1 else 1):
            genotype = genotype.mutate(stream, settings)
        return genotype

    @abstractmethod
    def express(self, seed: int) -> Terrain:
        """The phenotype: ground and obstacles from the stream ``(seed, "terrain")``, push from ``(seed, "push")``."""

    @abstractmethod
    def features(self, settings: TerrainSettings) -> NDArray[np.float64]:
        """(G,) the genes that are compared for novelty, in the order of ``feature_limits``; absent genes are 0."""

    @classmethod
    @abstractmethod
    def feature_limits(cls, settings: TerrainSettings) -> NDArray[np.float64]:
        """(G,) the greatest value of each feature, for ``novelty.scale = "gene_max"``."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which ``from_json`` makes an equal genotype."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The genotype that ``to_json`` described.

        Raises:
            InputError: a key is missing, unknown or out of range.
        """
