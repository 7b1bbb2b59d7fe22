"""The contract of terrain encodings, for ours of both papers."""

from __future__ import annotations

import json
from dataclasses import replace
from inspect import isabstract

import numpy as np
import pytest

from environments.streams import Stream
from environments.terrain import genotype_class
from environments.terrain.cppn import CppnSettings
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from environments.terrain.obstacles import ObstacleSettings

ENCODINGS = pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("obstacles", ObstacleSettings(("roughness", "pit_gap", "stump_height", "stairs"))),
        ("obstacles", ObstacleSettings(mutated_genes="random_subset", roughness_step="upward")),
        ("cppn", CppnSettings()),
        ("cppn", CppnSettings(released_quirks=True)),
    ],
)


def lineage(kind: str, rules: TerrainSettings, seed: int, num_mutations: int = 15) -> list[AbstractGenotype]:
    """A root and its descendants."""
    genotypes = [genotype_class(kind).initial(rules, Stream(seed, "root"))]
    for generation in range(num_mutations):
        genotypes.append(genotypes[-1].mutate(Stream(seed, "mutation", generation), rules))
    return genotypes


@ENCODINGS
def test_the_same_streams_give_the_same_lineage_and_others_another(kind: str, rules: TerrainSettings) -> None:
    """Nothing but the stream decides: not the process, nor what was drawn before."""
    first, again, other = (lineage(kind, rules, seed) for seed in (1, 1, 2))
    assert first == again
    assert [hash(genotype) for genotype in first] == [hash(genotype) for genotype in again]
    assert first[-1] != other[-1]


@ENCODINGS
def test_a_mutation_leaves_its_parent_as_it_was(kind: str, rules: TerrainSettings) -> None:
    """Genotypes are values: a parent can have any number of children."""
    for parent in lineage(kind, rules, 3):
        before = json.dumps(parent.to_json())
        parent.mutate(Stream(9, "mutation"), rules)
        assert before == json.dumps(parent.to_json())


@ENCODINGS
def test_a_child_is_as_many_mutations_as_are_drawn(kind: str, rules: TerrainSettings) -> None:
    """Their number is drawn first and evenly; where one alone is allowed nothing is, and it is the mutation."""
    parent = lineage(kind, rules, 5)[-1]
    assert parent.mutate(Stream(0, "m"), rules) == parent.child(Stream(0, "m"), rules)

    upto_three, drawn = replace(rules, most_mutations=3), []
    for i in range(60):
        stream = Stream(i, "m")
        drawn.append(stream.integer(1, 4))
        expected = parent
        for _ in range(drawn[-1]):
            expected = expected.mutate(stream, rules)
        assert expected == parent.child(Stream(i, "m"), upto_three)
    assert {1, 2, 3} == {*drawn}


@ENCODINGS
def test_an_encoding_survives_json(kind: str, rules: TerrainSettings) -> None:
    """What an archive stores makes an equal genotype of the class that the config names, with the same course."""
    for genotype in lineage(kind, rules, 4):
        again = genotype_class(kind).from_json(json.loads(json.dumps(genotype.to_json(), allow_nan=False)))
        assert genotype == again and hash(genotype) == hash(again)
        assert genotype.express(5) == again.express(5)


@ENCODINGS
def test_features_are_as_many_finite_numbers_as_limits(kind: str, rules: TerrainSettings) -> None:
    """Any two genotypes of an encoding can be compared, and each number has a limit to be measured by."""
    for genotype in lineage(kind, rules, 5):
        features, limits = genotype.features(rules), genotype.feature_limits(rules)
        assert features.shape == limits.shape and 1 == features.ndim
        assert np.isfinite(features).all() and np.all(limits > 0.0)


@ENCODINGS
def test_a_course_depends_on_genotype_and_seed_alone(kind: str, rules: TerrainSettings) -> None:
    """200 vertices with a flat start pad, the same again; the push is the seed's, whatever the genotype."""
    genotypes = lineage(kind, rules, 6)
    for genotype in genotypes:
        terrain = genotype.express(11)
        assert terrain == genotype.express(11)
        assert (200, 2) == terrain.ground.shape
        assert np.all(terrain.ground[:20, 1] == np.float32(400 / 30 / 4))
        assert genotypes[0].express(11).push == terrain.push


@pytest.mark.parametrize("kind", ["obstacles", "cppn"])
def test_an_encoding_knows_its_name(kind: str) -> None:
    """The name in a config is the class's own."""
    assert kind == genotype_class(kind).kind
    assert not isabstract(genotype_class(kind))
