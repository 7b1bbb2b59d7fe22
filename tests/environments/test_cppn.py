"""The CPPN genotype: its parts, the ground that it makes, and its valid children."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments import CppnGenotype
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain import cppn
from environments.terrain.cppn import MAX_TRIES, STATIONS, CppnSettings
from environments.terrain.cppn_genes import ConnectionGene, NodeGene
from environments.terrain.cppn_ground import cppn_heights, fit_to_walk, fit_to_walk_as_released
from tests.environments.test_cppn_network import chain
from tests.naive_cppn import is_series_parallel, naive_heights

HEIGHT = 400 / 30 / 4
OURS, RELEASED = CppnSettings(), CppnSettings(released_quirks=True)
BOTH = pytest.mark.parametrize("rules", [OURS, RELEASED], ids=["ours", "released"])
SLOPE = CppnGenotype(*chain(weight=0.2))
JSON: dict[str, Any] = {
    "nodes": [
        {"id": 0, "bias": 0.1, "response": 1.0, "activation": "identity"},
        {"id": 1, "bias": 0.0, "response": 1.0, "activation": "sin"},
        {"id": 2, "bias": 0.0, "response": 1.0, "activation": "tanh"},
    ],
    "connections": [
        {"source": -1, "target": 0, "weight": 0.5, "is_enabled": False},
        {"source": -1, "target": 1, "weight": 1.0, "is_enabled": True},
        {"source": 1, "target": 2, "weight": -0.5, "is_enabled": True},
        {"source": 2, "target": 0, "weight": 0.5, "is_enabled": True},
    ],
    "released_quirks": False,
}

#: By quirks: the generation in which the lineage of seed 1 first has a second node, its genome then, and the courses
#: of seed 7 of three lineages' genomes in generation 25.
GOLDEN: dict[bool, tuple[int, dict[str, Any], list[str]]] = {
    False: (
        10,
        {
            "nodes": [
                {"id": 0, "bias": -0.26337240355446606, "response": 1.0, "activation": "identity"},
                {"id": 1, "bias": 0.013908405972724617, "response": 1.0, "activation": "square"},
            ],
            "connections": [
                {"source": -1, "target": 0, "weight": -0.11358817718290581, "is_enabled": False},
                {"source": -1, "target": 1, "weight": 1.0, "is_enabled": True},
                {"source": 1, "target": 0, "weight": -0.09508357030481032, "is_enabled": True},
            ],
            "released_quirks": False,
        },
        [
            "736972c9c4277c7844daa52c876f3aa9e2e5f0d6182b24bca8de8f07edfb24b8",
            "c93a44cd1cd1cd1187aafcf1dd747b1c1c191ce47a8f8bb9d14ac8b693db62bc",
            "7698a4d19d1df68ad2f8b2ea10d94028c485737b26374dca9778446f7c850a65",
        ],
    ),
    True: (
        10,
        {
            "nodes": [
                {"id": 0, "bias": -0.3076009677246974, "response": 59.61073937244997, "activation": "identity"},
                {"id": 1, "bias": 0.013908405972724617, "response": 1.0, "activation": "square"},
            ],
            "connections": [
                {"source": -1, "target": 0, "weight": 0.31033072465227884, "is_enabled": False},
                {"source": -1, "target": 1, "weight": 1.0, "is_enabled": True},
                {"source": 1, "target": 0, "weight": 0.3288353315303743, "is_enabled": True},
            ],
            "released_quirks": True,
        },
        [
            "5720d086c02ac87dd3aa76d55a217224f6f50883424ff0c69427a451a2574b34",
            "cf8ed6db68a219abb6c4ec6ce51c2384ac5b20246a9ce30452470ca7a69af0d4",
            "1123748fba4d98bac8e0297bbcae6a9eb30dd6542420fb2cebed69279c9971f5",
        ],
    ),
}


def lineage(seed: int, num_mutations: int, rules: CppnSettings) -> list[CppnGenotype]:
    """A root and its descendants."""
    genotypes = [CppnGenotype.initial(rules, Stream(seed, "root"))]
    for generation in range(num_mutations):
        genotypes.append(genotypes[-1].mutate(Stream(seed, "mutation", generation), rules))
    return genotypes


def amplitude(genotype: CppnGenotype) -> float:
    """The greatest height or depth, by the slow twin, m."""
    return max(map(abs, naive_heights(genotype.nodes, genotype.connections)))


def slope(weight: float) -> Any:
    """The network of a straight slope, and its amplitude in m: the inputs go from -0.79 pi to 0.99 pi."""
    return chain(weight=weight), abs(weight) * 1.78 * math.pi


@BOTH
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), num_mutations=st.integers(1, 40))
def test_a_lineage_is_valid_throughout(rules: CppnSettings, seed: int, num_mutations: int) -> None:
    """Each child differs, is a split edge with the direct connection kept, and makes a finite legal course."""
    genotypes = lineage(seed, num_mutations, rules)
    for parent, child in pairwise(genotypes):
        pairs = [(gene.source, gene.target) for gene in child.connections]
        assert parent != child
        assert (-1, 0) in pairs and is_series_parallel(pairs)
        assert rules.released_quirks == child.released_quirks
        assert all(node.response == 1.0 for node in child.nodes if node.id)
        assert all(abs(number) <= 10.0 for number in [n.bias for n in child.nodes])
        terrain = child.express(seed)
        assert (200, 2) == terrain.ground.shape and () == terrain.obstacles
        assert np.all(terrain.ground[:21, 1] == np.float32(HEIGHT))
        assert np.array_equal(terrain.ground[:, 0], (np.arange(200) * 14 / 30).astype(np.float32))
    assert genotypes == lineage(seed, num_mutations, rules)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), num_mutations=st.integers(1, 40))
def test_every_child_has_an_amplitude_from_a_quarter_to_16_metres(seed: int, num_mutations: int) -> None:
    """Without quirks it is bounded at the course's own vertices, whatever the child's parents were."""
    for child in lineage(seed, num_mutations, OURS)[1:]:
        assert 0.25 - 1e-6 <= amplitude(child) <= 16.0 + 1e-6


@BOTH
@given(seed=st.integers(0, 10**6))
def test_a_genotype_comes_back_from_json_to_the_bit(rules: CppnSettings, seed: int) -> None:
    """Equal, of one hash, with the same JSON and the same course."""
    genotype = lineage(seed, 8, rules)[-1]
    text = json.dumps(genotype.to_json())
    again = CppnGenotype.from_json(json.loads(text))
    assert genotype == again and hash(genotype) == hash(again)
    assert text == json.dumps(again.to_json())
    assert genotype.express(3).digest() == again.express(3).digest()


def test_json_is_plain() -> None:
    """Nodes by id, connections by source and target, whatever order they were given in."""
    shuffled = {**JSON, "nodes": JSON["nodes"][::-1], "connections": JSON["connections"][::-1]}
    genotype = CppnGenotype.from_json(shuffled)
    assert JSON == genotype.to_json()
    assert genotype == CppnGenotype.from_json(JSON)
    assert (3, 3) == (genotype.num_nodes, genotype.num_connections)


def test_genotypes_are_equal_by_content() -> None:
    """Every gene and the flag count; whole numbers are floats, and zero has no sign."""
    genotype = CppnGenotype.from_json(JSON)
    first = genotype.connections[0]
    others = [
        replace(genotype, released_quirks=True),
        replace(genotype, nodes=(replace(genotype.nodes[0], bias=0.2), *genotype.nodes[1:])),
        replace(genotype, nodes=(genotype.nodes[0], replace(genotype.nodes[1], activation="tanh"), genotype.nodes[2])),
        replace(genotype, connections=(replace(first, is_enabled=True), *genotype.connections[1:])),
    ]
    assert 5 == len({genotype, *others})
    assert repr(NodeGene(1, 0.0, 1.0, "sin")) == repr(NodeGene(1, -0.0, 1, "sin"))
    assert repr(ConnectionGene(1, 0, 2.0, True)) == repr(ConnectionGene(1, 0, 2, True))


def _with(part: str, index: int, **values: Any) -> dict[str, Any]:
    genes = [dict(gene) for gene in JSON[part]]
    genes[index] |= values
    return {**JSON, part: genes}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], r"JSON object with the keys .*connections.*, found list"),
        ({"nodes": []}, r"with the keys \['connections', 'nodes', 'released_quirks'\], found \['nodes'\]"),
        ({**JSON, "kind": "cppn"}, "found .*'kind'"),
        ({**JSON, "nodes": {}}, "nodes must be a list"),
        ({**JSON, "nodes": [[0, 1]]}, "each of a CPPN genotype's nodes is a JSON object .*, found list"),
        (_with("nodes", 1, aggregation="sum"), "each of a CPPN genotype's nodes .* found .*aggregation"),
        ({**JSON, "connections": [{"source": -1}]}, r"genotype's connections .* found \['source'\]"),
        ({**JSON, "released_quirks": 1}, "released_quirks must be true or false, found 1"),
        (_with("nodes", 1, id=-1), "node's id must be a whole number from 0 on, found -1"),
        (_with("nodes", 1, id=True), "whole number from 0 on, found True"),
        (_with("nodes", 1, id=1.0), "whole number from 0 on, found 1.0"),
        (_with("nodes", 1, activation="sine"), "node 1: activation must be one of .*did you mean 'sin'"),
        (_with("nodes", 1, activation=[1]), "node 1: activation must be one of"),
        (_with("nodes", 0, activation="sin"), "node 0, the output, must have the activation 'identity', found 'sin'"),
        (_with("nodes", 1, bias=10.5), "node 1: bias must be a number, from -10 to 10, found 10.5"),
        (_with("nodes", 1, bias="0"), "node 1: bias must be a number"),
        (_with("nodes", 0, response=math.inf), "node 0: response must be a number, finite, found inf"),
        (_with("nodes", 0, response=10**400), "node 0: response must be a number, finite"),
        (_with("nodes", 0, response=True), "node 0: response must be a number, finite, found True"),
        (_with("connections", 1, weight=math.nan), "connection -1 to 1: weight must be a number, .*found nan"),
        (_with("connections", 1, is_enabled=0), "connection -1 to 1: is_enabled must be true or false, found 0"),
        (_with("connections", 1, source=-2), "connection's source must be a whole number from -1 on, found -2"),
        (_with("connections", 1, target=-1), "connection's target must be a whole number from 0 on, found -1"),
        (_with("connections", 1, target=7), r"connection -1 to 7: there is no node 7, found the nodes \[0, 1, 2\]"),
        (_with("connections", 1, source=1, target=1), r"no cycles, found one among the nodes \[.*1"),
        (_with("connections", 0, source=2, target=1), r"no cycles, found one among the nodes \[.*1, 2"),
        (_with("connections", 0, source=2, target=0), r"one gene for each connection, found two for \(2, 0\)"),
        (_with("nodes", 2, id=1), "one gene for each node, found two for 1"),
        ({**JSON, "nodes": JSON["nodes"][1:]}, "has the output node 0, found the nodes"),
        ({**JSON, "connections": JSON["connections"][3:]}, "leads from the input -1 to the output 0, found"),
        ({**JSON, "connections": []}, r"leads from the input -1 to the output 0, found \[\]"),
    ],
)
def test_json_of_no_network_is_refused(data: Any, complaint: str) -> None:
    """One sentence says which gene is wrong, what it must be and what was found."""
    with pytest.raises(InputError, match=complaint) as caught:
        CppnGenotype.from_json(data)
    assert "\n" not in str(caught.value)


def test_a_run_starts_on_a_straight_slope_with_and_without_quirks() -> None:
    """The root is the released code's either way, and may be flatter than any child: nothing makes it steeper."""
    roots = [CppnGenotype.initial(OURS, Stream(i, "root")) for i in range(60)]
    for i, root in enumerate(roots):
        assert replace(root, released_quirks=True) == CppnGenotype.initial(RELEASED, Stream(i, "root"))
        assert (1, 1, "identity", 1.0) == (
            root.num_nodes,
            root.num_connections,
            root.nodes[0].activation,
            root.nodes[0].response,
        )
        steps = np.diff(root.express(0).ground[21:, 1].astype(float))
        assert np.ptp(steps) < 1e-6
    assert min(map(amplitude, roots)) < 0.25 < 1.0 < max(map(amplitude, roots)) < 16.0


def test_the_seed_changes_the_push_alone() -> None:
    """Without quirks all instances of a genotype have one ground."""
    genotype = lineage(3, 12, OURS)[-1]
    first, second = genotype.express(1), genotype.express(2)
    assert np.array_equal(first.ground, second.ground)
    assert first.push != second.push
    assert first.push == SLOPE.express(1).push


def test_with_quirks_every_fifth_to_ninth_vertex_is_held() -> None:
    """It is as high as the one before it; the seed says which ones, each distance is as likely, the others stay."""
    genotype = CppnGenotype(*chain(weight=0.2), released_quirks=True)
    free = SLOPE.express(0).ground[:, 1]
    distances: list[int] = []
    for seed in range(200):
        terrain = genotype.express(seed)
        held = [20, *(np.flatnonzero(np.diff(terrain.ground[20:, 1]) == 0.0)[1:] + 21).tolist()]
        expected = free.copy()
        expected[held[1:]] = free[np.array(held[1:]) - 1]
        assert np.array_equal(expected, terrain.ground[:, 1])
        assert SLOPE.express(seed).push == terrain.push
        distances += np.diff(held).tolist()
    assert {5, 6, 7, 8, 9} == set(distances)
    counts = np.bincount(distances)[5:]
    assert np.abs(counts - len(distances) / 5).max() < 5.0 * math.sqrt(len(distances) * 0.16)


@pytest.mark.parametrize(
    ("weight", "least", "greatest"),
    [(0.2, None, None), (-0.2, None, None), (0.01, 0.25, 0.75), (-0.01, 0.25, 0.75), (5.0, 12.0, 16.0)],
)
def test_an_amplitude_out_of_range_is_drawn_anew(weight: float, least: float | None, greatest: float | None) -> None:
    """A small one becomes 0.25 to 0.75 m, a large one 12 to 16 m, up or down; one in range stays, to the bit."""
    (nodes, connections), before = slope(weight)
    found = [fit_to_walk(nodes, connections, Stream(i, "fit")) for i in range(200)]
    amplitudes = [float(np.abs(cppn_heights(some, connections)).max()) for some in found if some]
    assert 200 == len(amplitudes)
    if least is None or greatest is None:
        assert {nodes} == set(found)
        assert before == pytest.approx(amplitudes[0])
    else:
        assert least <= min(amplitudes) < least + 0.1 * (greatest - least)
        assert greatest - 0.1 * (greatest - least) < max(amplitudes) <= greatest


def test_the_released_code_looks_at_another_part_of_the_function() -> None:
    """It scales by the rise from input -1 to 0.99: a slope's amplitude on the course is 2.8 times as large."""
    for weight, response in ((0.13, 1.0), (0.12, None)):
        (nodes, connections), _ = slope(weight)
        scaled = fit_to_walk_as_released(nodes, connections, Stream(1, "fit"))
        assert scaled is not None
        rise = 1.99 * weight * scaled[0].response
        assert 0.25 <= rise <= 0.75
        assert response is None or response == scaled[0].response
        height = float(np.abs(cppn_heights(scaled, connections)).max())
        assert height == pytest.approx(rise * 1.78 * math.pi / 1.99)


def test_only_the_released_code_refuses_descents() -> None:
    """A slope down is fit to walk on by our rule, and never with quirks, whose test looks for a rise."""
    (nodes, connections), _ = slope(-0.2)
    assert fit_to_walk(nodes, connections, Stream(1, "fit")) is not None
    assert fit_to_walk_as_released(nodes, connections, Stream(1, "fit")) is None
    is_descent = {
        rules.released_quirks: [
            bool(np.all(np.diff(cppn_heights(child.nodes, child.connections)[21:]) <= 0.0))
            for seed in range(10)
            for child in lineage(seed, 10, rules)[1:]
        ]
        for rules in (OURS, RELEASED)
    }
    assert any(is_descent[False]) and not any(is_descent[True])


def test_ground_that_is_not_there_is_not_fit() -> None:
    """Flat ground is refused; so is what overflows, by either rule; and by ours what is nothing but rounding."""
    flat = chain(weight=0.0)
    infinite = chain(*["square"] * 12, weight=10.0)
    for network in (flat, infinite):
        assert fit_to_walk(*network, Stream(1, "fit")) is None
        assert fit_to_walk_as_released(*network, Stream(1, "fit")) is None
    nodes, (into, out) = chain("sigmoid", bias=1.0)
    saturated = (nodes, (replace(into, weight=1e-13), out))
    assert 0.0 < np.ptp(cppn_heights(*saturated)) < 1e-12
    assert fit_to_walk(*saturated, Stream(1, "fit")) is None


def test_a_mutation_that_finds_no_child_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 1,000 tries it gives up with the genotype in question, and does not go on for ever."""
    tries: list[object] = []
    monkeypatch.setattr(cppn, "fit_to_walk", lambda *parts: tries.append(parts))
    with pytest.raises(RuntimeError, match=r"no child in 1000 tries .*'weight': 0.2"):
        SLOPE.mutate(Stream(1, "mutation"), OURS)
    assert 0.9 * MAX_TRIES < len(tries) <= MAX_TRIES  # where nothing moved, the child is its parent


@pytest.mark.parametrize("rules", [OURS, RELEASED], ids=["ours", "released"])
def test_every_try_starts_from_a_response_of_1(rules: CppnSettings) -> None:
    """A parent that was scaled hands its genes on, but not its scale."""
    nodes, connections = chain(weight=0.2)
    parent = CppnGenotype((replace(nodes[0], response=50.0),), connections, rules.released_quirks)
    children = [parent.mutate(Stream(i, "mutation"), rules) for i in range(30)]
    assert max(child.nodes[0].response for child in children) < 40.0
    assert 1.0 in {child.nodes[0].response for child in children}


def test_features_are_heights_along_the_course() -> None:
    """18 heights above the start every 4.67 m, none of them held; each is at most 16 m by our rule."""
    for genotype in lineage(8, 20, OURS)[1::4]:
        features = genotype.features(OURS)
        ground = genotype.express(1).ground[list(STATIONS), 1].astype(float) - HEIGHT
        assert ground == pytest.approx(features, abs=1e-5)
        assert np.array_equal(features, replace(genotype, released_quirks=True).features(RELEASED))
        assert np.all(np.abs(features) <= genotype.feature_limits(OURS))
    assert list(range(29, 200, 10)) == list(STATIONS)
    assert [16.0] * 18 == CppnGenotype.feature_limits(OURS).tolist()


@BOTH
def test_genes_and_courses_are_the_same_on_every_machine(rules: CppnSettings) -> None:
    """The bits of mutated genomes and of their courses are fixed for ever: recorded runs depend on them."""
    generation, genome, digests = GOLDEN[rules.released_quirks]
    genotypes = [lineage(seed, 25, rules)[-1] for seed in (1, 2, 3)]
    assert genome == lineage(1, generation, rules)[-1].to_json()
    assert digests == [genotype.express(7).digest() for genotype in genotypes]
