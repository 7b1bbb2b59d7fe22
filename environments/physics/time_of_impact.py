"""When a walker's body, moving through a step, first touches a piece of the terrain: Box2D's answer, bit for bit.

A sweep is (body, c0x, c0y, a0, cx, cy, a): centre of mass, m, and angle, rad, at its beginning and at its end; both go
linearly with the time t from 0 to 1. The terrain stands still, so its transform is the identity at all times. Shapes
touch when their distance is ``_TARGET``, give or take ``_TOLERANCE``: inside both skins, but before they overlap.

Source: Box2D 2.3.0, ``b2TimeOfImpact.cpp`` and ``b2Math.h`` (``b2Sweep``). Names as in ``distance.py``, and an axis:
its kind, its x and y, and a point x and y on the face it belongs to. The axis and the point are in the frame of the
shape that has the face, the terrain's (the world) for an axis between two vertices.
"""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel, kernel
from environments.physics.bodies import LOCAL_CENTER, VERTICES
from environments.physics.constants import LINEAR_SLOP, MAX_POLYGON_VERTICES, PI, POLYGON_RADIUS
from environments.physics.course import COUNT, NORMAL_X, NORMAL_Y, SQUARED_LENGTH, VERTEX, X1, X2
from environments.physics.distance import (
    EMPTY_CACHE,
    body_vertex,
    distance,
    farthest_of_body,
    farthest_of_terrain,
    placed,
    rotated,
    rotated_back,
    terrain_vertex,
)
from environments.physics.rotation import sin_cos_any
from environments.physics.shapes import VERTEX_SIZE, normalised

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_TWO_PI = np.float32(2.0) * PI
#: From here on a float32 is a whole number.
_WHOLE = np.float32(1 << 23)

_TARGET = max(LINEAR_SLOP, (POLYGON_RADIUS + POLYGON_RADIUS) - np.float32(3.0) * LINEAR_SLOP)
_TOLERANCE = np.float32(0.25) * LINEAR_SLOP
_NEAREST, _FARTHEST = _TARGET - _TOLERANCE, _TARGET + _TOLERANCE
_MAX_AXES = 20
_MAX_PUSHES = MAX_POLYGON_VERTICES
_MAX_ROOT_ROUNDS = 50

#: Corners of the simplex that a search for the distance ends with when the shapes overlap.
_NUM_OF_OVERLAP = 3
_NAN = np.float32(np.nan)

# Constants whose type does not include their value: with plain ones, ``_first_touch`` and all that it calls would be
# compiled twice, for edges and for obstacles. ``stays_apart``, which is small and often called, takes plain ones.
_VERTEX, _VERTEX_SIZE = np.int64(VERTEX), np.int64(VERTEX_SIZE)
_X1, _EDGE_STRIDE, _TWO_ENDS = np.int64(X1), np.int64(X2 - X1), np.int64(2)

#: Kinds of axis: from a vertex to a vertex, or the normal of a face.
_BETWEEN_VERTICES, _TERRAIN_FACE, _BODY_FACE = range(3)


@inline_kernel
def _floor(x):  # type: ignore[no-untyped-def]
    """Round by adding and subtracting a large number, which every compiler supports."""
    offset = _WHOLE if x > _ZERO else -_WHOLE
    nearest = (x + offset) - offset
    lower = nearest - _ONE if nearest > x else nearest
    return lower if abs(x) < _WHOLE else x


@inline_kernel
def _pose_at(sweep, t):  # type: ignore[no-untyped-def]
    """``b2Sweep::GetTransform``."""
    body, c0x, c0y, a0, cx, cy, a = sweep
    rest = _ONE - t
    sine, cosine = sin_cos_any(rest * a0 + t * a)
    x, y = rest * c0x + t * cx, rest * c0y + t * cy
    local_x, local_y = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
    return x - (cosine * local_x - sine * local_y), y - (sine * local_x + cosine * local_y), sine, cosine


@inline_kernel
def _face(x1, y1, x2, y2):  # type: ignore[no-untyped-def]
    """Normal and middle of the face between two vertices."""
    nx, ny = normalised(y2 - y1, -(x2 - x1))
    return nx, ny, _HALF * (x1 + x2), _HALF * (y1 + y2)


@inline_kernel
def _axis_between(table, row, outline, body, pose, cache):  # type: ignore[no-untyped-def]
    """``b2SeparationFunction::Initialize``: the axis along which the nearest features are apart."""
    num, a1, b1, a2, b2, _ = cache
    ax, ay = terrain_vertex(table, row, outline, a1)
    local_x, local_y = body_vertex(body, b1)
    bx, by = placed(pose, local_x, local_y)
    if num == 1:
        nx, ny = normalised(bx - ax, by - ay)
        return _BETWEEN_VERTICES, nx, ny, _ZERO, _ZERO
    if a1 == a2:
        local_x2, local_y2 = body_vertex(body, b2)
        nx, ny, px, py = _face(local_x, local_y, local_x2, local_y2)
        x, y = rotated(pose, nx, ny)
        face_x, face_y = placed(pose, px, py)
        is_behind = (ax - face_x) * x + (ay - face_y) * y < _ZERO
        return _BODY_FACE, -nx if is_behind else nx, -ny if is_behind else ny, px, py
    ax2, ay2 = terrain_vertex(table, row, outline, a2)
    nx, ny, px, py = _face(ax, ay, ax2, ay2)
    is_behind = (bx - px) * nx + (by - py) * ny < _ZERO
    return _TERRAIN_FACE, -nx if is_behind else nx, -ny if is_behind else ny, px, py


@inline_kernel
def _deepest(table, row, outline, body, axis, pose):  # type: ignore[no-untyped-def]
    """The vertices of terrain and body that are deepest along the axis, 0 for the shape that has the face."""
    kind, nx, ny, _, _ = axis
    if kind == _BODY_FACE:
        x, y = rotated(pose, nx, ny)
        return farthest_of_terrain(table, row, outline, -x, -y), 0
    terrain_index = 0
    if kind == _BETWEEN_VERTICES:
        terrain_index = farthest_of_terrain(table, row, outline, nx, ny)
    x, y = rotated_back(pose, -nx, -ny)
    return terrain_index, farthest_of_body(body, x, y)


@inline_kernel
def _separation(table, row, outline, body, axis, pair, pose):  # type: ignore[no-untyped-def]
    """``b2SeparationFunction::Evaluate``: how far a pair of vertices is apart along the axis."""
    kind, nx, ny, px, py = axis
    terrain_index, body_index = pair
    ax, ay = terrain_vertex(table, row, outline, terrain_index)
    if kind == _BODY_FACE:
        x, y = rotated(pose, nx, ny)
        face_x, face_y = placed(pose, px, py)
        return (ax - face_x) * x + (ay - face_y) * y
    if kind == _TERRAIN_FACE:
        ax, ay = px, py
    local_x, local_y = body_vertex(body, body_index)
    bx, by = placed(pose, local_x, local_y)
    return (bx - ax) * nx + (by - ay) * ny


@kernel
def _time_at_target(table, row, outline, sweep, axis, pair, t1, s1, t2, s2, pose2):  # type: ignore[no-untyped-def]
    """When a pair of vertices is at the target distance along the axis, found by bisections and secants in turn.

    Args:
        t1, s1: a time at which they are farther apart, and how far.
        t2, s2, pose2: a time at which they are nearer, how near, and the pose then.

    Returns:
        The time and the pose; ``t2`` and ``pose2`` when the search does not end.
    """
    low, high = t1, t2
    for i in range(_MAX_ROOT_ROUNDS):
        t = _HALF * (low + high) if i % 2 == 0 else low + (_TARGET - s1) * (high - low) / (s2 - s1)
        pose = _pose_at(sweep, t)
        s = _separation(table, row, outline, sweep[0], axis, pair, pose)
        if abs(s - _TARGET) < _TOLERANCE:
            return t, pose
        if s > _TARGET:
            low, s1 = t, s
        else:
            high, s2 = t, s
    return t2, pose2


@kernel
def _first_touch(table, row, outline, sweep):  # type: ignore[no-untyped-def]
    """``b2TimeOfImpact`` after the angles are normalised. Returns as ``time_of_impact``."""
    body = sweep[0]
    t1, pose1 = _ZERO, _pose_at(sweep, _ZERO)
    last_pose = _pose_at(sweep, _ONE)
    cache = EMPTY_CACHE
    for _ in range(_MAX_AXES):
        apart, cache = distance(table, row, outline, body, pose1, cache)
        if apart <= _ZERO:
            return False, _ZERO
        if apart < _FARTHEST:
            return True, t1
        if cache[0] == _NUM_OF_OVERLAP:
            return False, _NAN
        axis = _axis_between(table, row, outline, body, pose1, cache)
        t2, pose2 = _ONE, last_pose
        for _ in range(_MAX_PUSHES):
            pair = _deepest(table, row, outline, body, axis, pose2)
            s2 = _separation(table, row, outline, body, axis, pair, pose2)
            if s2 > _FARTHEST:
                return False, _ONE
            if s2 > _NEAREST:
                t1, pose1 = t2, pose2
                break
            s1 = _separation(table, row, outline, body, axis, pair, pose1)
            if s1 < _NEAREST:
                return False, t1
            if s1 <= _FARTHEST:
                return True, t1
            t2, pose2 = _time_at_target(table, row, outline, sweep, axis, pair, t1, s1, t2, s2, pose2)
    return False, t1


@kernel
def time_of_impact(edges, polygons, fixture, body, c0x, c0y, a0, cx, cy, a):  # type: ignore[no-untyped-def]
    """``b2TimeOfImpact`` with tMax 1 between a fixture of the terrain and a walker's body.

    Args:
        edges, polygons: one terrain's rows of a ``course.Course``, float32.
        fixture: polygons first, then edges.
        body: in the order of ``biped.BODIES``.
        c0x, c0y, a0, cx, cy, a: the body's sweep, float32, m and rad.

    Returns:
        Whether they touch (Box2D's ``e_touching``); and the time, 0 to 1: of the touch, else as Box2D says it, 1 when
        they stay apart, 0 when they overlap at the beginning, else how far the search came; NaN where Box2D asserts,
        which is the end of its world (numbers that are not finite, and once in many millions of overlaps).
    """
    turns = _TWO_PI * _floor(a0 / _TWO_PI)
    sweep = (body, c0x, c0y, a0 - turns, cx, cy, a - turns)
    num_polygons = polygons.shape[0]
    if fixture < num_polygons:
        return _first_touch(polygons, fixture, (_VERTEX, _VERTEX_SIZE, np.int64(polygons[fixture, COUNT])), sweep)
    return _first_touch(edges, fixture - num_polygons, (_X1, _EDGE_STRIDE, _TWO_ENDS), sweep)


# stays_apart: why it is right. Along a fixed unit vector n, vertex v of the body is at
#     f(t) = n.c(t) + r cos(b(t) + p),
# where c is the centre of mass and b the angle, both linear in t, r is the vertex's distance from the centre and p a
# constant. So |f''| <= r (a - a0)^2, and f differs from the straight line through f(0) and f(1) by at most
# r (a - a0)^2 t (1 - t) / 2 <= r (a - a0)^2 / 8. The line is nowhere below the lesser of its ends. Hence during the
# whole sweep the body is nowhere below the lowest of its vertices at both ends, less R (a - a0)^2 / 8, where R is the
# greatest r; the same holds on the other side. So between it and the terrain's vertices there is a gap along n, and the
# distance never falls below it. A box around the body has a gap that is not wider.
#
# Box2D reports a touch only when the distance, or the separation of two vertices along the axis between the nearest
# features, is at most ``_FARTHEST``, and neither is below that gap except for rounding. ``_MARGIN`` is for rounding:
# below ``_FAR`` (m, rad) a point is wrong by some 2e-5 m at most, which turns a side of the terrain that is not
# shorter than ``_SHORT_SIDE`` by 4e-4 rad, and puts the far end of a body 1.2 m long off by 5e-4 m. The axis between
# two vertices that are 7 mm apart is turned by up to 3e-3 rad, and the face of a very long edge is looked at from a
# middle far away: so the terrain's sides must be shorter than ``_LONG_SIDE`` too (the least counterexample that a
# search of 340,000 cases found has 60 m, none has 50 m).
_MARGIN = np.float32(1e-3)
_CLEAR = _FARTHEST + _MARGIN
_FAR = np.float32(256.0)
_SHORT_SIDE = np.float32(0.05)
_SQUARED_SHORT_SIDE = _SHORT_SIDE * _SHORT_SIDE
_LONG_SIDE = np.float32(10.0)
_SQUARED_LONG_SIDE = _LONG_SIDE * _LONG_SIDE
_INFINITY = np.float32(np.inf)
_EIGHTH = np.float32(0.125)
_NUM_GAP_AXES = 3
# The body's box stands for the body: in its frame, about the centre of mass, from minus to plus this, m. A leg equals
# its box; the hull's box is larger than the hull.
_HALF_SIZE = abs(VERTICES - LOCAL_CENTER[:, None]).max(axis=1)
_BOX_RADIUS = np.float32(1.000001) * np.sqrt(_HALF_SIZE[:, 0] * _HALF_SIZE[:, 0] + _HALF_SIZE[:, 1] * _HALF_SIZE[:, 1])


@inline_kernel
def _reach(body, sine, cosine, nx, ny):  # type: ignore[no-untyped-def]
    """How far the body's box reaches along a direction, to either side of the centre of mass."""
    x, y = cosine * nx + sine * ny, cosine * ny - sine * nx
    return _HALF_SIZE[body, 0] * abs(x) + _HALF_SIZE[body, 1] * abs(y)


@inline_kernel
def _terrain_extent(table, row, outline, x, y, nx, ny):  # type: ignore[no-untyped-def]
    """Least and greatest reach of the terrain's vertices along a direction, from the point (x, y)."""
    vertex_x, vertex_y = terrain_vertex(table, row, outline, 0)
    low = high = (vertex_x - x) * nx + (vertex_y - y) * ny
    for i in range(1, outline[2]):
        vertex_x, vertex_y = terrain_vertex(table, row, outline, i)
        reach = (vertex_x - x) * nx + (vertex_y - y) * ny
        low, high = min(low, reach), max(high, reach)
    return low, high


@inline_kernel
def _farthest_face(polygons, row, x, y):  # type: ignore[no-untyped-def]
    """The normal of the face of an obstacle that a point is farthest in front of; its shortest and longest side, m2."""
    count = int(polygons[row, COUNT])
    nx, ny, best_height, shortest, longest = _ZERO, _ZERO, _ZERO, _INFINITY, _ZERO
    before = VERTEX + VERTEX_SIZE * (count - 1)
    for i in range(count):
        at = VERTEX + VERTEX_SIZE * i
        side_x, side_y = polygons[row, at] - polygons[row, before], polygons[row, at + 1] - polygons[row, before + 1]
        squared = side_x * side_x + side_y * side_y
        shortest, longest = min(shortest, squared), max(longest, squared)
        height = (x - polygons[row, at]) * polygons[row, at + 2] + (y - polygons[row, at + 1]) * polygons[row, at + 3]
        if i == 0 or height > best_height:
            nx, ny, best_height = polygons[row, at + 2], polygons[row, at + 3], height
        before = at
    return nx, ny, shortest, longest


@inline_kernel
def _has_gap(table, row, outline, nx, ny, body, start, end, needed):  # type: ignore[no-untyped-def]
    """Whether one of three axes has a gap wider than ``needed`` at both ends: (nx, ny), and the body's own two.

    ``start`` and ``end`` are centre of mass, sine and cosine at the ends of the sweep.
    """
    c0x, c0y, sine0, cosine0 = start
    cx, cy, sine, cosine = end
    for i in range(_NUM_GAP_AXES):
        reach0, reach = _reach(body, sine0, cosine0, nx, ny), _reach(body, sine, cosine, nx, ny)
        moved = (cx - c0x) * nx + (cy - c0y) * ny
        terrain_low, terrain_high = _terrain_extent(table, row, outline, c0x, c0y, nx, ny)
        is_above = min(-reach0, moved - reach) - terrain_high > needed
        if is_above or terrain_low - max(reach0, moved + reach) > needed:
            return True
        nx, ny = (cosine, sine) if i == 0 else (-sine, cosine)
    return False


@kernel
def stays_apart(  # type: ignore[no-untyped-def]
    edges, polygons, fixture, body, c0x, c0y, a0, sine0, cosine0, cx, cy, a, sine, cosine
):
    """A cheap test that avoids most calls of ``time_of_impact``.

    Args:
        edges, polygons, fixture, body, c0x, c0y, a0, cx, cy, a: as in ``time_of_impact``.
        sine0, cosine0, sine, cosine: of ``a0`` and of ``a``.

    Returns:
        True only if ``time_of_impact`` would say that they do not touch; False also when that is not certain, and
        when a number is not finite.
    """
    turn = a - a0
    # One by one, since ``max`` of a number and NaN may be the number.
    is_near = abs(c0x) < _FAR and abs(c0y) < _FAR and abs(cx) < _FAR and abs(cy) < _FAR and abs(a0) < _FAR
    is_near = is_near and abs(a) < _FAR
    needed = _CLEAR + _BOX_RADIUS[body] * (turn * turn) * _EIGHTH if is_near else _INFINITY
    start, end = (c0x, c0y, sine0, cosine0), (cx, cy, sine, cosine)
    num_polygons = polygons.shape[0]
    if fixture < num_polygons:
        nx, ny, shortest, longest = _farthest_face(polygons, fixture, cx, cy)
        needed = needed if shortest > _SQUARED_SHORT_SIDE and longest < _SQUARED_LONG_SIDE else _INFINITY
        outline = (VERTEX, VERTEX_SIZE, int(polygons[fixture, COUNT]))
        return _has_gap(polygons, fixture, outline, nx, ny, body, start, end, needed)
    row = fixture - num_polygons
    nx, ny = edges[row, NORMAL_X], edges[row, NORMAL_Y]
    squared = edges[row, SQUARED_LENGTH]
    needed = needed if squared > _SQUARED_SHORT_SIDE and squared < _SQUARED_LONG_SIDE else _INFINITY
    return _has_gap(edges, row, (X1, X2 - X1, 2), nx, ny, body, start, end, needed)
