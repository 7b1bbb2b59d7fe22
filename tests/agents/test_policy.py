"""The policy: the paper's network, in float32 arithmetic that any engine can repeat."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.policy import MLPPolicy, tanh32
from environments.errors import InputError
from environments.streams import Stream
from tests.naive import float32, naive_policy, naive_tanh


def _numbers(stream: Stream, size: int, bound: float) -> NDArray[np.float32]:
    return np.array([stream.uniform(-bound, bound) for _ in range(size)], np.float32)


def _points() -> list[float]:
    """Values around 0, where tanh bends, where it saturates, tiny ones and the largest."""
    grid = [float32(-12.0 + 24.0 * i / 20000) for i in range(20001)]
    return grid + [float32(10.0**e) for e in range(-38, 39)] + [8.5, 8.500001, float("inf")]


def test_the_papers_network_has_2804_parameters() -> None:
    """24-40-40-4 with biases is the default and has 2804 parameters."""
    assert 2804 == MLPPolicy().num_parameters
    assert 24 * 40 + 40 + 40 * 40 + 40 + 40 * 4 + 4 == MLPPolicy((24, 40, 40, 4)).num_parameters


def test_tanh_is_within_5e_7() -> None:
    """The policy's tanh differs from the true one by less than 5e-7, and relatively as little near 0."""
    for x in _points():
        assert abs(tanh32(np.float32(x)) - math.tanh(x)) <= 5e-7 * abs(math.tanh(x))


def test_tanh_is_odd_and_bounded() -> None:
    """tanh(-x) is -tanh(x) to the bit, and no action leaves [-1, 1]."""
    for x in _points():
        y = tanh32(np.float32(x))
        assert -y == tanh32(np.float32(-x))
        assert -1.0 <= y <= 1.0


def test_tanh_is_the_naive_one_to_the_bit() -> None:
    """The compiled tanh does exactly the float32 operations that are written down."""
    for x in _points():
        assert naive_tanh(x) == tanh32(np.float32(x))


@pytest.mark.parametrize("layer_sizes", [(24, 40, 40, 4), (24, 4), (24, 3, 7, 5, 4)])
def test_actions_are_the_naive_ones_to_the_bit(layer_sizes: tuple[int, ...]) -> None:
    """The compiled policy gives the bits of a loop over units and weights, step after step."""
    policy, stream = MLPPolicy(layer_sizes), Stream(1, "test policy", *layer_sizes)
    theta = _numbers(stream, policy.num_parameters, 0.6)
    act = policy.controller(theta)
    for _ in range(5):
        observation = _numbers(stream, 24, 3.0)

        action = act(observation)

        assert naive_policy(theta.tolist(), list(layer_sizes), observation.tolist()) == action.tolist()


def test_a_step_leaves_nothing_behind() -> None:
    """The same observation gives the same action, whatever was observed in between."""
    policy, stream = MLPPolicy(), Stream(2, "test policy")
    act = policy.controller(_numbers(stream, policy.num_parameters, 0.5))
    observation = _numbers(stream, 24, 1.0)
    first = act(observation).copy()
    act(_numbers(stream, 24, 100.0))

    assert first.tolist() == act(observation).tolist()


def test_a_number_that_is_no_number_reaches_the_action() -> None:
    """NaN in, NaN out: a diverged world is seen by whoever judges the action, not hidden by the clamp of tanh."""
    policy = MLPPolicy((24, 4))
    act = policy.controller(np.ones(policy.num_parameters, np.float32))

    assert np.isnan(act(np.full(24, np.nan, np.float32))).all()


@pytest.mark.parametrize(
    ("theta", "found"),
    [
        (np.zeros(2803, np.float32), r"P = 2804 .* \(2803,\)"),
        (np.zeros((2, 2, 2804), np.float32), r"\(2, 2, 2804\)"),
        (np.zeros(2804), "float64"),
        (np.full(2804, np.nan, np.float32), "finite"),
        (np.full(2804, np.inf, np.float32), "finite"),
    ],
)
def test_a_theta_that_does_not_fit_is_refused(theta: NDArray[np.float32], found: str) -> None:
    """A theta of another size, type or without a number is refused with what was expected and found."""
    with pytest.raises(InputError, match=found):
        MLPPolicy().controller(theta)


@pytest.mark.parametrize("layer_sizes", [(), (24,), (24, 0, 4), (24, -1, 4)])
def test_layers_without_units_are_refused(layer_sizes: tuple[int, ...]) -> None:
    """A network needs two layers and a unit in each."""
    with pytest.raises(InputError, match="layer_sizes"):
        MLPPolicy(layer_sizes)
