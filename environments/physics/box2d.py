"""One walker in one Box2D world: the oracle that the other engines are measured against.

The only module that imports Box2D. The world is built as Gymnasium's ``BipedalWalker.reset`` builds it, in the same
order (obstacles, ground edges, hull, then leg, hip, lower leg, knee of each side), because the order of creation
decides the order of contacts and joints in the solver. A world is used for one episode: Gymnasium's habit of emptying
and refilling one world gives slightly different episodes (PHYSICS.md section 2).
"""

from __future__ import annotations

import math
import struct
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.biped import (
    BODIES,
    GROUND_CATEGORY,
    HULL,
    JOINTS,
    LOWER_1,
    LOWER_2,
    MOTOR_SPEEDS,
    MOTORS_TORQUE,
    WALKER_CATEGORY,
    BodySpec,
    JointSpec,
)
from environments.copying import NotCopied
from environments.errors import InputError
from environments.physics.constants import GRAVITY, POSITION_ITERATIONS, STEP_SECONDS, VELOCITY_ITERATIONS
from environments.physics.course import Course
from environments.signals import held
from environments.terrain.constants import FRICTION
from environments.terrain.terrain import Terrain

with warnings.catch_warnings():
    # Its SWIG types have no module. If warnings are errors (python -W error), that warning would crash the process.
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        import Box2D
        from Box2D import _Box2D
    except ImportError as error:
        raise InputError(
            f"Box2D cannot be imported ({error}), and the engine box2d, comparisons with it and the rare episode that "
            "our own physics cannot follow need it: install the package Box2D, which has wheels for Python 3.11 to 3.13"
        ) from None

# The functions behind pybox2d's properties: they take half the time, and a step reads 30 numbers.
_set_motor_speed = _Box2D.b2RevoluteJoint___SetMotorSpeed
_set_max_motor_torque = _Box2D.b2RevoluteJoint___SetMaxMotorTorque
_joint_angle = _Box2D.b2RevoluteJoint___GetJointAngle
_joint_speed = _Box2D.b2RevoluteJoint___GetJointSpeed
_angle = _Box2D.b2Body___GetAngle
_angular_velocity = _Box2D.b2Body___GetAngularVelocity
_x, _y = _Box2D.b2Vec2_x_get, _Box2D.b2Vec2_y_get
_step = _Box2D.b2World_Step
_create_body, _create_fixture = _Box2D.b2World___CreateBody, _Box2D.b2Body___CreateFixture
_set_vertex_1, _set_vertex_2 = _Box2D.b2EdgeShape_vertex1_set, _Box2D.b2EdgeShape_vertex2_set

_TORQUE = float(MOTORS_TORQUE)
#: Numbers in ``WalkerWorld.readings``.
NUM_READINGS = 16
_pack_readings = struct.Struct(f"{NUM_READINGS}f").pack_into


class _ContactListener(Box2D.b2ContactListener):  # type: ignore[misc]
    """What Gymnasium's ``ContactDetector`` remembers: whether the hull touched anything and which lower legs touch.

    The flag of a leg is cleared when any of its contacts ends, even if another one still touches.
    """

    def __init__(self, bodies: list[Any]) -> None:
        super().__init__()
        self.hull, self.lower_1, self.lower_2 = (_address(bodies[i]) for i in (HULL, LOWER_1, LOWER_2))
        self.has_fallen = False
        self.is_touching_1 = 0.0
        self.is_touching_2 = 0.0

    def BeginContact(self, contact: Any) -> None:
        walker = _address(contact.fixtureB.body)
        if walker == self.hull:
            self.has_fallen = True
        elif walker == self.lower_1:
            self.is_touching_1 = 1.0
        elif walker == self.lower_2:
            self.is_touching_2 = 1.0

    def EndContact(self, contact: Any) -> None:
        walker = _address(contact.fixtureB.body)
        if walker == self.lower_1:
            self.is_touching_1 = 0.0
        elif walker == self.lower_2:
            self.is_touching_2 = 0.0

    # Box2D calls these for every touching contact in every step; empty ones of our own are cheaper than the inherited.
    def PreSolve(self, contact: Any, old_manifold: Any) -> None:
        pass

    def PostSolve(self, contact: Any, impulse: Any) -> None:
        pass


def _address(body: Any) -> int:
    return int(body.this)


class WalkerWorld(NotCopied):
    """A fresh world with ground, obstacles and walker. The push acts in the first step.

    Args:
        terrain: what the walker walks on.

    Attributes:
        course: the tables that ``lidar.cast_lidar`` reads.
        readings: (16,) float32, filled by ``read``, SI units: x, y, angle, angular velocity, vx, vy of the hull; angle
            and speed of each joint; 1 or 0 for lower leg 1 and 2: touching or not.
    """

    copy_refusal = (
        "an episode in Box2D lives in this process alone and cannot be copied: copy the env before its first reset, or "
        'use the engine "simd", which gives the same bits'
    )

    def __init__(self, terrain: Terrain) -> None:
        with held():  # Box2D's definitions, broken off while they are made or freed, complain on standard error
            self._world = Box2D.b2World(gravity=GRAVITY)
            _add_obstacles(self._world, terrain)
            _add_ground(self._world, terrain)
            self._bodies, self._joints = _add_walker(self._world)
        self.course = Course.of([terrain])
        self._bodies[HULL].ApplyForceToCenter((terrain.push, 0.0), True)
        self._contacts = _ContactListener(self._bodies)
        self._world.contactListener = self._contacts
        hull = self._bodies[HULL]
        joints = [joint.this for joint in self._joints]
        speeds = [float(speed) for speed in MOTOR_SPEEDS]
        # Box2D returns pointers to the hull's own vectors, so these two are always up to date.
        self._sources = (hull.position.this, hull.linearVelocity.this, hull.this, *joints)
        self._motors = tuple((joint, speed, -speed) for joint, speed in zip(joints, speeds, strict=True))
        self._handle = self._world.this
        self.readings = np.zeros(NUM_READINGS, np.float32)
        self._readings_buffer = self.readings.data

    @property
    def has_fallen(self) -> bool:
        """Whether the hull has touched ground or obstacle at any moment since the start."""
        return self._contacts.has_fallen

    @property
    def touching(self) -> NDArray[np.float32]:
        """(2,) float32: 1 where lower leg 1, or 2, touches, otherwise 0; as of the latest ``read``."""
        return self.readings[14:16]

    def step(self, action: list[float]) -> None:
        """Drive the four motors and let 1/50 s pass.

        Args:
            action: for each joint, in the order of ``biped.JOINTS``, the direction and share of the torque; finite
                float32 values; beyond -1..1 it counts as -1 or 1.

        Raises:
            AssertionError: Box2D met a number that is not finite; the world is then unusable.
        """
        for (joint, forward, backward), drive in zip(self._motors, action, strict=True):
            if drive > 0.0:
                _set_motor_speed(joint, forward)
                _set_max_motor_torque(joint, _TORQUE * drive if drive < 1.0 else _TORQUE)
            elif drive < 0.0:
                _set_motor_speed(joint, backward)
                _set_max_motor_torque(joint, -_TORQUE * drive if drive > -1.0 else _TORQUE)
            else:
                _set_motor_speed(joint, 0.0)
                _set_max_motor_torque(joint, 0.0)
        _step(self._handle, STEP_SECONDS, VELOCITY_ITERATIONS, POSITION_ITERATIONS)

    def read(self) -> bool:
        """Fill ``readings``.

        Returns:
            Whether all 30 numbers of the five bodies are finite.
        """
        position, velocity, hull, hip_1, knee_1, hip_2, knee_2 = self._sources
        numbers = (
            _x(position), _y(position), _angle(hull), _angular_velocity(hull), _x(velocity), _y(velocity),
            _joint_angle(hip_1), _joint_speed(hip_1), _joint_angle(knee_1), _joint_speed(knee_1),
            _joint_angle(hip_2), _joint_speed(hip_2), _joint_angle(knee_2), _joint_speed(knee_2),
        )  # fmt: skip
        touching = (self._contacts.is_touching_1, self._contacts.is_touching_2)
        _pack_readings(self._readings_buffer, 0, *numbers, *touching)
        # The legs' positions and velocities are not read. The impulse that moves a leg also turns it, so the angles and
        # speeds of the joints are finite only if those are. Sums of float32 in float64 do not overflow.
        return math.isfinite(sum(numbers))

    def body_state(self) -> NDArray[np.float32]:
        """(5, 6) float32, SI units: x, y, angle, vx, vy, angular velocity of each body in the order of ``BODIES``.

        x and y are those of the body's origin, vx and vy those of its centre of mass, as pybox2d gives them.
        """
        rows = [(*body.position, body.angle, *body.linearVelocity, body.angularVelocity) for body in self._bodies]
        return np.array(rows, np.float32)

    def cast_ray(self, start: tuple[float, float], end: tuple[float, float]) -> float:
        """The fraction of the way at which Box2D's own ray cast first meets ground or obstacle; 1 if it does not."""
        nearest = _NearestHit()
        self._world.RayCast(nearest, start, end)
        return nearest.fraction


class _NearestHit(Box2D.b2RayCastCallback):  # type: ignore[misc]
    """Gymnasium's ``LidarCallback``."""

    def __init__(self) -> None:
        super().__init__()
        self.fraction = 1.0

    def ReportFixture(self, fixture: Any, point: Any, normal: Any, fraction: float) -> float:
        if fixture.filterData.categoryBits & GROUND_CATEGORY == 0:
            return -1.0
        self.fraction = fraction
        return fraction


def _ground_fixture(shape: Any) -> Any:
    """A new one for each world: its shape changes while the world is filled, and threads may make worlds."""
    fixture = Box2D.b2FixtureDef(shape=shape, friction=FRICTION, categoryBits=GROUND_CATEGORY)
    # The definition takes the shape from Python but never frees it.
    shape.thisown = True
    return fixture


def _add_obstacles(world: Any, terrain: Terrain) -> None:
    shape = Box2D.b2PolygonShape()
    fixture = _ground_fixture(shape)
    for vertices in terrain.obstacles:
        shape.vertices = [tuple(vertex) for vertex in vertices.tolist()]
        world.CreateBody(_STATIC_BODY).CreateFixture(fixture)


def _add_ground(world: Any, terrain: Terrain) -> None:
    """One static body for each edge, as in Gymnasium: edges of one body would share its time of impact."""
    shape = Box2D.b2EdgeShape()
    fixture = _ground_fixture(shape)
    handles = (world.this, _STATIC_BODY.this, shape.this, fixture.this)
    world_handle, body_handle, shape_handle, fixture_handle = handles
    vertices = [tuple(vertex) for vertex in terrain.ground.tolist()]
    for start, end in pairwise(vertices):
        _set_vertex_1(shape_handle, start)
        _set_vertex_2(shape_handle, end)
        _create_fixture(_create_body(world_handle, body_handle), fixture_handle)


def _add_walker(world: Any) -> tuple[list[Any], list[Any]]:
    bodies: list[Any] = []
    joints: list[Any] = []
    for i, (definition, fixture) in enumerate(_WALKER_PARTS):
        body = world.CreateBody(definition)
        body.CreateFixture(fixture)
        bodies.append(body)
        if i != HULL:
            joints.append(world.CreateJoint(_joint_definition(JOINTS[i - 1], bodies)))
    return bodies, joints


def _walker_part(spec: BodySpec) -> tuple[Any, Any]:
    """A body's definition and its fixture's; never changed once made."""
    shape = Box2D.b2PolygonShape()
    if spec.is_box:
        shape.SetAsBox(*spec.vertices[2])
    else:
        shape.vertices = spec.vertices
    fixture = Box2D.b2FixtureDef(
        shape=shape,
        density=spec.density,
        friction=spec.friction,
        restitution=0.0,
        categoryBits=WALKER_CATEGORY,
        maskBits=GROUND_CATEGORY,
    )
    return Box2D.b2BodyDef(type=Box2D.b2_dynamicBody, position=spec.position, angle=spec.angle), fixture


def _joint_definition(spec: JointSpec, bodies: list[Any]) -> Any:
    return Box2D.b2RevoluteJointDef(
        bodyA=bodies[spec.body_a],
        bodyB=bodies[spec.body_b],
        localAnchorA=spec.anchor_a,
        localAnchorB=spec.anchor_b,
        referenceAngle=spec.reference_angle,
        enableMotor=True,
        enableLimit=True,
        maxMotorTorque=MOTORS_TORQUE,
        motorSpeed=spec.motor_speed,
        lowerAngle=spec.lower_angle,
        upperAngle=spec.upper_angle,
    )


_STATIC_BODY = Box2D.b2BodyDef(type=Box2D.b2_staticBody)
_WALKER_PARTS = tuple(_walker_part(spec) for spec in BODIES)
