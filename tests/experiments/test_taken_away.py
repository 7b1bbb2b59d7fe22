"""Agents in other libraries: the same parameters, nearly the same actions, as many successes; and the way back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from agents import MLPPolicy, rollout
from agents.networks import to_onnx, to_sb3, to_torch
from environments import Terrain, make_vec_env
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.generation import push_from
from environments.walker.ending import Outcome
from environments.walker.env import BipedalTerrainEnv
from experiments.walkers import load_walker
from poet import open_run
from poet.archive.records import StoredAgent
from poet.config import make_config
from poet.scoring import SOLVED_RETURN
from tests.experiments.synthetic_runs import theta_of, version
from tests.house import ROOT

Array = NDArray[np.float32]
Act = Callable[[Array], Array]

#: Sums of a few dozen float32 numbers in another order, and another tanh.
CLOSE = 1e-5
OBSERVATIONS = np.random.default_rng(3).normal(size=(20, 24)).astype(np.float32)
POLICIES = [
    MLPPolicy(),
    MLPPolicy((24, 16, 8, 12, 4), ("relu", "relu", "relu", "tanh")),
    MLPPolicy((24, 9, 7, 4), ("tanh", "tanh", "linear")),
    MLPPolicy((24, 4), ("linear",)),
    MLPPolicy((24, 16, 8, 4), ("relu", "tanh", "linear")),
    MLPPolicy((24, 5, 4), ("linear", "relu")),
]
#: Those that Stable-Baselines3 has.
KNOWN_TO_SB3 = POLICIES[:4]
NUM_EPISODES = 100


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait for each other for far longer than such a small network takes, where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _theta(policy: MLPPolicy) -> Array:
    return np.random.default_rng(5).normal(scale=0.3, size=policy.num_parameters).astype(np.float32)


def _actions(policy: MLPPolicy, theta: Array) -> Array:
    act = policy.controller(theta)
    return np.array([act(row).copy() for row in OBSERVATIONS])


def _torch(network: torch.nn.Module) -> Act:
    def act(observations: Array) -> Array:
        with torch.no_grad():
            return network(torch.from_numpy(observations)).numpy()

    return act


def _onnx(path: Path) -> Act:
    model = ReferenceEvaluator(str(path))
    return lambda observations: model.run(None, {"observation": observations})[0]


def _sb3(model: Any) -> Act:
    return lambda observations: model.predict(observations, deterministic=True)[0]


def test_onnx_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Who reads the file before sees all of the old network, and nothing else is left in the folder."""
    policy = MLPPolicy((24, 4))
    path, old = tmp_path / "walker.onnx", tmp_path / "old.onnx"
    to_onnx(policy, np.zeros(policy.num_parameters, np.float32), path)
    before = path.read_bytes()
    old.hardlink_to(path)
    to_onnx(policy, np.ones(policy.num_parameters, np.float32), path)

    assert before == old.read_bytes() != path.read_bytes()
    assert [old, path] == sorted(tmp_path.iterdir())


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.description)
def test_any_perceptron_acts_in_pytorch_and_onnx_as_here(policy: MLPPolicy, tmp_path: Path) -> None:
    """Observations go in as a batch of any size, or one by one in PyTorch; PyTorch's generator draws nothing."""
    theta, expected = _theta(policy), _actions(policy, _theta(policy))
    before = torch.random.get_rng_state()
    network = to_torch(policy, theta)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_allclose(_torch(network)(OBSERVATIONS), expected, atol=CLOSE, rtol=0)
    np.testing.assert_allclose(_torch(network)(OBSERVATIONS[0]), expected[0], atol=CLOSE, rtol=0)
    to_onnx(policy, theta, tmp_path / "walker.onnx")
    onnx.checker.check_model(str(tmp_path / "walker.onnx"), full_check=True)
    for batch in (OBSERVATIONS, OBSERVATIONS[:1]):
        np.testing.assert_allclose(_onnx(tmp_path / "walker.onnx")(batch), expected[: len(batch)], atol=CLOSE, rtol=0)


@pytest.mark.parametrize("policy", KNOWN_TO_SB3, ids=lambda policy: policy.description)
def test_a_perceptron_goes_to_stable_baselines_and_back(policy: MLPPolicy, tmp_path: Path) -> None:
    """The actor acts as here, within the bounds of actions; what SB3 saves is read back with every bit of theta."""
    theta = _theta(policy)
    model = to_sb3(policy, theta, BipedalTerrainEnv())
    expected = np.clip(_actions(policy, theta), -1.0, 1.0)
    np.testing.assert_allclose(_sb3(model)(OBSERVATIONS), expected, atol=CLOSE, rtol=0)
    model.save(tmp_path / "walker.zip")
    back = load_walker(str(tmp_path / "walker.zip"))
    assert (policy.layer_sizes, policy.activations) == (back.config.layer_sizes, back.config.activations)
    assert theta.tobytes() == back.theta.tobytes()


def test_a_state_dict_comes_back(tmp_path: Path) -> None:
    """With its activations, which such a file does not say, it is the same walker to the bit."""
    policy, theta = POLICIES[1], _theta(POLICIES[1])
    torch.save(to_torch(policy, theta).state_dict(), tmp_path / "walker.pt")
    back = load_walker(str(tmp_path / "walker.pt"), policy.activations)
    assert theta.tobytes() == back.theta.tobytes()
    assert policy.layer_sizes == back.config.layer_sizes


def _successes(act: Act, grounds: list[Terrain], max_steps: int) -> int:
    """How many grounds a walker of another library crosses."""
    envs = make_vec_env(grounds, max_steps=max_steps)
    observations, _ = envs.reset()
    returns, is_over, num_successes = np.zeros(len(grounds)), np.zeros(len(grounds), np.bool_), 0
    while not is_over.all():
        observations, rewards, terminations, truncations, infos = envs.step(act(observations))
        returns += np.where(is_over, 0.0, rewards)
        ends = (terminations | truncations) & ~is_over
        if ends.any():
            num_successes += int((ends & infos["finished"] & (returns >= SOLVED_RETURN)).sum())
            is_over |= ends
    envs.close()
    return num_successes


def test_an_archived_agent_succeeds_as_often_elsewhere(tmp_path: Path) -> None:
    """Its own terrain under 100 pushes: single episodes differ, the success rate by no more than chance allows."""
    with open_run(ROOT / "experiments" / "reports" / "desktop" / "desktop-3") as run:
        agent, own, max_steps = run.agent(25), run.terrain(25), run.config.evaluation.max_steps
        policy = run.policy
    stream = Stream(0, "pushes of agents taken away")
    grounds = [own.with_push(push_from(stream)) for _ in range(NUM_EPISODES)]
    agent.to_onnx(tmp_path / "walker.onnx")
    result = rollout(policy, np.tile(agent.theta, (NUM_EPISODES, 1)), grounds, max_steps=max_steps)
    here = int(((result.outcomes == Outcome.FINISHED) & (result.returns >= SOLVED_RETURN)).sum())
    others = {
        "torch": _torch(agent.to_torch()), "onnx": _onnx(tmp_path / "walker.onnx"), "sb3": _sb3(agent.to_sb3()),
    }  # fmt: skip
    found = {name: _successes(act, grounds, max_steps) for name, act in others.items()}
    assert 20 < here < 95
    assert all(abs(number - here) <= 20 for number in found.values()), (here, found)


def _agent(**policy: Any) -> StoredAgent:
    return StoredAgent(version(7, 3, 2, 1.0), theta_of(3), make_config({"policy": policy}).policy)


def test_what_cannot_go_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another policy, also one that is not imported for it; a network that SB3 does not have; a missing package."""
    path = tmp_path / "walker.onnx"
    for kind in ("gru", "no_such_module:Policy"):
        for take in (StoredAgent.to_torch, lambda agent: agent.to_onnx(path), StoredAgent.to_sb3):
            with pytest.raises(
                InputError, match=f"^agent 3 has the policy '{kind}', but only a perceptron, 'mlp', can"
            ):
                take(_agent(kind=kind))
    for policy in POLICIES[4:]:
        with pytest.raises(InputError, match="one activation in all hidden layers, and tanh or none at the end, but"):
            to_sb3(policy, _theta(policy), BipedalTerrainEnv())
    for name, extra in (("onnx", "onnx"), ("stable_baselines3", "sb3")):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(InputError, match=rf"needs the package {name}: pip install 'poet-open-ended\[{extra}\]'"):
            _agent().to_onnx(path) if name == "onnx" else _agent().to_sb3()
    assert not path.exists()
