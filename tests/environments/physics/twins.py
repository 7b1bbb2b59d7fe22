"""The same walkers in Box2D and in our worlds, and everything that a world remembers between two steps.

A record's names are in the order of a step's phases, so that the first one that differs names the phase that is wrong:
the velocity solver writes impulses and velocities, the position solver moves what the velocities have moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.biped import NUM_BODIES, NUM_JOINTS
from environments.physics import layout
from environments.physics.box2d import WalkerWorld
from environments.terrain.terrain import Terrain
from environments.walker.simd import SimdWorlds, Team
from tests.environments.physics import box2d_memory as memory

#: Name to array; a list of contacts is one row for each, the newest first.
Record = dict[str, NDArray[np.float32]]
#: Fixture, body, whether it touches and is enabled, number of points; then the manifold as in ``layout``.
NUM_CONTACT_COLUMNS = 18
FIXTURE, BODY, IS_TOUCHING, IS_ENABLED, NUM_POINTS = range(5)
POINTS = 10
#: Of a point in a row: its place, then the impulses.
NORMAL_IMPULSE, TANGENT_IMPULSE, POINT_SIZE = 2, 3, 4

_POISON = np.float32(np.nan)


class Oracle:
    """Box2D's side.

    Args:
        terrain: what the walker walks on.
    """

    def __init__(self, terrain: Terrain) -> None:
        self.walker = WalkerWorld(terrain)
        self.world, self.bodies, self.joints = self.walker._world, self.walker._bodies, self.walker._joints
        self._addresses = [memory.address(body) for body in self.bodies]
        # Fixtures are numbered in the order of creation, as pybox2d lists the bodies.
        static = [memory.address(body) for body in self.world.bodies][: -len(self.bodies)]
        self._fixtures = {place: number for number, place in enumerate(static)}

    def record(self) -> Record:
        """Everything, see the module."""
        floats = np.stack([memory.body_floats(at) for at in self._addresses])
        fat_boxes = self.world.contactManager.broadPhase
        # The tree numbers its leaves 0, 1, 3, 5 ...: each but the first comes with a node above it.
        leaves = [2 * (len(self._fixtures) + body) - 1 for body in range(NUM_BODIES)]
        contacts = list(self._contacts())
        listener = self.walker._contacts
        flags = [listener.has_fallen, listener.is_touching_1, listener.is_touching_2]
        rows = [self._row(contact) for contact in contacts]
        return {
            "joint impulses": _array([_joint_impulses(joint) for joint in self.joints]),
            "velocities": floats[:, [*memory.VELOCITY, memory.ANGULAR_VELOCITY]],
            "centres and angles": floats[:, [*memory.CENTER, memory.ANGLE]],
            "transforms": floats[:, [*memory.POSITION, memory.SINE, memory.COSINE]],
            "sweeps": floats[:, [*memory.CENTER0, memory.ANGLE0]],
            "sleep": np.column_stack((floats[:, memory.SLEEP_TIME], [not body.awake for body in self.bodies])),
            "swept boxes": _array([_sides(body.fixtures[0].GetAABB(0)) for body in self.bodies]),
            "fat boxes": _array([_sides(fat_boxes.GetFatAABB(leaf)) for leaf in leaves]),
            "contacts": _array(rows).reshape(-1, NUM_CONTACT_COLUMNS),
            "flags": _array(flags),
            "impacts": _array([(memory.toi_count(contact), self._alpha0(contact)) for contact in contacts]).reshape(
                -1, 2
            ),
            "times of bodies": floats[:, memory.ALPHA0],
        }

    def _contacts(self) -> Iterator[Any]:
        """In the order of Box2D's list, which pybox2d's own ``contacts`` turns round."""
        contact = self.world.contactManager.contactList
        while contact is not None:
            yield contact
            contact = contact.next

    def _row(self, contact: Any) -> list[float]:
        body = self._addresses.index(memory.address(contact.fixtureB.body))
        fixture, manifold = self._fixtures[memory.address(contact.fixtureA.body)], contact.manifold
        row = [fixture, body, contact.touching, contact.enabled, manifold.pointCount]
        row += [manifold.type_ == manifold.e_faceB, *manifold.localNormal, *manifold.localPoint]
        for point in manifold.points[: manifold.pointCount]:
            row += [*point.localPoint, point.normalImpulse, point.tangentImpulse]
        return _without_stale(row)

    def _alpha0(self, contact: Any) -> float:
        return float(memory.body_floats(memory.address(contact.fixtureA.body))[memory.ALPHA0])


def _array(rows: Any) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def _joint_impulses(joint: Any) -> tuple[float, ...]:
    """Pybox2d gives force and torque, impulse over time; in a time of 1 s they are the impulses."""
    return (*joint.GetReactionForce(1.0), joint.GetReactionTorque(1.0), joint.GetMotorTorque(1.0))


def _sides(box: Any) -> tuple[float, ...]:
    return (*box.lowerBound, *box.upperBound)


def _without_stale(row: list[float]) -> list[float]:
    """What a manifold without points remembers has no meaning."""
    num_columns = POINTS + POINT_SIZE * int(row[NUM_POINTS]) if row[NUM_POINTS] else NUM_POINTS + 1
    return [*row[:num_columns], *[0.0] * (NUM_CONTACT_COLUMNS - num_columns)]


def _our_record(state: NDArray[np.float32]) -> Record:
    """Of the world with this memory, (WORLD_SIZE,)."""
    bodies = state[layout.BODY : layout.JOINT].reshape(NUM_BODIES, layout.BODY_SIZE)
    joints = state[layout.JOINT : layout.CONTACT].reshape(NUM_JOINTS, layout.JOINT_SIZE)
    num = int(state[layout.NUM_CONTACTS])
    contacts = state[layout.CONTACT :].reshape(-1, layout.CONTACT_SIZE)[:num][::-1]
    return {
        "joint impulses": joints[:, [layout.IMPULSE_X, layout.IMPULSE_Y, layout.LIMIT_IMPULSE, layout.MOTOR_IMPULSE]],
        "velocities": bodies[:, [layout.VELOCITY_X, layout.VELOCITY_Y, layout.ANGULAR_VELOCITY]],
        "centres and angles": bodies[:, [layout.CENTER_X, layout.CENTER_Y, layout.ANGLE]],
        "transforms": bodies[:, [layout.ORIGIN_X, layout.ORIGIN_Y, layout.SINE, layout.COSINE]],
        "sweeps": bodies[:, [layout.CENTER0_X, layout.CENTER0_Y, layout.ANGLE0]],
        "sleep": bodies[:, [layout.SLEEP_TIME, layout.IS_ASLEEP]],
        "swept boxes": bodies[:, layout.SWEPT_LEFT : layout.SWEPT_TOP + 1],
        "fat boxes": bodies[:, layout.BOX_LEFT : layout.BOX_TOP + 1],
        "contacts": _array([_our_row(contact) for contact in contacts]).reshape(-1, NUM_CONTACT_COLUMNS),
        "flags": state[[layout.HAS_FALLEN, layout.IS_TOUCHING_1, layout.IS_TOUCHING_2]],
        "impacts": contacts[:, [layout.TOI_COUNT, layout.FIXTURE_ALPHA0]],
        "times of bodies": bodies[:, layout.ALPHA0],
    }


def _our_row(contact: NDArray[np.float32]) -> list[float]:
    place = [layout.FIXTURE, layout.CONTACT_BODY, layout.IS_TOUCHING, layout.IS_ENABLED, layout.NUM_POINTS]
    place += range(layout.MANIFOLD_TYPE, layout.MANIFOLD_TYPE + 1)
    place += range(layout.LOCAL_NORMAL_X, layout.LOCAL_POINT_Y + 1)
    for k in range(int(contact[layout.NUM_POINTS])):
        point = layout.POINT + layout.POINT_SIZE * k
        fields = (layout.POINT_X, layout.POINT_Y, layout.NORMAL_IMPULSE, layout.TANGENT_IMPULSE)
        place += [point + field for field in fields]
    return _without_stale(contact[place].tolist())


def assert_same(expected: Record, found: Record, where: str) -> None:
    """All numbers are equal, and none is NaN; zeros may differ in their sign, which nothing notices."""
    has_impacts = bool(expected["impacts"].any() or expected["times of bodies"].any())
    for name, numbers in expected.items():
        # Where nothing can meet we do not look for impacts, and leave what is written about the last ones.
        if has_impacts or name not in ("impacts", "times of bodies"):
            assert numbers.shape == found[name].shape, f"{where}: {name}: {numbers} and {found[name]}"
            differ = np.argwhere(~(numbers == found[name]))
            assert not differ.size, f"{where}: {name} differ at {differ.tolist()}: {numbers} and {found[name]}"


class Twins:
    """Walkers, each in Box2D and in a world of ours; all memory of ours is NaN or nonsense before it is written.

    Args:
        terrains: one for each walker.
    """

    def __init__(self, terrains: Sequence[Terrain]) -> None:
        self.oracles = [Oracle(terrain) for terrain in terrains]
        self._ours = SimdWorlds(terrains, np.arange(len(terrains)), max_steps=1_000_000, threads=1)
        (self._team,) = self._ours._teams
        self._team.state[:] = _POISON
        _poison(self._team)
        self._num_steps = 0
        self._ours.reset()
        for oracle in self.oracles:
            oracle.walker.step([0.0] * NUM_JOINTS)
        self.records: list[Record] = []
        self._compare()

    @property
    def state(self) -> NDArray[np.float32]:
        """(N, WORLD_SIZE) our memory, see ``layout``."""
        return self._team.state.reshape(-1, layout.WORLD_SIZE)

    def push(self, world: int, body: int, velocity: tuple[float, float], angular_velocity: float) -> None:
        """Give a body these velocities, m/s and rad/s, on both sides."""
        target = self.oracles[world].bodies[body]
        target.linearVelocity, target.angularVelocity = velocity, angular_velocity
        b = layout.BODY + layout.BODY_SIZE * body
        self.state[world, b + layout.VELOCITY_X : b + layout.ANGULAR_VELOCITY + 1] = (*velocity, angular_velocity)

    def step(self, actions: NDArray[np.float32]) -> None:
        """Let 1/50 s pass and compare everything.

        Args:
            actions: (N, 4).
        """
        _poison(self._team)
        self._ours.step(actions)
        for oracle, action in zip(self.oracles, actions.tolist(), strict=True):
            oracle.walker.step(action)
        self._num_steps += 1
        self._compare()

    def _compare(self) -> None:
        self.records = [oracle.record() for oracle in self.oracles]
        for world, expected in enumerate(self.records):
            assert_same(expected, _our_record(self.state[world]), f"step {self._num_steps} of world {world}")


def _poison(team: Team) -> None:
    for scratch in _arrays((team.scratch, team.readings, team.rays)):
        if scratch is not team.scratch.spent:
            scratch[:] = _POISON if scratch.dtype.kind == "f" else np.iinfo(np.int32).max


def _arrays(nested: Iterable[Any]) -> Iterator[NDArray[Any]]:
    for part in nested:
        if isinstance(part, np.ndarray):
            yield part
        else:
            yield from _arrays(part)
