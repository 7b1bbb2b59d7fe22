"""What was reached when, by class of terrain, counted by hand on the small run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from environments.streams import Stream
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.obstacles import ObstacleGenotype
from experiments.analysis.aggregate import group_runs
from experiments.analysis.milestones import classes_of, median_milestones, milestones_table, spending_table
from experiments.analysis.readable import render_tables
from experiments.analysis.run_tables import RunTables
from poet.config import make_config
from tests.experiments.synthetic_runs import read, three_niches
from tests.experiments.test_success import MEASURED, record, rows

CHALLENGING = ["challenging", "very challenging", "extremely challenging"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """The small run, validated."""
    return read(record(three_niches(tmp_path_factory.mktemp("runs") / "three"), *MEASURED))


@pytest.mark.parametrize(
    ("genes", "classes"),
    [
        ({}, []),
        ({"roughness": 1.0, "pit_gap": (0.0, 3.0), "stump_height": (1.0, 2.0)}, ["hardcore-like"]),
        ({"roughness": 1.0, "pit_gap": (0.0, 2.9), "stump_height": (1.0, 2.0)}, []),
        ({"stump_height": (0.0, 2.4)}, CHALLENGING[:1]),
        ({"roughness": 4.5, "pit_gap": (1.0, 6.0), "stump_height": (0.0, 2.0)}, ["hardcore-like", *CHALLENGING[:2]]),
        ({"roughness": 4.5, "pit_gap": (1.0, 6.0), "stump_height": (2.4, 2.4)}, ["hardcore-like", *CHALLENGING]),
    ],
)
def test_a_terrain_is_of_every_class_whose_bounds_it_reaches(genes, classes) -> None:
    """By upper ends, bounds included; whatever is very challenging is challenging."""
    assert ["any child", *classes] == classes_of(ObstacleGenotype(**genes).to_json())


def test_a_cppn_is_of_no_class_but_that_of_all() -> None:
    """The paper's conditions do not apply to CPPNs."""
    genotype = CppnGenotype.initial(CppnSettings(), Stream(0, "test"))

    assert ["any child"] == classes_of(genotype.to_json())


def test_a_class_has_its_first_times(run: RunTables) -> None:
    """Niche 1, challenging, is robust in 2, solved once and general in 3; niche 2, of all classes, never."""
    table = milestones_table(run)

    assert ["any child", "hardcore-like", *CHALLENGING] == table["class"].tolist()
    once, robust, general = (7450, 2.0), (3450, 1.5), (7450, 2.0)
    shares = [(pytest.approx(0.05), pytest.approx(0.3)), (0.0, 0.0)]
    reached = [(2, 1, 1, 1, *once, *robust, *general, *shares[0])]
    nothing = [(1, 0, 0, 0, *[None] * 6, *shares[1])]
    names = [f"{what}_{unit}" for what in ("once", "robust", "general") for unit in ("env_steps", "seconds")]
    found = rows(table[["admitted", "once", "robust", "general", *names, "success_share_at_admission",
                        "success_share_last"]])  # fmt: skip
    assert reached + nothing + reached + nothing + nothing == found


def test_of_several_runs_the_median_counts_those_that_never_got_there(run: RunTables) -> None:
    """Two of three that did: the slower of them; one of three: missing, as in the run that did not."""
    other = RunTables(**{**vars(run), "config": make_config(run.config.to_json(), {"run": {"seed": 8}})})
    nowhere = {"solved": run.solved.iloc[:0], "validations": run.validations.iloc[:0]}
    slow = RunTables(**{**vars(run), **nowhere, "config": make_config(run.config.to_json(), {"run": {"seed": 9}})})
    runs = {"a": run, "b": other, "c": slow}

    two_of_three = median_milestones(runs, group_runs(runs))
    runs = {"a": run, "b": RunTables(**{**vars(slow), "config": other.config}), "c": slow}
    one_of_three = median_milestones(runs, group_runs(runs))

    for table, steps in ((two_of_three, 7450), (one_of_three, None)):
        assert [("all runs", 3, "challenging", 2, steps)] == rows(
            table[table["class"] == "challenging"][["group", "num_runs", "class", "admitted", "once_env_steps"]]
        )


def test_spending_is_by_purpose(run: RunTables) -> None:
    """Shares of each run's env-steps, the most expensive purpose first."""
    table = spending_table({"three": run})

    assert ["run", "es_share", "transfer_proposal_share", "self_eval_share", "candidate_criterion_share"] == list(table)
    assert pytest.approx(1.0) == table.iloc[0, 1:].sum()


def test_analyse_prints_milestones(tmp_path: Path, run: RunTables) -> None:
    """Of one run, and the medians of several."""
    other = RunTables(**{**vars(run), "config": make_config(run.config.to_json(), {"run": {"seed": 8}})})

    one, several = dict(render_tables({"a": run})), dict(render_tables({"a": run, "b": other}))

    medians = several["First of each class: median of runs"]
    for table in (one["First of each class"], medians):
        assert ["3450", "", "3450", "", ""] == [steps.replace(",", "") for steps in table["robust env steps"]]
    assert {"2"} == set(medians["num runs"])
    assert isinstance(several["Share of env-steps by purpose"], pd.DataFrame)
