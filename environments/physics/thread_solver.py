"""One step's solution of velocities and positions for a single world: what a GPU thread does.

``m`` is one lane of the solver's memory (``solver_layout``). Every offset into it is a constant here, and all functions
that take it are inlined, so a GPU's compiler keeps it in registers. The offsets of contacts are not constants, so
contacts are in ``slots``, memory with the same layout.

The arithmetic and the order of passes are those of ``solver.py``, which solves a pack of worlds side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from environments.biped import HULL, LEG_1, LEG_2, LOWER_1, LOWER_2, NUM_BODIES, NUM_JOINTS
from environments.compiled import inline_kernel, inline_kernel_of
from environments.physics.bodies import LOCAL_CENTER
from environments.physics.constants import BAUMGARTE, TOUCHING_CAPACITY, VELOCITY_ITERATIONS
from environments.physics.contact_solver import (
    prepare_contact,
    solve_contact_position,
    solve_contact_velocity,
    warm_start_contact,
)
from environments.physics.joints import prepare_joint, solve_joint_position, solve_joint_velocity
from environments.physics.solver import (
    GOOD_SEPARATION,
    anchor_constants,
    body_constants,
    joint_constants,
    move_body,
    place_body,
)
from environments.physics.solver_layout import (
    BODY,
    BODY_SIZE,
    COSINE,
    COUNT,
    LIMIT,
    POSITION_COUNT,
    SINE,
    SLOT,
    SLOT_SIZE,
)

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


def _preparation(joint: int) -> Callable[..., Any]:
    j, a, b, ma, ia, mb, ib, _ = joint_constants(joint)
    ax, ay, bx, by, lower, upper, reference = anchor_constants(joint)

    @inline_kernel_of(f"joint_{joint}")
    def prepare(m):  # type: ignore[no-untyped-def]
        prepare_joint(m, 0, 1, j, a, b, ma, ia, mb, ib, ax, ay, bx, by, lower, upper, reference)

    return prepare


def _velocity_pass(joint: int) -> Callable[..., Any]:
    j, a, b, ma, ia, mb, ib, motor_mass = joint_constants(joint)

    @inline_kernel_of(f"joint_{joint}")
    def solve(m):  # type: ignore[no-untyped-def]
        if m[j + LIMIT] != _ZERO:
            solve_joint_velocity(m, 0, 1, j, a, b, ma, ia, mb, ib, motor_mass, True)
        else:
            solve_joint_velocity(m, 0, 1, j, a, b, ma, ia, mb, ib, motor_mass, False)

    return solve


def _position_pass(joint: int) -> Callable[..., Any]:
    j, a, b, ma, ia, mb, ib, motor_mass = joint_constants(joint)
    ax, ay, bx, by, lower, upper, reference = anchor_constants(joint)

    @inline_kernel_of(f"joint_{joint}")
    def solve(m):  # type: ignore[no-untyped-def]
        return solve_joint_position(
            m, 0, 1, j, a, b, ma, ia, mb, ib, motor_mass, ax, ay, bx, by, lower, upper, reference
        )

    return solve


def _contact_preparation(body: int) -> Callable[..., Any]:
    first, b = _first_slot(body), BODY + BODY_SIZE * body
    mass, inertia, _ = body_constants(body)
    x, y = LOCAL_CENTER[body]

    @inline_kernel_of(f"contacts_{body}")
    def prepare(m, slots, num_slots):  # type: ignore[no-untyped-def]
        for k in range(num_slots[body]):
            c = first + SLOT_SIZE * k
            prepare_contact(slots, m, 0, 1, c, b, mass, inertia, x, y, m[b + SINE], m[b + COSINE])
            warm_start_contact(slots, m, 0, 1, c, b, mass, inertia)

    return prepare


def _contact_pass(body: int) -> Callable[..., Any]:
    first, b = _first_slot(body), BODY + BODY_SIZE * body
    mass, inertia, friction = body_constants(body)

    @inline_kernel_of(f"contacts_{body}")
    def solve(m, slots, num_slots):  # type: ignore[no-untyped-def]
        c, end = first, first + SLOT_SIZE * num_slots[body]
        while c < end:
            if slots[c + COUNT] > _ONE:
                solve_contact_velocity(slots, m, 0, 1, c, b, mass, inertia, friction, True)
            else:
                solve_contact_velocity(slots, m, 0, 1, c, b, mass, inertia, friction, False)
            c += SLOT_SIZE

    return solve


def _contact_placement(body: int) -> Callable[..., Any]:
    first, b = _first_slot(body), BODY + BODY_SIZE * body
    mass, inertia, _ = body_constants(body)
    x, y = LOCAL_CENTER[body]

    @inline_kernel_of(f"contacts_{body}")
    def place(m, slots, num_slots, least):  # type: ignore[no-untyped-def]
        c, end = first, first + SLOT_SIZE * num_slots[body]
        while c < end:
            if slots[c + POSITION_COUNT] > _ONE:
                separation = solve_contact_position(slots, m, 0, 1, c, b, mass, inertia, x, y, BAUMGARTE, True)
            else:
                separation = solve_contact_position(slots, m, 0, 1, c, b, mass, inertia, x, y, BAUMGARTE, False)
            least = least if least < separation else separation
            c += SLOT_SIZE
        return least

    return place


def _first_slot(body: int) -> int:
    return SLOT + SLOT_SIZE * TOUCHING_CAPACITY * body


_prepare_hip_1, _prepare_knee_1, _prepare_hip_2, _prepare_knee_2 = (_preparation(j) for j in range(NUM_JOINTS))
_hip_1, _knee_1, _hip_2, _knee_2 = (_velocity_pass(j) for j in range(NUM_JOINTS))
_place_hip_1, _place_knee_1, _place_hip_2, _place_knee_2 = (_position_pass(j) for j in range(NUM_JOINTS))
_prepare_hull, _prepare_leg_1, _prepare_lower_1, _prepare_leg_2, _prepare_lower_2 = (
    _contact_preparation(body) for body in range(NUM_BODIES)
)
_hull, _leg_1, _lower_1, _leg_2, _lower_2 = (_contact_pass(body) for body in range(NUM_BODIES))
_place_hull, _place_leg_1, _place_lower_1, _place_leg_2, _place_lower_2 = (
    _contact_placement(body) for body in range(NUM_BODIES)
)


@inline_kernel
def solve_velocities(m, slots, num_slots):  # type: ignore[no-untyped-def]
    """Prepare the constraints, warm start them and run the 180 passes, joints before contacts.

    Args:
        m, slots: see the module; loaded, velocities with gravity and push.
        num_slots: (5,) int64: touching contacts of each body.
    """
    _prepare_hull(m, slots, num_slots)
    _prepare_leg_1(m, slots, num_slots)
    _prepare_lower_1(m, slots, num_slots)
    _prepare_leg_2(m, slots, num_slots)
    _prepare_lower_2(m, slots, num_slots)
    _prepare_knee_2(m)
    _prepare_hip_2(m)
    _prepare_hip_1(m)
    _prepare_knee_1(m)
    # In the order of ``solver._run_passes``: neighbours mostly share no body.
    _knee_2(m)
    for k in range(VELOCITY_ITERATIONS):
        _hip_2(m)
        if k > 0:
            _leg_1(m, slots, num_slots)
            _lower_1(m, slots, num_slots)
        _hip_1(m)
        _leg_2(m, slots, num_slots)
        _lower_2(m, slots, num_slots)
        _hull(m, slots, num_slots)
        _knee_1(m)
        if k < VELOCITY_ITERATIONS - 1:
            _knee_2(m)
    _leg_1(m, slots, num_slots)
    _lower_1(m, slots, num_slots)


@inline_kernel
def integrate(m):  # type: ignore[no-untyped-def]
    """Move the bodies with their velocities, which are capped."""
    move_body(m, 0, 1, BODY + BODY_SIZE * HULL)
    move_body(m, 0, 1, BODY + BODY_SIZE * LEG_1)
    move_body(m, 0, 1, BODY + BODY_SIZE * LOWER_1)
    move_body(m, 0, 1, BODY + BODY_SIZE * LEG_2)
    move_body(m, 0, 1, BODY + BODY_SIZE * LOWER_2)


@inline_kernel
def solve_positions(m, slots, num_slots, passes):  # type: ignore[no-untyped-def]
    """Run position passes, contacts before joints. Returns whether all was within the slop at the start of one."""
    for _ in range(passes):
        least = _place_hull(m, slots, num_slots, _ZERO)
        least = _place_leg_1(m, slots, num_slots, least)
        least = _place_lower_1(m, slots, num_slots, least)
        least = _place_leg_2(m, slots, num_slots, least)
        least = _place_lower_2(m, slots, num_slots, least)
        is_good = least >= GOOD_SEPARATION
        is_good &= _place_knee_2(m)
        is_good &= _place_hip_2(m)
        is_good &= _place_hip_1(m)
        is_good &= _place_knee_1(m)
        if is_good:
            return True
    return False


@inline_kernel
def place_bodies(m):  # type: ignore[no-untyped-def]
    """Compute where bodies and shapes are, from centres and angles."""
    place_body(m, 0, 1, HULL)
    place_body(m, 0, 1, LEG_1)
    place_body(m, 0, 1, LOWER_1)
    place_body(m, 0, 1, LEG_2)
    place_body(m, 0, 1, LOWER_2)
