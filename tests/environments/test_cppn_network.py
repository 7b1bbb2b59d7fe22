"""The outputs of a CPPN: the rules of neat-python 0.92, against a slow twin and stored numbers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.streams import Stream
from environments.terrain.cppn_genes import ConnectionGene, NodeGene
from environments.terrain.cppn_ground import cppn_heights
from environments.terrain.cppn_mutation import first_network, mutate_network
from environments.terrain.cppn_network import evaluate
from tests.naive_cppn import naive_cppn, naive_heights

X = np.linspace(-3.0, 3.0, 41)
#: By seed of ``drifted`` after 60 mutations: all five activations are among these networks.
GOLDEN_VALUES: dict[int, list[str]] = {
    9: ["0x1.13cd85ce8a7fap-5", "0x1.b51c8fcc0abecp-4", "-0x1.69a696d237659p-3", "-0x1.22affb040c0cdp-3"],
    15: ["-0x1.2d2827ee7fb0dp+0", "0x1.d715fe5163f24p-2", "0x1.b60f86389b64ep-2", "0x1.24676068a65c2p+0"],
    22: ["0x1.163e4616f11e1p-1", "0x1.fe2c3313d8c25p-2", "0x1.e1bc9a60cfecfp-2", "0x1.8e1fa9e94f051p-2"],
}


def chain(*activations: str, weight: float = 1.0, bias: float = 0.0) -> tuple[Any, Any]:
    """Input, hidden nodes with these activations one after the other, output."""
    hidden = tuple(NodeGene(i, bias, 1.0, name) for i, name in enumerate(activations, 1))
    ids = [-1, *range(1, len(activations) + 1), 0]
    connections = [ConnectionGene(a, b, weight, True) for a, b in pairwise(ids)]
    return (NodeGene(0, 0.0, 1.0, "identity"), *hidden), tuple(connections)


def drifted(seed: int, num_mutations: int) -> tuple[Any, Any]:
    """A network that mutated without a check of its terrain."""
    stream = Stream(seed, "drift")
    nodes, connections = first_network(stream)
    for _ in range(num_mutations):
        nodes, connections = mutate_network(nodes, connections, stream)
    return nodes, connections


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [
        ("identity", 0.3, 0.3),
        ("square", -0.3, 0.09),
        ("sin", 0.3, math.sin(1.5)),
        ("tanh", 0.3, math.tanh(0.75)),
        ("sigmoid", 0.3, 1.0 / (1.0 + math.exp(-1.5))),
        ("sin", 100.0, math.sin(60.0)),
        ("sin", -100.0, math.sin(-60.0)),
        ("tanh", -100.0, -1.0),
        ("sigmoid", -100.0, math.exp(-60.0)),
    ],
)
def test_activations_have_their_scalings_and_stop_at_60(name: str, x: float, value: float) -> None:
    """sin 5z, tanh 2.5z and sigmoid 5z, whose arguments stay within -60 to 60; square and identity of z itself."""
    assert value == pytest.approx(evaluate(*chain(name), np.array([x]))[0], rel=1e-14)


def test_a_node_is_its_activation_of_bias_and_weighted_sum_times_response() -> None:
    """Bias and response count as they stand; what is not enabled does not."""
    nodes = (NodeGene(0, 0.5, 2.0, "identity"), NodeGene(1, -1.0, 1.0, "square"))
    connections = (
        ConnectionGene(-1, 0, 0.25, True),
        ConnectionGene(-1, 1, 2.0, True),
        ConnectionGene(1, 0, 3.0, True),
    )
    expected = 0.5 + 2.0 * (0.25 * X + 3.0 * (2.0 * X - 1.0) ** 2)
    assert expected == pytest.approx(evaluate(nodes, connections, X), rel=1e-14)
    without = (ConnectionGene(-1, 0, 0.25, False), *connections[1:])
    assert expected - 0.5 * X == pytest.approx(evaluate(nodes, without, X), rel=1e-13, abs=1e-13)


def test_an_output_without_all_of_its_signals_is_0() -> None:
    """As in neat-python 0.92 a node with a source that no signal reaches has no value, whatever else leads to it."""
    nodes, connections = chain("tanh")
    both = (*connections, ConnectionGene(-1, 0, 1.0, True))
    cut = tuple(ConnectionGene(g.source, g.target, g.weight, g.target != 1) for g in both)
    assert evaluate(nodes, both, X).any()
    assert not evaluate(nodes, cut, X).any()
    assert not evaluate(nodes, tuple(ConnectionGene(g.source, g.target, 1.0, False) for g in both), X).any()


@given(seed=st.integers(0, 10**6), num_mutations=st.integers(0, 60))
def test_all_places_at_once_are_each_place_alone(seed: int, num_mutations: int) -> None:
    """The slow twin, recursive and in libm's arithmetic, has the same values to 1e-9, also of networks cut apart."""
    nodes, connections = drifted(seed, num_mutations)
    with np.errstate(over="ignore"):
        expected = np.array([naive_cppn(nodes, connections, x) for x in X.tolist()])
    assert expected == pytest.approx(evaluate(nodes, connections, X), rel=1e-9, abs=1e-9)


@given(seed=st.integers(0, 10**6), num_mutations=st.integers(0, 40))
def test_heights_are_those_of_the_released_formula(seed: int, num_mutations: int) -> None:
    """Vertex i has the input (x - mid) pi / mid; heights count from vertex 21, and the start pad is flat."""
    network = drifted(seed, num_mutations)
    assert naive_heights(*network) == pytest.approx(cppn_heights(*network).tolist(), rel=1e-9, abs=1e-9)


def test_numbers_too_large_are_not_finite_and_say_nothing() -> None:
    """Squares of squares overflow to infinity, their differences to nan, without a warning or a crash."""
    nodes, connections = chain(*["square"] * 12, weight=10.0)
    assert np.isinf(evaluate(nodes, connections, np.array([3.0]))).all()
    assert np.isnan(cppn_heights(nodes, connections)).any()


def test_these_values_never_change() -> None:
    """To the bit on every machine: recorded terrains depend on them."""
    places = np.array([-3.0, -0.3, 0.01, 1.7])
    found = [[v.hex() for v in evaluate(*drifted(seed, 60), places).tolist()] for seed in GOLDEN_VALUES]
    assert list(GOLDEN_VALUES.values()) == found
