"""A Ray cluster that loses its parts: ``python -m tests.benchmarks.chaos``.

A run is made by the local executor, and again on a cluster of two nodes on this machine, which is joined before it has
any: then a worker process is killed again and again, in the middle a node goes and another comes, and half-way the
whole cluster ends, head included, and the run is resumed on another. Prints a Markdown table, and fails unless the
fingerprints are equal. Then a request runs on two nodes, and again when one of them has a quarter of its speed.

A busy machine must not change what is measured, so ``--every`` counts seconds of a processor that has nothing else to
do: a worker is killed whenever as many env-steps are done as two workers do in that time, judging by the CPU time of
the local run. What is lost counts in full: each share whose worker died as if it had been run to its end.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil

from agents import MLPPolicy
from agents.evaluation import make_executor
from agents.evaluation.executor import AbstractExecutor, Progress
from agents.evaluation.ray import RayExecutor
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from agents.rollouts.result import RolloutResult
from environments import ObstacleGenotype
from experiments.progress import PlainLines
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from poet.config import Config
from tests.small_cluster import SmallCluster

_NUM_WORKERS = 2
#: The share of time for which a slow node works, and the length of one turn in seconds.
_SPEED, _TURN = 0.25, 0.2


def evolve(folder: Path, config: Config, executor: AbstractExecutor) -> None:
    """Start a run or go on with it."""
    run_experiment(folder, config, executor, lambda tracker: PlainLines(tracker, sys.stderr))


class WatchedExecutor(RayExecutor):
    """Calls ``watch`` several times a second while episodes run; Ray can start nodes only from the main thread."""

    watch: Callable[[], None]

    def evaluate(self, request: EvaluationRequest, progress: Progress | None = None) -> tuple[RolloutResult, ...]:
        """See ``AbstractExecutor``."""

        def tell(*numbers: int) -> None:
            self.watch()
            if progress is not None:
                progress(*numbers)

        return super().evaluate(request, tell)


class Chaos:
    """What happens to a cluster while a run goes on, and how often it did.

    Args:
        every: env-steps between two kills.
    """

    def __init__(self, every: float) -> None:
        self.every, self.joined = every, list[float]()
        self.num_kills = self.num_removed = self.num_steps = self.num_again = 0

    def half(self, folder: Path, config: Config, num_steps: int) -> None:
        """Go on with a run, on a cluster of its own, for about so many env-steps."""
        with SmallCluster() as cluster:
            begun = time.monotonic()
            with WatchedExecutor(address=cluster.address) as executor:
                self.joined.append(time.monotonic() - begun)
                executor.watch = partial(self._happen, cluster, executor, num_steps)
                self._next_kill, self._has_changed = self.every, False
                evolve(folder, config, executor)
            self.num_steps += executor.num_steps
            self.num_again += executor.num_steps_again

    def _happen(self, cluster: SmallCluster, executor: RayExecutor, num_steps: int) -> None:
        if not cluster.nodes:
            cluster.add("a")
            cluster.add("b")
        if not self._has_changed and executor.num_steps > num_steps / 2:
            cluster.remove("a")
            cluster.add("c")
            self.num_removed += 1
            self._has_changed = True
        at = cluster.nodes[self.num_kills % 2]
        if executor.num_steps > self._next_kill and cluster.kill_worker(at):
            self.num_kills += 1
            self._next_kill = executor.num_steps + self.every


def slow_node(num_episodes: int, engine: str) -> Iterator[tuple[str, float]]:
    """Seconds of a request on two equal nodes, and where one has a quarter of its speed."""
    thetas = np.random.default_rng(1).normal(0.0, 0.1, (num_episodes, 2804)).astype(np.float32)
    block = every_row(Thetas(thetas), (ObstacleGenotype(roughness=1.0).express(seed=1),))
    request = EvaluationRequest((block,), MLPPolicy(), max_steps=400, engine=engine)
    with SmallCluster() as cluster:
        cluster.add("a")
        cluster.add("b")
        with RayExecutor(address=cluster.address) as executor:
            executor.evaluate(request)  # all processes have started, and speeds are known
            begun = time.monotonic()
            (expected,) = executor.evaluate(request)
            yield "two equal nodes", time.monotonic() - begun
            for what in ("one at a quarter of its speed, which nobody knows", "the same again"):
                with _slowed_down(cluster, "a"):
                    begun = time.monotonic()
                    (found,) = executor.evaluate(request)
                    seconds = time.monotonic() - begun
                if not found.equals(expected):
                    raise RuntimeError("a slow node has changed a result")
                yield what, seconds


def _slow_down(over: Event, cluster: SmallCluster, name: str) -> None:
    """Let the workers of a node rest for most of the time."""
    while not over.wait(_TURN * _SPEED):
        workers = cluster.workers(name)
        _signal(workers, signal.SIGSTOP)
        over.wait(_TURN * (1.0 - _SPEED))
        _signal(workers, signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@contextmanager
def _slowed_down(cluster: SmallCluster, name: str) -> Iterator[None]:
    """A block within which a node is slow."""
    over = Event()
    thread = Thread(target=_slow_down, args=(over, cluster, name))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main() -> int:
    """Run, compare, measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("preset", nargs="?", default="smoke")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--every", type=float, default=30.0, help="seconds of an idle processor between two kills")
    parser.add_argument("--episodes", type=int, default=400, help="of the request with a slow node; 0 for none")
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    config = resolve_config(given.preset, assignments=given.set, flags={"run.seed": given.seed})
    half = {"run.seed": given.seed, "run.iterations": config.run.iterations // 2}
    with tempfile.TemporaryDirectory() as name:
        local, chaotic = Path(name) / "local", Path(name) / "chaotic"
        with make_executor("local", 1) as executor:
            begun = time.process_time()
            evolve(local, config, executor)
            seconds = time.process_time() - begun
        with open_run(local) as run:
            num_steps = int(run.ledger["env_steps"].sum())
        chaos = Chaos(given.every * _NUM_WORKERS * num_steps / seconds)
        chaos.half(chaotic, resolve_config(given.preset, assignments=given.set, flags=half), num_steps // 2)
        chaos.half(chaotic, config, num_steps // 2)
        is_equal = fingerprint(local) == fingerprint(chaotic)
    print("| env-steps | CPU, s | killed workers | nodes removed | heads | joined in, s | done twice | fingerprint |")
    print("|--:|--:|--:|--:|--:|--:|--:|---|")
    print(
        f"| {num_steps:,} | {seconds:.0f} | {chaos.num_kills} | {chaos.num_removed} | {len(chaos.joined)} "
        f"| {max(chaos.joined):.1f} | {100 * chaos.num_again / chaos.num_steps:.1f} % "
        f"| {'equal' if is_equal else 'ANOTHER'} |",
        flush=True,
    )
    if given.episodes:
        print("\n| one request on two nodes | s |\n|---|--:|")
        for what, taken in slow_node(given.episodes, config.evaluation.engine):
            print(f"| {what} | {taken:.1f} |", flush=True)
    return 0 if is_equal and chaos.num_kills else 1


if __name__ == "__main__":
    sys.exit(main())
