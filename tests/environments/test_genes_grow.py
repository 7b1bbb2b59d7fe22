"""A further gene changes nothing unless it is enabled, and then works like every other gene."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from environments import ObstacleGenotype
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.gene import GeneGroup, NumberGene
from environments.terrain.generation import FIRST_KINDS
from environments.terrain.genes import GENE_GROUPS, known_genes
from environments.terrain.obstacles import FIRST_GENES, ObstacleSettings
from tests.new_gene import failures_with_it, new_group

STEP = 14 / 30
FIRST_GROUPS = ("roughness", "pit_gap", "stump_height", "stairs")
BUMPY = ObstacleSettings(obstacles=("bumps", "stump_height"))
RICH = ObstacleGenotype(2.4, (0.4, 3.2), (0.2, 2.0), (0.0, 1.4), (1, 5))


@pytest.fixture
def bumps(monkeypatch: pytest.MonkeyPatch) -> GeneGroup:
    """The group of docs/how-to/add-gene.md, known for one test."""
    group = new_group()
    monkeypatch.setitem(GENE_GROUPS, group.name, group)
    return group


def bumpy(low: float, high: float, **genes: Any) -> ObstacleGenotype:
    """A genotype with bumps."""
    return ObstacleGenotype(**genes, later={"bump_height": (low, high)})


def _all_that_is_stored() -> list[str]:
    """Of lineages under many rules: texts, names, features, courses, and what their streams draw next."""
    seen = []
    for rule in ("all", "random_subset"):
        for groups in (FIRST_GROUPS, ("roughness", "pit_gap"), ("stairs",)):
            rules = ObstacleSettings(groups, rule, "upward" if rule == "all" else "symmetric", max_pit_gap=8.0)
            genotype = ObstacleGenotype.initial(rules, Stream(1, "root"))
            for generation in range(12):
                stream = Stream(2, "mutation", generation)
                genotype = genotype.mutate(stream, rules)
                seen += [json.dumps(genotype.to_json()), genotype.name, genotype.express(generation).digest()]
                seen += [
                    str(genotype.features(rules)),
                    str(genotype.feature_limits(rules)),
                    str(stream.integer(0, 999)),
                ]
    return seen


def test_a_gene_that_nobody_enables_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, names, features, mutations, and 72 courses are the same; nothing drawn is drawn otherwise."""
    before = _all_that_is_stored()
    monkeypatch.setitem(GENE_GROUPS, "bumps", new_group())

    assert before == _all_that_is_stored()


def test_with_a_gene_that_nobody_enables_all_tests_of_terrains_hold() -> None:
    """Every expectation and every golden digest of genotypes and courses is as it was."""
    files = (
        "tests/environments/test_obstacles.py",
        "tests/environments/test_genotypes.py",
    )
    assert "" == failures_with_it(*files)


def test_a_stored_terrain_from_before_the_gene_is_read(bumps: GeneGroup) -> None:
    """What is missing is absent, as null is; the text that is written again is the old one."""
    old = '{"roughness": 2.4, "pit_gap": [0.4, 3.2], "stump_height": null, "stair_height": null, "stair_steps": null}'
    genotype = ObstacleGenotype.from_json(json.loads(old))

    assert ObstacleGenotype(2.4, (0.4, 3.2)) == genotype
    assert genotype.genes["bump_height"] is None
    assert old == json.dumps(genotype.to_json())
    assert genotype == ObstacleGenotype.from_json({**json.loads(old), "bump_height": None})


def test_an_enabled_gene_mutates(bumps: GeneGroup) -> None:
    """It appears with its first interval, moves as the others do, and never leaves its bounds."""
    child = ObstacleGenotype().mutate(Stream(1, "mutation"), BUMPY)
    assert bumpy(0.0, 0.2, stump_height=(0.0, 0.4)) == child

    moved = {bumpy(1.0, 1.6).mutate(Stream(i, "mutation"), BUMPY).genes["bump_height"] for i in range(300)}
    assert {(low, high) for low in (0.8, 1.0, 1.2) for high in (1.4, 1.6, 1.8)} - {(1.0, 1.6)} == moved

    genotype, some = ObstacleGenotype(), replace(BUMPY, mutated_genes="random_subset")
    for generation in range(100):
        genotype = genotype.mutate(Stream(3, "mutation", generation), some)
        low, high = genotype.genes["bump_height"] or (0.0, 0.2)
        assert 0.0 <= low <= high <= 2.0 and high >= 0.2


def test_an_enabled_gene_is_laid(bumps: GeneGroup) -> None:
    """Bumps of two raised vertices, as high as their interval says; beside stumps they are every second obstacle."""
    heights = []
    for seed in range(10):
        rises = bumpy(0.4, 1.2).express(seed).ground[:199, 1].astype(float) / STEP - 400 / 30 / 4 / STEP
        (raised,) = np.nonzero(rises > 1e-5)
        assert 20 < raised[0] < 23 and not len(bumpy(0.4, 1.2).express(seed).obstacles)
        firsts = raised[: len(raised) // 2 * 2].reshape(-1, 2)
        assert np.all(1 == np.diff(firsts, axis=1)) and np.all(np.diff(firsts[:, 0]) >= 4 + 5)
        assert np.array_equal(rises[firsts[:, 0]], rises[firsts[:, 1]])
        heights += rises[firsts[:, 0]].tolist()
    assert 0.4 - 1e-5 <= min(heights) < 0.45 and 1.15 < max(heights) <= 1.2 + 1e-5

    both = [bumpy(1.0, 1.0, stump_height=(1.0, 1.0)).express(seed) for seed in range(400)]
    num_stumps_first = sum(course.ground[21, 1] == course.ground[20, 1] for course in both)
    assert abs(num_stumps_first - 200) < 50


def test_a_terrain_with_the_gene_is_stored(bumps: GeneGroup) -> None:
    """Text, name, hash and copy have it; the same course comes back."""
    genotype = bumpy(0, 1, roughness=1.2)
    again = ObstacleGenotype.from_json(json.loads(json.dumps(genotype.to_json())))

    assert {**ObstacleGenotype(1.2).to_json(), "bump_height": [0.0, 1.0]} == genotype.to_json()
    assert genotype == again and hash(genotype) == hash(again)
    assert genotype.express(3) == again.express(3) != ObstacleGenotype(1.2).express(3)
    assert "r1.2.u0.0_1.0" == genotype.name
    assert bumpy(0.0, 1.0, roughness=2.0) == replace(genotype, roughness=2.0)
    assert ObstacleGenotype(1.2) == ObstacleGenotype(1.2, later={"bump_height": None}) != genotype


def test_novelty_sees_the_gene_where_it_is_enabled(bumps: GeneGroup) -> None:
    """Behind the others, each end over its greatest value; where it is not enabled it does not count."""
    rules = ObstacleSettings(obstacles=("bumps", "roughness"))

    assert [1.2, 0.4, 1.0] == bumpy(0.4, 1.0, roughness=1.2).features(rules).tolist()
    assert [0.0, 0.0, 0.0] == ObstacleGenotype().features(rules).tolist()
    assert [10.0, 2.0, 2.0] == ObstacleGenotype.feature_limits(rules).tolist()
    assert [1.2] == bumpy(0.4, 1.0, roughness=1.2).features(ObstacleSettings(("roughness",))).tolist()


@pytest.mark.parametrize(
    ("later", "complaint"),
    [
        ({"bump_height": (0.0, 2.1)}, "bump_height must be a number from 0 to 2, found 2.1"),
        ({"bump_height": (1.0, 0.5)}, "bump_height must have low <= high"),
        ({"bump_heigth": (0.0, 1.0)}, "'bump_heigth': did you mean 'bump_height'"),
        ({"pit_gap": (0.0, 1.0)}, "came after roughness, pit_gap"),
    ],
)
def test_an_impossible_later_gene_is_refused(bumps: GeneGroup, later: dict[str, Any], complaint: str) -> None:
    """As the first genes are: the gene, what it may be, and what was found."""
    with pytest.raises(InputError, match=complaint):
        ObstacleGenotype(later=later)


@pytest.mark.parametrize(
    "change", [{"gravity": 1.0}, {"later": {}}, {"later": {"bump_height": [0.0, 1.0]}}, {"bumps": None}]
)
def test_a_stored_terrain_with_something_else_is_refused(bumps: GeneGroup, change: dict[str, Any]) -> None:
    """Archives may be hostile: a key that is not a gene is refused. A gene that is missing is absent."""
    data = bumpy(0.0, 1.0, pit_gap=(0.0, 0.8)).to_json()

    (key,) = change
    with pytest.raises(InputError, match=f"no gene '{key}': known: .*bump_height"):
        ObstacleGenotype.from_json(data | change)
    few = {name: value for name, value in data.items() if name != "pit_gap"}
    assert bumpy(0.0, 1.0) == ObstacleGenotype.from_json(few)


def test_a_terrain_with_an_unknown_gene_is_refused() -> None:
    """A POET without the gene says so, rather than run another terrain."""
    data = {**RICH.to_json(), "bump_height": [0.0, 1.0]}

    with pytest.raises(InputError, match="no gene 'bump_height'"):
        ObstacleGenotype.from_json(data)
    with pytest.raises(InputError, match="bump_height"):
        bumpy(0.0, 1.0)


def test_a_number_may_come_later_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that makes no obstacles: it moves both ways within its bounds, is left out where it is 0, and is laid by
    who looks for it."""
    length = NumberGene(name="length", unit="steps", step=0.5, limit=1.0)
    monkeypatch.setitem(GENE_GROUPS, "length", GeneGroup(name="length", genes=(length,), symbol="l"))
    found = []
    stump = GENE_GROUPS["stump_height"]

    def lay(course: Any, heights: Any) -> None:
        found.append(course.genes["length"])
        stump.lay(course, heights)

    monkeypatch.setitem(GENE_GROUPS, "stump_height", replace(stump, lay=lay))
    rules = ObstacleSettings(obstacles=("length",))
    children = {RICH.mutate(Stream(i, "mutation"), rules) for i in range(100)}

    assert {i / 10 for i in range(6)} == {child.genes["length"] for child in children}
    assert RICH in children and RICH.to_json() == ObstacleGenotype(**RICH.to_json(), later={"length": 0}).to_json()
    longer = replace(RICH, later={"length": 0.3})
    assert {**RICH.to_json(), "length": 0.3} == longer.to_json()
    assert longer == ObstacleGenotype.from_json(longer.to_json())
    assert [0.3] == longer.features(rules).tolist()
    assert longer.express(1) == RICH.express(1) and {0.0, 0.3} == set(found)


@pytest.mark.parametrize("has_new_one", [False, True])
def test_genes_can_be_told_apart(monkeypatch: pytest.MonkeyPatch, has_new_one: bool) -> None:
    """Names and symbols are each one's own; first values are legal; the first release's genes come first."""
    if has_new_one:
        monkeypatch.setitem(GENE_GROUPS, "bumps", new_group())
    genes = [gene for group in GENE_GROUPS.values() for gene in group.genes]

    assert len(genes) == len(known_genes())
    assert len(GENE_GROUPS) == len({group.symbol for group in GENE_GROUPS.values()})
    assert all(name == group.name for name, group in GENE_GROUPS.items())
    assert list(FIRST_GENES) == [gene.name for gene in genes[: len(FIRST_GENES)]]
    assert list(FIRST_GROUPS) == list(GENE_GROUPS)[: len(FIRST_GROUPS)]
    assert {*FIRST_KINDS} == {name for name in FIRST_GROUPS if GENE_GROUPS[name].lay}
    everything = ObstacleSettings(obstacles=tuple(GENE_GROUPS))
    for gene in genes:
        value = gene.mutated(gene.absent, Stream(1, "mutation"), everything)
        assert value == gene.checked(value)
        assert gene.num_features == len(gene.features(value)) == len(gene.features(gene.absent))
        assert gene.unit and 0.0 <= gene.least <= gene.greatest(everything) <= gene.limit
