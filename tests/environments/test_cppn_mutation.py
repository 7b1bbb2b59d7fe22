"""How CPPNs mutate: the rates of the released code's NEAT, and where its lineages drift (POET.md 1.7, measured)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain import cppn
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.cppn_genes import ACTIVATION_NAMES, ConnectionGene, NodeGene
from environments.terrain.cppn_ground import cppn_heights
from environments.terrain.cppn_mutation import first_network, mutate_network

RELEASED = CppnSettings(released_quirks=True)
NODES = (NodeGene(0, 0.0, 1.0, "identity"), NodeGene(1, 0.2, 1.0, "sin"), NodeGene(2, -0.3, 1.0, "tanh"))
CONNECTIONS = (
    ConnectionGene(-1, 0, 0.4, False),
    ConnectionGene(-1, 1, 1.0, True),
    ConnectionGene(-1, 2, 1.1, True),
    ConnectionGene(1, 0, 0.5, True),
    ConnectionGene(2, 0, 0.6, True),
)
NUM_CHILDREN = 6000

#: POET.md 1.7, 60 lineages without selection. By mutations: height range behind vertex 21 (5, 50, 95 %), m; mean and
#: greatest number of nodes; steepest slope (50, 95 %), of the function itself, since held vertices would double it.
NUM_MEASURED = 60
MEASURED = {
    1: ((0.45, 1.27, 5.2), 1.35, 2, (0.02, 0.22)),
    5: ((0.53, 1.46, 29.0), 1.7, 3, (0.03, 5.5)),
    20: ((0.39, 1.52, 31.6), 3.3, 6, (0.13, 18.0)),
    40: ((0.36, 1.57, 216.0), 5.1, 12, (0.38, 199.0)),
    80: ((0.72, 2.7, 1051.0), 7.9, 15, (1.1, 2090.0)),
}
NUM_LINEAGES = 100
#: What two samples may differ by, in standard errors of the difference: 1 comparison in 1,000 goes beyond it.
ERRORS = 3.3


@dataclass
class Drift:
    """Measurements of lineages: by number of mutations, one number per lineage."""

    ranges: dict[int, list[float]] = field(default_factory=dict)
    slopes: dict[int, list[float]] = field(default_factory=dict)
    num_nodes: dict[int, list[int]] = field(default_factory=dict)
    first_tries: list[int] = field(default_factory=list)
    later_tries: list[int] = field(default_factory=list)


@contextmanager
def counted_tries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list to which each try of a mutation adds an entry."""
    tries: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(cppn, "mutate_network", lambda *parts: (tries.append(1), mutate_network(*parts))[1])
        yield tries


@pytest.fixture(scope="module")
def drift() -> Drift:
    """Lineages with the released code's quirks."""
    found = Drift()
    with counted_tries(pytest.MonkeyPatch()) as tries:
        for lineage in range(NUM_LINEAGES):
            genotype = CppnGenotype.initial(RELEASED, Stream(lineage, "drift root"))
            stream = Stream(lineage, "drift")
            for generation in range(1, max(MEASURED) + 1):
                tries.clear()
                genotype = genotype.mutate(stream, RELEASED)
                (found.first_tries if generation == 1 else found.later_tries).append(len(tries))
                if generation in MEASURED:
                    heights = cppn_heights(genotype.nodes, genotype.connections)[21:]
                    found.ranges.setdefault(generation, []).append(float(np.ptp(heights)))
                    steepest = float(np.abs(np.diff(heights)).max() / (14 / 30))
                    found.slopes.setdefault(generation, []).append(steepest)
                    found.num_nodes.setdefault(generation, []).append(genotype.num_nodes)
    return found


def check_quantile(numbers: list[float], share: float, measured: float) -> None:
    """As many of ours lie below a measured quantile as should, but for chance in both samples."""
    error = math.sqrt(share * (1.0 - share) * (1.0 / NUM_MEASURED + 1.0 / len(numbers)))
    assert abs(sum(number <= measured for number in numbers) / len(numbers) - share) <= ERRORS * error


def check_mean(numbers: list[int] | list[float], measured: float, num_measured: int = NUM_MEASURED) -> None:
    """Our mean is the measured one, but for chance in both samples."""
    error = float(np.std(numbers)) * math.sqrt(1.0 / num_measured + 1.0 / len(numbers))
    assert abs(float(np.mean(numbers)) - measured) <= ERRORS * error


def check_count(count: int, num: int, share: float) -> None:
    """An event of this probability happened as often as it should, within four standard errors."""
    assert abs(count - num * share) <= 4.0 * math.sqrt(num * share * (1.0 - share))


@pytest.mark.parametrize("generation", MEASURED)
def test_lineages_drift_as_those_of_the_released_code(drift: Drift, generation: int) -> None:
    """Height ranges, slopes and numbers of nodes are spread as measured with the released code."""
    ranges, mean_nodes, most_nodes, slopes = MEASURED[generation]
    for share, measured in zip((0.05, 0.5, 0.95), ranges, strict=True):
        check_quantile(drift.ranges[generation], share, measured)
    for share, measured in zip((0.5, 0.95), slopes, strict=True):
        check_quantile(drift.slopes[generation], share, measured)
    check_mean(drift.num_nodes[generation], mean_nodes)
    # If one of nine of ours were larger, the greatest of 60 would be as small once in a thousand times.
    share_not_larger = sum(num <= most_nodes for num in drift.num_nodes[generation]) / NUM_LINEAGES
    assert share_not_larger**NUM_MEASURED > 1e-3


def test_a_first_mutation_takes_many_tries_and_later_ones_hardly_any(drift: Drift) -> None:
    """Slopes that descend have no child until one rises: 6.1 tries on average over all roots, at most 52; then 1.1."""
    check_mean(drift.first_tries, 6.1)
    assert (sum(tries <= 52 for tries in drift.first_tries) / NUM_LINEAGES) ** NUM_MEASURED > 1e-3
    check_mean(drift.later_tries, 1.1, num_measured=79 * NUM_MEASURED)


def test_roots_are_the_released_codes_slopes() -> None:
    """The course ends 1.18 m from the start's height on average, within 2.3 m for nine of ten: weight N(0, 0.25^2)."""
    roots = [first_network(Stream(i, "root")) for i in range(2000)]
    ends = [float(cppn_heights(*root)[-1]) for root in roots]
    assert abs(np.mean(ends)) < 4.0 * 1.4 / math.sqrt(2000)
    check_mean([abs(end) for end in ends], 1.18)
    assert 2.3 == pytest.approx(np.quantile(ends, 0.95), abs=0.2) == pytest.approx(-np.quantile(ends, 0.05), abs=0.2)
    weights = np.array([connections[0].weight for _, connections in roots])
    biases = np.array([nodes[0].bias for nodes, _ in roots])
    for numbers, std in ((weights, 0.25), (biases, 0.1)):
        assert abs(numbers.std() - std) < 4.0 * std / math.sqrt(2 * 2000)
    assert abs(np.corrcoef(weights, biases)[0, 1]) < 4.0 / math.sqrt(2000)
    assert {(1, 1)} == {(len(nodes), len(connections)) for nodes, connections in roots}


Network = tuple[tuple[NodeGene, ...], tuple[ConnectionGene, ...]]


@pytest.fixture(scope="module")
def children() -> list[Network]:
    """Of one network with two hidden nodes and a disabled connection."""
    return [mutate_network(NODES, CONNECTIONS, Stream(i, "children")) for i in range(NUM_CHILDREN)]


def _moves(before: list[float], after: list[float]) -> NDArray[np.float64]:
    return np.array(after) - np.array(before)


def test_a_child_has_a_node_more_in_a_tenth_and_one_less_in_three_of_forty(children: list[Network]) -> None:
    """0.1 and 0.075, never both; each of the hidden nodes goes, and never the output."""
    sizes = Counter(len(nodes) for nodes, _ in children)
    assert {2, 3, 4} == set(sizes)
    check_count(sizes[4], NUM_CHILDREN, 0.1)
    check_count(sizes[2], NUM_CHILDREN, 0.075)
    left = Counter(tuple(node.id for node in nodes) for nodes, _ in children if len(nodes) == 2)
    assert {(0, 1), (0, 2)} == set(left)
    check_count(left[0, 1], sizes[2], 0.5)


def test_a_new_node_splits_any_connection(children: list[Network]) -> None:
    """Each is as likely, the disabled one too; it is disabled, and 1.0 leads in and its weight out, but for a move."""
    splits: Counter[tuple[int, int]] = Counter()
    activations: Counter[str] = Counter()
    for nodes, connections in children:
        if len(nodes) < 4:
            continue
        by_ends = {(gene.source, gene.target): gene for gene in connections}
        (into,) = (gene for gene in connections if gene.target == 3)
        (out,) = (gene for gene in connections if gene.source == 3)
        splits[into.source, out.target] += 1
        activations[nodes[3].activation] += 1
        (old,) = (gene for gene in CONNECTIONS if (gene.source, gene.target) == (into.source, out.target))
        assert not by_ends[into.source, out.target].is_enabled and into.is_enabled and out.is_enabled
        assert abs(into.weight - 1.0) < 0.5 and abs(out.weight - old.weight) < 0.5
        assert (1.0, 3) == (nodes[3].response, nodes[3].id)
        assert {gene.is_enabled for ends, gene in by_ends.items() if ends in ((-1, 0), (into.source, out.target))} == {
            False
        }
    assert {(gene.source, gene.target) for gene in CONNECTIONS} == set(splits)
    for count in splits.values():
        check_count(count, splits.total(), 0.2)
    assert set(ACTIVATION_NAMES) == set(activations)
    for count in activations.values():
        check_count(count, activations.total(), 0.2)


def test_a_node_that_goes_takes_its_connections_along(children: list[Network]) -> None:
    """What is left stays as it was, the disabled connection disabled."""
    for nodes, connections in children:
        if len(nodes) == 2:
            kept = nodes[1].id
            assert [(-1, 0), (-1, kept), (kept, 0)] == [(gene.source, gene.target) for gene in connections]
            assert [False, True, True] == [gene.is_enabled for gene in connections]


def test_three_of_four_weights_and_biases_move_by_a_tenth(children: list[Network]) -> None:
    """Each by itself with probability 0.75, by N(0, 0.1^2), weights of disabled connections too; nothing else does."""
    whole = [child for child in children if len(child[0]) == 3]
    weights = [_moves([g.weight for g in CONNECTIONS], [g.weight for g in connections]) for _, connections in whole]
    biases = [_moves([n.bias for n in NODES], [n.bias for n in nodes]) for nodes, _ in whole]
    for table in (np.array(weights), np.array(biases)):
        for moves in table.T:
            moved = moves[moves != 0.0]
            check_count(moved.size, moves.size, 0.75)
            assert abs(moved.mean()) < 4.0 * 0.1 / math.sqrt(moved.size)
            assert abs(moved.std() - 0.1) < 4.0 * 0.1 / math.sqrt(2 * moved.size)
        correlations = np.corrcoef(np.hstack([weights, biases]).T) - np.eye(8)
        assert np.abs(correlations).max() < 4.0 / math.sqrt(len(whole))
    for nodes, connections in whole:
        assert [(n.id, n.response, n.activation) for n in NODES] == [(n.id, n.response, n.activation) for n in nodes]
        assert [g.is_enabled for g in CONNECTIONS] == [g.is_enabled for g in connections]


def test_a_new_node_has_a_first_bias_that_moves_at_once(children: list[Network]) -> None:
    """N(0, 0.1^2), and in three of four another such move: a variance of 0.01 + 0.0075."""
    biases = np.array([nodes[3].bias for nodes, _ in children if len(nodes) == 4])
    expected = math.sqrt(0.0175)
    assert abs(biases.mean()) < 4.0 * expected / math.sqrt(biases.size)
    assert abs(biases.std() - expected) < 4.0 * expected / math.sqrt(2 * biases.size)


def test_weights_and_biases_stop_at_10() -> None:
    """Over many moves from the bound they stay within it, and are found on it."""
    nodes, connections = (NodeGene(0, -10.0, 1.0, "identity"),), (ConnectionGene(-1, 0, 10.0, True),)
    found = [mutate_network(nodes, connections, Stream(i, "bounds")) for i in range(200)]
    weights = [connections[0].weight for _, connections in found]
    biases = [nodes[0].bias for nodes, _ in found]
    assert 10.0 == max(weights) > 9.5 < min(weights)
    assert -10.0 == min(biases) < -9.5 > max(biases)
