"""The genotype of Wang et al. 2019: roughness, pits, stumps and stairs, each an interval of sizes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.errors import InputError, nearest
from environments.streams import Stream
from environments.terrain.generation import draw_push, generate_course
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from environments.terrain.terrain import Terrain

#: Roughness: greatest change by one mutation and greatest value (Wang et al. 2019, table 1; released code).
ROUGHNESS_STEP, MAX_ROUGHNESS = 0.6, 10.0
#: Least change by one mutation: the released code's, and the paper's, whose roughness only grows.
LEAST_ROUGHNESS_STEP = {"symmetric": -ROUGHNESS_STEP, "upward": 0.0}


@dataclass(frozen=True)
class IntervalGene:
    """How an interval of obstacle sizes mutates (Wang et al. 2019, table 1; released code, ``reproduce_ops.py``).

    Attributes:
        name: the field of ``ObstacleGenotype``.
        initial: the interval with which the obstacle first appears; also the least value of either end.
        step: how far a mutation moves an end.
        limit: the greatest value of either end.
    """

    name: str
    initial: tuple[float, float]
    step: float
    limit: float

    def mutated(self, parent: tuple[float, float] | None, stream: Stream, limit: float) -> tuple[float, float]:
        """The child's interval: the initial one, or the parent's with one or both ends moved by one step.

        The move is drawn uniformly among those that keep both ends ordered and within bounds. Where none does (a parent
        outside the bounds, such as after lowering ``max_pit_gap``), the interval stays, as in the released code.
        """
        if parent is None:
            return self.initial
        moves = [
            (low, high) for low in (-self.step, 0, self.step) for high in (-self.step, 0, self.step) if low or high
        ]
        children = [(round(parent[0] + low, 1), round(parent[1] + high, 1)) for low, high in moves]
        legal = [
            (low, high) for low, high in children if self.initial[0] <= low <= high <= limit and high >= self.initial[1]
        ]
        return stream.choice(legal) if legal else parent


PIT_GAP = IntervalGene("pit_gap", (0.0, 0.8), 0.4, 10.0)
STUMP_HEIGHT = IntervalGene("stump_height", (0.0, 0.4), 0.2, 5.0)
STAIR_HEIGHT = IntervalGene("stair_height", (0.0, 0.4), 0.2, 5.0)
# Both ends included: (1, 1) is the paper's "init 1", and the released code's [1, 2] with its upper end excluded.
STAIR_STEPS = IntervalGene("stair_steps", (1, 1), 1, 9)

#: What mutates together, in the order of draws and of features; roughness is the one gene that is not an interval.
GENE_GROUPS: dict[str, tuple[IntervalGene, ...]] = {
    "roughness": (),
    "pit_gap": (PIT_GAP,),
    "stump_height": (STUMP_HEIGHT,),
    "stairs": (STAIR_HEIGHT, STAIR_STEPS),
}


@dataclass(frozen=True)
class ObstacleGenotype(AbstractGenotype):
    """Which obstacles a course has, and how large; sizes are in terrain steps of 14/30 m.

    Attributes:
        roughness: factor on the ground's height increments, 0 to 10; 1 is Gymnasium's ground.
        pit_gap: least and greatest gap between a pit's walls, 0 to 10; None: no pits.
        stump_height: least and greatest height of a stump, 0 to 5; None: no stumps.
        stair_height: least and greatest height of a stair's step, 0 to 5; None: no stairs.
        stair_steps: least and greatest number of steps of a stair, both included, 1 to 9; None: no stairs.

    Raises:
        InputError: a value out of its range, an interval whose ends are not ordered, or half of the stairs.
    """

    kind: ClassVar[str] = "obstacles"

    roughness: float = 0.0
    pit_gap: tuple[float, float] | None = None
    stump_height: tuple[float, float] | None = None
    stair_height: tuple[float, float] | None = None
    stair_steps: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check every gene and give it its canonical type."""
        object.__setattr__(self, "roughness", _number("roughness", self.roughness, 0.0, MAX_ROUGHNESS))
        for genes in GENE_GROUPS.values():
            for gene in genes:
                object.__setattr__(self, gene.name, _interval(gene, getattr(self, gene.name)))
        if (self.stair_height is None) != (self.stair_steps is None):
            raise InputError(
                "stair_height and stair_steps go together, "
                f"found stair_height={self.stair_height} and stair_steps={self.stair_steps}: give both or neither"
            )

    @property
    def name(self) -> str:
        """A short canonical text such as ``r1.2.p0.4_1.2.b0.0_0.4.s1_2_0.0_0.4`` (stairs: steps, then height)."""
        parts = [f"r{self.roughness}"]
        if self.pit_gap is not None:
            parts.append("p{}_{}".format(*self.pit_gap))
        if self.stump_height is not None:
            parts.append("b{}_{}".format(*self.stump_height))
        if self.stair_steps is not None and self.stair_height is not None:
            parts.append("s{}_{}_{}_{}".format(*self.stair_steps, *self.stair_height))
        return ".".join(parts)

    @classmethod
    def initial(cls, settings: TerrainSettings, stream: Stream) -> Self:
        """Flat ground without obstacles; nothing is drawn.

        Raises:
            InputError: the settings name an unknown group or rule.
        """
        _enabled_groups(settings)
        return cls()

    @exact
    def mutate(self, stream: Stream, settings: TerrainSettings) -> Self:
        """A child by the mutation table of the paper (``IntervalGene.mutated``); roughness moves by at most 0.6.

        Values are rounded to one decimal. The draws are in the order of ``GENE_GROUPS``. Height and number of a stair's
        steps are one group: with ``random_subset`` they move together (the paper is silent).

        Raises:
            InputError: the settings name an unknown group or rule.
        """
        groups = _enabled_groups(settings)
        if settings.mutated_genes == "random_subset":
            subset = stream.integer(1, 2 ** len(groups))
            groups = [group for i, group in enumerate(groups) if subset >> i & 1]
        changes: dict[str, Any] = {}
        for group in groups:
            if group == "roughness":
                step = stream.uniform(LEAST_ROUGHNESS_STEP[settings.roughness_step], ROUGHNESS_STEP)
                moved = round(self.roughness + step, 1)
                changes[group] = min(max(0.0, moved), MAX_ROUGHNESS)
            for gene in GENE_GROUPS[group]:
                changes[gene.name] = gene.mutated(getattr(self, gene.name), stream, _limit(gene, settings))
        return replace(self, **changes)

    @exact
    def express(self, seed: int) -> Terrain:
        """The course of this genotype with this seed; ground from the stream "terrain", push from "push"."""
        ground, obstacles = generate_course(
            Stream(seed, "terrain"),
            roughness=self.roughness,
            pit_gap=self.pit_gap,
            stump_height=self.stump_height,
            stair_height=self.stair_height,
            stair_steps=self.stair_steps,
        )
        return Terrain(
            ground=np.array(ground, np.float32),
            obstacles=tuple(np.array(polygon, np.float32) for polygon in obstacles),
            push=draw_push(seed),
        )

    def features(self, settings: TerrainSettings) -> NDArray[np.float64]:
        """(G,) roughness and both ends of every interval, of the enabled groups in the order of ``GENE_GROUPS``."""
        values: list[float] = []
        for group in _enabled_groups(settings):
            if group == "roughness":
                values.append(self.roughness)
            for gene in GENE_GROUPS[group]:
                values += getattr(self, gene.name) or (0.0, 0.0)
        return np.array(values, np.float64)

    @classmethod
    def feature_limits(cls, settings: TerrainSettings) -> NDArray[np.float64]:
        """(G,) the greatest value that mutation can give each feature."""
        limits: list[float] = []
        for group in _enabled_groups(settings):
            if group == "roughness":
                limits.append(MAX_ROUGHNESS)
            for gene in GENE_GROUPS[group]:
                limits += [_limit(gene, settings)] * 2
        return np.array(limits, np.float64)

    def to_json(self) -> dict[str, Any]:
        """The genes by name; an interval is a list of two numbers, an absent one null."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The genotype that ``to_json`` described.

        Raises:
            InputError: a key is missing or unknown, or a value is out of range.
        """
        expected = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) != expected:
            found = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise InputError(f"an obstacle genotype is a JSON object with the keys {sorted(expected)}, found {found}")
        return cls(**data)


def _enabled_groups(settings: TerrainSettings) -> list[str]:
    """The groups that may mutate, in the order of ``GENE_GROUPS``."""
    for group in settings.obstacles:
        if group not in GENE_GROUPS:
            raise InputError(f"terrain.obstacles has the unknown group {group!r}: {nearest(group, GENE_GROUPS)}")
    if not settings.obstacles:
        raise InputError(f"terrain.obstacles must name at least one group of {', '.join(GENE_GROUPS)}, found none")
    for name, value, known in (
        ("mutated_genes", settings.mutated_genes, ["all", "random_subset"]),
        ("roughness_step", settings.roughness_step, list(LEAST_ROUGHNESS_STEP)),
    ):
        if value not in known:
            raise InputError(
                f"{name} must be {' or '.join(map(repr, known))}, found {value!r}: {nearest(value, known)}"
            )
    return [group for group in GENE_GROUPS if group in settings.obstacles]


def _limit(gene: IntervalGene, settings: TerrainSettings) -> float:
    return settings.max_pit_gap if gene is PIT_GAP else gene.limit


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, found {value!r}")
    return math.fabs(value)


def _interval(gene: IntervalGene, value: object) -> tuple[float, float] | None:
    """``value`` as (low, high), whole numbers for the number of steps; None stays None."""
    if value is None:
        return None
    least = gene.initial[0]
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InputError(f"{gene.name} must be two numbers (low, high) or None, found {value!r}")
    low, high = (_number(gene.name, end, least, gene.limit) for end in value)
    if low > high:
        raise InputError(f"{gene.name} must have low <= high, found ({low:g}, {high:g}): swap them")
    if gene is not STAIR_STEPS:
        return low, high
    if low != int(low) or high != int(high):
        raise InputError(f"{gene.name} must be two whole numbers, found ({low:g}, {high:g})")
    return int(low), int(high)
