"""What a generation takes on more cores than there are: ``python -m tests.benchmarks.cluster_plan``.

A simulation with the project's own way of dealing out episodes (``agents.evaluation.shares``). What it is calibrated on
is measured first, in CPU seconds, so that a busy machine changes little: what the driver and Ray's own processes spend
on a share, the ES step of a niche, and recording an iteration. Episodes are as long as in the run of ``desktop``:
exponential with a mean of 900 env-steps, 2,000 at most. Prints what was measured, and a row for each cluster.
"""

from __future__ import annotations

import argparse
import heapq
import io
import pickle
import sqlite3
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
#: Cores, niches, threads of a worker. Today a worker has one; a share for a whole node is what would come next.
_CASES = (
    (2, 40, 1),
    (64, 40, 1),
    (1000, 1000, 1),
    (10_000, 1000, 1),
    (64, 40, 64),
    (1000, 1000, 64),
    (10_000, 1000, 64),
)


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
        piece, ray = next(request.chunks(16)), executor._ray
        share = _cpu(lambda: ray.get([executor._task.remote(piece) for _ in range(num_shares)]), 1) / num_shares
        of_ray = (sum(sum(process.cpu_times()[:2]) for process in own) - before) / num_shares
    return Costs(share, of_ray, len(pickle.dumps(chunk)), es_step, _record(), steps_per_second)


def _record() -> float:
    """CPU seconds for a niche and iteration: events as in a large run, and an optimiser's arrays as in a state."""
    arrays = {name: np.zeros((100, MLPPolicy().num_parameters), np.float32) for name in ("centre", "first", "second")}

    def store() -> None:
        with closing(sqlite3.connect(Path(name) / "states.sqlite")) as connection, connection:
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)  # type: ignore[arg-type]
            connection.execute("INSERT OR REPLACE INTO states VALUES (0, ?)", (buffer.getvalue(),))

    with tempfile.TemporaryDirectory() as name, closing(large_run(Path(name) / "run", 100, 30, 100, 100)) as run:
        with closing(sqlite3.connect(Path(name) / "states.sqlite")) as connection:
            connection.execute("CREATE TABLE states (id INTEGER PRIMARY KEY, state BLOB)")
        next(run)
        next(run)
        return (_cpu(lambda: next(run), 10) + _cpu(store, 5)) / 100


def _cpu(work: Callable[[], object], times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times


def simulated(costs: Costs, num_cores: int, num_niches: int, num_threads: int) -> dict[str, float]:
    """Seconds of one iteration, by what the driver does.

    The driver sends and receives one share at a time; when all are back, it takes the ES steps and records them. A
    worker has so many threads, which share its episodes evenly.
    """
    rng, speeds = np.random.default_rng(0), Speeds()
    num_workers, speed = num_cores // num_threads, costs.steps_per_second * num_threads
    a_node = min(_CORES_A_NODE // num_threads, num_workers)
    rooms = {str(node): a_node for node in range(-(-num_workers // a_node))}
    for place in rooms:
        speeds.measured(place, round(speed), 1.0)
    shares = Shares([_CHUNK] * (num_niches * _EPISODES // _CHUNK), 512 * num_threads, speeds)
    free = [place for place, room in rooms.items() for _ in range(room)]
    driver, in_work, num_shares, running = 0.0, 0.0, 0, list[tuple[float, int, str]]()
    while True:
        while free and (share := shares.take(free[-1], rooms)) is not None:
            driver += costs.share / 2
            steps = np.minimum(rng.exponential(_MEAN_STEPS, share.num_episodes), _MOST_STEPS).sum()
            in_work += steps / costs.steps_per_second
            num_shares += 1
            heapq.heappush(running, (driver + steps / speed, num_shares, free.pop()))
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
    for number, case in enumerate(_CASES):
        row = simulated(costs, *case)
        if not number:
            print("| cores | niches | threads a worker | " + " | ".join(row) + " |")
            print("|--:" * (3 + len(row)) + "|")
        values = " | ".join([*(f"{of_case:,}" for of_case in case), *(f"{value:,.2f}" for value in row.values())])
        print(f"| {values} |", flush=True)


if __name__ == "__main__":
    main()
