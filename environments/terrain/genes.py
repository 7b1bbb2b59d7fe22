"""Every gene of obstacle terrains, and how its obstacles are laid: the one place to add a gene (CONTRIBUTING.md).

Steps, limits and first values: Wang et al. 2019, table 1, and ``reproduce_ops.py`` of the released code; POET.md 1.4.
Values from which a terrain is challenging: Wang et al. 2019; POET.md 7.1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from environments.errors import InputError, nearest
from environments.terrain.constants import (
    MIN_VERTEX_GAP,
    PIT_DEPTH,
    PIT_WALL_WIDTH,
    STAIR_WIDTH,
    STUMP_WIDTH,
    TERRAIN_STEP,
)
from environments.terrain.course import Course
from environments.terrain.gene import LEAST_MOVE, AbstractGene, GeneGroup, Interval, IntervalGene, NumberGene

if TYPE_CHECKING:
    from environments.terrain.obstacles import ObstacleSettings

#: Factor on the height increments of the ground; 1 is Gymnasium's ground.
ROUGHNESS = NumberGene(
    name="roughness",
    unit="factor on ground increments",
    step=0.6,
    limit=10.0,
    direction_setting="roughness_step",
    challenging=4.5,
    hardcore=1.0,
)
#: The free gap between a pit's walls.
PIT_GAP = IntervalGene(
    name="pit_gap",
    unit="terrain steps",
    initial=(0.0, 0.8),
    step=0.4,
    limit=10.0,
    limit_setting="max_pit_gap",
    challenging=6.0,
    hardcore=3.0,
)
STUMP_HEIGHT = IntervalGene(
    name="stump_height",
    unit="terrain steps",
    initial=(0.0, 0.4),
    step=0.2,
    limit=5.0,
    challenging=2.4,
    hardcore=2.0,
)
#: The height of each step of a stair.
STAIR_HEIGHT = IntervalGene(name="stair_height", unit="terrain steps", initial=(0.0, 0.4), step=0.2, limit=5.0)
# Both ends included: (1, 1) is the paper's "init 1", and the released code's [1, 2] with its upper end excluded.
STAIR_STEPS = IntervalGene(name="stair_steps", unit="steps", initial=(1, 1), step=1, limit=9, is_whole=True)


def lay_stump(course: Course, height_range: Interval) -> None:
    """A rectangle that stands on the ground."""
    height = course.stream.uniform(*height_range) * TERRAIN_STEP
    course.add_rectangle(course.x, course.y + height, STUMP_WIDTH * TERRAIN_STEP, height)
    course.add_vertex(course.y)


def lay_pit(course: Course, gap_range: Interval) -> None:
    """Two walls sunk in the ground, which dips under them; exactly the drawn gap is free between the walls."""
    reach = PIT_WALL_WIDTH + course.stream.uniform(*gap_range)
    depth = PIT_DEPTH * TERRAIN_STEP
    start_x = course.x
    for left in (start_x, start_x + reach * TERRAIN_STEP):
        course.add_rectangle(left, course.y, PIT_WALL_WIDTH * TERRAIN_STEP, depth)
    course.add_vertex(course.y)
    for _ in range(math.ceil(reach)):
        course.add_vertex(course.y - depth)
    # The ground comes up at the far wall's right side, left of the grid's next vertex.
    end_x = start_x + (reach + PIT_WALL_WIDTH) * TERRAIN_STEP
    course.ground.append((max(end_x, course.ground[-1][0] + MIN_VERTEX_GAP), course.y))


def lay_stairs(course: Course, height_range: Interval, steps_range: tuple[int, int]) -> None:
    """A flight of steps, each four terrain steps deep, up or down; the ground runs along below their tops."""
    height = course.stream.uniform(*height_range) * TERRAIN_STEP
    slope = 1 if course.stream.uniform() > 0.5 else -1
    num_steps = course.stream.integer(steps_range[0], steps_range[1] + 1)
    start_x, start_y = course.x, course.y
    width = STAIR_WIDTH * TERRAIN_STEP
    for step in range(num_steps):
        course.add_rectangle(start_x + step * width, start_y + step * height * slope, width, height)
    course.add_vertex(start_y)
    for i in range(num_steps * STAIR_WIDTH):
        course.y = start_y + (i // STAIR_WIDTH) * height * slope - (height if slope == -1 else 0.0)
        course.add_vertex(course.y)


#: Genes that mutate together, by name, in the order of draws and of features. Stored runs depend on this order, so a
#: new group comes last. Roughness has no ``lay``, since it is laid with the ground.
GENE_GROUPS = {
    group.name: group
    for group in (
        GeneGroup(name="roughness", genes=(ROUGHNESS,), symbol="r"),
        GeneGroup(name="pit_gap", genes=(PIT_GAP,), symbol="p", lay=lay_pit),
        GeneGroup(name="stump_height", genes=(STUMP_HEIGHT,), symbol="b", lay=lay_stump),
        GeneGroup(name="stairs", genes=(STAIR_HEIGHT, STAIR_STEPS), symbol="s", lay=lay_stairs),
    )
}


def known_genes() -> dict[str, AbstractGene[Any]]:
    """Every gene by its name, in the order of ``GENE_GROUPS``."""
    return {gene.name: gene for group in GENE_GROUPS.values() for gene in group.genes}


def check_group(name: str) -> str:
    """The name of a group, as ``terrain.obstacles`` has it.

    Raises:
        InputError: there is no such group.
    """
    if name not in GENE_GROUPS:
        raise InputError(f"terrain.obstacles has the unknown group {name!r}: {nearest(name, GENE_GROUPS)}")
    return name


def enabled_groups(settings: ObstacleSettings) -> list[GeneGroup]:
    """The groups that may mutate, in the order of ``GENE_GROUPS``.

    Raises:
        InputError: the settings name an unknown group or rule, or no group.
    """
    for name in settings.obstacles:
        check_group(name)
    if not settings.obstacles:
        raise InputError(f"terrain.obstacles must name at least one group of {', '.join(GENE_GROUPS)}, found none")
    for rule, value, known in (
        ("mutated_genes", settings.mutated_genes, ["all", "random_subset"]),
        ("roughness_step", settings.roughness_step, list(LEAST_MOVE)),
    ):
        if value not in known:
            raise InputError(
                f"{rule} must be {' or '.join(map(repr, known))}, found {value!r}: {nearest(value, known)}"
            )
    return [group for name, group in GENE_GROUPS.items() if name in settings.obstacles]


def enabled_genes(settings: ObstacleSettings) -> list[AbstractGene[Any]]:
    """The genes of ``enabled_groups``."""
    return [gene for group in enabled_groups(settings) for gene in group.genes]
