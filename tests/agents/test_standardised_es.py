"""OpenAI-ES on standardised inputs: the steps of OpenAI-ES, had the inputs been standardised before the policy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import MLPPolicy, rollout
from agents.evaluation.local import LocalExecutor
from agents.rollouts.named import named_episodes
from agents.rollouts.request import EvaluationRequest, every_row
from agents.strategies import make_strategy
from agents.strategies.openai_es import OpenAIES, OpenAIESState
from agents.strategies.perturbations import Perturbations
from agents.strategies.standardised_es import StandardisedES, observation_statistics
from environments import ObstacleGenotype
from environments.errors import InputError
from environments.streams import Stream, stream_key

_POLICY = MLPPolicy((24, 3, 4))
_UNITS = 3


def _theta() -> NDArray[np.float32]:
    stream = Stream(1, "test standardised theta")
    return np.array([stream.uniform(-1.0, 1.0) for _ in range(_POLICY.num_parameters)], np.float32)


def _standard(theta: NDArray[np.float32]) -> NDArray[np.float64]:
    """V and c of the derivation, by matrices."""
    found, statistics = theta.astype(np.float64), observation_statistics()
    weights = found[..., : 24 * _UNITS].reshape(*found.shape[:-1], 24, _UNITS).copy()
    found[..., 24 * _UNITS : 25 * _UNITS] += np.einsum("i,...ij->...j", statistics.means.astype(np.float64), weights)
    found[..., : 24 * _UNITS] = (weights * statistics.deviations[:, None]).reshape(*found.shape[:-1], -1)
    return found


def _fitness(num: int, generation: int) -> NDArray[np.float64]:
    stream = Stream(1, "test standardised fitness", generation)
    return np.array([[stream.uniform() for _ in range(num)]])


def test_it_is_openai_es_in_standardised_coordinates() -> None:
    """Samples, steps and proposals, moved into those coordinates, are the other strategy's from that theta."""
    settings = {"pairs": 5, "learning_rate": 0.02, "weight_decay": 0.3}
    standardised = make_strategy("standardised_es", hidden_units=_UNITS, **settings)
    plain = make_strategy("openai_es", **settings)
    state = standardised.initial_state(_theta()[None, :])
    twin = plain.initial_state(_standard(_theta()[None, :]).astype(np.float32))
    for generation in range(3):
        places = [stream_key(9, "test standardised", generation)]
        (sample,), (twins,) = standardised.ask(state, places), plain.ask(twin, places)
        rows = np.arange(sample.num_rows)
        np.testing.assert_allclose(_standard(sample.theta(rows)), twins.theta(rows), atol=2e-5)
        for is_plain in (False, True):
            proposed = standardised.propose(state, [sample], _fitness(10, generation), is_plain)
            expected = plain.propose(twin, [twins], _fitness(10, generation), is_plain)
            np.testing.assert_allclose(_standard(proposed), expected, atol=2e-4)

        state = standardised.tell(state, [sample], _fitness(10, generation))
        twin = plain.tell(twin, [twins], _fitness(10, generation))

        np.testing.assert_allclose(_standard(state.centre), twin.centre, atol=2e-4)
        np.testing.assert_allclose(state.first_moment, twin.first_moment, atol=2e-4)


def test_noise_leaves_the_mean_walker_alone() -> None:
    """At the mean observation a unit's sum moves by its bias's own noise alone."""
    es = StandardisedES(pairs=500, noise_std=0.1, hidden_units=_UNITS)
    state = es.initial_state(_theta()[None, :])
    (sample,) = es.ask(state, [stream_key(3, "test standardised noise")])
    moves = sample.theta(np.arange(0, 1000, 2)).astype(np.float64) - _theta()
    means = observation_statistics().means
    sums = np.einsum("i,mij->mj", means, moves[:, : 24 * _UNITS].reshape(-1, 24, _UNITS))

    at_mean = sums + moves[:, 24 * _UNITS : 25 * _UNITS]

    assert 0.09 < at_mean.std() < 0.11


def test_every_ray_is_felt() -> None:
    """Noise moves a unit as much by each input's deviation, though rays vary ten times less than speeds."""
    es = StandardisedES(pairs=500, noise_std=0.1, hidden_units=_UNITS)
    (sample,) = es.ask(es.initial_state(_theta()[None, :]), [stream_key(3, "test standardised rays")])
    moves = sample.theta(np.arange(0, 1000, 2)).astype(np.float64)[:, : 24 * _UNITS] - _theta()[: 24 * _UNITS]

    felt = moves.reshape(-1, 24, _UNITS).std(axis=(0, 2)) * observation_statistics().deviations

    np.testing.assert_allclose(felt, 0.1, rtol=0.1)


def test_a_gpu_is_given_such_thetas_as_they_are() -> None:
    """An engine that makes perturbations itself does not know means: it gets the rows, and adds nothing to them."""
    es = StandardisedES(pairs=2)
    theta = np.zeros((1, MLPPolicy().num_parameters), np.float32)
    (sample,) = es.ask(es.initial_state(theta), [stream_key(3, "test standardised gpu")])
    block = every_row(sample, (ObstacleGenotype().express(0),))

    episodes = named_episodes(EvaluationRequest((block,), MLPPolicy()), block.terrain_index)

    assert [0, 0, 0, 0] == episodes.sign.tolist()
    assert episodes.centre[episodes.sample].tobytes() == sample.theta(np.arange(4)).tobytes()


@pytest.mark.parametrize("engine", ["simd", "box2d"])
def test_an_engine_runs_the_rows_of_a_sample(engine: str) -> None:
    """Asked by name, rows walk as their thetas do, to the bit."""
    es = StandardisedES(pairs=2)
    theta = np.zeros((1, MLPPolicy().num_parameters), np.float32)
    (sample,) = es.ask(es.initial_state(theta), [stream_key(3, "test standardised rows")])
    ground = ObstacleGenotype().express(0)

    with LocalExecutor(1) as executor:
        (named,) = executor.evaluate(
            EvaluationRequest((every_row(sample, (ground,)),), MLPPolicy(), max_steps=60, engine=engine)
        )

    plain = rollout(MLPPolicy(), sample.theta(np.arange(4)), ground, engine=engine, max_steps=60)
    assert 4 == np.unique(named.returns).size
    assert plain.returns.tobytes() == named.returns.tobytes()


def test_a_theta_without_such_a_first_layer_is_refused() -> None:
    """Without this error, noise on something other than a first layer would silently be different noise."""
    with pytest.raises(InputError, match=r"first layer of 40 units, 1000 parameters, .* but has 999; es.settings"):
        StandardisedES().initial_state(np.zeros((1, 999), np.float32))


@pytest.mark.parametrize(
    ("means", "num_units", "sentence"),
    [
        (np.zeros(3), 1, "mean_input of a sample must be float32"),
        (np.zeros((3, 1), np.float32), 1, "mean_input of a sample must be float32"),
        (np.zeros(3, np.float32), 0, "a first layer of 3 inputs and 0 units does not fit into a theta of 11"),
        (np.zeros(3, np.float32), 3, "a first layer of 3 inputs and 3 units does not fit into a theta of 11"),
        (None, -1, "num_units must be a whole number from 0 on"),
    ],
)
def test_a_first_layer_that_does_not_fit_is_refused(
    means: NDArray[np.float32] | None, num_units: int, sentence: str
) -> None:
    """Otherwise a kernel would write outside theta."""
    ones = np.ones(11, np.float32)
    with pytest.raises(InputError, match=sentence):
        Perturbations(ones, ones, stream_key(0, "first layer"), 2, mean_input=means, num_units=num_units)


def test_settings_are_openai_es_s_and_one_more() -> None:
    """Settings mean the same for both strategies."""
    assert {*vars(StandardisedES())} == {*vars(OpenAIES()), "hidden_units"}
    assert isinstance(StandardisedES().initial_state(np.zeros((1, 1000), np.float32)), OpenAIESState)
