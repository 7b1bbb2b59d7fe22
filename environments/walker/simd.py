"""Walkers in our own physics, many at a time: bit for bit what ``box2d.py`` gives.

A team is the memory in which one thread steps its worlds; teams share nothing that is written, so threads need no lock.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from environments.compiled import kernel, ticks
from environments.copying import CopiedWhole
from environments.errors import InputError
from environments.machine import check_memory, check_subnormals
from environments.physics import layout
from environments.physics.constants import CONTACT_CAPACITY, TOUCHING_CAPACITY
from environments.physics.course import Course, rows_of
from environments.physics.lidar import RAYS_SIZE
from environments.physics.stages import LIDAR, REST, charge
from environments.physics.step import Scratch, drive, start_world, step_worlds
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON
from environments.walker.judge import MOST_TURN, NUM_READINGS, OVERFLOWED, SPUN, STATE_FIELDS, judge_world
from environments.walker.spec import NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE

#: Worlds below which a second thread is not worth its while.
_WORLDS_PER_THREAD = 16


class Team(NamedTuple):
    """Memory for the worlds of one thread.

    Attributes:
        state: (W * WORLD_SIZE,) float32, see ``physics.layout``.
        shaping: (W,) float64, of the latest step.
        scratch: of ``step_worlds``.
        readings, rays: (16,) and (RAYS_SIZE,) float32, what ``judge_world`` overwrites.
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
        readings, rays = np.zeros(NUM_READINGS, np.float32), np.zeros(RAYS_SIZE, np.float32)
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
        num_steps[world] += 1
        edges, polygons = rows_of(course, terrain_of[world])
        rewards[world], team.shaping[world], outcomes[world] = judge_world(
            state,
            world * layout.WORLD_SIZE,
            1,
            edges,
            polygons,
            actions[world],
            team.shaping[world],
            np.int64(num_steps[world]),
            max_steps,
            team.readings,
            team.rays,
            observations[world],
        )
    charge(spent, LIDAR, began)


def overflow_error(terrain: int) -> InputError:
    """What is said when a world has more contacts than fit."""
    return InputError(
        f"terrain {terrain} gives the walker more than {CONTACT_CAPACITY} contacts at once, or one body more than "
        f"{TOUCHING_CAPACITY} that touch: make its vertices less dense, or use the engine box2d"
    )


class SimdWorlds(CopiedWhole):
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
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        # Nobody moves, but the kernel is compiled, or loaded: here, where Ctrl-C ends it, and not in every thread.
        self._advance_team(0, np.zeros(0, np.int64))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
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
        places = layout.BODY + layout.BODY_SIZE * np.arange(NUM_BODIES)[:, None] + STATE_FIELDS
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
        if len(chosen) == 1:
            self._advance_team(0, chosen[0])
        else:
            steps = [self._threads().submit(self._advance_team, i, worlds) for i, worlds in enumerate(chosen)]
            try:
                for step in steps:
                    step.result()
            finally:
                wait(steps)  # Ctrl-C must not leave one at work that the next call meets
        if (self.outcomes == OVERFLOWED).any():
            raise overflow_error(int(self._terrain_of[np.flatnonzero(self.outcomes == OVERFLOWED)[0]]))
        if (self.outcomes == SPUN).any():
            raise InputError(
                f"walker {np.flatnonzero(self.outcomes == SPUN)[0]} has turned by more than {MOST_TURN:.0f} rad in "
                f"one episode, which the engine simd cannot follow: reset it before, or use the engine box2d"
            )

    def _threads(self) -> ThreadPoolExecutor:
        """Those of this process: a copy has none yet, and those of a parent have not come along into a forked child."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(len(self._teams))
        return self._pool[1]

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
