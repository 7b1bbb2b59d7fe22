"""The contract that every terrain encoding keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain.terrain import Terrain


@dataclass(frozen=True)
class TerrainSettings:
    """What a run lets its terrains do. An encoding with more settings has a subclass of this.

    The fields of such a subclass are set in the config's ``terrain.settings``, by their names.

    Attributes:
        most_mutations: a child is its parent mutated once, or, drawn evenly, up to so many times.
    """

    #: Fields that have a config key of their own instead, with that key. Encodings may share keys; these all have.
    config_keys: ClassVar[Mapping[str, str]] = {"most_mutations": "mutation.most_mutations"}

    most_mutations: int = field(default=1, kw_only=True)


class AbstractGenotype(ABC):
    """A terrain's encoding. Concrete genotypes are frozen dataclasses and are never subclassed.

    The ``settings`` that methods take are of the encoding's own ``settings_type``.
    """

    #: The name under which configs and archives know this encoding.
    kind: ClassVar[str]
    #: What a run can set.
    settings_type: ClassVar[type[TerrainSettings]] = TerrainSettings

    @classmethod
    @abstractmethod
    def initial(cls, settings: Any, stream: Stream) -> Self:
        """The easiest terrain, from which a run starts; draws, if any, come from ``stream``."""

    @abstractmethod
    def mutate(self, stream: Stream, settings: Any) -> Self:
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
    def features(self, settings: Any) -> NDArray[np.float64]:
        """(G,) the genes that are compared for novelty, in the order of ``feature_limits``; absent genes are 0."""

    @classmethod
    @abstractmethod
    def feature_limits(cls, settings: Any) -> NDArray[np.float64]:
        """(G,) the greatest value of each feature, for ``novelty.scale = "gene_max"``."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which ``from_json`` makes an equal genotype."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The genotype that ``to_json`` described.

        Raises:
            InputError: a key is unknown, a value is out of range, or one is missing that has no default.
        """
