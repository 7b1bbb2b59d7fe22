"""The walker's body and senses: every number of Gymnasium's ``BipedalWalker``.

Source: ``gymnasium/envs/box2d/bipedal_walker.py``, same values in POET's ``bipedal_walker_custom.py`` (POET.md 1.2).
The expressions are kept as they are written there: a product in another order could round to another float.
"""

from __future__ import annotations

from dataclasses import dataclass

from environments.terrain.constants import (
    SCALE,
    TERRAIN_HEIGHT,
    TERRAIN_STARTPAD,
    TERRAIN_STEP,
)

#: The time limit of an episode, in steps (from POET's ``simulate``; Gymnasium's v3 has 1600).
MAX_STEPS = 2000

NUM_BODIES = 5
NUM_JOINTS = 4
#: Numbers in an observation: 14 of the body, 10 of the lidar.
OBSERVATION_SIZE = 24
NUM_BODY_OBSERVATIONS = 14

#: Collision category of ground and obstacles, and of the walker; the walker collides with the ground only.
GROUND_CATEGORY = 0x0001
WALKER_CATEGORY = 0x0020

#: Torque of a fully driven motor, N m.
MOTORS_TORQUE = 80
#: Speeds of the motors, rad/s.
SPEED_HIP = 4
SPEED_KNEE = 6
MOTOR_SPEEDS = (SPEED_HIP, SPEED_KNEE, SPEED_HIP, SPEED_KNEE)

LEG_DOWN = -8 / SCALE
LEG_WIDTH, LEG_HEIGHT = 8 / SCALE, 34 / SCALE
START_X = TERRAIN_STEP * TERRAIN_STARTPAD / 2
START_Y = TERRAIN_HEIGHT + 2 * LEG_HEIGHT
#: Angle by which the legs stand apart at the start, rad.
LEG_SPREAD = 0.05
#: ``b2FixtureDef``'s friction, which the legs keep.
DEFAULT_FRICTION = 0.2

NUM_RAYS = 10
#: Length of a lidar ray, m.
LIDAR_RANGE = 160 / SCALE
#: End of each ray relative to the hull's position, m: ``(sin(1.5 i / 10), -cos(1.5 i / 10)) * LIDAR_RANGE``, written
#: out so that no machine's libm decides.
LIDAR_RAYS = (
    (0.0, -5.333333333333333),
    (0.7970033731925291, -5.273445748992225),
    (1.5761077688604774, -5.095127942003232),
    (2.3198161819265612, -4.802384545880943),
    (3.0114265247735217, -4.401789946184951),
    (3.6354067201244487, -3.9023406339937114),
    (4.177743518013244, -3.31525316411021),
    (4.62625720316809, -2.6537122554225436),
    (4.97087512515854, -1.9325746905422592),
    (5.203857908408848, -1.1680356644962213),
)


@dataclass(frozen=True)
class BodySpec:
    """One rigid body at the start of an episode.

    Attributes:
        name: for people.
        position: of the body's origin, m.
        angle: rad.
        vertices: the polygon in the body's frame, m; a box is listed as ``b2PolygonShape::SetAsBox`` does.
        is_box: made by ``SetAsBox`` (exact normals, no reordering) rather than by ``b2PolygonShape::Set``.
        density: kg/m2.
        friction: coefficient; mixed with the ground's as ``sqrt(a * b)``.
    """

    name: str
    position: tuple[float, float]
    angle: float
    vertices: tuple[tuple[float, float], ...]
    is_box: bool
    density: float
    friction: float


@dataclass(frozen=True)
class JointSpec:
    """One revolute joint with motor and limit.

    Attributes:
        name: for people.
        body_a, body_b: indices into ``BODIES``.
        anchor_a, anchor_b: in the bodies' frames, m.
        lower_angle, upper_angle: limits, rad.
        reference_angle: angle of b minus angle of a at the start, rad. pybox2d sets it when the definition is made,
            plain Box2D would leave it 0; the limits and the observed angles count from it.
        motor_speed: speed at the start, rad/s; the first step overwrites it.
    """

    name: str
    body_a: int
    body_b: int
    anchor_a: tuple[float, float]
    anchor_b: tuple[float, float]
    lower_angle: float
    upper_angle: float
    reference_angle: float
    motor_speed: float


def _box(half_width: float, half_height: float) -> tuple[tuple[float, float], ...]:
    """The corners in the order of ``b2PolygonShape::SetAsBox``."""
    return (
        (-half_width, -half_height),
        (half_width, -half_height),
        (half_width, half_height),
        (-half_width, half_height),
    )


def _hull() -> BodySpec:
    pixels = ((-30, +9), (+6, +9), (+34, +1), (+34, -8), (-30, -8))
    vertices = tuple((x / SCALE, y / SCALE) for x, y in pixels)
    return BodySpec("hull", (START_X, START_Y), 0.0, vertices, False, 5.0, 0.1)


def _leg(name: str, side: int) -> BodySpec:
    position = (START_X, START_Y - LEG_HEIGHT / 2 - LEG_DOWN)
    return BodySpec(name, position, side * LEG_SPREAD, _box(LEG_WIDTH / 2, LEG_HEIGHT / 2), True, 1.0, DEFAULT_FRICTION)


def _lower(name: str, side: int) -> BodySpec:
    position = (START_X, START_Y - LEG_HEIGHT * 3 / 2 - LEG_DOWN)
    box = _box(0.8 * LEG_WIDTH / 2, LEG_HEIGHT / 2)
    return BodySpec(name, position, side * LEG_SPREAD, box, True, 1.0, DEFAULT_FRICTION)


def _hip(name: str, leg: int, side: int) -> JointSpec:
    return JointSpec(name, 0, leg, (0.0, LEG_DOWN), (0.0, LEG_HEIGHT / 2), -0.8, 1.1, side * LEG_SPREAD, float(side))


def _knee(name: str, leg: int) -> JointSpec:
    return JointSpec(name, leg, leg + 1, (0.0, -LEG_HEIGHT / 2), (0.0, LEG_HEIGHT / 2), -1.6, -0.1, 0.0, 1.0)


#: In order of creation, which decides the order of islands and pairs in Box2D.
BODIES = (_hull(), _leg("leg 1", -1), _lower("lower leg 1", -1), _leg("leg 2", +1), _lower("lower leg 2", +1))
#: In order of creation; joint j is made right after body j + 1.
JOINTS = (_hip("hip 1", 1, -1), _knee("knee 1", 1), _hip("hip 2", 3, +1), _knee("knee 2", 3))
HULL, LEG_1, LOWER_1, LEG_2, LOWER_2 = range(NUM_BODIES)
