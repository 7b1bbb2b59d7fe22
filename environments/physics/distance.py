"""How far a walker's body is from a piece of the terrain: GJK as Box2D runs it, bit for bit.

The terrain's shape stands still at the origin, so its transform is the identity and is left out. A point of the
Minkowski difference (body minus terrain) is stored as the two vertices it comes from. The vertices themselves are
recomputed where they are needed, which gives the same bits.

Source: Box2D 2.3.0, ``b2Distance.cpp`` (without radii) and ``b2Math.h``. As there, the search stops only when a pair
of vertices comes up again or after 20 rounds, and its last state counts: a weight that the last round did not compute
keeps its earlier value.

Names used here:

    outline: where the terrain's vertices lie in a row of its table: first column, columns from one vertex to the next,
        number of vertices (integers).
    pose: of the body: x and y of its origin, m, sine and cosine of its angle.
    corner: of the simplex: x and y of the difference, m, its weight, the number of the terrain's vertex and the body's.
    simplex: how many of its corners count, and three corners.
    cache: what one search leaves for the next: number of corners (0 before the first search), numbers of the terrain's
        and the body's vertex of the first and of the second corner, distance between the two, m.
"""

from __future__ import annotations

import math

import numpy as np

from environments.compiled import inline_kernel, kernel
from environments.physics.bodies import NUM_VERTICES, VERTICES
from environments.physics.constants import EPSILON

_ZERO, _HALF, _ONE, _TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
_EPSILON = np.float32(EPSILON)
_SQUARED_EPSILON = np.float32(EPSILON * EPSILON)
_MAX_ROUNDS = 20

EMPTY_CACHE = (0, 0, 0, 0, 0, np.float32(0.0))


@inline_kernel
def rotated(pose, x, y):  # type: ignore[no-untyped-def]
    """A vector of the body's frame as the world sees it."""
    _, _, sine, cosine = pose
    return cosine * x - sine * y, sine * x + cosine * y


@inline_kernel
def rotated_back(pose, x, y):  # type: ignore[no-untyped-def]
    """A vector of the world as the body's frame sees it."""
    _, _, sine, cosine = pose
    return cosine * x + sine * y, cosine * y - sine * x


@inline_kernel
def placed(pose, x, y):  # type: ignore[no-untyped-def]
    """A point of the body's frame in the world."""
    turned_x, turned_y = rotated(pose, x, y)
    return turned_x + pose[0], turned_y + pose[1]


@inline_kernel
def terrain_vertex(table, row, outline, i):  # type: ignore[no-untyped-def]
    """Vertex i of the shape in ``table[row]``."""
    first, stride, _ = outline
    return table[row, first + stride * i], table[row, first + stride * i + 1]


@inline_kernel
def body_vertex(body, i):  # type: ignore[no-untyped-def]
    """Vertex i of a body's polygon in the body's frame."""
    return VERTICES[body, i, 0], VERTICES[body, i, 1]


@inline_kernel
def farthest_of_terrain(table, row, outline, x, y):  # type: ignore[no-untyped-def]
    """The number of the terrain's vertex that lies farthest in the direction (x, y); the first of equals."""
    best, best_reach = 0, _ZERO
    for i in range(outline[2]):
        vertex_x, vertex_y = terrain_vertex(table, row, outline, i)
        reach = vertex_x * x + vertex_y * y
        if i == 0 or reach > best_reach:
            best, best_reach = i, reach
    return best


@inline_kernel
def farthest_of_body(body, x, y):  # type: ignore[no-untyped-def]
    """The number of the body's vertex that lies farthest in the direction (x, y) of its frame; the first of equals."""
    best, best_reach = 0, _ZERO
    for i in range(NUM_VERTICES[body]):
        vertex_x, vertex_y = body_vertex(body, i)
        reach = vertex_x * x + vertex_y * y
        if i == 0 or reach > best_reach:
            best, best_reach = i, reach
    return best


@inline_kernel
def _corner(table, row, outline, body, pose, terrain_index, body_index, weight):  # type: ignore[no-untyped-def]
    ax, ay = terrain_vertex(table, row, outline, terrain_index)
    local_x, local_y = body_vertex(body, body_index)
    bx, by = placed(pose, local_x, local_y)
    return bx - ax, by - ay, weight, terrain_index, body_index


@inline_kernel
def _weighted(corner, weight):  # type: ignore[no-untyped-def]
    x, y, _, terrain_index, body_index = corner
    return x, y, weight, terrain_index, body_index


@inline_kernel
def _cross(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    return ax * by - ay * bx


@inline_kernel
def _solve_segment(simplex):  # type: ignore[no-untyped-def]
    """Keep the part of the segment 1-2 that is nearest to the origin."""
    _, one, two, three = simplex
    ex, ey = two[0] - one[0], two[1] - one[1]
    toward_2 = -(one[0] * ex + one[1] * ey)
    if toward_2 <= _ZERO:
        return 1, _weighted(one, _ONE), two, three
    toward_1 = two[0] * ex + two[1] * ey
    if toward_1 <= _ZERO:
        two = _weighted(two, _ONE)
        return 1, two, two, three
    scale = _ONE / (toward_1 + toward_2)
    return 2, _weighted(one, toward_1 * scale), _weighted(two, toward_2 * scale), three


@inline_kernel
def _solve_triangle(simplex):  # type: ignore[no-untyped-def]
    """Keep the part of the triangle 1-2-3 that is nearest to the origin; all of it if the origin is inside."""
    _, one, two, three = simplex
    x1, y1, x2, y2, x3, y3 = one[0], one[1], two[0], two[1], three[0], three[1]
    e12x, e12y, e13x, e13y, e23x, e23y = x2 - x1, y2 - y1, x3 - x1, y3 - y1, x3 - x2, y3 - y2
    # d12_1: the weight of corner 1 in the nearest point of the line 1-2, not yet divided; and so on.
    d12_1, d12_2 = x2 * e12x + y2 * e12y, -(x1 * e12x + y1 * e12y)
    d13_1, d13_2 = x3 * e13x + y3 * e13y, -(x1 * e13x + y1 * e13y)
    d23_1, d23_2 = x3 * e23x + y3 * e23y, -(x2 * e23x + y2 * e23y)
    area = _cross(e12x, e12y, e13x, e13y)
    d123_1 = area * _cross(x2, y2, x3, y3)
    d123_2 = area * _cross(x3, y3, x1, y1)
    d123_3 = area * _cross(x1, y1, x2, y2)

    if d12_2 <= _ZERO and d13_2 <= _ZERO:
        return 1, _weighted(one, _ONE), two, three
    if d12_1 > _ZERO and d12_2 > _ZERO and d123_3 <= _ZERO:
        scale = _ONE / (d12_1 + d12_2)
        return 2, _weighted(one, d12_1 * scale), _weighted(two, d12_2 * scale), three
    if d13_1 > _ZERO and d13_2 > _ZERO and d123_2 <= _ZERO:
        scale = _ONE / (d13_1 + d13_2)
        three = _weighted(three, d13_2 * scale)
        return 2, _weighted(one, d13_1 * scale), three, three
    if d12_1 <= _ZERO and d23_2 <= _ZERO:
        two = _weighted(two, _ONE)
        return 1, two, two, three
    if d13_1 <= _ZERO and d23_1 <= _ZERO:
        three = _weighted(three, _ONE)
        return 1, three, two, three
    if d23_1 > _ZERO and d23_2 > _ZERO and d123_1 <= _ZERO:
        scale = _ONE / (d23_1 + d23_2)
        three = _weighted(three, d23_2 * scale)
        return 2, three, _weighted(two, d23_1 * scale), three
    scale = _ONE / (d123_1 + d123_2 + d123_3)
    return 3, _weighted(one, d123_1 * scale), _weighted(two, d123_2 * scale), _weighted(three, d123_3 * scale)


@inline_kernel
def _direction(simplex):  # type: ignore[no-untyped-def]
    """The direction from a point or a segment toward the origin; not normalised."""
    num, one, two, _ = simplex
    if num == 1:
        return -one[0], -one[1]
    ex, ey = two[0] - one[0], two[1] - one[1]
    if ey * one[0] - ex * one[1] > _ZERO:
        return -ey, ex
    return ey, -ex


@inline_kernel
def _has(simplex, corner):  # type: ignore[no-untyped-def]
    """Whether one of the simplex's corners comes from the same two vertices."""
    num, one, two, three = simplex
    _, _, _, i, j = corner
    return (
        (one[3] == i and one[4] == j)
        or (num > 1 and two[3] == i and two[4] == j)
        or (num > 2 and three[3] == i and three[4] == j)
    )


@inline_kernel
def _length(x, y):  # type: ignore[no-untyped-def]
    return math.sqrt(x * x + y * y)


@inline_kernel
def _first_simplex(table, row, outline, body, pose, cache):  # type: ignore[no-untyped-def]
    """The simplex that the last search ended with, at the new pose; one corner if it has changed its size too much."""
    num, a1, b1, a2, b2, metric = cache
    one = _corner(table, row, outline, body, pose, a1, b1, _ZERO)
    two = _corner(table, row, outline, body, pose, a2, b2, _ZERO)
    if num == 2:
        metric_now = _length(two[0] - one[0], two[1] - one[1])
        if metric_now < _HALF * metric or _TWO * metric < metric_now or metric_now < _EPSILON:
            num = 0
    if num == 0:
        one = _corner(table, row, outline, body, pose, 0, 0, _ONE)
        num = 1
    return num, one, two, two


@inline_kernel
def _witness_distance(table, row, outline, body, pose, simplex):  # type: ignore[no-untyped-def]
    """The distance between the nearest points of both shapes."""
    num, one, two, three = simplex
    if num == 1:
        return _length(one[0], one[1])
    a1x, a1y = terrain_vertex(table, row, outline, one[3])
    a2x, a2y = terrain_vertex(table, row, outline, two[3])
    if num == 3:
        a3x, a3y = terrain_vertex(table, row, outline, three[3])
        x = one[2] * a1x + two[2] * a2x + three[2] * a3x
        y = one[2] * a1y + two[2] * a2y + three[2] * a3y
        # Nothing, unless the triangle has no area and its weights are not finite.
        return _length(x - x, y - y)
    local_x, local_y = body_vertex(body, one[4])
    b1x, b1y = placed(pose, local_x, local_y)
    local_x, local_y = body_vertex(body, two[4])
    b2x, b2y = placed(pose, local_x, local_y)
    weight_1, weight_2 = one[2], two[2]
    ax, ay = weight_1 * a1x + weight_2 * a2x, weight_1 * a1y + weight_2 * a2y
    bx, by = weight_1 * b1x + weight_2 * b2x, weight_1 * b1y + weight_2 * b2y
    return _length(ax - bx, ay - by)


@kernel
def distance(table, row, outline, body, pose, cache):  # type: ignore[no-untyped-def]
    """``b2Distance`` without radii between the shape in ``table[row]`` and a body's polygon.

    Args:
        table: (K, C) float32, edges or polygons of a ``course.Course``.
        row: which.
        outline, pose, cache: see above; ``EMPTY_CACHE`` before the first search.
        body: in the order of ``biped.BODIES``.

    Returns:
        The distance, m, 0 when they overlap, NaN when they do and the last triangle has no area; and the cache for the
        next search.
    """
    simplex = _first_simplex(table, row, outline, body, pose, cache)
    for _ in range(_MAX_ROUNDS):
        before = simplex
        if simplex[0] == 2:
            simplex = _solve_segment(simplex)
        elif simplex[0] == 3:
            simplex = _solve_triangle(simplex)
        num, one, two, three = simplex
        if num == 3:
            break
        x, y = _direction(simplex)
        if x * x + y * y < _SQUARED_EPSILON:
            break
        terrain_index = farthest_of_terrain(table, row, outline, -x, -y)
        local_x, local_y = rotated_back(pose, x, y)
        body_index = farthest_of_body(body, local_x, local_y)
        # The new corner takes the place, and for now the weight, of one that no longer counts.
        weight = two[2] if num == 1 else three[2]
        new = _corner(table, row, outline, body, pose, terrain_index, body_index, weight)
        if _has(before, new):
            break
        simplex = (2, one, new, three) if num == 1 else (3, one, two, new)
    num, one, two, _ = simplex
    metric = _length(one[0] - two[0], one[1] - two[1])
    return (
        _witness_distance(table, row, outline, body, pose, simplex),
        (num, one[3], one[4], two[3], two[4], metric),
    )
