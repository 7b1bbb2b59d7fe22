"""How Gymnasium drives Box2D, and the Box2D settings that our own code needs.

Source: ``gymnasium/envs/box2d/bipedal_walker.py`` (``world.Step(1.0 / FPS, 6 * 30, 2 * 30)``; a plain ``b2World()``)
and Box2D 2.3.0 as pybox2d 2.3.10 vendors it: ``b2Settings.h`` unless another file is named. Products are taken in
float32 from left to right, as the C++ has them.
"""

from __future__ import annotations

import numpy as np

#: Control and physics steps in a second.
STEPS_PER_SECOND = 50
#: Length of a step, s.
STEP_SECONDS = 1.0 / STEPS_PER_SECOND
#: Passes of the velocity solver in a step, and in a time-of-impact sub-step.
VELOCITY_ITERATIONS = 180
#: Most passes of the position solver in a step.
POSITION_ITERATIONS = 60
#: Most passes of the position solver in a time-of-impact sub-step (b2World.cpp, ``SolveTOI``).
TOI_POSITION_ITERATIONS = 20
#: Gravity, m/s2 (pybox2d's default for a ``b2World``).
GRAVITY = (0.0, -10.0)

#: ``b2_epsilon``, which is FLT_EPSILON: a shorter vector is not normalised.
EPSILON = 1.1920928955078125e-07
#: ``b2_maxFloat``.
MAX_FLOAT = np.finfo(np.float32).max
#: ``b2_pi``.
PI = np.float32(3.14159265359)
#: ``b2_aabbExtension``, m: the broad phase finds a shape when its box, this much larger, is met.
AABB_EXTENSION = 0.1
#: ``b2_aabbMultiplier``: a fat box reaches this many displacements ahead.
AABB_MULTIPLIER = np.float32(2.0)
#: ``b2_linearSlop``, m, and ``b2_angularSlop``, rad: what the position solver leaves.
LINEAR_SLOP = np.float32(0.005)
ANGULAR_SLOP = np.float32(np.float32(2.0) / np.float32(180.0)) * PI
#: ``b2_polygonRadius``, m: the skin of polygons and edges.
POLYGON_RADIUS = np.float32(2.0) * LINEAR_SLOP
#: ``b2_maxPolygonVertices`` here (upstream 8): bounds the push-back loop of the time of impact too.
MAX_POLYGON_VERTICES = 16
#: ``b2_maxSubSteps``: a contact whose count of impacts is above this is left alone for the rest of the step.
MAX_SUB_STEPS = 8
#: ``b2_maxLinearCorrection``, m, and ``b2_maxAngularCorrection``, rad, of one position pass.
MAX_LINEAR_CORRECTION = np.float32(0.2)
MAX_ANGULAR_CORRECTION = np.float32(np.float32(8.0) / np.float32(180.0)) * PI
#: ``b2_maxTranslation``, m, and ``b2_maxRotation``, rad, of a body in one step.
MAX_TRANSLATION = np.float32(2.0)
MAX_ROTATION = np.float32(0.5) * PI
#: ``b2_baumgarte`` and ``b2_toiBaugarte``: the part of an overlap that one position pass takes away.
BAUMGARTE = np.float32(0.2)
TOI_BAUMGARTE = np.float32(0.75)
#: ``b2_timeToSleep``, s, ``b2_linearSleepTolerance``, m/s, ``b2_angularSleepTolerance``, rad/s.
TIME_TO_SLEEP = np.float32(0.5)
LINEAR_SLEEP_TOLERANCE = np.float32(0.01)
ANGULAR_SLEEP_TOLERANCE = np.float32(np.float32(2.0) / np.float32(180.0)) * PI

#: Contacts that a world can hold. Ordinary courses have ten; a walker shot along stumps had 61.
CONTACT_CAPACITY = 128
#: Touching contacts that one body can have in the solver.
TOUCHING_CAPACITY = 16

#: Values of ``layout.FAULT``: a number is not finite or Box2D would assert; a world or a body has too many contacts.
DIVERGED, TOO_MANY_CONTACTS = 1, 2
