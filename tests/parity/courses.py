"""Compare ``poet/BipedalWalker-v3`` and ``-Hardcore-v3`` with Gymnasium's own, seed by seed, bit for bit.

Of each seed and kind: the courses and pushes of three resets in a row, of which only the first has a seed; then an
episode of a random policy and one of the shipped walker. Exits with 0 only if every bit is the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from environments.machine import available_cores
from environments.signals import left_to_this_process
from environments.streams import Stream
from environments.terrain.bipedal_walker import draw_terrain
from environments.terrain.terrain import Terrain
from environments.walker.new_world import NewWorld
from environments.walker.registration import HARDCORE_ID, WALKER_ID, register_envs
from tests.parity.policies import POLICIES

register_envs()
#: Ours by theirs.
KINDS = {"BipedalWalker-v3": WALKER_ID, "BipedalWalkerHardcore-v3": HARDCORE_ID}
ACTORS = ("random actions", "shipped walker")
_NUM_RESETS = 3
_BATCH_SIZE = 5


def course_differences(kind: str, seed: int) -> list[str]:
    """What differs in the courses, the pushes and the generator of a few resets in a row."""
    theirs: Any = gymnasium.make(kind).unwrapped
    generator, _ = seeding.np_random(seed)
    found = []
    for i in range(_NUM_RESETS):
        theirs.reset(seed=None if i else seed)
        ours = draw_terrain(generator, theirs.hardcore)
        if ours != Terrain.from_gymnasium(theirs):
            found.append(f"{kind}, seed {seed}: the course of reset {i} differs")
        if generator.bit_generator.state != theirs.np_random.bit_generator.state:
            found.append(f"{kind}, seed {seed}: reset {i} leaves another state of the generator")
    return found


def episode_differences(kind: str, seed: int, actor: str, num_episodes: int = 1) -> list[str]:
    """The first difference in episodes in a row, as ``gymnasium.make`` makes the envs; empty if there is none."""
    env = NewWorld(gymnasium.make(kind))
    ours: Any = gymnasium.make(KINDS[kind])
    act = POLICIES[actor].make(Stream(seed, "parity of courses"))
    for episode in range(num_episodes):
        expected, found = (one.reset(seed=None if episode else seed) for one in (env, ours))
        observation, step, is_over = expected[0], 0, False
        if _bits(expected) != _bits(found):
            return [f"{kind}, seed {seed}, {actor}: reset {episode} expected {expected}, found {found}"]
        while not is_over:
            action = act(observation)
            expected, found = env.step(action), ours.step(action)
            observation, step, is_over = expected[0], step + 1, expected[2] or expected[3]
            if _bits(expected) != _bits(found):
                return [f"{kind}, seed {seed}, {actor}: step {step} of episode {episode}, {expected}, {found}"]
    return []


def _bits(result: tuple[NDArray[np.float32], *tuple[Any, ...]]) -> tuple[Any, ...]:
    observation, *rest = result
    return observation.dtype, observation.tobytes(), *rest


def differences(seeds: Sequence[int]) -> list[str]:
    """All that differs, of both kinds."""
    found = []
    for kind in KINDS:
        for seed in seeds:
            found += course_differences(kind, seed)
            for actor in ACTORS:
                found += episode_differences(kind, seed, actor)
    return found


def _in_processes(seeds: Sequence[int], workers: int) -> Iterator[tuple[Sequence[int], list[str]]]:
    batches = [seeds[first : first + _BATCH_SIZE] for first in range(0, len(seeds), _BATCH_SIZE)]
    with left_to_this_process(), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from zip(batches, pool.map(differences, batches), strict=True)


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity.courses", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many, from 0 on (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes (default: one a core)")
    chosen = parser.parse_args()
    num_alike = 0
    for seeds, found in _in_processes(range(chosen.seeds), chosen.workers):
        for sentence in found:
            print(f"  {sentence}")
        num_alike += not found and len(seeds)
        print(f"  seeds up to {seeds[-1]}: {'identical' if not found else 'DIFFER'}", flush=True)
    print(f"Gymnasium's courses and walkers: {num_alike} of {chosen.seeds} seeds of both kinds identical to the bit")
    return 0 if num_alike == chosen.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
