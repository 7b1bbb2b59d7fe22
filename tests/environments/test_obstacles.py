"""The obstacle genotype: its mutation table, and the courses it makes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments import CppnGenotype, ObstacleGenotype, Terrain
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain import genotype_class
from environments.terrain.generation import generate_course
from environments.terrain.obstacles import ObstacleSettings
from tests.naive import naive_course

STEP = 14 / 30
ALL_GROUPS = ("roughness", "pit_gap", "stump_height", "stairs")
EVERYTHING = ObstacleSettings(obstacles=ALL_GROUPS)
RICH = ObstacleGenotype(2.4, (0.4, 3.2), (0.2, 2.0), (0.0, 1.4), (1, 5))

# Least value of either end, greatest value, step, first interval (Wang et al. 2019, table 1; released code).
TABLE: dict[str, tuple[float, float, float, tuple[float, float]]] = {
    "pit_gap": (0.0, 10.0, 0.4, (0.0, 0.8)),
    "stump_height": (0.0, 5.0, 0.2, (0.0, 0.4)),
    "stair_height": (0.0, 5.0, 0.2, (0.0, 0.4)),
    "stair_steps": (1, 9, 1, (1, 1)),
}
genotypes = st.builds(
    lambda roughness, pit, stump, stair: ObstacleGenotype(roughness, pit, stump, *(stair or (None, None))),
    st.floats(0, 10),
    st.none() | st.tuples(st.floats(0, 10), st.floats(0, 10)).map(sorted),
    st.none() | st.tuples(st.floats(0, 5), st.floats(0, 5)).map(sorted),
    st.none()
    | st.tuples(
        st.tuples(st.floats(0, 5), st.floats(0, 5)).map(sorted),
        st.tuples(st.integers(1, 9), st.integers(1, 9)).map(sorted),
    ),
)


def _naive_children(name: str, parent: tuple[float, float], limit: float | None = None) -> set[tuple[float, float]]:
    """All legal children of an interval, by going through the grid in tenths."""
    least, greatest, step, first = TABLE[name]
    tenths = round(step * 10)
    found = set()
    for low in range(round(parent[0] * 10) - tenths, round(parent[0] * 10) + tenths + 1, tenths):
        for high in range(round(parent[1] * 10) - tenths, round(parent[1] * 10) + tenths + 1, tenths):
            is_legal = least * 10 <= low <= high <= (limit or greatest) * 10 and high >= first[1] * 10
            if is_legal and (low / 10, high / 10) != parent:
                found.add((low / 10, high / 10))
    return found


def _mutated_many(parent: ObstacleGenotype, count: int, rules: ObstacleSettings = EVERYTHING) -> list[ObstacleGenotype]:
    return [parent.mutate(Stream(i, "mutation"), rules) for i in range(count)]


def test_a_run_starts_flat_and_without_obstacles() -> None:
    """The initial genotype has roughness 0 and no obstacle of any kind."""
    assert ObstacleGenotype(0.0, None, None, None, None) == ObstacleGenotype.initial(
        ObstacleSettings(), Stream(1, "root")
    )


def test_obstacles_first_appear_with_the_papers_sizes() -> None:
    """Every enabled group is in the first child, with the first interval of table 1; the others stay absent."""
    child = ObstacleGenotype().mutate(Stream(1, "mutation"), EVERYTHING)
    assert {name: row[3] for name, row in TABLE.items()} == {name: getattr(child, name) for name in TABLE}
    without_stairs = ObstacleGenotype().mutate(Stream(1, "mutation"), ObstacleSettings())
    assert ((0.0, 0.8), (0.0, 0.4), None, None) == (
        without_stairs.pit_gap,
        without_stairs.stump_height,
        without_stairs.stair_height,
        without_stairs.stair_steps,
    )


def test_the_eight_moves_of_a_pit_are_equally_likely() -> None:
    """From (1.2, 3.2) each of the eight neighbours comes up in one child of eight."""
    counts = Counter(child.pit_gap for child in _mutated_many(ObstacleGenotype(pit_gap=(1.2, 3.2)), 8000))
    assert _naive_children("pit_gap", (1.2, 3.2)) == set(counts)
    assert 8 == len(counts)
    assert max(abs(count - 1000) for count in counts.values()) < 5 * np.sqrt(8000 * 0.125 * 0.875)


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("pit_gap", (0.0, 0.8)),
        ("pit_gap", (0.8, 0.8)),
        ("pit_gap", (10.0, 10.0)),
        ("pit_gap", (2.0, 2.0)),
        ("stump_height", (0.0, 0.4)),
        ("stump_height", (4.8, 5.0)),
        ("stump_height", (1.0, 2.0)),
        ("stair_height", (0.0, 0.4)),
        ("stair_height", (5.0, 5.0)),
        ("stair_steps", (1, 1)),
        ("stair_steps", (1, 9)),
        ("stair_steps", (9, 9)),
        ("stair_steps", (3, 6)),
    ],
)
def test_children_are_exactly_the_legal_neighbours(name: str, parent: tuple[float, float]) -> None:
    """At the bounds too, a child's interval is any legal neighbour of its parent's and nothing else, never the same."""
    genes: dict[str, Any] = {name: parent}
    if name.startswith("stair"):
        genes = {"stair_height": (0.0, 0.4), "stair_steps": (1, 1), **genes}
    children = {getattr(child, name) for child in _mutated_many(ObstacleGenotype(**genes), 200)}
    assert _naive_children(name, parent) == children


def test_the_greatest_pit_follows_the_settings() -> None:
    """With the released code's bound of 8 no pit outgrows 8; a parent already above it keeps its pits."""
    rules = ObstacleSettings(max_pit_gap=8.0)
    children = {child.pit_gap for child in _mutated_many(ObstacleGenotype(pit_gap=(7.2, 8.0)), 200, rules)}
    assert _naive_children("pit_gap", (7.2, 8.0), limit=8.0) == children
    assert (9.2, 10.0) == ObstacleGenotype(pit_gap=(9.2, 10.0)).mutate(Stream(1, "mutation"), rules).pit_gap


def test_roughness_moves_by_at_most_six_tenths() -> None:
    """Roughness changes by a rounded U(-0.6, 0.6): inner values equally often, the two ends half as often."""
    counts = Counter(child.roughness for child in _mutated_many(ObstacleGenotype(roughness=5.0), 6000))
    assert {round(4.4 + i / 10, 1) for i in range(13)} == set(counts)
    expected = {value: 250 if value in (4.4, 5.6) else 500 for value in counts}
    assert max(abs(counts[value] - expected[value]) for value in counts) < 5 * np.sqrt(500)


def test_the_papers_roughness_never_falls() -> None:
    """With ``upward`` roughness changes by a rounded U(0, 0.6): 0.1 to 0.5 equally often, 0 and 0.6 half as often."""
    rules = ObstacleSettings(roughness_step="upward")
    counts = Counter(child.roughness for child in _mutated_many(ObstacleGenotype(roughness=5.0), 3000, rules))
    assert [5.0, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6] == sorted(counts)
    expected = {value: 250 if value in (5.0, 5.6) else 500 for value in counts}
    assert max(abs(counts[value] - expected[value]) for value in counts) < 5 * np.sqrt(500)


def test_roughness_stops_at_its_bounds() -> None:
    """Roughness never leaves 0..10; from 0 about 54 % of the children stay flat (they draw below 0.05)."""
    flat_children = [child.roughness for child in _mutated_many(ObstacleGenotype(), 2000)]
    assert 0.0 == min(flat_children) and 0.6 == max(flat_children)
    assert abs(flat_children.count(0.0) / 2000 - 0.65 / 1.2) < 0.05
    assert not any(np.signbit(flat_children))
    rough_children = [child.roughness for child in _mutated_many(ObstacleGenotype(roughness=10.0), 500)]
    assert 9.4 == min(rough_children) and 10.0 == max(rough_children)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    rule=st.sampled_from(["all", "random_subset"]),
    groups=st.lists(st.sampled_from(ALL_GROUPS), min_size=1, max_size=4, unique=True),
)
def test_a_lineage_never_leaves_the_table(seed: int, rule: str, groups: list[str]) -> None:
    """Over 60 generations every gene is within its bounds, on its grid, and absent unless its group is enabled."""
    rules = ObstacleSettings(obstacles=tuple(groups), mutated_genes=rule)
    genotype = ObstacleGenotype.initial(rules, Stream(1, "root"))
    for generation in range(60):
        genotype = genotype.mutate(Stream(seed, "mutation", generation), rules)
        assert 0.0 <= genotype.roughness <= (10.0 if "roughness" in groups else 0.0)
        assert round(genotype.roughness, 1) == genotype.roughness
        for name, (least, greatest, step, first) in TABLE.items():
            interval = getattr(genotype, name)
            if interval is None:
                continue
            assert ("stairs" if name.startswith("stair") else name) in groups
            assert least <= interval[0] <= interval[1] <= greatest and interval[1] >= first[1]
            for end in interval:
                num_moves = round((end - least) / step)
                assert end == round(least + num_moves * step, 1)
        assert np.all(genotype.features(rules) <= genotype.feature_limits(rules))
        assert genotype == ObstacleGenotype.from_json(json.loads(json.dumps(genotype.to_json())))


def test_domain_randomisation_draws_the_whole_space() -> None:
    """Roughness is uniform; both ends of an interval are sorted uniform numbers, with means of a third and two."""
    rules = ObstacleSettings(obstacles=("roughness", "pit_gap", "stairs"), max_pit_gap=8.0)
    drawn = [ObstacleGenotype.drawn(rules, Stream(seed, "test")) for seed in range(3000)]
    assert drawn[7] == ObstacleGenotype.drawn(rules, Stream(7, "test"))
    rough = np.array([genotype.roughness for genotype in drawn])
    assert rough.min() < 0.1 and rough.max() > 9.9 and abs(rough.mean() - 5.0) < 0.2
    gaps = np.array([genotype.pit_gap for genotype in drawn if genotype.pit_gap])
    # P(the greater of two is below 0.8 of 8) is 1 %; the means without these are a bit above 8/3 and 16/3.
    assert 0.005 < 1 - len(gaps) / 3000 < 0.015
    assert gaps.max() > 7.9 and np.abs(gaps.mean(axis=0) - (8 / 3, 16 / 3)).max() < 0.15
    steps = Counter(genotype.stair_steps for genotype in drawn if genotype.stair_steps)
    assert {(low, high) for low in range(1, 10) for high in range(low, 10)} == set(steps)
    assert 0.5 * sum(steps.values()) * 2 / 81 < steps[1, 9] < 1.5 * sum(steps.values()) * 2 / 81
    # Stairs too low to be there take their number of steps with them.
    without = [genotype for genotype in drawn if genotype.stair_height is None]
    assert without and all(genotype.stair_steps is None for genotype in without)
    assert all(genotype.stump_height is None for genotype in drawn)


def test_stairs_really_mutate() -> None:
    """Both stair genes reach values other than their first within a short lineage (a dead branch in released code)."""
    genotype = ObstacleGenotype()
    for generation in range(30):
        genotype = genotype.mutate(Stream(4, "mutation", generation), EVERYTHING)
    assert (0.0, 0.4) != genotype.stair_height
    assert genotype.stair_steps is not None and genotype.stair_steps[1] > 1


def test_a_random_subset_is_any_that_is_not_empty() -> None:
    """With ``random_subset`` each of the seven non-empty subsets of three groups mutates equally often."""
    rules = ObstacleSettings(mutated_genes="random_subset")
    parent = ObstacleGenotype(5.0, (1.2, 3.2), (1.0, 2.0))
    counts: Counter[tuple[bool, bool]] = Counter()
    for child in _mutated_many(parent, 3500, rules):
        counts[child.pit_gap != parent.pit_gap, child.stump_height != parent.stump_height] += 1
    # Roughness may draw a change of 0, so only pits and stumps are counted: neither leaves roughness alone.
    expected = {(False, False): 500, (True, False): 1000, (False, True): 1000, (True, True): 1000}
    assert expected.keys() == counts.keys()
    assert max(abs(counts[key] - expected[key]) for key in expected) < 150


@pytest.mark.parametrize("rule", ["all", "random_subset"])
def test_only_enabled_groups_mutate(rule: str) -> None:
    """Genes of groups that are not enabled are handed on as they are."""
    rules = ObstacleSettings(obstacles=("stump_height",), mutated_genes=rule)
    for child in _mutated_many(RICH, 20, rules):
        assert RICH.stump_height != child.stump_height
        assert RICH == ObstacleGenotype(**{**child.to_json(), "stump_height": RICH.stump_height})


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        (ObstacleSettings(obstacles=("stumps_height",)), "unknown group 'stumps_height': did you mean 'stump_height'"),
        (ObstacleSettings(obstacles=()), "at least one group"),
        (ObstacleSettings(mutated_genes="some"), "must be 'all' or 'random_subset', found 'some'"),
        (ObstacleSettings(roughness_step="up"), "must be 'symmetric' or 'upward', found 'up'"),
    ],
)
def test_settings_that_name_nothing_are_refused(rules: ObstacleSettings, complaint: str) -> None:
    """A run with a misspelt group or rule stops before its first terrain."""
    with pytest.raises(InputError, match=complaint):
        ObstacleGenotype.initial(rules, Stream(1, "root"))


@pytest.mark.parametrize(
    ("genes", "complaint"),
    [
        ({"roughness": -0.1}, "roughness must be a number from 0 to 10, found -0.1"),
        ({"roughness": 10.5}, "roughness"),
        ({"roughness": float("nan")}, "roughness"),
        ({"roughness": True}, "roughness"),
        ({"roughness": "1"}, "roughness"),
        ({"pit_gap": (1.0, 0.5)}, "pit_gap must have low <= high"),
        ({"pit_gap": (0.0, 10.1)}, "pit_gap must be a number from 0 to 10, found 10.1"),
        ({"pit_gap": 3.0}, "pit_gap must be two numbers"),
        ({"pit_gap": (1.0,)}, "pit_gap must be two numbers"),
        ({"stump_height": (-0.2, 1.0)}, "stump_height must be a number from 0 to 5"),
        ({"stump_height": (0.0, 5.2)}, "stump_height must be a number from 0 to 5"),
        ({"stair_height": (0.0, 1.0)}, "give both or neither"),
        ({"stair_steps": (1, 2)}, "give both or neither"),
        ({"stair_height": (0.0, 1.0), "stair_steps": (0, 2)}, "stair_steps must be a number from 1 to 9"),
        ({"stair_height": (0.0, 1.0), "stair_steps": (1, 10)}, "stair_steps must be a number from 1 to 9"),
        ({"stair_height": (0.0, 1.0), "stair_steps": (1, 1.5)}, "stair_steps must be two whole numbers"),
    ],
)
def test_impossible_genes_are_refused(genes: dict[str, Any], complaint: str) -> None:
    """A value outside the table is refused with the gene, its range and what was found."""
    with pytest.raises(InputError, match=complaint):
        ObstacleGenotype(**genes)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({**RICH.to_json(), "gravity": 1.0}, "has no gene 'gravity': known: .*pit_gap, roughness"),
        ({"pit_gaps": [4, 6]}, "has no gene 'pit_gaps': did you mean 'pit_gap'?"),
        ({"roughness": None}, "roughness must be a number from 0 to 10, found None"),
        ({"stair_height": [0, 1]}, "give both or neither"),
        ([1.0], "is a JSON object with genes as keys .*, found list"),
    ],
)
def test_json_of_something_else_is_refused(data: Any, sentence: str) -> None:
    """A key that is not a gene, or a value that is not valid for its gene, is named."""
    with pytest.raises(InputError, match=sentence):
        ObstacleGenotype.from_json(data)


def test_json_may_leave_out_absent_genes() -> None:
    """What is missing is absent, and is written as such: a text by hand and a stored one give the same terrain."""
    genotype = ObstacleGenotype.from_json({"roughness": 4.5, "pit_gap": [4, 6]})

    assert ObstacleGenotype(4.5, (4.0, 6.0)) == genotype
    assert {
        "roughness": 4.5, "pit_gap": [4.0, 6.0], "stump_height": None, "stair_height": None, "stair_steps": None,
    } == genotype.to_json()  # fmt: skip
    assert ObstacleGenotype() == ObstacleGenotype.from_json({})


def test_a_name_is_canonical() -> None:
    """Integers and floats of one value give the same genotype, name and JSON."""
    with_integers = ObstacleGenotype(1, (0, 1), [0, 2], (0, 1), (1.0, 2.0))  # type: ignore[arg-type]
    with_floats = ObstacleGenotype(1.0, (0.0, 1.0), (0.0, 2.0), (0.0, 1.0), (1, 2))
    assert with_floats == with_integers
    assert "r1.0.p0.0_1.0.b0.0_2.0.s1_2_0.0_1.0" == with_integers.name
    assert json.dumps(with_floats.to_json()) == json.dumps(with_integers.to_json())
    assert "r0.0" == ObstacleGenotype(-0.0).name


def test_features_are_the_enabled_genes() -> None:
    """Novelty compares all ends of the enabled groups in a fixed order, absent ones as 0, each with its limit."""
    assert [2.4, 0.4, 3.2, 0.2, 2.0, 0.0, 1.4, 1.0, 5.0] == RICH.features(EVERYTHING).tolist()
    assert [10.0, 10.0, 10.0, 5.0, 5.0, 5.0, 5.0, 9.0, 9.0] == RICH.feature_limits(EVERYTHING).tolist()
    released = ObstacleSettings(obstacles=("stump_height", "pit_gap"), max_pit_gap=8.0)
    assert [0.4, 3.2, 0.2, 2.0] == RICH.features(released).tolist()
    assert [8.0, 8.0, 5.0, 5.0] == RICH.feature_limits(released).tolist()
    assert [0.0] * 9 == ObstacleGenotype().features(EVERYTHING).tolist()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(genotype=genotypes, seed=st.integers(0, 2**31))
def test_a_course_is_that_of_the_released_state_machine(genotype: ObstacleGenotype, seed: int) -> None:
    """Ground and obstacles are those of POET's own loop, apart from obstacles below 1 mm and pit ends below 1 mm."""
    genes = {**genotype.to_json()}
    ground, obstacles = generate_course(Stream(seed, "terrain"), **genes)
    naive_ground, naive_obstacles = naive_course(Stream(seed, "terrain"), **genes)
    assert np.abs(np.array(ground) - np.array(naive_ground)).max() < 1.001e-3
    assert np.abs(np.array(ground)[:, 1] - np.array(naive_ground)[:, 1]).max() < 1e-9
    tall = [polygon for polygon in naive_obstacles if abs(polygon[0][1] - polygon[2][1]) >= 1e-3]
    assert len(tall) == len(obstacles)
    for expected, polygon in zip(tall, obstacles, strict=True):
        assert np.abs(np.array(expected) - np.array(polygon)).max() < 1e-9


@settings(derandomize=True, max_examples=60, deadline=None)
@given(genotype=genotypes, seed=st.integers(0, 2**63))
def test_every_genotype_expresses(genotype: ObstacleGenotype, seed: int) -> None:
    """Any genotype makes a legal course of 200 vertices: start pad flat and free, push within 5 N, same bits again."""
    terrain = genotype.express(seed)
    assert (200, 2) == terrain.ground.shape
    assert np.all(terrain.ground[:20, 1] == np.float32(400 / 30 / 4))
    assert all(polygon[:, 0].min() >= np.float32(20 * STEP) for polygon in terrain.obstacles)
    assert -5.0 <= terrain.push <= 5.0
    assert terrain == genotype.express(seed) == Terrain.from_json(json.loads(json.dumps(terrain.to_json())))


def test_another_seed_is_another_course() -> None:
    """Ground, obstacles and push all depend on the seed; the push on nothing else."""
    first, second = RICH.express(1), RICH.express(2)
    assert not np.array_equal(first.ground, second.ground)
    assert first.push != second.push
    assert first.push == ObstacleGenotype().express(1).push


def test_a_course_is_the_same_on_every_machine() -> None:
    """The bits of expressed courses are fixed for ever: stored runs depend on them."""
    courses = [ObstacleGenotype(1.2, (0.4, 1.2)), ObstacleGenotype(roughness=3.0), RICH]
    expected = [
        "fa632875569cfbe445cb08427e9f18014eb85a89d8a3e8688045d8cfe81bac7f",
        "1ec66b0620fbd17d88af4c9bf1d72aea6182b2cca9fd47f93f3b3b3729d19761",
        "746779c2f6e02246cda43371678abcd859ae871b46cc2b72323d35effdcad278",
    ]
    assert expected == [course.express(seed=7).digest() for course in courses]


def test_the_gap_between_pit_walls_is_the_drawn_gap() -> None:
    """Each pit has two walls, 1 step wide and 4 deep, level with the ground, with the drawn gap free between them."""
    terrain = ObstacleGenotype(1.0, pit_gap=(2.5, 2.5)).express(3)
    assert 0 == len(terrain.obstacles) % 2 and len(terrain.obstacles) >= 20
    for left, right in zip(terrain.obstacles[::2], terrain.obstacles[1::2], strict=True):
        assert right[:, 0].min() - left[:, 0].max() == pytest.approx(2.5 * STEP, abs=1e-5)
        for wall in (left, right):
            assert np.ptp(wall[:, 0]) == pytest.approx(STEP, abs=1e-5)
            assert np.ptp(wall[:, 1]) == pytest.approx(4 * STEP, abs=1e-5)
        assert left[:, 1].max() == right[:, 1].max() == terrain.ground[terrain.ground[:, 0] == left[:, 0].min(), 1]


def test_the_ground_dips_in_a_pit_and_comes_up_behind_its_far_wall() -> None:
    """The ground lies 4 steps deep from wall to wall, and is back at its height at the far wall's right side."""
    terrain = ObstacleGenotype(pit_gap=(1.3, 1.3)).express(3)
    ground_x, ground_y = (terrain.ground - np.array([0.0, 400 / 30 / 4], np.float32)).T.astype(float)
    assert 20 * STEP == pytest.approx(terrain.obstacles[0][0, 0], abs=1e-5)
    assert [0.0, *[-4 * STEP] * 3, 0.0, 0.0] == pytest.approx(ground_y[20:26].tolist(), abs=1e-5)
    assert [20 * STEP, 23 * STEP, 23.3 * STEP, 25 * STEP] == pytest.approx(
        ground_x[[20, 23, 24, 25]].tolist(), abs=1e-5
    )


def test_a_gap_just_above_a_whole_step_keeps_the_ground_going_right() -> None:
    """Where the far wall ends on the grid but for rounding, the ground rises over 1 mm instead of an upright edge."""
    terrain = ObstacleGenotype(pit_gap=(2.0 + 1e-9, 2.0 + 1e-9)).express(3)
    assert np.diff(terrain.ground[:, 0]).min() == pytest.approx(1e-3, abs=1e-5)


def test_stumps_have_the_genes_heights() -> None:
    """Stumps stand on the ground, 1 step wide, of heights spread over the gene's interval."""
    genotype = ObstacleGenotype(1.0, stump_height=(0.6, 2.0))
    heights = []
    for seed in range(10):
        terrain = genotype.express(seed)
        for stump in terrain.obstacles:
            heights.append(np.ptp(stump[:, 1]) / STEP)
            assert np.ptp(stump[:, 0]) == pytest.approx(STEP, abs=1e-5)
            assert stump[:, 1].min() == terrain.ground[terrain.ground[:, 0] == stump[:, 0].min(), 1]
    assert 0.6 - 1e-5 <= min(heights) < 0.65 and 1.95 < max(heights) <= 2.0 + 1e-5


def test_obstacles_are_five_to_nine_steps_apart() -> None:
    """Between two stumps lie 5 to 9 steps of ground, each number as likely as the others."""
    genotype = ObstacleGenotype(stump_height=(1.0, 1.0))
    starts = [[stump[0, 0] / STEP for stump in genotype.express(seed).obstacles] for seed in range(40)]
    distances = Counter(round(float(d)) for course in starts for d in np.diff(course))
    assert {6, 7, 8, 9, 10} == set(distances)
    assert max(distances.values()) < 1.4 * min(distances.values())


def test_all_present_kinds_are_equally_likely() -> None:
    """A course with pits, stumps and stairs has as many of each (the end of the course holds back none)."""
    firsts: Counter[str] = Counter()
    genotype = ObstacleGenotype(0.0, (1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (2, 2))
    for seed in range(600):
        height = float(np.ptp(genotype.express(seed).obstacles[0][:, 1])) / STEP
        firsts[{4: "pit", 1: "stump", 2: "stairs"}[round(height)]] += 1
    assert {"pit", "stump", "stairs"} == set(firsts)
    assert max(abs(count - 200) for count in firsts.values()) < 5 * np.sqrt(600 * 2 / 9)


def test_stairs_go_up_and_down_by_their_height() -> None:
    """A flight of three steps 4 wide rises two heights or falls three, and the ground lies at or below its tops."""
    genotype = ObstacleGenotype(stair_height=(0.5, 0.5), stair_steps=(3, 3))
    ends = set()
    for seed in range(12):
        terrain = genotype.express(seed)
        tops = [float(step[:, 1].max()) for step in terrain.obstacles[:3]]
        slope = 1 if tops[1] > tops[0] else -1
        assert np.diff(tops) == pytest.approx([slope * 0.5 * STEP] * 2, abs=1e-5)
        assert [np.ptp(step[:, 0]) for step in terrain.obstacles[:3]] == pytest.approx([4 * STEP] * 3, abs=1e-5)
        ends.add(round(float(terrain.ground[32, 1] - terrain.ground[20, 1]) / STEP, 4))
        for i in range(12):
            assert terrain.ground[20 + i, 1] <= tops[i // 4] + 1e-6
    assert {1.0, -1.5} == ends


def test_the_number_of_stair_steps_covers_its_interval() -> None:
    """Both ends of ``stair_steps`` are drawn."""
    genotype = ObstacleGenotype(stair_height=(0.5, 0.5), stair_steps=(2, 4))
    counts = set()
    for seed in range(30):
        lefts = [float(step[:, 0].min()) / STEP for step in genotype.express(seed).obstacles]
        counts.add(next(i for i in range(1, 9) if lefts[i] - lefts[i - 1] > 4.5))
    assert {2, 3, 4} == counts


def test_obstacles_too_low_to_matter_are_left_out() -> None:
    """Stumps and stairs below 1 mm, on which Box2D would assert, are not made; the course goes on."""
    assert () == ObstacleGenotype(stump_height=(0.0, 0.002)).express(1).obstacles
    assert () == ObstacleGenotype(stair_height=(0.0, 0.0), stair_steps=(1, 3)).express(1).obstacles
    assert ObstacleGenotype(stump_height=(0.003, 0.003)).express(1).obstacles


def test_roughness_scales_the_ground() -> None:
    """Twice the roughness is a rougher course of the same draws; no roughness is flat."""
    spreads = [float(np.ptp(ObstacleGenotype(roughness).express(7).ground[:, 1])) for roughness in (0.0, 1.0, 4.0)]
    assert 0.0 == spreads[0] < spreads[1] < spreads[2]


def test_a_genotype_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config names our encodings as ``obstacles`` and ``cppn``, and a user's own by module and class."""
    assert ObstacleGenotype is genotype_class("obstacles")
    assert CppnGenotype is genotype_class("cppn")
    assert ObstacleGenotype is genotype_class("environments.terrain.obstacles:ObstacleGenotype")
    (tmp_path / "broken_terrain.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="cannot be imported: ModuleNotFoundError: No module named 'nothing_of"):
        genotype_class("broken_terrain:Thing")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("obstacle", "unknown genotype 'obstacle': did you mean 'obstacles'"),
        ("no_such_package.module:Name", "cannot be imported"),
        ("environments.terrain.obstacles:ObstacleGenome", "has no 'ObstacleGenome'; did you mean 'ObstacleGenotype'"),
        ("environments.terrain.terrain:Terrain", "must be a concrete subclass of .*AbstractGenotype"),
        ("environments.terrain.genotype:AbstractGenotype", "must be a concrete subclass of .*AbstractGenotype"),
        ("environments.terrain.constants:SCALE", "must be a concrete subclass of .*AbstractGenotype"),
        (":", "unknown genotype"),
    ],
)
def test_a_name_without_a_genotype_is_refused(name: str, complaint: str) -> None:
    """A misspelt or unfit name is refused with what is wrong with it."""
    with pytest.raises(InputError, match=complaint):
        genotype_class(name)
