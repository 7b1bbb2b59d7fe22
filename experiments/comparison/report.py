"""All that ``poet compare`` has to say: tables, remarks, plots, and one file for machines."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from experiments.analysis.comparison_plot import plot_arms, plot_classes, plot_open_endedness, plot_survival
from experiments.analysis.run_tables import read_tables_until
from experiments.analysis.theme import save_figure
from experiments.comparison.comparing import (
    Budget,
    arms_table,
    holm_alpha,
    pairs_table,
    power_table,
    scores_of,
    unequal,
)
from experiments.comparison.first_solves import (
    ALL_CLASSES,
    HEADLINE,
    KINDS,
    NOT_VALIDATED,
    classes_table,
    curves_table,
    first_pairs_table,
    logrank_alpha,
    logrank_power_table,
    reached_table,
)
from experiments.comparison.history import annecs_curves, history_table
from experiments.comparison.learnability import learnability_table
from experiments.comparison.modes import modes_table
from experiments.comparison.record import NO_SPACE, arm_measures_table, effects_table, measures_table, spending_table
from experiments.comparison.snapshots import ComparedRun, by_run, compared_runs
from experiments.drafts import new_folder
from experiments.files import write_text
from experiments.suites import Suite
from experiments.tables import csv_text, json_records
from poet.archive.reader import Run

_OfRun = Callable[[ComparedRun], pd.DataFrame]

#: An arm with fewer seeds is said to have few: with five, even two standard deviations are shown in two of three cases.
MANY_SEEDS = 10


@dataclass(frozen=True, eq=False)
class Comparison:
    """Arms of runs at equal env-steps.

    Attributes:
        suite, digest: the grounds that agents were tried on, see ``Suite``.
        env_steps: at which runs are compared.
        seeds: how many each arm has.
        tables: by name; each is a CSV file, and a list of records in ``comparison.json``.
        remarks: sentences that a reader of the tables has to know.
    """

    suite: str
    digest: str
    env_steps: int
    seeds: Mapping[str, int]
    tables: Mapping[str, pd.DataFrame]
    remarks: Sequence[str]


def compare_runs(
    runs: Mapping[str, Run],
    arms: Mapping[str, Sequence[str]],
    at: Mapping[str, Budget],
    env_steps: int,
    suite: Suite,
    tried: pd.DataFrame,
) -> Comparison:
    """Everything about arms of runs, from their archives and from trials of their agents.

    Args:
        runs: by name.
        arms: names of runs by arm (``arms_of``).
        at: where each run is looked at (``budgets``).
        env_steps: the same for all (``compared_steps``).
        suite: that agents were tried on.
        tried: how they did (``try_runs``).
    """
    read = {name: read_tables_until(run, at[name].iteration) for name, run in runs.items()}
    compared = compared_runs(read, arms, env_steps)
    classes = pd.concat([by_run(run, classes_table(run)) for run in compared], ignore_index=True)
    measures = measures_table(compared)
    first_pairs = first_pairs_table(classes, arms, env_steps)
    cells = {arm: scores_of(tried, names).mean(axis=0) for arm, names in arms.items()}
    tables = {
        "arms": arms_table(tried, arms, at),
        "pairs": pairs_table(tried, arms),
        "power": power_table(arms),
        "cells": pd.DataFrame({"cell": tried["cell"].unique(), **cells}),
        "tried": tried,
        "spending": spending_table(compared),
        "classes": classes,
        "reached": reached_table(classes, env_steps),
        "first_pairs": first_pairs,
        "logrank_power": logrank_power_table(first_pairs, arms),
        "kaplan_meier": curves_table(classes, env_steps),
        "measures": arm_measures_table(measures),
        "run_measures": measures,
        "effects": effects_table(measures, arms),
        "modes": _joined(compared, modes_table),
        "learnability": _joined(compared, learnability_table),
        "annecs": annecs_curves(compared),
        "class_counts": history_table(compared),
    }
    seeds = {arm: len(names) for arm, names in arms.items()}
    remarks = [*unequal(arms, at, env_steps), *_remarks(seeds, compared)]
    return Comparison(suite.name, suite.digest, env_steps, seeds, tables, remarks)


def main_tables(comparison: Comparison) -> list[tuple[str, pd.DataFrame]]:
    """The few tables for a terminal, with titles; values are not yet texts.

    What does not apply to an arm is left out, where a remark or another column says why; so are empty tables.
    """
    tables, steps = comparison.tables, f"{comparison.env_steps:,} env-steps"
    outcome, kind = HEADLINE
    reached = tables["reached"]
    reached = reached[(reached["outcome"] == outcome) & reached["class"].isin(KINDS[kind]) & (reached["why"] == "")]
    first = tables["first_pairs"]
    first = first[(first["outcome"] == outcome) & (first["kind"] == kind) & first["ours_reached"].notna()]
    chosen = [
        (
            f"Success on {comparison.suite} within {steps}: interquartile mean over runs and cells, with its 95 % "
            "bootstrap interval over seeds (too narrow with few seeds)",
            tables["arms"],
        ),
        ("Pairs of arms, by each run's mean over cells", tables["pairs"]),
        (
            "How likely a difference of so many standard deviations between runs is shown for one pair, at "
            f"p <= {holm_alpha({arm: [] for arm in comparison.seeds}):.2g} (the first step of Holm)",
            tables["power"],
        ),
        (
            "First robustly solved terrain of each class: in how many runs (exact 95 % interval of the share), and the "
            "median env-steps (Kaplan-Meier)",
            _without_empty(reached.drop(columns="outcome")),
        ),
        (
            "Pairs of arms, by when they got there: exact permuted log-rank tests, Holm over this table",
            _without_empty(first.drop(columns=["outcome", "kind", "questions"])),
        ),
        (
            "How likely an arm (the first number of seeds) that gets there so many times as fast is shown to, if all "
            f"runs get there, at p <= {logrank_alpha(tables['first_pairs']):.2g} (the first step of Holm)",
            tables["logrank_power"],
        ),
        (f"What runs had made within {steps}: means over an arm's runs", _measures_by_arm(tables["measures"])),
    ]
    return [(title, table) for title, table in chosen if len(table)]


def write_comparison(comparison: Comparison, output: Path) -> None:
    """Write all tables as CSV, ``comparison.json`` and the plots to a new or empty folder, all or nothing.

    Raises:
        InputError: the folder holds anything or cannot be made.
        RuntimeError: it was removed in the meantime.
    """
    tables = comparison.tables
    records = {name: json_records(table) for name, table in tables.items()}
    about = {
        "suite": comparison.suite,
        "digest": comparison.digest,
        "env_steps": comparison.env_steps,
        "seeds": dict(comparison.seeds),
        "remarks": list(comparison.remarks),
    }
    with new_folder(output) as draft:
        write_text(draft / "comparison.json", json.dumps(about | records, indent=1) + "\n")
        for name, table in tables.items():
            write_text(draft / f"{name}.csv", csv_text(table))
        title = f"Success on {comparison.suite}"
        arm_of = {run: arm for arm, run in tables["classes"][["arm", "run"]].drop_duplicates().itertuples(index=False)}
        tried = tables["tried"].assign(arm=tables["tried"]["run"].map(arm_of))
        save_figure(plot_arms(tables["arms"], tried, title), draft / "success.png")
        curves = tables["kaplan_meier"]
        for outcome, words in (("robust", "robustly solved"), ("once", "solved once")):
            mine = curves[curves["outcome"] == outcome]
            if len(mine):
                known = [name for name in ALL_CLASSES if name in set(mine["class"])]
                classes = known[1:] or known  # any child comes first, and says little beside the others
                figure = plot_survival(mine, classes, comparison.seeds, comparison.env_steps, f"First terrain {words}")
                save_figure(figure, draft / f"first-{outcome}.png")
        if len(tables["class_counts"]):
            save_figure(
                plot_classes(tables["class_counts"], comparison.seeds, comparison.env_steps), draft / "classes.png"
            )
        if len(tables["modes"]):
            figure = plot_open_endedness(
                tables["modes"], tables["learnability"], tables["annecs"], comparison.seeds, comparison.env_steps
            )
            save_figure(figure, draft / "open-endedness.png")


def _joined(runs: Sequence[ComparedRun], table: _OfRun) -> pd.DataFrame:
    """A table of all runs that make terrains; without columns if none does."""
    parts = [by_run(run, table(run)) for run in runs if run.makes_terrains]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _remarks(seeds: Mapping[str, int], runs: Sequence[ComparedRun]) -> list[str]:
    few = {arm: number for arm, number in seeds.items() if number < MANY_SEEDS}
    remarks = []
    if few:
        names = ", ".join(f"{arm} ({number})" for arm, number in few.items())
        remarks.append(
            f"Few seeds: {names}. Intervals over so few are too narrow, tests find huge differences at most, and what "
            "is not shown may still be there."
        )
    no_terrains = dict.fromkeys(f"{run.arm}: {run.why_no_terrains}" for run in runs if not run.makes_terrains)
    remarks += [f"{words}, so that what is counted of terrains does not apply." for words in no_terrains]
    unknown = dict.fromkeys(run.arm for run in runs if run.makes_terrains and run.tables.validations.empty)
    remarks += [f"{arm}: {NOT_VALIDATED}, so that what is robustly solved is unknown." for arm in unknown]
    if any(run.makes_terrains and run.space is None for run in runs):
        remarks.append(f"Coverage is unknown: {NO_SPACE}.")
    intervals = {run.tables.config.validation.interval for run in runs if not run.tables.validations.empty}
    if len(intervals) > 1:
        remarks.append(
            f"Agents were validated at different intervals ({', '.join(map(str, sorted(intervals)))} iterations), so "
            "that terrains count as robustly solved later in some arms than in others."
        )
    return remarks


def _without_empty(table: pd.DataFrame) -> pd.DataFrame:
    """The table without columns that hold nothing."""
    return table.loc[:, [not (table[name].isna() | (table[name] == "")).all() for name in table.columns]]


def _measures_by_arm(measures: pd.DataFrame) -> pd.DataFrame:
    """A row for each measure and a column for each arm, with the mean; missing where it does not apply.

    The last column says why, but not of an arm without any measure, of which a remark speaks.
    """
    names = list(dict.fromkeys(measures["measure"]))
    found: dict[str, list[float]] = {}
    for arm in dict.fromkeys(measures["arm"]):
        means = measures[measures["arm"] == arm].set_index("measure")["mean"]
        found[arm] = [float(means[name]) for name in names]
    has_some = measures.groupby("arm")["mean"].transform(lambda means: means.notna().any())
    reasons = measures["why"].where(has_some, "").groupby(measures["measure"])
    why = reasons.agg(lambda some: "; ".join(dict.fromkeys(filter(None, some))))
    is_known = [any(not math.isnan(of_arm[i]) for of_arm in found.values()) for i in range(len(names))]
    table = pd.DataFrame({"measure": names, **found, "why not": [why[name] for name in names]})
    table = table[pd.Series(is_known, dtype=bool)]
    return table if any(table["why not"]) else table.drop(columns="why not")
