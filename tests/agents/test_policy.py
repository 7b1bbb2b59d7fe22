"""The policy: the paper's network, in float32 arithmetic that any engine can repeat."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.policies.activations import tanh32
from agents.policies.mlp import MLPPolicy, forward
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
    first = act(observation)
    act(_numbers(stream, 24, 100.0))

    assert first.tolist() == act(observation).tolist()


def test_actions_may_be_kept() -> None:
    """A list of actions has those of each step, not the last one many times."""
    policy, stream = MLPPolicy(), Stream(2, "test policy")
    act = policy.controller(_numbers(stream, policy.num_parameters, 0.5))
    observations = [_numbers(stream, 24, 1.0) for _ in range(3)]
    kept = [act(observation) for observation in observations]

    assert [act(observation).tolist() for observation in observations] == [action.tolist() for action in kept]
    assert 3 == len({tuple(action.tolist()) for action in kept})


def test_a_number_that_is_no_number_reaches_the_action() -> None:
    """NaN in, NaN out: a diverged world shows in the action and is not hidden by the clamp of tanh."""
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
        (np.zeros((1, 2804), np.float32), r"\(1, 2804\): choose a row"),
        ([0.0] * 2804, "but is a list"),
        (np.ma.array(np.zeros(2804, np.float32), mask=True), "but is a MaskedArray"),
    ],
)
def test_a_theta_that_does_not_fit_is_refused(theta: Any, found: str) -> None:
    """A theta of another size, type or without a number is refused with what was expected and found."""
    with pytest.raises(InputError, match=found):
        MLPPolicy().controller(theta)


@pytest.mark.parametrize(
    ("observation", "found"),
    [
        (np.zeros(23, np.float32), r"\(23,\)"),
        (np.zeros((2, 24), np.float32), r"\(2, 24\)"),
        (np.float32(1.0), r"float32 of shape \(\)"),
        ([1.0, 2.0], r"\(2,\)"),
        ([[1.0], [2.0, 3.0]], "object"),
        ("forward", "<U7"),
        (None, "object"),
        (np.zeros(24, np.complex64), "complex64"),
        (np.zeros(24, np.bool_), "bool"),
    ],
)
def test_an_observation_that_does_not_fit_is_refused(observation: Any, found: str) -> None:
    """The kernel would read out of bounds, so one sentence says what is expected and what was found."""
    act = MLPPolicy().controller(np.zeros(2804, np.float32))
    with pytest.raises(
        InputError, match=f"^observation must be the 24 numbers that one walker senses.* but is .*{found}"
    ):
        act(observation)


def test_numbers_of_any_kind_act_as_their_float32() -> None:
    """Lists, other types, strides and read-only arrays give the same bits, and nothing is recompiled."""
    stream = Stream(4, "test policy")
    theta, numbers = _numbers(stream, 2804, 0.5), _numbers(stream, 24, 3.0)
    frozen, wide = (array.copy() for array in (theta, np.repeat(numbers, 2)))
    frozen.setflags(write=False)
    expected = MLPPolicy().controller(theta)(numbers).tolist()
    num_compiled = len(forward.signatures)  # type: ignore[attr-defined]

    act = MLPPolicy().controller(frozen)
    for given in (
        numbers.tolist(),
        numbers.astype(np.float64),
        wide[::2],
        numbers.astype(">f4"),
        frozen[:24] * 0 + numbers,
    ):
        assert expected == act(given).tolist()
    assert num_compiled == len(forward.signatures)  # type: ignore[attr-defined]


@pytest.mark.parametrize("layer_sizes", [[24, 40, 4], (np.int64(24), 40, 4), np.array([24, 40, 4])])
def test_layers_may_be_any_whole_numbers(layer_sizes: Any) -> None:
    """A list, as JSON has it, or NumPy's: the policy is the same one."""
    assert MLPPolicy((24, 40, 4)) == MLPPolicy(layer_sizes)
    assert hash(MLPPolicy((24, 40, 4))) == hash(MLPPolicy(layer_sizes))


@pytest.mark.parametrize("layer_sizes", [(), (24,), (24, 0, 4), (24, -1, 4), 24, None, (24, 4.5, 4), (24, "4")])
def test_layers_without_units_are_refused(layer_sizes: Any) -> None:
    """A network needs two layers and a unit in each."""
    with pytest.raises(InputError, match="layer_sizes"):
        MLPPolicy(layer_sizes)
