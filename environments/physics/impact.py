"""Times of impact within a step: a body that would pass through the ground is stopped where it first touches.

Source: Box2D 2.3.0, ``b2World.cpp`` (``SolveTOI``), ``b2Island.cpp`` (``SolveTOI``), ``b2Body.h`` (``Advance``). The
terrain's static bodies have a time alpha0 as well: if one leg's impact moved an edge on to a time, that edge moves the
other leg's sweep on when the two are compared.

A sub-step's island is the body, the contact with the first impact, and every other contact of that body that touches
then. Joints are left out. ``islands.py`` solves the velocities, for many worlds side by side.
"""

from __future__ import annotations

import numpy as np

from environments.biped import NUM_BODIES
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
)
from environments.physics.contact_solver import prepare_contact, solve_contact_position
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

_ZERO, _ONE, _EIGHTH = np.float32(0.0), np.float32(1.0), np.float32(0.125)
_STEP = np.float32(STEP_SECONDS)
#: An impact later than this is left to the next step (b2World.cpp).
_END = _ONE - np.float32(10.0) * np.float32(EPSILON)
#: The overlap that the position solver tolerates in a sub-step (b2ContactSolver.cpp: -1.5 linearSlop).
_GOOD_SEPARATION = np.float32(-1.5) * LINEAR_SLOP

#: Values of a contact's TOI besides a time: it has to be found; the cheap bound could not decide.
_UNKNOWN, _CLOSE = -_ONE, np.float32(-2.0)


@kernel
def begin_impacts(s, at, n, edges, polygons):  # type: ignore[no-untyped-def]
    """Look at a world after the step's solution. Returns whether anything may meet, so that ``next_island`` is needed.

    Args:
        s, at, n: the world's memory.
        edges, polygons: its terrain.
    """
    if not _look_ahead(s, at, n, edges, polygons):
        return False
    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        s[contact + TOI_COUNT * n], s[contact + FIXTURE_ALPHA0 * n] = _ZERO, _ZERO
    for body in range(NUM_BODIES):
        s[at + (BODY + BODY_SIZE * body + ALPHA0) * n] = _ZERO
    return True


@kernel
def next_island(s, at, n, edges, polygons, members):  # type: ignore[no-untyped-def]
    """Go through the step's impacts, the earliest first, as far as the next one that has to be solved.

    Args:
        s, at, n, edges, polygons: see ``begin_impacts``.
        members: (TOUCHING_CAPACITY,) int64, written: the contacts of its island, the one with the impact first.

    Returns:
        How many contacts the island has, 0 when no impact is left; its body; the time, 0..1 of the step.
    """
    while True:
        i, alpha = _first_impact(s, at, n, edges, polygons)
        if i < 0 or alpha > _END:
            return 0, 0, _ONE
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if _meet(s, at, n, edges, polygons, contact, alpha):
            body = np.int64(s[contact + CONTACT_BODY * n])
            return _gather_island(s, at, n, edges, polygons, members, i, body, alpha), body, alpha


@kernel
def _look_ahead(s, at, n, edges, polygons):  # type: ignore[no-untyped-def]
    """Mark contacts without an impact, by a cheap bound. Returns whether any is left; in most steps none is.

    The bound costs more than comparing boxes, so boxes come first, for all contacts. Worlds side by side then
    compute the bound at the same time.
    """
    num = np.int64(s[at + NUM_CONTACTS * n])
    for i in range(num):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        b = at + (BODY + BODY_SIZE * np.int64(s[contact + CONTACT_BODY * n])) * n
        if s[contact + IS_ENABLED * n] == _ZERO or s[b + IS_ASLEEP * n] != _ZERO:
            s[contact + TOI * n] = _UNKNOWN
        else:
            s[contact + TOI * n] = _ONE if _passes_by(s, at, n, edges, polygons, contact) else _CLOSE
    some_may_meet = False
    i = _next_close(s, at, n, 0, num)
    while i < num:
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if _turns_by(s, at, n, edges, polygons, contact):
            s[contact + TOI * n] = _ONE
        else:
            some_may_meet = True
        i = _next_close(s, at, n, i + 1, num)
    return some_may_meet


@inline_kernel
def _next_close(s, at, n, i, num):  # type: ignore[no-untyped-def]
    """The first contact from the i-th on whose TOI is _CLOSE; ``num`` if there is none."""
    while i < num and s[at + (CONTACT + CONTACT_SIZE * i + TOI) * n] != _CLOSE:
        i += 1
    return i


@inline_kernel
def _passes_by(s, at, n, edges, polygons, contact):  # type: ignore[no-untyped-def]
    """Whether the boxes show that the body misses the fixture on its path from alpha0 on.

    Between its ends the path leaves the swept box by at most RADIUS (a - a0)^2 / 8 (time_of_impact.py).
    """
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
    turn = s[b + ANGLE * n] - s[b + ANGLE0 * n]
    left, bottom, right, top = fat_box(edges, polygons, fixture)
    return way_is_clear(s, at, n, body, left, bottom, right, top, RADIUS[body] * (turn * turn) * _EIGHTH)


@inline_kernel
def _turns_by(s, at, n, edges, polygons, contact):  # type: ignore[no-untyped-def]
    """The same, by ``stays_apart``."""
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
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
    first, least = np.int64(-1), _ONE
    i = np.int64(s[at + NUM_CONTACTS * n]) - 1
    while i >= 0:
        # Go on to the next one whose time has to be found, so that worlds side by side find theirs at the same time.
        while i >= 0:
            contact = at + (CONTACT + CONTACT_SIZE * i) * n
            if _has_to_be_timed(s, at, n, edges, polygons, contact):
                break
            if _takes_part(s, contact, n) and _ZERO <= s[contact + TOI * n] < least:
                first, least = i, s[contact + TOI * n]
            i -= 1
        if i >= 0:
            contact = at + (CONTACT + CONTACT_SIZE * i) * n
            alpha = _impact_of(s, at, n, edges, polygons, contact)
            s[contact + TOI * n] = alpha
            if alpha < least:
                first, least = i, alpha
            i -= 1
    return first, least


@inline_kernel
def _takes_part(s, contact, n):  # type: ignore[no-untyped-def]
    return s[contact + IS_ENABLED * n] != _ZERO and s[contact + TOI_COUNT * n] <= np.float32(MAX_SUB_STEPS)


@inline_kernel
def _has_to_be_timed(s, at, n, edges, polygons, contact):  # type: ignore[no-untyped-def]
    """Whether the time of impact still has to be found. If the shapes clearly do not touch, TOI records that.

    Brings both bodies to the same alpha0.
    """
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
    if not _takes_part(s, contact, n) or s[contact + TOI * n] >= _ZERO or s[b + IS_ASLEEP * n] != _ZERO:
        return False
    alpha0, fixture_alpha0 = s[b + ALPHA0 * n], s[contact + FIXTURE_ALPHA0 * n]
    if fixture_alpha0 < alpha0:
        _advance_fixture(s, at, n, fixture, alpha0)
    elif alpha0 < fixture_alpha0:
        _advance_sweep(s, b, n, fixture_alpha0)
    if s[contact + TOI * n] == _CLOSE:
        return True
    if _passes_by(s, at, n, edges, polygons, contact) or _turns_by(s, at, n, edges, polygons, contact):
        s[contact + TOI * n] = _ONE
        return False
    return True


@inline_kernel
def _impact_of(s, at, n, edges, polygons, contact):  # type: ignore[no-untyped-def]
    """When a contact's shapes, which have the same alpha0, touch, 0..1 of the step; 1 if they do not."""
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
    c0x, c0y, a0, alpha0 = s[b + CENTER0_X * n], s[b + CENTER0_Y * n], s[b + ANGLE0 * n], s[b + ALPHA0 * n]
    cx, cy, a = s[b + CENTER_X * n], s[b + CENTER_Y * n], s[b + ANGLE * n]
    touches, t = time_of_impact(edges, polygons, fixture, body, c0x, c0y, a0, cx, cy, a)
    if not t >= _ZERO and s[at + FAULT * n] == _ZERO:
        # Box2D asserts here: the search for the distance ended in a triangle without area.
        s[at + FAULT * n] = np.float32(DIVERGED)
    alpha = alpha0 + (_ONE - alpha0) * t
    return alpha if touches and alpha < _ONE else _ONE


@inline_kernel
def _advance_fixture(s, at, n, fixture, alpha):  # type: ignore[no-untyped-def]
    """``b2Sweep::Advance`` of a static body: only its time changes, which every contact with it stores."""
    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if s[contact + FIXTURE * n] == np.float32(fixture):
            s[contact + FIXTURE_ALPHA0 * n] = alpha


@inline_kernel
def _advance_sweep(s, b, n, alpha):  # type: ignore[no-untyped-def]
    """``b2Sweep::Advance``: the start of the body's path moves on to the time alpha."""
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
    """Move the contact's shapes to the time of impact. If they do not touch then, move them back and disable it.

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
    s[contact + TOI * n] = _UNKNOWN
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
def _gather_island(s, at, n, edges, polygons, members, first, body, alpha):  # type: ignore[no-untyped-def]
    """List the contacts of ``body`` that touch at ``alpha``, beginning with ``first``. Returns how many."""
    members[0], num = first, 1
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
            members[num] = i
            num += 1
    return num


@kernel
def load_island(s, at, n, m, lane, lanes, members, num, body, alpha):  # type: ignore[no-untyped-def]
    """Load an island into a lane, solve its positions, and prepare its velocities without a warm start.

    Args:
        s, at, n: the world's memory.
        m, lane, lanes: the solver's, see ``solver_layout``.
        members, num, body, alpha: what ``next_island`` gave.
    """
    b, mb = at + (BODY + BODY_SIZE * body) * n, solver.WINDOW_BODY * lanes + lane
    m[mb + solver.CENTER_X * lanes], m[mb + solver.CENTER_Y * lanes] = s[b + CENTER_X * n], s[b + CENTER_Y * n]
    m[mb + solver.ANGLE * lanes] = s[b + ANGLE * n]
    m[mb + solver.VELOCITY_X * lanes], m[mb + solver.VELOCITY_Y * lanes] = s[b + VELOCITY_X * n], s[b + VELOCITY_Y * n]
    m[mb + solver.ANGULAR_VELOCITY * lanes] = s[b + ANGULAR_VELOCITY * n]
    mass, inertia = INVERSE_MASS[body], INVERSE_INERTIA[body]
    m[solver.ISLAND_MASS * lanes + lane], m[solver.ISLAND_INERTIA * lanes + lane] = mass, inertia
    m[solver.ISLAND_FRICTION * lanes + lane] = CONTACT_FRICTION[body]
    m[solver.ISLAND_SECONDS * lanes + lane] = (_ONE - alpha) * _STEP
    for k in range(num):
        c = solver.SLOT + solver.SLOT_SIZE * k
        load_manifold(s, at + (CONTACT + CONTACT_SIZE * members[k]) * n, n, m, lane, lanes, c)
        clear_impulses(m, lane, lanes, c)

    x, y = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
    for _ in range(TOI_POSITION_ITERATIONS):
        least = _ZERO
        for k in range(num):
            c = solver.SLOT + solver.SLOT_SIZE * k
            separation = solve_contact_position(
                m, m, lane, lanes, c, solver.WINDOW_BODY, mass, inertia, x, y, TOI_BAUMGARTE, True
            )
            least = min(least, separation)
        if least >= _GOOD_SEPARATION:
            break
    # From here the body's path goes on.
    s[b + CENTER0_X * n], s[b + CENTER0_Y * n] = m[mb + solver.CENTER_X * lanes], m[mb + solver.CENTER_Y * lanes]
    s[b + ANGLE0 * n] = m[mb + solver.ANGLE * lanes]
    sine, cosine = sin_cos_any(s[b + ANGLE0 * n])
    s[b + SINE0 * n], s[b + COSINE0 * n] = sine, cosine
    for k in range(num):
        c = solver.SLOT + solver.SLOT_SIZE * k
        prepare_contact(m, m, lane, lanes, c, solver.WINDOW_BODY, mass, inertia, x, y, sine, cosine)


@kernel
def end_island(s, at, n, edges, polygons, m, lane, lanes, body):  # type: ignore[no-untyped-def]
    """Move the island's body for the rest of the step, with the velocities in its lane."""
    b, mb = at + (BODY + BODY_SIZE * body) * n, solver.WINDOW_BODY * lanes + lane
    seconds = m[solver.ISLAND_SECONDS * lanes + lane]
    vx, vy, w = capped(
        m[mb + solver.VELOCITY_X * lanes],
        m[mb + solver.VELOCITY_Y * lanes],
        m[mb + solver.ANGULAR_VELOCITY * lanes],
        seconds,
    )
    s[b + VELOCITY_X * n], s[b + VELOCITY_Y * n], s[b + ANGULAR_VELOCITY * n] = vx, vy, w
    s[b + CENTER_X * n] = s[b + CENTER0_X * n] + seconds * vx
    s[b + CENTER_Y * n] = s[b + CENTER0_Y * n] + seconds * vy
    s[b + ANGLE * n] = s[b + ANGLE0 * n] + seconds * w
    _place_body(s, b, n, body)

    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if s[contact + CONTACT_BODY * n] == np.float32(body):
            s[contact + TOI * n] = _UNKNOWN
    if synchronise(s, at, n, body):
        find_new_contacts(s, at, n, edges, polygons, 1 << body)
