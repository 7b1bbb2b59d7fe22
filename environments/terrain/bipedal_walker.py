"""The courses of Gymnasium's ``BipedalWalker-v3`` and ``BipedalWalkerHardcore-v3``, to the bit, from the same seeds.

Gymnasium goes vertex by vertex through states (``gymnasium/envs/box2d/bipedal_walker.py``, ``_generate_terrain``). Here
each stretch is laid whole, as in ``generation``. What decides the bits is kept: every draw in its order, those of the
clouds included, and every float64 expression as it is written there.
"""

from __future__ import annotations

import numpy as np

from environments.arithmetic import exact
from environments.compiled import allocating_kernel
from environments.terrain.constants import (
    GRASS_DAMPING,
    GRASS_PULL,
    INITIAL_RANDOM,
    PIT_DEPTH,
    SCALE,
    STAIR_WIDTH,
    TERRAIN_GRASS,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STARTPAD,
    TERRAIN_STEP,
)
from environments.terrain.terrain import CLOUD_DRAWS, Terrain

#: Clouds of a course, one for 20 vertices.
_NUM_CLOUDS = TERRAIN_LENGTH // 20
#: Room for obstacles. Pits are the densest: two rectangles, in ten vertices with the grass behind.
_MOST_OBSTACLES = 48
#: The kinds of obstacles, as Gymnasium draws them.
_STUMP, _STAIRS, _PIT = 1, 2, 3
_X = (np.arange(TERRAIN_LENGTH) * TERRAIN_STEP).astype(np.float32)


@exact
def draw_terrain(np_random: np.random.Generator, is_hardcore: bool) -> Terrain:
    """The course and the push that ``reset`` of Gymnasium's env makes of its generator in this state.

    Args:
        np_random: as from ``gymnasium.utils.seeding.np_random(seed)``; it has drawn afterwards what Gymnasium draws.
        is_hardcore: with pits, stumps and stairs, as ``BipedalWalkerHardcore-v3``.
    """
    ground = np.empty((TERRAIN_LENGTH, 2), np.float32)
    ground[:, 0] = _X
    corners = np.empty((_MOST_OBSTACLES, 4, 2), np.float32)
    num_obstacles = lay_course(np_random, is_hardcore, ground, corners)
    np_random.random(_NUM_CLOUDS * CLOUD_DRAWS)
    push = np_random.uniform(-INITIAL_RANDOM, INITIAL_RANDOM)
    return Terrain.as_made(ground, tuple(corners[:num_obstacles]), push)


@allocating_kernel
def lay_course(np_random, is_hardcore, ground, corners):  # type: ignore[no-untyped-def]
    """Lay ground and obstacles.

    Args:
        np_random: a generator.
        is_hardcore: see ``draw_terrain``.
        ground: (200, 2) float32, m; the heights are written.
        corners: (48, 4, 2) float32, m, written: of each obstacle, in the order in which Box2D keeps them.

    Returns:
        The number of obstacles.
    """
    y, velocity, num_obstacles = TERRAIN_HEIGHT, 0.0, 0
    end = 0  # of what has been laid, or would have been beyond the last vertex
    length, is_start = TERRAIN_STARTPAD, True
    while end < TERRAIN_LENGTH:
        for i in range(end, min(end + length, TERRAIN_LENGTH)):
            if i > end or is_start:
                velocity = GRASS_DAMPING * velocity + GRASS_PULL * np.sign(TERRAIN_HEIGHT - y)
                if i > TERRAIN_STARTPAD:
                    velocity += np_random.uniform(-1.0, 1.0) / SCALE
                y += velocity
            ground[i, 1] = y
        end, is_start = end + length, False
        if end > TERRAIN_LENGTH:
            break
        length = np_random.integers(TERRAIN_GRASS // 2, TERRAIN_GRASS)
        if not is_hardcore:
            continue
        # The length just drawn is of no use: an obstacle has its own, and the grass behind it draws another.
        kind = np_random.integers(_STUMP, _PIT + 1)
        if end == TERRAIN_LENGTH:
            break
        if kind == _STUMP:
            end, y, num_obstacles = _lay_stump(np_random, end, y, ground, corners, num_obstacles)
        elif kind == _STAIRS:
            end, y, num_obstacles = _lay_stairs(np_random, end, y, ground, corners, num_obstacles)
        else:
            end, y, num_obstacles = _lay_pit(np_random, end, y, ground, corners, num_obstacles)
        if end <= TERRAIN_LENGTH:
            length = np_random.integers(TERRAIN_GRASS // 2, TERRAIN_GRASS)
    return num_obstacles


@allocating_kernel
def _lay_stump(np_random, first, y, ground, corners, num_obstacles):  # type: ignore[no-untyped-def]
    """A square of one or two steps. Each ``_lay`` returns where it ends, the height there, the number of obstacles."""
    size, x = np_random.integers(1, 3), first * TERRAIN_STEP
    _put(corners[num_obstacles], x, x + size * TERRAIN_STEP, y, y + size * TERRAIN_STEP)
    for i in range(first, min(first + size, TERRAIN_LENGTH)):
        ground[i, 1] = y
    return first + size, y, num_obstacles + 1


@allocating_kernel
def _lay_pit(np_random, first, y, ground, corners, num_obstacles):  # type: ignore[no-untyped-def]
    """Two walls, and between them the ground lies four steps deep."""
    width, x = np_random.integers(3, 5), first * TERRAIN_STEP
    right, low = x + TERRAIN_STEP, y - PIT_DEPTH * TERRAIN_STEP
    _put(corners[num_obstacles], x, right, low, y)
    _put(corners[num_obstacles + 1], x + TERRAIN_STEP * width, right + TERRAIN_STEP * width, low, y)
    for i in range(first, min(first + width + 2, TERRAIN_LENGTH)):
        ground[i, 1] = low if first < i <= first + width else y
    return first + width + 2, y, num_obstacles + 2


@allocating_kernel
def _lay_stairs(np_random, first, y, ground, corners, num_obstacles):  # type: ignore[no-untyped-def]
    """Three or four steps, all up or all down."""
    rise, x = 1 if np_random.random() > 0.5 else -1, first * TERRAIN_STEP
    num_steps = np_random.integers(3, 5)
    for step in range(num_steps):
        left = x + (step * STAIR_WIDTH) * TERRAIN_STEP
        right = x + ((1 + step) * STAIR_WIDTH) * TERRAIN_STEP
        top, bottom = y + (step * rise) * TERRAIN_STEP, y + (-1 + step * rise) * TERRAIN_STEP
        _put(corners[num_obstacles + step], left, right, bottom, top)
    length, start = num_steps * STAIR_WIDTH, y
    for i in range(first, first + length):
        if i > first:
            y = start + ((i - first - rise) / STAIR_WIDTH * rise) * TERRAIN_STEP
        if i < TERRAIN_LENGTH:
            ground[i, 1] = y
    return first + length, y, num_obstacles + num_steps


@allocating_kernel
def _put(corners, left, right, bottom, top):  # type: ignore[no-untyped-def]
    """Write a rectangle as Box2D lists it: counter-clockwise from the rightmost, then lowest corner."""
    corners[0, 0], corners[0, 1] = right, bottom
    corners[1, 0], corners[1, 1] = right, top
    corners[2, 0], corners[2, 1] = left, top
    corners[3, 0], corners[3, 1] = left, bottom
