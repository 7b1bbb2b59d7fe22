"""Where a ray first meets the ground: Box2D's ray casts in float32, bit for bit.

``b2World::RayCast`` with a callback that keeps the nearest hit gives the least fraction over all fixtures, whatever the
order in which the broad phase reports them. So the fixtures are gone through here from left to right, and those that
lie aside are passed over; Box2D's fat boxes pass over nothing that could be hit.

Source: Box2D 2.3.0, ``b2EdgeShape.cpp`` and ``b2PolygonShape.cpp`` (``RayCast``), ``b2Math.h`` (``Normalize``). Ground
and obstacles stand still at the origin, so their transform is the identity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.compiled import inline_kernel, kernel
from environments.physics.constants import AABB_EXTENSION, EPSILON
from environments.walker.spec import LIDAR_RANGE, LIDAR_RAYS, NUM_RAYS

# Columns of an edge table.
_X, _Y, _EDGE_X, _EDGE_Y, _NORMAL_X, _NORMAL_Y, _SQUARED_LENGTH = range(7)
NUM_EDGE_COLUMNS = 7
# Columns of an obstacle table: extent in x, number of vertices, then x, y, normal x, normal y of each vertex.
_LEFT, _RIGHT, _COUNT, _VERTICES = range(4)
NUM_VERTEX_COLUMNS = 4

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_EPSILON = np.float32(EPSILON)
_MARGIN = np.float32(AABB_EXTENSION)
_REACH = np.float32(LIDAR_RANGE)
# The fan is float64 as in Gymnasium: an end point is rounded once, after the hull's position is added.
_RAY_X = tuple(x for x, _ in LIDAR_RAYS)
_RAY_Y = tuple(y for _, y in LIDAR_RAYS)


@inline_kernel
def normalised(x, y):  # type: ignore[no-untyped-def]
    """``b2Vec2::Normalize``: the float32 vector times one over its length; as it is when shorter than epsilon."""
    length = np.sqrt(x * x + y * y)
    scale = _ONE if length < _EPSILON else _ONE / length
    return x * scale, y * scale


@inline_kernel
def cast_at_edge(px, py, dx, dy, edge, max_fraction):  # type: ignore[no-untyped-def]
    """``b2EdgeShape::RayCast``.

    Args:
        px, py, dx, dy: start of the ray and the way to its end, float32, m.
        edge: a row of an edge table, see ``fill_edge_table``.
        max_fraction: hits farther along the ray do not count.

    Returns:
        The fraction of the ray at which it meets the edge, or ``max_fraction``.
    """
    x, y, nx, ny = edge[_X], edge[_Y], edge[_NORMAL_X], edge[_NORMAL_Y]
    numerator = nx * (x - px) + ny * (y - py)
    denominator = nx * dx + ny * dy
    if denominator == _ZERO:
        return max_fraction
    t = numerator / denominator
    if t < _ZERO or max_fraction < t:
        return max_fraction
    along = ((px + t * dx) - x) * edge[_EDGE_X] + ((py + t * dy) - y) * edge[_EDGE_Y]
    s = along / edge[_SQUARED_LENGTH]
    return max_fraction if s < _ZERO or s > _ONE else t


@inline_kernel
def cast_at_polygon(px, py, dx, dy, polygon, max_fraction):  # type: ignore[no-untyped-def]
    """``b2PolygonShape::RayCast``; ``polygon`` is a row of an obstacle table, the rest as in ``cast_at_edge``."""
    lower, upper = _ZERO, max_fraction
    is_entered = False
    for i in range(int(polygon[_COUNT])):
        at = _VERTICES + NUM_VERTEX_COLUMNS * i
        x, y, nx, ny = polygon[at], polygon[at + 1], polygon[at + 2], polygon[at + 3]
        numerator = nx * (x - px) + ny * (y - py)
        denominator = nx * dx + ny * dy
        if denominator == _ZERO:
            if numerator < _ZERO:
                return max_fraction
        elif denominator < _ZERO and numerator < lower * denominator:
            lower = numerator / denominator
            is_entered = True
        elif denominator > _ZERO and numerator < upper * denominator:
            upper = numerator / denominator
        if upper < lower:
            return max_fraction
    return lower if is_entered else max_fraction


@kernel
def fill_edge_table(ground, edges_out):  # type: ignore[no-untyped-def]
    """What ``cast_at_edge`` wants of each edge: (S, 7) float32 from ``ground`` (S+1, 2) float32."""
    for i in range(ground.shape[0] - 1):
        x, y = ground[i, 0], ground[i, 1]
        ex, ey = ground[i + 1, 0] - x, ground[i + 1, 1] - y
        nx, ny = normalised(ey, -ex)
        edges_out[i, _X], edges_out[i, _Y] = x, y
        edges_out[i, _EDGE_X], edges_out[i, _EDGE_Y] = ex, ey
        edges_out[i, _NORMAL_X], edges_out[i, _NORMAL_Y] = nx, ny
        edges_out[i, _SQUARED_LENGTH] = ex * ex + ey * ey


def obstacle_table(
    polygons: list[tuple[list[tuple[float, float]], list[tuple[float, float]]]],
) -> NDArray[np.float32]:
    """(O, C) float32: one row for each polygon, given as the vertices and normals that ``b2PolygonShape::Set`` made."""
    most = max((len(vertices) for vertices, _ in polygons), default=0)
    table = np.zeros((len(polygons), _VERTICES + NUM_VERTEX_COLUMNS * most), np.float32)
    for row, (vertices, normals) in zip(table, polygons, strict=True):
        corners = [(*vertex, *normal) for vertex, normal in zip(vertices, normals, strict=True)]
        row[_LEFT], row[_RIGHT] = min(corner[0] for corner in corners), max(corner[0] for corner in corners)
        row[_COUNT] = len(corners)
        row[_VERTICES : _VERTICES + NUM_VERTEX_COLUMNS * len(corners)] = np.ravel(corners)
    return table


@inline_kernel
def cast_lidar(px, py, edges, obstacles, fractions_out, offset):  # type: ignore[no-untyped-def]
    """Write the ten lidar readings to ``fractions_out[offset:offset + 10]``.

    Args:
        px, py: the hull's position, float32, m. All rays go right from there, the first straight down.
        edges: (S, 7) float32, see ``fill_edge_table``.
        obstacles: (O, C) float32, see ``obstacle_table``.
        fractions_out: float32; 1 where a ray meets nothing.
    """
    left, right = px - _MARGIN, px + _REACH + _MARGIN
    first = _first_edge(edges, left)
    for ray in range(NUM_RAYS):
        dx = np.float32(np.float64(px) + _RAY_X[ray]) - px
        dy = np.float32(np.float64(py) + _RAY_Y[ray]) - py
        end = px + dx + _MARGIN
        nearest = _ONE
        for i in range(first, edges.shape[0]):
            if edges[i, _X] > end:
                break
            nearest = cast_at_edge(px, py, dx, dy, edges[i], nearest)
        fractions_out[offset + ray] = nearest
    for i in range(obstacles.shape[0]):
        if obstacles[i, _RIGHT] < left or right < obstacles[i, _LEFT]:
            continue
        for ray in range(NUM_RAYS):
            dx = np.float32(np.float64(px) + _RAY_X[ray]) - px
            dy = np.float32(np.float64(py) + _RAY_Y[ray]) - py
            nearest = fractions_out[offset + ray]
            fractions_out[offset + ray] = cast_at_polygon(px, py, dx, dy, obstacles[i], nearest)


@inline_kernel
def _first_edge(edges, left):  # type: ignore[no-untyped-def]
    """The first edge whose right end is beyond ``left``; the ground's x increases."""
    low, high = 0, edges.shape[0]
    while low < high:
        middle = (low + high) // 2
        if edges[middle, _X] + edges[middle, _EDGE_X] < left:
            low = middle + 1
        else:
            high = middle
    return low
