"""One step's solution of velocities and positions for a pack of worlds, one world in each lane.

Source: Box2D 2.3.0, ``b2Island.cpp`` (``Solve``) and the order of its island: bodies lower 2, leg 2, hull, leg 1, lower
1; joints knee 2, hip 2, hip 1, knee 1; contacts in the order of the bodies, newest first. Contacts of different bodies
share nothing, since the terrain does not move, so only the order within a body matters.

A lane loop does one small thing for all lanes. Every offset in it is a constant, except the place of a contact. What
no lane needs (a limit, a second point, a slot) is skipped for the whole pack.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from environments.biped import HULL, LEG_1, LEG_2, LOWER_1, LOWER_2, NUM_BODIES, NUM_JOINTS
from environments.compiled import LANES, inline_kernel, kernel, kernel_of, ticks
from environments.physics.bodies import (
    ANCHOR_A,
    ANCHOR_B,
    CONTACT_FRICTION,
    INVERSE_INERTIA,
    INVERSE_MASS,
    JOINT_BODY_A,
    JOINT_BODY_B,
    LOCAL_CENTER,
    LOWER_ANGLE,
    REFERENCE_ANGLE,
    UPPER_ANGLE,
)
from environments.physics.constants import (
    BAUMGARTE,
    LINEAR_SLOP,
    MAX_ROTATION,
    MAX_TRANSLATION,
    STEP_SECONDS,
    TOUCHING_CAPACITY,
    VELOCITY_ITERATIONS,
)
from environments.physics.contact_solver import (
    prepare_contact,
    solve_contact_position,
    solve_contact_velocity,
    warm_start_contact,
)
from environments.physics.contacts import box_of, origin_of
from environments.physics.joints import prepare_joint, solve_joint_position, solve_joint_velocity
from environments.physics.rotation import sin_cos
from environments.physics.solver_lane import slot_of
from environments.physics.solver_layout import (
    ANGLE,
    ANGULAR_VELOCITY,
    BODY,
    BODY_SIZE,
    CENTER_X,
    CENTER_Y,
    COSINE,
    COUNT,
    IS_SOLVED,
    JOINT,
    JOINT_SIZE,
    JOINTS_ARE_GOOD,
    LEAST_SEPARATION,
    LIMIT,
    NORMAL_IMPULSE,
    ORIGIN_X,
    ORIGIN_Y,
    POSITION_COUNT,
    SAVED,
    SECOND,
    SHAPE_BOTTOM,
    SHAPE_LEFT,
    SHAPE_RIGHT,
    SHAPE_TOP,
    SINE,
    SLOT,
    SLOT_SIZE,
    VELOCITY_X,
    VELOCITY_Y,
    WINDOW_BODY,
    WINDOW_SLOT,
)
from environments.physics.stages import CONTACTS, IS_DETAILED, JOINTS, charge

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_STEP = np.float32(STEP_SECONDS)
#: The overlap that the position solver tolerates (b2ContactSolver.cpp: -3 linearSlop).
GOOD_SEPARATION = np.float32(-3.0) * LINEAR_SLOP


def joint_constants(joint: int) -> tuple[Any, ...]:
    """First fields of the joint and its bodies a and b; inverse masses and inertias; the motor's effective mass."""
    a, b = int(JOINT_BODY_A[joint]), int(JOINT_BODY_B[joint])
    masses = (INVERSE_MASS[a], INVERSE_INERTIA[a], INVERSE_MASS[b], INVERSE_INERTIA[b])
    motor_mass = np.float32(1.0) / (INVERSE_INERTIA[a] + INVERSE_INERTIA[b])
    return JOINT + JOINT_SIZE * joint, BODY + BODY_SIZE * a, BODY + BODY_SIZE * b, *masses, motor_mass


def body_constants(body: int) -> tuple[Any, ...]:
    """Inverse mass, inverse inertia, friction with the ground."""
    return INVERSE_MASS[body], INVERSE_INERTIA[body], CONTACT_FRICTION[body]


def anchor_constants(joint: int) -> tuple[Any, ...]:
    """The anchor from both centres of mass, m; limits and reference angle, rad."""
    return (
        *ANCHOR_A[joint],
        *ANCHOR_B[joint],
        LOWER_ANGLE[joint],
        UPPER_ANGLE[joint],
        REFERENCE_ANGLE[joint],
    )


def _preparation(joint: int) -> Callable[..., Any]:
    j, a, b, ma, ia, mb, ib, _ = joint_constants(joint)
    ax, ay, bx, by, lower, upper, reference = anchor_constants(joint)

    @kernel_of(f"joint_{joint}")
    def prepare(m):  # type: ignore[no-untyped-def]
        for lane in range(LANES):
            prepare_joint(m, lane, LANES, j, a, b, ma, ia, mb, ib, ax, ay, bx, by, lower, upper, reference)

    return prepare


def _velocity_pass(joint: int) -> Callable[..., Any]:
    j, a, b, ma, ia, mb, ib, motor_mass = joint_constants(joint)

    @kernel_of(f"joint_{joint}")
    def solve(m, limits):  # type: ignore[no-untyped-def]
        # Bit ``joint`` of ``limits``: the joint is at a limit in some lane.
        if limits >> joint & 1:
            for lane in range(LANES):
                solve_joint_velocity(m, lane, LANES, j, a, b, ma, ia, mb, ib, motor_mass, True)
        else:
            for lane in range(LANES):
                solve_joint_velocity(m, lane, LANES, j, a, b, ma, ia, mb, ib, motor_mass, False)

    return solve


def _position_pass(joint: int) -> Callable[..., Any]:
    j, a, b, ma, ia, mb, ib, motor_mass = joint_constants(joint)
    ax, ay, bx, by, lower, upper, reference = anchor_constants(joint)

    @kernel_of(f"joint_{joint}")
    def solve(m):  # type: ignore[no-untyped-def]
        for lane in range(LANES):
            is_good = solve_joint_position(
                m, lane, LANES, j, a, b, ma, ia, mb, ib, motor_mass, ax, ay, bx, by, lower, upper, reference
            )
            m[JOINTS_ARE_GOOD * LANES + lane] = m[JOINTS_ARE_GOOD * LANES + lane] if is_good else _ZERO

    return solve


def _contact_pass(body: int) -> Callable[..., Any]:
    """Nearly all touching contacts are the first or the second of a leg. These have their own loops: one for packs in
    which each has one point, which is less than half the work, and one for packs with two. A lower leg that lies in a
    corner has a third, which has a loop too.
    """
    first, second, third = (SLOT + SLOT_SIZE * (TOUCHING_CAPACITY * body + k) for k in range(3))
    is_lower, num_loops = body in (LOWER_1, LOWER_2), 3 if body in (LOWER_1, LOWER_2) else 2
    b, mass, inertia, friction = BODY + BODY_SIZE * body, *body_constants(body)

    @kernel_of(f"body_{body}")
    def solve(m, num_slots, flat):  # type: ignore[no-untyped-def]
        # Bit 2 * body + k of ``flat``: the body's k-th contact has two points in some lane.
        if num_slots[body] > 0:
            if flat >> (2 * body) & 1:
                for lane in range(LANES):
                    solve_contact_velocity(m, m, lane, LANES, first, b, mass, inertia, friction, True)
            else:
                for lane in range(LANES):
                    solve_contact_velocity(m, m, lane, LANES, first, b, mass, inertia, friction, False)
        if num_slots[body] > 1:
            if flat >> (2 * body + 1) & 1:
                for lane in range(LANES):
                    solve_contact_velocity(m, m, lane, LANES, second, b, mass, inertia, friction, True)
            else:
                for lane in range(LANES):
                    solve_contact_velocity(m, m, lane, LANES, second, b, mass, inertia, friction, False)
        if is_lower and num_slots[body] > 2:
            for lane in range(LANES):
                solve_contact_velocity(m, m, lane, LANES, third, b, mass, inertia, friction, True)
        for k in range(num_loops, num_slots[body]):
            _solve_slot(m, slot_of(body, k), b, body)

    return solve


_prepare_hip_1, _prepare_knee_1, _prepare_hip_2, _prepare_knee_2 = (_preparation(j) for j in range(NUM_JOINTS))
_hip_1, _knee_1, _hip_2, _knee_2 = (_velocity_pass(j) for j in range(NUM_JOINTS))
_place_hip_1, _place_knee_1, _place_hip_2, _place_knee_2 = (_position_pass(j) for j in range(NUM_JOINTS))
_hull, _leg_1, _lower_1, _leg_2, _lower_2 = (_contact_pass(body) for body in range(NUM_BODIES))


@kernel
def solve_velocities(m, num_slots, spent):  # type: ignore[no-untyped-def]
    """Prepare the constraints, warm start them and run the 180 passes, joints before contacts.

    Args:
        m: the solver's memory, loaded, velocities with gravity and push.
        num_slots: (5,) int64: most touching contacts of each body in any lane.
        spent: see ``stages``.
    """
    began = ticks()
    flat = 0
    for body in range(NUM_BODIES):
        for k in range(num_slots[body]):
            _prepare_slot(m, slot_of(body, k), BODY + BODY_SIZE * body, body)
            if k < 2 and any_above_one(m, slot_of(body, k) + COUNT):
                flat |= 1 << (2 * body + k)
    began = charge(spent, CONTACTS, began)
    _prepare_knee_2(m)
    _prepare_hip_2(m)
    _prepare_hip_1(m)
    _prepare_knee_1(m)
    limits = 0
    for joint in range(NUM_JOINTS):
        limits |= _any(m, JOINT + JOINT_SIZE * joint + LIMIT) << joint
    _run_passes(m, num_slots, flat, limits, spent)
    if not spent[IS_DETAILED]:
        charge(spent, JOINTS, began)


@kernel
def _run_passes(m, num_slots, flat, limits, spent):  # type: ignore[no-untyped-def]
    """Run the passes, with their parts in an order in which neighbours mostly share no body.

    Parts that share no body may change places: here knee 2 is one pass ahead, and the contacts of leg 1 come late. The
    processor then works on two parts at a time; a part alone would mostly wait for its own results.
    """
    began = ticks()
    _knee_2(m, limits)
    for k in range(VELOCITY_ITERATIONS):
        _hip_2(m, limits)
        if k > 0:
            began = _solve_contacts_1(m, num_slots, flat, spent, began)
        _hip_1(m, limits)
        began = _solve_contacts_2(m, num_slots, flat, spent, began)
        _knee_1(m, limits)
        if k < VELOCITY_ITERATIONS - 1:
            _knee_2(m, limits)
    _solve_contacts_1(m, num_slots, flat, spent, began)


@inline_kernel
def _solve_contacts_1(m, num_slots, flat, spent, began):  # type: ignore[no-untyped-def]
    if spent[IS_DETAILED]:
        began = charge(spent, JOINTS, began)
    _leg_1(m, num_slots, flat)
    _lower_1(m, num_slots, flat)
    return charge(spent, CONTACTS, began) if spent[IS_DETAILED] else began


@inline_kernel
def _solve_contacts_2(m, num_slots, flat, spent, began):  # type: ignore[no-untyped-def]
    if spent[IS_DETAILED]:
        began = charge(spent, JOINTS, began)
    _leg_2(m, num_slots, flat)
    _lower_2(m, num_slots, flat)
    _hull(m, num_slots, flat)
    return charge(spent, CONTACTS, began) if spent[IS_DETAILED] else began


@kernel
def any_above_one(m, field):  # type: ignore[no-untyped-def]
    """Whether the field is above 1 in any lane."""
    for lane in range(LANES):
        if m[field * LANES + lane] > _ONE:
            return True
    return False


@kernel
def _any(m, field):  # type: ignore[no-untyped-def]
    """Whether the field differs from 0 in any lane."""
    for lane in range(LANES):
        if m[field * LANES + lane] != _ZERO:
            return True
    return False


@kernel
def copy_fields(m, to, source, num_fields):  # type: ignore[no-untyped-def]
    """Copy some fields of all lanes."""
    ours, theirs = m[to * LANES : (to + num_fields) * LANES], m[source * LANES : (source + num_fields) * LANES]
    for i in range(ours.size):
        ours[i] = theirs[i]


@kernel
def copy_impulses(m, to, source):  # type: ignore[no-untyped-def]
    """Copy what a velocity pass changes in a slot, of all lanes."""
    copy_fields(m, to + NORMAL_IMPULSE, source + NORMAL_IMPULSE, 2)
    copy_fields(m, to + SECOND + NORMAL_IMPULSE, source + SECOND + NORMAL_IMPULSE, 2)


@kernel
def _prepare_slot(m, c, b, body):  # type: ignore[no-untyped-def]
    mass, inertia = INVERSE_MASS[body], INVERSE_INERTIA[body]
    x, y = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
    copy_fields(m, WINDOW_SLOT, c, SLOT_SIZE)
    copy_fields(m, WINDOW_BODY, b, ORIGIN_X)
    for lane in range(LANES):
        sine, cosine = m[(WINDOW_BODY + SINE) * LANES + lane], m[(WINDOW_BODY + COSINE) * LANES + lane]
        prepare_contact(m, m, lane, LANES, WINDOW_SLOT, WINDOW_BODY, mass, inertia, x, y, sine, cosine)
        warm_start_contact(m, m, lane, LANES, WINDOW_SLOT, WINDOW_BODY, mass, inertia)
    copy_fields(m, c, WINDOW_SLOT, POSITION_COUNT)
    copy_fields(m, b + VELOCITY_X, WINDOW_BODY + VELOCITY_X, 3)


@kernel
def _solve_slot(m, c, b, body):  # type: ignore[no-untyped-def]
    mass, inertia, friction = INVERSE_MASS[body], INVERSE_INERTIA[body], CONTACT_FRICTION[body]
    copy_fields(m, WINDOW_SLOT, c, POSITION_COUNT)
    copy_fields(m, WINDOW_BODY + VELOCITY_X, b + VELOCITY_X, 3)
    for lane in range(LANES):
        solve_contact_velocity(m, m, lane, LANES, WINDOW_SLOT, WINDOW_BODY, mass, inertia, friction, True)
    copy_impulses(m, c, WINDOW_SLOT)
    copy_fields(m, b + VELOCITY_X, WINDOW_BODY + VELOCITY_X, 3)


@kernel
def integrate(m):  # type: ignore[no-untyped-def]
    """Move the bodies with their velocities, which are capped."""
    for body in range(NUM_BODIES):
        for lane in range(LANES):
            move_body(m, lane, LANES, BODY + BODY_SIZE * body)


@inline_kernel
def move_body(m, lane, n, b):  # type: ignore[no-untyped-def]
    """Move the body at ``b`` in one of n lanes for a step, with its velocities, which are capped."""
    vx, vy, w = m[(b + VELOCITY_X) * n + lane], m[(b + VELOCITY_Y) * n + lane], m[(b + ANGULAR_VELOCITY) * n + lane]
    vx, vy, w = capped(vx, vy, w, _STEP)
    m[(b + VELOCITY_X) * n + lane], m[(b + VELOCITY_Y) * n + lane], m[(b + ANGULAR_VELOCITY) * n + lane] = vx, vy, w
    m[(b + CENTER_X) * n + lane] += _STEP * vx
    m[(b + CENTER_Y) * n + lane] += _STEP * vy
    m[(b + ANGLE) * n + lane] += _STEP * w


@inline_kernel
def capped(vx, vy, w, seconds):  # type: ignore[no-untyped-def]
    """Velocities, m/s and rad/s, with which a body moves by at most 2 m and turns by at most pi/2 in ``seconds``."""
    dx, dy = seconds * vx, seconds * vy
    squared = dx * dx + dy * dy
    ratio = MAX_TRANSLATION / math.sqrt(squared)
    is_fast = squared > MAX_TRANSLATION * MAX_TRANSLATION
    turn = seconds * w
    turn_ratio = MAX_ROTATION / abs(turn)
    spins = turn * turn > MAX_ROTATION * MAX_ROTATION
    return vx * ratio if is_fast else vx, vy * ratio if is_fast else vy, w * turn_ratio if spins else w


#: Nearly all worlds are solved after this many passes. Most others need all 60, so they go on in packs of their own.
FIRST_PASSES = 3


@kernel
def solve_positions(m, num_slots, passes):  # type: ignore[no-untyped-def]
    """Run position passes, contacts before joints, until no lane has anything left to do. A lane that is done is kept.

    Args:
        m, num_slots: see ``solve_velocities``; IS_SOLVED is 1 for lanes that are done, or without a world.
        passes: at most this many; Box2D does 60 in all.
    """
    for _ in range(passes):
        _begin_position_pass(m)
        for body in range(NUM_BODIES):
            for k in range(num_slots[body]):
                _place_slot(m, slot_of(body, k), BODY + BODY_SIZE * body, body)
        _place_knee_2(m)
        _place_hip_2(m)
        _place_hip_1(m)
        _place_knee_1(m)
        if not _end_position_pass(m):
            break


@kernel
def place_bodies(m):  # type: ignore[no-untyped-def]
    """Compute where bodies and shapes are, from centres and angles: SINE, COSINE, ORIGIN and SHAPE of each body."""
    for lane in range(LANES):
        place_body(m, lane, LANES, HULL)
    for lane in range(LANES):
        place_body(m, lane, LANES, LEG_1)
    for lane in range(LANES):
        place_body(m, lane, LANES, LOWER_1)
    for lane in range(LANES):
        place_body(m, lane, LANES, LEG_2)
    for lane in range(LANES):
        place_body(m, lane, LANES, LOWER_2)


@inline_kernel
def place_body(m, lane, n, body):  # type: ignore[no-untyped-def]
    """``place_bodies`` of one body in one of n lanes."""
    b = BODY + BODY_SIZE * body
    sine, cosine = sin_cos(m[(b + ANGLE) * n + lane])
    x, y = origin_of(body, m[(b + CENTER_X) * n + lane], m[(b + CENTER_Y) * n + lane], sine, cosine)
    left, bottom, right, top = box_of(body, x, y, sine, cosine)
    m[(b + SINE) * n + lane], m[(b + COSINE) * n + lane] = sine, cosine
    m[(b + ORIGIN_X) * n + lane], m[(b + ORIGIN_Y) * n + lane] = x, y
    m[(b + SHAPE_LEFT) * n + lane], m[(b + SHAPE_BOTTOM) * n + lane] = left, bottom
    m[(b + SHAPE_RIGHT) * n + lane], m[(b + SHAPE_TOP) * n + lane] = right, top


@kernel
def _place_slot(m, c, b, body):  # type: ignore[no-untyped-def]
    mass, inertia = INVERSE_MASS[body], INVERSE_INERTIA[body]
    x, y = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
    copy_fields(m, WINDOW_SLOT + POSITION_COUNT, c + POSITION_COUNT, SLOT_SIZE - POSITION_COUNT)
    copy_fields(m, WINDOW_BODY, b, VELOCITY_X)
    if any_above_one(m, WINDOW_SLOT + POSITION_COUNT):
        _push_out_of_two(m, mass, inertia, x, y)
    else:
        _push_out_of_one(m, mass, inertia, x, y)
    copy_fields(m, b, WINDOW_BODY, VELOCITY_X)


@kernel
def _push_out_of_one(m, mass, inertia, x, y):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        _push_out(m, lane, mass, inertia, x, y, False)


@kernel
def _push_out_of_two(m, mass, inertia, x, y):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        _push_out(m, lane, mass, inertia, x, y, True)


@inline_kernel
def _push_out(m, lane, mass, inertia, x, y, has_two):  # type: ignore[no-untyped-def]
    separation = solve_contact_position(
        m, m, lane, LANES, WINDOW_SLOT, WINDOW_BODY, mass, inertia, x, y, BAUMGARTE, has_two
    )
    least = m[LEAST_SEPARATION * LANES + lane]
    m[LEAST_SEPARATION * LANES + lane] = least if least < separation else separation


@kernel
def _begin_position_pass(m):  # type: ignore[no-untyped-def]
    for lane in range(LANES):
        m[LEAST_SEPARATION * LANES + lane] = _ZERO
        m[JOINTS_ARE_GOOD * LANES + lane] = _ONE
    for lane in range(LANES):
        _save(m, lane, HULL)
        _save(m, lane, LEG_1)
        _save(m, lane, LOWER_1)
        _save(m, lane, LEG_2)
        _save(m, lane, LOWER_2)


@inline_kernel
def _save(m, lane, body):  # type: ignore[no-untyped-def]
    b, kept = BODY + BODY_SIZE * body, SAVED + 3 * body
    m[kept * LANES + lane] = m[(b + CENTER_X) * LANES + lane]
    m[(kept + 1) * LANES + lane] = m[(b + CENTER_Y) * LANES + lane]
    m[(kept + 2) * LANES + lane] = m[(b + ANGLE) * LANES + lane]


@kernel
def _end_position_pass(m):  # type: ignore[no-untyped-def]
    """Restore lanes that were done before, and mark those that are done now. Returns whether any lane is left."""
    for lane in range(LANES):
        is_done = m[IS_SOLVED * LANES + lane] != _ZERO
        _put_back(m, lane, HULL, is_done)
        _put_back(m, lane, LEG_1, is_done)
        _put_back(m, lane, LOWER_1, is_done)
        _put_back(m, lane, LEG_2, is_done)
        _put_back(m, lane, LOWER_2, is_done)
    for lane in range(LANES):
        is_good = (m[LEAST_SEPARATION * LANES + lane] >= GOOD_SEPARATION) & (m[JOINTS_ARE_GOOD * LANES + lane] != _ZERO)
        m[IS_SOLVED * LANES + lane] = _ONE if is_good | (m[IS_SOLVED * LANES + lane] != _ZERO) else _ZERO
    for lane in range(LANES):
        if m[IS_SOLVED * LANES + lane] == _ZERO:
            return True
    return False


@inline_kernel
def _put_back(m, lane, body, is_done):  # type: ignore[no-untyped-def]
    b, saved = BODY + BODY_SIZE * body, SAVED + 3 * body
    x, y, angle = m[(b + CENTER_X) * LANES + lane], m[(b + CENTER_Y) * LANES + lane], m[(b + ANGLE) * LANES + lane]
    m[(b + CENTER_X) * LANES + lane] = m[saved * LANES + lane] if is_done else x
    m[(b + CENTER_Y) * LANES + lane] = m[(saved + 1) * LANES + lane] if is_done else y
    m[(b + ANGLE) * LANES + lane] = m[(saved + 2) * LANES + lane] if is_done else angle
