"""Our engines at work: whole episodes with policy, the walkers of one generation on easy and on hard ground."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts import check_engine, load_engine, run_chunk
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments.streams import stream_key
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from experiments.throughput.measure import Case, Work, timed
from experiments.walkers import load_walker

#: Episodes of a batch: as many as a generation of eight niches has, 256 pairs each (POET.md 5.2). A run of the paper
#: has more at a time; ``tests/benchmarks/generation.py`` times the 512 of one niche.
NUM_WALKERS = 4096
#: Time limit in control steps (POET.md 1.2).
MAX_STEPS = 2000
#: Perturbation of the shipped walker: between the first noise of POET's ES and its last (POET.md 3.5).
NOISE_STD = 0.05
THREADS = (1, 2)

#: An engine that runs one episode after the other gets a batch that is this many times smaller.
ONE_BY_ONE_DIVISOR = 128


def grounds() -> dict[str, Terrain]:
    """The benchmark's terrains: flat, and one with everything that a hard niche has."""
    hard = ObstacleGenotype(
        roughness=4.0, pit_gap=(0.8, 2.4), stump_height=(0.4, 1.6), stair_height=(0.4, 1.2), stair_steps=(1, 4)
    )
    return {"easy": ObstacleGenotype().express(seed=1), "hard": hard.express(seed=1)}


def engine_cases(name: str) -> list[Case]:
    """An engine on every ground, with every number of threads that it supports.

    Raises:
        InputError: the engine is unknown or not available.
    """
    check_engine(name)
    policy = load_walker("flat").policy

    def case(label: str, ground: Terrain, num_threads: int) -> Case:
        thetas = _walkers(_num_walkers(name))

        def walk(rows: NDArray[np.float32], max_steps: int) -> RolloutResult:
            return run_chunk(_chunk(name, policy, rows, ground, max_steps), num_threads)

        def run() -> Work:
            seconds, result = timed(lambda: walk(thetas, MAX_STEPS))
            return Work(result.num_steps, len(thetas), seconds)

        return Case(name, label, num_threads, lambda: walk(thetas[:1], 1), run)

    all_threads = THREADS if load_engine(name).is_batched else THREADS[:1]
    return [case(label, ground, num) for num in all_threads for label, ground in grounds().items()]


def stages(name: str) -> dict[str, dict[str, float]]:
    """Microseconds of one thread that a control step spends in each stage of an engine, by ground.

    Returns:
        Nothing if the engine does not know its stages. They are timed in a separate call, since the clock costs a
        little.
    """
    check_engine(name)
    policy, found = load_walker("flat").policy, {}
    for label, ground in grounds().items():
        thetas = _walkers(max(1, _num_walkers(name) // 2))
        chunk = _chunk(name, policy, thetas, ground, MAX_STEPS)
        shares = load_engine(name).stage_shares(chunk)
        if not shares:
            return {}
        seconds, result = timed(partial(run_chunk, chunk))
        found[label] = {stage: 1e6 * seconds * share / result.num_steps for stage, share in shares.items()}
    return found


def _chunk(
    name: str, policy: AbstractPolicy, thetas: NDArray[np.float32], ground: Terrain, max_steps: int
) -> EvaluationRequest:
    block = Block(Thetas(thetas), np.arange(len(thetas)), (ground,), np.zeros(len(thetas), np.int64))
    return EvaluationRequest((block,), policy, max_steps, name)


def _num_walkers(name: str) -> int:
    return NUM_WALKERS if load_engine(name).is_batched else NUM_WALKERS // ONE_BY_ONE_DIVISOR


def _walkers(num: int) -> NDArray[np.float32]:
    """Perturbations (num, P) of the shipped walker, always the same."""
    centre = load_walker("flat").theta
    sample = Perturbations(centre, np.full_like(centre, NOISE_STD), stream_key(0, "bench"), num, False)
    return sample.theta(np.arange(num))
