"""A small run in a process of its own, for tests that look at its workers, interrupt it or kill it."""

from __future__ import annotations

import json
import os
import sys

import numpy as np

from agents.evaluation.local import LocalExecutor
from agents.evaluation.request import EvaluationRequest, Thetas, every_row
from agents.strategies import make_strategy
from environments import ObstacleGenotype
from environments.streams import stream_key

_HEAVY = {"torch", "evotorch", "ray", "gymnasium", "pandas", "matplotlib", "typer", "rich", "sqlite3", "pydantic"}


def look() -> tuple[int, list[str]]:
    """This process, and which heavy modules it has loaded."""
    return os.getpid(), sorted(_HEAVY & set(sys.modules))


def say_that_it_runs(num_done: int, num_episodes: int, num_steps: int) -> None:
    """Print a line for each chunk."""
    print(f"{num_done} of {num_episodes}", flush=True)


def main(num_workers: int, num_long: int) -> None:
    """Take one ES step of the default strategy, print what ``look`` sees as JSON, then run long episodes.

    Prints a line for each chunk of these, and "interrupted" if Ctrl-C ends them.
    """
    strategy = make_strategy("openai_es", pairs=4 * num_workers)
    ground = ObstacleGenotype(roughness=1.0).express(seed=1)
    state = strategy.initial_state(np.zeros((1, 2804), np.float32))
    samples = strategy.ask(state, [stream_key(1, "probe")])
    with LocalExecutor(num_workers) as executor:
        (result,) = executor.evaluate(EvaluationRequest((every_row(samples[0], (ground,)),), max_steps=20))
        strategy.tell(state, samples, result.fitness[None, :])
        workers = [executor._started_pool().submit(look).result() for _ in range(4 * num_workers)]
        print(json.dumps({"parent": look(), "workers": workers}), flush=True)
        standing = Thetas(np.zeros((num_long, 2804), np.float32))
        try:
            executor.evaluate(EvaluationRequest((every_row(standing, (ground,)),)), say_that_it_runs)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
