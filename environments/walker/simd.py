"""Walkers in our own physics, many at a time: bit for bit what ``box2d.py`` gives.

A team is the memory in which one thread steps its worlds; teams share nothing that is written, so threads need no lock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from environments.compiled import kernel, ticks
from environments.errors import InputError
from environments.machine import check_memory, check_subnormals
from environments.physics import layout
from environments.physics.bodies import JOINT_BODY_A, JOINT_BODY_B, REFERENCE_ANGLE
from environments.physics.constants import CONTACT_CAPACITY, DIVERGED, TOO_MANY_CONTACTS, TOUCHING_CAPACITY
from environments.physics.course import Course, rows_of
from environments.physics.lidar import RAYS_SIZE
from environments.physics.stages import LIDAR, REST, charge
from environments.physics.step import Scratch, drive, start_world, step_worlds
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.judge import judge_step
from environments.walker.reward import FALL_REWARD
from environments.walker.spec import HULL, NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE

#: What ``advance`` writes as the outcome of a world that has more contacts than fit, and of one in which a body has
#: turned farther than the engine can follow.
OVERFLOWED, SPUN = -1, -2
# rad. Lane loops have sines up to ``rotation.NEAR``. A step's velocities turn a body by pi/2 at most, and position
# passes by far less than the 18 rad that are left, if the walker is not torn to pieces.
_MOST_TURN = np.float32(100.0)
_DIVERGED = int(Outcome.DIVERGED)
_NUM_READINGS = 16
_STATE_FIELDS = np.array(
    [layout.ORIGIN_X, layout.ORIGIN_Y, layout.ANGLE, layout.VELOCITY_X, layout.VELOCITY_Y, layout.ANGULAR_VELOCITY]
)
#: Worlds below which a second thread is not worth its while.
_WORLDS_PER_THREAD = 16


class Team(NamedTuple):
    """Memory for the worlds of one thread.

    Attributes:
        state: (W * WORLD_SIZE,) float32, see ``physics.layout``.
        shaping: (W,) float64, of the latest step.
        scratch: of ``step_worlds``.
        readings, rays: (16,) and (RAYS_SIZE,) float32, what ``judge_step`` reads and overwrites.
    """

    state: NDArray[np.float32]
    shaping: NDArray[np.float64]
    scratch: Scratch
    readings: NDArray[np.float32]
    rays: NDArray[np.float32]

    @classmethod
    def of(cls, num_worlds: int) -> Self:
        """A team of ``num_worlds``, in which nobody has begun."""
        state, shaping = np.zeros(num_worlds * layout.WORLD_SIZE, np.float32), np.zeros(num_worlds)
        readings, rays = np.zeros(_NUM_READINGS, np.float32), np.zeros(RAYS_SIZE, np.float32)
        return cls(state, shaping, Scratch.empty(num_worlds), readings, rays)


@kernel
def start(team, worlds, terrain_of, course, num_steps, outcomes):  # type: ignore[no-untyped-def]
    """Begin episodes: fresh worlds, whose next step is the reset's.

    Args:
        team: a ``Team``.
        worlds: (N,) int64, which worlds of it.
        terrain_of: the terrain of each world of the team.
        course: a ``Course``.
        num_steps, outcomes: of each world; -1 and GOES_ON are written.
    """
    for world in worlds:
        terrain = terrain_of[world]
        edges, polygons = rows_of(course, terrain)
        start_world(team.state, world * layout.WORLD_SIZE, 1, course.push[terrain], edges, polygons)
        num_steps[world] = -1
        outcomes[world] = GOES_ON


@kernel
def advance(  # type: ignore[no-untyped-def]
    team, worlds, terrain_of, course, actions, max_steps, observations, rewards, outcomes, num_steps
):
    """Take a step in some of a team's worlds; in those that have just begun it is the reset's, without torque.

    Args:
        team, worlds, terrain_of, course: as in ``start``.
        actions: (W, 4) float32, of each world.
        max_steps: control steps after which an episode is TIMEOUT.
        observations, rewards, outcomes, num_steps: of each world, written; see ``worlds.Worlds``.
    """
    state, spent = team.state, team.scratch.spent
    began = ticks()
    for world in worlds:
        if num_steps[world] < 0:
            for joint in range(NUM_JOINTS):
                actions[world, joint] = 0.0
        drive(state, world * layout.WORLD_SIZE, 1, actions, world)
    charge(spent, REST, began)
    step_worlds(state, worlds, terrain_of, course, team.scratch)
    began = ticks()
    for world in worlds:
        at = world * layout.WORLD_SIZE
        num_steps[world] += 1
        is_finite, turn = _read(state, at, team.readings)
        for joint in range(NUM_JOINTS):
            is_finite = is_finite and math.isfinite(actions[world, joint])
        is_finite = is_finite and state[at + layout.FAULT] != DIVERGED
        if state[at + layout.FAULT] == TOO_MANY_CONTACTS:
            rewards[world], outcomes[world] = 0.0, OVERFLOWED
        elif is_finite and turn > _MOST_TURN:
            rewards[world], outcomes[world] = 0.0, SPUN
        elif num_steps[world] == 0 and not is_finite:
            # As ``WalkerEpisode``: a world that is broken by the reset diverges in its first step.
            state[at + layout.FAULT] = DIVERGED
            observations[world] = 0.0
            team.shaping[world], rewards[world], outcomes[world] = 0.0, 0.0, GOES_ON
        elif not is_finite:
            rewards[world], outcomes[world] = FALL_REWARD, _DIVERGED
        else:
            edges, polygons = rows_of(course, terrain_of[world])
            reward, now, outcome = judge_step(
                team.readings,
                actions[world],
                team.shaping[world],
                state[at + layout.HAS_FALLEN] != 0.0,
                np.int64(num_steps[world]),
                max_steps,
                edges,
                polygons,
                team.rays,
                observations[world],
            )
            team.shaping[world] = now
            is_reset = num_steps[world] == 0
            rewards[world], outcomes[world] = 0.0 if is_reset else reward, GOES_ON if is_reset else outcome
    charge(spent, LIDAR, began)


@kernel
def _read(state, at, readings):  # type: ignore[no-untyped-def]
    """Fill ``readings`` (16,) as ``box2d.WalkerWorld`` does.

    Returns:
        Whether the 30 numbers of the bodies are finite; the greatest angle of a body to either side, rad.
    """
    total, turn = 0.0, np.float32(0.0)
    for body in range(NUM_BODIES):
        b = at + layout.BODY + layout.BODY_SIZE * body
        turn = max(turn, abs(state[b + layout.ANGLE]))
        for field in _STATE_FIELDS:
            total += np.float64(state[b + field])
    hull = at + layout.BODY + layout.BODY_SIZE * HULL
    readings[0], readings[1], readings[2] = (
        state[hull + layout.ORIGIN_X],
        state[hull + layout.ORIGIN_Y],
        state[hull + layout.ANGLE],
    )
    readings[3] = state[hull + layout.ANGULAR_VELOCITY]
    readings[4], readings[5] = state[hull + layout.VELOCITY_X], state[hull + layout.VELOCITY_Y]
    for joint in range(NUM_JOINTS):
        a = at + layout.BODY + layout.BODY_SIZE * JOINT_BODY_A[joint]
        b = at + layout.BODY + layout.BODY_SIZE * JOINT_BODY_B[joint]
        readings[6 + 2 * joint] = state[b + layout.ANGLE] - state[a + layout.ANGLE] - REFERENCE_ANGLE[joint]
        readings[7 + 2 * joint] = state[b + layout.ANGULAR_VELOCITY] - state[a + layout.ANGULAR_VELOCITY]
    readings[14], readings[15] = state[at + layout.IS_TOUCHING_1], state[at + layout.IS_TOUCHING_2]
    return math.isfinite(total), turn


def overflow_error(terrain: int) -> InputError:
    """What is said when a world has more contacts than fit."""
    return InputError(
        f"terrain {terrain} gives the walker more than {CONTACT_CAPACITY} contacts at once, or one body more than "
        f"{TOUCHING_CAPACITY} that touch: make its vertices less dense, or use the engine box2d"
    )


class SimdWorlds:
    """``Worlds`` in our own physics; see ``worlds.make_worlds`` for the arguments."""

    def __init__(
        self, terrains: Sequence[Terrain], terrain_index: NDArray[np.int64], max_steps: int, threads: int
    ) -> None:
        self.num_worlds = num = len(terrain_index)
        check_memory(num, 4 * layout.WORLD_SIZE)
        self.observations = np.zeros((num, OBSERVATION_SIZE), np.float32)
        self.rewards = np.zeros(num)
        self.outcomes = np.zeros(num, np.int8)
        self.num_steps = np.zeros(num, np.int32)
        self._course = Course.of(terrains)
        self._terrain_of = np.array(terrain_index, np.int64)
        self._max_steps = max_steps
        self._actions = np.zeros((num, NUM_JOINTS), np.float32)
        num_teams = max(1, min(threads, num // _WORLDS_PER_THREAD))
        bounds = [num * i // num_teams for i in range(num_teams + 1)]
        self._parts = [slice(a, b) for a, b in pairwise(bounds)]
        self._teams = [Team.of(part.stop - part.start) for part in self._parts]
        self._everyone = [np.arange(part.stop - part.start) for part in self._parts]
        self._pool = ThreadPoolExecutor(num_teams) if num_teams > 1 else None
        # Nobody moves, but the kernel is compiled, or loaded: here, where Ctrl-C ends it, and not in every thread.
        self._advance_team(0, np.zeros(0, np.int64))

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
        for part, team, worlds in zip(self._parts, self._teams, self._chosen(which), strict=True):
            start(team, worlds, self._terrain_of[part], self._course, self.num_steps[part], self.outcomes[part])
        self._advance(which)

    def step(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
        np.copyto(self._actions, actions)
        self._advance(which)

    def body_state(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        places = layout.BODY + layout.BODY_SIZE * np.arange(NUM_BODIES)[:, None] + _STATE_FIELDS
        return np.concatenate([team.state.reshape(-1, layout.WORLD_SIZE)[:, places] for team in self._teams])

    @property
    def touching(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        places = [layout.IS_TOUCHING_1, layout.IS_TOUCHING_2]
        return np.concatenate([team.state.reshape(-1, layout.WORLD_SIZE)[:, places] for team in self._teams])

    def _chosen(self, which: NDArray[np.bool_] | None) -> list[NDArray[np.int64]]:
        """The worlds of each team."""
        return self._everyone if which is None else [np.flatnonzero(which[part]) for part in self._parts]

    def _advance(self, which: NDArray[np.bool_] | None) -> None:
        chosen = self._chosen(which)
        if self._pool is None:
            self._advance_team(0, chosen[0])
        else:
            steps = [self._pool.submit(self._advance_team, i, worlds) for i, worlds in enumerate(chosen)]
            try:
                for step in steps:
                    step.result()
            finally:
                wait(steps)  # Ctrl-C must not leave one at work that the next call meets
        if (self.outcomes == OVERFLOWED).any():
            raise overflow_error(int(self._terrain_of[np.flatnonzero(self.outcomes == OVERFLOWED)[0]]))
        if (self.outcomes == SPUN).any():
            raise InputError(
                f"walker {np.flatnonzero(self.outcomes == SPUN)[0]} has turned by more than {_MOST_TURN:.0f} rad in "
                f"one episode, which the engine simd cannot follow: reset it before, or use the engine box2d"
            )

    def _advance_team(self, i: int, worlds: NDArray[np.int64]) -> None:
        check_subnormals()
        part = self._parts[i]
        advance(
            self._teams[i],
            worlds,
            self._terrain_of[part],
            self._course,
            self._actions[part],
            self._max_steps,
            self.observations[part],
            self.rewards[part],
            self.outcomes[part],
            self.num_steps[part],
        )
