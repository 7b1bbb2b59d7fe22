"""The course's fixed sizes.

Source of all but the last group: ``gymnasium/envs/box2d/bipedal_walker.py``, same values in POET's
``bipedal_walker_custom.py`` (Wang et al. 2019, released code).
"""

from __future__ import annotations

#: Pixels per metre.
SCALE = 30.0
#: Distance between two ground vertices, m.
TERRAIN_STEP = 14 / SCALE
#: Number of ground vertices.
TERRAIN_LENGTH = 200
#: Height of the start pad, m: a quarter of the 400-pixel viewport.
TERRAIN_HEIGHT = 400 / SCALE / 4
#: Flat steps at the start, without obstacles.
TERRAIN_STARTPAD = 20
#: A stretch of grass lasts ``TERRAIN_GRASS // 2`` to ``TERRAIN_GRASS - 1`` steps.
TERRAIN_GRASS = 10
#: An episode is finished when the hull is beyond this x, m.
FINISH_X = (TERRAIN_LENGTH - TERRAIN_GRASS) * TERRAIN_STEP
#: Friction coefficient of ground and obstacles.
FRICTION = 2.5
#: The push is drawn from -INITIAL_RANDOM to +INITIAL_RANDOM, N.
INITIAL_RANDOM = 5.0
#: A corner of a cloud is drawn from a square of this size, m. Clouds touch nothing, but the push is drawn after them.
CLOUD_CORNER = 5 * TERRAIN_STEP

#: Velocity that is kept from one ground vertex to the next.
GRASS_DAMPING = 0.8
#: Pull of the ground back to ``TERRAIN_HEIGHT``, m per vertex.
GRASS_PULL = 0.01
#: Depth of a pit, in terrain steps.
PIT_DEPTH = 4
#: Width of a pit's walls, in terrain steps.
PIT_WALL_WIDTH = 1
#: Width of a stump, in terrain steps (POET: ``stump_width = [1, 2]``, upper end exclusive).
STUMP_WIDTH = 1
#: Width of a stair's step, in terrain steps (POET: ``stair_width = [4, 5]``, upper end exclusive).
STAIR_WIDTH = 4

#: Vertices that pybox2d's ``b2PolygonShape`` can hold (``b2_maxPolygonVertices``).
MAX_POLYGON_VERTICES = 16
#: A polygon whose area is at most this makes Box2D 2.3 assert, m2 (its own bound is FLT_EPSILON, 1.2e-7).
MIN_POLYGON_AREA = 1e-6
#: Obstacles lower than this are left out, m. No foot would feel them.
MIN_OBSTACLE_HEIGHT = 1e-3
#: Least distance in x of two ground vertices where a pit's end nearly meets the grid, m: x stays strictly increasing
#: in float32.
MIN_VERTEX_GAP = 1e-3
