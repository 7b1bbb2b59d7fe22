"""Every phase of a step against Box2D's: after each step all that a world remembers is the same, impulses and all.

Each test brings about what one phase has to deal with, and counts, in Box2D's records, that it was dealt with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from environments.biped import LOWER_1, LOWER_2, NUM_BODIES, NUM_JOINTS, START_X
from environments.physics.bodies import (
    CONTACT_FRICTION,
    INVERSE_INERTIA,
    INVERSE_MASS,
    JOINT_BODY_A,
    JOINT_BODY_B,
    LOWER_ANGLE,
    REFERENCE_ANGLE,
    UPPER_ANGLE,
)
from environments.physics.constants import (
    ANGULAR_SLOP,
    MAX_ROTATION,
    MAX_SUB_STEPS,
    MAX_TRANSLATION,
    STEP_SECONDS,
)
from environments.terrain.terrain import Terrain
from tests.environments.physics import box2d_memory as memory
from tests.environments.physics.twins import (
    BODY,
    FIXTURE,
    IS_ENABLED,
    IS_TOUCHING,
    NORMAL_IMPULSE,
    NUM_POINTS,
    POINT_SIZE,
    POINTS,
    TANGENT_IMPULSE,
    Record,
    Twins,
)

Rng = np.random.Generator
#: (6, 4) actions that lay a walker down, one leg before and one behind.
_SPREAD = np.array([(side, knees, -side, knees) for side in (1, -1) for knees in (1.0, 0.3, -1.0)], np.float32)
#: Where the soles are at the start, m.
_SOLES = 10 / 3
ABYSS = Terrain(ground=np.array([[-50.0, -900.0], [60.0, -900.0]], np.float32))


def _flat(height: float, *obstacles: NDArray[np.float32]) -> Terrain:
    """One edge."""
    return Terrain(np.array([[-50.0, height], [60.0, height]], np.float32), obstacles)


def _ground(rng: Rng, widths: Sequence[float], roughness: float) -> NDArray[np.float32]:
    """Edges of these widths, m, at the walker's height."""
    x = np.cumsum(rng.choice(widths, 1000))
    x = x[x < 30.0] - 6.0
    return np.column_stack((x, _SOLES + rng.normal(0.0, roughness, x.size) - 2 * roughness)).astype(np.float32)


def _boxes(rng: Rng, num: int) -> list[NDArray[np.float32]]:
    """Boxes of all sizes about the walker's feet and before it."""
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    places = rng.uniform((START_X - 3.0, _SOLES - 0.6), (START_X + 6.0, _SOLES + 0.1), (num, 2))
    return [(place + corners * rng.uniform(0.02, 0.7, 2)).astype(np.float32) for place in places]


class _Held:
    """Random actions of N walkers, each held for a while; some of them are no torque at all."""

    def __init__(self, rng: Rng, num: int) -> None:
        self._rng, self._actions = rng, np.zeros((num, NUM_JOINTS), np.float32)

    def next(self) -> NDArray[np.float32]:
        shape = self._actions.shape
        drawn = self._rng.uniform(-1.3, 1.3, shape) * (self._rng.random(shape) < 0.8)
        self._actions = np.where(self._rng.random(shape) < 0.15, drawn, self._actions).astype(np.float32)
        return self._actions


def _push_all(twins: Twins, rng: Rng, speed: float, spin: float) -> None:
    """Give every body of every walker a random velocity."""
    for world in range(len(twins.oracles)):
        for body in range(NUM_BODIES):
            vx, vy, w = (rng.normal(size=3) * (speed, speed, spin)).astype(np.float32).tolist()
            twins.push(world, body, (vx, vy), w)


def _joint_angles(angles: NDArray[np.float32]) -> NDArray[np.float32]:
    """(4,) from the angles of the bodies."""
    return angles[JOINT_BODY_B] - angles[JOINT_BODY_A] - REFERENCE_ANGLE


def _beyond(angles: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(4,) which joints are farther beyond a limit than the position solver leaves them."""
    joints = _joint_angles(angles)
    return (joints < LOWER_ANGLE - ANGULAR_SLOP) | (joints > UPPER_ANGLE + ANGULAR_SLOP)


def test_what_is_read_from_box2ds_memory_is_what_its_accessors_say() -> None:
    """Places of members are right, as far as an accessor can tell."""
    twins = Twins([_flat(_SOLES)])
    actions = _Held(np.random.default_rng(0), 1)
    for _ in range(30):
        twins.step(actions.next())
    for body in twins.oracles[0].bodies:
        floats = memory.body_floats(memory.address(body))
        accessors = [*body.position, *body.worldCenter, body.angle, *body.linearVelocity, body.angularVelocity]
        places = [*memory.POSITION, *memory.CENTER, memory.ANGLE, *memory.VELOCITY, memory.ANGULAR_VELOCITY]
        assert np.array(accessors, np.float32).tolist() == floats[places].tolist()


def test_joints_in_the_air() -> None:
    """Without any contact, velocities and the impulses of anchors, limits and motors are Box2D's, to the last bit."""
    rng, num = np.random.default_rng(1), 12
    twins, actions, seen = Twins([ABYSS] * num), _Held(np.random.default_rng(2), num), Counter[str]()
    for step in range(60):
        if step % 20 == 10:
            _push_all(twins, rng, 3.0, 8.0)
        twins.step(actions.next())
        for record in twins.records:
            limit, motor = record["joint impulses"][:, 2], record["joint impulses"][:, 3]
            assert not record["contacts"].size
            seen += Counter(at_lower=(limit > 0).sum(), at_upper=(limit < 0).sum(), free=(limit == 0).sum())
            seen += Counter(driven=(motor != 0).sum(), idle=(motor == 0).sum(), unlimited=not limit.any())
    assert min(seen[key] for key in "at_lower at_upper free driven idle unlimited".split()) > 50, seen


def test_positions_after_few_passes_and_after_all_sixty() -> None:
    """Joints torn apart and turned beyond their limits are put back as Box2D does it, or left where it gives up."""
    rng, num = np.random.default_rng(3), 12
    twins, actions, seen = Twins([ABYSS] * num), _Held(np.random.default_rng(4), num), Counter[str]()
    for step in range(50):
        if step % 5 == 0:
            _push_all(twins, rng, 20.0, 40.0)
        twins.step(actions.next())
        for record in twins.records:
            velocity, sweep = record["velocities"][:, 2], record["sweeps"][:, 2]
            before, after = (
                _beyond(sweep + np.float32(STEP_SECONDS) * velocity),
                _beyond(record["centres and angles"][:, 2]),
            )
            seen += Counter(given_up=after.any(), mended=before.any() and not after.any(), nothing=not before.any())
    assert min(seen["given_up"], seen["mended"], seen["nothing"]) > 20, seen


def test_speeds_are_capped() -> None:
    """A body that would move by more than 2 m or turn by more than a quarter in a step is slowed down as in Box2D."""
    rng, num = np.random.default_rng(5), 6
    twins, actions, seen = Twins([ABYSS] * num), _Held(np.random.default_rng(6), num), Counter[str]()
    for step in range(30):
        if step % 5 == 0:
            _push_all(twins, rng, 200.0, 300.0)
        twins.step(actions.next())
        for record in twins.records:
            way = np.hypot(*record["velocities"][:, :2].T) * np.float32(STEP_SECONDS)
            turn = np.abs(record["velocities"][:, 2]) * np.float32(STEP_SECONDS)
            assert (way < 1.00001 * MAX_TRANSLATION).all() and (turn < 1.00001 * MAX_ROTATION).all()
            seen += Counter(
                fast=(way > 0.99999 * MAX_TRANSLATION).sum(), spinning=(turn > 0.99999 * MAX_ROTATION).sum()
            )
    assert min(seen["fast"], seen["spinning"]) > 20, seen


def _points(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """(num points, 4) of a contact's row."""
    return row[POINTS:].reshape(2, POINT_SIZE)[: int(row[NUM_POINTS])]


def _is_ill_conditioned(row: NDArray[np.float32], record: Record) -> bool | None:
    """Whether the matrix of a contact's two normals is nearly singular; None near Box2D's bound, 1000."""
    body = int(row[BODY])
    x, y, sine, cosine = record["transforms"][body].astype(np.float64)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    normal, points = row[6:8].astype(np.float64), _points(row)[:, :2].astype(np.float64)
    if row[5]:
        normal = turn @ normal
    else:
        points = points @ turn.T + (x, y)
    arms = points - record["centres and angles"][body, :2]
    rn = arms[:, 0] * normal[1] - arms[:, 1] * normal[0]
    k = INVERSE_MASS[body] + INVERSE_INERTIA[body] * np.outer(rn, rn)
    condition = k[0, 0] ** 2 / max(k[0, 0] * k[1, 1] - k[0, 1] ** 2, 1e-30)
    return None if 500.0 < condition < 2000.0 else condition > 1000.0


def _kinds(record: Record) -> Iterator[str]:
    """The cases that the contact solver met in this step."""
    touching = record["contacts"][record["contacts"][:, IS_TOUCHING] == 1.0]
    if np.bincount(touching[:, BODY].astype(np.int64)).max(initial=0) > 2:
        yield "three of one body"
    for row in touching:
        points = _points(row)
        yield f"reference face {'walker' if row[5] else 'terrain'}, {len(points)} points"
        normal, tangent = points[:, NORMAL_IMPULSE], np.abs(points[:, TANGENT_IMPULSE])
        most = CONTACT_FRICTION[int(row[BODY])] * normal
        yield "slides" if (tangent[normal > 0] >= most[normal > 0] * np.float32(0.999)).any() else "sticks"
        if len(points) == 2:
            is_ill = _is_ill_conditioned(row, record)
            yield "one point at a time" if is_ill else f"block {'+' if normal[0] else '0'}{'+' if normal[1] else '0'}"


def test_contacts_friction_and_both_points_at_once() -> None:
    """Normal and tangent impulses are Box2D's in every case of the block solver, and where it is ill-conditioned."""
    rng = np.random.default_rng(7)
    terrains = [Terrain(_ground(rng, widths, 0.02)) for widths in ((0.47,), (0.47, 0.2, 0.02), (0.3, 0.3, 0.008))]
    terrains += [_flat(_SOLES), _flat(_SOLES - 0.3, *_boxes(rng, 40)), Terrain(_ground(rng, (0.47,), 0.3))]
    twins, seen = Twins(terrains * 2), Counter[str]()
    actions, lies = _Held(np.random.default_rng(8), 12), np.arange(12)[:, np.newaxis] % 3 == 0
    for step in range(150):
        twins.step(np.where(lies, _SPREAD[0] * np.float32(step < 40), actions.next()))
        for record in twins.records:
            seen.update(_kinds(record))
    cases = [
        "three of one body",
        "slides",
        "sticks",
        "one point at a time",
        *(f"block {b}" for b in "++ +0 0+ 00".split()),
    ]
    cases += [f"reference face {face}, {num} points" for face in ("terrain", "walker") for num in (1, 2)]
    assert min(seen[case] for case in cases) > 10, seen


def test_contacts_come_and_go_in_box2ds_order() -> None:
    """The list is Box2D's, newest first, fat boxes and all, while contacts of edges and boxes are made and dropped."""
    rng, num = np.random.default_rng(9), 8
    terrains = [Terrain(_ground(rng, (0.3, 0.47), 0.1), tuple(_boxes(rng, 30))) for _ in range(num)]
    twins, seen = Twins(terrains), Counter[str]()
    actions = _Held(np.random.default_rng(10), num)
    lists = [record["contacts"] for record in twins.records]
    for step in range(100):
        if step % 10 == 0:
            _push_all(twins, rng, 15.0, 4.0)
        twins.step(actions.next())
        for world, record in enumerate(twins.records):
            before, now = ([tuple(row) for row in rows[:, :2].tolist()] for rows in (lists[world], record["contacts"]))
            seen += Counter(new=len(set(now) - set(before)), dropped=len(set(before) - set(now)))
            seen += Counter(out_of_order=now != sorted(now, reverse=True))
            fixtures = record["contacts"][:, FIXTURE]
            seen += Counter(mixed=(fixtures < 30).any() and (fixtures >= 30).any(), many=len(now) > 10)
            lists[world] = record["contacts"]
    assert min(seen[key] for key in "new dropped out_of_order mixed many".split()) > 10, seen


def test_a_flag_goes_with_any_contact_that_ends() -> None:
    """A lower leg that touches two edges and leaves one is said not to touch, as Gymnasium's listener has it."""
    rng, num = np.random.default_rng(11), 8
    twins, seen = Twins([Terrain(_ground(rng, (0.1, 0.2), 0.01)) for _ in range(num)]), Counter[str]()
    actions = _Held(np.random.default_rng(12), num)
    for _ in range(120):
        twins.step(actions.next())
        for record in twins.records:
            contacts = record["contacts"]
            for body, flag in ((LOWER_1, record["flags"][1]), (LOWER_2, record["flags"][2])):
                touches = ((contacts[:, BODY] == body) & (contacts[:, IS_TOUCHING] == 1.0)).any()
                seen[f"{touches} {flag == 1.0}"] += 1
            seen["fallen"] += record["flags"][0] == 1.0
    assert 0 == seen["False True"]
    assert min(seen[key] for key in ("True True", "True False", "False False", "fallen")) > 10, seen


def _teeth() -> Terrain:
    """Notches 2 m deep and wide, in which a body flies from wall to wall within a step."""
    x = np.arange(-6.0, 24.0)
    return Terrain(np.column_stack((x, _SOLES - 0.2 - 2.0 * (np.arange(x.size) % 2))).astype(np.float32))


def _impacts(record: Record) -> Counter[str]:
    """The kinds of impacts in a step."""
    contacts, counts, alpha0 = record["contacts"], record["impacts"][:, 0], record["impacts"][:, 1]
    hit, touching = contacts[counts > 0], contacts[contacts[:, IS_TOUCHING] == 1.0]
    return Counter(
        impacts=int(counts.sum()),
        several_of_one_contact=int((counts > 2).sum()),
        too_many=int((counts > MAX_SUB_STEPS).sum()),
        rejected=int(((contacts[:, IS_ENABLED] == 0.0) & (counts > 0)).sum()),
        island_of_several=sum((touching[:, BODY] == body).sum() > 1 for body in set(hit[:, BODY])),
        one_edge_hit_by_two=sum(len(set(hit[hit[:, FIXTURE] == i, BODY])) > 1 for i in set(hit[:, FIXTURE])),
        moved_on_by_another=int(((counts == 0) & (alpha0 > 0)).sum()),
    )


def test_impacts_within_a_step() -> None:
    """What flies, falls or kicks into the ground is stopped on the way as in Box2D, times of static bodies included."""
    rng, seen = np.random.default_rng(13), Counter[str]()
    calm = [_flat(_SOLES - 1.0), Terrain(_ground(rng, (0.47,), 0.3)), Terrain(_ground(rng, (0.2, 0.3, 0.02), 0.05))]
    # With this seed one contact has more impacts in a step than Box2D handles.
    for terrains, speed, spin in (calm * 2, 12.0, 30.0), ([_teeth()] * 20, 40.0, 40.0):
        twins, actions = Twins(terrains), _Held(np.random.default_rng(14), len(terrains))
        rng = np.random.default_rng(13)
        for step in range(60):
            if step % 4 == 0:
                _push_all(twins, rng, speed, spin)
            twins.step(actions.next())
            for record in twins.records:
                seen += _impacts(record)
    often = "impacts island_of_several one_edge_hit_by_two moved_on_by_another".split()
    assert min(seen[kind] for kind in often) > 30, seen
    assert seen["several_of_one_contact"] > 5 and seen["rejected"] > 1 and seen["too_many"] > 0, seen


def test_two_legs_fall_on_one_edge_at_once() -> None:
    """The leg that is later is moved on to the time of the one that is earlier, and its own time counts from there."""
    twins, seen = Twins([_flat(_SOLES - drop) for drop in (0.8, 1.1, 1.3, 1.7)]), Counter[str]()
    still = np.zeros((4, NUM_JOINTS), np.float32)
    for world, body in np.ndindex(4, NUM_BODIES):
        twins.push(world, body, (0.0, -45.0), 0.0)
    for _ in range(4):
        twins.step(still)
        for record in twins.records:
            seen += _impacts(record)
            late = record["times of bodies"][[LOWER_1, LOWER_2]]
            seen["both legs"] += bool((late > 0).all())
    assert min(seen["both legs"], seen["one_edge_hit_by_two"]) > 0, seen


def test_a_walker_falls_asleep_and_motors_wake_it() -> None:
    """Times of rest and flags of sleep are Box2D's: asleep at the end of a step, awake after the next command."""
    num = 6
    rng = np.random.default_rng(15)
    twins, seen = Twins([_flat(_SOLES)] * 3 + [Terrain(_ground(rng, (0.47,), 0.02)) for _ in range(3)]), Counter[str]()
    was_asleep = np.zeros(num, np.bool_)
    for step in range(250):
        twins.step(_SPREAD * np.float32(step < 40 or step % 90 == 0))
        is_asleep = np.array([record["sleep"][:, 1].all() for record in twins.records])
        assert all(record["sleep"][:, 1].any() == record["sleep"][:, 1].all() for record in twins.records)
        seen += Counter(asleep=is_asleep.sum(), woken=(was_asleep & ~is_asleep).sum(), awake=(~is_asleep).sum())
        was_asleep = is_asleep
    assert min(seen["asleep"], seen["woken"], seen["awake"]) > 3, seen
