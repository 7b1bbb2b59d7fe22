"""What runs have on record at the compared env-steps: costs, terrains, transfers, coverage, open-endedness.

These are described and not tested: of each measure there are the means of arms, and effect sizes with intervals. What
does not apply to a run is missing, never 0, and a sentence says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.frames import annecs_table, ledger_table
from experiments.analysis.gene_space import SAMPLES_PER_LEVEL, GeneSpace, coverage
from experiments.analysis.success import rates_by_niche
from experiments.analysis.transfers import periodic_transfers
from experiments.comparison.first_solves import NOT_VALIDATED, classes_table
from experiments.comparison.learnability import learnability_table
from experiments.comparison.modes import modes_table
from experiments.comparison.snapshots import ComparedRun, by_run
from experiments.comparison.statistics import cliffs_delta, difference

NO_SPACE = "the runs do not share a space of obstacle genes in which they could be compared"
NO_LEVELS = "these genes make no terrain challenging, so that there are no samples"
NOT_JUDGED = "not every niche was judged by all agents (poet.annecs)"
NO_TRANSFERS = "no periodic transfer was tried"

#: Every measure, with what it is.
MEASURES = {
    "created": "terrains made, without the root",
    "solved_once": "of these, solved in one episode of any agent",
    "solved_robustly": "of these, solved under 80 % of validation pushes by their own agent",
    "annecs_paper": "ANNECS of Wang et al. 2020",
    "annecs_robust": "ANNECS whose niches are robustly solved",
    "transfers_tried": "periodic transfer attempts, by (round, target)",
    "transfers_accepted_share": "of these, accepted",
    "coverage_created": "mean distance of sampled terrains from the nearest made, 0 to 1; less is better",
    "coverage_once": "the same from the nearest solved once; 1 if there is none",
    "coverage_robust": "the same from the nearest robustly solved; 1 if there is none",
    "persisted": "MODES: share of niches that pass the persistence filter, mean over windows",
    "change": "MODES: types in a window that the last one had not, mean over windows",
    "novelty": "MODES: types that no window had before, mean over windows",
    "complexity": "MODES: greatest rise and fall of a persistent niche's profile in the last window, m per m",
    "complexity_genes": "MODES: greatest distance of a persistent niche from flat ground in the last window, 0 to 1",
    "ecology": "MODES: entropy of persistent types in the last window, bits",
    "pushes_learnability": "p(1 - p) on own ground under pushes, mean over active niches at the end",
    "seeds_learnability": "p(1 - p) on unseen seeds, mean over active niches at the end",
}
_OF_MODES = {"persisted": "mean", "change": "mean", "novelty": "mean", "complexity": "last",
             "complexity_genes": "last", "ecology": "last"}  # fmt: skip


def spending_table(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """What env-steps were spent on.

    Returns:
        Columns arm, purpose, env_steps and share (means over the arm's runs; share of a run's env-steps within those
        that are compared); the most expensive purpose of an arm first.
    """
    parts = [by_run(run, ledger_table(run.tables)) for run in runs]
    spent = pd.concat(parts, ignore_index=True)
    seeds = {arm: len({run.name for run in runs if run.arm == arm}) for arm in dict.fromkeys(run.arm for run in runs)}
    table = spent.groupby(["arm", "purpose"], sort=False)[["env_steps", "share"]].sum().reset_index()
    for name in ("env_steps", "share"):
        table[name] = table[name] / table["arm"].map(seeds)
    order = table["arm"].map(list(seeds).index)
    return table.assign(order=order).sort_values(
        ["order", "share"], ascending=[True, False], kind="stable", ignore_index=True
    )[["arm", "purpose", "env_steps", "share"]]


def measures_table(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """Every measure of every run.

    Returns:
        Columns arm, run, measure (of ``MEASURES``), value (NaN where it does not apply), why (it does not, else empty).
    """
    rows = []
    for run in runs:
        values, why = _measures(run)
        rows += [
            {
                "arm": run.arm,
                "run": run.name,
                "measure": name,
                "value": values.get(name, np.nan),
                "why": why.get(name, ""),
            }
            for name in MEASURES
        ]
    return pd.DataFrame(rows)


def arm_measures_table(measures: pd.DataFrame) -> pd.DataFrame:
    """The measures of each arm.

    Args:
        measures: of ``measures_table``.

    Returns:
        Columns measure, about (what it is), arm, runs (with a value), mean, least, greatest (NaN without any), why (it
        does not apply to some run, else empty).
    """
    rows = []
    for (name, arm), mine in measures.groupby(["measure", "arm"], sort=False):
        values = mine["value"].dropna()
        rows.append(
            {
                "measure": name,
                "about": MEASURES[str(name)],
                "arm": arm,
                "runs": len(values),
                "mean": float(values.mean()),
                "least": float(values.min()),
                "greatest": float(values.max()),
                "why": next((why for why in mine["why"] if why), ""),
            }
        )
    return pd.DataFrame(rows)


def effects_table(measures: pd.DataFrame, arms: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How much two arms differ in each measure: sizes, not tests.

    Args:
        measures: of ``measures_table``.
        arms: names of runs by arm.

    Returns:
        Columns measure, ours, theirs, ours_runs, theirs_runs (with a value), probability (A12: that a run of ours has
        more, a tie counting half), cliffs_delta, difference, low, high (Hodges-Lehmann with its exact 95 % interval,
        infinite with few runs). Pairs in which an arm has no value are left out.
    """
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(measures["measure"]):
        of_arm = {
            arm: measures.loc[(measures["measure"] == name) & (measures["arm"] == arm), "value"]
            .dropna()
            .to_numpy(np.float64)
            for arm in arms
        }
        for ours, theirs in combinations(arms, 2):
            a, b = of_arm[ours], of_arm[theirs]
            if not a.size or not b.size:
                continue
            delta, (found, low, high) = cliffs_delta(a, b), difference(a, b)
            row = {"measure": name, "ours": ours, "theirs": theirs, "ours_runs": a.size, "theirs_runs": b.size}
            row |= {"probability": (delta + 1.0) / 2.0, "cliffs_delta": delta}
            rows.append(row | {"difference": found, "low": low, "high": high})
    sizes = ["probability", "cliffs_delta", "difference", "low", "high"]
    names = ["measure", "ours", "theirs", "ours_runs", "theirs_runs", *sizes]
    return pd.DataFrame(rows, columns=names)


def mean_coverage(space: GeneSpace, genotypes: list[dict[str, Any]]) -> float:
    """How far these terrains leave the space of genes: the mean distance of a sampled terrain from the nearest of them.

    Wang et al. 2019 sum the distances of 1,000 samples of each challenge level; the mean is that sum by the number of
    samples. They are drawn from named streams and are the same for all runs (``sample_level``).

    Args:
        space: of the genes.
        genotypes: JSON values.

    Returns:
        0 to 1; 1, which no two terrains exceed, if there is no terrain; NaN for a space without a challenging terrain.
    """
    if not space.max_level:
        return float("nan")
    if not genotypes:
        return 1.0
    return coverage(space, genotypes)["distance"] / (SAMPLES_PER_LEVEL * space.max_level)


def _measures(run: ComparedRun) -> tuple[dict[str, float], dict[str, str]]:
    """The measures that apply to a run, and why each of the others does not."""
    if not run.makes_terrains:
        return {}, dict.fromkeys(MEASURES, run.why_no_terrains)
    tables = run.tables
    everything, annecs = classes_table(run).iloc[0], annecs_table(tables).iloc[-1]
    tried, accepted = periodic_transfers(tables)
    not_validated = NOT_VALIDATED if tables.validations.empty else ""
    found: dict[str, tuple[Any, str]] = {
        "created": (everything["created"], ""),
        "solved_once": (everything["once"], ""),
        "solved_robustly": (everything["robust"], NOT_VALIDATED),
        "annecs_paper": (annecs["annecs_paper"], NOT_JUDGED),
        "annecs_robust": (annecs["annecs_robust"], not_validated or NOT_JUDGED),
        "transfers_tried": (tried or None, NO_TRANSFERS),
        "transfers_accepted_share": (accepted / tried if tried else None, NO_TRANSFERS),
    }
    modes, last = modes_table(run), learnability_table(run).iloc[-1]
    for name, statistic in _OF_MODES.items():
        why = NO_SPACE if name == "complexity_genes" and run.space is None else "no niche persisted in the last window"
        found[name] = modes[name].mean() if statistic == "mean" else modes[name].iloc[-1], why
    for name in ("pushes_learnability", "seeds_learnability"):
        found[name] = last[name], not_validated or "one episode tells nothing of p(1 - p)"
    for name, niche_ids in _covering(run).items():
        unknown = NO_SPACE if run.space is None else not_validated if name == "coverage_robust" else ""
        genotypes = tables.niches.loc[tables.niches["niche_id"].isin(niche_ids), "genotype"]
        is_known = run.space is not None and not unknown
        found[name] = (
            mean_coverage(run.space, list(genotypes)) if run.space and is_known else None,
            unknown or NO_LEVELS,
        )
    missing = {name: why for name, (value, why) in found.items() if value is None or pd.isna(value)}
    return {name: float(value) for name, (value, _) in found.items() if name not in missing}, missing


def _covering(run: ComparedRun) -> dict[str, list[int]]:
    """The niches of each measure of coverage; the root counts like any other."""
    tables = run.tables
    robust = rates_by_niche(tables.validations)["robust"].dropna().index
    return {
        "coverage_created": tables.niches["niche_id"].tolist(),
        "coverage_once": tables.solved["niche_id"].tolist(),
        "coverage_robust": robust.tolist(),
    }
