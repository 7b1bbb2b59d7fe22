"""Polygons as Box2D makes them: order of the vertices, normals, centroid and mass, in float32, bit for bit.

Source: Box2D 2.3.0, ``b2PolygonShape.cpp`` (``Set``, ``SetAsBox``, ``ComputeCentroid``, ``ComputeMass``),
``b2Body.cpp`` (``ResetMassData``) and ``b2Math.h`` (``Normalize``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.compiled import inline_kernel, kernel
from environments.physics.constants import EPSILON

#: Numbers of a vertex in a table of polygons: x, y, and of the side to the next vertex normal x, normal y.
VERTEX_SIZE = 4

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_QUARTER = np.float32(0.25)
_THIRD = _ONE / np.float32(3.0)
_EPSILON = np.float32(EPSILON)


@dataclass(frozen=True, eq=False)
class Polygon:
    """A convex polygon in its body's frame, counter-clockwise.

    Attributes:
        vertices: (V, 2) float32, m.
        normals: (V, 2) float32, outward; number i is that of the side from vertex i to the next.
        centroid: (2,) float32, m.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    centroid: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Mass:
    """What a body of one polygon weighs.

    Attributes:
        mass: kg.
        inertia: about the centre of mass, kg m2.
        center: (2,) float32: the centre of mass in the body's frame, m.
    """

    mass: np.float32
    inertia: np.float32
    center: NDArray[np.float32]

    @property
    def inverse_mass(self) -> np.float32:
        """1/kg."""
        return _ONE / self.mass

    @property
    def inverse_inertia(self) -> np.float32:
        """1/(kg m2)."""
        return _ONE / self.inertia


def as_box(half_width: float, half_height: float) -> Polygon:
    """``SetAsBox``: the corners from the lower left one, exact normals."""
    x, y = half_width, half_height
    return Polygon(
        vertices=np.array([[-x, -y], [x, -y], [x, y], [-x, y]], np.float32),
        normals=np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], np.float32),
        centroid=np.zeros(2, np.float32),
    )


def as_polygon(points: ArrayLike) -> Polygon:
    """``Set``: the convex hull of (V, 2) points, m, from the rightmost, then lowest one."""
    points = np.asarray(points, np.float32)
    row = np.zeros(VERTEX_SIZE * len(points), np.float32)
    count = set_polygon(points, row, 0)
    corners = row.reshape(-1, VERTEX_SIZE)[:count]
    centroid = np.array(polygon_centroid(row, 0, count), np.float32)
    return Polygon(corners[:, :2].copy(), corners[:, 2:].copy(), centroid)


def mass_of(polygon: Polygon, density: float) -> Mass:
    """The mass of a body whose only fixture is ``polygon``: ``ComputeMass``, then ``ResetMassData``.

    Args:
        polygon: its shape.
        density: kg/m2.
    """
    rho = np.float32(density)
    mean = _mean(polygon.vertices)
    area, moment, dx, dy = _area_moments(polygon.vertices - mean)
    mass = rho * area
    x, y = dx + mean[0], dy + mean[1]
    about_origin = rho * moment + mass * ((x * x + y * y) - (dx * dx + dy * dy))
    # A body's centre is the mean of its fixtures' centres, weighted by mass; here there is one fixture.
    inverse = _ONE / mass
    cx, cy = (mass * x) * inverse, (mass * y) * inverse
    return Mass(mass, about_origin - mass * (cx * cx + cy * cy), np.array([cx, cy], np.float32))


def _mean(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2,) the mean of (V, 2), summed in order."""
    total = np.zeros(2, np.float32)
    for vertex in vertices:
        total += vertex
    return total * (_ONE / np.float32(len(vertices)))


def _area_moments(vertices: NDArray[np.float32]) -> tuple[np.float32, ...]:
    """Area, its moment of inertia about the origin, its centre x, y; triangles from the origin, in order."""
    corners = list(vertices)
    area, moment, cx, cy = _ZERO, _ZERO, _ZERO, _ZERO
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        doubled = x1 * y2 - y1 * x2
        triangle = _HALF * doubled
        area += triangle
        cx += (triangle * _THIRD) * (x1 + x2)
        cy += (triangle * _THIRD) * (y1 + y2)
        squares_x = x1 * x1 + x2 * x1 + x2 * x2
        squares_y = y1 * y1 + y2 * y1 + y2 * y2
        moment += (_QUARTER * _THIRD * doubled) * (squares_x + squares_y)
    scale = _ONE / area
    return area, moment, cx * scale, cy * scale


@inline_kernel
def normalised(x, y):  # type: ignore[no-untyped-def]
    """``b2Vec2::Normalize``: the float32 vector times one over its length; as it is when shorter than epsilon."""
    length = math.sqrt(x * x + y * y)
    scale = _ONE if length < _EPSILON else _ONE / length
    return x * scale, y * scale


@kernel
def set_polygon(points, row, at):  # type: ignore[no-untyped-def]
    """``b2PolygonShape::Set``: wrap the points and write the hull's vertices and normals.

    Args:
        points: (V, 2) float32, m.
        row: float32; vertex i is written at ``at + VERTEX_SIZE * i``.
        at: where the first vertex goes.

    Returns:
        The number of vertices.
    """
    num_points = points.shape[0]
    start = 0
    for i in range(1, num_points):
        x, y = points[i, 0], points[i, 1]
        if x > points[start, 0] or (x == points[start, 0] and y < points[start, 1]):
            start = i
    count = 0
    here = start
    # Box2D lacks the second condition; no allowed terrain needs it.
    while count == 0 or (here != start and count < num_points):
        row[at + VERTEX_SIZE * count], row[at + VERTEX_SIZE * count + 1] = points[here, 0], points[here, 1]
        count += 1
        here = _next_on_hull(points, here)
    for i in range(count):
        a, b = at + VERTEX_SIZE * i, at + VERTEX_SIZE * ((i + 1) % count)
        row[a + 2], row[a + 3] = normalised(row[b + 1] - row[a + 1], -(row[b] - row[a]))
    return count


@inline_kernel
def _next_on_hull(points, here):  # type: ignore[no-untyped-def]
    """The point with no other to the right of the line to it; the farthest of those on one line."""
    best = 0
    for i in range(1, points.shape[0]):
        if best == here:
            best = i
            continue
        rx, ry = points[best, 0] - points[here, 0], points[best, 1] - points[here, 1]
        vx, vy = points[i, 0] - points[here, 0], points[i, 1] - points[here, 1]
        turn = rx * vy - ry * vx
        if turn < _ZERO or (turn == _ZERO and vx * vx + vy * vy > rx * rx + ry * ry):
            best = i
    return best


@kernel
def polygon_centroid(row, at, count):  # type: ignore[no-untyped-def]
    """``ComputeCentroid`` of ``count`` vertices that lie as ``set_polygon`` wrote them: x, y, float32, m."""
    area, cx, cy = _ZERO, _ZERO, _ZERO
    for i in range(count):
        a, b = at + VERTEX_SIZE * i, at + VERTEX_SIZE * ((i + 1) % count)
        triangle = _HALF * (row[a] * row[b + 1] - row[a + 1] * row[b])
        area += triangle
        cx += (triangle * _THIRD) * (row[a] + row[b])
        cy += (triangle * _THIRD) * (row[a + 1] + row[b + 1])
    scale = _ONE / area
    return cx * scale, cy * scale
