"""Complexity of a run's niches, counted by hand on ``three_niches``; and the space of obstacle genes."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from experiments.analysis.complexity import (
    GENOME_MEASURES,
    PROFILE_MEASURES,
    cppn_size,
    greatest_so_far,
    growth_curves,
    known_measures,
    levels_table,
    measure_niche,
    niche_complexity,
    so_far,
)
from experiments.analysis.complexity_plot import plot_complexity, plot_times
from experiments.analysis.gene_space import (
    CELLS_PER_GENE,
    SAMPLE_SEED,
    SAMPLES_PER_LEVEL,
    GeneSpace,
    coverage,
    coverage_table,
    gene_space,
    sample_level,
)
from experiments.analysis.run_tables import RunTables
from experiments.analysis.terrain_measures import measure_terrain
from poet.config import make_config
from tests.experiments.synthetic_runs import GENES, read, simulated_run, three_niches

ROUGH = GeneSpace(ObstacleSettings(obstacles=("roughness",)))
ALL = GeneSpace(ObstacleSettings(obstacles=("roughness", "pit_gap", "stump_height", "stairs"), max_pit_gap=8.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """The small run."""
    return read(three_niches(tmp_path_factory.mktemp("runs") / "three"))


def test_lineage_and_times_are_those_of_the_archive(run: RunTables) -> None:
    """Depth counts mutations, children admitted niches; what is not solved has waited, and took no time yet."""
    table = niche_complexity(run)

    assert [0, 1, 2] == table["depth"].tolist()
    assert [1, 1, 0] == table["children"].tolist()
    assert [0, 2, 3] == table["created"].tolist()
    assert [1, 1, None] == [None if pd.isna(x) else x for x in table["iterations_to_solve"]]
    assert [1000, 4000, None] == [None if pd.isna(x) else x for x in table["env_steps_to_solve"]]
    assert [None, None, 1] == [None if pd.isna(x) else x for x in table["iterations_unsolved"]]
    assert [None, None, 0] == [None if pd.isna(x) else x for x in table["env_steps_unsolved"]]


def test_an_unsolved_niche_waits_until_it_retires(tmp_path: Path) -> None:
    """Where no agent is run in retired niches, waiting ends there."""
    run = read(three_niches(tmp_path / "run", novelty={"measure": "nearest_genes"}))
    unsolved = RunTables(**{**vars(run), "solved": run.solved[run.solved["niche_id"] == 1]})
    table = niche_complexity(unsolved)

    assert [3, 1] == table.loc[[0, 2], "iterations_unsolved"].tolist()
    assert [7350, 0] == table.loc[[0, 2], "env_steps_unsolved"].tolist()
    levels = levels_table(table)
    names = ["not yet challenging", "challenging", "extremely challenging"]
    assert names == levels["level"].tolist()
    assert [(1, 0, 0, 1), (1, 1, 0, 0), (1, 0, 1, 0)] == list(
        levels[["admitted", "solved", "unsolved_active", "unsolved_retired"]].itertuples(index=False, name=None)
    )
    assert [4000.0] == levels["median_env_steps_to_solve"].dropna().tolist()


def test_where_retired_niches_are_tried_an_unsolved_one_waits_to_the_end(tmp_path: Path) -> None:
    """PATA-EC runs every agent in them at each reproduction, and may solve one after its retirement."""
    run = read(three_niches(tmp_path / "run", novelty={"measure": "pata_ec"}))
    table = niche_complexity(RunTables(**{**vars(run), "solved": run.solved[run.solved["niche_id"] == 1]}))

    assert [4, 1] == table.loc[[0, 2], "iterations_unsolved"].tolist()
    assert [7350, 0] == table.loc[[0, 2], "env_steps_unsolved"].tolist()


def test_measures_are_those_of_terrain_and_genotype(run: RunTables) -> None:
    """A row has what the terrain measures, and the paper's distance of the genes from none."""
    table = niche_complexity(run)

    for niche_id, genes in enumerate(GENES):
        measured = asdict(measure_terrain(genes.express(niche_id)))
        assert list(measured.values()) == pytest.approx(table.loc[niche_id, list(measured)].tolist(), nan_ok=True)
    assert [0.0, 1.0, 3.0] == table["challenge_level"].tolist()
    assert pytest.approx([0.0, math.hypot(0.08, 0.52) / math.sqrt(5)]) == table["gene_distance"].tolist()[:2]
    assert table["cppn_nodes"].isna().all()
    assert [*PROFILE_MEASURES, "gene_distance", "challenge_level"] == known_measures(table)


def test_a_cppn_is_measured_by_its_size() -> None:
    """Nodes and enabled connections count; it has no obstacle genes, and its terrain is measured like any other."""
    node = {"id": 0, "bias": 0.1, "response": 1.0, "activation": "identity"}
    wires = [{"source": -1, "target": 0, "weight": 0.5, "is_enabled": is_enabled} for is_enabled in (False, True, True)]
    genotype = {"nodes": [node, {**node, "id": 1}], "connections": wires, "released_quirks": False}
    measured = measure_niche(genotype, GENES[1].express(0), None)

    assert (2.0, 2.0) == (measured["cppn_nodes"], measured["cppn_connections"])
    assert math.isnan(measured["gene_distance"])
    assert math.isnan(measured["challenge_level"])
    assert measure_terrain(GENES[1].express(0)).relief == measured["relief"]
    assert all(map(math.isnan, cppn_size({"nodes": [1, 2, 3]})))


def test_growth_is_over_what_was_admitted_and_solved_by_then(run: RunTables) -> None:
    """Greatest value and median so far, by iteration; nothing before the first."""
    curves = growth_curves(run)

    assert [0, 0, 1, 3, 3] == curves["challenge_level_admitted_max"].tolist()
    assert [0, 0, 0.5, 1, 1] == curves["challenge_level_admitted_median"].tolist()
    assert [0, 0, 1, 1] == curves["challenge_level_solved_max"].tolist()[1:]
    assert [0, 0, 0.5, 0.5] == curves["challenge_level_solved_median"].tolist()[1:]
    assert math.isnan(curves["challenge_level_solved_max"][0])
    assert [0, 0, 0, 1, 1] == greatest_so_far(run)["challenge_level_solved"].tolist()
    assert [100, 1100, 3450, 7450, 7450] == curves["env_steps"].tolist()


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-9, 9), st.booleans()), min_size=1, max_size=20))
def test_so_far_is_what_a_list_would_hold(events: list[tuple[int, float, bool]]) -> None:
    """At each iteration in which something happened: maximum and median of all that had happened by its end."""
    happened = pd.Series([when if counts else pd.NA for when, _, counts in events], dtype="Int64")
    found = so_far(pd.DataFrame({"x": [value for _, value, _ in events]}), happened)
    iterations = sorted({when for when, _, counts in events if counts})

    assert iterations == found["max"].index.tolist()
    for iteration in iterations:
        values = [value for when, value, counts in events if counts and when <= iteration]
        assert max(values) == found["max"].loc[iteration, "x"]
        assert pytest.approx(float(np.median(values))) == found["median"].loc[iteration, "x"]


def test_the_gene_space_knows_which_features_are_upper_ends() -> None:
    """In the order of features; levels go as far as the genes can."""
    assert {"roughness": 0, "pit_gap": 2, "stump_height": 4, "stair_height": 6, "stair_steps": 8} == ALL.uppers
    assert {"roughness": 0} == ROUGH.uppers
    assert (1, 3) == (ROUGH.max_level, ALL.max_level)
    assert 2 == GeneSpace(ObstacleSettings(max_pit_gap=5.0)).max_level
    assert gene_space(make_config({"terrain": {"genotype": "somebody:Else"}})) is None


@pytest.mark.parametrize(("space", "level"), [(ROUGH, 0), (ROUGH, 1), (ALL, 1), (ALL, 2), (ALL, 3)])
def test_samples_have_their_level(space: GeneSpace, level: int) -> None:
    """A thousand of each, within the limits, both ends in order, with exactly that many conditions met."""
    samples = sample_level(space, level)
    values = samples * space.limits
    bounds = {"roughness": 4.5, "pit_gap": 6.0, "stump_height": 2.4}
    met = sum((values[:, i] >= bounds[gene]).astype(int) for gene, i in space.uppers.items() if gene in bounds)

    assert (SAMPLES_PER_LEVEL, len(space.limits)) == samples.shape
    assert (met == level).all()
    assert (samples >= 0.0).all()
    assert (samples <= 1.0).all()
    assert all((values[:, i - 1] <= values[:, i]).all() for gene, i in space.uppers.items() if gene != "roughness")


def test_samples_are_drawn_uniformly_from_their_stream() -> None:
    """Of a space of roughness alone: every draw in turn that is challenging."""
    stream = Stream(SAMPLE_SEED, "coverage", 1)
    drawn: list[float] = []
    while len(drawn) < SAMPLES_PER_LEVEL:
        roughness = stream.uniform(0.0, 10.0)
        drawn += [roughness] if roughness >= 4.5 else []

    assert drawn == pytest.approx((10.0 * sample_level(ROUGH, 1)[:, 0]).tolist())
    with pytest.raises(ValueError, match="0 to 1, found 2"):
        sample_level(ROUGH, 2)


def test_samples_begin_at_the_least_value_of_each_gene() -> None:
    """Stairs are from 0 to 5 high and have 1 to 9 steps: both ends are drawn over all of that, the lower one first."""
    stairs = GeneSpace(ObstacleSettings(obstacles=("stairs",)))
    stream = Stream(SAMPLE_SEED, "coverage", 0)
    drawn = [
        [*sorted(stream.uniform(0.0, 5.0) for _ in range(2)), *sorted(stream.uniform(1.0, 9.0) for _ in range(2))]
        for _ in range(SAMPLES_PER_LEVEL)
    ]

    np.testing.assert_allclose(sample_level(stairs, 0) * stairs.limits, drawn, rtol=1e-12)


def test_coverage_is_the_sum_of_distances_to_the_nearest() -> None:
    """By hand for one gene: terrains of roughness 0 and 6; two of five cells hold one."""
    genotypes = [ObstacleGenotype(roughness=value).to_json() for value in (0.0, 6.0, 6.1)]
    nearest = [min(abs(x - value) for value in (0.0, 0.6, 0.61)) for x in sample_level(ROUGH, 1)[:, 0]]
    found = coverage(ROUGH, genotypes)

    assert pytest.approx(sum(nearest)) == found["distance"] == found["distance_level_1"]
    assert 2 / CELLS_PER_GENE == found["cells_share"]
    assert 1 / CELLS_PER_GENE == coverage(ROUGH, [ObstacleGenotype(roughness=10.0).to_json()])["cells_share"]


def test_coverage_is_of_what_was_created_and_of_what_was_solved(run: RunTables) -> None:
    """More terrains cover no less; levels add up; the distance is the paper's, over the root of the genes' number."""
    table = coverage_table(run).set_index("terrains")
    parts = table[["distance_level_1", "distance_level_2", "distance_level_3"]]

    assert [3, 2] == table["number"].tolist()
    assert pytest.approx(parts.sum(axis=1).tolist()) == table["distance"].tolist()
    assert table.loc["admitted", "distance"] < table.loc["solved", "distance"]
    assert [3 / 125, 2 / 125] == table["cells_share"].tolist()
    space = gene_space(run.config)
    assert space is not None
    points = np.array([space.point(genes.to_json()) for genes in GENES])
    slow = sum(
        min(float(np.linalg.norm(sample - point)) / math.sqrt(5) for point in points)
        for sample in sample_level(space, 3)
    )
    assert pytest.approx(slow) == table.loc["admitted", "distance_level_3"]


def test_a_run_that_solves_nothing_covers_nothing(tmp_path: Path) -> None:
    """Then there is no nearest terrain: the distance is NaN, and no cell is reached."""
    run = read(three_niches(tmp_path / "run"))
    table = coverage_table(RunTables(**{**vars(run), "solved": run.solved.head(0)})).set_index("terrains")

    assert math.isnan(table.loc["solved", "distance"])
    assert 0.0 == table.loc["solved", "cells_share"]


def test_plots_have_a_panel_for_each_measure(run: RunTables, tmp_path: Path) -> None:
    """Two for each, maximum and median; genomes have a figure of their own; a flat root alone has no plot."""
    figure, times, genomes = plot_complexity(run), plot_times(run), plot_complexity(run, GENOME_MEASURES, "Genomes")
    root = read(simulated_run(tmp_path / "root", iterations=3))

    assert figure is not None
    assert times is not None
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert 10 == len(titles)
    assert genomes is not None
    assert 4 == len(genomes.axes)
    assert "Challenge level, median so far (conditions met)" == genomes.axes[-1].get_title(loc="left")
    assert ["Relief: bumps and hollows, greatest so far (m)", "Relief: bumps and hollows, median so far (m)"] == titles[
        4:6
    ]
    shown = {line.get_marker(): line.get_xydata().tolist() for line in times.axes[0].lines}
    assert [[100.0, 1.0], [3450.0, 1.0]] == shown["o"]
    assert [[7450.0, 1.0]] == shown["^"]
    assert [] == shown["x"]
    assert plot_complexity(root) is None
    assert plot_times(root) is None
