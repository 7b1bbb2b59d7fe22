"""OpenAI-ES as POET uses it, against a loop that spells it out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIES, OpenAIESState
from environments.errors import InputError
from environments.streams import Stream, stream_key
from tests.naive import NaiveNiche, float32, naive_openai_es

_P = 6


def _theta(num_niches: int) -> NDArray[np.float32]:
    stream = Stream(1, "test openai es theta")
    return np.array([[stream.uniform(-1.0, 1.0) for _ in range(_P)] for _ in range(num_niches)], np.float32)


def _fitness(num_niches: int, num_rows: int, generation: int) -> NDArray[np.float64]:
    """Returns with ties, and a diverged world in each niche."""
    stream = Stream(1, "test openai es fitness", generation)
    fitness = np.array([[float(stream.integer(0, 9)) for _ in range(num_rows)] for _ in range(num_niches)])
    fitness[:, generation % num_rows] = -np.inf
    return fitness


def _naive(state: OpenAIESState) -> list[NaiveNiche]:
    columns = [getattr(state, name).tolist() for name in state.__dataclass_fields__]
    return [NaiveNiche(*niche) for niche in zip(*columns, strict=True)]


@pytest.mark.parametrize("ceiling", ["none", 5.0])
def test_niches_step_as_the_naive_loop_to_the_bit(ceiling: float | str) -> None:
    """Several niches together give what loops over niches, parameters and pairs give one by one, step after step."""
    es = OpenAIES(pairs=5, return_ceiling=ceiling)
    state = es.initial_state(_theta(3))
    expected = _naive(state)
    for generation in range(4):
        places = [stream_key(9, "test openai es", generation, n) for n in range(3)]
        fitness = _fitness(3, 10, generation)

        state = es.tell(state, es.ask(state, places), fitness)

        expected = [
            naive_openai_es(niche, place, row.tolist(), es)
            for niche, place, row in zip(expected, places, fitness, strict=True)
        ]
        assert expected == _naive(state)


def test_the_defaults_are_the_papers() -> None:
    """512 samples; Adam 0.01 x 0.9999 to 0.001; noise 0.1 x 0.999 to 0.01; weight decay 0.01 (POET.md 3, 5.2)."""
    assert (256, 0.01, 0.9999, 0.001, 0.1, 0.999, 0.01, 0.01, "none") == tuple(vars(OpenAIES()).values())


def test_step_sizes_decay_to_their_limits() -> None:
    """Learning rate and noise shrink by their factor after each step, down to the limit and no further."""
    es = OpenAIES(pairs=1, learning_rate=0.008, learning_rate_decay=0.5, noise_std=0.2, noise_decay=0.25)
    state = es.initial_state(_theta(2))
    rates, stds = [], []
    for generation in range(5):
        noise_std, learning_rate = es.step_sizes(state)
        rates.append(learning_rate.tolist())
        stds.append(noise_std.tolist())
        samples = es.ask(state, [stream_key(1, "decay", generation, n) for n in range(2)])
        assert [[float32(std)] * _P for std in stds[-1]] == [sample.scale.tolist() for sample in samples]
        state = es.tell(state, samples, np.array([[1.0, 0.0], [0.0, 1.0]]))

    assert [[rate] * 2 for rate in (0.008, 0.004, 0.002, 0.001, 0.001)] == rates
    assert [[std] * 2 for std in (0.2, 0.05, 0.0125, 0.01, 0.01)] == stds


def test_one_step_by_hand() -> None:
    """With one pair, Adam's first step moves each parameter by the learning rate towards the better row."""
    es = OpenAIES(pairs=1, weight_decay=0.0)
    state = es.initial_state(np.zeros((1, _P), np.float32))
    (sample,) = es.ask(state, [stream_key(1, "by hand")])
    plus, minus = sample.theta(np.arange(2))

    moved = es.tell(state, [sample], np.array([[-3.0, 5.0]]))

    assert (-plus).tolist() == minus.tolist()
    np.testing.assert_allclose(moved.centre[0], 0.01 * np.sign(minus), rtol=1e-6)


def test_weight_decay_pulls_towards_zero() -> None:
    """The L2 term is added to the gradient: without it a step goes elsewhere, and nearer to 0 with it."""
    theta = np.full((1, _P), 50.0, np.float32)
    moved = []
    for weight_decay in (0.0, 10.0):
        es = OpenAIES(pairs=2, weight_decay=weight_decay)
        state = es.initial_state(theta)
        samples = es.ask(state, [stream_key(1, "decay")])
        moved.append(es.tell(state, samples, np.array([[1.0, 2.0, 3.0, 4.0]])).centre)

    assert (moved[1] < theta).all()
    assert (moved[0] > theta).any()


def test_a_plain_proposal_is_a_gradient_step() -> None:
    """The released code's SimpleSGD: the source minus learning_rate times the gradient, whatever the moments are."""
    es = OpenAIES(pairs=2, weight_decay=0.5, learning_rate=0.25)
    fresh = es.initial_state(_theta(1))
    worn = replace(fresh, first_moment=fresh.first_moment + 1, learning_rate=fresh.learning_rate / 7)
    (sample,) = es.ask(fresh, [stream_key(1, "plain")])
    rows, weights = sample.theta(np.arange(4)).astype(np.float64), (-1 / 3, 1.0)  # ranks 1, 2 and 3, 0
    eps = (rows[0::2] - rows[1::2]) / (2 * 0.1)
    gradient = 0.5 * sample.centre - (weights[0] * eps[0] + weights[1] * eps[1]) / (2 * 0.1)

    proposed = es.propose(worn, [sample], np.array([[1.0, 2.0, 3.0, 0.0]]), plain=True)

    np.testing.assert_allclose(proposed[0], sample.centre - 0.25 * gradient, rtol=1e-5, atol=1e-5)


def test_a_proposal_uses_the_targets_moments() -> None:
    """Two optimisers with other moments propose otherwise from the same samples around the same source."""
    es = OpenAIES(pairs=2)
    fresh = es.initial_state(_theta(1))
    (sample,) = es.ask(fresh, [stream_key(1, "moments")])
    fitness = np.array([[1.0, 2.0, 3.0, 0.0]])
    worn = replace(fresh, first_moment=fresh.first_moment + 1)

    assert (es.propose(fresh, [sample], fitness) != es.propose(worn, [sample], fitness)).all()


@pytest.mark.parametrize("fitness", [np.zeros((1, 3)), np.zeros((2, 4))])
def test_fitness_of_another_shape_is_refused(fitness: NDArray[np.float64]) -> None:
    """Fitness that is not one number for each row of each niche is an error, not another step."""
    es = OpenAIES(pairs=2)
    state = es.initial_state(_theta(1))

    with pytest.raises(ValueError, match="fitness"):
        es.tell(state, es.ask(state, [stream_key(1, "shape")]), fitness)


@pytest.mark.parametrize("ceiling", ["high", float("nan"), float("inf")])
def test_a_ceiling_that_is_no_number_is_refused(ceiling: float | str) -> None:
    """Otherwise the error would come from NumPy, in the first generation."""
    with pytest.raises(InputError, match=f"return_ceiling must be a number or 'none', but is {ceiling!r}"):
        OpenAIES(return_ceiling=ceiling)


def test_who_finishes_is_equal_below_a_ceiling() -> None:
    """With a ceiling, two finishes move nothing, not even by weight decay; without one, the thriftier one wins."""
    for ceiling, moves in ((230.0, False), ("none", True)):
        es = OpenAIES(pairs=1, weight_decay=0.5, return_ceiling=ceiling)
        state = es.initial_state(np.ones((1, _P), np.float32))
        samples = es.ask(state, [stream_key(1, "ceiling")])

        state = es.tell(state, samples, np.array([[260.0, 275.0]]))

        assert moves == (state.centre != 1.0).any()
