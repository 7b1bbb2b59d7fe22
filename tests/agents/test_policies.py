"""Policies by name, each tested by the contract: perceptrons of several shapes, one with memory, and a user's own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.policies import POLICIES, make_policy
from agents.policies.activations import ACTIVATIONS, sigmoid32
from agents.policies.base import AbstractPolicy
from agents.policies.gru import GRUPolicy
from agents.policies.mlp import MLPPolicy
from agents.rollouts import available_engines, run_chunk
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from environments.errors import InputError
from environments.terrain.terrain import Terrain
from experiments.walkers import load_walker
from tests.agents import crowd
from tests.contracts.policies import PolicyContract
from tests.naive import naive_gru, naive_policy
from tests.new_policy import new_policy

_LINEAR = MLPPolicy((24, 16, 4), ("relu", "linear"))
_SMALL = GRUPolicy((24, 6, 4), ("tanh", "linear"), units=5)


class TestPapersPerceptron(PolicyContract):
    """24-40-40-4 with tanh."""

    policy = MLPPolicy()
    # Here and below: sizes are data to kernels, so the PTX is that of another class, and running it takes ten seconds.
    test_what_a_gpu_would_be_given_gives_them_too = None


class TestLinearPerceptron(PolicyContract):
    """A perceptron whose actions exceed their bounds, with kinks."""

    policy = _LINEAR
    test_what_a_gpu_would_be_given_gives_them_too = None


class TestDeepPerceptron(PolicyContract):
    """Layers that are no multiples of four or eight, and ReLU on the last."""

    policy = MLPPolicy((24, 7, 13, 9, 4), ("linear", "tanh", "relu", "relu"))


class TestPerceptronWithoutHiddenLayer(PolicyContract):
    """A plain matrix."""

    policy = MLPPolicy((24, 4), ("linear",))
    test_what_a_gpu_would_be_given_gives_them_too = None


class TestGatedUnit(PolicyContract):
    """A GRU besides the paper's perceptron."""

    policy = GRUPolicy()


class TestSmallGatedUnit(PolicyContract):
    """A GRU with more gates than the perceptron has units."""

    policy = _SMALL
    test_what_a_gpu_would_be_given_gives_them_too = None


class TestOwnPolicy(PolicyContract):
    """The policy of docs/how-to/add-policy.md."""

    policy = new_policy()()


def _walked(
    name: str, policy: AbstractPolicy, theta: NDArray[np.float32], grounds: tuple[Terrain, ...],
    index: NDArray[np.int64], max_steps: int,
) -> RolloutResult:  # fmt: skip
    block = Block(Thetas(theta), np.arange(len(theta)), grounds, index)
    return run_chunk(EvaluationRequest((block,), policy, max_steps, name))


@dataclass(frozen=True)
class _Needy:
    """What needs a setting."""

    sizes: int


class Demanding(_Needy, MLPPolicy):
    """A policy that does."""


@dataclass(frozen=True)
class Delayed(MLPPolicy):
    """A policy that does not check its settings."""

    delay: Any = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """See ``AbstractPolicy``."""
        return (*super().shape, self.delay)


def _numbers(rng: np.random.Generator, size: int, scale: float) -> NDArray[np.float32]:
    return (scale * rng.standard_normal(size)).astype(np.float32)


@pytest.mark.parametrize("names", list(product(ACTIVATIONS, repeat=2)))
def test_each_layer_has_its_own_activation(names: tuple[str, str]) -> None:
    """Actions have the bits of a loop over units and weights."""
    policy, rng = MLPPolicy((24, 9, 4), names), np.random.default_rng(5)
    theta = _numbers(rng, policy.num_parameters, 0.6)
    act = policy.controller(theta)
    for _ in range(3):
        observation = _numbers(rng, 24, 2.0)
        assert naive_policy(theta.tolist(), [24, 9, 4], observation.tolist(), names) == act(observation).tolist()


def test_the_gated_unit_is_the_naive_one_to_the_bit() -> None:
    """It is the same in every step, including its state."""
    rng, num = np.random.default_rng(6), _SMALL.mlp.num_parameters
    theta = _numbers(rng, _SMALL.num_parameters, 0.6)
    act, state = _SMALL.controller(theta), [0.0] * _SMALL.units
    for _ in range(5):
        observation = _numbers(rng, 24, 2.0)
        plain = naive_policy(theta[:num].tolist(), [24, 6, 4], observation.tolist(), _SMALL.activations)
        expected, state = naive_gru(theta[num:].tolist(), _SMALL.units, state, observation.tolist(), plain)
        assert expected == act(observation).tolist()
    assert 5 == np.unique(state).size


def test_sigmoid_is_within_5e_7() -> None:
    """It differs from the true sigmoid by less than 5e-7."""
    for x in np.linspace(-30.0, 30.0, 2001, dtype=np.float32):
        assert abs(sigmoid32(x) - 1.0 / (1.0 + np.exp(-np.float64(x)))) < 5e-7


@pytest.mark.parametrize("name", available_engines())
def test_a_gated_unit_begins_with_the_bits_of_the_perceptron(name: str) -> None:
    """With random gates, since its output weights are zero: whole episodes of walkers of every kind."""
    policy, few, rng = GRUPolicy(), np.arange(0, crowd.NUM, 20), np.random.default_rng(7)
    plain, thetas = crowd.thetas()[few], []
    for theta in plain:
        adopted = policy.adopted(MLPPolicy(), theta, _numbers(rng, policy.num_parameters, 1.0))
        assert adopted is not None
        thetas.append(adopted)
    walk = (crowd.terrains(), crowd.terrain_index()[few], 30)
    expected = _walked(name, MLPPolicy(), plain, *walk)
    assert crowd.rows(expected).tobytes() == crowd.rows(_walked(name, policy, np.stack(thetas), *walk)).tobytes()


def test_the_sign_of_a_zero_is_kept() -> None:
    """An action of -0.0 would become 0.0 if a sum of zeros were added."""
    policy = GRUPolicy((24, 4), ("linear",))
    theta, observation = np.full(policy.mlp.num_parameters, -0.0, np.float32), np.ones(24, np.float32)
    adopted = policy.adopted(policy.mlp, theta, np.ones(policy.num_parameters, np.float32))
    assert adopted is not None

    action = policy.controller(adopted)(observation)

    assert np.signbit(action).all()
    assert policy.mlp.controller(theta)(observation).tobytes() == action.tobytes()


def test_the_shipped_walker_walks_on_as_a_gated_unit() -> None:
    """To the last bit of a whole episode; and no policy begins with a walker of another shape."""
    walker, policy = load_walker("flat"), GRUPolicy()
    theta = policy.adopted(walker.policy, walker.theta, np.ones(policy.num_parameters, np.float32))
    assert theta is not None
    walk = (crowd.terrains()[:1], np.zeros(1, np.int64), 1500)
    expected, found = (_walked("simd", p, t[None], *walk) for p, t in ((walker.policy, walker.theta), (policy, theta)))
    assert 300.0 < expected.returns[0] == found.returns[0]
    assert _LINEAR.adopted(walker.policy, walker.theta, np.ones(_LINEAR.num_parameters, np.float32)) is None
    assert _SMALL.adopted(walker.policy, walker.theta, np.ones(_SMALL.num_parameters, np.float32)) is None


def test_every_policy_passes_the_contract() -> None:
    """A new one has to join the classes above."""
    tested = {value.policy.kind for value in globals().values() if isinstance(value, type) and hasattr(value, "policy")}
    assert set(POLICIES) <= tested


def test_policies_are_made_by_name() -> None:
    """Ours by short names with their settings, a user's by module and name."""
    assert {"mlp": MLPPolicy(), "gru": GRUPolicy()} == {kind: make_policy(kind) for kind in POLICIES}
    assert all(kind == make_policy(kind).kind for kind in POLICIES)
    assert _LINEAR == make_policy("mlp", layer_sizes=[24, 16, 4], activations=["relu", "linear"])
    assert MLPPolicy(activations=("relu",)) == MLPPolicy(activations=("relu",) * 3)
    assert GRUPolicy(units=3) == make_policy("agents.policies.gru:GRUPolicy", units=3)
    assert 20 == GRUPolicy(units=20).state_size


@pytest.mark.parametrize(
    ("kind", "settings", "found"),
    [
        ("mlpp", {}, "unknown policy 'mlpp': did you mean 'mlp'"),
        ("mlp", {"units": 3}, "policy 'mlp' has 'units', but MLPPolicy has no such setting"),
        ("tests.agents.test_policies:Demanding", {}, "lacks 'sizes', which Demanding needs"),
        ("agents.policies.base:AbstractPolicy", {}, "must be a concrete subclass"),
        ("environments:Terrain", {}, "must be a concrete subclass"),
        ("tests.agents.test_policies:Delayed", {"delay": "two"}, "must have whole numbers in its shape, but has"),
        ("mlp", {"activations": ["tanh", "relu"]}, "activations must be the names of 3 layers"),
        ("mlp", {"activations": "tanh"}, "activations must be the names of 3 layers"),
        ("mlp", {"activations": ["tan"]}, "activation must be one of tanh, relu, linear, but is 'tan'"),
        ("gru", {"units": 0}, "units must be a whole number from 1 on"),
        ("gru", {"layer_sizes": [24]}, "layer_sizes must be two or more"),
    ],
)
def test_what_is_no_policy_is_refused(kind: str, settings: dict[str, object], found: str) -> None:
    """It is refused in one sentence."""
    with pytest.raises(InputError, match=found):
        make_policy(kind, **settings)


def test_a_kernel_of_a_users_is_not_kept_on_disk_inside_ours(own_folder: Path) -> None:
    """An edit of it would not be noticed there, since the folder's name depends only on our sources."""
    assert isinstance(new_policy()(), AbstractPolicy)
    assert "adding_a_policy" in sys.modules
    kept = {path.name for path in own_folder.glob("**/*.nb*") if "run_team_of" in path.name}
    assert any("mlp.forward" in name for name in kept)
    assert not any("adding_a_policy" in name for name in kept)


@pytest.fixture
def own_folder() -> Path:
    """Where kernels are stored, after both have run."""
    from environments.compiled import CACHE_DIR

    for policy in (MLPPolicy(), new_policy()()):
        theta = np.zeros((1, policy.num_parameters), np.float32)
        _walked("simd", policy, theta, crowd.terrains()[:1], np.zeros(1, np.int64), 1)
    return Path(CACHE_DIR)
