"""How Gymnasium drives Box2D, and the Box2D settings that our own code needs.

Source: ``gymnasium/envs/box2d/bipedal_walker.py`` (``world.Step(1.0 / FPS, 6 * 30, 2 * 30)``; a plain ``b2World()``)
and Box2D 2.3.0, ``b2Settings.h``.
"""

from __future__ import annotations

#: Control and physics steps in a second.
STEPS_PER_SECOND = 50
#: Length of a step, s.
STEP_SECONDS = 1.0 / STEPS_PER_SECOND
#: Passes of the velocity solver in a step.
VELOCITY_ITERATIONS = 180
#: Most passes of the position solver in a step.
POSITION_ITERATIONS = 60
#: Gravity, m/s2 (pybox2d's default for a ``b2World``).
GRAVITY = (0.0, -10.0)
#: ``b2_epsilon``, which is FLT_EPSILON: a shorter vector is not normalised.
EPSILON = 1.1920928955078125e-07
#: ``b2_aabbExtension``, m: the broad phase finds a shape when its box, this much larger, is met.
AABB_EXTENSION = 0.1
