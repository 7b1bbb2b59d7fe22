"""A run compared with its neutral shadow, in numbers and in sentences; and what to say if it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.analysis.complexity import (
    GENOME_MEASURES,
    GROWTH_MEASURES,
    VERDICT_MEASURES,
    known_measures,
    niche_complexity,
)
from experiments.analysis.growth import ALPHA, GrowthSummary, growth_summary
from experiments.analysis.run_tables import RunTables

#: What has to be said about the p values that a page shows together.
FAMILIES = (
    f"Each sentence keeps alpha ({ALPHA:g}) for all its measures at once. The solved and the admitted, terrains and "
    "genomes, are questions of their own: who asks n of them is wrong by chance with n times alpha at most. Which "
    "niches were solved is the run's own choice, so that alpha is known to be kept for the admitted alone. "
    "Not shown is not absent: few terrains or mild selection are easily missed."
)


def growth_verdict(
    run: RunTables, which: str = "solved", measures: Sequence[str] = VERDICT_MEASURES
) -> GrowthSummary | None:
    """Whether terrains (or genomes, by ``GENOME_MEASURES``) grow beyond drift; None for a run without a shadow."""
    if run.shadow.niches is None:
        return None
    return growth_summary(niche_complexity(run), run.shadow.niches, which, measures)


def shadow_remark(run: RunTables, measures: Sequence[str] = VERDICT_MEASURES) -> str:
    """What one has to know before reading a curve."""
    verdict = growth_verdict(run, measures=measures)
    if verdict is None:
        return (
            "No growth is to be read from these curves: terrains drift upward by mutation alone, and this run has no "
            f"neutral shadow to compare with ({run.shadow.remark}). Make one by: poet control neutral RUN"
        )
    return verdict.sentence


def verdicts_table(runs: Mapping[str, RunTables]) -> pd.DataFrame:
    """What can be said about growth in each of several runs.

    Returns:
        Columns run, terrains (``solved``, ``admitted``), replicates, p_value (missing: nothing can be told), verdict.
    """
    rows = []
    for name, run in runs.items():
        for which in ("solved", "admitted"):
            verdict = growth_verdict(run, which)
            if verdict is None:
                rows.append((name, which, 0, float("nan"), f"No neutral shadow: {run.shadow.remark}."))
            else:
                rows.append((name, which, verdict.num_shadows, verdict.p_value, verdict.sentence))
    return pd.DataFrame(rows, columns=["run", "terrains", "replicates", "p_value", "verdict"])


def summary_table(run: RunTables, measures: Sequence[str] = VERDICT_MEASURES) -> pd.DataFrame:
    """Late terrains of the run and of its shadow; without a shadow, only the run's.

    Returns:
        Columns terrains (``solved``, ``admitted``), then those of ``GrowthSummary.table``; without a shadow that can be
        compared: terrains, measure, median, greatest.
    """
    frame, tables = niche_complexity(run), []
    known = [name for name in known_measures(frame) if name in measures]
    for which, counts in (("solved", frame["solved"].notna()), ("admitted", frame["created"].notna())):
        verdict = growth_verdict(run, which, measures)
        if verdict is not None and len(verdict.table):
            tables.append(verdict.table.assign(terrains=which))
            continue
        values = frame.loc[counts, known]
        own = pd.DataFrame({"measure": values.columns, "median": values.median().array, "greatest": values.max().array})
        tables.append(own.assign(terrains=which))
    table = pd.concat(tables, ignore_index=True)
    return table[["terrains", *(name for name in table.columns if name != "terrains")]]


def genome_table(run: RunTables) -> pd.DataFrame:
    """``summary_table`` of the genomes."""
    return summary_table(run, GENOME_MEASURES)


def named_measures(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, with titles for measures."""
    return table.assign(measure=table["measure"].map({name: what for name, (what, _) in GROWTH_MEASURES.items()}))
