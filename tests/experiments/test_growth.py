"""Telling growth from drift: the arithmetic of the test, and its verdicts on planted archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from environments.streams import Stream
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from experiments.analysis.complexity import GENOME_MEASURES, measure_niche, niche_complexity
from experiments.analysis.gene_space import gene_space
from experiments.analysis.growth import ALPHA, GOES_ON, growth_summary, shadow_band
from experiments.controls.neutral import ShadowNiche, births_of, drift
from poet.archive.reader import open_run
from poet.scoring import express
from tests.experiments.planted_runs import planted_run
from tests.experiments.synthetic_runs import read

#: The statistic was chosen on other archives (seeds 0 to 19); these were never looked at before.
FIRST_SEED, NUM_SEEDS = 1000, 20


def planted_shadow(folder: Path, root: AbstractGenotype) -> pd.DataFrame:
    """The neutral shadow of a planted archive. All with one root have the same schedule, so that it is that of each."""
    with open_run(planted_run(folder, seed=12345, num_trials=1, root=root)) as run:
        births, space = births_of(run), gene_space(run.config)
    first, settings = ShadowNiche(0, None, root, 0), ObstacleSettings()
    return pd.DataFrame(
        {"replicate": replicate, "niche_id": niche.niche_id}
        | measure_niche(niche.genotype.to_json(), express(niche.genotype, niche.terrain_seed), space)
        for replicate in range(100)
        for niche in drift(births, [first], lambda _: settings, 12345, replicate)
    )


@pytest.fixture(scope="module")
def obstacle_shadow(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The shadow of archives with obstacles."""
    return planted_shadow(tmp_path_factory.mktemp("runs") / "first", ObstacleGenotype())


@pytest.mark.parametrize(("num_trials", "has_grown"), [(1, False), (8, True)])
def test_growth_is_told_from_drift(
    obstacle_shadow: pd.DataFrame, tmp_path: Path, num_trials: int, has_grown: bool
) -> None:
    """Of 20 archives that drift at least 19 are not said to grow; of 20 with the hardest of eight admitted, 19 grow."""
    said = []
    for seed in range(FIRST_SEED, FIRST_SEED + NUM_SEEDS):
        frame = niche_complexity(read(planted_run(tmp_path / str(seed), seed, num_trials)))
        said.append(growth_summary(frame, obstacle_shadow, "admitted").has_grown)

    assert said.count(has_grown) >= 19


def test_a_criterion_that_never_changes_is_no_growth(obstacle_shadow: pd.DataFrame, tmp_path: Path) -> None:
    """Mutation alone, of whose terrains those within a band of variation are admitted: never said to grow."""
    for seed in range(2):
        frame = niche_complexity(read(planted_run(tmp_path / str(seed), seed, 1, band=(0.30, 0.36))))

        assert not growth_summary(frame, obstacle_shadow, "admitted").has_grown


@pytest.mark.parametrize(("num_trials", "has_grown"), [(1, False), (8, True)])
def test_growth_of_cppns_is_told_from_drift(tmp_path: Path, num_trials: int, has_grown: bool) -> None:
    """The same of terrains without obstacles, where selection goes by the profile: 5 of 6."""
    root = CppnGenotype.initial(CppnSettings(), Stream(0, "planted root"))
    shadow = planted_shadow(tmp_path / "first", root)
    said = []
    for seed in range(6):
        frame = niche_complexity(read(planted_run(tmp_path / str(seed), seed, num_trials, root=root)))
        said.append(growth_summary(frame, shadow, "admitted").has_grown)

    assert said.count(has_grown) >= 5


def archive(values: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows, niches, 2) of two measures as a run, all of it solved (the first row), and its shadow (the others)."""
    num_niches = values.shape[1]
    frame = pd.DataFrame(
        {
            "niche_id": range(num_niches),
            "parent_id": pd.array([None, *range(num_niches - 1)], dtype="Int64"),
            "created": range(num_niches),
            "solved": pd.array(range(num_niches), dtype="Int64"),
            "variation": values[0, :, 0],
            "relief": values[0, :, 1],
        }
    )
    rows = [
        (replicate, niche_id, *values[replicate + 1, niche_id])
        for replicate in range(len(values) - 1)
        for niche_id in range(num_niches)
    ]
    return frame, pd.DataFrame(rows, columns=["replicate", "niche_id", "variation", "relief"])


def drawn(*shape: int) -> np.ndarray:
    """Uniform random numbers with a fixed seed."""
    stream = Stream(3, "test values")
    return np.array([stream.uniform() for _ in range(int(np.prod(shape)))]).reshape(shape)


def test_p_values_are_ranks_among_replicates() -> None:
    """Thirds leave the root out; the trend is late minus early of means of logarithms, the level late alone."""
    values = drawn(10, 10, 2)
    frame, shadow = archive(values)
    summary = growth_summary(frame, shadow, alpha=0.1)
    logs = np.log1p(values[:, 1:] / np.median(values[:, 1:], axis=(0, 1)))
    early, middle, late = (logs[:, 3 * part : 3 * part + 3].mean(axis=1) for part in range(3))

    assert 3 == summary.num_terrains
    assert 9 == summary.num_shadows
    p_values = []
    for statistic in (late - early, late):
        scores = (statistic - statistic.mean(axis=0)) / statistic.std(axis=0)
        p_values.append([sum(max(row) >= own for row in scores) / 10 for own in scores[0]])
    table = summary.table
    assert pytest.approx(p_values[0]) == table["trend_p_value"].tolist()
    assert pytest.approx(p_values[1]) == table["level_p_value"].tolist()
    assert pytest.approx([max(pair) for pair in zip(*p_values, strict=True)]) == table["corrected_p_value"].tolist()
    assert summary.p_value == table["corrected_p_value"].min()
    rises = late - middle
    assert [sum(rises[:, m] >= rises[0, m]) / 10 <= GOES_ON for m in (0, 1)] == table["goes_on"].tolist()
    for row, m in zip(table.itertuples(), (0, 1), strict=True):
        assert pytest.approx(values[0, 1:4, m].mean()) == row.early
        assert pytest.approx(values[0, 7:, m].mean()) == row.late
        assert pytest.approx(np.median(values[1:, 7:, m].mean(axis=1))) == row.shadow_median


@pytest.mark.parametrize("statistic", ["trend_p_value", "level_p_value"])
def test_under_drift_the_correction_keeps_alpha(statistic: str) -> None:
    """Whichever of 40 equals is called the run: at most alpha of them pass by any measure."""
    values = drawn(40, 10, 2)
    least = []
    for i in range(len(values)):
        order = [i, *(k for k in range(len(values)) if k != i)]
        frame, shadow = archive(values[order])
        least.append(growth_summary(frame, shadow, alpha=0.5).table[statistic].min())

    for alpha in (0.025, 0.05, 0.1, 0.25, 0.5):
        assert sum(p <= alpha + 1e-9 for p in least) == round(alpha * 40)


@pytest.mark.parametrize(
    "course",
    [
        np.full(30, 5.0),
        np.linspace(5.0, 1.0, 30),
        np.minimum(0.5 + 0.5 * np.arange(30), 5.0),
        np.where(np.arange(30) < 15, np.arange(30) / 3.0, 10.0 - np.arange(30) / 3.0),
    ],
    ids=["plateau", "falling", "ramp, then plateau", "up and down"],
)
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_what_does_not_go_on_rising_has_not_grown(course: np.ndarray, noise: float) -> None:
    """However far above drift it is: late terrains that are no harder than the middle ones are no growth."""
    values = drawn(101, 31, 2)
    values[1:] += np.linspace(0.0, 1.0, 31)[None, :, None]
    values[0, 1:] = course[:, None] + noise * values[0, 1:]
    found = growth_summary(*archive(values))

    assert found.has_grown is False
    assert "not shown to grow harder over the run beyond drift" in found.sentence


def test_a_rise_from_below_has_not_grown() -> None:
    """A trend without a level: terrains that start easier than drift's and come up to them."""
    values = drawn(101, 31, 2) + 5.0
    values[0] = np.linspace(0.0, 5.5, 31)[:, None]
    found = growth_summary(*archive(values))

    assert (found.table["trend_p_value"] <= ALPHA).all()
    assert found.has_grown is False
    assert "harder than" not in found.sentence


def test_a_rise_that_goes_on_has_grown() -> None:
    """A rise that goes on counts as growth, and the measure is named."""
    values = drawn(101, 31, 2)
    values[0, 1:, 1] += np.linspace(0.0, 2.0, 30)
    found = growth_summary(*archive(values))

    assert found.has_grown
    assert found.p_value == pytest.approx(1 / 101)
    assert "grow harder over the run, beyond drift, by: relief: bumps and hollows (p = 0.0099" in found.sentence


def test_genomes_are_no_difficulty() -> None:
    """Nodes that grow make no harder terrains: they are a question and a sentence of their own."""
    values = drawn(101, 31, 2)
    frame, shadow = archive(values)
    frame["cppn_nodes"], shadow["cppn_nodes"] = np.arange(31.0), 1.0 + (shadow["niche_id"] % 3)
    found = growth_summary(frame, shadow, measures=GENOME_MEASURES)

    assert not growth_summary(frame, shadow).has_grown
    assert ["variation", "relief"] == growth_summary(frame, shadow).table["measure"].tolist()
    assert ["cppn_nodes"] == found.table["measure"].tolist()
    assert "The solved terrains' genomes grow over the run, beyond drift, by: CPPN nodes" in found.sentence


def test_one_cliff_outweighs_nothing() -> None:
    """A shadow terrain a hundred times as high as all others hides no growth of the run."""
    values = drawn(101, 31, 2)
    values[0, 20:] += 1.0
    values[7, 25] = 100.0
    frame, shadow = archive(values)

    assert growth_summary(frame, shadow).has_grown


def test_a_measure_that_never_varies_says_nothing() -> None:
    """If run and shadow are all equal, the p-values are 1, and the other measures are judged without this one."""
    values = drawn(101, 31, 2)
    values[0, 20:, 0] += 1.0
    values[..., 1] = 2.0
    table = growth_summary(*archive(values)).table.set_index("measure")

    assert (1.0, 1.0) == tuple(table.loc["relief", ["trend_p_value", "level_p_value"]])
    assert table.loc["variation", "corrected_p_value"] <= ALPHA


def test_only_what_was_solved_counts_among_the_solved() -> None:
    """Late unsolved terrains may be as hard as they like; among the admitted they count."""
    values = drawn(101, 31, 2)
    values[0, 25:] += 2.0
    frame, shadow = archive(values)
    frame.loc[25:, "solved"] = pd.NA

    assert not growth_summary(frame, shadow, "solved").has_grown
    assert growth_summary(frame, shadow, "admitted").has_grown


def test_too_little_is_no_verdict() -> None:
    """Fewer replicates than alpha asks for, or fewer than three terrains: nothing is said, and why."""
    frame, shadow = archive(drawn(99, 10, 2))
    few = growth_summary(frame, shadow)
    frame, shadow = archive(drawn(101, 3, 2))
    short = growth_summary(frame, shadow)

    assert few.has_grown is None
    assert np.isnan(few.p_value)
    assert "98 replicates" in few.sentence
    assert "make 99" in few.sentence
    assert short.has_grown is None
    assert "Fewer than three" in short.sentence
    with pytest.raises(ValueError, match="'solved' or 'admitted', found 'all'"):
        growth_summary(frame, shadow, "all")
    with pytest.raises(ValueError, match="every niche"):
        growth_summary(*archive(drawn(101, 10, 2))[:1], archive(drawn(101, 8, 2))[1])


def test_the_band_is_where_replicates_were() -> None:
    """5, 50 and 95 % of the replicates' greatest values and medians, each over what counted by then."""
    values = drawn(30, 6, 2)
    frame, shadow = archive(values)
    frame["solved"] = pd.array([2, 1, None, 5, 5, None], dtype="Int64")

    medians = shadow_band(frame, shadow, "relief", "solved", "median")
    assert [1, 2, 5] == medians.index.tolist()
    for iteration, niches in ((1, [1]), (2, [0, 1]), (5, [0, 1, 3, 4])):
        each = np.median(values[1:, niches, 1], axis=1)
        assert pytest.approx(np.quantile(each, [0.05, 0.5, 0.95])) == medians.loc[iteration].tolist()
    greatest = shadow_band(frame, shadow, "variation", "admitted", "max")
    assert pytest.approx(np.quantile(values[1:, :4, 0].max(axis=1), 0.95)) == greatest.loc[3, "upper"]
