"""Our polygons and bodies against pybox2d's, bit for bit."""

from __future__ import annotations

from typing import Any

import Box2D
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from environments.biped import BODIES, JOINTS
from environments.physics import bodies
from environments.physics.box2d import WalkerWorld
from environments.physics.shapes import Mass, Polygon, as_box, as_polygon, mass_of
from environments.terrain.constants import FRICTION
from environments.terrain.terrain import Terrain

_finite = st.floats(-100.0, 100.0, width=32)
_size = st.floats(0.125, 8.0, width=32)


@st.composite
def _around_an_ellipse(draw: st.DrawFn) -> list[tuple[float, float]]:
    """3 to 16 points around an ellipse, at most one of them inside, in any order."""
    number = draw(st.integers(3, 16))
    x, y, width, height, start = draw(_finite), draw(_finite), draw(_size), draw(_size), draw(st.floats(0.0, 6.25))
    angles = start + np.arange(number) * (2.0 * np.pi / number)
    points = [(x + width * np.cos(a), y + height * np.sin(a)) for a in angles]
    if number > 3 and draw(st.booleans()):
        points[0] = (x, y)
    return [tuple(np.float32(point).tolist()) for point in draw(st.permutations(points))]


# Whole numbers have exact products: points in line and on a vertical side are met often.
_on_a_grid = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=16, unique=True).filter(
    lambda points: np.linalg.matrix_rank(np.array(points) - points[0]) == 2
)
_points = st.one_of(_around_an_ellipse(), _on_a_grid)


def _box2d_shape(points: Any) -> Any:
    return Box2D.b2PolygonShape(vertices=[(float(x), float(y)) for x, y in points])


def _box2d_body(shape: Any, density: float) -> Any:
    """A body with that fixture, the only one in its world."""
    world = Box2D.b2World()
    body = world.CreateBody(Box2D.b2BodyDef(type=Box2D.b2_dynamicBody))
    body.CreateFixture(Box2D.b2FixtureDef(shape=shape, density=density))
    return world, body


def _same(expected: Any, actual: Any) -> None:
    assert np.float32(expected).tobytes() == np.float32(actual).tobytes(), f"{expected} is not {actual}"


def _assert_same_polygon(shape: Any, polygon: Polygon) -> None:
    _same(shape.vertices, polygon.vertices)
    _same(shape.normals, polygon.normals)
    _same(tuple(shape.centroid), polygon.centroid)


def _inverses(body: Any) -> tuple[float, float]:
    """Inverse mass and inertia, which Box2D shows only by what an impulse of one does to a body at rest."""
    body.ApplyLinearImpulse((1.0, 0.0), body.worldCenter, True)
    body.ApplyAngularImpulse(1.0, True)
    return body.linearVelocity[0], body.angularVelocity


def _assert_same_mass(body: Any, mass: Mass) -> None:
    x, y = mass.center
    _same(body.mass, mass.mass)
    _same(tuple(body.localCenter), mass.center)
    _same(body.inertia, mass.inertia + mass.mass * (x * x + y * y))  # pybox2d's is about the origin
    _same(_inverses(body), (mass.inverse_mass, mass.inverse_inertia))


@given(points=_points)
def test_a_polygon_is_box2ds(points: list[tuple[float, float]]) -> None:
    """Order of the vertices, normals and centroid have the bits that ``b2PolygonShape::Set`` makes."""
    _assert_same_polygon(_box2d_shape(points), as_polygon(points))


@given(half_width=_size, half_height=_size)
def test_a_box_is_box2ds(half_width: float, half_height: float) -> None:
    """A box has the corners, normals and centroid of ``SetAsBox``."""
    _assert_same_polygon(Box2D.b2PolygonShape(box=(half_width, half_height)), as_box(half_width, half_height))


@given(points=_points, density=st.floats(0.125, 10.0, width=32))
def test_a_body_weighs_what_box2ds_does(points: list[tuple[float, float]], density: float) -> None:
    """Mass, centre of mass, inertia and the inverse values have the bits of Box2D's body."""
    try:
        _, body = _box2d_body(_box2d_shape(points), density)
    except AssertionError:  # far from the origin the inertia of a small polygon is lost in rounding
        assume(False)
    _assert_same_mass(body, mass_of(as_polygon(points), density))


@pytest.mark.parametrize("i", range(len(BODIES)), ids=[spec.name for spec in BODIES])
def test_the_walkers_bodies_are_box2ds(i: int) -> None:
    """The constant arrays hold the shape, mass and friction that Box2D has for each body of the walker."""
    spec = BODIES[i]
    shape = Box2D.b2PolygonShape(box=spec.vertices[2]) if spec.is_box else _box2d_shape(spec.vertices)
    world, body = _box2d_body(shape, spec.density)
    count = bodies.NUM_VERTICES[i]

    _assert_same_polygon(shape, Polygon(bodies.VERTICES[i, :count], bodies.NORMALS[i, :count], bodies.CENTROID[i]))
    assert (bodies.VERTICES[i, count:] == bodies.VERTICES[i, count - 1]).all()
    assert (bodies.NORMALS[i, count:] == bodies.NORMALS[i, count - 1]).all()
    _same(tuple(body.localCenter), bodies.LOCAL_CENTER[i])
    _same(_inverses(body), (bodies.INVERSE_MASS[i], bodies.INVERSE_INERTIA[i]))
    body.fixtures[0].friction = spec.friction
    world.CreateStaticBody(fixtures=Box2D.b2FixtureDef(shape=shape, friction=FRICTION))
    world.Step(0.02, 1, 1)
    _same(world.contacts[0].friction, bodies.CONTACT_FRICTION[i])


def test_the_walker_starts_where_box2ds_does() -> None:
    """Positions and angles of the bodies at the start, and the joints' angles and limits, have the bits of Box2D's."""
    world = WalkerWorld(Terrain(ground=np.array([[0.0, 0.0], [90.0, 0.0]], np.float32)))
    state = world.body_state()
    assert world.read()
    angles = bodies.START_ANGLE[bodies.JOINT_BODY_B] - bodies.START_ANGLE[bodies.JOINT_BODY_A] - bodies.REFERENCE_ANGLE

    _same(state[:, :2], bodies.START_POSITION)
    _same(state[:, 2], bodies.START_ANGLE)
    _same(world.readings[6:14:2], angles)
    _same([joint.lower_angle for joint in JOINTS], bodies.LOWER_ANGLE)
    _same([joint.upper_angle for joint in JOINTS], bodies.UPPER_ANGLE)


def test_anchors_count_from_the_centres_of_mass() -> None:
    """Adding the centre of mass to an anchor gives the anchor in the body's frame."""
    for j, spec in enumerate(JOINTS):
        for body, anchor, expected in (
            (bodies.JOINT_BODY_A[j], bodies.ANCHOR_A[j], spec.anchor_a),
            (bodies.JOINT_BODY_B[j], bodies.ANCHOR_B[j], spec.anchor_b),
        ):
            np.testing.assert_allclose(anchor + bodies.LOCAL_CENTER[body], expected, atol=1e-7)


def test_the_vertices_lie_within_the_radius() -> None:
    """``RADIUS`` is at least, and hardly more than, the distance of the farthest vertex from the centre of mass."""
    away = bodies.VERTICES.astype(np.float64) - bodies.LOCAL_CENTER[:, None]
    farthest = np.hypot(away[..., 0], away[..., 1]).max(axis=1)
    assert (farthest <= bodies.RADIUS).all()
    assert (bodies.RADIUS < 1.00001 * farthest).all()
