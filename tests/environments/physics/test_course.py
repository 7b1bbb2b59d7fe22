"""The tables of a course against the shapes and boxes of a pybox2d world, bit for bit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import Box2D
import numpy as np
import pytest

from environments.physics.course import (
    BOTTOM,
    CENTROID_X,
    CENTROID_Y,
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
    Y2,
    Course,
)
from environments.physics.shapes import VERTEX_SIZE
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain

BOX = [LEFT, BOTTOM, RIGHT, TOP]


def _regular(num_vertices: int, x: float, order: int) -> np.ndarray:
    angles = np.arange(num_vertices)[::order] * (2.0 * np.pi / num_vertices)
    return np.array([x + np.cos(angles), 3.0 + np.sin(angles)]).T.astype(np.float32)


TERRAINS = {
    "flat": ObstacleGenotype().express(seed=3),
    "rough": ObstacleGenotype(roughness=8.0).express(seed=3),
    "all": ObstacleGenotype(
        roughness=3.0, pit_gap=(0.4, 6.0), stump_height=(0.4, 3.0), stair_height=(0.0, 2.0), stair_steps=(1, 9)
    ).express(seed=3),
    "any polygon": Terrain(
        ground=np.array([[-5.0, 1.0], [3.0, -4.0], [3.001, 7.0], [90.0, 0.1]], np.float32),
        obstacles=tuple(_regular(3 + i, 5.0 * i, 1 if i % 2 else -1) for i in range(14)),
        push=-1.5,
    ),
}


@pytest.fixture(params=TERRAINS)
def terrain(request: pytest.FixtureRequest) -> Terrain:
    """Each of ``TERRAINS``."""
    return TERRAINS[request.param]


def _shapes(terrain: Terrain) -> list[Any]:
    """The shapes that Box2D makes, obstacles before edges."""
    polygons = [Box2D.b2PolygonShape(vertices=polygon.tolist()) for polygon in terrain.obstacles]
    return polygons + [Box2D.b2EdgeShape(vertices=pair) for pair in pairwise(terrain.ground.tolist())]


def _same(expected: Any, actual: Any) -> bool:
    return np.array(expected, np.float32).tobytes() == np.array(actual, np.float32).tobytes()


def test_fat_boxes_are_those_of_the_broad_phase(terrain: Terrain) -> None:
    """The first four columns of both tables are the fat boxes that Box2D keeps of the fixtures."""
    world = Box2D.b2World()
    for shape in _shapes(terrain):
        world.CreateStaticBody(fixtures=Box2D.b2FixtureDef(shape=shape))
    course = Course.of([terrain])
    boxes = np.concatenate([course.polygons[:, BOX], course.edges[:, BOX]])

    for fixture, box in enumerate(boxes):
        # In the tree every leaf but the first brings a branch with it.
        fat = world.contactManager.broadPhase.GetFatAABB(max(0, 2 * fixture - 1))
        assert _same((*fat.lowerBound, *fat.upperBound), box), f"fixture {fixture}"


def test_polygons_are_those_of_box2d(terrain: Terrain) -> None:
    """An obstacle's row has the vertices, normals and centroid of its shape; after them it is zero."""
    for shape, row in zip(_shapes(terrain), Course.of([terrain]).polygons, strict=False):
        count = len(shape.vertices)
        corners = row[VERTEX:].reshape(-1, VERTEX_SIZE)
        assert count == row[COUNT]
        assert _same(shape.vertices, corners[:count, :2])
        assert _same(shape.normals, corners[:count, 2:])
        assert _same(tuple(shape.centroid), row[[CENTROID_X, CENTROID_Y]])
        assert not corners[count:].any()


def test_edges_are_those_of_the_ground(terrain: Terrain) -> None:
    """An edge's row has its ends, the way between them, a unit normal on its lower side and the squared length."""
    edges = Course.of([terrain]).edges
    assert _same(terrain.ground[:-1], edges[:, [X1, Y1]])
    assert _same(terrain.ground[1:], edges[:, [X2, Y2]])
    assert _same(np.diff(terrain.ground, axis=0), edges[:, [EDGE_X, EDGE_Y]])
    assert _same(edges[:, EDGE_X] ** 2 + edges[:, EDGE_Y] ** 2, edges[:, SQUARED_LENGTH])
    length = np.hypot(edges[:, EDGE_X], edges[:, EDGE_Y])
    np.testing.assert_allclose(edges[:, NORMAL_X] * length, edges[:, EDGE_Y], atol=1e-6 * length.max())
    np.testing.assert_allclose(edges[:, NORMAL_Y] * length, -edges[:, EDGE_X], atol=1e-6 * length.max())


def test_each_terrain_finds_its_rows() -> None:
    """``index`` points each of several terrains to the rows that it has alone, and ``push`` is in their order."""
    terrains = [*TERRAINS.values(), TERRAINS["flat"]]
    course = Course.of(terrains)

    assert (len(terrains), 4) == course.rows.shape
    assert _same([terrain.push for terrain in terrains], course.push)
    for terrain, (edge, num_edges, polygon, num_polygons) in zip(terrains, course.rows, strict=True):
        alone = Course.of([terrain])
        width = alone.polygons.shape[1]
        assert (len(terrain.ground) - 1, len(terrain.obstacles)) == (num_edges, num_polygons)
        assert _same(alone.edges, course.edges[edge : edge + num_edges])
        assert _same(alone.polygons, course.polygons[polygon : polygon + num_polygons, :width])
    assert len(course.edges) == course.rows[:, 1].sum()
    assert len(course.polygons) == course.rows[:, 3].sum()
