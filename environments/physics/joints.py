"""Revolute joints with motor and limit, as Box2D solves them; one lane of the solver's memory at a time.

Source: Box2D 2.3.0, ``b2RevoluteJoint.cpp``; ``b2Math.cpp`` for the solution of the small systems. A joint keeps the
anchors of its bodies a and b together (C1 = 0, two numbers) and, at a limit, their relative angle (C2 >= 0 or <= 0).

``m`` is the solver's memory (``solver_layout``), ``lane`` is one of its ``n`` lanes, ``j``, ``a`` and ``b`` the
first fields of the joint and its bodies, ``ma``, ``ia``, ``mb``, ``ib`` their inverse masses and inertias. Nothing
branches on a lane's numbers, so that a loop over lanes packs.
"""

from __future__ import annotations

import math

import numpy as np

from environments.compiled import inline_kernel
from environments.physics.constants import ANGULAR_SLOP, LINEAR_SLOP, MAX_ANGULAR_CORRECTION
from environments.physics.rotation import sin_cos
from environments.physics.solver_layout import (
    ADJUGATE_X,
    ADJUGATE_Y,
    ADJUGATE_Z,
    ANGLE,
    ANGULAR_VELOCITY,
    ARM_A_X,
    ARM_A_Y,
    ARM_B_X,
    ARM_B_Y,
    CENTER_X,
    CENTER_Y,
    COSINE,
    IMPULSE_X,
    IMPULSE_Y,
    INVERSE_DET2,
    INVERSE_DET3,
    K11,
    K12,
    K13,
    K22,
    K23,
    K33,
    LIMIT,
    LIMIT_IMPULSE,
    MAX_MOTOR_IMPULSE,
    MOTOR_IMPULSE,
    MOTOR_SPEED,
    SINE,
    VELOCITY_X,
    VELOCITY_Y,
)

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@inline_kernel
def prepare_joint(  # type: ignore[no-untyped-def]
    m, lane, n, j, a, b, ma, ia, mb, ib, anchor_ax, anchor_ay, anchor_bx, anchor_by, lower, upper, reference
):
    """``InitVelocityConstraints``: arms, K, the limit's state; then the warm start.

    Args:
        m, lane, n, j, a, b, ma, ia, mb, ib: see the module.
        anchor_ax, anchor_ay, anchor_bx, anchor_by: of the anchor from the centres of mass, in the bodies' frames, m.
        lower, upper, reference: limits and reference angle, rad.
    """
    sine_a, cosine_a = m[(a + SINE) * n + lane], m[(a + COSINE) * n + lane]
    sine_b, cosine_b = m[(b + SINE) * n + lane], m[(b + COSINE) * n + lane]
    rax, ray = cosine_a * anchor_ax - sine_a * anchor_ay, sine_a * anchor_ax + cosine_a * anchor_ay
    rbx, rby = cosine_b * anchor_bx - sine_b * anchor_by, sine_b * anchor_bx + cosine_b * anchor_by
    k11 = ma + mb + ray * ray * ia + rby * rby * ib
    k12 = -ray * rax * ia - rby * rbx * ib
    k13 = -ray * ia - rby * ib
    k22 = ma + mb + rax * rax * ia + rbx * rbx * ib
    k23 = rax * ia + rbx * ib
    k33 = ia + ib
    ax, ay, az = k22 * k33 - k23 * k23, k23 * k13 - k12 * k33, k12 * k23 - k22 * k13
    det2 = k11 * k22 - k12 * k12
    det3 = k11 * ax + k12 * ay + k13 * az
    m[(j + ARM_A_X) * n + lane], m[(j + ARM_A_Y) * n + lane] = rax, ray
    m[(j + ARM_B_X) * n + lane], m[(j + ARM_B_Y) * n + lane] = rbx, rby
    m[(j + K11) * n + lane], m[(j + K12) * n + lane], m[(j + K13) * n + lane] = k11, k12, k13
    m[(j + K22) * n + lane], m[(j + K23) * n + lane], m[(j + K33) * n + lane] = k22, k23, k33
    m[(j + ADJUGATE_X) * n + lane], m[(j + ADJUGATE_Y) * n + lane], m[(j + ADJUGATE_Z) * n + lane] = ax, ay, az
    m[(j + INVERSE_DET2) * n + lane] = _ONE / det2 if det2 != _ZERO else det2
    m[(j + INVERSE_DET3) * n + lane] = _ONE / det3 if det3 != _ZERO else det3

    limit = limit_state(m[(a + ANGLE) * n + lane], m[(b + ANGLE) * n + lane], lower, upper, reference)
    # The impulse of a limit is kept for the next step only while the joint stays at that limit.
    limit_impulse = m[(j + LIMIT_IMPULSE) * n + lane]
    limit_impulse = limit_impulse if limit != _ZERO and limit == m[(j + LIMIT) * n + lane] else _ZERO
    m[(j + LIMIT) * n + lane], m[(j + LIMIT_IMPULSE) * n + lane] = limit, limit_impulse

    px, py = m[(j + IMPULSE_X) * n + lane], m[(j + IMPULSE_Y) * n + lane]
    motor = m[(j + MOTOR_IMPULSE) * n + lane]
    m[(a + VELOCITY_X) * n + lane] -= ma * px
    m[(a + VELOCITY_Y) * n + lane] -= ma * py
    m[(a + ANGULAR_VELOCITY) * n + lane] -= ia * (rax * py - ray * px + motor + limit_impulse)
    m[(b + VELOCITY_X) * n + lane] += mb * px
    m[(b + VELOCITY_Y) * n + lane] += mb * py
    m[(b + ANGULAR_VELOCITY) * n + lane] += ib * (rbx * py - rby * px + motor + limit_impulse)


@inline_kernel
def limit_state(angle_a, angle_b, lower, upper, reference):  # type: ignore[no-untyped-def]
    """-1 at or below the lower limit, 1 at or above the upper one, else 0, float32."""
    angle = angle_b - angle_a - reference
    at_upper = _ONE if angle >= upper else _ZERO
    return -_ONE if angle <= lower else at_upper


@inline_kernel
def solve_joint_velocity(m, lane, n, j, a, b, ma, ia, mb, ib, motor_mass, has_limits):  # type: ignore[no-untyped-def]
    """``SolveVelocityConstraints``: one pass, motor first.

    Args:
        m, lane, n, j, a, b, ma, ia, mb, ib: see the module.
        motor_mass: 1 / (ia + ib).
        has_limits: False only if no lane is at a limit; a constant, so that half of the code is compiled away.
    """
    vax, vay, wa = m[(a + VELOCITY_X) * n + lane], m[(a + VELOCITY_Y) * n + lane], m[(a + ANGULAR_VELOCITY) * n + lane]
    vbx, vby, wb = m[(b + VELOCITY_X) * n + lane], m[(b + VELOCITY_Y) * n + lane], m[(b + ANGULAR_VELOCITY) * n + lane]
    rax, ray = m[(j + ARM_A_X) * n + lane], m[(j + ARM_A_Y) * n + lane]
    rbx, rby = m[(j + ARM_B_X) * n + lane], m[(j + ARM_B_Y) * n + lane]
    k11, k12, k22 = m[(j + K11) * n + lane], m[(j + K12) * n + lane], m[(j + K22) * n + lane]
    inverse_det2 = m[(j + INVERSE_DET2) * n + lane]

    before, most = m[(j + MOTOR_IMPULSE) * n + lane], m[(j + MAX_MOTOR_IMPULSE) * n + lane]
    total = before + -motor_mass * (wb - wa - m[(j + MOTOR_SPEED) * n + lane])
    total = total if total < most else most
    total = -most if -most > total else total
    m[(j + MOTOR_IMPULSE) * n + lane] = total
    motor = total - before
    wa -= ia * motor
    wb += ib * motor

    cx = vbx + -wb * rby - vax - -wa * ray
    cy = vby + wb * rbx - vay - wa * rax
    # Anchor alone: K2 p = -C.
    px, py = inverse_det2 * (k12 * cy - k22 * cx), inverse_det2 * (k12 * cx - k11 * cy)
    turn_a, turn_b = rax * py - ray * px, rbx * py - rby * px
    if has_limits:
        limit, held = m[(j + LIMIT) * n + lane], m[(j + LIMIT_IMPULSE) * n + lane]
        k13, k23, k33 = m[(j + K13) * n + lane], m[(j + K23) * n + lane], m[(j + K33) * n + lane]
        det = m[(j + INVERSE_DET3) * n + lane]
        cz = wb - wa
        # Anchor and limit: K3 q = -C, by Cramer's rule.
        ax, ay, az = m[(j + ADJUGATE_X) * n + lane], m[(j + ADJUGATE_Y) * n + lane], m[(j + ADJUGATE_Z) * n + lane]
        qx = -(det * (cx * ax + cy * ay + cz * az))
        qy = -(det * (k11 * (cy * k33 - cz * k23) + k12 * (cz * k13 - cx * k33) + k13 * (cx * k23 - cy * k13)))
        qz = -(det * (k11 * (k22 * cz - k23 * cy) + k12 * (k23 * cx - k12 * cz) + k13 * (k12 * cy - k22 * cx)))
        # A limit only pushes. If it would pull, it is dropped and the anchor is solved alone.
        lets_go = limit * (held + qz) > _ZERO
        sx, sy = -cx + held * k13, -cy + held * k23
        qx = inverse_det2 * (k22 * sx - k12 * sy) if lets_go else qx
        qy = inverse_det2 * (k11 * sy - k12 * sx) if lets_go else qy
        qz = -held if lets_go else qz
        is_limited = limit != _ZERO
        px = qx if is_limited else px
        py = qy if is_limited else py
        turn_a = rax * py - ray * px + qz if is_limited else turn_a
        turn_b = rbx * py - rby * px + qz if is_limited else turn_b
        m[(j + LIMIT_IMPULSE) * n + lane] = held + qz if is_limited else held
    m[(j + IMPULSE_X) * n + lane] += px
    m[(j + IMPULSE_Y) * n + lane] += py
    m[(a + VELOCITY_X) * n + lane] = vax - ma * px
    m[(a + VELOCITY_Y) * n + lane] = vay - ma * py
    m[(a + ANGULAR_VELOCITY) * n + lane] = wa - ia * turn_a
    m[(b + VELOCITY_X) * n + lane] = vbx + mb * px
    m[(b + VELOCITY_Y) * n + lane] = vby + mb * py
    m[(b + ANGULAR_VELOCITY) * n + lane] = wb + ib * turn_b


@inline_kernel
def solve_joint_position(  # type: ignore[no-untyped-def]
    m, lane, n, j, a, b, ma, ia, mb, ib, motor_mass, anchor_ax, anchor_ay, anchor_bx, anchor_by, lower, upper, reference
):
    """``SolvePositionConstraints``: one pass, limit first.

    Args:
        m, lane, n, j, a, b, ma, ia, mb, ib: see the module.
        motor_mass, anchor_ax, anchor_ay, anchor_bx, anchor_by, lower, upper, reference: see above.

    Returns:
        Whether the joint was within the slop at the beginning of the pass.
    """
    cax, cay, angle_a = m[(a + CENTER_X) * n + lane], m[(a + CENTER_Y) * n + lane], m[(a + ANGLE) * n + lane]
    cbx, cby, angle_b = m[(b + CENTER_X) * n + lane], m[(b + CENTER_Y) * n + lane], m[(b + ANGLE) * n + lane]
    limit = m[(j + LIMIT) * n + lane]
    angle = angle_b - angle_a - reference
    below, above = angle - lower, angle - upper
    angular_error = -below if limit < _ZERO else above
    angular_error = angular_error if limit != _ZERO else _ZERO
    low = below + ANGULAR_SLOP
    low = low if low < _ZERO else _ZERO
    low = -MAX_ANGULAR_CORRECTION if low < -MAX_ANGULAR_CORRECTION else low
    high = above - ANGULAR_SLOP
    high = high if high < MAX_ANGULAR_CORRECTION else MAX_ANGULAR_CORRECTION
    high = _ZERO if high < _ZERO else high
    correction = low if limit < _ZERO else high
    impulse = -motor_mass * correction
    impulse = impulse if limit != _ZERO else _ZERO
    angle_a -= ia * impulse
    angle_b += ib * impulse

    sine_a, cosine_a = sin_cos(angle_a)
    sine_b, cosine_b = sin_cos(angle_b)
    rax, ray = cosine_a * anchor_ax - sine_a * anchor_ay, sine_a * anchor_ax + cosine_a * anchor_ay
    rbx, rby = cosine_b * anchor_bx - sine_b * anchor_by, sine_b * anchor_bx + cosine_b * anchor_by
    cx, cy = cbx + rbx - cax - rax, cby + rby - cay - ray
    k11 = ma + mb + ia * ray * ray + ib * rby * rby
    k12 = -ia * rax * ray - ib * rbx * rby
    k22 = ma + mb + ia * rax * rax + ib * rbx * rbx
    det = k11 * k22 - k12 * k12
    det = _ONE / det if det != _ZERO else det
    px, py = -(det * (k22 * cx - k12 * cy)), -(det * (k11 * cy - k12 * cx))
    m[(a + CENTER_X) * n + lane], m[(a + CENTER_Y) * n + lane] = cax - ma * px, cay - ma * py
    m[(a + ANGLE) * n + lane] = angle_a - ia * (rax * py - ray * px)
    m[(b + CENTER_X) * n + lane], m[(b + CENTER_Y) * n + lane] = cbx + mb * px, cby + mb * py
    m[(b + ANGLE) * n + lane] = angle_b + ib * (rbx * py - rby * px)
    return (math.sqrt(cx * cx + cy * cy) <= LINEAR_SLOP) & (angular_error <= ANGULAR_SLOP)
