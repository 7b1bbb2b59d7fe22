"""Our contact manifolds against Box2D's own collision functions and its contacts, bit for bit.

Zeros count as equal whatever their sign: the terrain's transform, which turns and moves nothing, is left out by us.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import Box2D
import numpy as np
import pytest

from environments.biped import BODIES
from environments.physics import bodies, layout
from environments.physics.course import Course
from environments.physics.layout import CONTACT_SIZE, MANIFOLD_TYPE, NUM_POINTS, POINT, POINT_SIZE
from environments.physics.manifold import collide_edge, collide_polygon
from environments.physics.shapes import normalised
from environments.terrain.terrain import Terrain

NUM_CASES = 500
POSES_PER_CASE = 4


class Point(NamedTuple):
    """A manifold point as Box2D and our record have it; the features are whatever tells them apart."""

    x: float
    y: float
    features: Any
    normal_impulse: float
    tangent_impulse: float


class Manifold(NamedTuple):
    """The parts of a manifold with points that matter."""

    faces_walker: bool
    normal: tuple[float, float]
    point: tuple[float, float]
    points: list[Point]


def _shape(body: int) -> Any:
    spec = BODIES[body]
    if spec.is_box:
        return Box2D.b2PolygonShape(box=spec.vertices[2])
    return Box2D.b2PolygonShape(vertices=spec.vertices)


SHAPES = [_shape(body) for body in range(len(BODIES))]
WORLD = Box2D.b2Transform()
WORLD.SetIdentity()


def _transform(x: np.float32, y: np.float32, sine: np.float32, cosine: np.float32) -> Any:
    transform = Box2D.b2Transform()
    transform.Set((float(x), float(y)), 0.0)
    transform.q.s, transform.q.c = float(sine), float(cosine)
    return transform


def _manifold_of_box2d(manifold: Any) -> Manifold | None:
    points = []
    for point in manifold.points:
        feature = point.id.cf
        # Every feature key of ours stands for one of these: a vertex always meets a face.
        assert feature.typeA + feature.typeB == 1
        features = (feature.indexA, feature.indexB, feature.typeA)
        points.append(Point(*point.localPoint, features, point.normalImpulse, point.tangentImpulse))
    if not points:
        return None
    is_b = manifold.type_ == Box2D.b2Manifold.e_faceB
    return Manifold(is_b, tuple(manifold.localNormal), tuple(manifold.localPoint), points)


class Record:
    """A contact's record among others: between any two of its numbers lies one that is not its own."""

    stride, at = 2, 5

    def __init__(self) -> None:
        self.s = np.full(self.at + self.stride * CONTACT_SIZE + 3, np.nan, np.float32)
        self._own = np.zeros(self.s.size, bool)
        self._own[[self.at + self.stride * field for field in range(MANIFOLD_TYPE, CONTACT_SIZE)]] = True
        self.set_points([])

    def _fields(self, first: int, number: int) -> Any:
        return self.s[self.at + self.stride * first :][: self.stride * number : self.stride]

    def _point(self, k: int) -> Any:
        return self._fields(POINT + POINT_SIZE * k, POINT_SIZE)

    def set_impulses(self, k: int, normal_impulse: float, tangent_impulse: float) -> None:
        """Set the impulses that the solver would leave in point k."""
        self._point(k)[[layout.NORMAL_IMPULSE, layout.TANGENT_IMPULSE]] = normal_impulse, tangent_impulse

    def set_points(self, points: list[Point]) -> None:
        """Set the points that an earlier manifold would have left."""
        self._fields(NUM_POINTS, 1)[:] = len(points)
        for k, (x, y, (index_a, index_b, type_a), *impulses) in enumerate(points):
            self._point(k)[:] = x, y, index_a + 16 * index_b + 256 * type_a, *impulses

    def collide(self, is_edge: bool, table: np.ndarray, row: int, body: int, pose: tuple[np.float32, ...]) -> None:
        """Replace the manifold, and check that nothing else changes."""
        before = self.s.copy()
        kernel = collide_edge if is_edge else collide_polygon
        kernel(self.s, self.at, self.stride, table, row, body, *pose)
        assert np.array_equal(before[~self._own], self.s[~self._own], equal_nan=True)

    def manifold(self) -> Manifold | None:
        """What is in the record, with our feature keys taken apart."""
        number, *_ = self._fields(NUM_POINTS, 1)
        if number == 0:
            return None
        faces_walker, _, *face = self._fields(MANIFOLD_TYPE, 6).tolist()
        points = []
        for k in range(int(number)):
            x, y, key, normal_impulse, tangent_impulse = self._point(k).tolist()
            assert key == int(key)
            features = (int(key) % 16, int(key) // 16 % 16, int(key) // 256)
            points.append(Point(x, y, features, normal_impulse, tangent_impulse))
        return Manifold(bool(faces_walker), (face[0], face[1]), (face[2], face[3]), points)


def _with_carried_impulses(manifold: Manifold | None, before: Manifold | None) -> Manifold | None:
    """Box2D's rule by hand: a point takes the impulses of the first old one with its features."""
    if manifold is None:
        return None
    old = [*reversed(before.points)] if before else []
    impulses = {point.features: (point.normal_impulse, point.tangent_impulse) for point in old}
    points = [Point(*point[:3], *impulses.get(point.features, (0.0, 0.0))) for point in manifold.points]
    return manifold._replace(points=points)


def _obstacle(rng: np.random.Generator) -> np.ndarray:
    """A convex polygon, (V, 2) float32: a box of any proportions, or 3 to 16 vertices on an ellipse."""
    if rng.random() < 0.3:
        width, height = 0.05 * 100.0 ** rng.random(2)
        polygon = np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])
    else:
        number = rng.integers(3, 17)
        angles = (np.arange(number) + rng.uniform(0.0, 0.5, number)) * (2.0 * np.pi / number)
        size = rng.choice([0.3, 1.0, 3.0])
        polygon = np.array([size * np.cos(angles), size * rng.uniform(0.2, 1.0) * np.sin(angles)]).T
    place = np.array([rng.uniform(0.0, rng.choice([2.0, 90.0])), rng.uniform(0.0, 8.0)])
    return (polygon + place).astype(np.float32)


def _terrain(rng: np.random.Generator) -> Terrain:
    """Edges of many lengths and slopes, from nearly level to cliffs; eight obstacles anywhere."""
    widths = rng.choice([14.0 / 30.0, 14.0 / 30.0, 0.01, 2.0], 40)
    heights = 5.0 + np.cumsum(rng.choice([0.0, 0.05, 0.5, 4.0], 40) * rng.normal(0.0, 1.0, 40))
    ground = np.array([np.cumsum(widths), heights], np.float32).T
    return Terrain(ground, tuple(_obstacle(rng) for _ in range(8)))


def _pose_near(rng: np.random.Generator, start: np.ndarray, end: np.ndarray, body: int) -> tuple[np.float32, ...]:
    """A point of the body's outline put near the side from ``start`` to ``end``: at its ends too, lightly or deep.

    Now and then the body's origin, which is a box's centroid, lies exactly on ``start``: neither before nor behind.
    """
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    angle = rng.choice([0.0, along, along + np.pi / 2, along + rng.normal(0.0, 0.02), rng.uniform(-50.0, 50.0)])
    there = start + rng.choice([0.0, 1.0, -0.02, 1.02, rng.random()]) * (end - start)
    vertices = np.array(SHAPES[body].vertices)
    k = rng.integers(len(vertices))
    on_body = vertices[k] + rng.choice([0.0, rng.random()]) * (vertices[(k + 1) % len(vertices)] - vertices[k])
    sine, cosine = math.sin(angle), math.cos(angle)
    turned = on_body @ np.array([[cosine, sine], [-sine, cosine]])
    if rng.random() < 0.05:
        return start[0], start[1], np.float32(sine), np.float32(cosine)
    x, y = there - turned + rng.choice([0.0, 0.005, 0.01, 0.02, 0.1, 0.5]) * rng.normal(0.0, 1.0, 2)
    return np.float32(x), np.float32(y), np.float32(sine), np.float32(cosine)


def _moved_a_little(rng: np.random.Generator, pose: tuple[np.float32, ...]) -> tuple[np.float32, ...]:
    """The pose after about one step."""
    angle = math.atan2(pose[2], pose[3]) + rng.normal(0.0, 0.01)
    x, y = pose[0] + rng.normal(0.0, 0.01), pose[1] + rng.normal(0.0, 0.003)
    return np.float32(x), np.float32(y), np.float32(math.sin(angle)), np.float32(math.cos(angle))


@pytest.mark.parametrize("body", range(len(BODIES)), ids=[spec.name for spec in BODIES])
@pytest.mark.parametrize("is_edge", [True, False], ids=["edge", "polygon"])
def test_manifolds_are_box2ds(is_edge: bool, body: int) -> None:
    """Type, face, points and features are Box2D's wherever the body lies, and impulses stay with their features."""
    rng = np.random.default_rng((body, is_edge))
    met = {}
    for case in range(NUM_CASES):
        if case % 25 == 0:
            terrain = _terrain(rng)
            course = Course.of([terrain])
        if is_edge:
            row = int(rng.integers(len(course.edges)))
            table, outline = course.edges, terrain.ground[row : row + 2]
            collide, shape = Box2D.b2CollideEdgeAndPolygon, Box2D.b2EdgeShape(vertices=outline.tolist())
        else:
            row = int(rng.integers(len(course.polygons)))
            table, outline = course.polygons, terrain.obstacles[row]
            collide, shape = Box2D.b2CollidePolygons, Box2D.b2PolygonShape(vertices=outline.tolist())
        k = rng.integers(len(outline))
        pose = _pose_near(rng, outline[k], outline[(k + 1) % len(outline)], body)
        record, before = Record(), None
        for _ in range(POSES_PER_CASE):
            found = Box2D.b2Manifold()
            collide(found, shape, WORLD, SHAPES[body], _transform(*pose))
            expected = _with_carried_impulses(_manifold_of_box2d(found), before)
            record.collide(is_edge, table, row, body, pose)
            assert expected == record.manifold(), f"{outline.tolist()} {pose}"

            number = len(expected.points) if expected else 0
            for i in range(number):
                record.set_impulses(i, *rng.random(2).astype(np.float32))
            before = record.manifold()
            kind = (number, expected.faces_walker) if expected else (0, False)
            met[kind] = met.get(kind, 0) + 1
            pose = _moved_a_little(rng, pose)
    # Both reference faces with one and two points, and nothing: each often.
    assert len(met) == 5
    assert min(met.values()) > 15, met


@pytest.mark.parametrize("body", range(len(BODIES)), ids=[spec.name for spec in BODIES])
def test_normals_of_the_walker_come_from_its_sides(body: int) -> None:
    """A side of the walker, normalised, is exactly the tangent of its normal: a manifold may use either."""
    vertices = bodies.VERTICES[body, : bodies.NUM_VERTICES[body]]
    for (x, y), normal in zip(np.roll(vertices, -1, axis=0) - vertices, bodies.NORMALS[body], strict=False):
        tx, ty = normalised(x, y)
        assert (ty, -tx) == tuple(normal)


class _Witness(Box2D.b2ContactListener):  # type: ignore[misc]
    """Repeats each update of a touching contact; whatever is not as Box2D has it is noted, as are carried impulses."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.course = course
        self.num_updates = self.num_carried = 0
        self.wrong: list[Any] = []

    def PreSolve(self, contact: Any, old_manifold: Any) -> None:  # noqa: N802
        is_edge, row = contact.fixtureA.userData
        body = contact.fixtureB.userData
        transform = contact.fixtureB.body.transform
        pose = tuple(np.float32((*transform.position, transform.q.s, transform.q.c)))
        before, expected = _manifold_of_box2d(old_manifold), _manifold_of_box2d(contact.manifold)
        assert expected is not None
        record = Record()
        if before is not None:
            record.set_points(before.points)
        record.collide(is_edge, self.course.edges if is_edge else self.course.polygons, row, body, pose)
        if record.manifold() != expected:
            self.wrong.append((expected, record.manifold()))
        self.num_updates += 1
        self.num_carried += sum(point.normal_impulse > 0.0 for point in expected.points)


def test_contacts_of_a_world_update_alike() -> None:
    """Bodies fall, tumble and slide on ground and obstacles: each contact's update is Box2D's, impulses included."""
    rng = np.random.default_rng(7)
    x = np.arange(40.0) * 14.0 / 30.0
    steps = tuple(
        np.array([(a, 5.0), (a + 0.9, 5.0), (a + 0.9, top), (a, top)], np.float32)
        for a, top in zip(x[3:36:3], rng.uniform(5.3, 6.5, 11), strict=True)
    )
    terrain = Terrain(np.array([x, 5.0 + rng.uniform(-0.2, 0.2, 40)], np.float32).T, steps)
    witness = _Witness(Course.of([terrain]))
    world = Box2D.b2World(gravity=(0.0, -10.0), contactListener=witness)
    for row, polygon in enumerate(terrain.obstacles):
        shape = Box2D.b2PolygonShape(vertices=polygon.tolist())
        world.CreateStaticBody(fixtures=Box2D.b2FixtureDef(shape=shape, userData=(False, row)))
    for row in range(len(terrain.ground) - 1):
        shape = Box2D.b2EdgeShape(vertices=terrain.ground[row : row + 2].tolist())
        world.CreateStaticBody(fixtures=Box2D.b2FixtureDef(shape=shape, userData=(True, row)))
    for i in range(25):
        fixture = Box2D.b2FixtureDef(shape=SHAPES[i % 5], density=1.0, userData=i % 5, groupIndex=-1)
        world.CreateDynamicBody(
            position=(rng.uniform(1.0, 17.0), rng.uniform(7.0, 10.0)),
            angle=rng.uniform(-4.0, 4.0),
            linearVelocity=rng.uniform(-3.0, 3.0, 2).tolist(),
            angularVelocity=rng.uniform(-5.0, 5.0),
            fixtures=fixture,
        )
    for _ in range(120):
        world.Step(1.0 / 50.0, 20, 10)
    assert witness.wrong == []
    assert witness.num_updates > 1500
    assert witness.num_carried > 1500
