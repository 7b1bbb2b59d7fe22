"""Times of impact within a step: what would pass through the ground is stopped where it first touches, and goes on.

Source: Box2D 2.3.0, ``b2World.cpp`` (``SolveTOI``), ``b2Island.cpp`` (``SolveTOI``), ``b2Body.h`` (``Advance``). The
terrain's static bodies have a time alpha0 as well: an edge that one leg's impact moved on to a time moves the other
leg's sweep on when the two are compared.

A sub-step's island is the body, the contact with the first impact, and every other contact of that body that touches
then. Joints are left out.
"""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel, kernel
from environments.physics import solver_layout as solver
from environments.physics.bodies import CONTACT_FRICTION, INVERSE_INERTIA, INVERSE_MASS, LOCAL_CENTER, RADIUS
from environments.physics.constants import (
    DIVERGED,
    EPSILON,
    LINEAR_SLOP,
    MAX_SUB_STEPS,
    STEP_SECONDS,
    TOI_BAUMGARTE,
    TOI_POSITION_ITERATIONS,
    TOO_MANY_CONTACTS,
    TOUCHING_CAPACITY,
    VELOCITY_ITERATIONS,
)
from environments.physics.contact_solver import prepare_contact, solve_contact_position, solve_contact_velocity
from environments.physics.contacts import (
    fat_box,
    find_new_contacts,
    origin_of,
    synchronise,
    update_contact,
    way_is_clear,
)
from environments.physics.layout import (
    ALPHA0,
    ANGLE,
    ANGLE0,
    ANGULAR_VELOCITY,
    BODY,
    BODY_SIZE,
    CENTER0_X,
    CENTER0_Y,
    CENTER_X,
    CENTER_Y,
    CONTACT,
    CONTACT_BODY,
    CONTACT_SIZE,
    COSINE,
    COSINE0,
    FAULT,
    FIXTURE,
    FIXTURE_ALPHA0,
    IS_ASLEEP,
    IS_ENABLED,
    IS_TOUCHING,
    NUM_CONTACTS,
    ORIGIN_X,
    ORIGIN_Y,
    SINE,
    SINE0,
    TOI,
    TOI_COUNT,
    VELOCITY_X,
    VELOCITY_Y,
)
from environments.physics.rotation import sin_cos_any
from environments.physics.solver import capped
from environments.physics.solver_lane import clear_impulses, load_manifold
from environments.physics.time_of_impact import stays_apart, time_of_impact
from environments.walker.spec import NUM_BODIES

_ZERO, _ONE, _EIGHTH = np.float32(0.0), np.float32(1.0), np.float32(0.125)
_STEP = np.float32(STEP_SECONDS)
#: An impact later than this is left to the next step (b2World.cpp).
_END = _ONE - np.float32(10.0) * np.float32(EPSILON)
#: What the position solver leaves of an overlap in a sub-step (b2ContactSolver.cpp: -1.5 linearSlop).
_GOOD_SEPARATION = np.float32(-1.5) * LINEAR_SLOP

# Marks are set after so many passes, then after twice as many and so on, so that any period is found (Brent 1980).
_FIRST_MARK = 4
#: Contacts whose impulses find room in the window.
_MOST_MARKED = (solver.SOLVER_SIZE - solver.WINDOW_BODY - 3) // 4


@kernel
def solve_impacts(s, at, n, edges, polygons, m):  # type: ignore[no-untyped-def]
    """Handle the impacts of a step, the earliest first.

    Args:
        s, at, n: a world's memory, after the step's solution.
        edges, polygons: its terrain.
        m: the solver's memory for one lane, overwritten.
    """
    if not _look_ahead(s, at, n, edges, polygons):
        return
    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        s[contact + TOI_COUNT * n], s[contact + FIXTURE_ALPHA0 * n] = _ZERO, _ZERO
    for body in range(NUM_BODIES):
        s[at + (BODY + BODY_SIZE * body + ALPHA0) * n] = _ZERO
    while True:
        i, alpha = _first_impact(s, at, n, edges, polygons)
        if i < 0 or alpha > _END:
            return
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if _meet(s, at, n, edges, polygons, contact, alpha):
            _solve_sub_step(s, at, n, edges, polygons, m, i, alpha)


@kernel
def _look_ahead(s, at, n, edges, polygons):  # type: ignore[no-untyped-def]
    """Note which contacts have no impact, by a cheap bound; whether any is left: in most steps of most worlds none."""
    some_may_meet = False
    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        b = at + (BODY + BODY_SIZE * np.int64(s[contact + CONTACT_BODY * n])) * n
        s[contact + TOI * n] = -_ONE
        if s[contact + IS_ENABLED * n] == _ZERO or s[b + IS_ASLEEP * n] != _ZERO:
            continue
        if _stays_apart(s, at, n, edges, polygons, contact):
            s[contact + TOI * n] = _ONE
        else:
            some_may_meet = True
    return some_may_meet


@inline_kernel
def _stays_apart(s, at, n, edges, polygons, contact):  # type: ignore[no-untyped-def]
    """Whether the contact's body passes its fixture on its way from alpha0 on: by their boxes, or ``stays_apart``.

    Between its ends the way leaves the swept box by at most RADIUS (a - a0)^2 / 8 (time_of_impact.py).
    """
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
    turn = s[b + ANGLE * n] - s[b + ANGLE0 * n]
    left, bottom, right, top = fat_box(edges, polygons, fixture)
    if way_is_clear(s, at, n, body, left, bottom, right, top, RADIUS[body] * (turn * turn) * _EIGHTH):
        return True
    return stays_apart(
        edges,
        polygons,
        fixture,
        body,
        s[b + CENTER0_X * n],
        s[b + CENTER0_Y * n],
        s[b + ANGLE0 * n],
        s[b + SINE0 * n],
        s[b + COSINE0 * n],
        s[b + CENTER_X * n],
        s[b + CENTER_Y * n],
        s[b + ANGLE * n],
        s[b + SINE * n],
        s[b + COSINE * n],
    )


@kernel
def _first_impact(s, at, n, edges, polygons):  # type: ignore[no-untyped-def]
    """The contact with the earliest impact, the first in Box2D's list among equals, and the time; -1 and 1 for none."""
    first, least = -1, _ONE
    for i in range(np.int64(s[at + NUM_CONTACTS * n]) - 1, -1, -1):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        b = at + (BODY + BODY_SIZE * np.int64(s[contact + CONTACT_BODY * n])) * n
        if s[contact + IS_ENABLED * n] == _ZERO or s[contact + TOI_COUNT * n] > np.float32(MAX_SUB_STEPS):
            continue
        alpha = s[contact + TOI * n]
        if alpha < _ZERO:
            if s[b + IS_ASLEEP * n] != _ZERO:
                continue
            alpha = _impact_of(s, at, n, edges, polygons, contact, b)
            s[contact + TOI * n] = alpha
        if alpha < least:
            first, least = i, alpha
    return first, least


@inline_kernel
def _impact_of(s, at, n, edges, polygons, contact, b):  # type: ignore[no-untyped-def]
    """When a contact's shapes touch, 0..1 of the step; 1 if they do not. Brings both to the same alpha0 first."""
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    alpha0, fixture_alpha0 = s[b + ALPHA0 * n], s[contact + FIXTURE_ALPHA0 * n]
    if fixture_alpha0 < alpha0:
        _advance_fixture(s, at, n, fixture, alpha0)
    elif alpha0 < fixture_alpha0:
        alpha0 = fixture_alpha0
        _advance_sweep(s, b, n, alpha0)
    if _stays_apart(s, at, n, edges, polygons, contact):
        return _ONE
    c0x, c0y, a0 = s[b + CENTER0_X * n], s[b + CENTER0_Y * n], s[b + ANGLE0 * n]
    cx, cy, a = s[b + CENTER_X * n], s[b + CENTER_Y * n], s[b + ANGLE * n]
    touches, t = time_of_impact(edges, polygons, fixture, body, c0x, c0y, a0, cx, cy, a)
    if not t >= _ZERO:
        # Box2D asserts here: the search for the distance ended in a triangle without area.
        s[at + FAULT * n] = np.float32(DIVERGED)
    alpha = alpha0 + (_ONE - alpha0) * t
    return alpha if touches and alpha < _ONE else _ONE


@inline_kernel
def _advance_fixture(s, at, n, fixture, alpha):  # type: ignore[no-untyped-def]
    """``b2Sweep::Advance`` of a static body: nothing but its time; every contact with it carries that."""
    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if s[contact + FIXTURE * n] == np.float32(fixture):
            s[contact + FIXTURE_ALPHA0 * n] = alpha


@inline_kernel
def _advance_sweep(s, b, n, alpha):  # type: ignore[no-untyped-def]
    """``b2Sweep::Advance``: the beginning of the body's way moves on to the time alpha."""
    beta = (alpha - s[b + ALPHA0 * n]) / (_ONE - s[b + ALPHA0 * n])
    rest = _ONE - beta
    s[b + CENTER0_X * n] = rest * s[b + CENTER0_X * n] + beta * s[b + CENTER_X * n]
    s[b + CENTER0_Y * n] = rest * s[b + CENTER0_Y * n] + beta * s[b + CENTER_Y * n]
    s[b + ANGLE0 * n] = rest * s[b + ANGLE0 * n] + beta * s[b + ANGLE * n]
    s[b + SINE0 * n], s[b + COSINE0 * n] = sin_cos_any(s[b + ANGLE0 * n])
    s[b + ALPHA0 * n] = alpha


@inline_kernel
def _place_body(s, b, n, body):  # type: ignore[no-untyped-def]
    """``SynchronizeTransform``: origin and rotation of the body at ``b`` from its centre and angle."""
    sine, cosine = sin_cos_any(s[b + ANGLE * n])
    s[b + SINE * n], s[b + COSINE * n] = sine, cosine
    s[b + ORIGIN_X * n], s[b + ORIGIN_Y * n] = origin_of(body, s[b + CENTER_X * n], s[b + CENTER_Y * n], sine, cosine)


@kernel
def _meet(s, at, n, edges, polygons, contact, alpha):  # type: ignore[no-untyped-def]
    """Move the contact's shapes to the time of impact; where they do not touch then, move them back and disable it.

    Returns:
        Whether they touch.
    """
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
    c0x, c0y, a0, alpha0 = s[b + CENTER0_X * n], s[b + CENTER0_Y * n], s[b + ANGLE0 * n], s[b + ALPHA0 * n]
    sine0, cosine0 = s[b + SINE0 * n], s[b + COSINE0 * n]
    cx, cy, a = s[b + CENTER_X * n], s[b + CENTER_Y * n], s[b + ANGLE * n]
    fixture_alpha0 = s[contact + FIXTURE_ALPHA0 * n]

    _advance_sweep(s, b, n, alpha)
    s[b + CENTER_X * n], s[b + CENTER_Y * n] = s[b + CENTER0_X * n], s[b + CENTER0_Y * n]
    s[b + ANGLE * n] = s[b + ANGLE0 * n]
    _place_body(s, b, n, body)
    _advance_fixture(s, at, n, fixture, alpha)
    update_contact(s, at, n, contact, edges, polygons)
    s[contact + TOI * n] = -_ONE
    s[contact + TOI_COUNT * n] += _ONE
    if s[contact + IS_TOUCHING * n] != _ZERO:
        return True

    s[contact + IS_ENABLED * n] = _ZERO
    s[b + CENTER0_X * n], s[b + CENTER0_Y * n], s[b + ANGLE0 * n], s[b + ALPHA0 * n] = c0x, c0y, a0, alpha0
    s[b + SINE0 * n], s[b + COSINE0 * n] = sine0, cosine0
    s[b + CENTER_X * n], s[b + CENTER_Y * n], s[b + ANGLE * n] = cx, cy, a
    _place_body(s, b, n, body)
    _advance_fixture(s, at, n, fixture, fixture_alpha0)
    return False


@kernel
def _solve_sub_step(s, at, n, edges, polygons, m, first, alpha):  # type: ignore[no-untyped-def]
    """Build the island of contact ``first``, solve it, and let its body go on for the rest of the step."""
    body = np.int64(s[at + (CONTACT + CONTACT_SIZE * first + CONTACT_BODY) * n])
    b = at + (BODY + BODY_SIZE * body) * n
    num = _load_island(s, at, n, edges, polygons, m, first, body, alpha)
    _solve_island(m, num, body, (_ONE - alpha) * _STEP)

    mb = solver.BODY + solver.BODY_SIZE * body
    s[b + CENTER0_X * n], s[b + CENTER0_Y * n] = m[solver.SAVED], m[solver.SAVED + 1]
    s[b + ANGLE0 * n] = m[solver.SAVED + 2]
    s[b + CENTER_X * n], s[b + CENTER_Y * n] = m[mb + solver.CENTER_X], m[mb + solver.CENTER_Y]
    s[b + ANGLE * n] = m[mb + solver.ANGLE]
    s[b + VELOCITY_X * n], s[b + VELOCITY_Y * n] = m[mb + solver.VELOCITY_X], m[mb + solver.VELOCITY_Y]
    s[b + ANGULAR_VELOCITY * n] = m[mb + solver.ANGULAR_VELOCITY]
    _place_body(s, b, n, body)

    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if s[contact + CONTACT_BODY * n] == np.float32(body):
            s[contact + TOI * n] = -_ONE
    s[b + SINE0 * n], s[b + COSINE0 * n] = sin_cos_any(s[b + ANGLE0 * n])
    if synchronise(s, at, n, body):
        find_new_contacts(s, at, n, edges, polygons, 1 << body)


@kernel
def _load_island(s, at, n, edges, polygons, m, first, body, alpha):  # type: ignore[no-untyped-def]
    """Copy the body and its touching contacts, ``first`` foremost, to the solver's memory; how many contacts."""
    b, mb = at + (BODY + BODY_SIZE * body) * n, solver.BODY + solver.BODY_SIZE * body
    m[mb + solver.CENTER_X], m[mb + solver.CENTER_Y] = s[b + CENTER_X * n], s[b + CENTER_Y * n]
    m[mb + solver.ANGLE] = s[b + ANGLE * n]
    m[mb + solver.VELOCITY_X], m[mb + solver.VELOCITY_Y] = s[b + VELOCITY_X * n], s[b + VELOCITY_Y * n]
    m[mb + solver.ANGULAR_VELOCITY] = s[b + ANGULAR_VELOCITY * n]
    load_manifold(s, at + (CONTACT + CONTACT_SIZE * first) * n, n, m, 0, 1, solver.SLOT)
    num = 1
    for i in range(np.int64(s[at + NUM_CONTACTS * n]) - 1, -1, -1):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if i == first or s[contact + CONTACT_BODY * n] != np.float32(body):
            continue
        fixture, fixture_alpha0 = np.int64(s[contact + FIXTURE * n]), s[contact + FIXTURE_ALPHA0 * n]
        _advance_fixture(s, at, n, fixture, alpha)
        update_contact(s, at, n, contact, edges, polygons)
        if s[contact + IS_TOUCHING * n] == _ZERO:
            _advance_fixture(s, at, n, fixture, fixture_alpha0)
        elif num == TOUCHING_CAPACITY:
            s[at + FAULT * n] = np.float32(TOO_MANY_CONTACTS)
        else:
            load_manifold(s, contact, n, m, 0, 1, solver.SLOT + solver.SLOT_SIZE * num)
            num += 1
    for k in range(num):
        clear_impulses(m, 0, 1, solver.SLOT + solver.SLOT_SIZE * k)
    return num


@kernel
def _solve_island(m, num, body, seconds):  # type: ignore[no-untyped-def]
    """Positions, then velocities without a warm start, then the rest of the way; SAVED is where the way begins."""
    b = solver.BODY + solver.BODY_SIZE * body
    mass, inertia, friction = INVERSE_MASS[body], INVERSE_INERTIA[body], CONTACT_FRICTION[body]
    x, y = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
    for _ in range(TOI_POSITION_ITERATIONS):
        least = _ZERO
        for k in range(num):
            c = solver.SLOT + solver.SLOT_SIZE * k
            least = min(least, solve_contact_position(m, 0, 1, c, b, mass, inertia, x, y, TOI_BAUMGARTE, True))
        if least >= _GOOD_SEPARATION:
            break
    m[solver.SAVED], m[solver.SAVED + 1] = m[b + solver.CENTER_X], m[b + solver.CENTER_Y]
    m[solver.SAVED + 2] = m[b + solver.ANGLE]

    sine, cosine = sin_cos_any(m[b + solver.ANGLE])
    for k in range(num):
        prepare_contact(m, 0, 1, solver.SLOT + solver.SLOT_SIZE * k, b, mass, inertia, x, y, sine, cosine)
    left, since, between = VELOCITY_ITERATIONS, 0, _FIRST_MARK
    _mark(m, num, b)
    while left > 0:
        for k in range(num):
            c = solver.SLOT + solver.SLOT_SIZE * k
            if m[c + solver.COUNT] > _ONE:
                solve_contact_velocity(m, 0, 1, c, b, mass, inertia, friction, True)
            else:
                solve_contact_velocity(m, 0, 1, c, b, mass, inertia, friction, False)
        left -= 1
        since += 1
        if _is_marked(m, num, b):
            # What a pass does depends on these numbers alone: they come back every ``since`` passes.
            left %= since
        if since == between:
            since, between = 0, 2 * between
            _mark(m, num, b)

    vx, vy, w = capped(m[b + solver.VELOCITY_X], m[b + solver.VELOCITY_Y], m[b + solver.ANGULAR_VELOCITY], seconds)
    m[b + solver.VELOCITY_X], m[b + solver.VELOCITY_Y], m[b + solver.ANGULAR_VELOCITY] = vx, vy, w
    m[b + solver.CENTER_X] += seconds * vx
    m[b + solver.CENTER_Y] += seconds * vy
    m[b + solver.ANGLE] += seconds * w


@kernel
def _mark(m, num, b):  # type: ignore[no-untyped-def]
    """Keep velocities and impulses in the window."""
    if num > _MOST_MARKED:
        return
    at = solver.WINDOW_BODY
    for field in range(b + solver.VELOCITY_X, b + solver.ANGULAR_VELOCITY + 1):
        m[at] = m[field]
        at += 1
    for k in range(num):
        for c in (solver.SLOT + solver.SLOT_SIZE * k, solver.SLOT + solver.SLOT_SIZE * k + solver.SECOND):
            m[at], m[at + 1] = m[c + solver.NORMAL_IMPULSE], m[c + solver.TANGENT_IMPULSE]
            at += 2


@kernel
def _is_marked(m, num, b):  # type: ignore[no-untyped-def]
    """Whether velocities and impulses are what ``_mark`` kept."""
    if num > _MOST_MARKED:
        return False
    at = solver.WINDOW_BODY
    for field in range(b + solver.VELOCITY_X, b + solver.ANGULAR_VELOCITY + 1):
        if m[at] != m[field]:
            return False
        at += 1
    for k in range(num):
        for c in (solver.SLOT + solver.SLOT_SIZE * k, solver.SLOT + solver.SLOT_SIZE * k + solver.SECOND):
            if m[at] != m[c + solver.NORMAL_IMPULSE] or m[at + 1] != m[c + solver.TANGENT_IMPULSE]:
                return False
            at += 2
    return True
