"""How many control steps a second: real rollouts with a policy, and what others reach on the same machine.

Compile time is apart: the first call of each case is a warm-up and is timed by itself.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

from agents.policy import MLPPolicy
from agents.rollouts import engine
from agents.strategies.perturbations import Perturbations
from environments.errors import InputError, nearest
from environments.streams import stream_key
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from experiments.walkers import load_walker

NUM_REPEATS = 5
#: Episodes of one repetition, and their time limit in control steps.
NUM_EPISODES, MAX_STEPS = 8, 500
#: Perturbation of the benchmark's walkers: the first noise of the ES (POET.md 5.1).
NOISE_STD = 0.1

#: Runs episodes and says how many control steps they took.
Case = Callable[[], int]


@dataclass(frozen=True)
class Measurement:
    """One line of the table.

    Attributes:
        who: the engine or the other implementation, one walker at a time on one core.
        ground: what was walked on.
        first_seconds: the first call, with compilation or the loading of what was compiled before.
        steps_per_second: of each repetition.
        steps_per_episode: mean.
    """

    who: str
    ground: str
    first_seconds: float
    steps_per_second: tuple[float, ...]
    steps_per_episode: float

    @property
    def median(self) -> float:
        """Median control steps a second."""
        return median(self.steps_per_second)

    @property
    def spread(self) -> float:
        """Greatest minus least, over the median."""
        return (max(self.steps_per_second) - min(self.steps_per_second)) / self.median


def grounds() -> dict[str, Terrain]:
    """The benchmark's terrains: flat, and one with everything that a hard niche has."""
    hard = ObstacleGenotype(
        roughness=4.0, pit_gap=(0.8, 2.4), stump_height=(0.4, 1.6), stair_height=(0.4, 1.2), stair_steps=(1, 4)
    )
    return {"easy": ObstacleGenotype().express(seed=1), "hard": hard.express(seed=1)}


def measure_engine(name: str) -> list[Measurement]:
    """Perturbed walkers on every ground with an engine of ours.

    Raises:
        InputError: the engine is unknown or not available.
    """
    run_episodes = engine(name)
    policy, theta = MLPPolicy(), load_walker("flat")
    sample = Perturbations(theta, np.full_like(theta, NOISE_STD), stream_key(0, "bench"), NUM_EPISODES, False)
    thetas = sample.theta(np.arange(NUM_EPISODES))
    index = np.zeros(NUM_EPISODES, np.int64)

    def case(ground: Terrain) -> Case:
        return lambda: run_episodes(policy, thetas, (ground,), index, MAX_STEPS).num_steps

    return [_measure(name, label, case(ground)) for label, ground in grounds().items()]


def measure_gymnasium() -> list[Measurement]:
    """Gymnasium's own walker with random actions: its easy course and its hardcore one."""
    import gymnasium

    def case(hardcore: bool) -> Case:
        env = gymnasium.make("BipedalWalker-v3", hardcore=hardcore, max_episode_steps=MAX_STEPS)
        env.action_space.seed(0)

        def run() -> int:
            num_steps = 0
            for episode in range(NUM_EPISODES):
                env.reset(seed=episode)
                is_over = False
                while not is_over:
                    _, _, terminated, truncated, _ = env.step(env.action_space.sample())
                    is_over = terminated or truncated
                    num_steps += 1
            return num_steps

        return run

    return [
        _measure("gymnasium, random actions", label, case(hardcore))
        for label, hardcore in (("BipedalWalker-v3", False), ("BipedalWalkerHardcore-v3", True))
    ]


#: What ``--against`` knows.
OTHERS: dict[str, Callable[[], list[Measurement]]] = {"gymnasium": measure_gymnasium}


def check_other(name: str) -> None:
    """Raise ``InputError`` unless ``--against name`` is known."""
    if name not in OTHERS:
        raise InputError(f"--against {name!r} is unknown; {nearest(name, OTHERS)}")


def measure_other(name: str) -> list[Measurement]:
    """Somebody else's walkers on this machine; ``name`` is a key of ``OTHERS``."""
    return OTHERS[name]()


def machine() -> str:
    """CPU, cores, system and versions, in one line."""
    packages = ("numpy", "numba", "gymnasium", "Box2D")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    here = f"{_cpu_name()}, {os.cpu_count()} cores, {platform.platform()}"
    return f"{here}, Python {platform.python_version()}, {versions}"


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _measure(who: str, ground: str, case: Case) -> Measurement:
    begun = time.perf_counter()
    case()
    first = time.perf_counter() - begun
    rates = []
    for _ in range(NUM_REPEATS):
        begun = time.perf_counter()
        num_steps = case()
        rates.append(num_steps / (time.perf_counter() - begun))
    return Measurement(who, ground, first, tuple(rates), num_steps / NUM_EPISODES)
