"""The genotype of Wang et al. 2020: ground as a function of place, computed by a small network that grows (CPPN)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.constants import TERRAIN_HEIGHT, TERRAIN_LENGTH, TERRAIN_STEP
from environments.terrain.cppn_genes import ConnectionGene, NodeGene, check_network, has_path, in_order
from environments.terrain.cppn_ground import (
    GREATEST_AMPLITUDE,
    cppn_heights,
    fit_to_walk,
    fit_to_walk_as_released,
    hold_vertices,
    with_response,
)
from environments.terrain.cppn_mutation import first_network, mutate_network
from environments.terrain.generation import draw_push
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from environments.terrain.terrain import Terrain

Gene = TypeVar("Gene", NodeGene, ConnectionGene)

#: How often mutation tries to make a child before it gives up; the released code tries for ever. A root takes up to 50.
MAX_TRIES = 1000
#: The vertices whose heights are compared for novelty: every tenth, 4.67 m apart, from 13.5 m on.
STATIONS = tuple(range(29, TERRAIN_LENGTH, 10))


@dataclass(frozen=True)
class CppnSettings(TerrainSettings):
    """What a run lets CPPN terrains do.

    Attributes:
        released_quirks: whether they are what the released code makes of them; see ``CppnGenotype``.
    """

    config_keys: ClassVar[Mapping[str, str]] = {"released_quirks": "cppn.released_quirks"}

    released_quirks: bool = False


@dataclass(frozen=True)
class CppnGenotype(AbstractGenotype):
    """A network from the place on the course to the height of the ground there; no obstacles.

    Attributes:
        nodes: the output and hidden nodes, in order of id.
        connections: in order of source, then target; the order in which inputs are summed.
        released_quirks: what the released code does differently. Its mutation tests and scales a child on other inputs
            than those of the course, so amplitudes are unbounded and no ground only descends. And every fifth to ninth
            vertex, as the terrain's seed decides, is as high as the one before it. Without the quirks, mutation bounds
            the amplitude of every child to 0.25 to 16 m, and the seed changes only the push.

    Raises:
        InputError: genes that do not make an acyclic network from the input to the output.
    """

    kind: ClassVar[str] = "cppn"
    settings_type: ClassVar[type[TerrainSettings]] = CppnSettings

    nodes: tuple[NodeGene, ...]
    connections: tuple[ConnectionGene, ...]
    released_quirks: bool = False

    def __post_init__(self) -> None:
        """Check that the genes fit together and bring them into their canonical order."""
        check_network(self.nodes, self.connections)
        if not isinstance(self.released_quirks, bool):
            raise InputError(f"released_quirks must be true or false, found {self.released_quirks!r}")
        object.__setattr__(self, "nodes", tuple(sorted(self.nodes, key=lambda node: node.id)))
        object.__setattr__(self, "connections", in_order(self.connections))

    @property
    def num_nodes(self) -> int:
        """How many nodes there are: the output and all hidden ones."""
        return len(self.nodes)

    @property
    def num_connections(self) -> int:
        """How many connections are enabled."""
        return [gene.is_enabled for gene in self.connections].count(True)

    @classmethod
    @exact
    def initial(cls, settings: CppnSettings, stream: Stream) -> Self:
        """A straight slope: weight N(0, 0.25^2), bias N(0, 0.1^2), the root of the released code.

        At the end of the course it is N(0, 1.4^2) m above or below the start. Unlike a child, it is not made steeper if
        it is below 0.25 m: a run starts from the easiest terrain, and that rule only makes children differ visibly from
        their parents. So the root is the same with and without ``released_quirks``.
        """
        return cls(*first_network(stream), settings.released_quirks)

    @exact
    def mutate(self, stream: Stream, settings: CppnSettings) -> Self:
        """A child by NEAT (``cppn_mutation``), tried again until it differs and is fit to walk on (``cppn_ground``).

        Every try starts from this genotype with a response of 1. The child has this genotype's ``released_quirks``.

        Raises:
            RuntimeError: no child in ``MAX_TRIES`` tries.
        """
        fit = fit_to_walk_as_released if self.released_quirks else fit_to_walk
        parent_nodes = with_response(self.nodes, 1.0)
        for _ in range(MAX_TRIES):
            nodes, connections = mutate_network(parent_nodes, self.connections, stream)
            is_same = nodes == self.nodes and connections == self.connections
            if is_same or not has_path([(gene.source, gene.target) for gene in connections]):
                continue
            if (scaled := fit(nodes, connections, stream)) is not None:
                return type(self)(scaled, connections, self.released_quirks)
        raise RuntimeError(
            f"a CPPN terrain had no child in {MAX_TRIES} tries whose ground is finite and not flat: {self.to_json()}"
        )

    @exact
    def express(self, seed: int) -> Terrain:
        """The ground, with no obstacles; push from the stream "push", held vertices, if any, from "terrain"."""
        heights = cppn_heights(self.nodes, self.connections)
        if self.released_quirks:
            heights = hold_vertices(heights, Stream(seed, "terrain"))
        x = np.arange(TERRAIN_LENGTH, dtype=np.float64) * TERRAIN_STEP
        return Terrain(ground=np.column_stack([x, TERRAIN_HEIGHT + heights]), push=draw_push(seed))

    @exact
    def features(self, settings: CppnSettings) -> NDArray[np.float64]:
        """(18,) heights above the start pad in m at the vertices ``STATIONS``, none of them held."""
        return cppn_heights(self.nodes, self.connections)[list(STATIONS)]

    @classmethod
    def feature_limits(cls, settings: CppnSettings) -> NDArray[np.float64]:
        """(18,) the greatest amplitude that mutation makes, m; with ``released_quirks`` heights may go beyond it."""
        return np.full(len(STATIONS), GREATEST_AMPLITUDE)

    def to_json(self) -> dict[str, Any]:
        """The genes in canonical order, each an object of its values by name."""
        return {
            "nodes": [asdict(node) for node in self.nodes],
            "connections": [asdict(gene) for gene in self.connections],
            "released_quirks": self.released_quirks,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The genotype that ``to_json`` described.

        Raises:
            InputError: a key is missing or unknown, a value is out of range, or the genes make no network.
        """
        expected = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) != expected:
            raise InputError(f"a CPPN genotype is a JSON object with the keys {sorted(expected)}, found {_keys(data)}")
        return cls(
            _genes(NodeGene, "nodes", data["nodes"]),
            _genes(ConnectionGene, "connections", data["connections"]),
            data["released_quirks"],
        )


def _genes(kind: type[Gene], name: str, values: Any) -> tuple[Gene, ...]:
    expected = {field.name for field in fields(kind)}
    if not isinstance(values, list):
        raise InputError(f"a CPPN genotype's {name} must be a list, found {values!r:.60}")
    for value in values:
        if not isinstance(value, dict) or set(value) != expected:
            raise InputError(
                f"each of a CPPN genotype's {name} is a JSON object with the keys {sorted(expected)}, "
                f"found {_keys(value)}"
            )
    return tuple(kind(**value) for value in values)


def _keys(value: Any) -> Any:
    return sorted(value) if isinstance(value, dict) else type(value).__name__
