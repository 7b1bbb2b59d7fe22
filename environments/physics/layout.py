"""Where each number of a world is stored: one flat float32 array for many worlds, the same fields for every engine.

Functions that need a world's memory take ``(s, at, n)``: field f of the world lies at ``s[at + f * n]``. ``n`` is 1 for
worlds stored one after another, and the number of worlds (or lanes) if equal fields lie side by side. Counts, flags
and keys are float32 as well: whole numbers far below 2^24, so they are exact.
"""

from __future__ import annotations

from environments.biped import NUM_BODIES, NUM_JOINTS
from environments.physics.constants import CONTACT_CAPACITY

# The world.
#: Contacts in the list, from the oldest to the newest (Box2D's list begins with the newest).
NUM_CONTACTS = 0
#: 1 once the hull has touched anything.
HAS_FALLEN = 1
#: 1 while lower leg 1, or 2, touches, as Gymnasium's listener remembers it.
IS_TOUCHING_1, IS_TOUCHING_2 = 2, 3
#: Horizontal force on the hull in the coming step, N; 0 after it.
PUSH = 4
#: What went wrong, see ``constants``; 0 if nothing did.
FAULT = 5

# A body, at BODY + BODY_SIZE * body, in the order of ``biped.BODIES``.
BODY = 6
#: Centre of mass, m, and angle, rad, now; the same at the time alpha0 of the step; that time, 0..1.
CENTER_X, CENTER_Y, ANGLE, CENTER0_X, CENTER0_Y, ANGLE0, ALPHA0 = range(7)
#: Velocity of the centre of mass, m/s, and angular velocity, rad/s.
VELOCITY_X, VELOCITY_Y, ANGULAR_VELOCITY = range(7, 10)
#: The body's origin, m, and sine and cosine of its angle: the transform that shapes are seen in.
ORIGIN_X, ORIGIN_Y, SINE, COSINE = range(10, 14)
#: Time below the sleep tolerances, s. And 1 from the end of a step in which the walker fell asleep to the next command.
SLEEP_TIME, IS_ASLEEP = 14, 15
#: The fat box of the broad phase, m.
BOX_LEFT, BOX_BOTTOM, BOX_RIGHT, BOX_TOP = range(16, 20)
#: The box around the body's path from alpha0 to the end of the step, skin included, m.
SWEPT_LEFT, SWEPT_BOTTOM, SWEPT_RIGHT, SWEPT_TOP = range(20, 24)
#: Of the angle at alpha0.
SINE0, COSINE0 = 24, 25
#: The box of the shape where it is, skin included, m.
SHAPE_LEFT, SHAPE_BOTTOM, SHAPE_RIGHT, SHAPE_TOP = range(26, 30)
BODY_SIZE = 30

# A joint, at JOINT + JOINT_SIZE * joint, in the order of ``biped.JOINTS``.
JOINT = BODY + BODY_SIZE * NUM_BODIES
#: Impulse on the anchor, N s, on the limit and of the motor, N m s.
IMPULSE_X, IMPULSE_Y, LIMIT_IMPULSE, MOTOR_IMPULSE = range(4)
#: -1 at the lower limit, 1 at the upper one, else 0.
LIMIT = 4
#: rad/s and N m.
MOTOR_SPEED, MAX_MOTOR_TORQUE = 5, 6
JOINT_SIZE = 7

# A contact, at CONTACT + CONTACT_SIZE * i.
CONTACT = JOINT + JOINT_SIZE * NUM_JOINTS
#: The fixture of the terrain: obstacles first, then edges, as they are created; and the body.
FIXTURE, CONTACT_BODY = 0, 1
IS_TOUCHING, IS_ENABLED = 2, 3
#: Impacts handled in this step; the time of the next one, 0..1, or less than 0 when it is not known (impact.py).
TOI_COUNT, TOI = 4, 5
#: alpha0 of the fixture's own static body, equal in all contacts with it.
FIXTURE_ALPHA0 = 6
# The manifold: what ``manifold.py`` writes.
#: 0: the reference face is the terrain's; 1: the walker's.
MANIFOLD_TYPE, NUM_POINTS = 7, 8
#: In the frame of the reference face's body (terrain: the world), m.
LOCAL_NORMAL_X, LOCAL_NORMAL_Y, LOCAL_POINT_X, LOCAL_POINT_Y = range(9, 13)
# A manifold point, at POINT + POINT_SIZE * k: where, m, in the frame of the other body; feature key; impulses, N s.
POINT = 13
POINT_X, POINT_Y, POINT_KEY, NORMAL_IMPULSE, TANGENT_IMPULSE = range(5)
POINT_SIZE = 5
CONTACT_SIZE = POINT + 2 * POINT_SIZE

WORLD_SIZE = CONTACT + CONTACT_SIZE * CONTACT_CAPACITY
