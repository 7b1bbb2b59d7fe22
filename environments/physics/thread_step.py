"""A step of one world by itself, in the order of ``step.py``: what a thread of a GPU does.

``m`` and ``slots`` are each one lane of the solver's memory, see ``thread_solver``.
"""

from __future__ import annotations

import numpy as np

from environments.compiled import inline_kernel, kernel
from environments.physics import layout
from environments.physics.constants import VELOCITY_ITERATIONS
from environments.physics.contact_solver import solve_contact_velocity
from environments.physics.contacts import collide, find_new_contacts
from environments.physics.impact import begin_impacts, end_island, load_island, next_island
from environments.physics.solver_lane import (
    load_body,
    load_contacts,
    load_joint,
    rest,
    store_impulses,
    store_joint,
    store_place,
    store_position,
    store_velocity,
)
from environments.physics.solver_layout import (
    COUNT,
    ISLAND_FRICTION,
    ISLAND_INERTIA,
    ISLAND_MASS,
    SLOT,
    SLOT_SIZE,
    WINDOW_BODY,
)
from environments.physics.thread_solver import integrate, place_bodies, solve_positions, solve_velocities
from environments.walker.spec import HULL, LEG_1, LEG_2, LOWER_1, LOWER_2

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@inline_kernel
def step_world(s, at, n, edges, polygons, m, slots, num_slots, members):  # type: ignore[no-untyped-def]
    """Let 1/50 s pass in a world, whose motors are set.

    Args:
        s, at, n: the world's memory.
        edges, polygons: its terrain.
        m, slots: (SOLVER_SIZE,) float32, scratch.
        num_slots, members: (5,) and (TOUCHING_CAPACITY,) int64, scratch.
    """
    collide(s, at, n, edges, polygons)
    _load(s, at, n, m)
    load_contacts(s, at, n, slots, 0, 1, num_slots)
    solve_velocities(m, slots, num_slots)
    integrate(m)
    is_solved = solve_positions(m, slots, num_slots)
    place_bodies(m)
    moved = _store(s, at, n, m)
    store_impulses(s, at, n, slots, 0, 1, num_slots)
    rest(s, at, n, is_solved)
    if moved:
        find_new_contacts(s, at, n, edges, polygons, moved)
    if begin_impacts(s, at, n, edges, polygons):
        solve_impacts(s, at, n, edges, polygons, slots, members)


@inline_kernel
def _load(s, at, n, m):  # type: ignore[no-untyped-def]
    load_body(s, at, n, m, 0, 1, HULL)
    load_body(s, at, n, m, 0, 1, LEG_1)
    load_body(s, at, n, m, 0, 1, LOWER_1)
    load_body(s, at, n, m, 0, 1, LEG_2)
    load_body(s, at, n, m, 0, 1, LOWER_2)
    s[at + layout.PUSH * n] = _ZERO
    load_joint(s, at, n, m, 0, 1, 0)
    load_joint(s, at, n, m, 0, 1, 1)
    load_joint(s, at, n, m, 0, 1, 2)
    load_joint(s, at, n, m, 0, 1, 3)


@inline_kernel
def _store(s, at, n, m):  # type: ignore[no-untyped-def]
    """Copy the walker back; which bodies have left their fat boxes, as bits."""
    store_joint(s, at, n, m, 0, 1, 0)
    store_joint(s, at, n, m, 0, 1, 1)
    store_joint(s, at, n, m, 0, 1, 2)
    store_joint(s, at, n, m, 0, 1, 3)
    moved = _store_body(s, at, n, m, HULL) << HULL
    moved |= _store_body(s, at, n, m, LEG_1) << LEG_1
    moved |= _store_body(s, at, n, m, LOWER_1) << LOWER_1
    moved |= _store_body(s, at, n, m, LEG_2) << LEG_2
    return moved | _store_body(s, at, n, m, LOWER_2) << LOWER_2


@inline_kernel
def _store_body(s, at, n, m, body):  # type: ignore[no-untyped-def]
    store_position(s, at, n, m, 0, 1, body)
    store_velocity(s, at, n, m, 0, 1, body)
    return store_place(s, at, n, m, 0, 1, body)


@kernel
def solve_impacts(s, at, n, edges, polygons, slots, members):  # type: ignore[no-untyped-def]
    """Handle the impacts of a step, one island after the other, in ``slots``; other arguments as of ``step_world``."""
    while True:
        num, body, alpha = next_island(s, at, n, edges, polygons, members)
        if num == 0:
            return
        load_island(s, at, n, slots, 0, 1, members, num, body, alpha)
        _solve_island(slots, num)
        end_island(s, at, n, edges, polygons, slots, 0, 1, body)


@kernel
def _solve_island(slots, num):  # type: ignore[no-untyped-def]
    mass, inertia, friction = slots[ISLAND_MASS], slots[ISLAND_INERTIA], slots[ISLAND_FRICTION]
    for _ in range(VELOCITY_ITERATIONS):
        for k in range(num):
            c = SLOT + SLOT_SIZE * k
            if slots[c + COUNT] > _ONE:
                solve_contact_velocity(slots, slots, 0, 1, c, WINDOW_BODY, mass, inertia, friction, True)
            else:
                solve_contact_velocity(slots, slots, 0, 1, c, WINDOW_BODY, mass, inertia, friction, False)
