"""Terrains as tables for kernels: what collision and ray casts need to know of every edge and obstacle.

All numbers are float32 in the operations and the order of Box2D 2.3.0 (``b2EdgeShape.cpp``, ``b2PolygonShape.cpp``,
``b2DynamicTree.cpp``), so they have the bits of its shapes. Ground and obstacles stand still at the origin: the frame
of a fixture is the world's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from environments.compiled import inline_kernel, kernel
from environments.physics.constants import AABB_EXTENSION, POLYGON_RADIUS
from environments.physics.shapes import VERTEX_SIZE, normalised, polygon_centroid, set_polygon
from environments.terrain.terrain import Terrain

# The first columns of both tables: the fat box, in which the broad phase finds the fixture, m.
LEFT, BOTTOM, RIGHT, TOP = range(4)
# Then of an edge: its ends, m; the way from the first to the second, m; its normal, on the lower side; m2.
X1, Y1, X2, Y2, EDGE_X, EDGE_Y, NORMAL_X, NORMAL_Y, SQUARED_LENGTH = range(4, 13)
NUM_EDGE_COLUMNS = 13
# Then of an obstacle: number of vertices; centroid, m; from VERTEX on VERTEX_SIZE numbers of each vertex: x, y, m, and
# the outward normal x, normal y of the side to the next, counter-clockwise.
COUNT, CENTROID_X, CENTROID_Y, VERTEX = range(4, 8)

_RADIUS = np.float32(POLYGON_RADIUS)
_EXTENSION = np.float32(AABB_EXTENSION)


class Course(NamedTuple):
    """Terrains one after another; kernels take it as it is.

    A world's fixtures are numbered in the order of their creation: the obstacles from 0, then the edges.

    Attributes:
        edges: (E, 13) float32, all edges of all terrains, from left to right within each.
        polygons: (O, C) float32, all obstacles, in order of creation within each terrain.
        rows: (T, 4) int64: of each terrain the first row and the number of rows in ``edges``, then in ``polygons``.
        push: (T,) float32, N.
    """

    edges: NDArray[np.float32]
    polygons: NDArray[np.float32]
    rows: NDArray[np.int64]
    push: NDArray[np.float32]

    @classmethod
    def of(cls, terrains: Sequence[Terrain]) -> Self:
        """The tables of at least one terrain."""
        obstacles = [polygon for terrain in terrains for polygon in terrain.obstacles]
        num_vertices = np.array([len(polygon) for polygon in obstacles], np.int64)
        rows = np.zeros((len(terrains), 4), np.int64)
        rows[:, 1] = [len(terrain.ground) - 1 for terrain in terrains]
        rows[:, 3] = [len(terrain.obstacles) for terrain in terrains]
        rows[1:, ::2] = np.cumsum(rows[:-1, 1::2], axis=0)

        edges = np.empty((rows[-1, 0] + rows[-1, 1], NUM_EDGE_COLUMNS), np.float32)
        fill_edges(_joined([terrain.ground for terrain in terrains]), rows[:, 1].copy(), edges)
        polygons = np.zeros((len(obstacles), VERTEX + VERTEX_SIZE * num_vertices.max(initial=0)), np.float32)
        if obstacles:
            fill_polygons(_joined(obstacles), num_vertices, polygons)
        return cls(edges, polygons, rows, np.array([terrain.push for terrain in terrains], np.float32))

    @classmethod
    def with_places(cls, terrains: Sequence[Terrain]) -> Self:
        """The tables of at least one terrain, with room in each place for another one, see ``put``."""
        num = len(terrains)
        most_edges = _room(max(len(terrain.ground) - 1 for terrain in terrains))
        most_polygons = _room(max(len(terrain.obstacles) for terrain in terrains))
        most_vertices = _room(max((len(polygon) for terrain in terrains for polygon in terrain.obstacles), default=4))
        rows = np.zeros((num, 4), np.int64)
        rows[:, 0], rows[:, 2] = np.arange(num) * most_edges, np.arange(num) * most_polygons
        edges = np.zeros((num * most_edges, NUM_EDGE_COLUMNS), np.float32)
        polygons = np.zeros((num * most_polygons, VERTEX + VERTEX_SIZE * most_vertices), np.float32)
        course = cls(edges, polygons, rows, np.zeros(num, np.float32))
        for i, terrain in enumerate(terrains):
            course.put(i, terrain)
        return course

    def put(self, i: int, terrain: Terrain) -> bool:
        """Write a terrain into a place of a course that was made ``with_places``.

        Returns:
            Whether it fits. If not, nothing is written.
        """
        num_edges, num_polygons = len(terrain.ground) - 1, len(terrain.obstacles)
        num_vertices = np.array([len(polygon) for polygon in terrain.obstacles], np.int64)
        num_places, most_vertices = len(self.rows), (self.polygons.shape[1] - VERTEX) // VERTEX_SIZE
        has_room = num_edges <= len(self.edges) // num_places and num_polygons <= len(self.polygons) // num_places
        if not has_room or num_vertices.max(initial=0) > most_vertices:
            return False
        first_edge, _, first_polygon, _ = self.rows[i]
        self.rows[i] = first_edge, num_edges, first_polygon, num_polygons
        self.push[i] = terrain.push
        fill_edges(terrain.ground.copy(), self.rows[i, 1:2], self.edges[first_edge : first_edge + num_edges])
        if num_polygons:
            polygons = self.polygons[first_polygon : first_polygon + num_polygons]
            fill_polygons(_joined(list(terrain.obstacles)), num_vertices, polygons)
        return True


def _room(least: int) -> int:
    """Room for so many and for a few more: the next power of two."""
    return 1 << max(0, least - 1).bit_length()


@inline_kernel
def rows_of(course, terrain):  # type: ignore[no-untyped-def]
    """The edges and the polygons of one terrain of a ``Course``."""
    first_edge, num_edges, first_polygon, num_polygons = course.rows[terrain]
    edges = course.edges[first_edge : first_edge + num_edges]
    return edges, course.polygons[first_polygon : first_polygon + num_polygons]


def _joined(vertices: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Concatenate arrays, in the one memory order that the kernels are compiled for."""
    return np.ascontiguousarray(np.concatenate(vertices))


@kernel
def fill_edges(vertices, num_edges, edges_out):  # type: ignore[no-untyped-def]
    """The edges of several grounds.

    Args:
        vertices: (V, 2) float32, m: the vertices of one ground after another.
        num_edges: (T,) int64: how many edges each ground has, one less than vertices.
        edges_out: (E, 13) float32.
    """
    i = 0
    for terrain in range(num_edges.size):
        for _ in range(num_edges[terrain]):
            edge = edges_out[i]
            x1, y1 = vertices[i + terrain, 0], vertices[i + terrain, 1]
            x2, y2 = vertices[i + terrain + 1, 0], vertices[i + terrain + 1, 1]
            ex, ey = x2 - x1, y2 - y1
            edge[X1], edge[Y1], edge[X2], edge[Y2], edge[EDGE_X], edge[EDGE_Y] = x1, y1, x2, y2, ex, ey
            edge[NORMAL_X], edge[NORMAL_Y] = normalised(ey, -ex)
            edge[SQUARED_LENGTH] = ex * ex + ey * ey
            _fill_box(edge, min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            i += 1


@kernel
def fill_polygons(points, num_points, polygons_out):  # type: ignore[no-untyped-def]
    """The obstacles of all terrains.

    Args:
        points: (P, 2) float32, m: the vertices of one obstacle after another.
        num_points: (O,) int64: how many vertices each obstacle has.
        polygons_out: (O, C) float32.
    """
    first = 0
    for i in range(num_points.size):
        row = polygons_out[i]
        last = first + num_points[i]
        count = set_polygon(points[first:last], row, VERTEX)
        row[COUNT] = count
        row[CENTROID_X], row[CENTROID_Y] = polygon_centroid(row, VERTEX, count)
        left, bottom = row[VERTEX], row[VERTEX + 1]
        right, top = left, bottom
        for at in range(VERTEX + VERTEX_SIZE, VERTEX + VERTEX_SIZE * count, VERTEX_SIZE):
            left, right = min(left, row[at]), max(right, row[at])
            bottom, top = min(bottom, row[at + 1]), max(top, row[at + 1])
        _fill_box(row, left, bottom, right, top)
        first = last


@kernel
def _fill_box(row, left, bottom, right, top):  # type: ignore[no-untyped-def]
    """Write the fat box of a fixture with these bounds: out by the skin, then by the broad phase's margin."""
    row[LEFT], row[BOTTOM] = left - _RADIUS - _EXTENSION, bottom - _RADIUS - _EXTENSION
    row[RIGHT], row[TOP] = right + _RADIUS + _EXTENSION, top + _RADIUS + _EXTENSION
