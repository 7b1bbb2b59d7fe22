"""Averaged ES: the same search as standardised ES, and an agent that is an average of its centres."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.averaged_es import AveragedES
from agents.strategies.openai_es import OpenAIESState
from agents.strategies.standardised_es import StandardisedES
from environments.errors import InputError
from environments.streams import Stream, stream_key

_PARAMETERS = 30


def _theta(name: str) -> NDArray[np.float32]:
    stream = Stream(1, f"test averaged theta, {name}")
    return np.array([[stream.uniform(-1.0, 1.0) for _ in range(_PARAMETERS)]], np.float32)


def _fitness(generation: int) -> NDArray[np.float64]:
    stream = Stream(1, "test averaged fitness", generation)
    return np.array([[stream.uniform() for _ in range(8)]])


def test_the_search_is_that_of_standardised_es() -> None:
    """Samples, centres and moments are those of the other strategy, to the bit: the average changes nothing."""
    averaged, plain = AveragedES(pairs=4, hidden_units=1), StandardisedES(pairs=4, hidden_units=1)
    state, twin = averaged.initial_state(_theta("start")), plain.initial_state(_theta("start"))
    for generation in range(3):
        places = [stream_key(1, "test averaged", generation)]
        samples, twins = averaged.ask(state, places), plain.ask(twin, places)
        rows = np.arange(8)
        assert samples[0].theta(rows).tolist() == twins[0].theta(rows).tolist()
        state = averaged.tell(state, samples, _fitness(generation))
        twin = plain.tell(twin, twins, _fitness(generation))
        for field in fields(OpenAIESState):
            assert getattr(twin, field.name).tolist() == getattr(state, field.name).tolist()


def test_the_agent_is_the_average_of_the_centres() -> None:
    """It begins at theta; steps keep 2/11 and 3/12 of it, then no more than 0.3, and add the rest of the new centre."""
    strategy = AveragedES(pairs=4, hidden_units=1, averaging=0.3, learning_rate=0.5)
    state = strategy.initial_state(_theta("start"))
    expected = _theta("start").astype(np.float64)
    assert _theta("start").tolist() == state.theta.tolist()
    for generation, kept in enumerate((2.0 / 11.0, 3.0 / 12.0, 0.3, 0.3, 0.3)):
        samples = strategy.ask(state, [stream_key(1, "test averaged", generation)])
        state = strategy.tell(state, samples, _fitness(generation))
        expected = kept * expected + (1.0 - kept) * state.centre
        np.testing.assert_allclose(state.theta, expected, atol=1e-6)
        assert np.abs(state.theta - state.centre).max() > 0.05


def test_an_average_begins_anew_where_an_agent_arrives() -> None:
    """Fifty steps of another niche would hold it back: after the move, the first step counts for 9 of 11 parts."""
    strategy = AveragedES(pairs=4, hidden_units=1)
    state = strategy.initial_state(_theta("start"))
    for generation in range(30):
        state = strategy.tell(state, strategy.ask(state, [stream_key(1, "test", generation)]), _fitness(generation))
    moved = strategy.moved(state, _theta("other"))
    assert _theta("other").tolist() == moved.theta.tolist()

    after = strategy.tell(moved, strategy.ask(moved, [stream_key(1, "test moved")]), _fitness(30))

    expected = 2.0 / 11.0 * _theta("other") + 9.0 / 11.0 * after.centre
    np.testing.assert_allclose(after.theta, expected, atol=1e-6)
    assert state.learning_rate.tolist() == moved.learning_rate.tolist() != [strategy.learning_rate]


def test_a_proposal_starts_where_its_samples_lie() -> None:
    """A transfer replaces the centre by another agent's theta: samples lie around that, not around an average."""
    strategy = AveragedES(pairs=4, hidden_units=1)
    state = replace(strategy.initial_state(_theta("start")), centre=_theta("other"))

    (sample,) = strategy.ask(state, [stream_key(1, "test averaged")])

    assert _theta("other")[0].tolist() == sample.centre.tolist()


def test_an_average_of_nothing_new_is_refused() -> None:
    """With 1 the agent would never learn."""
    with pytest.raises(InputError, match=r"averaging must be below 1, but is 1\.0"):
        AveragedES(averaging=1.0)


def test_a_stored_number_of_steps_below_0_is_refused() -> None:
    """At -11 steps the average would be divided by 0."""
    state = AveragedES(pairs=4, hidden_units=1).initial_state(_theta("start"))

    state.check()
    with pytest.raises(ValueError, match="num_steps must be 0 or more, but is -11"):
        replace(state, num_steps=np.array([-11])).check()
