"""Which places of a list are drawn: by their weights, with replacement and without."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from poet.levels import Played, ReplayRule, draw_places, draw_some, make_level

SEED = 11


def test_places_are_drawn_without_replacement_in_proportion_to_what_is_left() -> None:
    """The frequencies of ordered pairs are the products of both draws' shares; all places make a permutation."""
    weights, num_draws = [1.0, 2.0, 5.0], 4000
    pairs = Counter(tuple(draw_some(Stream(SEED, "pairs", i), weights, 2)) for i in range(num_draws))

    for (i, j), count in pairs.items():
        expected = weights[i] / 8.0 * weights[j] / (8.0 - weights[i])
        assert i != j and count / num_draws == pytest.approx(expected, abs=0.025)
    assert 6 == len(pairs)
    assert [0, 1, 2] == sorted(draw_some(Stream(SEED, "all"), weights, 3))
    assert [] == draw_some(Stream(SEED, "none"), [], 0)


def _played(level_id: int) -> Played:
    return Played(make_level(level_id, ObstacleGenotype(), 0), 0.0, 0.0, 0.0, float(level_id), 0)


def test_half_of_all_places_go_to_the_best_level() -> None:
    """They are drawn with replacement, as in dcd: the best of 256 levels, all played at once, has 8 of 16 places."""
    buffer = [_played(i) for i in range(256)]
    weights = ReplayRule(256, 0.5, 10).probabilities(buffer, 50)
    best = [draw_places(Stream(SEED, "places", i), weights, 16).count(255) for i in range(400)]

    assert 8.0 == pytest.approx(sum(best) / 400, abs=0.4)
    assert [] == draw_places(Stream(SEED, "none"), weights, 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(0, 10**6), st.data())
def test_a_draw_is_where_the_mark_falls(weights: list[int], seed: int, data: st.DataObject) -> None:
    """The weights that are left lie side by side in the order of places, and the stream marks a point on them."""
    number = data.draw(st.integers(0, sum(weight > 0 for weight in weights)))
    stream, left, expected = Stream(seed, "twin"), list(range(len(weights))), []
    for _ in range(number):
        line = [i for i in left for _ in range(weights[i])]  # each place as often as it weighs
        expected.append(line[int(stream.uniform(0.0, float(len(line))))])
        left.remove(expected[-1])

    assert expected == draw_some(Stream(seed, "twin"), [float(weight) for weight in weights], number)
