"""Whether growth is told from drift: the test's arithmetic, and what it says of planted archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from environments.streams import Stream
from environments.terrain.genotype import TerrainSettings
from environments.terrain.obstacles import ObstacleGenotype
from experiments.analysis.complexity import measure_niche, niche_complexity
from experiments.analysis.gene_space import gene_space
from experiments.analysis.growth import ALPHA, growth_summary, shadow_band
from experiments.controls.neutral import ShadowNiche, births_of, drift
from poet.archive.reader import open_run
from poet.scoring import express
from tests.experiments.planted_runs import NUM_NICHES, planted_run
from tests.experiments.synthetic_runs import read

NUM_SEEDS = 20


@pytest.fixture(scope="module")
def planted_shadow(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The neutral shadow of one planted archive. All have the same schedule and root, so that it is that of each.

    Of each replicate only the later half is measured: no earlier terrain is compared, or the summary would say so.
    """
    with open_run(planted_run(tmp_path_factory.mktemp("runs") / "first", seed=12345, num_trials=1)) as run:
        births, space = births_of(run), gene_space(run.config)
    root, settings = ShadowNiche(0, None, ObstacleGenotype(), 0), TerrainSettings()
    return pd.DataFrame(
        {"replicate": replicate, "niche_id": niche.niche_id}
        | measure_niche(niche.genotype.to_json(), express(niche.genotype, niche.terrain_seed), space)
        for replicate in range(100)
        for niche in drift(births, root, lambda _: settings, 12345, replicate)[NUM_NICHES // 2 :]
    )


@pytest.mark.parametrize(("num_trials", "has_grown"), [(1, False), (3, True)])
def test_growth_is_told_from_drift(
    planted_shadow: pd.DataFrame, tmp_path: Path, num_trials: int, has_grown: bool
) -> None:
    """Of 20 archives that drift at least 19 are said to drift; of 20 with selection of one in three, 19 grow."""
    said = []
    for seed in range(NUM_SEEDS):
        frame = niche_complexity(read(planted_run(tmp_path / str(seed), seed, num_trials)))
        said.append(growth_summary(frame, planted_shadow).has_grown)

    assert said.count(has_grown) >= 19


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
    """Uniform numbers, the same every time."""
    stream = Stream(3, "test values")
    return np.array([stream.uniform() for _ in range(int(np.prod(shape)))]).reshape(shape)


def test_p_values_are_ranks_among_replicates() -> None:
    """Late niches are the last third without the root; statistics are means of logarithms over them."""
    values = drawn(10, 10, 2)
    frame, shadow = archive(values)
    summary = growth_summary(frame, shadow, alpha=0.1)
    late = values[:, 7:]
    typical = np.median(late, axis=(0, 1))
    statistics = np.log1p(late / typical).mean(axis=1)

    assert 3 == summary.num_terrains
    assert 9 == summary.num_shadows
    for row, own, m in zip(summary.table.itertuples(), (statistics >= statistics[0]).mean(axis=0), (0, 1), strict=True):
        assert pytest.approx(own) == row.p_value
        assert pytest.approx(late[0, :, m].mean()) == row.late
        assert pytest.approx(np.median(late[1:, :, m].mean(axis=1))) == row.shadow_median
    scores = (statistics - statistics.mean(axis=0)) / statistics.std(axis=0)
    for p_value, score in zip(summary.table["corrected_p_value"], scores[0], strict=True):
        assert pytest.approx((scores.max(axis=1) >= score).mean()) == p_value


def test_under_drift_the_correction_keeps_alpha() -> None:
    """Whichever of 40 equals is called the run: at most alpha of them are said to have grown by any measure."""
    values = drawn(40, 10, 2)
    least = []
    for i in range(len(values)):
        order = [i, *(k for k in range(len(values)) if k != i)]
        frame, shadow = archive(values[order])
        least.append(growth_summary(frame, shadow, alpha=0.5).table["corrected_p_value"].min())

    for alpha in (0.025, 0.05, 0.1, 0.25, 0.5):
        assert sum(p <= alpha + 1e-9 for p in least) == round(alpha * 40)


def test_one_cliff_outweighs_nothing() -> None:
    """A shadow terrain a hundred times as high as all others hides no growth of the run."""
    values = drawn(101, 31, 2)
    values[0, 20:] += 1.0
    values[7, 25] = 100.0
    frame, shadow = archive(values)

    assert growth_summary(frame, shadow).has_grown


def test_a_measure_that_never_varies_says_nothing() -> None:
    """Where run and shadow are all alike the p values are 1, and the other measures are judged as if it were not."""
    values = drawn(101, 31, 2)
    values[0, 20:, 0] += 1.0
    values[..., 1] = 2.0
    table = growth_summary(*archive(values)).table.set_index("measure")

    assert (1.0, 1.0) == tuple(table.loc["relief", ["p_value", "corrected_p_value"]])
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
