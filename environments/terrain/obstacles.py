"""The genotype of Wang et al. 2019: roughness, pits, stumps and stairs as intervals of sizes; and later genes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.errors import InputError, nearest
from environments.streams import Stream
from environments.terrain.gene import AbstractGene, GeneGroup, Interval
from environments.terrain.generation import draw_push, generate_course
from environments.terrain.genes import GENE_GROUPS, ROUGHNESS, enabled_genes, enabled_groups, known_genes
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from environments.terrain.terrain import Terrain

#: The genes of the first release, in the order in which ``ObstacleGenotype`` takes them. JSON always has them,
#: null where absent, since fingerprints and digests of archives are made from that text. A later gene is written only
#: where it is present. So terrains without it keep their text, and older archives can be read. A POET that does not
#: know a gene refuses a terrain that has it, instead of running another one.
FIRST_GENES = ("roughness", "pit_gap", "stump_height", "stair_height", "stair_steps")


@dataclass(frozen=True)
class ObstacleSettings(TerrainSettings):
    """What a run lets obstacle terrains do.

    Attributes:
        obstacles: the gene groups that may mutate, of ``genes.GENE_GROUPS``, such as ``roughness`` and ``stairs``.
        mutated_genes: ``"all"``: every enabled group mutates in every child (released code); ``"random_subset"``: a
            non-empty random subset does ("some or all", Wang et al. 2019).
        roughness_step: ``"symmetric"``: roughness moves by U(-0.6, 0.6) (released code); ``"upward"``: by U(0, 0.6)
            (the paper's table 1).
        max_pit_gap: upper bound of the pit gap, in terrain steps: 10 in the paper's table 1, 8 in the released code.
    """

    config_keys: ClassVar[Mapping[str, str]] = {
        "obstacles": "terrain.obstacles",
        "mutated_genes": "mutation.genes",
        "roughness_step": "mutation.roughness_step",
        "max_pit_gap": "terrain.max_pit_gap",
    }

    obstacles: tuple[str, ...] = ("roughness", "pit_gap", "stump_height")
    mutated_genes: str = "all"
    roughness_step: str = "symmetric"
    max_pit_gap: float = 10.0


@dataclass(frozen=True)
class ObstacleGenotype(AbstractGenotype):
    """Which obstacles a course has, and how large; sizes are in terrain steps of 14/30 m.

    Attributes:
        roughness: factor on the ground's height increments, 0 to 10; 1 is Gymnasium's ground.
        pit_gap: least and greatest gap between a pit's walls, 0 to 10; None: no pits.
        stump_height: least and greatest height of a stump, 0 to 5; None: no stumps.
        stair_height: least and greatest height of a stair's step, 0 to 5; None: no stairs.
        stair_steps: least and greatest number of steps of a stair, both included, 1 to 9; None: no stairs.
        later: the values of later genes, by name (``genes.GENE_GROUPS``); kept as pairs, without absent ones.

    Raises:
        InputError: a value out of its range, an interval whose ends are not ordered, half of a group such as the
            stairs, or a gene that does not exist.
    """

    kind: ClassVar[str] = "obstacles"
    settings_type: ClassVar[type[TerrainSettings]] = ObstacleSettings

    roughness: float = 0.0
    pit_gap: tuple[float, float] | None = None
    stump_height: tuple[float, float] | None = None
    stair_height: tuple[float, float] | None = None
    stair_steps: tuple[int, int] | None = None
    later: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Check every gene and give it its canonical type."""
        genes, later = known_genes(), dict(self.later)
        for name in later:
            if name in FIRST_GENES or name not in genes:
                first = ", ".join(FIRST_GENES)
                raise InputError(f"later takes genes that came after {first}, found {name!r}: {nearest(name, genes)}")
        for name in FIRST_GENES:
            object.__setattr__(self, name, genes[name].checked(getattr(self, name)))
        checked = {name: gene.checked(later[name]) for name, gene in genes.items() if name in later}
        present = tuple((name, value) for name, value in checked.items() if value != genes[name].absent)
        object.__setattr__(self, "later", present)
        values = self.genes
        for group in GENE_GROUPS.values():
            _check_together(group, values)

    @property
    def genes(self) -> dict[str, Any]:
        """The value of every gene by its name, in the order of ``GENE_GROUPS``."""
        later = dict(self.later)
        return {
            name: getattr(self, name) if name in FIRST_GENES else later.get(name, gene.absent)
            for name, gene in known_genes().items()
        }

    @property
    def name(self) -> str:
        """A short canonical text such as ``r1.2.p0.4_1.2.b0.0_0.4.s1_2_0.0_0.4`` (a group's last gene comes first)."""
        values = self.genes
        return ".".join(
            group.symbol + "_".join(str(x) for gene in reversed(group.genes) for x in gene.features(values[gene.name]))
            for group in GENE_GROUPS.values()
            if group.name == ROUGHNESS.name or group.is_present(values)
        )

    @classmethod
    def initial(cls, settings: ObstacleSettings, stream: Stream) -> Self:
        """Flat ground without obstacles; nothing is drawn.

        Raises:
            InputError: the settings name an unknown group or rule.
        """
        enabled_groups(settings)
        return cls()

    @classmethod
    @exact
    def drawn(cls, settings: ObstacleSettings, stream: Stream) -> Self:
        """A terrain from the whole space of the enabled genes, as domain randomisation draws them.

        The draws are in the order of ``GENE_GROUPS``. A group of which one interval is None is absent as a whole.

        Raises:
            InputError: the settings name an unknown group or rule.
        """
        return cls._of_enabled(settings, lambda gene: gene.drawn(stream, settings))

    @classmethod
    @exact
    def drawn_between(cls, bounds: Mapping[str, Interval], settings: ObstacleSettings, stream: Stream) -> Self:
        """A terrain whose obstacles of a kind all have one size, as automatic domain randomisation draws them.

        The draws and absent groups are as in ``drawn``.

        Args:
            bounds: least and greatest size for each enabled gene, by its name; the draw is uniform between them.
            settings: of the run.
            stream: of all draws.

        Raises:
            InputError: the settings name an unknown group or rule.
        """
        return cls._of_enabled(settings, lambda gene: gene.of_one_size(*bounds[gene.name], stream))

    @classmethod
    def _of_enabled(cls, settings: ObstacleSettings, value_of: Callable[[AbstractGene[Any]], Any]) -> Self:
        """The terrain with these values of the enabled genes, which are asked for in the order of ``GENE_GROUPS``."""
        values = cls().genes
        for group in enabled_groups(settings):
            found = {gene.name: value_of(gene) for gene in group.genes}
            if None not in found.values():
                values |= found
        first = {name: values.pop(name) for name in FIRST_GENES}
        return cls(**first, later=values)

    @exact
    def mutate(self, stream: Stream, settings: ObstacleSettings) -> Self:
        """A child by the mutation table of the paper (``gene``); roughness moves by at most 0.6.

        Values are rounded to one decimal. The draws are in the order of ``GENE_GROUPS``. Height and number of a stair's
        steps are one group: with ``random_subset`` they move together (the paper is silent).

        Raises:
            InputError: the settings name an unknown group or rule.
        """
        groups = enabled_groups(settings)
        if settings.mutated_genes == "random_subset":
            subset = stream.integer(1, 2 ** len(groups))
            groups = [group for i, group in enumerate(groups) if subset >> i & 1]
        values = self.genes
        for group in groups:
            for gene in group.genes:
                values[gene.name] = gene.mutated(values[gene.name], stream, settings)
        first = {name: values.pop(name) for name in FIRST_GENES}
        return replace(self, **first, later=values)

    @exact
    def express(self, seed: int) -> Terrain:
        """The course of this genotype with this seed; ground from the stream "terrain", push from "push"."""
        ground, obstacles = generate_course(Stream(seed, "terrain"), **self.genes)
        return Terrain(
            ground=np.array(ground, np.float32),
            obstacles=tuple(np.array(polygon, np.float32) for polygon in obstacles),
            push=draw_push(seed),
        )

    def features(self, settings: ObstacleSettings) -> NDArray[np.float64]:
        """(G,) roughness and both ends of every interval, of the enabled groups in the order of ``GENE_GROUPS``."""
        values = self.genes
        return np.array([x for gene in enabled_genes(settings) for x in gene.features(values[gene.name])], np.float64)

    @classmethod
    def feature_limits(cls, settings: ObstacleSettings) -> NDArray[np.float64]:
        """(G,) the greatest value that mutation can give each feature."""
        limits = [gene.greatest(settings) for gene in enabled_genes(settings) for _ in range(gene.num_features)]
        return np.array(limits, np.float64)

    def to_json(self) -> dict[str, Any]:
        """The genes by name; an interval is a list of two numbers. See ``FIRST_GENES`` for absent ones."""
        values = {name: getattr(self, name) for name in FIRST_GENES} | dict(self.later)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The genotype that ``to_json`` described. A gene that is missing is absent from the terrain.

        Raises:
            InputError: a key is no gene, or a value is out of range.
        """
        genes = known_genes()
        if not isinstance(data, dict):
            raise InputError(
                f"an obstacle genotype is a JSON object with genes as keys ({', '.join(genes)}), "
                f"found {type(data).__name__}"
            )
        for name in data:
            if name not in genes:
                raise InputError(f"an obstacle genotype has no gene {name!r}: {nearest(name, genes)}")
        first = {name: data.get(name, genes[name].absent) for name in FIRST_GENES}
        return cls(**first, later={name: data[name] for name in data if name not in FIRST_GENES})


def _check_together(group: GeneGroup, values: Mapping[str, Any]) -> None:
    """Raise ``InputError`` where one interval of a group is there and another is not."""
    intervals = {gene.name: values[gene.name] for gene in group.genes if gene.absent is None}
    if len({value is None for value in intervals.values()}) > 1:
        found = " and ".join(f"{name}={value}" for name, value in intervals.items())
        both, neither = ("both", "neither") if len(intervals) == 2 else ("all", "none")
        raise InputError(f"{' and '.join(intervals)} go together, found {found}: give {both} or {neither}")
