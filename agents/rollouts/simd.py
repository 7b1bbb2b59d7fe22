"""Episodes in our own physics, policy and all in one kernel: each thread keeps a team of walkers busy to the end.

A walker whose episode is over makes room for the next one in the queue, so that the lanes stay full. Who walks beside
whom changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.policies.kernels import act_policy, begin_policy
from agents.rollouts.base import OnProgress
from agents.rollouts.checks import check_rows
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.biped import NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import HAS_TICKS, fetch_and_add, kernel, kernel_template, ticks
from environments.errors import InputError
from environments.physics.course import Course
from environments.physics.stages import IS_DETAILED, NAMES, NUM_STAGES, POLICY, REST, charge
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON
from environments.walker.simd import Team, advance, start

#: Walkers of a team: enough of each kind to fill packs with, few enough that thetas and states stay in the cache.
TEAM_SIZE = 512
_SECONDS_BETWEEN_REPORTS = 0.2


@exact
def run_episodes(
    policy: AbstractPolicy,
    theta: NDArray[np.float32],
    terrains: Sequence[Terrain],
    terrain_index: NDArray[np.int64],
    max_steps: int,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    spent: NDArray[np.int64] | None = None,
) -> RolloutResult:
    """One episode for each row of theta.

    Args:
        policy, theta, terrains, terrain_index, max_steps: see ``box2d.run_episodes``.
        threads, on_progress: see ``AbstractEngine.run``.
        spent: ticks by stage are added to it, see ``environments.physics.stages``; with one thread.

    Raises:
        InputError: theta has another shape, or there is no such terrain.
    """
    check_rows(policy, theta, terrains, terrain_index)
    num = theta.shape[0]
    result = RolloutResult(np.full(num, np.nan), np.zeros(num, np.int32), np.full(num, GOES_ON, np.int8))
    if num == 0:
        return result
    course = Course.of(terrains)
    queue, stop = np.zeros(1, np.int64), np.ones(1, np.bool_)
    shape = np.array(policy.shape, np.int64)
    run_its_team = run_team.calling(begin_policy=policy.kernels.begin, act_policy=policy.kernels.act_row)
    # Numba would compile all anew for arrays that are read-only.
    theta, terrain_index = np.require(theta, None, ["C", "W"]), np.require(terrain_index, np.int64, ["C", "W"])

    @exact
    def work() -> None:
        team_size = min(TEAM_SIZE, -(-num // threads))
        team, roster = Team.of(team_size), _Roster.of(team_size, policy.state_size)
        scratch = np.zeros(policy.scratch_shape, np.float32)
        if spent is not None:
            team.scratch.spent[IS_DETAILED] = 1
        run_its_team(
            queue, stop, theta, shape, terrain_index, course, max_steps, team, roster, scratch,
            result.returns, result.lengths, result.outcomes,
        )  # fmt: skip
        if spent is not None:
            np.add(spent, team.scratch.spent, out=spent)

    work()  # stopped before it begins, but compiled, or loaded: here, where Ctrl-C ends it, and not in every thread
    stop[0] = False
    with ThreadPoolExecutor(threads) as pool:
        try:
            workers = [pool.submit(work) for _ in range(min(threads, num))]
            _watch(workers, result, on_progress)
        finally:
            # Ctrl-C, or a caller that wants no more: the threads end with the step they are in.
            stop[0] = True
    finish_in_box2d(policy, lambda rows: theta[rows], terrains, terrain_index, max_steps, result, on_progress)
    return result


def finish_in_box2d(
    policy: AbstractPolicy,
    theta_of: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    terrains: Sequence[Terrain],
    terrain_index: NDArray[np.int64],
    max_steps: int,
    result: RolloutResult,
    on_progress: OnProgress | None = None,
) -> None:
    """Run the episodes anew that our engine gave up, see ``judge_world``; the bits are the same.

    Walkers that fly head over heels for half a minute are next to none, and so are grounds as dense as that.

    Args:
        policy, terrains, terrain_index, max_steps: of all episodes, see ``box2d.run_episodes``.
        theta_of: gives the thetas of some rows.
        result: of all episodes; rows that were given up are overwritten.
        on_progress: see ``AbstractEngine.run``; the other episodes count as done.

    Raises:
        InputError: there is such an episode, and Box2D cannot be imported.
    """
    rows = np.flatnonzero(result.outcomes < GOES_ON)
    if not rows.size:
        return
    from agents.rollouts import box2d  # nothing else here needs Box2D

    num_done, num_steps = _done(result)

    def go_on(num_more: int, steps_more: int) -> None:
        if on_progress is not None:
            on_progress(num_done + num_more, num_steps + steps_more)

    anew = box2d.run_episodes(policy, theta_of(rows), terrains, terrain_index[rows], max_steps, on_progress=go_on)
    result.returns[rows], result.lengths[rows], result.outcomes[rows] = anew.returns, anew.lengths, anew.outcomes


def prepare(policy: AbstractPolicy) -> None:
    """Compile what episodes of a policy need, or load it from the disk cache, in the calling thread."""
    theta = np.zeros((1, policy.num_parameters), np.float32)
    ground, step = np.array([[0, 0], [9, 0]], np.float32), np.array([[7, 0], [8, 0], [8, 1]], np.float32)
    run_episodes(policy, theta, (Terrain(ground, (step,)),), np.zeros(1, np.int64), max_steps=1)


def stage_shares(
    policy: AbstractPolicy,
    theta: NDArray[np.float32],
    terrains: Sequence[Terrain],
    terrain_index: NDArray[np.int64],
    max_steps: int,
) -> dict[str, float]:
    """Which part of one thread's time each stage takes in these episodes; "rest" has what no stage was charged with.

    Arguments are those of ``run_episodes``.

    Raises:
        InputError: this processor's clock cannot be read; or as ``run_episodes``.
    """
    if not HAS_TICKS:
        raise InputError("stages are timed on x86-64 processors only")
    prepare(policy)
    spent = np.zeros(NUM_STAGES + 1, np.int64)
    began = _now()
    run_episodes(policy, theta, terrains, terrain_index, max_steps, spent=spent)
    all_ticks = int(_now() - began)
    known = {name: int(spent[i]) for i, name in enumerate(NAMES) if i != REST}
    known["rest"] = all_ticks - sum(known.values())
    return {name: num / all_ticks for name, num in known.items()}


@kernel
def _now():  # type: ignore[no-untyped-def]
    return ticks()


def _watch(workers: list[Future[None]], result: RolloutResult, on_progress: OnProgress | None) -> None:
    """Wait for the threads, telling from time to time how far they are."""
    running = set(workers)
    while running:
        done, running = wait(running, timeout=_SECONDS_BETWEEN_REPORTS)
        for worker in done:
            worker.result()
        if on_progress is not None:
            on_progress(*_done(result))


def _done(result: RolloutResult) -> tuple[int, int]:
    """Episodes that are over, those not that were given up, and their steps."""
    is_over = result.outcomes > GOES_ON
    return int(np.count_nonzero(is_over)), int(result.lengths[is_over].sum())


class _Roster(NamedTuple):
    """Who is who in a team of W walkers.

    Attributes:
        worlds: (W,) int64: the worlds at work, then the free ones.
        episodes, terrain_of: (W,) int64, of each world.
        actions: (W, 4), observations: (W, 24), states: (W, S) of the policy, float32; rewards, totals: (W,) float64;
            ends: int8; num_steps: int32.
    """

    worlds: NDArray[np.int64]
    episodes: NDArray[np.int64]
    terrain_of: NDArray[np.int64]
    actions: NDArray[np.float32]
    observations: NDArray[np.float32]
    states: NDArray[np.float32]
    rewards: NDArray[np.float64]
    totals: NDArray[np.float64]
    ends: NDArray[np.int8]
    num_steps: NDArray[np.int32]

    @classmethod
    def of(cls, num: int, state_size: int) -> Self:
        """A roster on which all worlds are free."""
        widths = (NUM_JOINTS, OBSERVATION_SIZE, state_size)
        actions, observations, states = (np.zeros((num, width), np.float32) for width in widths)
        numbers = (np.zeros(num), np.zeros(num), np.zeros(num, np.int8), np.zeros(num, np.int32))
        worlds, episodes, terrain_of = np.arange(num), np.zeros(num, np.int64), np.zeros(num, np.int64)
        return cls(worlds, episodes, terrain_of, actions, observations, states, *numbers)


@kernel_template
def run_team(  # type: ignore[no-untyped-def]
    queue, stop, theta, shape, terrain_index, course, max_steps, team, roster, scratch,
    returns, lengths, outcomes,
):  # fmt: skip
    """Take episodes from the queue until it is empty, and run them to their ends; with the kernels of a policy.

    Args:
        queue: (1,) int64, shared: the next episode.
        stop: (1,) bool, shared: end at once.
        theta, terrain_index: of all episodes; course: a ``Course``.
        shape: (K,) int64, the policy's.
        max_steps: control steps after which an episode is TIMEOUT.
        team, roster: of as many walkers as are kept busy.
        scratch: of the policy's ``scratch_shape``, float32.
        returns, lengths, outcomes: of all episodes, written as they end.
    """
    worlds, num_steps, ends = roster.worlds, roster.num_steps, roster.ends
    num, is_empty = 0, False
    while not stop[0]:
        while num < worlds.size and not is_empty:
            episode = fetch_and_add(queue, np.int64(1))
            if episode >= theta.shape[0]:
                is_empty = True
                break
            world = worlds[num]
            roster.episodes[world], roster.totals[world] = episode, 0.0
            roster.terrain_of[world] = terrain_index[episode]
            start(team, worlds[num : num + 1], roster.terrain_of, course, num_steps, ends)
            begin_policy(theta[episode], 0, 1, shape, roster.states[world], 0)
            num += 1
        if num == 0:
            return
        began = ticks()
        for world in worlds[:num]:
            if num_steps[world] >= 0:
                own_theta = theta[roster.episodes[world]]
                act_policy(
                    own_theta, 0, 1, shape, roster.observations[world], roster.states[world], 0, roster.actions[world],
                    scratch,
                )  # fmt: skip
        charge(team.scratch.spent, POLICY, began)
        advance(
            team, worlds[:num], roster.terrain_of, course, roster.actions, max_steps,
            roster.observations, roster.rewards, ends, num_steps,
        )  # fmt: skip
        for i in range(num - 1, -1, -1):
            world = worlds[i]
            roster.totals[world] += roster.rewards[world]
            if ends[world] != GOES_ON:
                episode = roster.episodes[world]
                returns[episode], lengths[episode] = roster.totals[world], num_steps[world]
                outcomes[episode] = ends[world]
                num -= 1
                worlds[i], worlds[num] = worlds[num], world
