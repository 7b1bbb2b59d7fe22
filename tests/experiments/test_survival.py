"""Times to a first event: Kaplan-Meier and log-rank against published numbers, and the permuted test by brute force."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from environments.streams import Stream
from experiments.comparison.statistics import cliffs_delta, least_attainable_p, least_p, permutation_p, share_interval
from experiments.comparison.survival import kaplan_meier, logrank_power, logrank_scores, median_time

#: Weeks in remission under 6-mercaptopurine and under placebo; + is censored (Freireich et al. 1963).
TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+".split()
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23".split()

#: A few runs: when, and whether it happened.
arm = st.lists(st.tuples(st.integers(1, 5).map(float), st.booleans()), min_size=1, max_size=4)


def read(words: list[str]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Times, and whether it happened."""
    return np.array([float(word.rstrip("+")) for word in words]), np.array([not word.endswith("+") for word in words])


def test_the_curve_is_the_published_one() -> None:
    """0.857 from week 6, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448 from week 23; half of the placebo group by week 8."""
    curve = kaplan_meier(*read(TREATED))
    assert [0, 6, 7, 10, 13, 16, 22, 23] == curve["env_steps"].tolist()
    expected = [1.0, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert pytest.approx(expected, abs=6e-4) == curve["not_yet"].tolist()
    assert (23.0, 8.0) == (median_time(curve), median_time(kaplan_meier(*read(PLACEBO))))


def test_a_curve_of_runs_that_never_got_there_stays_at_one() -> None:
    """With one point, and no median; and one in which all did at once falls to 0."""
    never = kaplan_meier(np.array([9.0, 9.0]), np.array([False, False]))
    assert [(0.0, 1.0)] == list(never.itertuples(index=False, name=None))
    assert np.isnan(median_time(never))
    at_once = kaplan_meier(np.array([4.0, 4.0]), np.array([True, True]))
    assert [(0.0, 1.0), (4.0, 0.0)] == list(at_once.itertuples(index=False, name=None))


def test_scores_sum_to_the_published_observed_less_expected() -> None:
    """9 observed and 19.25 expected under treatment, 21 and 10.75 under placebo; SciPy's z has the same numerator."""
    (times, happened), (others, other_happened) = read(TREATED), read(PLACEBO)
    scores = logrank_scores(np.concatenate([times, others]), np.concatenate([happened, other_happened]))
    assert pytest.approx((9 - 19.25, 21 - 10.75), abs=6e-3) == (scores[:21].sum(), scores[21:].sum())
    x, y = (stats.CensoredData(uncensored=t[h], right=t[~h]) for t, h in ((times, happened), (others, other_happened)))
    assert (stats.logrank(x, y).statistic < 0) == (scores[:21].sum() < 0)
    assert pytest.approx(16.79, abs=0.01) == stats.logrank(x, y).statistic ** 2  # the published chi square


@given(ours=arm, theirs=arm)
def test_the_permuted_test_counts_every_deal(ours: list[tuple[float, bool]], theirs: list[tuple[float, bool]]) -> None:
    """The share of deals of the runs whose observed less expected is as far from 0, by the definition of each."""
    runs = [*ours, *theirs]

    def excess(mine: tuple[int, ...]) -> float:
        total = 0.0
        for moment in {time for time, is_event in runs if is_event}:
            at_risk = [i for i, (time, _) in enumerate(runs) if time >= moment]
            events = [i for i, (time, is_event) in enumerate(runs) if is_event and time == moment]
            total += len(set(events) & set(mine)) - len(events) * len(set(at_risk) & set(mine)) / len(at_risk)
        return abs(total)

    every = [excess(mine) for mine in combinations(range(len(runs)), len(ours))]
    found = excess(tuple(range(len(ours))))
    scores = logrank_scores(np.array([time for time, _ in runs]), np.array([is_event for _, is_event in runs]))
    a, b = scores[: len(ours)], scores[len(ours) :]
    assert pytest.approx(0.0, abs=1e-9) == scores.sum()
    assert pytest.approx(np.mean([value >= found - 1e-9 for value in every])) == permutation_p(a, b)
    assert pytest.approx(np.mean([value >= max(every) - 1e-9 for value in every])) == least_attainable_p(a, b)


def test_ties_make_the_least_attainable_p_greater() -> None:
    """If one run of six got there, each of the six is as likely to be that one: no deal is rarer than all."""
    assert pytest.approx(least_p(3, 3)) == least_attainable_p(np.arange(3.0), np.arange(3.0) + 10.0)
    assert 1.0 == least_attainable_p(np.array([1.0, 0.0, 0.0]), np.zeros(3))


def test_cliffs_delta_is_what_is_above_less_what_is_below() -> None:
    """Of nine pairs five are above, two below and two ties."""
    assert pytest.approx((5 - 2) / 9) == cliffs_delta(np.array([1.0, 3.0, 5.0]), np.array([1.0, 3.0, 2.0]))
    assert (1.0, -1.0) == (cliffs_delta(np.ones(2), np.zeros(3)), cliffs_delta(np.zeros(2), np.ones(3)))


def test_the_interval_of_a_share_is_the_exact_one() -> None:
    """0 of 5: up to 1 - 0.025^(1/5) = 52 %; 3 of 5 from SciPy's beta quantiles (Clopper and Pearson)."""
    assert pytest.approx((0.0, 1.0 - 0.025**0.2)) == share_interval(0, 5)
    assert pytest.approx((stats.beta.ppf(0.025, 3, 3), stats.beta.ppf(0.975, 4, 2))) == share_interval(3, 5)


def _chance(labels: tuple[int, ...], ratio: int) -> Fraction:
    """How likely runs get there in this order of labels (1 is ours), drawing who is next again and again."""
    left, chance = [labels.count(0), labels.count(1)], Fraction(1)
    for label in labels:
        weights = left[0], ratio * left[1]
        chance *= Fraction(weights[label], sum(weights))
        left[label] -= 1
    return chance


@pytest.mark.parametrize(("num_ours", "num_theirs"), [(4, 4), (3, 5), (5, 3), (2, 2)])
def test_the_power_of_the_log_rank_test_counts_every_order(num_ours: int, num_theirs: int) -> None:
    """The chance of each order in which the test, done on it, says so; with a few more of ours it is another one."""
    orders = {*permutations([1] * num_ours + [0] * num_theirs)}
    assert 1 == sum(_chance(order, 8) for order in orders)
    scores = logrank_scores(np.arange(8.0)[: num_ours + num_theirs], np.ones(num_ours + num_theirs, np.bool_))
    expected = 0.0
    for order in orders:
        is_ours = np.array(order) == 1
        expected += float(_chance(order, 8)) * (permutation_p(scores[is_ours], scores[~is_ours]) <= 0.05)
    assert pytest.approx(expected) == logrank_power(num_ours, num_theirs, 8.0)
    assert (0.0 == expected) == (num_ours == 2)


def test_the_power_of_the_log_rank_test_is_that_of_experiments() -> None:
    """Runs with exponential times, ours eight times as fast: as many are found as is foretold. Without a difference
    no more than the level are, and Schoenfeld's formula (1981), which is for many runs, says a little more."""
    stream, found, number = Stream(0, "imagined runs"), 0, 1000
    for _ in range(number):
        times = np.array([-math.log(1.0 - stream.uniform(0.0, 1.0)) / (8.0 if i < 5 else 1.0) for i in range(10)])
        scores = logrank_scores(times, np.ones(10, np.bool_))
        found += permutation_p(scores[:5], scores[5:]) <= 0.05
    assert pytest.approx(logrank_power(5, 5, 8.0), abs=0.05) == found / number
    assert 0.04 < logrank_power(8, 8, 1.0) <= 0.05
    formula = stats.norm.cdf(np.sqrt(16 / 4) * np.log(8.0) - 1.96)
    assert formula - 0.1 < logrank_power(8, 8, 8.0) < formula
