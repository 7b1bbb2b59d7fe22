"""Touching contacts, as Box2D solves them; one lane of the solver's memory at a time.

Source: Box2D 2.3.0, ``b2ContactSolver.cpp``; ``b2Collision.cpp`` (``b2WorldManifold::Initialize``). In every contact
body A is the ground or an obstacle: it has no inverse mass and never moves, so its terms, all zero, are left out.
Restitution is 0, so a velocity bias is 0 too.

``q`` and ``m`` are the solver's memory (``solver_layout``), that of slots and that of bodies: a pack has one for both,
a thread of a GPU keeps bodies in registers. ``lane`` is one of its ``n`` lanes, ``c`` and ``b`` are the first fields
of the slot and of the body, ``mass`` and ``inertia`` the body's inverse mass and inertia. Nothing branches on a lane's
numbers. An empty slot of a lane is all zeros: its impulses stay 0 and move nothing.
"""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel
from environments.physics.constants import LINEAR_SLOP, MAX_LINEAR_CORRECTION, POLYGON_RADIUS
from environments.physics.rotation import sin_cos
from environments.physics.solver_layout import (
    ANGLE,
    ANGULAR_VELOCITY,
    ARM_X,
    ARM_Y,
    BLOCK_K11,
    BLOCK_K12,
    BLOCK_K22,
    BLOCK_M11,
    BLOCK_M12,
    BLOCK_M22,
    CENTER_X,
    CENTER_Y,
    COUNT,
    LOCAL_NORMAL_X,
    LOCAL_NORMAL_Y,
    LOCAL_POINT_X,
    LOCAL_POINT_Y,
    MANIFOLD_TYPE,
    NORMAL_IMPULSE,
    NORMAL_MASS,
    NORMAL_X,
    NORMAL_Y,
    POINT_1_X,
    POINT_2_X,
    POSITION_COUNT,
    SECOND,
    TANGENT_IMPULSE,
    TANGENT_MASS,
    VELOCITY_X,
    VELOCITY_Y,
)

_ZERO, _ONE, _TWO, _HALF = (np.float32(x) for x in (0.0, 1.0, 2.0, 0.5))
#: Above this condition number of K the block solver is not used (b2ContactSolver.cpp, k_maxConditionNumber).
_MAX_CONDITION = np.float32(1000.0)


@inline_kernel
def reference_frame(faces_walker, lnx, lny, lpx, lpy, cx, cy, local_x, local_y, sine, cosine):  # type: ignore[no-untyped-def]
    """The reference face in the world: normal away from the face, a point on it; and the body's origin.

    Args:
        faces_walker: whether the face is the walker's (else the terrain's).
        lnx, lny, lpx, lpy: its normal and point in its body's frame.
        cx, cy, local_x, local_y: the body's centre of mass in the world and in its own frame, m.
        sine, cosine: of the body's angle.
    """
    ox, oy = cx - (cosine * local_x - sine * local_y), cy - (sine * local_x + cosine * local_y)
    nx, ny = cosine * lnx - sine * lny, sine * lnx + cosine * lny
    px, py = cosine * lpx - sine * lpy + ox, sine * lpx + cosine * lpy + oy
    return (
        nx if faces_walker else lnx,
        ny if faces_walker else lny,
        px if faces_walker else lpx,
        py if faces_walker else lpy,
        ox,
        oy,
    )


@inline_kernel
def contact_point(faces_walker, x, y, nx, ny, px, py, ox, oy, sine, cosine):  # type: ignore[no-untyped-def]
    """A manifold point in the world: where it lies, m, and its distance from the face, radii not subtracted."""
    wx, wy = cosine * x - sine * y + ox, sine * x + cosine * y + oy
    wx = x if faces_walker else wx
    wy = y if faces_walker else wy
    return wx, wy, (wx - px) * nx + (wy - py) * ny


@inline_kernel
def prepare_contact(q, m, lane, n, c, b, mass, inertia, local_x, local_y, sine, cosine):  # type: ignore[no-untyped-def]
    """``InitializeVelocityConstraints``: arms, effective masses and the block solver's matrix from the manifold.

    Args:
        q, m, lane, n, c, b, mass, inertia: see the module.
        local_x, local_y: the body's centre of mass in its own frame, m.
        sine, cosine: of the body's angle.
    """
    cx, cy = m[(b + CENTER_X) * n + lane], m[(b + CENTER_Y) * n + lane]
    count = q[(c + POSITION_COUNT) * n + lane]
    faces_walker = q[(c + MANIFOLD_TYPE) * n + lane] != _ZERO
    nx, ny, px, py, ox, oy = reference_frame(
        faces_walker,
        q[(c + LOCAL_NORMAL_X) * n + lane],
        q[(c + LOCAL_NORMAL_Y) * n + lane],
        q[(c + LOCAL_POINT_X) * n + lane],
        q[(c + LOCAL_POINT_Y) * n + lane],
        cx,
        cy,
        local_x,
        local_y,
        sine,
        cosine,
    )
    r1x, r1y = _arm(q, lane, n, c + POINT_1_X, faces_walker, nx, ny, px, py, ox, oy, sine, cosine, cx, cy)
    r2x, r2y = _arm(q, lane, n, c + POINT_2_X, faces_walker, nx, ny, px, py, ox, oy, sine, cosine, cx, cy)
    # The normal goes from the terrain to the walker.
    nx = -nx if faces_walker else nx
    ny = -ny if faces_walker else ny
    rn1, rn2 = r1x * ny - r1y * nx, r2x * ny - r2y * nx
    rt1, rt2 = r1x * -nx - r1y * ny, r2x * -nx - r2y * ny
    k11, k22, k12 = mass + inertia * rn1 * rn1, mass + inertia * rn2 * rn2, mass + inertia * rn1 * rn2
    t11, t22 = mass + inertia * rt1 * rt1, mass + inertia * rt2 * rt2
    det = k11 * k22 - k12 * k12
    # Nearly the same point twice: the velocity solver then uses only the first.
    is_block = (count > _ONE) & (k11 * k11 < _MAX_CONDITION * det)
    inverse = _ONE / det if det != _ZERO else det
    has_one, has_two = count > _ZERO, is_block
    q[(c + COUNT) * n + lane] = _TWO if is_block else (_ONE if has_one else _ZERO)
    q[(c + NORMAL_X) * n + lane] = nx if has_one else _ZERO
    q[(c + NORMAL_Y) * n + lane] = ny if has_one else _ZERO
    _store_point(q, lane, n, c, has_one, r1x, r1y, _ONE / k11, _ONE / t11)
    _store_point(q, lane, n, c + SECOND, has_two, r2x, r2y, _ONE / k22, _ONE / t22)
    q[(c + BLOCK_K11) * n + lane] = k11 if has_two else _ZERO
    q[(c + BLOCK_K12) * n + lane] = k12 if has_two else _ZERO
    q[(c + BLOCK_K22) * n + lane] = k22 if has_two else _ZERO
    q[(c + BLOCK_M11) * n + lane] = inverse * k22 if has_two else _ZERO
    q[(c + BLOCK_M12) * n + lane] = -inverse * k12 if has_two else _ZERO
    q[(c + BLOCK_M22) * n + lane] = inverse * k11 if has_two else _ZERO


@inline_kernel
def _arm(q, lane, n, point, faces_walker, nx, ny, px, py, ox, oy, sine, cosine, cx, cy):  # type: ignore[no-untyped-def]
    """From the centre of mass to half-way between the two skins at a manifold point."""
    x, y = q[point * n + lane], q[(point + 1) * n + lane]
    wx, wy, distance = contact_point(faces_walker, x, y, nx, ny, px, py, ox, oy, sine, cosine)
    onto = POLYGON_RADIUS - distance
    ax, ay = wx + onto * nx, wy + onto * ny
    bx, by = wx - POLYGON_RADIUS * nx, wy - POLYGON_RADIUS * ny
    return _HALF * (ax + bx) - cx, _HALF * (ay + by) - cy


@inline_kernel
def _store_point(q, lane, n, c, is_used, rx, ry, normal_mass, tangent_mass):  # type: ignore[no-untyped-def]
    q[(c + ARM_X) * n + lane] = rx if is_used else _ZERO
    q[(c + ARM_Y) * n + lane] = ry if is_used else _ZERO
    q[(c + NORMAL_MASS) * n + lane] = normal_mass if is_used else _ZERO
    q[(c + TANGENT_MASS) * n + lane] = tangent_mass if is_used else _ZERO
    normal_impulse, tangent_impulse = q[(c + NORMAL_IMPULSE) * n + lane], q[(c + TANGENT_IMPULSE) * n + lane]
    q[(c + NORMAL_IMPULSE) * n + lane] = normal_impulse if is_used else _ZERO
    q[(c + TANGENT_IMPULSE) * n + lane] = tangent_impulse if is_used else _ZERO


@inline_kernel
def warm_start_contact(q, m, lane, n, c, b, mass, inertia):  # type: ignore[no-untyped-def]
    """``WarmStart``: begin with the impulses of the step before."""
    vx, vy, w = m[(b + VELOCITY_X) * n + lane], m[(b + VELOCITY_Y) * n + lane], m[(b + ANGULAR_VELOCITY) * n + lane]
    nx, ny = q[(c + NORMAL_X) * n + lane], q[(c + NORMAL_Y) * n + lane]
    vx, vy, w = _warm_start_point(q, lane, n, c, vx, vy, w, nx, ny, mass, inertia)
    vx, vy, w = _warm_start_point(q, lane, n, c + SECOND, vx, vy, w, nx, ny, mass, inertia)
    m[(b + VELOCITY_X) * n + lane], m[(b + VELOCITY_Y) * n + lane], m[(b + ANGULAR_VELOCITY) * n + lane] = vx, vy, w


@inline_kernel
def _warm_start_point(q, lane, n, c, vx, vy, w, nx, ny, mass, inertia):  # type: ignore[no-untyped-def]
    normal, tangent = q[(c + NORMAL_IMPULSE) * n + lane], q[(c + TANGENT_IMPULSE) * n + lane]
    px, py = normal * nx + tangent * ny, normal * ny + tangent * -nx
    w += inertia * (q[(c + ARM_X) * n + lane] * py - q[(c + ARM_Y) * n + lane] * px)
    return vx + mass * px, vy + mass * py, w


@inline_kernel
def solve_contact_velocity(q, m, lane, n, c, b, mass, inertia, friction, has_two):  # type: ignore[no-untyped-def]
    """``SolveVelocityConstraints``: one pass, friction first.

    Args:
        q, m, lane, n, c, b, mass, inertia: see the module.
        friction: mixed coefficient.
        has_two: False only if no lane's contact has two points; a constant, so that half of the code is compiled away.
    """
    vx, vy, w = m[(b + VELOCITY_X) * n + lane], m[(b + VELOCITY_Y) * n + lane], m[(b + ANGULAR_VELOCITY) * n + lane]
    nx, ny = q[(c + NORMAL_X) * n + lane], q[(c + NORMAL_Y) * n + lane]
    r1x, r1y = q[(c + ARM_X) * n + lane], q[(c + ARM_Y) * n + lane]
    a1, t1 = q[(c + NORMAL_IMPULSE) * n + lane], q[(c + TANGENT_IMPULSE) * n + lane]
    mass1 = q[(c + NORMAL_MASS) * n + lane]
    vx, vy, w, t1 = _rub(vx, vy, w, nx, ny, r1x, r1y, q[(c + TANGENT_MASS) * n + lane], a1, t1, friction, mass, inertia)
    q[(c + TANGENT_IMPULSE) * n + lane] = t1
    if has_two:
        d = c + SECOND
        r2x, r2y = q[(d + ARM_X) * n + lane], q[(d + ARM_Y) * n + lane]
        a2, t2 = q[(d + NORMAL_IMPULSE) * n + lane], q[(d + TANGENT_IMPULSE) * n + lane]
        tangent2 = q[(d + TANGENT_MASS) * n + lane]
        vx, vy, w, t2 = _rub(vx, vy, w, nx, ny, r2x, r2y, tangent2, a2, t2, friction, mass, inertia)
        q[(d + TANGENT_IMPULSE) * n + lane] = t2
        vn2 = (vx + -w * r2y) * nx + (vy + w * r2x) * ny

    vn1 = (vx + -w * r1y) * nx + (vy + w * r1x) * ny
    x1 = a1 + -mass1 * vn1
    x1 = x1 if x1 > _ZERO else _ZERO
    d1 = x1 - a1
    px, py = d1 * nx, d1 * ny
    turn = r1x * py - r1y * px
    if has_two:
        mass2 = q[(d + NORMAL_MASS) * n + lane]
        k11, k12, k22 = q[(c + BLOCK_K11) * n + lane], q[(c + BLOCK_K12) * n + lane], q[(c + BLOCK_K22) * n + lane]
        m11, m12, m22 = q[(c + BLOCK_M11) * n + lane], q[(c + BLOCK_M12) * n + lane], q[(c + BLOCK_M22) * n + lane]
        z1, z2 = _solve_block(vn1, vn2, a1, a2, mass1, mass2, k11, k12, k22, m11, m12, m22)
        e1, e2 = z1 - a1, z2 - a2
        p1x, p1y, p2x, p2y = e1 * nx, e1 * ny, e2 * nx, e2 * ny
        is_block = q[(c + COUNT) * n + lane] > _ONE
        x1 = z1 if is_block else x1
        px = p1x + p2x if is_block else px
        py = p1y + p2y if is_block else py
        turn = r1x * p1y - r1y * p1x + (r2x * p2y - r2y * p2x) if is_block else turn
        q[(d + NORMAL_IMPULSE) * n + lane] = z2 if is_block else a2
    q[(c + NORMAL_IMPULSE) * n + lane] = x1
    m[(b + VELOCITY_X) * n + lane] = vx + mass * px
    m[(b + VELOCITY_Y) * n + lane] = vy + mass * py
    m[(b + ANGULAR_VELOCITY) * n + lane] = w + inertia * turn


@inline_kernel
def _rub(vx, vy, w, nx, ny, rx, ry, tangent_mass, normal_impulse, tangent_impulse, friction, mass, inertia):  # type: ignore[no-untyped-def]
    """Friction at one point; the tangent is the normal turned clockwise. Returns velocities and tangent impulse."""
    vt = (vx + -w * ry) * ny + (vy + w * rx) * -nx
    most = friction * normal_impulse
    total = tangent_impulse + tangent_mass * -vt
    total = total if total < most else most
    total = -most if -most > total else total
    change = total - tangent_impulse
    px, py = change * ny, change * -nx
    return vx + mass * px, vy + mass * py, w + inertia * (rx * py - ry * px), total


@inline_kernel
def _solve_block(vn1, vn2, a1, a2, mass1, mass2, k11, k12, k22, m11, m12, m22):  # type: ignore[no-untyped-def]
    """Normal impulses of two points at once: the first case that fits, by total enumeration (Murty).

    vn = K (x - a) + vn0 >= 0, x >= 0 and vn x = 0 for both points: x = -K^-1 b with b = vn0 - K a; or one of them 0; or
    both. Where none fits, the old impulses a stay.
    """
    b1, b2 = vn1 - (k11 * a1 + k12 * a2), vn2 - (k12 * a1 + k22 * a2)
    x1, x2 = -(m11 * b1 + m12 * b2), -(m12 * b1 + m22 * b2)
    y1, y2 = -mass1 * b1, -mass2 * b2
    fits_both = (x1 >= _ZERO) & (x2 >= _ZERO)
    fits_first = (y1 >= _ZERO) & (k12 * y1 + b2 >= _ZERO)
    fits_second = (y2 >= _ZERO) & (k12 * y2 + b1 >= _ZERO)
    fits_none = (b1 >= _ZERO) & (b2 >= _ZERO)
    # From the last case to the first, so that the first one wins.
    z1 = _ZERO if fits_none else a1
    z2 = _ZERO if fits_none else a2
    z1 = _ZERO if fits_second else z1
    z2 = y2 if fits_second else z2
    z1 = y1 if fits_first else z1
    z2 = _ZERO if fits_first else z2
    return x1 if fits_both else z1, x2 if fits_both else z2


@inline_kernel
def solve_contact_position(q, m, lane, n, c, b, mass, inertia, local_x, local_y, share, has_two):  # type: ignore[no-untyped-def]
    """``SolvePositionConstraints``: one pass over the contact's points, each seeing the body where the last put it.

    Args:
        q, m, lane, n, c, b, mass, inertia: see the module.
        local_x, local_y: the body's centre of mass in its own frame, m.
        share: of the overlap that a pass takes away: BAUMGARTE, or TOI_BAUMGARTE.
        has_two: as in ``solve_contact_velocity``.

    Returns:
        The lesser separation of the points before they moved, m; 0 if there is no point.
    """
    cx, cy, angle = m[(b + CENTER_X) * n + lane], m[(b + CENTER_Y) * n + lane], m[(b + ANGLE) * n + lane]
    count = q[(c + POSITION_COUNT) * n + lane]
    cx, cy, angle, least = _push_out(
        q, lane, n, c, c + POINT_1_X, count > _ZERO, cx, cy, angle, _ZERO, mass, inertia, local_x, local_y, share
    )
    if has_two:
        cx, cy, angle, least = _push_out(
            q, lane, n, c, c + POINT_2_X, count > _ONE, cx, cy, angle, least, mass, inertia, local_x, local_y, share
        )
    m[(b + CENTER_X) * n + lane], m[(b + CENTER_Y) * n + lane], m[(b + ANGLE) * n + lane] = cx, cy, angle
    return least


@inline_kernel
def _push_out(q, lane, n, c, point, is_used, cx, cy, angle, least, mass, inertia, local_x, local_y, share):  # type: ignore[no-untyped-def]
    """One point's turn: centre, angle and least separation after it; as they were where the point is not used."""
    faces_walker = q[(c + MANIFOLD_TYPE) * n + lane] != _ZERO
    lnx, lny = q[(c + LOCAL_NORMAL_X) * n + lane], q[(c + LOCAL_NORMAL_Y) * n + lane]
    lpx, lpy = q[(c + LOCAL_POINT_X) * n + lane], q[(c + LOCAL_POINT_Y) * n + lane]
    sine, cosine = sin_cos(angle)
    nx, ny, px, py, ox, oy = reference_frame(faces_walker, lnx, lny, lpx, lpy, cx, cy, local_x, local_y, sine, cosine)
    x, y = q[point * n + lane], q[(point + 1) * n + lane]
    wx, wy, distance = contact_point(faces_walker, x, y, nx, ny, px, py, ox, oy, sine, cosine)
    separation = distance - POLYGON_RADIUS - POLYGON_RADIUS
    nx = -nx if faces_walker else nx
    ny = -ny if faces_walker else ny
    rx, ry = wx - cx, wy - cy
    overlap = share * (separation + LINEAR_SLOP)
    overlap = overlap if overlap < _ZERO else _ZERO
    overlap = -MAX_LINEAR_CORRECTION if overlap < -MAX_LINEAR_CORRECTION else overlap
    rn = rx * ny - ry * nx
    impulse = -overlap / (mass + inertia * rn * rn)
    impulse = impulse if is_used else _ZERO
    ix, iy = impulse * nx, impulse * ny
    least = separation if is_used & (separation < least) else least
    return cx + mass * ix, cy + mass * iy, angle + inertia * (rx * iy - ry * ix), least
