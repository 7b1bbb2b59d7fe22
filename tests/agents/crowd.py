"""A thousand walkers of every kind and their results, for tests that walkers in a batch do not affect each other.

Run as a program it prints a digest of all that our engine computes for some of them; POET_LANES says in how many lanes.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from agents.rollouts import simd
from agents.rollouts.result import RolloutResult
from environments.biped import NUM_JOINTS
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.simd import SimdWorlds

NUM = 1000
#: Most episodes are over by then, at very different times.
MAX_STEPS = 60
POLICY = MLPPolicy()
#: In the probe and in tests that compare with single worlds.
NUM_FEW = 60


@cache
def terrains() -> tuple[Terrain, ...]:
    """Flat, rough, and with each kind of obstacle; a blow on some."""
    genotypes = (
        ObstacleGenotype(),
        ObstacleGenotype(roughness=6.0),
        ObstacleGenotype(roughness=2.0, stump_height=(0.2, 2.0)),
        ObstacleGenotype(stair_height=(0.2, 1.5), stair_steps=(1, 4), pit_gap=(0.5, 2.0)),
    )
    courses = [genotype.express(seed=seed) for seed, genotype in enumerate(genotypes)]
    # Moved to the left, so that the walker begins among the obstacles.
    moved = [
        Terrain(course.ground - shift, tuple(polygon - shift for polygon in course.obstacles), push)
        for course in courses
        for shift, push in ((np.array((9.0, 1.0), np.float32), 2000.0),)
    ]
    return (*courses, *moved)


def terrain_index() -> NDArray[np.int64]:
    """(NUM,) the terrain of each walker."""
    return np.arange(NUM) % len(terrains())


@cache
def thetas() -> NDArray[np.float32]:
    """(NUM, parameters), from thetas that hardly move to thetas that saturate."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(0.02, 2.0, NUM)[rng.permutation(NUM), np.newaxis]
    return (scales * rng.standard_normal((NUM, POLICY.num_parameters), np.float32)).astype(np.float32)


@cache
def actions() -> NDArray[np.float32]:
    """(MAX_STEPS, NUM, 4) actions, some of them out of bounds, each held for five steps."""
    drawn = np.random.default_rng(1).uniform(-1.2, 1.2, (MAX_STEPS // 5, NUM, NUM_JOINTS))
    return np.repeat(drawn, 5, axis=0).astype(np.float32)


def run(walkers: NDArray[np.int64], threads: int = 1, theta: NDArray[np.float32] | None = None) -> RolloutResult:
    """Whole episodes of these walkers in this order, with their own thetas unless others are given."""
    chosen = thetas()[walkers] if theta is None else theta
    return simd.run_episodes(POLICY, chosen, terrains(), terrain_index()[walkers], MAX_STEPS, threads)


def rows(result: RolloutResult) -> NDArray[np.float64]:
    """(N, 3) returns, lengths and outcomes."""
    return np.column_stack((result.returns, result.lengths, result.outcomes))


def make_worlds(walkers: NDArray[np.int64], threads: int = 1) -> SimdWorlds:
    """Fresh worlds of these walkers, which go on after a fall."""
    worlds = SimdWorlds(terrains(), terrain_index()[walkers], 10 * MAX_STEPS, threads)
    worlds.reset()
    return worlds


def sights(worlds: SimdWorlds) -> NDArray[np.float64]:
    """(N, 58) everything that can be read of each world."""
    columns = (worlds.observations, worlds.rewards, worlds.outcomes, worlds.num_steps, worlds.touching)
    return np.column_stack((*columns, worlds.body_state().reshape(worlds.num_worlds, -1)))


def trace(walkers: NDArray[np.int64], threads: int = 1) -> NDArray[np.float64]:
    """(MAX_STEPS + 1, N, 58) what can be read after the reset and after each step."""
    worlds = make_worlds(walkers, threads)
    seen = [sights(worlds)]
    for step in range(MAX_STEPS):
        worlds.step(actions()[step, walkers])
        seen.append(sights(worlds))
    return np.stack(seen)


def digest() -> str:
    """A digest of episodes and worlds of the first NUM_FEW walkers."""
    few = np.arange(NUM_FEW)
    return hashlib.sha256(rows(run(few)).tobytes() + trace(few).tobytes()).hexdigest()


if __name__ == "__main__":
    print(digest())
