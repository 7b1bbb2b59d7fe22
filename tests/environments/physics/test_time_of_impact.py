"""Our time of impact against Box2D's, bit for bit, and the cheap test that goes before it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import Box2D
import numpy as np
import pytest
from numpy.typing import ArrayLike

from environments.biped import LEG_HEIGHT, LOWER_1, NUM_BODIES
from environments.physics.bodies import LOCAL_CENTER
from environments.physics.course import Course
from environments.physics.rotation import sin_cos_any
from environments.physics.time_of_impact import stays_apart, time_of_impact
from environments.terrain.terrain import Terrain
from tests.environments.physics.moving_bodies import (
    BODY_SHAPES,
    COURSE,
    FIXTURE_SHAPES,
    NUM_FIXTURES,
    NUM_OBSTACLES,
    sweep_near,
)

NUM_CASES = 1000
TOUCHING = Box2D.b2TOIOutput.e_touching
STANDING = Box2D.b2Sweep()

#: A leg inside an obstacle, placed so that the last triangle of the search has no area; found by trying 16 million.
UNLUCKY_OBSTACLE = (
    (0.26608043909072876, 0.18665838241577148),
    (0.17634859681129456, 0.31907570362091064),
    (0.1472431868314743, 0.33594849705696106),
    (-0.15268178284168243, 0.3519151210784912),
    (-0.16919414699077606, 0.34549030661582947),
    (-0.24608251452445984, 0.2984578609466553),
    (-0.26557523012161255, 0.2791960835456848),
    (-0.2929905951023102, 0.10448939353227615),
    (-0.21039874851703644, 0.019276300445199013),
    (0.09646814316511154, -0.012696770019829273),
    (0.12053070962429047, -0.004162956494837999),
    (0.24111150205135345, 0.08834310621023178),
    (0.2562459409236908, 0.11753670126199722),
)
UNLUCKY_BODY = 3
UNLUCKY_SWEEP = [
    np.float32(float.fromhex(number))
    for number in ("-0x1.2cb5bp-3", "0x1.eac64p-1", "0x1.0bf822p+2", "-0x1.529e1ap-3", "0x1.f19cf2p-1", "0x1.0bf866p+2")
]


def _box2d_time(shape: Any, body: int, sweep: list[np.float32]) -> tuple[int, float]:
    """State and time as Box2D has them."""
    c0x, c0y, a0, cx, cy, a = (float(number) for number in sweep)
    way = Box2D.b2Sweep(c0=(c0x, c0y), a0=a0, c=(cx, cy), a=a, localCenter=LOCAL_CENTER[body].tolist())
    state, t = Box2D.b2TimeOfImpact(
        shapeA=shape, shapeB=BODY_SHAPES[body], idxA=0, idxB=0, sweepA=STANDING, sweepB=way, tMax=1.0
    )
    return state, t


def _stays_apart(course: Course, fixture: int, body: int, sweep: list[np.float32]) -> bool:
    c0x, c0y, a0, cx, cy, a = sweep
    (sine0, cosine0), (sine, cosine) = [map(np.float32, sin_cos_any(angle)) for angle in (a0, a)]
    return stays_apart(
        course.edges, course.polygons, fixture, body, c0x, c0y, a0, sine0, cosine0, cx, cy, a, sine, cosine
    )


def _flat(width: float, *obstacles: ArrayLike) -> Course:
    """An edge of that width that begins at the origin, and obstacles."""
    return Course.of([Terrain(ground=np.array([[0.0, 0.0], [width, 0.0]], np.float32), obstacles=obstacles)])


def _standing_at(x: float, height: float) -> list[np.float32]:
    """A lower leg that stands upright, its lower side at that height, and does not move."""
    pose = [np.float32(x), np.float32(height + LEG_HEIGHT / 2), np.float32(0.0)]
    return pose + pose


@pytest.mark.parametrize("kind", ["edges", "obstacles"])
@pytest.mark.parametrize("body", range(NUM_BODIES))
def test_time_of_impact_has_box2ds_bits(body: int, kind: str) -> None:
    """Whether and when a body touches is Box2D's answer, from resting to flying, and whatever Box2D's search does."""
    rng = np.random.default_rng([body, *kind.encode()])
    outcomes = Counter()
    for _ in range(NUM_CASES):
        fixture = int(rng.integers(NUM_OBSTACLES) if kind == "obstacles" else rng.integers(NUM_OBSTACLES, NUM_FIXTURES))
        sweep = sweep_near(rng, fixture, body)
        state, t = _box2d_time(FIXTURE_SHAPES[fixture], body, sweep)
        ours = time_of_impact(COURSE.edges, COURSE.polygons, fixture, body, *sweep)
        assert (state == TOUCHING, np.float32(t)) == (ours[0], np.float32(ours[1])), f"fixture {fixture}, {sweep}"
        outcomes[state, t in (0.0, 1.0)] += 1
    at_start, later = outcomes[TOUCHING, True], outcomes[TOUCHING, False]
    apart, overlapping = outcomes[Box2D.b2TOIOutput.e_separated, True], outcomes[Box2D.b2TOIOutput.e_overlapped, True]
    assert min(at_start, later, apart, overlapping) > 20, outcomes


def test_overlap_on_which_box2d_asserts_gives_no_time() -> None:
    """Where Box2D's search ends in an assertion, which breaks its world, the time is NaN and nothing touches."""
    course = _flat(1.0, UNLUCKY_OBSTACLE)
    with pytest.raises(AssertionError):
        _box2d_time(Box2D.b2PolygonShape(vertices=UNLUCKY_OBSTACLE), UNLUCKY_BODY, UNLUCKY_SWEEP)
    touches, t = time_of_impact(course.edges, course.polygons, 0, UNLUCKY_BODY, *UNLUCKY_SWEEP)
    assert not touches and math.isnan(t)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_touch_nothing(number: float) -> None:
    """The search ends, without a touch, and the cheap test is sure of nothing, whichever number is not finite."""
    for i in range(6):
        for fixture in (0, NUM_OBSTACLES):
            sweep = [np.float32(50.0)] * 6
            sweep[i] = np.float32(number)
            assert not time_of_impact(COURSE.edges, COURSE.polygons, fixture, LOWER_1, *sweep)[0]
            assert not _stays_apart(COURSE, fixture, LOWER_1, sweep)


def test_stays_apart_is_never_wrong() -> None:
    """What is said to stay apart does not touch; and of what stays apart, most is said to."""
    rng = np.random.default_rng(3)
    said = kept = 0
    for _ in range(10 * NUM_CASES):
        fixture, body = int(rng.integers(NUM_FIXTURES)), int(rng.integers(NUM_BODIES))
        sweep = sweep_near(rng, fixture, body)
        touches, t = time_of_impact(COURSE.edges, COURSE.polygons, fixture, body, *sweep)
        is_apart = _stays_apart(COURSE, fixture, body, sweep)
        assert not (is_apart and touches), f"fixture {fixture}, body {body}, {sweep}"
        said += is_apart
        kept += not touches and t == 1.0
    assert said > 0.6 * kept


@pytest.mark.parametrize(
    "width, sweep, expected",
    [
        pytest.param(0.5, _standing_at(0.2, 0.015), True, id="resting, at the distance that Box2D leaves"),
        pytest.param(0.5, _standing_at(0.2, 0.007), False, id="almost touching"),
        pytest.param(0.5, _standing_at(-0.2, 0.0), True, id="beside the edge's end, not above it"),
        pytest.param(0.01, _standing_at(0.2, 0.5), False, id="over an edge too short for rounding"),
        pytest.param(500.0, _standing_at(300.0, 0.5), False, id="too far right for rounding"),
        pytest.param(
            0.5,
            [*_standing_at(0.2, 0.5)[:2], np.float32(300), *_standing_at(0.2, 0.5)[:2], np.float32(300)],
            False,
            id="turned too often for rounding",
        ),
    ],
)
def test_stays_apart_only_where_it_is_certain(width: float, sweep: list[np.float32], expected: bool) -> None:
    """A foot that rests is spared the search; numbers that round coarsely are not."""
    assert _stays_apart(_flat(width), 0, LOWER_1, sweep) == expected


def test_stays_apart_counts_the_turn_between() -> None:
    """A leg that is level at both ends of a half turn stands upright in between: less room is certain than it seems."""
    pose = [np.float32(0.2), np.float32(0.3), np.float32(math.pi / 2)]
    after_half_a_turn = [*pose[:2], np.float32(-math.pi / 2)]
    assert _stays_apart(_flat(0.5), 0, LOWER_1, pose + pose)
    assert not _stays_apart(_flat(0.5), 0, LOWER_1, pose + after_half_a_turn)


@pytest.mark.parametrize(
    ("ground", "body", "sweep"),
    [
        (
            ((90.0, -49.5500602722168), (749.1825561523438, -49.5500602722168)),
            1,
            "0x1.67fcacp+6 -0x1.868b9ep+5 0x1.68738cp-7 0x1.68p+6 -0x1.87ccaap+5 -0x1.a3dd5p-15",
        ),
        (
            ((66.12220764160156, 234.41268920898438), (90.0, 15.097063064575195)),
            3,
            "0x1.6a49b8p+6 0x1.e518bp+3 -0x1.765df8p+0 0x1.6a507cp+6 0x1.e502bp+3 -0x1.72f0dep+0",
        ),
    ],
)
def test_long_edges_have_no_cheap_bound(ground: tuple[tuple[float, float], ...], body: int, sweep: str) -> None:
    """Box2D's axis between two near vertices is turned by rounding, which a far end of the edge makes felt."""
    course = Course.of([Terrain(np.array([(-9.0, 5.0), *ground], np.float32))])
    numbers = [np.float32(float.fromhex(number)) for number in sweep.split()]
    touches, _ = time_of_impact(course.edges, course.polygons, 1, body, *numbers)
    assert touches
    assert not _stays_apart(course, 1, body, numbers)
