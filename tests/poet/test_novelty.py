"""Measures of novelty: distances worked by hand, ranks against a slow twin."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from poet.novelty import AbstractDistance, AbstractNovelty, Environment, NearestGenes, PataEc
from tests.naive import naive_pata_ec
from tests.poet.builders import make_test_parts

SCORES = st.one_of(st.just(-math.inf), st.floats(-150.0, 400.0), st.sampled_from([50.0, 300.0, 123.0]))
PITS = ObstacleSettings(obstacles=("roughness", "pit_gap"))


class Longest(AbstractNovelty):
    """A user's measure: the candidate whose genotype's JSON is longest."""

    def measure(self, candidates, others):
        """Letters."""
        return [float(len(str(candidate.genotype.to_json()))) for candidate in candidates]


def nearest_genes(neighbors: int, scale: str, settings: ObstacleSettings, candidate, others) -> float:
    """One candidate among others by genes."""
    measure = NearestGenes(neighbors, scale, 50.0, 300.0, settings)
    (found,) = measure.measure([Environment(candidate)], [Environment(other) for other in others])
    return found


def pata_ec(neighbors: int = 5) -> PataEc:
    """The measure with the paper's band."""
    return PataEc(neighbors, "none", 50.0, 300.0, ObstacleSettings())


def place(*scores: float) -> Environment:
    """A flat environment with these scores."""
    return Environment(ObstacleGenotype(), scores)


def test_novelty_is_the_mean_distance_to_the_nearest_genes():
    """Hand-worked: distances 0.5, 3 and 4 with k = 2 give 1.75; with more neighbours than environments all count."""
    candidate = ObstacleGenotype(roughness=1.0)
    others = [
        ObstacleGenotype(roughness=0.5),
        ObstacleGenotype(roughness=4.0),
        ObstacleGenotype(roughness=1.0, pit_gap=(0.0, 4.0)),
    ]

    assert 1.75 == nearest_genes(2, "none", PITS, candidate, others)
    assert 2.5 == nearest_genes(9, "none", PITS, candidate, others)


def test_scaled_novelty_divides_each_gene_by_its_greatest_value():
    """A gap of 4 of 10 is farther than a roughness of 3 of 10, and stairs count when they are enabled."""
    settings = ObstacleSettings(obstacles=("roughness", "pit_gap", "stairs"))
    flat = [ObstacleGenotype()]
    stairs = ObstacleGenotype(stair_height=(0.0, 2.0), stair_steps=(1, 1))

    assert pytest.approx(0.3) == nearest_genes(5, "gene_max", settings, ObstacleGenotype(roughness=3.0), flat)
    assert pytest.approx(0.4) == nearest_genes(5, "gene_max", settings, ObstacleGenotype(pit_gap=(0.0, 4.0)), flat)
    assert nearest_genes(5, "gene_max", settings, stairs, flat) > 0.4


def test_agents_that_score_the_same_share_the_mean_of_their_ranks():
    """Hand-worked: of five agents two are too hard hit, one diverged, so ranks 0, 1, 2 are one; two are too good."""
    vector = pata_ec().vector(place(-100.0, 49.0, -math.inf, 300.5, 999.0))

    assert (-0.25, -0.25, -0.25, 0.375, 0.375) == vector


def test_scores_within_the_band_are_ranked_and_not_measured():
    """PATA-EC only sees the order: 60 < 61 < 290 counts the same as 60 < 200 < 290."""
    assert (-0.5, 0.0, 0.5) == pata_ec().vector(place(60.0, 61.0, 290.0)) == pata_ec().vector(place(60.0, 200.0, 290.0))


def test_a_single_agent_ranks_zero():
    """The first reproduction of a run has one agent: every environment has the vector 0, and no novelty is NaN."""
    assert (0.0,) == pata_ec().vector(place(77.0))
    assert [0.0, 0.0] == pata_ec().measure([place(77.0), place(-math.inf)], [place(200.0)])


def test_pata_ec_is_the_mean_distance_to_the_nearest_vectors():
    """Hand-worked: the candidate ranks agents (low, high); one environment does so too, two the other way round."""
    others = [place(60.0, 70.0), place(70.0, 60.0), place(90.0, 10.0)]

    (nearest_two,) = pata_ec(2).measure([place(100.0, 200.0)], others)
    (all_three,) = pata_ec(5).measure([place(100.0, 200.0)], others)

    assert math.sqrt(2.0) / 2.0 == nearest_two
    assert 2.0 * math.sqrt(2.0) / 3.0 == all_three


@given(st.data(), st.integers(1, 6), st.integers(1, 9))
def test_pata_ec_is_that_of_the_slow_twin(data, num_agents, num_others):
    """Clip, rank, distances, the k nearest, mean: to the bit, for any scores."""
    row = st.lists(SCORES, min_size=num_agents, max_size=num_agents)
    own, others = data.draw(row), data.draw(st.lists(row, min_size=num_others, max_size=num_others))

    (found,) = pata_ec(5).measure([place(*own)], [place(*other) for other in others])

    assert naive_pata_ec(own, others, 5, 50.0, 300.0) == found


@given(st.permutations(range(6)), st.lists(SCORES, min_size=6, max_size=6), st.lists(SCORES, min_size=6, max_size=6))
def test_the_order_of_agents_does_not_matter(order, own, other):
    """Average ranks depend on scores alone, so that novelty is the same however agents are counted."""
    (found,) = pata_ec().measure([place(*own)], [place(*other)])
    (shuffled,) = pata_ec().measure([place(*(own[i] for i in order))], [place(*(other[i] for i in order))])

    assert found == shuffled


class ByScores(AbstractDistance):
    """The scores themselves are the vector."""

    def vector(self, environment):
        """As they are."""
        return environment.scores


COORDINATE = st.floats(-1e200, 1e200) | st.sampled_from([0.0, 0.1, 0.2, 0.3, 1e-160, 1e-308])


@given(st.lists(st.tuples(COORDINATE, COORDINATE, COORDINATE), min_size=2, max_size=12), st.integers(1, 6))
def test_only_the_nearest_are_measured_and_the_bits_are_those_of_all(points, neighbors):
    """Whatever is left out by a rough distance is none of the nearest, also among equals and beyond float64."""
    own, *others = points
    exact = sorted(math.sqrt(math.fsum((a - b) * (a - b) for a, b in zip(own, o, strict=True))) for o in others)
    expected = math.fsum(exact[:neighbors]) / len(exact[:neighbors])

    measure = ByScores(neighbors, "none", 50.0, 300.0, ObstacleSettings())

    assert [expected] == measure.measure([place(*own)], [place(*other) for other in others])


def test_novelty_among_nothing_is_refused():
    """There is always a root, so an empty archive is a caller's mistake."""
    with pytest.raises(ValueError, match="at least the root"):
        nearest_genes(5, "none", PITS, ObstacleGenotype(), [])


def test_a_users_own_measure_is_loaded_by_name():
    """``package.module:Name`` brings a measure into the run; one that is abstract, or none, is refused."""
    genotype = ObstacleGenotype(roughness=1.0)
    parts = make_test_parts(novelty={"measure": "tests.poet.test_novelty:Longest"})
    assert [len(str(genotype.to_json()))] == parts.novelty.measure([Environment(genotype)], [])
    for wrong in ("poet.novelty:AbstractDistance", "math:sqrt", "nearest_gene"):
        with pytest.raises(InputError, match=r"novelty\.measure|AbstractNovelty|nearest_gene"):
            make_test_parts(novelty={"measure": wrong})
