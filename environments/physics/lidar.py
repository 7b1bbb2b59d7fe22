"""Where a ray first meets the ground: Box2D's ray casts in float32, bit for bit.

``b2World::RayCast`` with a callback that keeps the nearest hit gives the least fraction over all fixtures, in whatever
order the broad phase reports them. So this code goes through the fixtures from left to right, each for all rays at
once, and skips those out of reach. Box2D's fat boxes skip nothing that could be hit.

Source: Box2D 2.3.0, ``b2EdgeShape.cpp`` and ``b2PolygonShape.cpp`` (``RayCast``), ``b2Math.h`` (``Normalize``). Ground
and obstacles stand still at the origin, so their transform is the identity.
"""

from __future__ import annotations

import numpy as np

from environments.biped import LIDAR_RANGE, LIDAR_RAYS, NUM_RAYS
from environments.compiled import inline_kernel
from environments.physics.constants import AABB_EXTENSION
from environments.physics.course import (
    BOTTOM,
    COUNT,
    EDGE_X,
    EDGE_Y,
    LEFT,
    NORMAL_X,
    NORMAL_Y,
    RIGHT,
    SQUARED_LENGTH,
    TOP,
    VERTEX,
    X1,
    X2,
    Y1,
)
from environments.physics.shapes import VERTEX_SIZE

# Rays lie side by side in whole vectors; those beyond the tenth repeat it.
_LANES = 16
# What ``cast_lidar`` stores for each ray: the vector to its end, the nearest hit, and its part within an obstacle.
_DX, _DY, _NEAREST, _LOWER, _UPPER, _STAGE = (_LANES * i for i in range(6))
#: Size of the memory that ``cast_lidar`` works in.
RAYS_SIZE = 6 * _LANES

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_OUTSIDE, _ENTERED, _PAST = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_MARGIN = np.float32(AABB_EXTENSION)
_REACH = np.float32(LIDAR_RANGE)
# The fan is float64 as in Gymnasium: an end point is rounded once, after the hull's position is added.
_RAYS = np.array([LIDAR_RAYS[min(lane, NUM_RAYS - 1)] for lane in range(_LANES)])
_RAY_X, _RAY_Y = np.ascontiguousarray(_RAYS[:, 0]), np.ascontiguousarray(_RAYS[:, 1])


@inline_kernel
def cast_at_edge(px, py, dx, dy, x, y, edge_x, edge_y, nx, ny, squared_length, max_fraction):  # type: ignore[no-untyped-def]
    """``b2EdgeShape::RayCast``, without branches.

    Args:
        px, py, dx, dy: start of the ray and the way to its end, float32, m.
        x, y, edge_x, edge_y, nx, ny, squared_length: X1 to SQUARED_LENGTH of a row of ``Course.edges``.
        max_fraction: hits farther along the ray do not count.

    Returns:
        The fraction of the ray at which it meets the edge, or ``max_fraction``.
    """
    numerator = nx * (x - px) + ny * (y - py)
    denominator = nx * dx + ny * dy
    t = numerator / denominator
    # Box2D tests whether along / squared_length is outside 0..1. This is the same: a quotient rounds to 1 only if it is
    # not greater.
    along = ((px + t * dx) - x) * edge_x + ((py + t * dy) - y) * edge_y
    is_missed = (denominator == _ZERO) | (t < _ZERO) | (max_fraction < t) | (along < _ZERO) | (along > squared_length)
    return max_fraction if is_missed else t


@inline_kernel
def clip_at_side(numerator, dx, dy, nx, ny, lower, upper, stage):  # type: ignore[no-untyped-def]
    """One side of ``b2PolygonShape::RayCast``, without branches.

    Args:
        numerator: how far the side's line lies in front of the ray's start, along the normal, float32, m.
        dx, dy: the way to the ray's end, float32, m.
        nx, ny: the side's outward normal.
        lower, upper: the part of the ray that is inside of all sides so far; 0 and the greatest fraction at first.
        stage: 0 at first, 1 when the ray has entered at a side, 2 when it has missed the polygon.

    Returns:
        The new ``lower``, ``upper`` and ``stage``.
    """
    denominator = nx * dx + ny * dy
    t = numerator / denominator
    is_entry = (denominator < _ZERO) & (numerator < lower * denominator)
    is_exit = (denominator > _ZERO) & (numerator < upper * denominator)
    lower, upper = t if is_entry else lower, t if is_exit else upper
    is_missed = (stage == _PAST) | (upper < lower) | ((denominator == _ZERO) & (numerator < _ZERO))
    return lower, upper, _PAST if is_missed else _ENTERED if is_entry else stage


@inline_kernel
def cast_lidar(px, py, edges, polygons, rays, fractions_out, offset):  # type: ignore[no-untyped-def]
    """Write the ten lidar readings to ``fractions_out[offset:offset + 10]``.

    Args:
        px, py: the hull's position, float32, m. All rays go right and down from there, the first straight down.
        edges, polygons: rows of one terrain, see ``Course``.
        rays: (RAYS_SIZE,) float32, to work in.
        fractions_out: float32; 1 where a ray meets nothing.
    """
    for ray in range(_LANES):
        rays[_DX + ray] = np.float32(np.float64(px) + _RAY_X[ray]) - px
        rays[_DY + ray] = np.float32(np.float64(py) + _RAY_Y[ray]) - py
        rays[_NEAREST + ray] = _ONE
    left, right, bottom, top = px - _MARGIN, px + _REACH + _MARGIN, py - _REACH - _MARGIN, py + _MARGIN
    i = _first_edge(edges, left)
    while i < edges.shape[0] and edges[i, X1] <= right:
        if edges[i, BOTTOM] <= top and edges[i, TOP] >= bottom:
            _cast_rays_at_edge(px, py, edges, i, rays)
        i += 1
    for polygon in range(polygons.shape[0]):
        if (
            polygons[polygon, RIGHT] >= left
            and polygons[polygon, LEFT] <= right
            and polygons[polygon, BOTTOM] <= top
            and polygons[polygon, TOP] >= bottom
        ):
            _cast_rays_at_polygon(px, py, polygons, polygon, rays)
    for ray in range(NUM_RAYS):
        fractions_out[offset + ray] = rays[_NEAREST + ray]


@inline_kernel
def _cast_rays_at_edge(px, py, edges, i, rays):  # type: ignore[no-untyped-def]
    """Shorten the rays at an edge."""
    x, y, nx, ny = edges[i, X1], edges[i, Y1], edges[i, NORMAL_X], edges[i, NORMAL_Y]
    edge_x, edge_y, squared_length = edges[i, EDGE_X], edges[i, EDGE_Y], edges[i, SQUARED_LENGTH]
    for ray in range(_LANES):
        rays[_NEAREST + ray] = cast_at_edge(
            px, py, rays[_DX + ray], rays[_DY + ray], x, y, edge_x, edge_y, nx, ny, squared_length, rays[_NEAREST + ray]
        )


@inline_kernel
def _cast_rays_at_polygon(px, py, polygons, i, rays):  # type: ignore[no-untyped-def]
    """Shorten the rays at an obstacle."""
    for ray in range(_LANES):
        rays[_LOWER + ray] = _ZERO
        rays[_UPPER + ray] = rays[_NEAREST + ray]
        rays[_STAGE + ray] = _OUTSIDE
    for vertex in range(int(polygons[i, COUNT])):
        at = VERTEX + VERTEX_SIZE * vertex
        nx, ny = polygons[i, at + 2], polygons[i, at + 3]
        numerator = nx * (polygons[i, at] - px) + ny * (polygons[i, at + 1] - py)
        for ray in range(_LANES):
            rays[_LOWER + ray], rays[_UPPER + ray], rays[_STAGE + ray] = clip_at_side(
                numerator,
                rays[_DX + ray],
                rays[_DY + ray],
                nx,
                ny,
                rays[_LOWER + ray],
                rays[_UPPER + ray],
                rays[_STAGE + ray],
            )
    for ray in range(_LANES):
        rays[_NEAREST + ray] = rays[_LOWER + ray] if rays[_STAGE + ray] == _ENTERED else rays[_NEAREST + ray]


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
