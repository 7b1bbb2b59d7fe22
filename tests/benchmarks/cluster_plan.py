"""What a generation takes on more cores than there are: ``python -m tests.benchmarks.cluster_plan``.

A simulation with the project's own way of dealing out episodes (``agents.evaluation.shares``). What it is calibrated on
is measured first, in CPU seconds, so that a busy machine changes little: what the driver and Ray's own processes spend
on a share, the ES step of a niche, and recording an iteration. Episodes are as long as in the run of ``desktop``:
exponential with a mean of 900 env-steps, 2,000 at most. Prints what was measured, and a row for each cluster.
"""

from __future__ import annotations

import argparse
import heapq
import pickle
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from agents import MLPPolicy
from agents.evaluation.ray import RayExecutor
from agents.evaluation.shares import Shares, Speeds
from agents.rollouts.request import EvaluationRequest, every_row
from agents.rollouts.result import RolloutResult
from agents.strategies import make_strategy
from environments import ObstacleGenotype
from environments.streams import stream_key
from tests.benchmarks.large_run import large_run

#: Episodes of a generation of a niche, as the paper has it, and of a chunk.
_EPISODES, _CHUNK = 512, 32
#: Env-steps of an episode: mean and most.
_MEAN_STEPS, _MOST_STEPS = 900, 2000
_CORES_A_NODE = 64


@dataclass(frozen=True)
class Costs:
    """What is measured, in seconds of a core, and bytes.

    Attributes:
        share: of the driver for a share, sending and receiving.
        ray: of Ray's own processes for a share.
        share_bytes: what the driver sends.
        es_step: of the driver for a niche: perturbations are named, ranks, sums and Adam are computed.
        record: of the driver for a niche and iteration: events and state.
        steps_per_second: of a worker's core.
    """

    share: float
    ray: float
    share_bytes: int
    es_step: float
    record: float
    steps_per_second: float


def measured(num_shares: int, steps_per_second: float) -> Costs:
    """Measure what the driver spends."""
    strategy, ground = make_strategy("openai_es", pairs=_EPISODES // 2), ObstacleGenotype(roughness=1.0).express(seed=1)
    state = strategy.initial_state(np.zeros((1, MLPPolicy().num_parameters), np.float32))
    samples = strategy.ask(state, [stream_key(1, "plan")])
    fitness = np.random.default_rng(0).normal(size=(1, _EPISODES))
    strategy.tell(state, samples, fitness)  # compiled
    es_step = _cpu(lambda: strategy.tell(state, strategy.ask(state, [stream_key(1, "plan")]), fitness), 5)
    block = every_row(samples[0], (ground,))
    request = EvaluationRequest((block,), MLPPolicy(), max_steps=1, engine="box2d")
    (chunk,) = request.chunks(_EPISODES)
    with RayExecutor(1) as executor:
        executor.evaluate(request)
        others = psutil.Process().children(recursive=True)
        own = [process for process in others if process.name() in ("raylet", "gcs_server")]
        before = sum(sum(process.cpu_times()[:2]) for process in own)
        piece = next(request.chunks(16))
        share = _cpu(lambda: executor._ray.get(executor._task.remote(piece)), num_shares)
        ray = (sum(sum(process.cpu_times()[:2]) for process in own) - before) / num_shares
    return Costs(share, ray, len(pickle.dumps(chunk)), es_step, _record(), steps_per_second)


def _record() -> float:
    """CPU seconds for a niche and iteration of a large run."""
    with tempfile.TemporaryDirectory() as name, closing(large_run(Path(name) / "run", 100, 30, 100, 100)) as run:
        next(run)
        next(run)
        return _cpu(lambda: next(run), 10) / 100


def _cpu(work: Callable[[], object], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times


def simulated(costs: Costs, num_cores: int, num_niches: int, seed: int = 0) -> dict[str, float]:
    """Seconds of one iteration, by what the driver does.

    The driver sends and receives one share at a time; when all are back, it takes the ES steps and records them.
    """
    rng, speeds = np.random.default_rng(seed), Speeds()
    rooms = {str(node): min(_CORES_A_NODE, num_cores) for node in range(-(-num_cores // _CORES_A_NODE))}
    for place in rooms:
        speeds.measured(place, round(costs.steps_per_second), 1.0)
    shares = Shares([_CHUNK] * (num_niches * _EPISODES // _CHUNK), 512, speeds)
    free = [place for place, room in rooms.items() for _ in range(room)]
    driver, in_work, num_shares, running = 0.0, 0.0, 0, list[tuple[float, int, str]]()
    while True:
        while free and (share := shares.take(free[-1], rooms)) is not None:
            driver += costs.share / 2
            steps = np.minimum(rng.exponential(_MEAN_STEPS, share.num_episodes), _MOST_STEPS).sum()
            in_work += steps / costs.steps_per_second
            num_shares += 1
            heapq.heappush(running, (driver + steps / costs.steps_per_second, num_shares, free.pop()))
            shares.started(share, "", driver)
            shares.won(share, _result(share.num_episodes))
        if not running:
            break
        ended, _, place = heapq.heappop(running)
        driver = max(driver, ended) + costs.share / 2
        free.append(place)
    ideal = in_work / num_cores
    es_step, record = costs.es_step * num_niches, costs.record * num_niches
    total = driver + es_step + record
    return {
        "episodes alone, s": ideal, "episodes dealt out, s": driver, "ES steps, s": es_step, "recording, s": record,
        "efficiency, %": 100 * ideal / total, "shares": num_shares,
        "of Ray's processes, cores": costs.ray * num_shares / total,
        "sent, MB/s": costs.share_bytes * num_shares / total / 1e6,
    }  # fmt: skip


def _result(num_episodes: int) -> RolloutResult:
    return RolloutResult(
        np.zeros(num_episodes), np.full(num_episodes, _MEAN_STEPS, np.int32), np.zeros(num_episodes, np.int8)
    )


def main() -> None:
    """Measure and simulate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shares", type=int, default=200, help="sent through Ray to measure what one costs")
    parser.add_argument("--steps-per-second", type=float, default=200_000, help="of a core, by poet bench")
    given = parser.parse_args()
    costs = measured(given.shares, given.steps_per_second)
    names = ("share", "ray", "es_step", "record")
    print("measured, in ms of a core: " + ", ".join(f"{name} {1e3 * getattr(costs, name):.2f}" for name in names))
    print(f"sent for a share: {costs.share_bytes / 1e3:.0f} kB\n")
    for number, (cores, niches) in enumerate([(2, 40), (64, 40), (1000, 100), (1000, 1000), (10_000, 1000)]):
        row = simulated(costs, cores, niches)
        if not number:
            print("| cores | niches | " + " | ".join(row) + " |")
            print("|--:" * (2 + len(row)) + "|")
        print(f"| {cores:,} | {niches:,} | " + " | ".join(f"{value:,.2f}" for value in row.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
