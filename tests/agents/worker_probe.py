"""A small run in a separate process, for tests that look at its workers, interrupt it or kill it."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.local import LocalExecutor
from agents.policies.mlp import MLPPolicy
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from agents.strategies import make_strategy
from environments import ObstacleGenotype
from environments.streams import stream_key

_HEAVY = {"torch", "evotorch", "ray", "gymnasium", "pandas", "matplotlib", "typer", "rich", "sqlite3", "pydantic"}


def look() -> dict[str, Any]:
    """This process, and which heavy modules it has loaded."""
    return {"pid": os.getpid(), "loaded": sorted(_HEAVY & set(sys.modules))}


@dataclass(frozen=True, eq=False)
class Sample:
    """Thetas of zeros; where they are made, in a worker, something happens first."""

    num_rows: int = 1

    def theta(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(rows), 2804) float32."""
        theta_out = np.zeros((rows.size, 2804), np.float32)
        self.fill_theta(theta_out, rows)
        return theta_out

    def fill_theta(self, theta_out: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Write zeros."""
        self.happen()
        theta_out[:] = 0.0

    def happen(self) -> None:
        """Print what ``look`` sees as a line of JSON, in one piece: others print too."""
        os.write(1, f"{json.dumps(look())}\n".encode())


class Broken(Sample):
    """A sample with a bug."""

    def happen(self) -> None:
        """Raise an error that is not a user's."""
        raise ZeroDivisionError("a bug")


class Deadly(Sample):
    """A sample that kills its process, as one that needs too much memory would."""

    def happen(self) -> None:
        """Kill the process."""
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, eq=False)
class Unlucky(Sample):
    """A sample that kills its process a number of times, counted as letters in a file."""

    file: str = ""
    times: int = 1

    def happen(self) -> None:
        """Kill the process."""
        with Path(self.file).open("a") as deaths:
            if deaths.tell() < self.times:
                deaths.write("x")
                deaths.close()
                os.kill(os.getpid(), signal.SIGKILL)


def say_that_it_runs(num_done: int, num_episodes: int, num_steps: int) -> None:
    """Print a line."""
    print(f"{num_done} of {num_episodes}", flush=True)


def main(num_workers: int, num_long: int, engine: str = "box2d") -> None:
    """Take one ES step of the default strategy, then run long episodes with an engine.

    Prints what ``look`` sees, four times a worker where workers run and last in this process; then lines as the long
    episodes go on, and "interrupted" if Ctrl-C ends them.
    """
    strategy = make_strategy("openai_es", pairs=4 * num_workers)
    ground = ObstacleGenotype(roughness=1.0).express(seed=1)
    state = strategy.initial_state(np.zeros((1, 2804), np.float32))
    samples = strategy.ask(state, [stream_key(1, "probe")])
    with LocalExecutor(num_workers) as executor:
        (result,) = executor.evaluate(
            EvaluationRequest((every_row(samples[0], (ground,)),), MLPPolicy(), max_steps=20, engine="box2d")
        )
        strategy.tell(state, samples, result.fitness[None, :])
        looks = (every_row(Sample(), (ground,)),) * (4 * num_workers)
        executor.evaluate(EvaluationRequest(looks, MLPPolicy(), max_steps=20, engine="box2d"))
        print(json.dumps(look()), flush=True)
        standing = Thetas(np.zeros((num_long, 2804), np.float32))
        try:
            executor.evaluate(
                EvaluationRequest((every_row(standing, (ground,)),), MLPPolicy(), engine=engine), say_that_it_runs
            )
        except KeyboardInterrupt:
            print("interrupted", flush=True)
