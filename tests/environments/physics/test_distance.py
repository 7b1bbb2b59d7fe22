"""Our GJK against Box2D's, bit for bit."""

from __future__ import annotations

import Box2D
import numpy as np
import pytest

from environments.biped import NUM_BODIES
from environments.physics.course import COUNT, VERTEX, X1, X2
from environments.physics.distance import EMPTY_CACHE, distance
from environments.physics.rotation import sin_cos
from environments.physics.shapes import VERTEX_SIZE
from tests.environments.physics.moving_bodies import (
    BODY_SHAPES,
    COURSE,
    FIXTURE_SHAPES,
    NUM_FIXTURES,
    NUM_OBSTACLES,
    body_near,
)

NUM_CASES = 1000
WORLD = Box2D.b2Transform()
WORLD.SetIdentity()
GAPS = {
    "overlapping": lambda rng: rng.uniform(-0.3, 0.0),
    "near": lambda rng: rng.uniform(0.0, 0.03),
    "apart": lambda rng: rng.uniform(0.03, 1.0),
}


def _where(fixture: int) -> tuple[np.ndarray, int, tuple[int, int, int]]:
    """Table, row and outline of a fixture."""
    if fixture < NUM_OBSTACLES:
        return COURSE.polygons, fixture, (VERTEX, VERTEX_SIZE, int(COURSE.polygons[fixture, COUNT]))
    return COURSE.edges, fixture - NUM_OBSTACLES, (X1, X2 - X1, 2)


def _pose(x: float, y: float, angle: float) -> tuple[np.float32, ...]:
    return np.float32(x), np.float32(y), *(np.float32(part) for part in sin_cos(np.float32(angle)))


def _box2d_distance(fixture: int, body: int, pose: tuple[np.float32, ...]) -> float:
    x, y, sine, cosine = (float(part) for part in pose)
    transform = Box2D.b2Transform()
    transform.Set((x, y), 0.0)
    transform.q.s, transform.q.c = sine, cosine
    return Box2D.b2Distance(
        shapeA=FIXTURE_SHAPES[fixture],
        shapeB=BODY_SHAPES[body],
        idxA=0,
        idxB=0,
        transformA=WORLD,
        transformB=transform,
        useRadii=False,
    ).distance


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("body", range(NUM_BODIES))
def test_distance_has_box2ds_bits(body: int, gap: str) -> None:
    """A body's distance from an edge or an obstacle, lying on it, near its corners or inside, is Box2D's."""
    rng = np.random.default_rng([body, *gap.encode()])
    for _ in range(NUM_CASES):
        fixture = int(rng.integers(NUM_FIXTURES))
        (x, y), angle = body_near(rng, fixture, body, GAPS[gap](rng))
        pose = _pose(x, y, angle)
        ours, _ = distance(*_where(fixture), body, pose, EMPTY_CACHE)
        assert np.float32(_box2d_distance(fixture, body, pose)) == np.float32(ours), f"fixture {fixture} at {pose}"


def test_second_search_finds_the_same_distance() -> None:
    """A search that begins where the last one ended finds, somewhere else, what a new search finds, but for rounding.

    Box2D's second search cannot be asked for alone; ``time_of_impact``, which uses it, is compared to the bit.
    """
    rng = np.random.default_rng(5)
    for _ in range(NUM_CASES):
        fixture, body = int(rng.integers(NUM_FIXTURES)), int(rng.integers(NUM_BODIES))
        (x, y), angle = body_near(rng, fixture, body, rng.uniform(0.1, 0.5))
        _, cache = distance(*_where(fixture), body, _pose(x, y, angle), EMPTY_CACHE)
        dx, dy, turn = rng.choice([0.01, 0.1, 1.0]) * rng.normal(size=3)
        pose = _pose(x + dx, y + dy, angle + turn)
        again, _ = distance(*_where(fixture), body, pose, cache)
        anew, _ = distance(*_where(fixture), body, pose, EMPTY_CACHE)
        assert again == pytest.approx(anew, abs=1e-4)
