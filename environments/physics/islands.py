"""Sub-steps of many worlds: their islands gathered in packs, one island in each lane, and solved side by side.

A world's sub-steps come one after the other; different worlds are independent. So islands wait until a pack is full,
or until there is nothing else to do. Islands with one contact have their own packs, since they are solved faster.

Source: Box2D 2.3.0, ``b2Island.cpp`` (``SolveTOI``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from environments.compiled import LANES, inline_kernel, kernel, kernel_of, lane_memory
from environments.physics import layout
from environments.physics.constants import TOUCHING_CAPACITY, VELOCITY_ITERATIONS
from environments.physics.contact_solver import solve_contact_velocity
from environments.physics.course import rows_of
from environments.physics.impact import end_island, load_island, next_island
from environments.physics.solver import any_above_one, copy_fields, copy_impulses
from environments.physics.solver_layout import (
    COUNT,
    ISLAND_FRICTION,
    ISLAND_INERTIA,
    ISLAND_MASS,
    MARK,
    NORMAL_IMPULSE,
    POSITION_COUNT,
    SECOND,
    SLOT,
    SLOT_SIZE,
    SOLVER_SIZE,
    VELOCITY_X,
    WINDOW_BODY,
    WINDOW_SLOT,
)

_ZERO = np.float32(0.0)
_ONE_CONTACT, _MORE_CONTACTS, _NUM_KINDS = range(3)
# Marks are set after this many passes, then after twice as many and so on, so that any period is found (Brent 1980).
_FIRST_MARK = 4


class Islands(NamedTuple):
    """Memory for a pack of each kind.

    Attributes:
        packs: (2, SOLVER_SIZE * LANES) float32, see ``solver_layout``.
        bits: the same memory as int32.
        worlds, bodies, num_contacts: (2, LANES) int64, of each island that waits.
        num: (2,) int64, how many wait.
        members: (TOUCHING_CAPACITY,) int64, scratch.
    """

    packs: NDArray[np.float32]
    bits: NDArray[np.int32]
    worlds: NDArray[np.int64]
    bodies: NDArray[np.int64]
    num_contacts: NDArray[np.int64]
    num: NDArray[np.int64]
    members: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Islands:
        """Memory in which no island waits."""
        packs = lane_memory(_NUM_KINDS * SOLVER_SIZE * LANES).reshape(_NUM_KINDS, -1)
        worlds, bodies, num_contacts = (np.zeros((_NUM_KINDS, LANES), np.int64) for _ in range(3))
        num, members = np.zeros(_NUM_KINDS, np.int64), np.zeros(TOUCHING_CAPACITY, np.int64)
        return cls(packs, packs.view(np.int32), worlds, bodies, num_contacts, num, members)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy gets its own memory: no island waits between steps, and ``bits`` must stay a view of ``packs``."""
        return Islands.empty, ()


def _slot_pass(k: int, has_two: bool) -> Callable[..., Any]:
    c = SLOT + SLOT_SIZE * k

    @kernel_of(f"slot_{k}_{'flat' if has_two else 'one_point'}")
    def solve(m):  # type: ignore[no-untyped-def]
        for lane in range(LANES):
            _solve_contact(m, lane, c, has_two)

    return solve


@inline_kernel
def _solve_contact(m, lane, c, has_two):  # type: ignore[no-untyped-def]
    mass, inertia = m[ISLAND_MASS * LANES + lane], m[ISLAND_INERTIA * LANES + lane]
    friction = m[ISLAND_FRICTION * LANES + lane]
    solve_contact_velocity(m, m, lane, LANES, c, WINDOW_BODY, mass, inertia, friction, has_two)


_first, _second, _flat_first, _flat_second = (_slot_pass(k, has_two) for has_two in (False, True) for k in (0, 1))
_third = _slot_pass(2, True)


@kernel
def solve_impacts(s, waiting, num_waiting, terrain_of, course, islands):  # type: ignore[no-untyped-def]
    """Handle the impacts of a step in some worlds.

    Args:
        s: float32, the memory of all worlds one after another.
        waiting: int64, the worlds in which ``begin_impacts`` saw something, the first ``num_waiting``; overwritten.
        terrain_of, course: see ``step_worlds``.
        islands: an ``Islands`` in which nothing waits.
    """
    islands.num[:] = 0
    while True:
        while num_waiting > 0:
            num_waiting -= 1
            kind = _take_island(s, waiting[num_waiting], terrain_of, course, islands)
            if kind >= 0 and islands.num[kind] == LANES:
                num_waiting = _solve_pack(s, kind, waiting, num_waiting, terrain_of, course, islands)
        kind = _MORE_CONTACTS if islands.num[_MORE_CONTACTS] > islands.num[_ONE_CONTACT] else _ONE_CONTACT
        if islands.num[kind] == 0:
            return
        num_waiting = _solve_pack(s, kind, waiting, num_waiting, terrain_of, course, islands)


@kernel
def _take_island(s, world, terrain_of, course, islands):  # type: ignore[no-untyped-def]
    """Queue a world's next island. Returns its kind of pack, or -1 if there is none."""
    at = world * layout.WORLD_SIZE
    edges, polygons = rows_of(course, terrain_of[world])
    num, body, alpha = next_island(s, at, 1, edges, polygons, islands.members)
    if num == 0:
        return -1
    kind = _ONE_CONTACT if num == 1 else _MORE_CONTACTS
    lane = islands.num[kind]
    islands.worlds[kind, lane], islands.bodies[kind, lane], islands.num_contacts[kind, lane] = world, body, num
    load_island(s, at, 1, islands.packs[kind], lane, LANES, islands.members, num, body, alpha)
    islands.num[kind] += 1
    return kind


@kernel
def _solve_pack(s, kind, waiting, num_waiting, terrain_of, course, islands):  # type: ignore[no-untyped-def]
    """Solve the islands of a pack, and queue the next ones of their worlds. Returns how many then wait."""
    m, num = islands.packs[kind], islands.num[kind]
    most = _fill_up(m, islands.num_contacts[kind, :num])
    _solve_velocities(m, islands.bits[kind], most)
    for lane in range(num):
        world, body = islands.worlds[kind, lane], islands.bodies[kind, lane]
        edges, polygons = rows_of(course, terrain_of[world])
        end_island(s, world * layout.WORLD_SIZE, 1, edges, polygons, m, lane, LANES, body)
        waiting[num_waiting + lane] = world
    islands.num[kind] = 0
    return num_waiting + num


@kernel
def _fill_up(m, num_contacts):  # type: ignore[no-untyped-def]
    """Clear unused slots, and lanes without an island. Returns the most contacts of any lane."""
    most = 0
    for num in num_contacts:
        most = max(most, num)
    for lane in range(LANES):
        has_island = lane < num_contacts.size
        for k in range(num_contacts[lane] if has_island else 0, most):
            for field in range(SLOT + SLOT_SIZE * k, SLOT + SLOT_SIZE * k + POSITION_COUNT):
                m[field * LANES + lane] = _ZERO
        if not has_island:
            for field in range(WINDOW_BODY + VELOCITY_X, WINDOW_BODY + VELOCITY_X + 3):
                m[field * LANES + lane] = _ZERO
            for field in (ISLAND_MASS, ISLAND_INERTIA, ISLAND_FRICTION):
                m[field * LANES + lane] = _ZERO
    return most


@kernel
def _solve_velocities(m, bits, num_slots):  # type: ignore[no-untyped-def]
    """Run 180 passes, or fewer with the same result. A pass depends on velocities and impulses alone, so if all of them
    return to earlier values, they repeat with that period.
    """
    flat_first, flat_second = any_above_one(m, SLOT + COUNT), any_above_one(m, SLOT + SLOT_SIZE + COUNT)
    left, since, between = VELOCITY_ITERATIONS, 0, _FIRST_MARK
    _mark(m, num_slots)
    while left > 0:
        if flat_first:
            _flat_first(m)
        else:
            _first(m)
        if num_slots > 1:
            if flat_second:
                _flat_second(m)
            else:
                _second(m)
        if num_slots > 2:
            _third(m)
        for k in range(3, num_slots):
            _solve_slot(m, SLOT + SLOT_SIZE * k)
        left -= 1
        since += 1
        if _is_marked(bits, num_slots):
            left %= since
        if since == between:
            since, between = 0, 2 * between
            _mark(m, num_slots)


@kernel
def _solve_slot(m, c):  # type: ignore[no-untyped-def]
    copy_fields(m, WINDOW_SLOT, c, POSITION_COUNT)
    for lane in range(LANES):
        _solve_contact(m, lane, WINDOW_SLOT, True)
    copy_impulses(m, c, WINDOW_SLOT)


@kernel
def _mark(m, num_slots):  # type: ignore[no-untyped-def]
    """Save velocities and impulses."""
    copy_fields(m, MARK, WINDOW_BODY + VELOCITY_X, 3)
    for k in range(num_slots):
        c, mark = SLOT + SLOT_SIZE * k + NORMAL_IMPULSE, MARK + 3 + 4 * k
        copy_fields(m, mark, c, 2)
        copy_fields(m, mark + 2, c + SECOND, 2)


@kernel
def _is_marked(bits, num_slots):  # type: ignore[no-untyped-def]
    """Whether velocities and impulses are what ``_mark`` saved, to the bit."""
    if not _are_equal(bits, MARK, WINDOW_BODY + VELOCITY_X, 3):
        return False
    for k in range(num_slots):
        c, mark = SLOT + SLOT_SIZE * k + NORMAL_IMPULSE, MARK + 3 + 4 * k
        if not (_are_equal(bits, mark, c, 2) and _are_equal(bits, mark + 2, c + SECOND, 2)):
            return False
    return True


@kernel
def _are_equal(bits, one, other, num_fields):  # type: ignore[no-untyped-def]
    ours, theirs = (
        bits[one * LANES : (one + num_fields) * LANES],
        bits[other * LANES : (other + num_fields) * LANES],
    )
    differ = np.int32(0)
    for i in range(ours.size):
        differ |= ours[i] ^ theirs[i]
    return differ == 0
