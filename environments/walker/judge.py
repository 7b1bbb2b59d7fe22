"""What a step was worth: observation, reward and ending from a world's readings, the same for every engine."""

from __future__ import annotations

import math

import numpy as np

from environments.biped import HULL, NUM_BODIES, NUM_BODY_OBSERVATIONS, NUM_JOINTS
from environments.compiled import kernel
from environments.physics import layout
from environments.physics.bodies import JOINT_BODY_A, JOINT_BODY_B, REFERENCE_ANGLE
from environments.physics.constants import DIVERGED, TOO_MANY_CONTACTS
from environments.physics.lidar import cast_lidar
from environments.walker.ending import GOES_ON, Outcome, ending
from environments.walker.observe import observe_hull, observe_leg
from environments.walker.reward import FALL_REWARD, shaping, step_reward

#: Outcomes that ``judge_world`` gives a world with more contacts than fit, and one in which a body has turned farther
#: than our engines can follow.
OVERFLOWED, SPUN = -1, -2
#: rad. Lane loops have sines up to ``rotation.NEAR``. A step's velocities turn a body by pi/2 at most, and position
#: passes by far less than the 18 rad that are left, if the walker is not torn to pieces.
MOST_TURN = np.float32(100.0)
#: The fields of each body, in ``layout``, that walkers are compared by.
STATE_FIELDS = np.array(
    [layout.ORIGIN_X, layout.ORIGIN_Y, layout.ANGLE, layout.VELOCITY_X, layout.VELOCITY_Y, layout.ANGULAR_VELOCITY]
)
NUM_READINGS = 16
_FELL, _DIVERGED = int(Outcome.FELL), int(Outcome.DIVERGED)
_FALL_REWARD = np.float32(FALL_REWARD)


@kernel
def judge_step(  # type: ignore[no-untyped-def]
    readings, action, shaping_before, has_fallen, num_steps, max_steps, edges, polygons, rays, observation_out
):
    """Observation, reward and ending of a step that the world has taken.

    Args:
        readings: (16,) float32, see ``WalkerWorld.readings``.
        action: (4,) float32.
        shaping_before: float64, of the step before.
        has_fallen, num_steps, max_steps: see ``ending``.
        edges, polygons, rays: see ``cast_lidar``.
        observation_out: (24,) float32.

    Returns:
        The reward (float64), the shaping for the next step (float64), the outcome as an integer.
    """
    x, y, angle = readings[0], readings[1], readings[2]
    observation_out[0:4] = observe_hull(angle, readings[3], readings[4], readings[5])
    for leg in range(2):
        at, joint = 4 + 5 * leg, 6 + 4 * leg
        observation_out[at : at + 4] = observe_leg(
            readings[joint], readings[joint + 1], readings[joint + 2], readings[joint + 3]
        )
        observation_out[at + 4] = readings[14 + leg]
    cast_lidar(x, y, edges, polygons, rays, observation_out, NUM_BODY_OBSERVATIONS)

    shaping_now = shaping(x, angle)
    reward = step_reward(shaping_now, shaping_before, action[0], action[1], action[2], action[3])
    code = ending(has_fallen, x, num_steps, max_steps)
    return np.float64(_FALL_REWARD if code == _FELL else reward), shaping_now, code


@kernel
def judge_world(  # type: ignore[no-untyped-def]
    s, at, n, edges, polygons, action, shaping_before, num_steps, max_steps, readings, rays, observation_out
):
    """``judge_step`` for a world of our own physics, and what went wrong in it.

    Args:
        s, at, n: the world's memory, see ``layout``; edges, polygons: its terrain.
        action, shaping_before, max_steps, rays, observation_out: see ``judge_step``.
        num_steps: steps taken, this one included; 0 after the reset's, which has no reward and ends nothing.
        readings: (NUM_READINGS,) float32, overwritten.

    Returns:
        The reward, the shaping for the next step (both float64), the outcome as an integer: also OVERFLOWED or SPUN.
    """
    is_finite, turn = _read(s, at, n, readings)
    for joint in range(NUM_JOINTS):
        is_finite = is_finite and math.isfinite(action[joint])
    is_finite = is_finite and s[at + layout.FAULT * n] != DIVERGED
    if s[at + layout.FAULT * n] == TOO_MANY_CONTACTS:
        return 0.0, shaping_before, OVERFLOWED
    if is_finite and turn > MOST_TURN:
        return 0.0, shaping_before, SPUN
    if num_steps == 0 and not is_finite:
        # As in ``WalkerEpisode``: a world broken by its reset diverges in its first step.
        s[at + layout.FAULT * n] = DIVERGED
        for i in range(observation_out.size):
            observation_out[i] = 0.0
        return 0.0, 0.0, GOES_ON
    if not is_finite:
        return FALL_REWARD, shaping_before, _DIVERGED
    has_fallen = s[at + layout.HAS_FALLEN * n] != 0.0
    reward, shaping_now, outcome = judge_step(
        readings, action, shaping_before, has_fallen, num_steps, max_steps, edges, polygons, rays, observation_out
    )
    return 0.0 if num_steps == 0 else reward, shaping_now, GOES_ON if num_steps == 0 else outcome


@kernel
def _read(s, at, n, readings):  # type: ignore[no-untyped-def]
    """Fill ``readings`` as ``box2d.WalkerWorld`` does.

    Returns:
        Whether the 30 numbers of the bodies are finite; the greatest angle of a body to either side, rad.
    """
    total, turn = 0.0, np.float32(0.0)
    for body in range(NUM_BODIES):
        b = at + (layout.BODY + layout.BODY_SIZE * body) * n
        turn = max(turn, abs(s[b + layout.ANGLE * n]))
        for field in STATE_FIELDS:
            total += np.float64(s[b + field * n])
    hull = at + (layout.BODY + layout.BODY_SIZE * HULL) * n
    readings[0], readings[1] = s[hull + layout.ORIGIN_X * n], s[hull + layout.ORIGIN_Y * n]
    readings[2], readings[3] = s[hull + layout.ANGLE * n], s[hull + layout.ANGULAR_VELOCITY * n]
    readings[4], readings[5] = s[hull + layout.VELOCITY_X * n], s[hull + layout.VELOCITY_Y * n]
    for joint in range(NUM_JOINTS):
        a = at + (layout.BODY + layout.BODY_SIZE * JOINT_BODY_A[joint]) * n
        b = at + (layout.BODY + layout.BODY_SIZE * JOINT_BODY_B[joint]) * n
        readings[6 + 2 * joint] = s[b + layout.ANGLE * n] - s[a + layout.ANGLE * n] - REFERENCE_ANGLE[joint]
        readings[7 + 2 * joint] = s[b + layout.ANGULAR_VELOCITY * n] - s[a + layout.ANGULAR_VELOCITY * n]
    readings[14], readings[15] = s[at + layout.IS_TOUCHING_1 * n], s[at + layout.IS_TOUCHING_2 * n]
    return math.isfinite(total), turn
