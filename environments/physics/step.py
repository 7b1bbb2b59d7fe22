"""A step of many worlds: Box2D's phases in order, solved in packs of worlds with similar work.

Which worlds share a pack changes no bit of any of them. So each step makes new packs, of worlds with equal numbers of
touching contacts and equal limits, which leaves few lanes idle (PHYSICS.md section 5).

Source: Box2D 2.3.0, ``b2World.cpp`` (``Step``, ``Solve``).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from environments.biped import MOTOR_SPEEDS, MOTORS_TORQUE, NUM_BODIES, NUM_JOINTS
from environments.compiled import LANES, kernel, lane_memory, ticks
from environments.physics import layout
from environments.physics.bodies import LOCAL_CENTER, START_ANGLE, START_POSITION
from environments.physics.constants import AABB_EXTENSION, POSITION_ITERATIONS
from environments.physics.contacts import box_of, collide, find_new_contacts, origin_of, store_box, wake
from environments.physics.course import rows_of
from environments.physics.impact import begin_impacts
from environments.physics.islands import Islands, solve_impacts
from environments.physics.rotation import sin_cos_any
from environments.physics.solver import FIRST_PASSES, integrate, place_bodies, solve_positions, solve_velocities
from environments.physics.solver_lane import (
    clear_slots,
    kind_of,
    load_positions,
    load_world,
    rest,
    store_places,
    store_positions,
    store_world,
)
from environments.physics.solver_layout import IS_SOLVED, SOLVER_SIZE
from environments.physics.stages import COLLISION, IMPACT, NUM_STAGES, POSITION, REST, charge

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_TORQUE = np.float32(MOTORS_TORQUE)
_SPEEDS = np.array(MOTOR_SPEEDS, np.float32)
_EXTENSION = np.float32(AABB_EXTENSION)
_ALL_BODIES = (1 << NUM_BODIES) - 1


class Scratch(NamedTuple):
    """Memory for a step of W worlds. Only ``spent`` is kept after the step.

    Attributes:
        order, keys, moves: (W,) int64: worlds, what they are sorted by, and which bodies left their fat boxes, as bits.
        counts: (128,) int64, of the sort.
        slots: (LANES + 1, 5) int64: touching contacts of each body in each lane, and the most of any lane.
        pack: (SOLVER_SIZE * LANES,) float32, see ``solver_layout``.
        islands: of the impacts.
        spent: see ``stages``.
    """

    order: NDArray[np.int64]
    keys: NDArray[np.int64]
    moves: NDArray[np.int64]
    counts: NDArray[np.int64]
    slots: NDArray[np.int64]
    pack: NDArray[np.float32]
    islands: Islands
    spent: NDArray[np.int64]

    @classmethod
    def empty(cls, num_worlds: int) -> Self:
        """Memory for at most this many worlds."""
        order, keys, moves = (np.zeros(num_worlds, np.int64) for _ in range(3))
        counts, spent = np.zeros(_NUM_VALUES, np.int64), np.zeros(NUM_STAGES + 1, np.int64)
        slots, pack = np.zeros((LANES + 1, NUM_BODIES), np.int64), lane_memory(SOLVER_SIZE * LANES)
        return cls(order, keys, moves, counts, slots, pack, Islands.empty(), spent)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy gets its own memory, aligned to vectors, for the current number of lanes."""
        return Scratch.empty, (self.order.size,)


@kernel
def start_world(s, at, n, push, edges, polygons):  # type: ignore[no-untyped-def]
    """A fresh world: the walker where it starts, the push waiting, the first contacts found.

    Args:
        s, at, n: the world's memory, overwritten.
        push: N, on the hull in the first step.
        edges, polygons: its terrain.
    """
    for field in range(layout.CONTACT):
        s[at + field * n] = _ZERO
    s[at + layout.PUSH * n] = push
    for body in range(NUM_BODIES):
        b = at + (layout.BODY + layout.BODY_SIZE * body) * n
        x, y, angle = START_POSITION[body, 0], START_POSITION[body, 1], START_ANGLE[body]
        sine, cosine = sin_cos_any(angle)
        lx, ly = LOCAL_CENTER[body, 0], LOCAL_CENTER[body, 1]
        s[b + layout.ORIGIN_X * n], s[b + layout.ORIGIN_Y * n] = x, y
        s[b + layout.SINE * n], s[b + layout.COSINE * n], s[b + layout.ANGLE * n] = sine, cosine, angle
        s[b + layout.CENTER_X * n] = cosine * lx - sine * ly + x
        s[b + layout.CENTER_Y * n] = sine * lx + cosine * ly + y
        left, bottom, right, top = box_of(body, x, y, sine, cosine)
        x0, y0 = origin_of(body, s[b + layout.CENTER_X * n], s[b + layout.CENTER_Y * n], sine, cosine)
        left0, bottom0, right0, top0 = box_of(body, x0, y0, sine, cosine)
        store_box(s, b, n, left0, bottom0, right0, top0)
        s[b + layout.SWEPT_LEFT * n], s[b + layout.SWEPT_BOTTOM * n] = left, bottom
        s[b + layout.SWEPT_RIGHT * n], s[b + layout.SWEPT_TOP * n] = right, top
        s[b + layout.BOX_LEFT * n], s[b + layout.BOX_BOTTOM * n] = left - _EXTENSION, bottom - _EXTENSION
        s[b + layout.BOX_RIGHT * n], s[b + layout.BOX_TOP * n] = right + _EXTENSION, top + _EXTENSION
    find_new_contacts(s, at, n, edges, polygons, _ALL_BODIES)


@kernel
def drive(s, at, n, actions, row):  # type: ignore[no-untyped-def]
    """Set the four motors from ``actions[row]`` (N, 4) float32; that wakes the walker."""
    for joint in range(NUM_JOINTS):
        j = at + (layout.JOINT + layout.JOINT_SIZE * joint) * n
        action = actions[row, joint]
        speed = _SPEEDS[joint] if action > _ZERO else -_SPEEDS[joint]
        s[j + layout.MOTOR_SPEED * n] = speed if action != _ZERO else _ZERO
        share = abs(action)
        s[j + layout.MAX_MOTOR_TORQUE * n] = _TORQUE * (_ONE if share > _ONE else share)
    for body in range(NUM_BODIES):
        wake(s, at, n, body)


@kernel
def step_worlds(s, worlds, terrain_of, course, scratch):  # type: ignore[no-untyped-def]
    """Let 1/50 s pass in some worlds. Their motors have been set before.

    Args:
        s: float32, the memory of all worlds one after another.
        worlds: (N,) int64, which are stepped.
        terrain_of: of each world, which terrain it has.
        course: a ``Course``.
        scratch: a ``Scratch``.
    """
    order, spent = scratch.order, scratch.spent
    began = ticks()
    for i in range(worlds.size):
        world = worlds[i]
        edges, polygons = rows_of(course, terrain_of[world])
        collide(s, world * layout.WORLD_SIZE, 1, edges, polygons)
        scratch.keys[i] = kind_of(s, world * layout.WORLD_SIZE, 1) << _WORLD_BITS | world
    began = charge(spent, COLLISION, began)
    _sort(order, scratch.keys, scratch.counts, worlds.size)
    charge(spent, REST, began)
    num_late = 0
    for start in range(0, worlds.size, LANES):
        # Late worlds take the places in ``order`` of worlds that are done.
        num_late = _solve_pack(s, order[start : min(start + LANES, worlds.size)], scratch, num_late)
    began = ticks()
    for start in range(0, num_late, LANES):
        _solve_late(s, order[start : min(start + LANES, num_late)], scratch)
    began = charge(spent, POSITION, began)
    num_waiting = 0
    for world in worlds:
        edges, polygons = rows_of(course, terrain_of[world])
        if scratch.moves[world]:
            find_new_contacts(s, world * layout.WORLD_SIZE, 1, edges, polygons, scratch.moves[world])
        began = charge(spent, COLLISION, began)
        if begin_impacts(s, world * layout.WORLD_SIZE, 1, edges, polygons):
            order[num_waiting] = world
            num_waiting += 1
        began = charge(spent, IMPACT, began)
    solve_impacts(s, order, num_waiting, terrain_of, course, scratch.islands)
    charge(spent, IMPACT, began)


# Digits of a kind (``kind_of``), which has at most 3 * 7 bits.
_DIGIT_BITS, _NUM_DIGITS = 7, 3
_NUM_VALUES = 1 << _DIGIT_BITS
_WORLD_BITS = 32


@kernel
def _sort(order, keys, counts, num):  # type: ignore[no-untyped-def]
    """Sort worlds by kind, digit by digit, beginning with the last (radix sort).

    Args:
        order: (W,) int64, written: the worlds.
        keys: (W,) int64: kind, then in its lower 32 bits the world; overwritten.
        counts: (128,) int64, scratch.
        num: how many there are.
    """
    source, target = keys, order
    for digit in range(_NUM_DIGITS):
        shift = _WORLD_BITS + _DIGIT_BITS * digit
        counts[:] = 0
        for i in range(num):
            counts[source[i] >> shift & (_NUM_VALUES - 1)] += 1
        place = 0
        for value in range(_NUM_VALUES):
            counts[value], place = place, place + counts[value]
        for i in range(num):
            value = source[i] >> shift & (_NUM_VALUES - 1)
            target[counts[value]] = source[i]
            counts[value] += 1
        source, target = target, source
    for i in range(num):
        order[i] &= (1 << _WORLD_BITS) - 1


@kernel
def _solve_pack(s, worlds, scratch, num_late):  # type: ignore[no-untyped-def]
    """Solve the velocities of at most LANES worlds, and their positions if few passes are enough.

    Returns:
        How many worlds are now at the front of ``order``. Those whose positions are not solved yet were added.
    """
    m, slots, spent = scratch.pack, scratch.slots, scratch.spent
    began = ticks()
    num_slots = slots[LANES]
    for lane in range(worlds.size):
        load_world(s, worlds[lane] * layout.WORLD_SIZE, 1, m, lane, LANES, slots[lane])
    _fill_up(m, worlds.size, slots)
    charge(spent, REST, began)
    solve_velocities(m, num_slots, spent)
    began = ticks()
    integrate(m)
    solve_positions(m, num_slots, FIRST_PASSES)
    place_bodies(m)
    began = charge(spent, POSITION, began)
    for lane in range(worlds.size):
        at = worlds[lane] * layout.WORLD_SIZE
        store_world(s, at, 1, m, lane, LANES, slots[lane])
        if m[IS_SOLVED * LANES + lane] != _ZERO:
            scratch.moves[worlds[lane]] = store_places(s, at, 1, m, lane, LANES)
            rest(s, at, 1, True)
        else:
            scratch.order[num_late] = worlds[lane]
            num_late += 1
    charge(spent, REST, began)
    return num_late


@kernel
def _solve_late(s, worlds, scratch):  # type: ignore[no-untyped-def]
    """Run the rest of the position passes of at most LANES worlds."""
    m, slots = scratch.pack, scratch.slots
    for lane in range(worlds.size):
        load_positions(s, worlds[lane] * layout.WORLD_SIZE, 1, m, lane, LANES, slots[lane])
    _fill_up(m, worlds.size, slots)
    solve_positions(m, slots[LANES], POSITION_ITERATIONS - FIRST_PASSES)
    place_bodies(m)
    for lane in range(worlds.size):
        at = worlds[lane] * layout.WORLD_SIZE
        store_positions(s, at, 1, m, lane, LANES)
        scratch.moves[worlds[lane]] = store_places(s, at, 1, m, lane, LANES)
        rest(s, at, 1, m[IS_SOLVED * LANES + lane] != _ZERO)


@kernel
def _fill_up(m, num, slots):  # type: ignore[no-untyped-def]
    """Write the most contacts of each body to ``slots[LANES]``; clear unused slots, and lanes from ``num`` on."""
    num_slots = slots[LANES]
    num_slots[:] = 0
    for lane in range(num):
        for body in range(NUM_BODIES):
            num_slots[body] = max(num_slots[body], slots[lane, body])
    for lane in range(num):
        clear_slots(m, lane, LANES, slots[lane], num_slots)
    for lane in range(num, LANES):
        m[IS_SOLVED * LANES + lane] = _ONE
