"""Other people's BipedalWalker on this machine: random actions drawn beforehand, no policy, one thread."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.errors import InputError, nearest
from environments.streams import stream_key, words
from experiments.throughput.measure import Case, Work

#: Control steps of one repetition: about a second.
GYMNASIUM_STEPS = 5000
#: Worlds of EnvPool, and how often all of them step in one repetition. They become slower with more steps.
ENVPOOL_WORLDS, ENVPOOL_STEPS = 64, 250
ENVPOOL_NAME = "BipedalWalkerHardcore-v3"

_NUM_ACTIONS = 4


def gymnasium_cases() -> list[Case]:
    """Gymnasium's own walker on its easy course and on its hardcore one, without its checks for mistakes."""
    import gymnasium

    def case(name: str) -> Case:
        env = gymnasium.make(name, disable_env_checker=True)
        actions = random_actions(GYMNASIUM_STEPS)

        def run() -> Work:
            reset_seconds, num_episodes, is_over = 0.0, 0, True
            begun = time.perf_counter()
            for action in actions:
                if is_over:
                    reset_begun = time.perf_counter()
                    env.reset(seed=None if num_episodes else 0)
                    reset_seconds += time.perf_counter() - reset_begun
                    num_episodes += 1
                _, _, terminated, truncated, _ = env.step(action)
                is_over = terminated or truncated
            return Work(len(actions), num_episodes, time.perf_counter() - begun, reset_seconds)

        def warm_up() -> None:
            env.reset(seed=0)
            env.step(actions[0])

        return Case("gymnasium", name, 1, warm_up, run)

    return [case("BipedalWalker-v3"), case("BipedalWalkerHardcore-v3")]


def envpool_cases() -> list[Case]:
    """EnvPool's hardcore walker (C++), with 64 worlds on its own thread.

    Raises:
        InputError: EnvPool is not installed.
    """
    envs = start_envpool(ENVPOOL_WORLDS)
    actions = random_actions(ENVPOOL_STEPS, ENVPOOL_WORLDS)

    def run() -> Work:
        begun = time.perf_counter()
        envs.reset()
        seconds_per_reset = (time.perf_counter() - begun) / ENVPOOL_WORLDS
        num_resets = 0
        for action in actions:
            # The call after an episode's end resets that world instead of stepping it.
            num_resets += int((envs.step(action)[4]["elapsed_step"] == 0).sum())
        seconds = time.perf_counter() - begun
        num_episodes = ENVPOOL_WORLDS + num_resets
        num_steps = ENVPOOL_WORLDS * len(actions) - num_resets
        return Work(num_steps, num_episodes, seconds, num_episodes * seconds_per_reset)

    def warm_up() -> None:
        envs.reset()
        envs.step(actions[0])

    return [Case("envpool", ENVPOOL_NAME, 1, warm_up, run)]


def start_envpool(num_worlds: int) -> Any:
    """EnvPool's vector env of so many hardcore walkers, on one thread.

    Raises:
        InputError: EnvPool is not installed.
    """
    if not is_installed("envpool"):
        raise InputError(HOW_TO_INSTALL["envpool"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the many packages that it imports
        import envpool
    return envpool.make(ENVPOOL_NAME, env_type="gymnasium", num_envs=num_worlds, num_threads=1, seed=0)


#: What ``--against`` knows.
OTHERS: dict[str, Callable[[], list[Case]]] = {"gymnasium": gymnasium_cases, "envpool": envpool_cases}
#: What to do if one of them is missing.
HOW_TO_INSTALL = {"envpool": "EnvPool is not installed: pip install -e '.[bench]' -c constraints.txt"}


def check_other(name: str) -> None:
    """Raise ``InputError`` unless ``--against name`` is known and installed."""
    if name not in OTHERS:
        raise InputError(f"--against {name!r} is unknown; {nearest(name, OTHERS)}")
    if not is_installed(name):
        raise InputError(HOW_TO_INSTALL[name])


def is_installed(name: str) -> bool:
    """Whether one of ``OTHERS`` can be measured here."""
    return find_spec(name) is not None


def random_actions(*shape: int) -> NDArray[np.float32]:
    """Uniform in [-1, 1], (*shape, 4) float32."""
    num_blocks = int(np.prod(shape))  # of four words
    uniform = words(stream_key(0, "bench", 1), 0, num_blocks) / 2.0**31 - 1.0
    return uniform.astype(np.float32).reshape(*shape, _NUM_ACTIONS)
