"""What is compared of runs besides success: first solves, MODES, learnability, coverage; and runs without niches."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from environments.streams import Stream
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.obstacles import ObstacleSettings
from experiments.analysis.gene_space import GeneSpace, sample_level
from experiments.analysis.run_tables import RunTables, read_tables_until
from experiments.analysis.terrain_measures import measure_terrain
from experiments.comparison import first_solves, history, learnability, modes, record, snapshots, survival
from poet.archive.reader import open_run
from poet.config import make_config
from poet.events import Cost, Event, NicheValidated, Occasion, ValidationSet
from poet.trainers.base import LEARNING
from poet.types import Origin, Purpose
from tests.experiments.naive_modes import naive_active, naive_learnability, naive_modes
from tests.experiments.synthetic_runs import (
    GENES,
    JUDGEMENTS,
    add_events,
    admitted,
    many_niches,
    read,
    record_run,
    simulated_run,
    three_niches,
    version,
)
from tests.experiments.test_success import MEASURED
from tests.experiments.test_success import record as validated

END = 7450


def compared(tables: RunTables, end: int = END, space: GeneSpace | None = None) -> snapshots.ComparedRun:
    """A run of the arm a."""
    return snapshots.ComparedRun("a-7", "a", tables, end, space)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """The small run, validated and judged."""
    return read(add_events(validated(three_niches(tmp_path_factory.mktemp("runs") / "three"), *MEASURED), JUDGEMENTS))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """A run like one of POET, of which every seventh agent was measured."""
    folder = simulated_run(tmp_path_factory.mktemp("runs") / "simulated", 3)
    with open_run(folder) as run:
        versions = run.versions[(run.versions["id"] % 7 == 0)]
    stream = Stream(0, "successes")
    measured = [
        NicheValidated(niche_id, iteration, i, which, Occasion.INTERVAL, 10, stream.integer(0, 10), 0.0, 0.0)
        for i, niche_id, iteration in versions[["id", "niche_id", "iteration"]].to_numpy().tolist()
        for which in ValidationSet
    ]
    return read(add_events(folder, measured))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """A run of a trainer with one agent and no niches."""
    events: list[Event] = [
        admitted(0, 0, None, -50.0, 0, GENES[2]),
        version(0, 0, 0, -50.0, Origin.INITIAL),
        Cost(0, 0, Purpose.SELF_EVAL, 100, 1),
        version(1, 0, 1, 240.0, parent_id=0),
        Cost(1, 0, Purpose.ES, END - 100, 10),
    ]
    config = make_config({"run": {"seed": 7, "trainer": "dr"}})
    return read(record_run(tmp_path_factory.mktemp("runs") / "alone", events, 1, config))


def space_of(run: RunTables) -> GeneSpace:
    """The genes that all runs share."""
    (found,) = snapshots.compared_runs({"a-7": run}, {"a": ["a-7"]}, END)
    assert found.space is not None
    return found.space


def test_modes_are_those_of_a_naive_twin(tmp_path: Path) -> None:
    """Of random lineages with dead ends and few types, which come back; some windows have nothing new."""
    run = read(many_niches(tmp_path / "many", 80, 3))
    stream, settings = Stream(1, "lineages"), ObstacleSettings()
    pool = [*GENES, *(genotype.mutate(stream, settings) for genotype in GENES)]
    parents = [None, 0, 1, *(i - stream.integer(1, 4) for i in range(3, 80))]
    genotypes = [stream.choice(pool).to_json() for _ in range(80)]
    run = replace(run, niches=run.niches.assign(parent_id=parents, genotype=genotypes))
    space, end = space_of(run), int(run.ledger["env_steps"].sum())
    table = modes.modes_table(compared(run, end, space))
    limits = {gene: float(space.limits[index]) for gene, index in space.uppers.items()}
    expected = pd.DataFrame(naive_modes(run, end, snapshots.NUM_WINDOWS, limits))
    pd.testing.assert_frame_equal(expected, table[list(expected.columns)], check_dtype=False)
    assert table["persisted"].nunique() > 1 and 0 in table["novelty"].tolist()
    assert (table["change"] > table["novelty"]).any()
    for iteration, active in zip(table["iteration"], table["active"], strict=True):
        assert len(naive_active(run, iteration)) == active


def test_modes_of_the_small_run_by_hand(three: RunTables) -> None:
    """Niche 0 alone until 3450 env-steps; in the last window niches 0 and 1, of which 0 lives on in 1."""
    table = modes.modes_table(compared(three, END, space_of(three)))
    assert [0, 1, 1, 1, 2, 2, 2, 2, 2, 4] == table["iteration"].tolist()
    assert [1] * 4 + [2] * 6 == table["active"].tolist()
    assert [1.0] * 10 == table["persisted"].tolist()
    assert [1, 0, 0, 0, 0, 1, 0, 0, 0, 0] == table["change"].tolist() == table["novelty"].tolist()
    assert [0.0] * 5 + [1.0] * 5 == table["ecology"].tolist()
    heights = [measure_terrain(three.terrains[i]).variation for i in range(3)]
    assert [heights[0]] * 5 + [max(heights[:2])] * 5 == table["complexity"].tolist()
    assert 0.0 == table["complexity_genes"].iloc[4] < table["complexity_genes"].iloc[5] < 1.0


def test_who_has_no_descendants_does_not_pass(tmp_path: Path) -> None:
    """A chain of niches of which each retires five iterations later: all pass. Without the links none would."""
    run = read(many_niches(tmp_path / "chain", 100))
    end = int(run.ledger["env_steps"].sum())
    assert [1.0] * 10 == modes.modes_table(compared(run, end))["persisted"].tolist()
    loose = RunTables(**{**vars(run), "niches": run.niches.assign(parent_id=None)})
    table = modes.modes_table(compared(loose, end))
    assert [0.0] * 10 == table["persisted"].tolist()
    assert table[["complexity", "ecology"]].isna().all(axis=None)


def test_a_moment_without_niches_is_no_error(three: RunTables) -> None:
    """Only a stranger's archive can have one: all are said to retire at the start, before others come."""
    gone = RunTables(**{**vars(three), "retirements": pd.DataFrame({"niche_id": [0, 1], "iteration": [1, 2]})})
    table = modes.modes_table(compared(gone))
    assert 0 in table["active"].tolist() and table["persisted"].isna().any()


def test_entropy_is_in_bits() -> None:
    """Of four equal types two bits, of one none; a quarter and three quarters 0.811."""
    assert (2.0, 0.0) == (modes.entropy([3, 3, 3, 3]), modes.entropy([5]))
    assert pytest.approx(0.811278, abs=1e-6) == modes.entropy([1, 3, 0])


def test_a_cppn_is_of_the_type_of_its_topology() -> None:
    """Weights and disabled connections make no other type; an activation does."""
    genotype = CppnGenotype.initial(CppnSettings(), Stream(0, "test")).to_json()
    (link, *_) = genotype["connections"]
    heavier = genotype | {"connections": [link | {"weight": 1.5}, *genotype["connections"][1:]]}
    other = genotype | {"nodes": [*genotype["nodes"], {"id": 9, "bias": 0.0, "response": 1.0, "activation": "sin"}]}
    kinds = [modes.terrain_type(some, None) for some in (genotype, heavier, other)]
    assert kinds[0] == kinds[1] != kinds[2]
    assert modes.terrain_type({"own": 1}, None) != modes.terrain_type({"own": 2}, None)


def test_learnability_is_that_of_a_naive_twin(simulated: RunTables) -> None:
    """The last measurement of each active niche at each moment, on both sets."""
    end = int(simulated.ledger["env_steps"].sum())
    table = learnability.learnability_table(compared(simulated, end))
    for which in ValidationSet:
        expected = [naive_learnability(simulated, moment, which) for moment in table["env_steps"]]
        assert pytest.approx(expected, nan_ok=True) == table[f"{which}_learnability"].tolist()


def test_learnability_of_the_small_run_by_hand(three: RunTables) -> None:
    """At the end niches 1 and 2 are active, with 6 and 0 of 10: (24/90 + 0) / 2; one episode tells nothing."""
    last = learnability.learnability_table(compared(three)).iloc[-1]
    assert pytest.approx(24 / 90 / 2) == last["pushes_learnability"]
    assert pytest.approx(16 / 90 / 2) == last["seeds_learnability"]
    assert math.isnan(learnability.learnability(1, 1))
    assert 0.25 < learnability.learnability(5, 10) == pytest.approx(25 / 90)


def test_classes_have_their_first_times(three: RunTables) -> None:
    """Niche 1 (stumps of 2.6) is challenging, robust in 2, solved in 3; niche 2 is of all classes and never solved."""
    table = first_solves.classes_table(compared(three)).set_index("class")
    reached = [2, 1, 1, 7450, 3450], [1, 0, 0, None, None]
    names = ["created", "once", "robust", "once_env_steps", "robust_env_steps"]
    for name in first_solves.ALL_CLASSES:
        expected = reached[0] if name in ("any child", "challenging") else reached[1]
        assert expected == [None if pd.isna(value) else value for value in table.loc[name, names]], name
    assert {""} == {*table["once_why"], *table["robust_why"]}


def test_nobody_validated_is_unknown_and_not_never(tmp_path: Path) -> None:
    """Robust counts are missing with a reason, in every table; what was solved once is known."""
    run = compared(read(three_niches(tmp_path / "three")))
    classes = snapshots.by_run(run, first_solves.classes_table(run))
    assert classes["robust"].isna().all() and classes["once"].notna().all()
    reached = first_solves.reached_table(classes, END).set_index(["outcome", "class"])
    assert first_solves.NOT_VALIDATED == reached.loc[("robust", "challenging"), "why"]
    assert pd.isna(reached.loc[("robust", "challenging"), "reached"])
    assert 1 == reached.loc[("once", "challenging"), "reached"]
    values = record.measures_table([run]).set_index("measure")
    for name in ("solved_robustly", "annecs_robust", "coverage_robust", "pushes_learnability"):
        assert math.isnan(values.loc[name, "value"]) and values.loc[name, "why"], name
    assert (2.0, 1.0) == (values.loc["created", "value"], values.loc["solved_once", "value"])


def test_a_run_without_niches_has_reasons_and_no_numbers(alone: RunTables) -> None:
    """Nothing of terrains applies, though its root meets every condition and was walked well; its costs count."""
    run = compared(alone)
    assert not run.makes_terrains and LEARNING == alone.kinds
    classes = first_solves.classes_table(run)
    assert classes[["created", "once", "robust"]].isna().all(axis=None)
    assert {"the trainer dr trains one agent and makes no niches"} == {*classes["once_why"], *classes["robust_why"]}
    measures = record.measures_table([run])
    assert measures["value"].isna().all() and all(measures["why"])
    assert [("a", "es", END - 100), ("a", "self_eval", 100)] == [
        row[:3] for row in record.spending_table([run]).itertuples(index=False, name=None)
    ]
    assert history.history_table([run]).empty and history.annecs_curves([run]).empty


def arms_of_classes(times: dict[str, list[int | None]]) -> pd.DataFrame:
    """Runs by arm, with when each first robustly solved a challenging terrain and nothing else."""
    rows = []
    for arm, firsts in times.items():
        for i, first in enumerate(firsts):
            for name in first_solves.ALL_CLASSES:
                when = first if name == "challenging" else None
                row = {"arm": arm, "run": f"{arm}-{i}", "class": name, "once_why": "", "robust_why": ""}
                rows.append(row | {"once_env_steps": None, "robust_env_steps": when})
    return pd.DataFrame(rows).astype({"once_env_steps": "Int64", "robust_env_steps": "Int64"})


def test_arms_that_get_there_at_other_times_are_told_apart() -> None:
    """Five runs before all of five others: p = 2/252 and one question; curves, medians and counts agree."""
    classes = arms_of_classes({"a": [10, 20, 30, 40, 50], "b": [60, 70, None, None, None]})
    arms = {arm: [f"{arm}-{i}" for i in range(5)] for arm in "ab"}
    pairs = first_solves.first_pairs_table(classes, arms, 100)
    asked = pairs[pairs["p"].notna()]
    assert [("robust", "challenge", "challenging")] == list(asked[["outcome", "kind", "class"]].itertuples(False, None))
    (row,) = asked.to_dict("records")
    assert (5, 2, 1, "a gets there sooner") == (
        row["ours_reached"], row["theirs_reached"], row["questions"], row["verdict"]
    )  # fmt: skip
    assert pytest.approx((2 / 252,) * 3) == (row["p"], row["p_adjusted"], row["least_p"])
    assert {"no run got there"} == set(pairs.loc[pairs["p"].isna(), "verdict"])
    power = first_solves.logrank_power_table(pairs, arms)
    assert ("5 and 5", survival.logrank_power(5, 5, 8.0)) == tuple(power[["seeds", "8 times"]].iloc[0])
    reached = first_solves.reached_table(classes, 100).set_index(["outcome", "arm", "class"])
    ours, theirs = (reached.loc[("robust", arm, "challenging")] for arm in "ab")
    assert (5, 1.0, 30.0) == (ours["reached"], ours["share"], ours["median_env_steps"])
    assert (2, 0.4) == (theirs["reached"], theirs["share"]) and math.isnan(theirs["median_env_steps"])
    curve = first_solves.curves_table(classes, 100)
    mine = curve[(curve["arm"] == "b") & (curve["class"] == "challenging") & (curve["outcome"] == "robust")]
    assert [(0.0, 1.0), (60.0, 0.8), (70.0, pytest.approx(0.6))] == list(
        mine[["env_steps", "not_yet"]].itertuples(index=False, name=None)
    )


def test_the_power_of_a_family_is_that_of_its_first_step_both_ways_round() -> None:
    """Three arms, so three questions at a third of the level; few fast runs are found less than few slow ones."""
    times = {"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5], "c": [1, 2, 3, 4]}
    arms = {arm: [f"{arm}-{i}" for i in range(len(mine))] for arm, mine in times.items()}
    pairs = first_solves.first_pairs_table(arms_of_classes({**times}), arms, 100)
    assert pytest.approx(0.05 / 3) == first_solves.logrank_alpha(pairs)
    power = first_solves.logrank_power_table(pairs, arms)
    assert ["4 and 5", "5 and 4", "5 and 5"] == power["seeds"].tolist()
    few_fast, few_slow, _ = power["16 times"]
    assert few_fast == survival.logrank_power(4, 5, 16.0, 0.05 / 3) < few_slow


def test_few_runs_cannot_be_told_apart() -> None:
    """Three against three have no p below 0.1, and says so; equal times differ by nothing."""
    arms = {arm: [f"{arm}-{i}" for i in range(3)] for arm in "ab"}
    found = first_solves.first_pairs_table(arms_of_classes({"a": [1, 2, 3], "b": [4, 5, 6]}), arms, 100)
    assert {"not testable with so few seeds"} == set(found.loc[found["p"].notna(), "verdict"])
    arms = {arm: [f"{arm}-{i}" for i in range(5)] for arm in "ab"}
    nobody = first_solves.first_pairs_table(arms_of_classes({arm: [None] * 5 for arm in "ab"}), arms, 100)
    assert first_solves.logrank_power_table(nobody, arms).empty
    same = first_solves.first_pairs_table(arms_of_classes({"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5]}), arms, 100)
    assert {"no difference shown"} == set(same.loc[same["p"].notna(), "verdict"])


def test_an_arm_to_which_a_class_does_not_apply_is_not_asked_about() -> None:
    """Its reason is the verdict, and the others' Holm correction does not count it."""
    classes = arms_of_classes({"a": [1] * 5, "b": [9] * 5, "dr": [None] * 5})
    classes.loc[classes["arm"] == "dr", ["once_why", "robust_why"]] = "no niches"
    arms = {arm: [f"{arm}-{i}" for i in range(5)] for arm in ("a", "b", "dr")}
    pairs = first_solves.first_pairs_table(classes, arms, 100)
    assert {"no niches"} == set(pairs.loc[pairs["theirs"] == "dr", "verdict"])
    assert [1] == pairs.loc[pairs["p"].notna(), "questions"].tolist()
    assert "dr" not in set(first_solves.curves_table(classes, 100)["arm"])


def test_a_family_has_the_same_size_however_runs_are_dealt() -> None:
    """Two arms of which none got there are one of its questions, with p = 1, if a third arm did."""
    arms = {arm: [f"{arm}-{i}" for i in range(5)] for arm in "abc"}
    never: list[int | None] = [None] * 5
    found = first_solves.first_pairs_table(arms_of_classes({"a": [1, 2, 3, 4, 5], "b": never, "c": never}), arms, 100)
    asked = found[found["p"].notna()].set_index(["ours", "theirs"])
    assert {3} == set(asked["questions"])
    assert pytest.approx([6 / 252, 6 / 252, 1.0]) == asked["p_adjusted"].tolist()
    assert "no run of either got there" == asked.loc[("b", "c"), "verdict"]
    assert (0, 0) == tuple(asked.loc[("b", "c"), ["ours_reached", "theirs_reached"]])


def test_coverage_is_the_mean_distance_of_samples(three: RunTables) -> None:
    """From the nearest terrain, over the samples of every level; 1 without any, and less with more terrains."""
    space = GeneSpace(ObstacleSettings(obstacles=("roughness", "pit_gap", "stump_height")))
    points = [space.point(genotype.to_json()) for genotype in GENES]
    distances = [
        min(math.sqrt(sum((a - b) ** 2 for a, b in zip(sample, point, strict=True)) / len(sample)) for point in points)
        for level in (1, 2, 3)
        for sample in sample_level(space, level)
    ]
    found = record.mean_coverage(space, [genotype.to_json() for genotype in GENES])
    assert pytest.approx(np.mean(distances)) == found
    assert found < record.mean_coverage(space, [GENES[0].to_json()]) < record.mean_coverage(space, []) == 1.0
    values = record.measures_table([compared(three, END, space_of(three))]).set_index("measure")["value"]
    assert 0.0 < values["coverage_created"] < values["coverage_once"] < 1.0


def test_runs_that_mutate_other_genes_share_no_space(three: RunTables) -> None:
    """Their coverage is missing with a reason; runs without niches do not matter."""
    other = make_config(three.config.to_json(), {"terrain": {"max_pit_gap": 8.0}})
    runs = {"a-7": three, "b-7": RunTables(**{**vars(three), "config": other})}
    arms = {"a": ["a-7"], "b": ["b-7"]}
    assert {None} == {run.space for run in snapshots.compared_runs(runs, arms, END)}
    values = record.measures_table(snapshots.compared_runs(runs, arms, END))
    assert {record.NO_SPACE} == set(values.loc[values["measure"] == "coverage_once", "why"])


def test_measures_of_the_small_run_by_hand(three: RunTables) -> None:
    """Counts, ANNECS, transfers; and their effect sizes against a run with nothing solved."""
    values = record.measures_table([compared(three, END, space_of(three))]).set_index("measure")["value"]
    expected = {"created": 2, "solved_once": 1, "solved_robustly": 1, "annecs_paper": 1, "annecs_robust": 1}
    assert expected == values[list(expected)].to_dict()
    assert (4.0, 0.5) == (values["transfers_tried"], values["transfers_accepted_share"])
    assert pytest.approx((0.2, 0.2, 1.0)) == tuple(values[["change", "novelty", "ecology"]])
    slow = RunTables(**{**vars(three), "solved": three.solved.iloc[:1], "validations": three.validations.iloc[:2]})
    runs = snapshots.compared_runs({"a-7": three, "b-7": slow}, {"a": ["a-7"], "b": ["b-7"]}, END)
    measures = record.measures_table(runs)
    effects = record.effects_table(measures, {"a": ["a-7"], "b": ["b-7"]}).set_index("measure")
    once = effects.loc["solved_once"]
    assert (1.0, 1.0, 1.0, -math.inf) == (once["probability"], once["cliffs_delta"], once["difference"], once["low"])
    assert (0.5, 0.0) == (effects.loc["created", "probability"], effects.loc["created", "cliffs_delta"])
    means = record.arm_measures_table(measures).set_index(["measure", "arm"])
    assert (1.0, 0.0) == (means.loc[("solved_once", "a"), "mean"], means.loc[("solved_once", "b"), "mean"])


def test_what_comes_after_the_compared_iteration_is_not_read(tmp_path: Path) -> None:
    """As if the run had stopped there: no later niche, cost or solution, and no niche that retires later."""
    with open_run(three_niches(tmp_path / "three")) as run:
        tables = read_tables_until(run, 2)
    assert (2, 2, 1, 0) == (tables.iteration, len(tables.niches), len(tables.solved), len(tables.retirements))
    assert 3450 == tables.ledger["env_steps"].sum()
    table = history.history_table([compared(tables, 3450)])
    last = table[table["class"] == "challenging"].iloc[-1]
    assert (1, 0) == (last["created"], last["once"]) and pd.isna(last["robust"])
    assert 0 == table["created"].iloc[0]
