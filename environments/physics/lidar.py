"""Where a ray first meets the ground: Box2D's ray casts in float32, bit for bit.

``b2World::RayCast`` with a callback that keeps the nearest hit gives the least fraction over all fixtures, whatever the
order in which the broad phase reports them. So the fixtures are gone through here from left to right, and those that
lie aside are passed over; Box2D's fat boxes pass over nothing that could be hit.

Source: Box2D 2.3.0, ``b2EdgeShape.cpp`` and ``b2PolygonShape.cpp`` (``RayCast``), ``b2Math.h`` (``Normalize``). Ground
and obstacles stand still at the origin, so their transform is the identity.
"""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel
from environments.physics.constants import AABB_EXTENSION
from environments.physics.course import (
    COUNT,
    EDGE_X,
    EDGE_Y,
    LEFT,
    NORMAL_X,
    NORMAL_Y,
    RIGHT,
    SQUARED_LENGTH,
    VERTEX,
    X1,
    X2,
    Y1,
)
from environments.physics.shapes import VERTEX_SIZE
from environments.walker.spec import LIDAR_RANGE, LIDAR_RAYS, NUM_RAYS

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_MARGIN = np.float32(AABB_EXTENSION)
_REACH = np.float32(LIDAR_RANGE)
# The fan is float64 as in Gymnasium: an end point is rounded once, after the hull's position is added.
_RAY_X = tuple(x for x, _ in LIDAR_RAYS)
_RAY_Y = tuple(y for _, y in LIDAR_RAYS)


@inline_kernel
def cast_at_edge(px, py, dx, dy, edge, max_fraction):  # type: ignore[no-untyped-def]
    """``b2EdgeShape::RayCast``.

    Args:
        px, py, dx, dy: start of the ray and the way to its end, float32, m.
        edge: a row of ``Course.edges``.
        max_fraction: hits farther along the ray do not count.

    Returns:
        The fraction of the ray at which it meets the edge, or ``max_fraction``.
    """
    x, y, nx, ny = edge[X1], edge[Y1], edge[NORMAL_X], edge[NORMAL_Y]
    numerator = nx * (x - px) + ny * (y - py)
    denominator = nx * dx + ny * dy
    if denominator == _ZERO:
        return max_fraction
    t = numerator / denominator
    if t < _ZERO or max_fraction < t:
        return max_fraction
    along = ((px + t * dx) - x) * edge[EDGE_X] + ((py + t * dy) - y) * edge[EDGE_Y]
    s = along / edge[SQUARED_LENGTH]
    return max_fraction if s < _ZERO or s > _ONE else t


@inline_kernel
def cast_at_polygon(px, py, dx, dy, polygon, max_fraction):  # type: ignore[no-untyped-def]
    """``b2PolygonShape::RayCast``; ``polygon`` is a row of ``Course.polygons``, the rest as in ``cast_at_edge``."""
    lower, upper = _ZERO, max_fraction
    is_entered = False
    for i in range(int(polygon[COUNT])):
        at = VERTEX + VERTEX_SIZE * i
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


@inline_kernel
def cast_lidar(px, py, edges, polygons, fractions_out, offset):  # type: ignore[no-untyped-def]
    """Write the ten lidar readings to ``fractions_out[offset:offset + 10]``.

    Args:
        px, py: the hull's position, float32, m. All rays go right from there, the first straight down.
        edges, polygons: rows of one terrain, see ``Course``.
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
            if edges[i, X1] > end:
                break
            nearest = cast_at_edge(px, py, dx, dy, edges[i], nearest)
        fractions_out[offset + ray] = nearest
    for i in range(polygons.shape[0]):
        if polygons[i, RIGHT] < left or right < polygons[i, LEFT]:
            continue
        for ray in range(NUM_RAYS):
            dx = np.float32(np.float64(px) + _RAY_X[ray]) - px
            dy = np.float32(np.float64(py) + _RAY_Y[ray]) - py
            nearest = fractions_out[offset + ray]
            fractions_out[offset + ray] = cast_at_polygon(px, py, dx, dy, polygons[i], nearest)


@inline_kernel
def _first_edge(edges, left):  # type: ignore[no-untyped-def]
    """The first edge whose right end is beyond ``left``; the ground's x increases."""
    low, high = 0, edges.shape[0]
    while low < high:
        middle = (low + high) // 2
        if edges[middle, X2] < left:
            low = middle + 1
        else:
            high = middle
    return low
