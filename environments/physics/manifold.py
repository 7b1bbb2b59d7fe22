"""Where a walker's body touches a piece of the terrain: Box2D's contact manifolds, bit for bit.

A manifold has a reference face, of the terrain or of the walker, and up to two points of the other shape behind it or
at most both skins in front of it. It replaces the manifold in the contact's record. A point made by the same features
as an earlier one inherits its impulses, from which the solver starts.

Vertices are transformed again where they are needed, which gives the same bits and needs no memory. The terrain is
fixed at the origin.

Source: Box2D 2.3.0, ``b2CollideEdge.cpp`` (an edge without neighbours), ``b2CollidePolygon.cpp`` (the search by hill
climbing that 2.3.1 no longer has), ``b2Collision.cpp`` (``b2ClipSegmentToLine``), ``b2Contact.cpp`` (``Update``).

Names used here:

    pose: of a shape: x and y of its origin, m, sine and cosine of its angle.
    shape: the table it is in, its row, its pose. Terrain and bodies have the columns of ``course.Course.polygons``.
    face: the number of the vertex from which a side of a polygon starts.
    point: x and y in the world, m, and the key of its features: a number of the reference shape, 16 times a number of
        the other one, and 256 if the former counts faces and the latter vertices, 0 if it is the other way round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from environments.biped import NUM_BODIES
from environments.compiled import inline_kernel, kernel
from environments.physics.bodies import CENTROID, NORMALS, NUM_VERTICES, VERTICES
from environments.physics.constants import ANGULAR_SLOP, MAX_FLOAT, POLYGON_RADIUS
from environments.physics.course import CENTROID_X, CENTROID_Y, COUNT, NORMAL_X, NORMAL_Y, VERTEX, X1, X2, Y1, Y2
from environments.physics.distance import placed, rotated, rotated_back
from environments.physics.layout import (
    LOCAL_NORMAL_X,
    LOCAL_NORMAL_Y,
    LOCAL_POINT_X,
    LOCAL_POINT_Y,
    MANIFOLD_TYPE,
    NORMAL_IMPULSE,
    NUM_POINTS,
    POINT,
    POINT_KEY,
    POINT_SIZE,
    POINT_X,
    POINT_Y,
    TANGENT_IMPULSE,
)
from environments.physics.shapes import VERTEX_SIZE


def _body_table() -> NDArray[np.float32]:
    """(5, C): the walker's polygons, in their own frames, as rows of an obstacle table; the box columns are unused."""
    table = np.zeros((NUM_BODIES, VERTEX + VERTEX_SIZE * VERTICES.shape[1]), np.float32)
    table[:, COUNT] = NUM_VERTICES
    table[:, [CENTROID_X, CENTROID_Y]] = CENTROID
    table[:, VERTEX:] = np.concatenate([VERTICES, NORMALS], axis=2).reshape(NUM_BODIES, -1)
    return table


_BODIES = _body_table()
_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_WORLD = (_ZERO, _ZERO, _ZERO, _ONE)
_MAX = np.float32(MAX_FLOAT)
#: Both skins: shapes touch while they are at most this far apart, m.
_SKINS = POLYGON_RADIUS + POLYGON_RADIUS
_SLOP = np.float32(ANGULAR_SLOP)
#: The terrain's face is preferred: the walker's must be better by this much, or contacts would flip between the two.
_SHARE, _MARGIN = np.float32(0.98), np.float32(0.001)

# Keys of features.
_OF_OTHER, _IS_FACE = 16, 256
_OTHERS = _OF_OTHER * (_OF_OTHER - 1)


@inline_kernel
def _vertex(table, row, i):  # type: ignore[no-untyped-def]
    """Vertex i of a polygon in its own frame."""
    at = VERTEX + VERTEX_SIZE * i
    return table[row, at], table[row, at + 1]


@inline_kernel
def _normal(table, row, i):  # type: ignore[no-untyped-def]
    """The outward normal of face i of a polygon in its own frame."""
    at = VERTEX + VERTEX_SIZE * i
    return table[row, at + 2], table[row, at + 3]


@inline_kernel
def _after(table, row, i):  # type: ignore[no-untyped-def]
    """The number of the vertex after vertex i."""
    return i + 1 if i + 1 < int(table[row, COUNT]) else 0


@inline_kernel
def _clip(one, two, nx, ny, offset, corner):  # type: ignore[no-untyped-def]
    """The part of a segment that is behind a line, and whether there is any.

    Args:
        one, two: its ends, points.
        nx, ny, offset: the line's normal, and how far the line is along it.
        corner: the number of the reference shape's vertex through which the line goes.
    """
    before_1 = nx * one[0] + ny * one[1] - offset
    before_2 = nx * two[0] + ny * two[1] - offset
    if before_1 * before_2 < _ZERO:
        part = before_1 / (before_1 - before_2)
        cut_x, cut_y = one[0] + part * (two[0] - one[0]), one[1] + part * (two[1] - one[1])
        return True, one if before_1 < _ZERO else two, (cut_x, cut_y, (one[2] & _OTHERS) + corner)
    return before_1 <= _ZERO and before_2 <= _ZERO, one, two


@inline_kernel
def _swapped(key):  # type: ignore[no-untyped-def]
    """The key of the same features when the other shape is the reference."""
    return (key & _OTHERS) // _OF_OTHER + (key & _OF_OTHER - 1) * _OF_OTHER + (_IS_FACE - (key & _IS_FACE))


@inline_kernel
def _old_point(s, point, n):  # type: ignore[no-untyped-def]
    return s[point + POINT_KEY * n], s[point + NORMAL_IMPULSE * n], s[point + TANGENT_IMPULSE * n]


@inline_kernel
def _store_point(s, at, n, point, faces_walker, pose, old_num, old_1, old_2):  # type: ignore[no-untyped-def]
    """Write a point in the frame of the shape without the reference face, with the impulses of its predecessor."""
    x, y, features = point
    if not faces_walker:
        x, y = rotated_back(pose, x - pose[0], y - pose[1])
    key = np.float32(_swapped(features) if faces_walker else features)
    s[at + POINT_X * n], s[at + POINT_Y * n], s[at + POINT_KEY * n] = x, y, key
    normal_impulse, tangent_impulse = _ZERO, _ZERO
    if old_num > _ZERO and key == old_1[0]:
        normal_impulse, tangent_impulse = old_1[1], old_1[2]
    elif old_num > _ONE and key == old_2[0]:
        normal_impulse, tangent_impulse = old_2[1], old_2[2]
    s[at + NORMAL_IMPULSE * n], s[at + TANGENT_IMPULSE * n] = normal_impulse, tangent_impulse


@inline_kernel
def _store(s, contact, n, faces_walker, face, one, apart_1, two, apart_2, pose):  # type: ignore[no-untyped-def]
    """Write a manifold.

    Args:
        s, contact, n: where the record is.
        faces_walker: whether the reference face is the walker's.
        face: its normal and a point on it, in the frame of its shape.
        one, apart_1, two, apart_2: the two candidates and how far each is before the face, m.
        pose: of the walker's body.
    """
    at_1 = contact + POINT * n
    at_2 = at_1 + POINT_SIZE * n
    old_num, old_1, old_2 = s[contact + NUM_POINTS * n], _old_point(s, at_1, n), _old_point(s, at_2, n)
    s[contact + MANIFOLD_TYPE * n] = _ONE if faces_walker else _ZERO
    s[contact + LOCAL_NORMAL_X * n], s[contact + LOCAL_NORMAL_Y * n] = face[0], face[1]
    s[contact + LOCAL_POINT_X * n], s[contact + LOCAL_POINT_Y * n] = face[2], face[3]
    num = _ZERO
    if apart_1 <= _SKINS:
        _store_point(s, at_1, n, one, faces_walker, pose, old_num, old_1, old_2)
        num = _ONE
    if apart_2 <= _SKINS:
        at = at_2 if num > _ZERO else at_1
        _store_point(s, at, n, two, faces_walker, pose, old_num, old_1, old_2)
        num += _ONE
    s[contact + NUM_POINTS * n] = num


@inline_kernel
def _lowest_above_edge(body, pose, x1, y1, nx, ny):  # type: ignore[no-untyped-def]
    """How far the body's nearest vertex is in front of the edge, m."""
    lowest = _MAX
    for k in range(NUM_VERTICES[body]):
        vx, vy = _vertex(_BODIES, body, k)
        vx, vy = placed(pose, vx, vy)
        apart = nx * (vx - x1) + ny * (vy - y1)
        lowest = apart if apart < lowest else lowest
    return lowest


@inline_kernel
def _faces_over_edge(body, pose, x1, y1, x2, y2, nx, ny):  # type: ignore[no-untyped-def]
    """Find the faces of the body that matter for an edge with the normal (nx, ny).

    Returns:
        The face that is farthest from the edge among those that look at it, -1 if none does; how far it is, m; and the
        face that looks most against the normal. The search ends with a face beyond both skins.
    """
    face, farthest = -1, -_MAX
    incident, least = 0, _ZERO
    for k in range(NUM_VERTICES[body]):
        vx, vy = _vertex(_BODIES, body, k)
        vx, vy = placed(pose, vx, vy)
        fx, fy = _normal(_BODIES, body, k)
        fx, fy = rotated(pose, fx, fy)
        along = nx * fx + ny * fy
        if k == 0 or along < least:
            incident, least = k, along
        fx, fy = -fx, -fy
        apart_1, apart_2 = fx * (vx - x1) + fy * (vy - y1), fx * (vx - x2) + fy * (vy - y2)
        apart = apart_1 if apart_1 < apart_2 else apart_2
        if apart > _SKINS:
            return k, apart, incident
        if (fx + nx) * nx + (fy + ny) * ny >= -_SLOP and apart > farthest:
            face, farthest = k, apart
    return face, farthest, incident


@kernel
def collide_edge(s, contact, n, edges, i, body, x, y, sine, cosine):  # type: ignore[no-untyped-def]
    """``b2CollideEdgeAndPolygon`` between an edge of the terrain and a body of the walker.

    Args:
        s, contact, n: the contact's record: field f of ``layout`` lies at ``s[contact + f * n]``, float32. Its
            manifold is replaced; when there are no points, only their number is written.
        edges: (E, 13) float32, of a ``course.Course``.
        i: row of the edge.
        body: in the order of ``biped.BODIES``.
        x, y, sine, cosine: the body's origin, m, and sine and cosine of its angle, float32.
    """
    pose = (x, y, sine, cosine)
    x1, y1, x2, y2 = edges[i, X1], edges[i, Y1], edges[i, X2], edges[i, Y2]
    nx, ny = edges[i, NORMAL_X], edges[i, NORMAL_Y]
    cx, cy = placed(pose, _BODIES[body, CENTROID_X], _BODIES[body, CENTROID_Y])
    is_in_front = nx * (cx - x1) + ny * (cy - y1) >= _ZERO
    if not is_in_front:
        nx, ny = -nx, -ny
    from_edge = _lowest_above_edge(body, pose, x1, y1, nx, ny)
    if from_edge > _SKINS:
        s[contact + NUM_POINTS * n] = _ZERO
        return
    face, from_face, incident = _faces_over_edge(body, pose, x1, y1, x2, y2, nx, ny)
    if from_face > _SKINS:
        s[contact + NUM_POINTS * n] = _ZERO
        return

    faces_walker = face >= 0 and from_face > _SHARE * from_edge + _MARGIN
    start = face if faces_walker else incident
    end = _after(_BODIES, body, start)
    local_x, local_y = _vertex(_BODIES, body, start)
    bx, by = placed(pose, local_x, local_y)
    ex, ey = _vertex(_BODIES, body, end)
    ex, ey = placed(pose, ex, ey)
    if faces_walker:
        local_nx, local_ny = _normal(_BODIES, body, face)
        nx, ny = rotated(pose, local_nx, local_ny)
        reference = (local_nx, local_ny, local_x, local_y)
        one, two = (x1, y1, face * _OF_OTHER), (x2, y2, face * _OF_OTHER)
        rx1, ry1, rx2, ry2 = bx, by, ex, ey
    else:
        one, two = (bx, by, start * _OF_OTHER + _IS_FACE), (ex, ey, end * _OF_OTHER + _IS_FACE)
        start, end = (0, 1) if is_in_front else (1, 0)
        rx1, ry1, rx2, ry2 = (x1, y1, x2, y2) if is_in_front else (x2, y2, x1, y1)
        reference = (nx, ny, rx1, ry1)

    is_any, one, two = _clip(one, two, ny, -nx, ny * rx1 + -nx * ry1, start)
    if is_any:
        is_any, one, two = _clip(one, two, -ny, nx, -ny * rx2 + nx * ry2, end)
    if not is_any:
        s[contact + NUM_POINTS * n] = _ZERO
        return
    apart_1 = nx * (one[0] - rx1) + ny * (one[1] - ry1)
    apart_2 = nx * (two[0] - rx1) + ny * (two[1] - ry1)
    _store(s, contact, n, faces_walker, reference, one, apart_1, two, apart_2, pose)


@inline_kernel
def _least_along(table, row, nx, ny):  # type: ignore[no-untyped-def]
    """The first of the polygon's vertices that reach least along (nx, ny) in its frame."""
    best, least = 0, _MAX
    for k in range(int(table[row, COUNT])):
        vx, vy = _vertex(table, row, k)
        along = vx * nx + vy * ny
        best, least = (k, along) if along < least else (best, least)
    return best


@inline_kernel
def _face_separation(table, row, pose, face, other_table, other, other_pose):  # type: ignore[no-untyped-def]
    """``b2EdgeSeparation``: how far the other polygon is in front of a face, m."""
    nx, ny = _normal(table, row, face)
    nx, ny = rotated(pose, nx, ny)
    local_nx, local_ny = rotated_back(other_pose, nx, ny)
    ox, oy = _vertex(other_table, other, _least_along(other_table, other, local_nx, local_ny))
    ox, oy = placed(other_pose, ox, oy)
    vx, vy = _vertex(table, row, face)
    vx, vy = placed(pose, vx, vy)
    return (ox - vx) * nx + (oy - vy) * ny


@inline_kernel
def _face_toward(table, row, pose, other_table, other, other_pose):  # type: ignore[no-untyped-def]
    """The face that looks most in the direction from a polygon's centroid to the other's."""
    ox, oy = placed(other_pose, other_table[other, CENTROID_X], other_table[other, CENTROID_Y])
    cx, cy = placed(pose, table[row, CENTROID_X], table[row, CENTROID_Y])
    dx, dy = rotated_back(pose, ox - cx, oy - cy)
    best, most = 0, -_MAX
    for k in range(int(table[row, COUNT])):
        nx, ny = _normal(table, row, k)
        along = nx * dx + ny * dy
        best, most = (k, along) if along > most else (best, most)
    return best


@inline_kernel
def _widest_separation(table, row, pose, other_table, other, other_pose):  # type: ignore[no-untyped-def]
    """``b2FindMaxSeparation``: from the face toward the other polygon to its neighbours, as long as it gets better.

    Returns:
        The face, and how far the other polygon is in front of it, m. The search ends with a face beyond both skins.
    """
    count = int(table[row, COUNT])
    best = _face_toward(table, row, pose, other_table, other, other_pose)
    apart = _face_separation(table, row, pose, best, other_table, other, other_pose)
    if apart <= _SKINS:
        before, after = best - 1 if best > 0 else count - 1, _after(table, row, best)
        apart_before = _face_separation(table, row, pose, before, other_table, other, other_pose)
        apart_after = _face_separation(table, row, pose, after, other_table, other, other_pose)
        step = 0
        if apart_before > apart and apart_before > apart_after:
            best, apart, step = before, apart_before, count - 1
        elif apart_after > apart:
            best, apart, step = after, apart_after, 1
        while step > 0:
            face = best + step if best + step < count else best + step - count
            further = _face_separation(table, row, pose, face, other_table, other, other_pose)
            step = step if further > apart else 0
            best, apart = (face, further) if further > apart else (best, apart)
    return best, apart


@inline_kernel
def _incident_face(nx, ny, table, row, pose):  # type: ignore[no-untyped-def]
    """``b2FindIncidentEdge``: the first face of the other polygon that looks most against a normal in the world."""
    nx, ny = rotated_back(pose, nx, ny)
    best, least = 0, _MAX
    for k in range(int(table[row, COUNT])):
        fx, fy = _normal(table, row, k)
        along = nx * fx + ny * fy
        best, least = (k, along) if along < least else (best, least)
    return best


@inline_kernel
def _store_clipped(  # type: ignore[no-untyped-def]
    s, contact, n, faces_walker, table, row, pose, face, other_table, other, other_pose, body_pose
):
    """Write the manifold whose reference is a polygon's face; the record as in ``collide_edge``."""
    local_nx, local_ny = _normal(table, row, face)
    nx, ny = rotated(pose, local_nx, local_ny)
    incident = _incident_face(nx, ny, other_table, other, other_pose)
    incident_end = _after(other_table, other, incident)
    ox, oy = _vertex(other_table, other, incident)
    ox, oy = placed(other_pose, ox, oy)
    one = (ox, oy, face + incident * _OF_OTHER + _IS_FACE)
    ox, oy = _vertex(other_table, other, incident_end)
    ox, oy = placed(other_pose, ox, oy)
    two = (ox, oy, face + incident_end * _OF_OTHER + _IS_FACE)

    end = _after(table, row, face)
    vx, vy = _vertex(table, row, face)
    wx, wy = _vertex(table, row, end)
    reference = (local_nx, local_ny, _HALF * (vx + wx), _HALF * (vy + wy))
    # Box2D normalises the side again here. Polygons got their normals in the same way; the walker's boxes have exact
    # ones, which give the same result (tested).
    tx, ty = -ny, nx
    vx, vy = placed(pose, vx, vy)
    wx, wy = placed(pose, wx, wy)
    is_any, one, two = _clip(one, two, -tx, -ty, -(tx * vx + ty * vy) + _SKINS, face)
    if is_any:
        is_any, one, two = _clip(one, two, tx, ty, tx * wx + ty * wy + _SKINS, end)
    if not is_any:
        s[contact + NUM_POINTS * n] = _ZERO
        return
    front = nx * vx + ny * vy
    apart_1, apart_2 = nx * one[0] + ny * one[1] - front, nx * two[0] + ny * two[1] - front
    _store(s, contact, n, faces_walker, reference, one, apart_1, two, apart_2, body_pose)


@kernel
def collide_polygon(s, contact, n, polygons, i, body, x, y, sine, cosine):  # type: ignore[no-untyped-def]
    """``b2CollidePolygons`` between an obstacle and a body of the walker.

    Args:
        polygons: (O, C) float32, of a ``course.Course``.
        i: row of the obstacle.
        s, contact, n, body, x, y, sine, cosine: as in ``collide_edge``.
    """
    pose = (x, y, sine, cosine)
    terrain_face, from_terrain = _widest_separation(polygons, i, _WORLD, _BODIES, body, pose)
    walker_face, from_walker = 0, from_terrain
    if from_terrain <= _SKINS:
        walker_face, from_walker = _widest_separation(_BODIES, body, pose, polygons, i, _WORLD)
    if from_walker > _SKINS:
        s[contact + NUM_POINTS * n] = _ZERO
    elif from_walker > _SHARE * from_terrain + _MARGIN:
        _store_clipped(s, contact, n, True, _BODIES, body, pose, walker_face, polygons, i, _WORLD, pose)
    else:
        _store_clipped(s, contact, n, False, polygons, i, _WORLD, terrain_face, _BODIES, body, pose, pose)
