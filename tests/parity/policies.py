"""Who walks in the parity test: random networks, random actions, Gymnasium's heuristic, the shipped walker and its kin.

Together they walk far, fall at once, jump into pits, turn over, get stuck, lie asleep and diverge.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from agents.strategies.normal import normals
from environments.biped import NUM_JOINTS
from environments.streams import Stream, stream_key
from experiments.walkers import load_walker
from tests.parity.terrains import log_uniform

#: (24,) float32 observation to (4,) float32 action; valid until the next call.
Actor = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Policy:
    """One kind of policy.

    Attributes:
        max_steps: the time limit of its episodes: those who only stand still get less.
        make: an actor of this kind, from the case's own stream of chance.
    """

    max_steps: int
    make: Callable[[Stream], Actor]


def _network(stream: Stream, low: float, high: float, centre: float) -> Actor:
    """The shipped walker times ``centre``, plus normal numbers times a scale from low to high."""
    policy = MLPPolicy()
    scale = np.float32(log_uniform(stream, low, high))
    place = stream_key(stream.word(), "parity theta")
    return policy.controller(np.float32(centre) * _shipped_theta() + scale * normals(place, policy.num_parameters))


@cache
def _shipped_theta() -> NDArray[np.float32]:
    return load_walker("flat").theta


def _shipped(stream: Stream) -> Actor:
    return MLPPolicy().controller(_shipped_theta())


def _heuristic(stream: Stream) -> Actor:
    """Gymnasium's own walker; its float64 actions are cast."""
    heuristic: Any = BipedalWalkerHeuristics()
    return lambda observation: np.asarray(heuristic.step_heuristic(observation), np.float32)


def _uniform(stream: Stream) -> Actor:
    """Uniform actions, some of them a little out of bounds."""
    return lambda observation: np.array([stream.uniform(-1.1, 1.1) for _ in range(NUM_JOINTS)], np.float32)


class _Held:
    """Random actions, each held for a while: jumps, somersaults, splits."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._longest = stream.choice((5, 20, 60))
        self._left = 0
        self._action = np.zeros(NUM_JOINTS, np.float32)

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._left == 0:
            self._left = self._stream.integer(1, self._longest + 1)
            self._action = np.array([self._drive() for _ in range(NUM_JOINTS)], np.float32)
        self._left -= 1
        return self._action

    def _drive(self) -> float:
        return self._stream.choice((-1.0, 0.0, 1.0, self._stream.uniform(-1.0, 1.0)))


class _Resting:
    """Legs spread to their limits, one before and one behind, then no torque at all, now and then: bodies fall asleep
    and are woken.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        side = stream.choice((-1.0, 1.0))
        knees = stream.choice((1.0, 1.0, 0.3, -1.0))
        self._spread = np.array((side, knees, -side, knees), np.float32) * np.float32(stream.uniform(0.2, 1.0))
        self._still = np.zeros(NUM_JOINTS, np.float32)
        self._num_spread = stream.integer(1, 80)
        self._step = 0

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        self._step += 1
        moves = self._step <= self._num_spread or self._step % 100 == 0
        return self._spread if moves else self._still


class _Hostile:
    """Actions of every size, signed zeros and subnormals included; at some moment one that is not finite."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._left = stream.integer(0, 300)
        self._act = _network(stream, 0.003, 0.1, 1.0)

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        self._left -= 1
        action = self._act(observation).copy()
        if self._left < 0:
            action[self._stream.integer(0, NUM_JOINTS)] = self._stream.choice((math.nan, math.inf, -math.inf))
        elif self._stream.integer(0, 4) == 0:
            sign = self._stream.choice((-1.0, 1.0))
            size = self._stream.choice((0.0, 1.0, log_uniform(self._stream, 1e-44, 1e38)))
            action[self._stream.integer(0, NUM_JOINTS)] = sign * size
        return action


#: Every kind by its name in the report.
POLICIES: dict[str, Policy] = {
    "random network": Policy(300, partial(_network, low=0.02, high=5.0, centre=0.0)),
    "random actions": Policy(300, _uniform),
    "held actions": Policy(400, _Held),
    "resting": Policy(400, _Resting),
    "heuristic": Policy(1000, _heuristic),
    "shipped walker": Policy(2000, _shipped),
    "shipped + 0.003..0.03": Policy(1000, partial(_network, low=0.003, high=0.03, centre=1.0)),
    "shipped + 0.03..0.1": Policy(1000, partial(_network, low=0.03, high=0.1, centre=1.0)),
    "shipped + 0.1..1": Policy(400, partial(_network, low=0.1, high=1.0, centre=1.0)),
    "hostile": Policy(400, _Hostile),
}
