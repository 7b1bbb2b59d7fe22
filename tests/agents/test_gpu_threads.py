"""The code of a GPU thread, compiled for the CPU, gives the bits of lanes and the thetas of samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy, forward, forward_column
from agents.rollouts.chunks import grounds, thetas
from agents.rollouts.named import named_episodes, thetas_of
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
from environments.physics.course import Course
from environments.streams import stream_key
from environments.terrain.terrain import Terrain
from tests.agents import courses, crowd, threads_on_cpu


def _request(
    theta: NDArray[np.float32], terrains: tuple[Terrain, ...], index: NDArray[np.int64], max_steps: int
) -> EvaluationRequest:
    block = Block(Thetas(theta), np.arange(len(theta)), terrains, index)
    return EvaluationRequest((block,), crowd.POLICY, max_steps)


def _in_threads(request: EvaluationRequest, num_walkers: int, steps_a_round: int) -> RolloutResult:
    terrains, index = grounds(request)
    episodes = named_episodes(request, index)
    return threads_on_cpu.run(
        request.policy, episodes, Course.of(terrains), request.max_steps, num_walkers, steps_a_round
    )


def _assert_same(expected: RolloutResult, found: RolloutResult) -> None:
    """Every bit."""
    assert crowd.rows(expected).tobytes() == crowd.rows(found).tobytes()


@pytest.mark.parametrize(("num_walkers", "steps_a_round"), [(1, 1), (7, 16), (64, 3), (300, 1000)])
def test_threads_give_the_bits_of_lanes(num_walkers: int, steps_a_round: int) -> None:
    """This holds for walkers of every kind, whichever they take turns with and however long a round is."""
    few = np.arange(0, crowd.NUM, 4)
    request = _request(crowd.thetas()[few], crowd.terrains(), crowd.terrain_index()[few], crowd.MAX_STEPS)
    _assert_same(crowd.run(few), _in_threads(request, num_walkers, steps_a_round))


def test_whole_episodes_on_courses_of_every_kind() -> None:
    """A trained walker and its mutants walk the parity test's terrains to the end."""
    request = courses.request(52, seed=5)
    expected = courses.in_lanes(request)
    assert expected.lengths.max() > 500
    _assert_same(expected, _in_threads(request, 16, 16))


sizes = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple)


@settings(max_examples=40)
@given(layer_sizes=sizes, seed=st.integers(0, 2**32 - 1))
def test_a_column_of_thetas_acts_as_the_theta_does(layer_sizes: tuple[int, ...], seed: int) -> None:
    """For any network, also one whose layers are no multiples of four."""
    rng, policy = np.random.default_rng(seed), MLPPolicy(layer_sizes)
    theta = rng.standard_normal((3, policy.num_parameters)).astype(np.float32)
    observation = rng.standard_normal(layer_sizes[0]).astype(np.float32)
    shape, columns, state = np.array(policy.shape), np.ascontiguousarray(theta.T).ravel(), np.zeros(0, np.float32)
    for row in range(3):
        expected, found = (np.full(layer_sizes[-1], np.nan, np.float32) for _ in range(2))
        scratch = [np.full((2, max(layer_sizes)), np.nan, np.float32) for _ in range(2)]
        forward(theta[row], 0, 1, shape, observation, state, 0, expected, scratch[0])
        forward_column(columns, row, 3, shape, observation, state, 0, found, scratch[1])
        assert expected.tobytes() == found.tobytes()


def _sample(rng: np.random.Generator, num_parameters: int) -> Perturbations | Thetas:
    """A sample of a few rows."""
    centre, scale = (rng.standard_normal(num_parameters).astype(np.float32) for _ in range(2))
    if rng.integers(3) == 0:
        return Thetas(rng.standard_normal((5, num_parameters)).astype(np.float32))
    return Perturbations(centre, abs(scale), stream_key(int(rng.integers(99)), "test"), 6, bool(rng.integers(2)))


@settings(max_examples=60)
@given(layer_sizes=sizes, num_blocks=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_named_thetas_are_those_of_the_samples(layer_sizes: tuple[int, ...], num_blocks: int, seed: int) -> None:
    """Perturbed or as they are, antithetic or not, in any order, also of a part of the episodes."""
    rng, policy = np.random.default_rng(seed), MLPPolicy(layer_sizes)
    blocks = []
    for _ in range(num_blocks):
        sample = _sample(rng, policy.num_parameters)
        rows = rng.integers(sample.num_rows, size=int(rng.integers(1, 9)))
        blocks.append(Block(sample, rows, crowd.terrains(), np.zeros(rows.size, np.int64)))
    request = EvaluationRequest(tuple(blocks), policy)
    expected, episodes = thetas(request), named_episodes(request, grounds(request)[1])
    assert threads_on_cpu.thetas(episodes).tobytes() == expected.tobytes()
    start, stop = sorted(rng.integers(len(expected) + 1, size=2).tolist())
    if start < stop:
        assert threads_on_cpu.thetas(episodes.part(start, stop)).tobytes() == expected[start:stop].tobytes()
    some = rng.integers(len(expected), size=3)
    assert thetas_of(request.blocks, some).tobytes() == expected[some].tobytes()


@pytest.mark.parametrize(("centre", "scale"), [(np.nan, 0.0), (np.inf, 0.0), (1.0, np.inf), (3e38, 3e38)])
def test_samples_that_lead_to_infinity_are_refused(centre: float, scale: float) -> None:
    """Before anything goes to the GPU, in one sentence."""
    policy = MLPPolicy((2, 1))
    values = (np.full(policy.num_parameters, value, np.float32) for value in (centre, scale))
    block = Block(Perturbations(*values, stream_key(0, "test"), 2), np.arange(4), crowd.terrains(), np.zeros(4, int))
    with pytest.raises(InputError, match="theta must be finite"):
        named_episodes(EvaluationRequest((block,), policy), np.zeros(4, np.int64))
