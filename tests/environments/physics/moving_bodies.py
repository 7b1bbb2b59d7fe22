"""Terrain to test against, and bodies of the walker that lie on it, hang over it or fly past it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import Box2D
import numpy as np

from environments.biped import BODIES
from environments.physics.bodies import LOCAL_CENTER, NUM_VERTICES, VERTICES
from environments.physics.course import Course
from environments.terrain.terrain import Terrain

NUM_OBSTACLES = 40


def _ground(rng: np.random.Generator) -> np.ndarray:
    """Ordinary steps of the ground, flat and steep, and short ones, over the length of a course."""
    widths = rng.choice([14 / 30, 14 / 30, 14 / 30, 2.0, 0.1, 0.003], 120)
    heights = np.where(rng.random(120) < 0.3, 0.0, rng.normal(0.0, rng.choice([0.1, 1.0], 120)))
    steps = np.stack([widths, heights], 1)
    return np.cumsum(np.vstack([[0.0, 0.0], steps]), 0, dtype=np.float64).astype(np.float32)


def _obstacle(rng: np.random.Generator, num_vertices: int) -> np.ndarray:
    """A box, or a polygon in an ellipse."""
    place = rng.uniform((0.0, -3.0), (90.0, 5.0))
    if num_vertices == 4:
        width, height = rng.uniform(0.2, 2.0, 2)
        return place + np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])
    gaps = rng.uniform(0.5, 1.5, num_vertices)
    angles = rng.uniform(0.0, math.tau) + math.tau * np.cumsum(gaps) / gaps.sum()
    return place + rng.uniform(0.3, 2.0) * np.stack([np.cos(angles), rng.uniform(0.3, 1.0) * np.sin(angles)], 1)


def _terrain() -> Terrain:
    rng = np.random.default_rng(1)
    obstacles = [_obstacle(rng, 3 + i % 14).astype(np.float32) for i in range(NUM_OBSTACLES)]
    return Terrain(ground=_ground(rng), obstacles=tuple(obstacles))


TERRAIN = _terrain()
COURSE = Course.of([TERRAIN])


def _body_shape(body: int) -> Any:
    spec = BODIES[body]
    if spec.is_box:
        return Box2D.b2PolygonShape(box=spec.vertices[2])
    return Box2D.b2PolygonShape(vertices=spec.vertices)


#: Box2D's shapes: of the bodies, and of the fixtures in the order of their numbers.
BODY_SHAPES = [_body_shape(body) for body in range(len(BODIES))]
FIXTURE_SHAPES = [
    *(Box2D.b2PolygonShape(vertices=obstacle.tolist()) for obstacle in TERRAIN.obstacles),
    *(Box2D.b2EdgeShape(vertices=ends) for ends in pairwise(TERRAIN.ground.tolist())),
]
NUM_FIXTURES = len(FIXTURE_SHAPES)
_OUTLINES = [np.array(shape.vertices) for shape in FIXTURE_SHAPES]


def _pick(rng: np.random.Generator, *items: float) -> float:
    """Choose an item; ``Generator.choice`` takes ten times as long."""
    return items[rng.integers(len(items))]


def _turned(vector: np.ndarray, angle: float) -> np.ndarray:
    x, y = vector
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array([cosine * x - sine * y, sine * x + cosine * y])


def _side(rng: np.random.Generator, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """A point on a side, often a vertex and sometimes beyond it; the unit normal to the right; the side's angle."""
    i = rng.integers(len(vertices))
    start, way = vertices[i], vertices[(i + 1) % len(vertices)] - vertices[i]
    point = start + _pick(rng, 0.0, 1.0, -0.1, rng.random(), rng.random()) * way
    angle = math.atan2(way[1], way[0])
    return point, np.array([math.sin(angle), -math.cos(angle)]), angle


def body_near(rng: np.random.Generator, fixture: int, body: int, gap: float) -> tuple[np.ndarray, float]:
    """Centre of mass and angle of a body whose side or corner is ``gap`` away from the fixture's, more or less.

    Half of the bodies lie flat on a side, exactly or nearly so.
    """
    there, normal, side_angle = _side(rng, _OUTLINES[fixture])
    if fixture >= NUM_OBSTACLES:
        normal = -normal
    vertices = VERTICES[body, : NUM_VERTICES[body]].astype(np.float64)
    on_body, _, own_angle = _side(rng, vertices)
    if rng.random() < 0.5:
        toward = 0.0 if fixture >= NUM_OBSTACLES else math.pi
        angle = side_angle - own_angle + toward + _pick(rng, 0.0, 1e-3, 0.1) * rng.normal()
    else:
        angle = rng.uniform(-math.pi, math.pi)
        normal = _turned(normal, rng.uniform(-1.0, 1.0))
    return there + gap * normal - _turned(on_body - LOCAL_CENTER[body], angle), angle


def sweep_near(rng: np.random.Generator, fixture: int, body: int) -> list[np.float32]:
    """c0x, c0y, a0, cx, cy, a of a body that is near a fixture at the beginning, at the end or in between.

    From resting to 2 m and a quarter turn in a step; the gap goes from a slight overlap over the distance at which
    Box2D says that shapes touch, and that at which they rest, to 0.4 m.
    """
    gap = _pick(rng, rng.uniform(-0.03, 0.0), rng.normal(0.0065, 0.001), rng.normal(0.015, 0.001), rng.uniform(0, 0.4))
    center, angle = body_near(rng, fixture, body, gap)
    move = _pick(rng, 0.0, 1e-4, 0.02, 0.2, 0.8) * rng.normal(size=2)
    turn = min(_pick(rng, 0.0, 1e-3, 0.1, 0.6) * abs(rng.normal()), math.pi / 2) * _pick(rng, -1.0, 1.0)
    when = _pick(rng, 0.0, 1.0, rng.random())
    angle += math.tau * _pick(rng, 0, 0, 0, 1, -1, rng.integers(-30, 30))
    c0x, c0y = center - when * move
    cx, cy = center + (1.0 - when) * move
    return [np.float32(number) for number in (c0x, c0y, angle - when * turn, cx, cy, angle + (1.0 - when) * turn)]
