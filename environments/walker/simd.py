"""Walkers in our own physics, many at a time: bit for bit what ``box2d.py`` gives.

A team is the memory in which one thread steps its worlds; teams share nothing that is written, so threads need no lock.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from environments.arithmetic import exact
from environments.biped import MAX_STEPS, NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import kernel, ticks
from environments.copying import CopiedWhole
from environments.machine import check_memory
from environments.physics import layout
from environments.physics.course import Course, rows_of
from environments.physics.lidar import RAYS_SIZE
from environments.physics.stages import LIDAR, REST, charge
from environments.physics.step import Scratch, drive, start_world, step_worlds
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON
from environments.walker.judge import NUM_READINGS, STATE_FIELDS, judge_world
from environments.walker.worlds import show

if TYPE_CHECKING:
    from environments.walker.episode import WalkerEpisode

#: With fewer worlds than this, a second thread does not pay.
_WORLDS_PER_THREAD = 16
#: Room for the actions of this many steps at first; it doubles when an episode gets there.
_STEPS_AT_FIRST = 256


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
        """A team of ``num_worlds``, in which no episode has begun."""
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


@kernel
def advance_and_note(  # type: ignore[no-untyped-def]
    team, worlds, terrain_of, course, actions, max_steps, observations, rewards, outcomes, num_steps, taken
):
    """``advance``, and record the actions, from which the episodes can be run again.

    Args:
        team, worlds, terrain_of, course, actions, max_steps, observations, rewards, outcomes, num_steps: see there.
        taken: (W, T, 4) float32, of each world and step of its episode, written; T is above all ``num_steps``.

    Returns:
        Whether our physics has given a world up.
    """
    for world in worlds:
        step = num_steps[world]
        if step >= 0:
            for joint in range(NUM_JOINTS):
                taken[world, step, joint] = actions[world, joint]
    advance(team, worlds, terrain_of, course, actions, max_steps, observations, rewards, outcomes, num_steps)
    has_given_up = False
    for world in worlds:
        has_given_up |= outcomes[world] < GOES_ON
    return has_given_up


class SimdWorlds(CopiedWhole):
    """``Worlds`` in our own physics; see ``worlds.make_worlds`` for the arguments.

    A world that our physics cannot follow, see ``judge_world``, goes on in Box2D until its next reset. Where Box2D
    cannot be imported, the call that finds such a world raises ``InputError``.
    """

    @exact
    def __init__(
        self, terrains: Sequence[Terrain], terrain_index: NDArray[np.int64], max_steps: int, threads: int
    ) -> None:
        self.num_worlds = num = len(terrain_index)
        check_memory(num, 4 * (layout.WORLD_SIZE + NUM_JOINTS * min(max_steps, MAX_STEPS)))
        self.observations = np.zeros((num, OBSERVATION_SIZE), np.float32)
        self.rewards = np.zeros(num)
        self.outcomes = np.zeros(num, np.int8)
        self.num_steps = np.zeros(num, np.int32)
        self._terrains = list(terrains)
        self._has_places = False  # of their own for the worlds, in the tables of the course
        self._course = Course.of(terrains)
        self._terrain_of = np.array(terrain_index, np.int64)
        self._max_steps = max_steps
        self._actions = np.zeros((num, NUM_JOINTS), np.float32)
        self._taken = np.zeros((num, min(max_steps, _STEPS_AT_FIRST), NUM_JOINTS), np.float32)
        self._most_steps = 0  # no world has taken more
        self._in_box2d: dict[int, WalkerEpisode] = {}
        num_teams = max(1, min(threads, num // _WORLDS_PER_THREAD))
        bounds = [num * i // num_teams for i in range(num_teams + 1)]
        self._parts = [slice(a, b) for a, b in pairwise(bounds)]
        self._teams = [Team.of(part.stop - part.start) for part in self._parts]
        self._everyone = [np.arange(part.stop - part.start) for part in self._parts]
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._bind()
        # Nothing moves, but the kernel is compiled or loaded here, where Ctrl-C can end it, and not in every thread.
        self._advance_team(0, np.zeros(0, np.int64))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None, "_bound": None, "_in_box2d": list(self._in_box2d)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bind()
        self._in_box2d = {i: self._in_box2d_anew(i)[0] for i in state["_in_box2d"]}
        self._advance_team(0, np.zeros(0, np.int64))

    def _bind(self) -> None:
        """Collect what each team's kernel is called with, anew whenever one of these arrays is another one.

        Views of arrays are made here and not in each step.
        """
        self._bound: list[tuple[Any, ...]] = [
            (
                self._terrain_of[part],
                self._course,
                self._actions[part],
                self._max_steps,
                self.observations[part],
                self.rewards[part],
                self.outcomes[part],
                self.num_steps[part],
                self._taken[part],
            )
            for part in self._parts
        ]

    @exact
    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
        self._most_steps = 0 if which is None else self._most_steps
        self._start(which)
        self._advance(which)

    @exact
    def step(
        self,
        actions: NDArray[np.float32],
        which: NDArray[np.bool_] | None = None,
        begun: NDArray[np.bool_] | None = None,
    ) -> None:
        """See ``Worlds``."""
        np.copyto(self._actions, actions)
        self._make_room()
        if begun is not None:
            self._start(begun)
        if self._in_box2d:
            which = self._step_in_box2d(actions, which)
        self._advance(which if begun is None or which is None else which | begun)

    def _start(self, which: NDArray[np.bool_] | None) -> None:
        """Let episodes begin with the next ``_advance``."""
        self._in_box2d = {} if which is None else {i: e for i, e in self._in_box2d.items() if not which[i]}
        for part, team, worlds in zip(self._parts, self._teams, self._chosen(which), strict=True):
            start(team, worlds, self._terrain_of[part], self._course, self.num_steps[part], self.outcomes[part])

    def _step_in_box2d(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Take a step in those of these worlds that our physics has given up. Returns the others."""
        is_ours = np.ones(self.num_worlds, np.bool_) if which is None else which.copy()
        for i, episode in self._in_box2d.items():
            if is_ours[i]:
                is_ours[i] = False
                self._taken[i, episode.num_steps] = actions[i]
                show(self, i, episode, episode.step(actions[i])[0])
        return is_ours

    @exact
    def set_terrain(self, i: int, terrain: Terrain) -> None:
        """See ``Worlds``."""
        if not self._has_places:
            self._terrains = [self._terrains[k] for k in self._terrain_of]
            self._terrain_of = np.arange(self.num_worlds)
            self._course = Course.with_places(self._terrains)
            self._has_places = True
            self._bind()
        self._terrains[i] = terrain
        if not self._course.put(i, terrain):
            self._course = Course.with_places(self._terrains)  # larger ones
            self._bind()

    def body_state(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        places = layout.BODY + layout.BODY_SIZE * np.arange(NUM_BODIES)[:, None] + STATE_FIELDS
        bodies = self._fields(places)
        for i, episode in self._in_box2d.items():
            bodies[i] = episode.world.body_state()
        return bodies

    @property
    def touching(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        flags = self._fields(np.array([layout.IS_TOUCHING_1, layout.IS_TOUCHING_2]))
        for i, episode in self._in_box2d.items():
            flags[i] = episode.world.touching
        return flags

    def _fields(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The numbers at these places of each world's memory."""
        return np.concatenate([team.state.reshape(-1, layout.WORLD_SIZE)[:, places] for team in self._teams])

    def _chosen(self, which: NDArray[np.bool_] | None) -> list[NDArray[np.int64]]:
        """The worlds of each team."""
        return self._everyone if which is None else [np.flatnonzero(which[part]) for part in self._parts]

    def _advance(self, which: NDArray[np.bool_] | None) -> None:
        chosen = self._chosen(which)
        if len(chosen) == 1:
            has_given_up = self._advance_team(0, chosen[0])
        else:
            steps = [self._threads().submit(self._advance_team, i, worlds) for i, worlds in enumerate(chosen)]
            try:
                has_given_up = max(step.result() for step in steps)
            finally:
                wait(steps)  # Ctrl-C must not leave a thread at work for the next call to meet
        if has_given_up:
            self._hand_over()

    def _threads(self) -> ThreadPoolExecutor:
        """The threads of this process: a copy has none yet, and a forked child does not inherit its parent's."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(len(self._teams))
        return self._pool[1]

    def _make_room(self) -> None:
        """Make room for one more action of each world."""
        if self._most_steps == self._taken.shape[1]:
            self._most_steps = int(self.num_steps.max())
        if self._most_steps == self._taken.shape[1]:
            self._taken = np.concatenate([self._taken, np.zeros_like(self._taken)], axis=1)
            self._bind()
        self._most_steps += 1

    def _hand_over(self) -> None:
        """Go on in Box2D with the episodes that our physics has given up."""
        for i in np.flatnonzero(self.outcomes < GOES_ON).tolist():
            self._in_box2d[i], reward = self._in_box2d_anew(i)
            show(self, i, self._in_box2d[i], reward)

    def _in_box2d_anew(self, i: int) -> tuple[WalkerEpisode, float]:
        """Replay a world's episode in Box2D, which gives the same bits. Returns it and its last reward."""
        from environments.walker.episode import WalkerEpisode  # nothing else here needs Box2D

        episode, reward = WalkerEpisode(self._terrains[self._terrain_of[i]], self._max_steps), 0.0
        for action in self._taken[i, : self.num_steps[i]]:
            reward, _ = episode.step(action)
        return episode, reward

    @exact
    def _advance_team(self, i: int, worlds: NDArray[np.int64]) -> bool:
        """Let some worlds of a team take a step. Returns whether our physics has given one of them up."""
        has_given_up: bool = advance_and_note(self._teams[i], worlds, *self._bound[i])
        return has_given_up
