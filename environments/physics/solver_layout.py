"""Where the solver keeps the numbers of one step: field f of lane l lies at ``m[f * n + l]``, n lanes side by side.

A pack of worlds is copied here while a step is solved, so that the same numbers of all lanes are neighbours and every
offset is a compile-time constant. That lets LLVM vectorise the lane loops (PHYSICS.md section 5).
"""

from __future__ import annotations

from environments.biped import NUM_BODIES, NUM_JOINTS
from environments.physics.constants import TOUCHING_CAPACITY

# A body, at BODY + BODY_SIZE * body: centre of mass, m; angle, rad; velocities, m/s and rad/s.
BODY = 0
CENTER_X, CENTER_Y, ANGLE, VELOCITY_X, VELOCITY_Y, ANGULAR_VELOCITY = range(6)
#: Sine and cosine of the angle at the beginning of the step; after ``place_bodies`` of the angle at its end.
SINE, COSINE = 6, 7
#: What ``place_bodies`` writes: the origin and the box of the shape, m.
ORIGIN_X, ORIGIN_Y = 8, 9
SHAPE_LEFT, SHAPE_BOTTOM, SHAPE_RIGHT, SHAPE_TOP = range(10, 14)
BODY_SIZE = 14

# A joint, at JOINT + JOINT_SIZE * joint.
JOINT = BODY + BODY_SIZE * NUM_BODIES
#: From the centres of mass of a and b to the anchor, m.
ARM_A_X, ARM_A_Y, ARM_B_X, ARM_B_Y = range(4)
#: The symmetric matrix K = J M^-1 J^T of anchor (1, 2) and limit (3).
K11, K12, K13, K22, K23, K33 = range(4, 10)
#: 1 / determinant of its upper left 2 x 2 part and of the whole; first row of its adjugate.
INVERSE_DET2, INVERSE_DET3 = 10, 11
ADJUGATE_X, ADJUGATE_Y, ADJUGATE_Z = 12, 13, 14
#: rad/s and N m s of the motor.
MOTOR_SPEED, MAX_MOTOR_IMPULSE = 15, 16
#: -1 at the lower limit, 1 at the upper one, else 0.
LIMIT = 17
#: Accumulated impulses.
IMPULSE_X, IMPULSE_Y, LIMIT_IMPULSE, MOTOR_IMPULSE = range(18, 22)
JOINT_SIZE = 22

# A touching contact, at SLOT + SLOT_SIZE * (TOUCHING_CAPACITY * body + k): the k-th of a body, newest first. All
# numbers are 0 in a lane whose body has fewer: its impulses stay 0 and move nothing.
SLOT = JOINT + JOINT_SIZE * NUM_JOINTS
#: Points that the velocity solver uses.
COUNT = 0
NORMAL_X, NORMAL_Y = 1, 2
#: Of point 1, and from SECOND on of point 2: arm from the centre of mass, m; 1 / K along normal and tangent; impulses.
ARM_X, ARM_Y, NORMAL_MASS, TANGENT_MASS, NORMAL_IMPULSE, TANGENT_IMPULSE = range(3, 9)
SECOND = 6
#: K of both normals and its inverse, for the block solver.
BLOCK_K11, BLOCK_K12, BLOCK_K22, BLOCK_M11, BLOCK_M12, BLOCK_M22 = range(15, 21)
#: Points that the position solver uses; the manifold as in ``layout``.
POSITION_COUNT, MANIFOLD_TYPE, LOCAL_NORMAL_X, LOCAL_NORMAL_Y, LOCAL_POINT_X, LOCAL_POINT_Y = range(21, 27)
POINT_1_X, POINT_1_Y, POINT_2_X, POINT_2_Y = range(27, 31)
SLOT_SIZE = 31

# Of the lane.
LANE = SLOT + SLOT_SIZE * TOUCHING_CAPACITY * NUM_BODIES
#: 1 once all positions are within the slop, and in a lane without a world.
IS_SOLVED = LANE
#: Of the position solver's pass: least separation, m; whether all joints were within the slop.
LEAST_SEPARATION, JOINTS_ARE_GOOD = LANE + 1, LANE + 2
#: Centre and angle of each body before the pass.
SAVED = LANE + 3
# A body and a slot at a fixed place, for loops over slots whose own place is not a constant.
WINDOW_BODY = SAVED + 3 * NUM_BODIES
WINDOW_SLOT = WINDOW_BODY + BODY_SIZE

# The island of a sub-step (impact.py): its body is in the window, its contacts in the first slots of all, and here are
# the body's 1/kg, 1/(kg m2) and friction coefficient, and the rest of the step, s.
ISLAND = WINDOW_SLOT + SLOT_SIZE
ISLAND_MASS, ISLAND_INERTIA, ISLAND_FRICTION, ISLAND_SECONDS = range(ISLAND, ISLAND + 4)
#: Velocities, then the impulses of each slot, as they were some passes ago.
MARK = ISLAND + 4
SOLVER_SIZE = MARK + 3 + 4 * TOUCHING_CAPACITY
