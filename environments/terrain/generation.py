"""From genes to a course: the state machine of the released code, one function per state.

Source: POET's ``bipedal_walker_custom.py``, ``_generate_terrain`` (Wang et al. 2019, released code). There it runs
vertex by vertex; here each state lays its whole stretch, which gives the same course: grass and obstacles alternate, a
stretch of grass after an obstacle (or, without obstacles, after another stretch) begins with a vertex at the height of
the one before, and ground beyond the last vertex is cut off. Draws that could only give one value are left out.

Coordinates are Python floats, rounded to float32 once, in ``Terrain``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

from environments.streams import Stream
from environments.terrain.constants import (
    GRASS_DAMPING,
    GRASS_PULL,
    INITIAL_RANDOM,
    MIN_OBSTACLE_HEIGHT,
    MIN_POLYGON_AREA,
    MIN_VERTEX_GAP,
    PIT_DEPTH,
    PIT_WALL_WIDTH,
    SCALE,
    STAIR_WIDTH,
    STUMP_WIDTH,
    TERRAIN_GRASS,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STARTPAD,
    TERRAIN_STEP,
)
from environments.terrain.terrain import box2d_area

Point = tuple[float, float]
Interval = tuple[float, float]


@dataclass
class _Course:
    """What has been laid so far; local to one call of ``generate_course``."""

    stream: Stream
    roughness: float
    y: float = TERRAIN_HEIGHT
    velocity: float = 0.0
    ground: list[Point] = field(default_factory=list)
    obstacles: list[list[Point]] = field(default_factory=list)

    @property
    def x(self) -> float:
        """Where the next vertex lies, m."""
        return len(self.ground) * TERRAIN_STEP

    def add_vertex(self, y: float) -> None:
        self.ground.append((self.x, y))

    def add_rectangle(self, left: float, top: float, width: float, height: float) -> None:
        """Put an obstacle there, unless it is too low to matter or would make Box2D assert; metres."""
        right, bottom = left + width, top - height
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        if height >= MIN_OBSTACLE_HEIGHT and box2d_area(corners) > MIN_POLYGON_AREA:
            self.obstacles.append(corners)


def generate_course(
    stream: Stream,
    *,
    roughness: float,
    pit_gap: Interval | None,
    stump_height: Interval | None,
    stair_height: Interval | None,
    stair_steps: tuple[int, int] | None,
) -> tuple[list[Point], list[list[Point]]]:
    """Lay 200 vertices of ground, with the obstacles whose genes are present.

    Args:
        stream: every draw comes from it.
        roughness: factor on the ground's height increments.
        pit_gap, stump_height, stair_height: least and greatest size, in terrain steps, drawn uniformly for each
            obstacle; None: no such obstacle.
        stair_steps: least and greatest number of steps, both included; None exactly when ``stair_height`` is.

    Returns:
        The ground's vertices from left to right and the obstacles in creation order, metres.
    """
    course = _Course(stream, roughness)
    kinds = []
    if stump_height is not None:
        kinds.append(partial(_lay_stump, course, stump_height))
    if stair_height is not None and stair_steps is not None:
        kinds.append(partial(_lay_stairs, course, stair_height, stair_steps))
    if pit_gap is not None:
        kinds.append(partial(_lay_pit, course, pit_gap))

    _lay_grass(course, TERRAIN_STARTPAD)
    while len(course.ground) < TERRAIN_LENGTH:
        if kinds:
            stream.choice(kinds)()
        num_vertices = stream.integer(TERRAIN_GRASS // 2, TERRAIN_GRASS)
        course.add_vertex(course.y)
        _lay_grass(course, num_vertices - 1)
    return course.ground[:TERRAIN_LENGTH], course.obstacles


def draw_push(seed: int) -> float:
    """The push of the terrain with this seed, N; a stream of its own, so that it does not depend on the ground."""
    return push_from(Stream(seed, "push"))


def push_from(stream: Stream) -> float:
    """The next push that a stream gives, N."""
    return stream.uniform(-INITIAL_RANDOM, INITIAL_RANDOM)


def _lay_grass(course: _Course, num_vertices: int) -> None:
    """A random walk with momentum, pulled back to the start pad's height; flat up to the end of the start pad."""
    for _ in range(num_vertices):
        pull = (course.y < TERRAIN_HEIGHT) - (course.y > TERRAIN_HEIGHT)
        course.velocity = GRASS_DAMPING * course.velocity + GRASS_PULL * pull
        if len(course.ground) > TERRAIN_STARTPAD:
            course.velocity += course.stream.uniform(-1.0, 1.0) / SCALE
        course.y += course.roughness * course.velocity
        course.add_vertex(course.y)


def _lay_stump(course: _Course, height_range: Interval) -> None:
    """A rectangle that stands on the ground."""
    height = course.stream.uniform(*height_range) * TERRAIN_STEP
    course.add_rectangle(course.x, course.y + height, STUMP_WIDTH * TERRAIN_STEP, height)
    course.add_vertex(course.y)


def _lay_pit(course: _Course, gap_range: Interval) -> None:
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


def _lay_stairs(course: _Course, height_range: Interval, steps_range: tuple[int, int]) -> None:
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
