"""Episodes on GPU threads: one walker per thread, one part of a step at a time.

All walkers finish one part, from ``act`` to ``judge``, before the next part begins. In some parts a few walkers take
much longer, so these are listed and gathered into separate warps (``solve_late``, ``solve_found``). Between steps,
walkers whose episodes are over get the next ones (``assign``), and their thetas are made (``make_theta``). Which walker
runs which episode changes no bit of it. All of this is also compiled for the CPU, where tests run it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agents.policies.kernels import PolicyKernels, act_policy, begin_policy
from agents.strategies.normal import normal_from_word
from environments.biped import NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import thread_kernel, thread_kernel_template
from environments.physics.constants import TOUCHING_CAPACITY
from environments.physics.contacts import collide
from environments.physics.course import rows_of
from environments.physics.impact import next_island
from environments.physics.layout import WORLD_SIZE
from environments.physics.step import drive, start_world
from environments.physics.thread_step import bin_of, look_ahead, solve_island, solve_late_world, solve_world
from environments.streams import WORDS_PER_BLOCK, philox4x32
from environments.walker.ending import GOES_ON
from environments.walker.judge import judge_world

_MASK, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
#: In ``Walkers.episode``: the walker has no episode and waits for the next one.
FREE = -1
#: How many worlds store a field side by side: as many as a warp has threads, so that a warp reads a field at once. As
#: this is a constant, so are the distances between a world's fields, and no address has to be computed.
GROUP = 32
#: Numbers in ``Walkers.islands``.
ISLAND_SIZE = 2 + TOUCHING_CAPACITY


class Walkers(NamedTuple):
    """What N walkers keep from part to part. In groups of GROUP walkers, a field of all walkers is stored together.

    Attributes:
        state: (grouped_size(WORLD_SIZE, N),) float32, see ``physics.layout``.
        theta, observations, actions: float32, grouped like ``state``, with P, 24 and 4 fields.
        policy_state: (groups, S * GROUP) float32, the policy's state, one row per group of walkers.
        shaping, totals: (N,) float64, the shaping of the latest step, and the return so far.
        num_steps: (N,) int64, -1 before the reset's step.
        episode: (N,) int64, the episode that a walker runs, or FREE.
        is_new: (N,) int64, 1 if the episode begins with the next step.
        moves: (N,) int64, bits of the bodies that have left their fat boxes in this step.
        islands: (grouped_size(ISLAND_SIZE, N),) int64, the next impact: the number of contacts, the body, the contacts.
        alphas: (N,) float32, the time of that impact, as a fraction 0..1 of the step.
    """

    state: NDArray[np.float32]
    theta: NDArray[np.float32]
    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    policy_state: NDArray[np.float32]
    shaping: NDArray[np.float64]
    totals: NDArray[np.float64]
    num_steps: NDArray[np.int64]
    episode: NDArray[np.int64]
    is_new: NDArray[np.int64]
    moves: NDArray[np.int64]
    islands: NDArray[np.int64]
    alphas: NDArray[np.float32]


class Episodes(NamedTuple):
    """Episodes to run, and their results.

    Attributes:
        terrain_index: (B,) int64, the terrain of a ``Course`` that an episode is on.
        sample: (B,) int64, which of the S samples an episode's theta belongs to.
        direction: (B,) int64, which of the sample's perturbations it has.
        sign: (B,) int64, 1 or -1, the sign of the perturbation; 0 for the centre itself.
        centre: (S, P) float32, of each sample; samples with perturbations come first.
        scale, words: (S', P) float32 and (S', 4) uint64, of samples with perturbations, see ``Perturbations``.
        policy_shape: (K,) int64, the policy's ``shape``.
        returns, lengths, outcomes: (B,) float64, int32 and int8, written as episodes end.
    """

    terrain_index: NDArray[np.int64]
    sample: NDArray[np.int64]
    direction: NDArray[np.int64]
    sign: NDArray[np.int64]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    words: NDArray[np.uint64]
    policy_shape: NDArray[np.int64]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int32]
    outcomes: NDArray[np.int8]

    def part(self, start: int, stop: int) -> Self:
        """Episodes start..stop-1, and only the samples that they need."""
        used, sample = np.unique(self.sample[start:stop], return_inverse=True)
        perturbed = used[used < len(self.scale)]
        return self._replace(
            sample=sample.astype(np.int64),
            centre=self.centre[used],
            scale=self.scale[perturbed],
            words=self.words[perturbed],
            **{name: getattr(self, name)[start:stop] for name in _OF_EPISODES},
        )


_OF_EPISODES = ("terrain_index", "direction", "sign", "returns", "lengths", "outcomes")


def grouped_size(num_fields: int, num: int) -> int:
    """The size of an array for the fields of ``num`` walkers, rounded up to whole groups."""
    return -(-num // GROUP) * GROUP * num_fields


@thread_kernel
def place_in_group(walker, num_fields):  # type: ignore[no-untyped-def]
    """The index of a walker's first field; the others follow at distances of GROUP."""
    return walker // GROUP * (GROUP * num_fields) + walker % GROUP


@thread_kernel
def assign(walker, walkers, episodes, place):  # type: ignore[no-untyped-def]
    """Give a free walker an episode, if there is one left.

    Args:
        walker: its index.
        walkers, episodes: see above.
        place: the next number of a counter from 0; no two walkers get the same one.
    """
    if place < episodes.sample.size:
        walkers.episode[walker], walkers.is_new[walker] = place, 1


@thread_kernel
def make_theta(walker, block, walkers, episodes):  # type: ignore[no-untyped-def]
    """Make parameters 4 * block to 4 * block + 3 of the theta for a walker's episode, as ``Perturbations`` does."""
    episode = walkers.episode[walker]
    sample, sign = episodes.sample[episode], episodes.sign[episode]
    num = episodes.centre.shape[1]
    at = place_in_group(walker, num)
    first, last = WORDS_PER_BLOCK * block, min(WORDS_PER_BLOCK * block + WORDS_PER_BLOCK, num)
    if sign == 0:
        for parameter in range(first, last):
            walkers.theta[at + parameter * GROUP] = episodes.centre[sample, parameter]
        return
    index = np.uint64(episodes.direction[episode] * ((num + WORDS_PER_BLOCK - 1) // WORDS_PER_BLOCK) + block)
    c2, c3, k0, k1 = episodes.words[sample]
    words = philox4x32(index & _MASK, index >> _SHIFT, c2, c3, k0, k1)
    for parameter in range(first, last):
        moved = episodes.scale[sample, parameter] * np.float32(normal_from_word(words[parameter - first]))
        centre = episodes.centre[sample, parameter]
        walkers.theta[at + parameter * GROUP] = centre + moved if sign > 0 else centre - moved


@thread_kernel_template
def act(walker, walkers, episodes, course, observation, actions, scratch):  # type: ignore[no-untyped-def]
    """Begin a step: let the policy act on the last observation, and set the motors.

    A new episode is set up first, and its first action is zero.

    This is a template: ``act_of`` fills in the kernels of a policy.

    Args:
        walker: its index. Here and below, it must have an episode.
        walkers, episodes: see above.
        course: a ``Course``.
        observation, actions: (24,) and (1, 4) float32, scratch.
        scratch: float32 of the policy's ``scratch_shape``.
    """
    episode, at = walkers.episode[walker], place_in_group(walker, WORLD_SIZE)
    theta_at = place_in_group(walker, episodes.centre.shape[1])
    state, state_at = walkers.policy_state[walker // GROUP], walker % GROUP
    if walkers.is_new[walker]:
        terrain = episodes.terrain_index[episode]
        edges, polygons = rows_of(course, terrain)
        start_world(walkers.state, at, GROUP, course.push[terrain], edges, polygons)
        walkers.is_new[walker], walkers.num_steps[walker] = 0, -1
        walkers.shaping[walker] = walkers.totals[walker] = 0.0
        for joint in range(NUM_JOINTS):
            actions[0, joint] = 0.0
        begin_policy(walkers.theta, theta_at, GROUP, episodes.policy_shape, state, state_at)
    else:
        observations_at = place_in_group(walker, OBSERVATION_SIZE)
        for i in range(OBSERVATION_SIZE):
            observation[i] = walkers.observations[observations_at + i * GROUP]
        act_policy(
            walkers.theta, theta_at, GROUP, episodes.policy_shape, observation, state, state_at, actions[0], scratch
        )  # fmt: skip
    drive(walkers.state, at, GROUP, actions, 0)
    actions_at = place_in_group(walker, NUM_JOINTS)
    for joint in range(NUM_JOINTS):
        walkers.actions[actions_at + joint * GROUP] = actions[0, joint]


def act_of(kernels: PolicyKernels) -> Callable[..., None]:
    """``act`` with the kernels of a policy."""
    return act.calling(begin_policy=kernels.begin, act_policy=kernels.act)


@thread_kernel
def meet(walker, walkers, episodes, course):  # type: ignore[no-untyped-def]
    """Find the shapes that touch. Returns the walker's ``bin_of``."""
    edges, polygons = rows_of(course, episodes.terrain_index[walkers.episode[walker]])
    at = place_in_group(walker, WORLD_SIZE)
    collide(walkers.state, at, GROUP, edges, polygons)
    return bin_of(walkers.state, at, GROUP)


@thread_kernel
def solve(walker, walkers, m, slots, num_slots):  # type: ignore[no-untyped-def]
    """Simulate 1/50 s. Returns whether positions are solved; if not, the walker is late. See ``solve_world``."""
    at = place_in_group(walker, WORLD_SIZE)
    is_solved, walkers.moves[walker] = solve_world(walkers.state, at, GROUP, m, slots, num_slots)
    return is_solved


@thread_kernel
def solve_late(walker, walkers, m, slots, num_slots):  # type: ignore[no-untyped-def]
    """Finish ``solve`` for a walker that is late."""
    at = place_in_group(walker, WORLD_SIZE)
    walkers.moves[walker] = solve_late_world(walkers.state, at, GROUP, m, slots, num_slots)


@thread_kernel
def look(walker, walkers, episodes, course):  # type: ignore[no-untyped-def]
    """Whether the walker may have tunnelled through something in this step."""
    edges, polygons = rows_of(course, episodes.terrain_index[walkers.episode[walker]])
    at = place_in_group(walker, WORLD_SIZE)
    return look_ahead(walkers.state, at, GROUP, edges, polygons, walkers.moves[walker])


@thread_kernel
def find_island(walker, walkers, episodes, course, members):  # type: ignore[no-untyped-def]
    """Store the walker's next impact. Returns whether there is one.

    Args:
        walker, walkers, episodes, course: see ``act``.
        members: (TOUCHING_CAPACITY,) int64, scratch.
    """
    edges, polygons = rows_of(course, episodes.terrain_index[walkers.episode[walker]])
    num, body, walkers.alphas[walker] = next_island(
        walkers.state, place_in_group(walker, WORLD_SIZE), GROUP, edges, polygons, members
    )
    at = place_in_group(walker, ISLAND_SIZE)
    walkers.islands[at], walkers.islands[at + GROUP] = num, body
    for k in range(num):
        walkers.islands[at + (2 + k) * GROUP] = members[k]
    return num > 0


@thread_kernel
def solve_found(walker, walkers, episodes, course, slots, members):  # type: ignore[no-untyped-def]
    """Handle the impact that ``find_island`` found. For ``slots`` see ``solve_island``, else ``find_island``."""
    edges, polygons = rows_of(course, episodes.terrain_index[walkers.episode[walker]])
    at = place_in_group(walker, ISLAND_SIZE)
    num, body = walkers.islands[at], walkers.islands[at + GROUP]
    for k in range(num):
        members[k] = walkers.islands[at + (2 + k) * GROUP]
    solve_island(
        walkers.state, place_in_group(walker, WORLD_SIZE), GROUP, edges, polygons, slots, members,
        num, body, walkers.alphas[walker],
    )  # fmt: skip


@thread_kernel
def judge(walker, walkers, episodes, course, max_steps, action, readings, rays, observation):  # type: ignore[no-untyped-def]
    """End a step: observe, add up the reward, and end the episode if it is over.

    Args:
        walker, walkers, episodes, course: see ``act``.
        max_steps: control steps after which an episode ends with TIMEOUT.
        action, observation: (4,) and (24,) float32, scratch.
        readings, rays: see ``judge_world``; scratch.

    Returns:
        The number of steps in the episode, without the reset's, if it is over; -1 if it goes on.
    """
    episode = walkers.episode[walker]
    edges, polygons = rows_of(course, episodes.terrain_index[episode])
    actions_at, observations_at = place_in_group(walker, NUM_JOINTS), place_in_group(walker, OBSERVATION_SIZE)
    for joint in range(NUM_JOINTS):
        action[joint] = walkers.actions[actions_at + joint * GROUP]
    num_steps = walkers.num_steps[walker] + 1
    reward, walkers.shaping[walker], outcome = judge_world(
        walkers.state, place_in_group(walker, WORLD_SIZE), GROUP, edges, polygons, action, walkers.shaping[walker],
        num_steps, max_steps, readings, rays, observation,
    )  # fmt: skip
    total = walkers.totals[walker] + reward
    if outcome == GOES_ON:
        walkers.num_steps[walker], walkers.totals[walker] = num_steps, total
        for i in range(OBSERVATION_SIZE):
            walkers.observations[observations_at + i * GROUP] = observation[i]
        return -1
    episodes.returns[episode], episodes.lengths[episode], episodes.outcomes[episode] = total, num_steps, outcome
    walkers.episode[walker] = FREE
    return num_steps
