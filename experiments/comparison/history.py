"""What runs had reached over env-steps, for curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.analysis.frames import annecs_table, niches_table
from experiments.comparison.first_solves import ALL_CLASSES, NO_CLASSES, NOT_VALIDATED, all_classes_of, classes_table
from experiments.comparison.snapshots import ComparedRun, by_run

#: Points of a curve, besides the start.
NUM_POINTS = 40


def history_table(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """Terrains made and solved so far in each class, at equal env-steps; runs that make none are left out.

    Returns:
        Columns arm, run, class, env_steps, created, once, robust (how many so far; <NA> where that does not apply).
    """
    parts = [by_run(run, _history(run)) for run in runs if run.makes_terrains]
    names = ["arm", "run", "class", "env_steps", "created", "once", "robust"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def annecs_curves(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """ANNECS at equal env-steps; runs that make no terrains are left out.

    Returns:
        Columns arm, run, env_steps, annecs_paper, annecs_robust (<NA> where unknown).
    """
    parts = []
    for run in runs:
        if run.makes_terrains:
            moments = run.moments(NUM_POINTS)
            counts = annecs_table(run.tables).set_index("iteration").loc[run.iterations_at(moments)]
            found = counts[["annecs_paper", "annecs_robust"]].reset_index(drop=True)
            found.insert(0, "env_steps", moments)
            parts.append(by_run(run, found))
    names = ["arm", "run", "env_steps", "annecs_paper", "annecs_robust"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def _history(run: ComparedRun) -> pd.DataFrame:
    niches = niches_table(run.tables)
    niches = niches[niches["parent_id"].notna()]
    genotypes = run.tables.niches.set_index("niche_id")["genotype"]
    of_niche = [all_classes_of(genotypes[niche_id]) for niche_id in niches["niche_id"]]
    summary = classes_table(run).set_index("class")
    moments, parts = run.moments(NUM_POINTS), []
    iterations = np.array(run.iterations_at(moments))
    for name in ALL_CLASSES:
        why = [str(summary.at[name, column]) for column in ("once_why", "robust_why")]
        if NO_CLASSES in why:
            continue
        mine = niches[pd.Series([name in some for some in of_niche], niches.index, dtype=bool)]
        part = pd.DataFrame({"class": name, "env_steps": moments})
        for column, when in (("created", "created"), ("once", "solved"), ("robust", "robust")):
            happened = np.sort(mine[when].dropna().to_numpy(np.int64))
            so_far = pd.array(np.searchsorted(happened, iterations, side="right"), dtype="Int64")
            is_unknown = column == "robust" and NOT_VALIDATED in why
            part[column] = pd.array([None] * len(moments), dtype="Int64") if is_unknown else so_far
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
