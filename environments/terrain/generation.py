"""From genes to a course: the state machine of the released code.

Source: POET's ``bipedal_walker_custom.py``, ``_generate_terrain`` (Wang et al. 2019, released code). There it runs
vertex by vertex; here each state lays its whole stretch (obstacles: see ``genes``), which gives the same course: grass
and obstacles alternate, a stretch of grass after an obstacle (or, without obstacles, after another stretch) begins with
a vertex at the height of the one before, and ground beyond the last vertex is cut off. Draws that could only give one
value are left out.

Coordinates are Python floats, rounded to float32 once, in ``Terrain``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from environments.streams import Stream
from environments.terrain.constants import (
    GRASS_DAMPING,
    GRASS_PULL,
    INITIAL_RANDOM,
    SCALE,
    TERRAIN_GRASS,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STARTPAD,
)
from environments.terrain.course import Course, Point
from environments.terrain.genes import GENE_GROUPS, ROUGHNESS, known_genes

#: The groups among which a course chooses its next obstacle, in this order; those that came later follow.
FIRST_KINDS = ("stump_height", "stairs", "pit_gap")


def generate_course(stream: Stream, **genes: Any) -> tuple[list[Point], list[list[Point]]]:
    """Lay 200 vertices of ground, with the obstacles whose genes are present.

    Args:
        stream: every draw comes from it.
        genes: the values by name; a gene that is left out is absent.

    Returns:
        The ground's vertices from left to right and the obstacles in creation order, metres.
    """
    values = {name: gene.absent for name, gene in known_genes().items()} | genes
    course = Course(stream, values)
    kinds = [
        partial(group.lay, course, *(values[gene.name] for gene in group.genes))
        for group in (GENE_GROUPS[name] for name in dict.fromkeys([*FIRST_KINDS, *GENE_GROUPS]))
        if group.lay is not None and group.is_present(values)
    ]

    _lay_grass(course, TERRAIN_STARTPAD)
    while len(course.ground) < TERRAIN_LENGTH:
        if kinds:
            stream.choice(kinds)()
        num_vertices = stream.integer(TERRAIN_GRASS // 2, TERRAIN_GRASS)
        course.add_vertex(course.y)
        _lay_grass(course, num_vertices - 1)
    return course.ground[:TERRAIN_LENGTH], course.obstacles


def draw_push(seed: int) -> float:
    """The push of the terrain with this seed, N. It has its own stream, so it does not depend on the ground."""
    return push_from(Stream(seed, "push"))


def push_from(stream: Stream) -> float:
    """The next push that a stream gives, N."""
    return stream.uniform(-INITIAL_RANDOM, INITIAL_RANDOM)


def _lay_grass(course: Course, num_vertices: int) -> None:
    """A random walk with momentum, pulled back to the start pad's height; flat up to the end of the start pad."""
    roughness = course.genes[ROUGHNESS.name]
    for _ in range(num_vertices):
        pull = (course.y < TERRAIN_HEIGHT) - (course.y > TERRAIN_HEIGHT)
        course.velocity = GRASS_DAMPING * course.velocity + GRASS_PULL * pull
        if len(course.ground) > TERRAIN_STARTPAD:
            course.velocity += course.stream.uniform(-1.0, 1.0) / SCALE
        course.y += roughness * course.velocity
        course.add_vertex(course.y)
