"""Episodes as threads of a GPU run them: one walker each, a round of some steps at a time.

Between rounds, walkers whose episodes are over are given the next ones (``assign``), and their thetas are made
(``make_theta``). Who is given what changes no bit of an episode. All that is here is compiled for the CPU too, where
tests run it.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agents.policy import forward_column
from agents.strategies.normal import normal_from_word
from environments.compiled import thread_kernel
from environments.physics.course import rows_of
from environments.physics.step import drive, start_world
from environments.physics.thread_step import step_world
from environments.streams import WORDS_PER_BLOCK, philox4x32
from environments.walker.ending import GOES_ON
from environments.walker.judge import judge_world
from environments.walker.spec import NUM_JOINTS, OBSERVATION_SIZE

_MASK, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
#: In ``Walkers.episode``: the walker has none, and waits for the next.
FREE = -1


class Walkers(NamedTuple):
    """What N walkers keep from round to round; the last axis is theirs, so that neighbours read neighbouring memory.

    Attributes:
        state: (WORLD_SIZE * N,) float32, see ``physics.layout``.
        theta: (P, N) float32, of each walker's episode.
        observations: (24, N) float32.
        shaping, totals: (N,) float64, of the latest step, and the return so far.
        num_steps: (N,) int64, -1 before the reset's step.
        episode: (N,) int64, which one a walker runs, or FREE.
        is_new: (N,) int64, 1 for an episode that begins with the next round.
    """

    state: NDArray[np.float32]
    theta: NDArray[np.float32]
    observations: NDArray[np.float32]
    shaping: NDArray[np.float64]
    totals: NDArray[np.float64]
    num_steps: NDArray[np.int64]
    episode: NDArray[np.int64]
    is_new: NDArray[np.int64]


class Episodes(NamedTuple):
    """What is to be run, and what came of it.

    Attributes:
        terrain_index: (B,) int64, which terrain of a ``Course`` an episode is on.
        sample: (B,) int64, which of S samples the theta of an episode belongs to.
        direction: (B,) int64, which of the sample's perturbations it has.
        sign: (B,) int64: 1 or -1, what the perturbation is multiplied by; 0 for the centre as it is.
        centre: (S, P) float32, of each sample, those with perturbations first.
        scale, words: (S', P) float32 and (S', 4) uint64, of those with perturbations, see ``Perturbations``.
        layer_sizes: (L + 1,) int64, of the policy.
        returns, lengths, outcomes: (B,) float64, int32 and int8, written as episodes end.
    """

    terrain_index: NDArray[np.int64]
    sample: NDArray[np.int64]
    direction: NDArray[np.int64]
    sign: NDArray[np.int64]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    words: NDArray[np.uint64]
    layer_sizes: NDArray[np.int64]
    returns: NDArray[np.float64]
    lengths: NDArray[np.int32]
    outcomes: NDArray[np.int8]

    def part(self, start: int, stop: int) -> Self:
        """Episodes start..stop-1, with the samples that they need."""
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


class Memory(NamedTuple):
    """What one thread works in; nothing in it outlives a step but the observation.

    Attributes:
        m, slots, num_slots, members: see ``thread_step.step_world``.
        readings, rays: see ``judge_world``.
        observation: (24,) float32.
        actions: (1, 4) float32.
        hidden: (2, widest layer) float32.
    """

    m: NDArray[np.float32]
    slots: NDArray[np.float32]
    num_slots: NDArray[np.int64]
    members: NDArray[np.int64]
    readings: NDArray[np.float32]
    rays: NDArray[np.float32]
    observation: NDArray[np.float32]
    actions: NDArray[np.float32]
    hidden: NDArray[np.float32]


@thread_kernel
def assign(walker, walkers, episodes, place):  # type: ignore[no-untyped-def]
    """Give a walker that is free an episode, if there is one left.

    Args:
        walker: which.
        walkers, episodes: see above.
        place: the next number of a count from 0; no two walkers are given the same.
    """
    if place < episodes.sample.size:
        walkers.episode[walker], walkers.is_new[walker] = place, 1


@thread_kernel
def make_theta(walker, block, walkers, episodes):  # type: ignore[no-untyped-def]
    """Make parameters 4 * block to 4 * block + 3 of the theta of a walker's episode, as ``Perturbations`` does."""
    episode = walkers.episode[walker]
    sample, sign = episodes.sample[episode], episodes.sign[episode]
    num = episodes.centre.shape[1]
    first, last = WORDS_PER_BLOCK * block, min(WORDS_PER_BLOCK * block + WORDS_PER_BLOCK, num)
    if sign == 0:
        for parameter in range(first, last):
            walkers.theta[parameter, walker] = episodes.centre[sample, parameter]
        return
    index = np.uint64(episodes.direction[episode] * ((num + WORDS_PER_BLOCK - 1) // WORDS_PER_BLOCK) + block)
    c2, c3, k0, k1 = episodes.words[sample]
    words = philox4x32(index & _MASK, index >> _SHIFT, c2, c3, k0, k1)
    for parameter in range(first, last):
        moved = episodes.scale[sample, parameter] * np.float32(normal_from_word(words[parameter - first]))
        centre = episodes.centre[sample, parameter]
        walkers.theta[parameter, walker] = centre + moved if sign > 0 else centre - moved


@thread_kernel
def run_round(walker, walkers, episodes, course, max_steps, most_steps, memory):  # type: ignore[no-untyped-def]
    """Let a walker take up to ``most_steps`` steps, or to the end of its episode.

    Args:
        walker: which.
        walkers, episodes: see above.
        course: a ``Course``.
        max_steps: control steps after which an episode is TIMEOUT.
        most_steps: of the round.
        memory: a ``Memory`` of this thread's own.

    Returns:
        How many steps it took, the reset's included.
    """
    episode = walkers.episode[walker]
    if episode == FREE:
        return 0
    num_walkers = walkers.episode.size
    terrain = episodes.terrain_index[episode]
    edges, polygons = rows_of(course, terrain)
    if walkers.is_new[walker]:
        start_world(walkers.state, walker, num_walkers, course.push[terrain], edges, polygons)
        walkers.is_new[walker], walkers.num_steps[walker] = 0, -1
        walkers.shaping[walker] = walkers.totals[walker] = 0.0
    shaping, total, num_steps = walkers.shaping[walker], walkers.totals[walker], walkers.num_steps[walker]
    for i in range(OBSERVATION_SIZE):
        memory.observation[i] = walkers.observations[i, walker]
    outcome, num_taken = GOES_ON, 0
    while outcome == GOES_ON and num_taken < most_steps:
        if num_steps < 0:
            for joint in range(NUM_JOINTS):
                memory.actions[0, joint] = 0.0
        else:
            forward_column(
                walkers.theta, walker, episodes.layer_sizes, memory.observation, memory.actions[0], memory.hidden
            )
        drive(walkers.state, walker, num_walkers, memory.actions, 0)
        step_world(
            walkers.state, walker, num_walkers, edges, polygons,
            memory.m, memory.slots, memory.num_slots, memory.members,
        )  # fmt: skip
        num_steps += 1
        num_taken += 1
        reward, shaping, outcome = judge_world(
            walkers.state, walker, num_walkers, edges, polygons, memory.actions[0], shaping, num_steps, max_steps,
            memory.readings, memory.rays, memory.observation,
        )  # fmt: skip
        total += reward
    for i in range(OBSERVATION_SIZE):
        walkers.observations[i, walker] = memory.observation[i]
    walkers.shaping[walker], walkers.totals[walker], walkers.num_steps[walker] = shaping, total, num_steps
    if outcome != GOES_ON:
        episodes.returns[episode], episodes.lengths[episode] = total, num_steps
        episodes.outcomes[episode] = outcome
        walkers.episode[walker] = FREE
    return num_taken
