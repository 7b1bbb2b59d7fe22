"""Copying a world into a lane of the solver's memory, and back.

Source: Box2D 2.3.0, ``b2Island.cpp`` (``Solve``: what is copied before and after, and sleep), ``b2ContactSolver.cpp``
(the constructor, ``StoreImpulses``). ``s``, ``at`` and ``n`` are the world's memory (``layout``); ``m`` is the solver's
(``solver_layout``), ``lane`` the lane, ``num`` the number of lanes.
"""

from __future__ import annotations

import numpy as np

from environments.biped import HULL, NUM_BODIES, NUM_JOINTS
from environments.compiled import inline_kernel, kernel
from environments.physics import layout
from environments.physics import solver_layout as solver
from environments.physics.bodies import (
    INVERSE_MASS,
    JOINT_BODY_A,
    JOINT_BODY_B,
    LOWER_ANGLE,
    REFERENCE_ANGLE,
    UPPER_ANGLE,
)
from environments.physics.constants import (
    ANGULAR_SLEEP_TOLERANCE,
    GRAVITY,
    LINEAR_SLEEP_TOLERANCE,
    MAX_FLOAT,
    STEP_SECONDS,
    TIME_TO_SLEEP,
    TOO_MANY_CONTACTS,
    TOUCHING_CAPACITY,
)
from environments.physics.contacts import move_box, origin_of, store_box
from environments.physics.joints import limit_state

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_STEP = np.float32(STEP_SECONDS)
_GRAVITY_Y = np.float32(GRAVITY[1])
_MAX_FLOAT = np.float32(MAX_FLOAT)
_SLOW_SQUARED = LINEAR_SLEEP_TOLERANCE * LINEAR_SLEEP_TOLERANCE
_SLOW_TURN_SQUARED = ANGULAR_SLEEP_TOLERANCE * ANGULAR_SLEEP_TOLERANCE


@kernel
def load_world(s, at, n, m, lane, num, num_slots):  # type: ignore[no-untyped-def]
    """Copy a world to a lane, with the velocities that gravity and push give it.

    Args:
        s, at, n, m, lane, num: see the module. The world's sweep starts again.
        num_slots: (5,) int64, written: the number of touching contacts of each body.
    """
    for body in range(NUM_BODIES):
        load_body(s, at, n, m, lane, num, body)
    for joint in range(NUM_JOINTS):
        load_joint(s, at, n, m, lane, num, joint)
    m[solver.IS_SOLVED * num + lane] = _ZERO
    s[at + layout.PUSH * n] = _ZERO
    load_contacts(s, at, n, m, lane, num, num_slots)


@inline_kernel
def load_body(s, at, n, m, lane, num, body):  # type: ignore[no-untyped-def]
    """``load_world`` of one body; the push stays for the others."""
    b = at + (layout.BODY + layout.BODY_SIZE * body) * n
    mb = (solver.BODY + solver.BODY_SIZE * body) * num + lane
    cx, cy, angle = s[b + layout.CENTER_X * n], s[b + layout.CENTER_Y * n], s[b + layout.ANGLE * n]
    s[b + layout.CENTER0_X * n], s[b + layout.CENTER0_Y * n], s[b + layout.ANGLE0 * n] = cx, cy, angle
    m[mb + solver.CENTER_X * num], m[mb + solver.CENTER_Y * num], m[mb + solver.ANGLE * num] = cx, cy, angle
    m[mb + solver.SINE * num], m[mb + solver.COSINE * num] = s[b + layout.SINE * n], s[b + layout.COSINE * n]
    push = s[at + layout.PUSH * n] if body == HULL else _ZERO
    m[mb + solver.VELOCITY_X * num] = s[b + layout.VELOCITY_X * n] + _STEP * (INVERSE_MASS[body] * push)
    m[mb + solver.VELOCITY_Y * num] = s[b + layout.VELOCITY_Y * n] + _STEP * _GRAVITY_Y
    m[mb + solver.ANGULAR_VELOCITY * num] = s[b + layout.ANGULAR_VELOCITY * n]


@inline_kernel
def load_joint(s, at, n, m, lane, num, joint):  # type: ignore[no-untyped-def]
    """``load_world`` of one joint."""
    j = at + (layout.JOINT + layout.JOINT_SIZE * joint) * n
    mj = (solver.JOINT + solver.JOINT_SIZE * joint) * num + lane
    m[mj + solver.IMPULSE_X * num] = s[j + layout.IMPULSE_X * n]
    m[mj + solver.IMPULSE_Y * num] = s[j + layout.IMPULSE_Y * n]
    m[mj + solver.LIMIT_IMPULSE * num] = s[j + layout.LIMIT_IMPULSE * n]
    m[mj + solver.MOTOR_IMPULSE * num] = s[j + layout.MOTOR_IMPULSE * n]
    m[mj + solver.LIMIT * num] = s[j + layout.LIMIT * n]
    m[mj + solver.MOTOR_SPEED * num] = s[j + layout.MOTOR_SPEED * n]
    m[mj + solver.MAX_MOTOR_IMPULSE * num] = _STEP * s[j + layout.MAX_MOTOR_TORQUE * n]


@kernel
def load_contacts(s, at, n, m, lane, num, num_slots):  # type: ignore[no-untyped-def]
    """Put the touching contacts of each body into its slots, newest first."""
    num_slots[:] = 0
    for i in range(np.int64(s[at + layout.NUM_CONTACTS * n]) - 1, -1, -1):
        contact = at + (layout.CONTACT + layout.CONTACT_SIZE * i) * n
        if s[contact + layout.IS_TOUCHING * n] == _ZERO:
            continue
        body = np.int64(s[contact + layout.CONTACT_BODY * n])
        if num_slots[body] == TOUCHING_CAPACITY:
            s[at + layout.FAULT * n] = np.float32(TOO_MANY_CONTACTS)
            continue
        load_manifold(s, contact, n, m, lane, num, slot_of(body, num_slots[body]))
        num_slots[body] += 1


@kernel
def slot_of(body, k):  # type: ignore[no-untyped-def]
    """First field of the slot of a body's k-th touching contact."""
    return solver.SLOT + solver.SLOT_SIZE * (TOUCHING_CAPACITY * body + k)


@kernel
def load_manifold(s, contact, n, m, lane, num, slot):  # type: ignore[no-untyped-def]
    """Copy the manifold of the contact at ``contact``, with its impulses, to the slot whose first field is ``slot``."""
    c = slot * num + lane
    m[c + solver.MANIFOLD_TYPE * num] = s[contact + layout.MANIFOLD_TYPE * n]
    m[c + solver.POSITION_COUNT * num] = s[contact + layout.NUM_POINTS * n]
    for field in range(4):
        m[c + (solver.LOCAL_NORMAL_X + field) * num] = s[contact + (layout.LOCAL_NORMAL_X + field) * n]
    has_two = s[contact + layout.NUM_POINTS * n] > _ONE
    for k in range(2):
        point = contact + (layout.POINT + layout.POINT_SIZE * k) * n
        is_used = k == 0 or has_two
        m[c + (solver.POINT_1_X + 2 * k) * num] = s[point + layout.POINT_X * n] if is_used else _ZERO
        m[c + (solver.POINT_1_Y + 2 * k) * num] = s[point + layout.POINT_Y * n] if is_used else _ZERO
        impulses = c + solver.SECOND * k * num
        m[impulses + solver.NORMAL_IMPULSE * num] = s[point + layout.NORMAL_IMPULSE * n] if is_used else _ZERO
        m[impulses + solver.TANGENT_IMPULSE * num] = s[point + layout.TANGENT_IMPULSE * n] if is_used else _ZERO


@kernel
def clear_impulses(m, lane, num, slot):  # type: ignore[no-untyped-def]
    """Begin without a warm start."""
    c = slot * num + lane
    m[c + solver.NORMAL_IMPULSE * num] = m[c + solver.TANGENT_IMPULSE * num] = _ZERO
    c += solver.SECOND * num
    m[c + solver.NORMAL_IMPULSE * num] = m[c + solver.TANGENT_IMPULSE * num] = _ZERO


@kernel
def clear_slots(m, lane, num, num_before, num_slots):  # type: ignore[no-untyped-def]
    """Empty a lane's slots from its own numbers of contacts, ``num_before`` (5,), to the pack's, ``num_slots`` (5,)."""
    for body in range(NUM_BODIES):
        for k in range(num_before[body], num_slots[body]):
            c = slot_of(body, k) * num + lane
            for field in range(solver.SLOT_SIZE):
                m[c + field * num] = _ZERO


@kernel
def kind_of(s, at, n):  # type: ignore[no-untyped-def]
    """A number that is close for worlds with similar work, since a pack does whatever any of its worlds needs.

    The work (``work_of``) is written as bits, the most expensive first. The number is the place of that word in the
    Gray code, in which neighbours differ in one bit. On recorded steps on hard ground, packs do 1.34 times the work of
    their mean world; sorted by the word itself, they do 1.45 times as much.
    """
    has_two, limits, num_of_body = work_of(s, at, n)
    word = (has_two << NUM_JOINTS | limits) << 2 * NUM_BODIES | num_of_body
    # The inverse of x -> x ^ (x >> 1), for fewer than 32 bits.
    for shift in (1, 2, 4, 8, 16):
        word ^= word >> shift
    return word


@inline_kernel
def work_of(s, at, n):  # type: ignore[no-untyped-def]
    """What the solver has to do in a world, as bits: bodies whose contacts have two points; joints at their limits;
    contacts of each body, two bits for up to three.
    """
    num_of_body = np.int64(0)
    has_two = np.int64(0)
    for i in range(np.int64(s[at + layout.NUM_CONTACTS * n])):
        contact = at + (layout.CONTACT + layout.CONTACT_SIZE * i) * n
        if s[contact + layout.IS_TOUCHING * n] != _ZERO:
            body = np.int64(s[contact + layout.CONTACT_BODY * n])
            if num_of_body >> (2 * body) & 3 < 3:
                num_of_body += 1 << (2 * body)
            if s[contact + layout.NUM_POINTS * n] > _ONE:
                has_two |= 1 << body
    limits = np.int64(0)
    for joint in range(NUM_JOINTS):
        a = at + (layout.BODY + layout.BODY_SIZE * JOINT_BODY_A[joint]) * n
        b = at + (layout.BODY + layout.BODY_SIZE * JOINT_BODY_B[joint]) * n
        angle_a, angle_b = s[a + layout.ANGLE * n], s[b + layout.ANGLE * n]
        limit = limit_state(angle_a, angle_b, LOWER_ANGLE[joint], UPPER_ANGLE[joint], REFERENCE_ANGLE[joint])
        limits |= (limit != _ZERO) << joint
    return has_two, limits, num_of_body


@kernel
def store_world(s, at, n, m, lane, num, num_slots):  # type: ignore[no-untyped-def]
    """Copy a lane back to its world, except what ``store_places`` copies.

    Args:
        s, at, n, m, lane, num: see the module.
        num_slots: (5,) int64, what ``load_contacts`` wrote; used up.
    """
    for body in range(NUM_BODIES):
        store_position(s, at, n, m, lane, num, body)
        store_velocity(s, at, n, m, lane, num, body)
    for joint in range(NUM_JOINTS):
        store_joint(s, at, n, m, lane, num, joint)
    store_impulses(s, at, n, m, lane, num, num_slots)


@inline_kernel
def store_velocity(s, at, n, m, lane, num, body):  # type: ignore[no-untyped-def]
    """Copy one body's velocities back."""
    b = at + (layout.BODY + layout.BODY_SIZE * body) * n
    mb = (solver.BODY + solver.BODY_SIZE * body) * num + lane
    s[b + layout.VELOCITY_X * n] = m[mb + solver.VELOCITY_X * num]
    s[b + layout.VELOCITY_Y * n] = m[mb + solver.VELOCITY_Y * num]
    s[b + layout.ANGULAR_VELOCITY * n] = m[mb + solver.ANGULAR_VELOCITY * num]


@inline_kernel
def store_joint(s, at, n, m, lane, num, joint):  # type: ignore[no-untyped-def]
    """Copy one joint's impulses and limit back."""
    j = at + (layout.JOINT + layout.JOINT_SIZE * joint) * n
    mj = (solver.JOINT + solver.JOINT_SIZE * joint) * num + lane
    s[j + layout.IMPULSE_X * n] = m[mj + solver.IMPULSE_X * num]
    s[j + layout.IMPULSE_Y * n] = m[mj + solver.IMPULSE_Y * num]
    s[j + layout.LIMIT_IMPULSE * n] = m[mj + solver.LIMIT_IMPULSE * num]
    s[j + layout.MOTOR_IMPULSE * n] = m[mj + solver.MOTOR_IMPULSE * num]
    s[j + layout.LIMIT * n] = m[mj + solver.LIMIT * num]


@kernel
def load_positions(s, at, n, m, lane, num, num_slots):  # type: ignore[no-untyped-def]
    """Copy to a lane what the position solver reads; arguments as of ``load_world``."""
    for body in range(NUM_BODIES):
        load_position(s, at, n, m, lane, num, body)
    for joint in range(NUM_JOINTS):
        load_limit(s, at, n, m, lane, num, joint)
    m[solver.IS_SOLVED * num + lane] = _ZERO
    load_contacts(s, at, n, m, lane, num, num_slots)


@inline_kernel
def load_position(s, at, n, m, lane, num, body):  # type: ignore[no-untyped-def]
    """Copy one body's centre and angle to a lane."""
    b = at + (layout.BODY + layout.BODY_SIZE * body) * n
    mb = (solver.BODY + solver.BODY_SIZE * body) * num + lane
    m[mb + solver.CENTER_X * num], m[mb + solver.CENTER_Y * num] = (
        s[b + layout.CENTER_X * n],
        s[b + layout.CENTER_Y * n],
    )
    m[mb + solver.ANGLE * num] = s[b + layout.ANGLE * n]


@inline_kernel
def load_limit(s, at, n, m, lane, num, joint):  # type: ignore[no-untyped-def]
    """Copy to a lane which limit one joint is at."""
    limit = s[at + (layout.JOINT + layout.JOINT_SIZE * joint + layout.LIMIT) * n]
    m[(solver.JOINT + solver.JOINT_SIZE * joint + solver.LIMIT) * num + lane] = limit


@kernel
def store_positions(s, at, n, m, lane, num):  # type: ignore[no-untyped-def]
    """Copy centres and angles back."""
    for body in range(NUM_BODIES):
        store_position(s, at, n, m, lane, num, body)


@inline_kernel
def store_position(s, at, n, m, lane, num, body):  # type: ignore[no-untyped-def]
    """Copy one body's centre and angle back."""
    b = at + (layout.BODY + layout.BODY_SIZE * body) * n
    mb = (solver.BODY + solver.BODY_SIZE * body) * num + lane
    s[b + layout.CENTER_X * n] = m[mb + solver.CENTER_X * num]
    s[b + layout.CENTER_Y * n] = m[mb + solver.CENTER_Y * num]
    s[b + layout.ANGLE * n] = m[mb + solver.ANGLE * num]


@kernel
def store_places(s, at, n, m, lane, num):  # type: ignore[no-untyped-def]
    """Copy back where bodies and shapes are. Returns which bodies have left their fat boxes, as bits."""
    moved = 0
    for body in range(NUM_BODIES):
        moved |= store_place(s, at, n, m, lane, num, body) << body
    return moved


@inline_kernel
def store_place(s, at, n, m, lane, num, body):  # type: ignore[no-untyped-def]
    """Copy back where one body and its shape are. Returns whether it has left its fat box."""
    b = at + (layout.BODY + layout.BODY_SIZE * body) * n
    mb = (solver.BODY + solver.BODY_SIZE * body) * num + lane
    sine0, cosine0 = s[b + layout.SINE * n], s[b + layout.COSINE * n]
    x0, y0 = origin_of(body, s[b + layout.CENTER0_X * n], s[b + layout.CENTER0_Y * n], sine0, cosine0)
    x, y = m[mb + solver.ORIGIN_X * num], m[mb + solver.ORIGIN_Y * num]
    s[b + layout.SINE0 * n], s[b + layout.COSINE0 * n] = sine0, cosine0
    s[b + layout.SINE * n], s[b + layout.COSINE * n] = m[mb + solver.SINE * num], m[mb + solver.COSINE * num]
    s[b + layout.ORIGIN_X * n], s[b + layout.ORIGIN_Y * n] = x, y
    left0, bottom0 = s[b + layout.SHAPE_LEFT * n], s[b + layout.SHAPE_BOTTOM * n]
    right0, top0 = s[b + layout.SHAPE_RIGHT * n], s[b + layout.SHAPE_TOP * n]
    left, bottom = m[mb + solver.SHAPE_LEFT * num], m[mb + solver.SHAPE_BOTTOM * num]
    right, top = m[mb + solver.SHAPE_RIGHT * num], m[mb + solver.SHAPE_TOP * num]
    store_box(s, b, n, left, bottom, right, top)
    left, bottom, right, top = min(left0, left), min(bottom0, bottom), max(right0, right), max(top0, top)
    return move_box(s, at, n, body, left, bottom, right, top, x - x0, y - y0)


@kernel
def store_impulses(s, at, n, m, lane, num, num_slots):  # type: ignore[no-untyped-def]
    """``StoreImpulses``, for the points that the velocity solver used. Other points keep their impulses."""
    # Backwards: from the oldest contact and each body's last slot.
    for i in range(np.int64(s[at + layout.NUM_CONTACTS * n])):
        contact = at + (layout.CONTACT + layout.CONTACT_SIZE * i) * n
        if s[contact + layout.IS_TOUCHING * n] == _ZERO:
            continue
        body = np.int64(s[contact + layout.CONTACT_BODY * n])
        if num_slots[body] == 0:
            continue
        num_slots[body] -= 1
        c = slot_of(body, num_slots[body]) * num + lane
        for p in range(np.int64(m[c + solver.COUNT * num])):
            point = contact + (layout.POINT + layout.POINT_SIZE * p) * n
            impulses = c + solver.SECOND * p * num
            s[point + layout.NORMAL_IMPULSE * n] = m[impulses + solver.NORMAL_IMPULSE * num]
            s[point + layout.TANGENT_IMPULSE * n] = m[impulses + solver.TANGENT_IMPULSE * num]


@kernel
def rest(s, at, n, is_solved):  # type: ignore[no-untyped-def]
    """Let the walker fall asleep if all bodies were slow for half a second and this step's positions are solved."""
    least = _MAX_FLOAT
    for body in range(NUM_BODIES):
        b = at + (layout.BODY + layout.BODY_SIZE * body) * n
        vx, vy, w = s[b + layout.VELOCITY_X * n], s[b + layout.VELOCITY_Y * n], s[b + layout.ANGULAR_VELOCITY * n]
        if w * w > _SLOW_TURN_SQUARED or vx * vx + vy * vy > _SLOW_SQUARED:
            s[b + layout.SLEEP_TIME * n] = _ZERO
            least = _ZERO
        else:
            s[b + layout.SLEEP_TIME * n] += _STEP
            least = min(least, s[b + layout.SLEEP_TIME * n])
    if least >= TIME_TO_SLEEP and is_solved:
        for body in range(NUM_BODIES):
            b = at + (layout.BODY + layout.BODY_SIZE * body) * n
            s[b + layout.SLEEP_TIME * n], s[b + layout.IS_ASLEEP * n] = _ZERO, _ONE
            s[b + layout.VELOCITY_X * n] = s[b + layout.VELOCITY_Y * n] = s[b + layout.ANGULAR_VELOCITY * n] = _ZERO
