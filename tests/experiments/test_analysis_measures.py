"""Curves and run cards, and aggregates over several runs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.errors import InputError
from experiments.analysis.aggregate import (
    RunGroup,
    aggregate_table,
    group_runs,
    last_shared_step,
    run_names,
    runs_table,
    spread,
)
from experiments.analysis.measures import config_differences, progress_curves, run_card
from experiments.analysis.run_tables import RunTables
from poet.config import Config, make_config
from tests.experiments.synthetic_runs import read, simulated_run, three_niches


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """The small run."""
    return read(three_niches(tmp_path_factory.mktemp("runs") / "three"))


def test_curves_say_what_was_reached_by_each_iteration(run: RunTables) -> None:
    """Counts of niches and the best score are those at the end of the iteration; the best score never falls."""
    curves = progress_curves(run)

    assert [100, 1100, 3450, 7450, 7450] == curves["env_steps"].tolist()
    assert [1, 1, 2, 3, 3] == curves["num_admitted"].tolist()
    assert [1, 1, 2, 2, 2] == curves["num_active"].tolist()
    assert [0, 1, 1, 2, 2] == curves["num_solved"].tolist()
    assert [-50.0, 240.0, 250.0, 250.0, 250.0] == curves["best_score"].tolist()


def test_the_hardest_gene_counts_admitted_and_solved_niches_apart(run: RunTables) -> None:
    """A gene counts from the admission of its niche, and once more from its solution; 0 before any."""
    curves = progress_curves(run)

    assert [0.0, 0.0, 0.8, 6.0, 6.0] == curves["pit_gap_admitted"].tolist()
    assert [0.0, 0.0, 0.0, 0.8, 0.8] == curves["pit_gap_solved"].tolist()
    assert [0.0, 0.0, 2.6, 2.6, 2.6] == curves["stump_height_admitted"].tolist()
    assert [0.0, 0.0, 0.0, 5.0, 5.0] == curves["roughness_admitted"].tolist()


def test_the_card_sums_a_run_up(run: RunTables) -> None:
    """Every number of the card is what can be counted in the archive."""
    card = run_card(run)

    assert (7, 4, 7450, 75) == (card.seed, card.iterations, card.env_steps, card.episodes)
    assert (3, 2, 1, 2) == (card.niches_admitted, card.niches_active, card.niches_retired, card.niches_solved_once)
    assert (250.0, 3) == (card.best_score, card.candidates_judged)
    assert (4, 2, 0.5) == (card.transfers_tried, card.transfers_accepted, card.transfers_accepted_share)
    assert (1, 0, 0) == card.solved_challenging
    assert (2.5, 2980.0) == (card.wall_seconds, card.env_steps_per_second)


def test_a_run_without_transfers_has_no_share(tmp_path: Path) -> None:
    """0 / 0 is NaN on the card, not 0."""
    card = run_card(read(simulated_run(tmp_path / "run", iterations=3)))

    assert (0, 0) == (card.transfers_tried, card.transfers_accepted)
    assert math.isnan(card.transfers_accepted_share)


def test_settings_are_named_where_they_differ_from_the_defaults() -> None:
    """The default config has no differences; others are named as --set takes them."""
    assert {} == config_differences(Config())
    assert {"es.pairs": 8, "transfer.rule": "2020"} == config_differences(
        make_config({"es": {"pairs": 8}, "transfer": {"rule": "2020"}})
    )


def curves_of(steps: list[int], values: list[float]) -> pd.DataFrame:
    """Curves with one measure."""
    return pd.DataFrame({"env_steps": steps, "height": values})


def test_runs_are_compared_at_the_same_env_steps() -> None:
    """A curve keeps its value until the next iteration ends, and quartiles are over runs at the same cost."""
    group = RunGroup(
        "g",
        {
            "a": curves_of([0, 100, 399], [1.0, 2.0, 3.0]),
            "b": curves_of([50, 99, 500], [5.0, 6.0, 99.0]),
            "c": curves_of([0, 398, 900], [7.0, 8.0, 99.0]),
        },
    )
    end = last_shared_step([group])
    shared = spread(group, "height", end)  # 400 points: every env-step

    assert 399 == end
    assert list(range(400)) == shared["env_steps"].tolist()
    expected = {0: (2.5, 4.0, 5.5, 2), 50: (3.0, 5.0, 6.0, 3), 99: (3.5, 6.0, 6.5, 3), 397: (4.0, 6.0, 6.5, 3)}
    for step, quartiles in (expected | {398: (4.0, 6.0, 7.0, 3), 399: (4.5, 6.0, 7.0, 3)}).items():
        assert quartiles == tuple(shared.loc[step, ["lower", "median", "upper", "num_runs"]])


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), min_size=1, max_size=5))
def test_the_median_lies_between_the_quartiles_and_within_the_runs(runs: list[list[int]]) -> None:
    """At every point: least value <= first quartile <= median <= third quartile <= greatest value."""
    curves = [curves_of([10 * j for j in range(len(run))], [float(v) for v in run]) for run in runs]
    group = RunGroup("g", {str(i): curve for i, curve in enumerate(curves)})
    shared = spread(group, "height", last_shared_step([group]))
    values = [value for run in runs for value in run]

    assert (min(values) <= shared["lower"]).all()
    assert (shared["lower"] <= shared["median"]).all()
    assert (shared["median"] <= shared["upper"]).all()
    assert (shared["upper"] <= max(values)).all()


def test_runs_that_differ_in_their_seed_are_one_group(tmp_path: Path) -> None:
    """The seed, and settings that change no result, make no group; every other setting does, and names it."""
    runs = {
        "a": read(simulated_run(tmp_path / "a", seed=1, iterations=3)),
        "b": read(simulated_run(tmp_path / "b", seed=2, iterations=4, checkpoint={"keep_every": 7})),
        "c": read(simulated_run(tmp_path / "c", seed=1, iterations=3, transfer={"periodic": False})),
    }
    groups = group_runs(runs)

    assert ["a", "b"] == list(groups[0].curves)
    assert ["c"] == list(groups[1].curves)
    assert groups[0].name.startswith("transfer.periodic=true")
    assert groups[1].name.startswith("transfer.periodic=false")
    assert "all runs" == group_runs({name: runs[name] for name in "ab"})[0].name


def test_a_run_cannot_count_twice(tmp_path: Path) -> None:
    """A copy of a run is not a second sample: it is refused, and both are named."""
    first, second = (read(simulated_run(tmp_path / name, iterations=2)) for name in "ab")

    with pytest.raises(InputError, match="first and copy have the same config and seed 0"):
        group_runs({"first": first, "copy": second})


def test_the_aggregate_compares_all_groups_at_the_same_cost(tmp_path: Path) -> None:
    """Every group's numbers are taken where the shortest of all runs ends."""
    short = read(simulated_run(tmp_path / "short", iterations=2, transfer={"periodic": False}))
    long = read(simulated_run(tmp_path / "long", iterations=9))
    table = aggregate_table(group_runs({"long": long, "short": short}))

    assert {40_300} == set(table["env_steps"])
    assert {1} == set(table["num_runs"])
    best = table[table["measure"] == "best_score"]["median"].tolist()
    assert [progress_curves(run)["best_score"][2] for run in (long, short)] == best


def test_the_runs_table_has_a_row_for_each_run(run: RunTables) -> None:
    """A run's row is its card."""
    table = runs_table({"three": run})

    assert ["three"] == table["run"].tolist()
    assert [7450] == table["env_steps"].tolist()
    assert [1] == table["solved_once_challenging"].tolist()


def test_runs_are_named_by_as_little_of_their_path_as_tells_them_apart(tmp_path: Path) -> None:
    """The folder's name where that is enough, its parents' where not; the same folder twice is refused."""
    paths = [tmp_path / "x" / "run", tmp_path / "y" / "run"]

    assert ["run"] == run_names(paths[:1])
    assert ["x/run", "y/run"] == run_names(paths)
    with pytest.raises(InputError, match="given twice"):
        run_names([paths[0], tmp_path / "y" / ".." / "x" / "run"])


def test_a_best_score_that_is_not_finite_is_none(run: RunTables) -> None:
    """Where every world diverged there is no best score; it is NaN, not minus infinity."""
    versions = run.versions.assign(score=-np.inf)
    diverged = RunTables(**{**vars(run), "versions": versions})

    assert math.isnan(run_card(diverged).best_score)
    assert progress_curves(diverged)["best_score"].isna().all()
