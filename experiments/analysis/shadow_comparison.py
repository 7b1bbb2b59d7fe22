"""A run beside its neutral shadow, in numbers and in a sentence; and what to say where it has none."""

from __future__ import annotations

import pandas as pd

from experiments.analysis.complexity import GROWTH_MEASURES, known_measures, niche_complexity
from experiments.analysis.growth import GrowthSummary, growth_summary
from experiments.analysis.run_tables import RunTables


def growth_verdict(run: RunTables, which: str = "solved") -> GrowthSummary | None:
    """Whether difficulty grows beyond drift; None for a run without a neutral shadow."""
    if run.shadow.niches is None:
        return None
    return growth_summary(niche_complexity(run), run.shadow.niches, which)


def shadow_remark(run: RunTables) -> str:
    """What has to be known before a curve is read."""
    verdict = growth_verdict(run)
    if verdict is None:
        return (
            "No growth is to be read from these curves: terrains drift upward by mutation alone, and this run has no "
            f"neutral shadow to compare with ({run.shadow.remark}). Make one by: poet control neutral RUN"
        )
    return verdict.sentence


def summary_table(run: RunTables) -> pd.DataFrame:
    """Late terrains of the run and of its shadow; without a shadow the run's alone.

    Returns:
        Columns terrains (``solved``, ``admitted``), then those of ``GrowthSummary.table``; without a shadow that can be
        compared: terrains, measure, median, greatest.
    """
    frame, tables = niche_complexity(run), []
    for which, counts in (("solved", frame["solved"].notna()), ("admitted", frame["created"].notna())):
        verdict = growth_verdict(run, which)
        if verdict is not None and len(verdict.table):
            tables.append(verdict.table.assign(terrains=which))
            continue
        values = frame.loc[counts, known_measures(frame)]
        own = pd.DataFrame({"measure": values.columns, "median": values.median().array, "greatest": values.max().array})
        tables.append(own.assign(terrains=which))
    table = pd.concat(tables, ignore_index=True)
    return table[["terrains", *(name for name in table.columns if name != "terrains")]]


def named_measures(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with what each measure is called."""
    return table.assign(measure=table["measure"].map({name: what for name, (what, _) in GROWTH_MEASURES.items()}))
