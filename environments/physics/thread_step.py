"""A step of a single world, in the order of ``step.py``: what a GPU thread does.

``m`` and ``slots`` are each one lane of the solver's memory, see ``thread_solver``.
"""

from __future__ import annotations

import numpy as np

from environments.biped import HULL, LEG_1, LEG_2, LOWER_1, LOWER_2
from environments.compiled import inline_kernel, kernel
from environments.physics import layout
from environments.physics.constants import POSITION_ITERATIONS, VELOCITY_ITERATIONS
from environments.physics.contact_solver import solve_contact_velocity
from environments.physics.contacts import find_new_contacts
from environments.physics.impact import begin_impacts, end_island, load_island
from environments.physics.solver import FIRST_PASSES
from environments.physics.solver_lane import (
    load_body,
    load_contacts,
    load_joint,
    load_limit,
    load_position,
    rest,
    store_impulses,
    store_joint,
    store_place,
    store_position,
    store_velocity,
    work_of,
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

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


#: Kinds of work that ``bin_of`` tells apart.
NUM_BINS = 1 << 10


@inline_kernel
def bin_of(s, at, n):  # type: ignore[no-untyped-def]
    """A number below NUM_BINS, equal for worlds with equal work, not counting contacts of hull and upper legs, which
    are rare. Worlds of a bin are solved side by side.
    """
    has_two, limits, num_of_body = work_of(s, at, n)
    word = (limits << 2 | num_of_body >> (2 * LOWER_1) & 3) << 2 | num_of_body >> (2 * LOWER_2) & 3
    return (word << 1 | has_two >> LOWER_1 & 1) << 1 | has_two >> LOWER_2 & 1


@inline_kernel
def solve_world(s, at, n, m, slots, num_slots):  # type: ignore[no-untyped-def]
    """Solve velocities, and positions if few passes are enough.

    Args:
        s, at, n: the world's memory.
        m, slots: (SOLVER_SIZE,) float32, scratch.
        num_slots: (5,) int64, scratch.

    Returns:
        Whether positions are solved; which bodies have then left their fat boxes, as bits.
    """
    _load(s, at, n, m)
    load_contacts(s, at, n, slots, 0, 1, num_slots)
    solve_velocities(m, slots, num_slots)
    integrate(m)
    is_solved = solve_positions(m, slots, num_slots, FIRST_PASSES)
    _store(s, at, n, m)
    store_impulses(s, at, n, slots, 0, 1, num_slots)
    if not is_solved:
        return False, 0
    place_bodies(m)
    moved = _store_places(s, at, n, m)
    rest(s, at, n, True)
    return True, moved


@inline_kernel
def solve_late_world(s, at, n, m, slots, num_slots):  # type: ignore[no-untyped-def]
    """Run the rest of the position passes of a world that ``solve_world`` did not solve; arguments as there.

    Returns:
        Which bodies have left their fat boxes, as bits.
    """
    _load_positions(s, at, n, m)
    load_contacts(s, at, n, slots, 0, 1, num_slots)
    is_solved = solve_positions(m, slots, num_slots, POSITION_ITERATIONS - FIRST_PASSES)
    _store_positions(s, at, n, m)
    place_bodies(m)
    moved = _store_places(s, at, n, m)
    rest(s, at, n, is_solved)
    return moved


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
def _load_positions(s, at, n, m):  # type: ignore[no-untyped-def]
    load_position(s, at, n, m, 0, 1, HULL)
    load_position(s, at, n, m, 0, 1, LEG_1)
    load_position(s, at, n, m, 0, 1, LOWER_1)
    load_position(s, at, n, m, 0, 1, LEG_2)
    load_position(s, at, n, m, 0, 1, LOWER_2)
    load_limit(s, at, n, m, 0, 1, 0)
    load_limit(s, at, n, m, 0, 1, 1)
    load_limit(s, at, n, m, 0, 1, 2)
    load_limit(s, at, n, m, 0, 1, 3)


@inline_kernel
def _store(s, at, n, m):  # type: ignore[no-untyped-def]
    store_joint(s, at, n, m, 0, 1, 0)
    store_joint(s, at, n, m, 0, 1, 1)
    store_joint(s, at, n, m, 0, 1, 2)
    store_joint(s, at, n, m, 0, 1, 3)
    store_velocity(s, at, n, m, 0, 1, HULL)
    store_velocity(s, at, n, m, 0, 1, LEG_1)
    store_velocity(s, at, n, m, 0, 1, LOWER_1)
    store_velocity(s, at, n, m, 0, 1, LEG_2)
    store_velocity(s, at, n, m, 0, 1, LOWER_2)
    _store_positions(s, at, n, m)


@inline_kernel
def _store_positions(s, at, n, m):  # type: ignore[no-untyped-def]
    store_position(s, at, n, m, 0, 1, HULL)
    store_position(s, at, n, m, 0, 1, LEG_1)
    store_position(s, at, n, m, 0, 1, LOWER_1)
    store_position(s, at, n, m, 0, 1, LEG_2)
    store_position(s, at, n, m, 0, 1, LOWER_2)


@inline_kernel
def _store_places(s, at, n, m):  # type: ignore[no-untyped-def]
    """Store where bodies and shapes are. Returns which bodies have left their fat boxes, as bits."""
    moved = store_place(s, at, n, m, 0, 1, HULL) << HULL
    moved |= store_place(s, at, n, m, 0, 1, LEG_1) << LEG_1
    moved |= store_place(s, at, n, m, 0, 1, LOWER_1) << LOWER_1
    moved |= store_place(s, at, n, m, 0, 1, LEG_2) << LEG_2
    return moved | store_place(s, at, n, m, 0, 1, LOWER_2) << LOWER_2


@inline_kernel
def look_ahead(s, at, n, edges, polygons, moved):  # type: ignore[no-untyped-def]
    """Find new contacts of bodies that have left their fat boxes. Returns whether anything may meet in this step."""
    if moved:
        find_new_contacts(s, at, n, edges, polygons, moved)
    return begin_impacts(s, at, n, edges, polygons)


@kernel
def solve_island(s, at, n, edges, polygons, slots, members, num, body, alpha):  # type: ignore[no-untyped-def]
    """Solve one island of a step's impacts.

    Args:
        s, at, n: the world's memory; edges, polygons: its terrain.
        slots: (SOLVER_SIZE,) float32, scratch.
        members, num, body, alpha: what ``next_island`` gave.
    """
    load_island(s, at, n, slots, 0, 1, members, num, body, alpha)
    _solve_island(slots, num)
    end_island(s, at, n, edges, polygons, slots, 0, 1, body)


@kernel
def _solve_island(slots, num):  # type: ignore[no-untyped-def]
    mass, inertia, friction = slots[ISLAND_MASS], slots[ISLAND_INERTIA], slots[ISLAND_FRICTION]
    end = SLOT + SLOT_SIZE * num
    for _ in range(VELOCITY_ITERATIONS):
        c = SLOT
        while c < end:
            if slots[c + COUNT] > _ONE:
                solve_contact_velocity(slots, slots, 0, 1, c, WINDOW_BODY, mass, inertia, friction, True)
            else:
                solve_contact_velocity(slots, slots, 0, 1, c, WINDOW_BODY, mass, inertia, friction, False)
            c += SLOT_SIZE
