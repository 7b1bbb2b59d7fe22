"""A world's list of contacts: which pairs are in it, and which of them touch.

Box2D's lists begin with the newest contact; ours are kept from the oldest to the newest and walked backwards. In every
contact A is a fixture of the terrain (obstacle or edge, each on a static body of its own), B a body of the walker.

Source: Box2D 2.3.0, ``b2ContactManager.cpp``, ``b2Contact.cpp``, ``b2BroadPhase.h``, ``b2DynamicTree.cpp``. ``s``,
``at`` and ``n`` are a world's memory (``layout``); ``edges`` and ``polygons`` the tables of its terrain (``course``).
"""

from __future__ import annotations

import numpy as np

from environments.biped import HULL, LOWER_1, LOWER_2, NUM_BODIES
from environments.compiled import inline_kernel, kernel
from environments.physics import course
from environments.physics.bodies import LOCAL_CENTER, VERTICES
from environments.physics.constants import (
    AABB_EXTENSION,
    AABB_MULTIPLIER,
    CONTACT_CAPACITY,
    POLYGON_RADIUS,
    TOO_MANY_CONTACTS,
)
from environments.physics.layout import (
    BODY,
    BODY_SIZE,
    BOX_BOTTOM,
    BOX_LEFT,
    BOX_RIGHT,
    BOX_TOP,
    CENTER0_X,
    CENTER0_Y,
    CONTACT,
    CONTACT_BODY,
    CONTACT_SIZE,
    COSINE,
    COSINE0,
    FAULT,
    FIXTURE,
    FIXTURE_ALPHA0,
    HAS_FALLEN,
    IS_ASLEEP,
    IS_ENABLED,
    IS_TOUCHING,
    IS_TOUCHING_1,
    IS_TOUCHING_2,
    NUM_CONTACTS,
    NUM_POINTS,
    ORIGIN_X,
    ORIGIN_Y,
    SHAPE_BOTTOM,
    SHAPE_LEFT,
    SHAPE_RIGHT,
    SHAPE_TOP,
    SINE,
    SINE0,
    SLEEP_TIME,
    SWEPT_BOTTOM,
    SWEPT_LEFT,
    SWEPT_RIGHT,
    SWEPT_TOP,
    TOI,
    TOI_COUNT,
)
from environments.physics.manifold import collide_edge, collide_polygon

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_EXTENSION = np.float32(AABB_EXTENSION)
# A manifold's point is at most two skins from a face, and at most two skins beyond the face's end, where
# b2CollidePolygons clips: 0.02 sqrt(2) m from the shape. Boxes 0.0083 m farther apart than their skins have none.
_APART = np.float32(1e-2)
# While ``collide`` is at work: in FIXTURE, the contact is to be dropped; in TOI, its manifold is to be found.
_GONE, _NEAR = -_ONE, _ONE


@kernel
def collide(s, at, n, edges, polygons):  # type: ignore[no-untyped-def]
    """``Collide``: drop the contacts whose fat boxes have parted, and update where the others touch.

    Manifolds are expensive, so they are found in a loop of their own, in which worlds side by side keep in step.
    """
    num = np.int64(s[at + NUM_CONTACTS * n])
    _sort_out(s, at, n, edges, polygons, num)
    i = _next_near(s, at, n, 0, num)
    while i < num:
        _find_manifold(s, at, n, at + (CONTACT + CONTACT_SIZE * i) * n, edges, polygons)
        i = _next_near(s, at, n, i + 1, num)
    is_complete = True
    for i in range(num - 1, -1, -1):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        body = np.int64(s[contact + CONTACT_BODY * n])
        if s[contact + FIXTURE * n] != _GONE:
            _note_touch(s, at, n, contact, body)
        else:
            is_complete = False
            if s[contact + IS_TOUCHING * n] != _ZERO:
                _end_touch(s, at, n, body)
    if not is_complete:
        _close_gaps(s, at, n, num)


@inline_kernel
def _sort_out(s, at, n, edges, polygons, num):  # type: ignore[no-untyped-def]
    """Mark contacts whose fat boxes have parted. Those that may have points are marked in TOI, which is free now.

    See ``_APART``: where the shapes are that far apart there are no points.
    """
    for i in range(num):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
        left, bottom, right, top = fat_box(edges, polygons, fixture)
        s[contact + TOI * n] = _ZERO
        if not _overlaps_fat_box(s, at, n, body, left, bottom, right, top):
            s[contact + FIXTURE * n] = _GONE
        elif way_is_clear(s, at, n, body, left, bottom, right, top, _ZERO):
            s[contact + NUM_POINTS * n] = _ZERO
        else:
            s[contact + TOI * n] = _NEAR


@inline_kernel
def _next_near(s, at, n, i, num):  # type: ignore[no-untyped-def]
    """The first contact from the i-th on that ``_sort_out`` marked as near; ``num`` if there is none."""
    while i < num and s[at + (CONTACT + CONTACT_SIZE * i + TOI) * n] != _NEAR:
        i += 1
    return i


@kernel
def _close_gaps(s, at, n, num):  # type: ignore[no-untyped-def]
    """Drop the contacts that are marked; the others keep their order."""
    num_kept = 0
    for i in range(num):
        contact, place = at + (CONTACT + CONTACT_SIZE * i) * n, at + (CONTACT + CONTACT_SIZE * num_kept) * n
        if s[contact + FIXTURE * n] != _GONE:
            if place != contact:
                for field in range(CONTACT_SIZE):
                    s[place + field * n] = s[contact + field * n]
            num_kept += 1
    s[at + NUM_CONTACTS * n] = np.float32(num_kept)


@inline_kernel
def way_is_clear(s, at, n, body, left, bottom, right, top, slack):  # type: ignore[no-untyped-def]
    """Whether a body's swept box is farther than ``slack``, m, from a fixture with this fat box, skins included."""
    b = at + (BODY + BODY_SIZE * body) * n
    shrink = _EXTENSION - _APART - slack
    return (
        s[b + SWEPT_LEFT * n] > right - shrink
        or s[b + SWEPT_RIGHT * n] < left + shrink
        or s[b + SWEPT_BOTTOM * n] > top - shrink
        or s[b + SWEPT_TOP * n] < bottom + shrink
    )


@kernel
def update_contact(s, at, n, contact, edges, polygons):  # type: ignore[no-untyped-def]
    """``b2Contact::Update``: the manifold where the body is now; whether it touches; what the listener is told.

    Args:
        s, at, n, edges, polygons: see the module.
        contact: place of the contact's first field.
    """
    _find_manifold(s, at, n, contact, edges, polygons)
    _note_touch(s, at, n, contact, np.int64(s[contact + CONTACT_BODY * n]))


@inline_kernel
def _find_manifold(s, at, n, contact, edges, polygons):  # type: ignore[no-untyped-def]
    fixture, body = np.int64(s[contact + FIXTURE * n]), np.int64(s[contact + CONTACT_BODY * n])
    b = at + (BODY + BODY_SIZE * body) * n
    x, y, sine, cosine = s[b + ORIGIN_X * n], s[b + ORIGIN_Y * n], s[b + SINE * n], s[b + COSINE * n]
    num_polygons = polygons.shape[0]
    if fixture < num_polygons:
        collide_polygon(s, contact, n, polygons, fixture, body, x, y, sine, cosine)
    else:
        collide_edge(s, contact, n, edges, fixture - num_polygons, body, x, y, sine, cosine)


@inline_kernel
def _note_touch(s, at, n, contact, body):  # type: ignore[no-untyped-def]
    s[contact + IS_ENABLED * n] = _ONE
    touches = s[contact + NUM_POINTS * n] > _ZERO
    touched = s[contact + IS_TOUCHING * n] != _ZERO
    s[contact + IS_TOUCHING * n] = _ONE if touches else _ZERO
    if touches and not touched:
        wake(s, at, n, body)
        _begin_touch(s, at, n, body)
    elif touched and not touches:
        wake(s, at, n, body)
        _end_touch(s, at, n, body)


@inline_kernel
def wake(s, at, n, body):  # type: ignore[no-untyped-def]
    """``SetAwake(true)``: if the body slept, its time of rest starts again from 0."""
    b = at + (BODY + BODY_SIZE * body) * n
    if s[b + IS_ASLEEP * n] != _ZERO:
        s[b + IS_ASLEEP * n] = _ZERO
        s[b + SLEEP_TIME * n] = _ZERO


@inline_kernel
def _begin_touch(s, at, n, body):  # type: ignore[no-untyped-def]
    """What Gymnasium's ``ContactDetector`` does in ``BeginContact``."""
    if body == HULL:
        s[at + HAS_FALLEN * n] = _ONE
    elif body == LOWER_1:
        s[at + IS_TOUCHING_1 * n] = _ONE
    elif body == LOWER_2:
        s[at + IS_TOUCHING_2 * n] = _ONE


@inline_kernel
def _end_touch(s, at, n, body):  # type: ignore[no-untyped-def]
    """In ``EndContact``: any contact that ends clears the flag, even if another one still touches."""
    if body == LOWER_1:
        s[at + IS_TOUCHING_1 * n] = _ZERO
    elif body == LOWER_2:
        s[at + IS_TOUCHING_2 * n] = _ZERO


@inline_kernel
def fat_box(edges, polygons, fixture):  # type: ignore[no-untyped-def]
    """Left, bottom, right and top, m, of a fixture's box in the broad phase."""
    num_polygons = polygons.shape[0]
    if fixture < num_polygons:
        return _bounds(polygons, fixture)
    return _bounds(edges, fixture - num_polygons)


@inline_kernel
def _bounds(table, row):  # type: ignore[no-untyped-def]
    return table[row, course.LEFT], table[row, course.BOTTOM], table[row, course.RIGHT], table[row, course.TOP]


@inline_kernel
def _overlaps_fat_box(s, at, n, body, left, bottom, right, top):  # type: ignore[no-untyped-def]
    b = at + (BODY + BODY_SIZE * body) * n
    return (
        s[b + BOX_LEFT * n] <= right
        and left <= s[b + BOX_RIGHT * n]
        and s[b + BOX_BOTTOM * n] <= top
        and bottom <= s[b + BOX_TOP * n]
    )


@inline_kernel
def box_of(body, x, y, sine, cosine):  # type: ignore[no-untyped-def]
    """``b2PolygonShape::ComputeAABB``: left, bottom, right and top of a body's shape with its skin, m.

    It takes five vertices, since a body with four repeats its last one. It has no branch, so lane loops vectorise.
    """
    x0, y0 = _vertex(body, 0, x, y, sine, cosine)
    x1, y1 = _vertex(body, 1, x, y, sine, cosine)
    x2, y2 = _vertex(body, 2, x, y, sine, cosine)
    x3, y3 = _vertex(body, 3, x, y, sine, cosine)
    x4, y4 = _vertex(body, 4, x, y, sine, cosine)
    left, right = min(min(min(min(x0, x1), x2), x3), x4), max(max(max(max(x0, x1), x2), x3), x4)
    bottom, top = min(min(min(min(y0, y1), y2), y3), y4), max(max(max(max(y0, y1), y2), y3), y4)
    return left - POLYGON_RADIUS, bottom - POLYGON_RADIUS, right + POLYGON_RADIUS, top + POLYGON_RADIUS


@inline_kernel
def _vertex(body, k, x, y, sine, cosine):  # type: ignore[no-untyped-def]
    vx, vy = VERTICES[body, k, 0], VERTICES[body, k, 1]
    return cosine * vx - sine * vy + x, sine * vx + cosine * vy + y


@kernel
def synchronise(s, at, n, body):  # type: ignore[no-untyped-def]
    """``SynchronizeFixtures``: the box around the body's path since alpha0; a new fat box if it left the old one.

    Args:
        s, at, n: see the module.
        body: which.

    Returns:
        Whether there is a new fat box.
    """
    b = at + (BODY + BODY_SIZE * body) * n
    sine0, cosine0 = s[b + SINE0 * n], s[b + COSINE0 * n]
    x0, y0 = origin_of(body, s[b + CENTER0_X * n], s[b + CENTER0_Y * n], sine0, cosine0)
    x, y = s[b + ORIGIN_X * n], s[b + ORIGIN_Y * n]
    left0, bottom0, right0, top0 = box_of(body, x0, y0, sine0, cosine0)
    left, bottom, right, top = box_of(body, x, y, s[b + SINE * n], s[b + COSINE * n])
    store_box(s, b, n, left, bottom, right, top)
    left, bottom, right, top = min(left0, left), min(bottom0, bottom), max(right0, right), max(top0, top)
    return move_box(s, at, n, body, left, bottom, right, top, x - x0, y - y0)


@inline_kernel
def origin_of(body, cx, cy, sine, cosine):  # type: ignore[no-untyped-def]
    """A body's origin from its centre of mass, m."""
    lx, ly = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
    return cx - (cosine * lx - sine * ly), cy - (sine * lx + cosine * ly)


@inline_kernel
def store_box(s, b, n, left, bottom, right, top):  # type: ignore[no-untyped-def]
    """Note the box of the shape of the body at ``b``."""
    s[b + SHAPE_LEFT * n], s[b + SHAPE_BOTTOM * n] = left, bottom
    s[b + SHAPE_RIGHT * n], s[b + SHAPE_TOP * n] = right, top


@inline_kernel
def move_box(s, at, n, body, left, bottom, right, top, dx, dy):  # type: ignore[no-untyped-def]
    """``b2DynamicTree::MoveProxy``: keep the fat box while it contains the swept one.

    Args:
        s, at, n, body: see ``synchronise``.
        left, bottom, right, top: the swept box, m.
        dx, dy: how far the origin moved, m.

    Returns:
        Whether there is a new fat box.
    """
    b = at + (BODY + BODY_SIZE * body) * n
    s[b + SWEPT_LEFT * n], s[b + SWEPT_BOTTOM * n] = left, bottom
    s[b + SWEPT_RIGHT * n], s[b + SWEPT_TOP * n] = right, top
    if (
        s[b + BOX_LEFT * n] <= left
        and s[b + BOX_BOTTOM * n] <= bottom
        and right <= s[b + BOX_RIGHT * n]
        and top <= s[b + BOX_TOP * n]
    ):
        return False
    left, bottom, right, top = left - _EXTENSION, bottom - _EXTENSION, right + _EXTENSION, top + _EXTENSION
    ahead_x, ahead_y = AABB_MULTIPLIER * dx, AABB_MULTIPLIER * dy
    s[b + BOX_LEFT * n] = left + ahead_x if ahead_x < _ZERO else left
    s[b + BOX_RIGHT * n] = right if ahead_x < _ZERO else right + ahead_x
    s[b + BOX_BOTTOM * n] = bottom + ahead_y if ahead_y < _ZERO else bottom
    s[b + BOX_TOP * n] = top if ahead_y < _ZERO else top + ahead_y
    return True


@kernel
def find_new_contacts(s, at, n, edges, polygons, moved):  # type: ignore[no-untyped-def]
    """``UpdatePairs``: a contact for each new pair of fat boxes that meet, in the order of fixtures, then of bodies.

    Args:
        s, at, n, edges, polygons: see the module.
        moved: bit b is set where body b has a new fat box.
    """
    num_polygons = polygons.shape[0]
    left, right = np.float32(np.inf), np.float32(-np.inf)
    for body in range(NUM_BODIES):
        if moved >> body & 1:
            b = at + (BODY + BODY_SIZE * body) * n
            left, right = min(left, s[b + BOX_LEFT * n]), max(right, s[b + BOX_RIGHT * n])
    for i in range(num_polygons):
        if polygons[i, course.LEFT] <= right and left <= polygons[i, course.RIGHT]:
            _pair(s, at, n, edges, polygons, i, moved)
    for i in range(_first_edge(edges, left), edges.shape[0]):
        if edges[i, course.LEFT] > right:
            break
        _pair(s, at, n, edges, polygons, num_polygons + i, moved)


@inline_kernel
def _first_edge(edges, left):  # type: ignore[no-untyped-def]
    """The first edge whose fat box reaches ``left``; the ground's x increases."""
    low, high = 0, edges.shape[0]
    while low < high:
        middle = (low + high) // 2
        if edges[middle, course.RIGHT] < left:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _pair(s, at, n, edges, polygons, fixture, moved):  # type: ignore[no-untyped-def]
    left, bottom, right, top = fat_box(edges, polygons, fixture)
    for body in range(NUM_BODIES):
        if (
            moved >> body & 1
            and _overlaps_fat_box(s, at, n, body, left, bottom, right, top)
            and not _has_contact(s, at, n, fixture, body)
        ):
            _add(s, at, n, fixture, body)


@inline_kernel
def _has_contact(s, at, n, fixture, body):  # type: ignore[no-untyped-def]
    for i in range(np.int64(s[at + NUM_CONTACTS * n])):
        contact = at + (CONTACT + CONTACT_SIZE * i) * n
        if s[contact + FIXTURE * n] == np.float32(fixture) and s[contact + CONTACT_BODY * n] == np.float32(body):
            return True
    return False


@inline_kernel
def _add(s, at, n, fixture, body):  # type: ignore[no-untyped-def]
    num = np.int64(s[at + NUM_CONTACTS * n])
    if num == CONTACT_CAPACITY:
        s[at + FAULT * n] = np.float32(TOO_MANY_CONTACTS)
        return
    # The static body of the fixture may have been moved on in this step by an impact of another of the walker's bodies.
    alpha0 = _ZERO
    for i in range(num):
        other = at + (CONTACT + CONTACT_SIZE * i) * n
        if s[other + FIXTURE * n] == np.float32(fixture):
            alpha0 = s[other + FIXTURE_ALPHA0 * n]
    contact = at + (CONTACT + CONTACT_SIZE * num) * n
    s[contact + FIXTURE * n], s[contact + CONTACT_BODY * n] = np.float32(fixture), np.float32(body)
    s[contact + IS_TOUCHING * n], s[contact + IS_ENABLED * n] = _ZERO, _ONE
    s[contact + TOI_COUNT * n], s[contact + TOI * n] = _ZERO, -_ONE
    s[contact + FIXTURE_ALPHA0 * n], s[contact + NUM_POINTS * n] = alpha0, _ZERO
    s[at + NUM_CONTACTS * n] = np.float32(num + 1)
    wake(s, at, n, body)
