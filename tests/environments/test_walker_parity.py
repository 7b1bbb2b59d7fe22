"""Acceptance: BipedalTerrain-v0 against Gymnasium's own BipedalWalker, whole episodes, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics
from numpy.typing import NDArray

from environments.biped import MAX_STEPS
from environments.engines import engines_with_worlds
from environments.streams import Stream
from environments.terrain.terrain import Terrain
from environments.walker.env import BipedalTerrainEnv

Actor = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def heuristic_actor(seed: int) -> Actor:
    """Gymnasium's own walker, its float64 actions cast to float32."""
    heuristic: Any = BipedalWalkerHeuristics()
    return lambda observation: np.asarray(heuristic.step_heuristic(observation), np.float32)


def random_actor(seed: int) -> Actor:
    """Uniform actions, a tenth of them a little out of bounds."""
    stream = Stream(seed, "test_walker_parity")
    return lambda observation: np.array([stream.uniform(-1.1, 1.1) for _ in range(4)], np.float32)


def first_difference(hardcore: bool, seed: int, act: Actor) -> str | None:
    """The first difference between the envs in an episode; None if every bit is the same, in each engine."""
    theirs: Any = gymnasium.make("BipedalWalker-v3", hardcore=hardcore).unwrapped
    expected, _ = theirs.reset(seed=seed)
    ours = [BipedalTerrainEnv(Terrain.from_gymnasium(theirs), engine=engine) for engine in engines_with_worlds()]
    found = [env.reset()[0].tobytes() for env in ours]
    if found != [expected.tobytes()] * len(ours):
        return f"seed {seed}, reset: not all of our engines give {expected}"
    for step in range(1, MAX_STEPS + 1):
        action = act(expected)
        expected, their_reward, is_their_end, _, _ = theirs.step(action)
        judged = (float(their_reward), is_their_end)
        for env in ours:
            observation, reward, is_terminated, is_truncated, info = env.step(action)
            found_so = (reward, is_terminated)
            if expected.tobytes() != observation.tobytes() or judged != found_so:
                return f"seed {seed}, {env.engine}, step {step}: {expected}, {judged} is {observation}, {found_so}"
            if is_truncated != (step == MAX_STEPS and not is_terminated):
                return f"seed {seed}, {env.engine}, step {step}: truncated is {is_truncated}"
            if info["finished"] != (is_terminated and reward != -100):
                return f"seed {seed}, {env.engine}, step {step}: finished is {info['finished']}"
        if is_their_end:
            break
    return None


@pytest.mark.parametrize(
    ("make_actor", "seeds"),
    [pytest.param(heuristic_actor, range(25), id="heuristic"), pytest.param(random_actor, range(25, 50), id="random")],
)
@pytest.mark.parametrize("hardcore", [False, True], ids=["plain", "hardcore"])
def test_every_episode_is_gymnasiums(hardcore: bool, make_actor: Callable[[int], Actor], seeds: range) -> None:
    """25 of 25 episodes: every observation, reward and ending has the bits that Gymnasium's walker gives."""
    differences = [first_difference(hardcore, seed, make_actor(seed)) for seed in seeds]
    assert [] == [difference for difference in differences if difference is not None]
