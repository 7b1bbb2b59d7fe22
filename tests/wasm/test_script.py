"""``walker.mjs``, run by node as a page runs it, against the engine ``simd`` and Python's own checks."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import wasm
from agents.policies.base import AbstractPolicy
from agents.policies.gru import GRUPolicy
from agents.policies.mlp import MLPPolicy
from environments.biped import LIDAR_RAYS, NUM_BODY_OBSERVATIONS
from environments.errors import InputError
from environments.physics.bodies import VERTICES
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.worlds import make_worlds
from experiments.walkers import load_walker
from tests.house import ROOT
from tests.parity.episodes import Case

_NODE = shutil.which("node")
_SEED, _MAX_STEPS = 17, 400
_ROOM = ROOT / "agents" / "wasm"
_STEP = [[1, 0], [2, 0], [2, 1]]
_GROUND = [[0, 0], [1, 0]]
#: What Python refuses, or takes: ground, obstacles, push.
_TERRAINS: list[dict[str, Any]] = [
    {"ground": ground, "obstacles": obstacles, "push": push}
    for ground, obstacles, push in (
        (_GROUND, [], 1.0),
        (_GROUND, [_STEP], 0),
        (_GROUND, [_STEP[::-1], [[5, 5], [6, 5], [6, 6], [5, 6]]], 0),
        ([[0, 0]], [], 0),
        ([[0, 0], [0, 1]], [], 0),
        ([[1, 0], [1 + 1e-9, 0]], [], 0),  # no farther in float32
        ([[0, 0], [1, 0, 0]], [], 0),
        ([[0, 0], [1, 1e39]], [], 0),
        ("flat", [], 0),
        (_GROUND, [_STEP[:2]], 0),
        (_GROUND, [[[math.cos(i), math.sin(i)] for i in range(17)]], 0),
        (_GROUND, [[[0, 0], [1, 0], [2, 0], [1, 1]]], 0),  # not strictly convex
        (_GROUND, [[[0, 0], [2, 0], [1, 0.1], [0, 2]]], 0),
        (_GROUND, [[[0, 0], [1, 0], [1, 1e-7]]], 0),
        (_GROUND, [[[900, 900], [900.001, 900], [900.001, 900.003]]], 0),  # no area from the origin, in float32
        (_GROUND, [[[0, 0], [1e30, 0], [1e30, 1e30]]], 0),
        (_GROUND, [], 1e39),
    )
]


def _text(numbers: NDArray[Any]) -> str:
    return base64.b64encode(numbers.tobytes()).decode()


def _numbers(text: str, kind: type[np.floating[Any]]) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind)


def _walks() -> list[tuple[Terrain, AbstractPolicy, NDArray[np.float32]]]:
    """One walker on each kind of course, one of them with a memory; then on a ground for which memory has to grow."""
    rng, flat = np.random.default_rng(_SEED), load_walker("flat").theta
    walks: list[tuple[Terrain, AbstractPolicy, NDArray[np.float32]]] = []
    for number in range(13):
        spread = np.float32(0.05 * (number % 3))
        theta = flat + spread * rng.standard_normal(flat.size).astype(np.float32)
        walks.append((Case(number, _SEED).terrain(), MLPPolicy(), theta))
    gru = GRUPolicy((24, 8, 4), ("relu", "tanh"), units=5)
    walks[4] = (walks[4][0], gru, (0.5 * rng.standard_normal(gru.num_parameters)).astype(np.float32))
    long = np.column_stack([0.5 * np.arange(9_000), np.full(9_000, 3.3)])
    return [*walks, (Terrain(long), MLPPolicy(), flat)]


def _expected(
    terrain: Terrain, policy: AbstractPolicy, theta: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    """What ``simd`` shows at every step, its rewards, and the outcome; the policy acts in Python."""
    worlds, act = make_worlds("simd", [terrain], np.zeros(1, np.int64), _MAX_STEPS, 1), policy.controller(theta)
    worlds.reset()
    action, numbers, rewards = np.zeros((1, 4), np.float32), list[NDArray[np.float32]](), [0.0]
    while True:
        shown = worlds.body_state(), worlds.touching, worlds.observations, action
        numbers += [np.array(each).ravel() for each in shown]
        if worlds.outcomes[0] != GOES_ON:
            return np.concatenate(numbers), np.array(rewards), int(worlds.outcomes[0])
        action[0] = act(worlds.observations[0])
        worlds.step(action)
        rewards.append(float(worlds.rewards[0]))


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What ``episodes.mjs`` tells."""
    if _NODE is None:
        pytest.skip("node is not installed: the JavaScript is not tried, and the module only in wasmtime")
    cases = [
        {
            "terrain": terrain.to_json(),
            "policy": wasm.policy_record(policy),
            "theta": _text(theta),
            "max_steps": _MAX_STEPS,
        }
        for terrain, policy, theta in _walks()
    ]
    done = subprocess.run(
        [_NODE, str(Path(__file__).with_name("episodes.mjs")), str(_ROOM)],
        input=json.dumps({"cases": cases, "terrains": _TERRAINS}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_number_of_every_step_has_the_bits_of_lanes(told: dict[str, Any]) -> None:
    """Bodies, flags, observations, actions, rewards, return, length and outcome, in one instance for all walkers."""
    for case, found in zip(_walks(), told["cases"], strict=True):
        numbers, rewards, outcome = _expected(*case)
        np.testing.assert_array_equal(numbers.view(np.uint32), _numbers(found["numbers"], np.float32).view(np.uint32))
        np.testing.assert_array_equal(rewards.view(np.uint64), _numbers(found["rewards"], np.float64).view(np.uint64))
        total = 0.0
        for reward in rewards:
            total += reward
        assert [total] == _numbers(found["return"], np.float64).tolist()
        assert (len(rewards) - 1, Outcome(outcome).name) == (found["length"], found["outcome"])


def test_an_episode_is_one_call(told: dict[str, Any]) -> None:
    """``episode`` sets terrain and theta, and gives what stepping gives; poses are for drawing."""
    again, poses = told["again"], told["poses"]
    assert {"return", "length", "outcome"} == set(again)
    assert again["outcome"] in Outcome.__members__ and again["length"] > 0
    assert 5 == len(poses)
    assert {"name", "x", "y", "angle", "vertices"} == set(poses[0])
    assert VERTICES[0].tolist() == poses[0]["vertices"]


def test_terrains_that_python_refuses_are_refused(told: dict[str, Any]) -> None:
    """By one sentence; kernels do not check what they are given."""
    for data, refusal in zip(_TERRAINS, told["refusals"], strict=True):
        try:
            Terrain.from_json(data)
            assert refusal is None, data
        except InputError as error:
            assert refusal, data
            assert refusal.split()[0] == str(error).split()[0]


def test_misuse_is_answered_with_one_sentence(told: dict[str, Any]) -> None:
    """Before a terrain, before a reset, after the end, and with numbers that are none."""
    assert [
        "call setTerrain before reset",
        "call setPolicy before setTheta",
        "the module knows the policies mlp, gru, not oracle",
        "call reset first",
        "call reset before step",
        "call setPolicy and setTheta before step, or give it an action",
        "an action has 4 finite float32 numbers",
        "an action has 4 finite float32 numbers",
        "push must be a finite float32 number of newtons",
        "maxSteps must be a whole number from 1 on",
        "theta must be 2804 finite float32 numbers for this policy",
        "the episode is over: call reset before step",
        "theta must be 2804 finite float32 numbers for this policy",
        "a policy is an object as agents.wasm.policy_record gives it, with sizes from 0 on",
        "a policy is an object as agents.wasm.policy_record gives it, with sizes from 0 on",
        "terrain and policy need more memory than the module can have",
    ] == told["misuse"]


def test_it_can_be_driven_by_hand(told: dict[str, Any]) -> None:
    """Without a policy; the lidar is the last part of what is observed."""
    assert [0.0, 0.5, 0.0, -0.5] == told["byHand"]
    lidar = _numbers(told["lidar"], np.float32)
    assert (len(LIDAR_RAYS),) == lidar.shape == (24 - NUM_BODY_OBSERVATIONS,)
    assert ((lidar > 0) & (lidar <= 1)).all()
