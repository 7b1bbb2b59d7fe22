"""Tables and plots of adaptation curves and of adaptability."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.analysis.meta_plot import plot_adaptability, plot_curves
from experiments.analysis.success import percentage
from experiments.analysis.theme import save_figure
from experiments.comparison.statistics import MAX_SEEDS, MIN_SEEDS, bootstrap_interval
from experiments.drafts import new_folder
from experiments.files import write_text
from experiments.meta.adaptability import correlations, over_runs
from experiments.meta.clades import Split
from experiments.meta.curves import gains
from experiments.tables import csv_text

#: Columns of ``gains`` whose means are shown.
_MEANS = ("gain", "area", "return_gain", "is_hurt", "is_solved")


def split_table(split: Split) -> pd.DataFrame:
    """A row for each clade: its part, root, how many niches it has, and how many of them are tasks."""
    rows = [
        {
            "part": clade.part.value,
            "root": clade.root,
            "niches": len(clade.niches),
            "tasks": sum(niche not in split.leaks for niche in clade.niches),
            "ids": ", ".join(map(str, clade.niches)),
        }
        for clade in split.clades
    ]
    return pd.DataFrame(rows)


def curves_summary(table: pd.DataFrame) -> pd.DataFrame:
    """The means of ``curves`` over units, and intervals over whole units.

    A unit is a run if there are enough of them for an interval, otherwise a clade: tasks of a clade are relatives. A
    unit's number is the mean over its tasks.

    Returns:
        A row for each arm and measure: arm, measure (``R_K`` for each K, and those of ``gains``), units, tasks, mean,
        low, high (NaN with too few units, or too many to count all samples).
    """
    unit = ["run"] if table["run"].nunique() >= MIN_SEEDS else ["run", "clade"]
    rates = table.assign(measure=[f"R_{k}" for k in table["generation"]], value=table["success_rate"])
    others = gains(table).melt(["run", "niche", "clade", "arm"], list(_MEANS), "measure", "value")
    every = pd.concat([rates, others.astype({"value": float})])
    rows = []
    for (arm, measure), mine in every.groupby(["arm", "measure"], sort=False):
        values = mine.groupby(unit)["value"].mean().to_numpy(float)
        low, high = interval(values)
        rows.append(
            {
                "arm": arm, "measure": measure, "units": len(values), "tasks": len(mine), "mean": values.mean(),
                "low": low, "high": high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean over units; NaN where ``bootstrap_interval`` has none."""
    if not MIN_SEEDS <= len(values) <= MAX_SEEDS:
        return math.nan, math.nan
    return bootstrap_interval(values[:, None], lambda scores: float(scores.mean()))


def shown_curves(summary: pd.DataFrame) -> pd.DataFrame:
    """For people: a row for each arm, the best last rate first."""
    known = summary.set_index(["arm", "measure"])
    generations = [name for name in dict.fromkeys(summary["measure"]) if name.startswith("R_")]
    last = known.xs(generations[-1], level="measure")["mean"].sort_values(ascending=False, kind="stable")
    rows = []
    for arm in last.index:
        row = {"arm": arm, **{name: percentage(known.loc[(arm, name), "mean"]) for name in generations}}
        ends = (known.loc[(arm, "gain"), name] for name in ("mean", "low", "high"))
        mean, low, high = (round(100.0 * float(end), 1) + 0.0 for end in ends)  # no -0.0
        row["gain, points"] = f"{mean:+.1f}" + ("" if math.isnan(low) else f" ({low:+.1f} to {high:+.1f})")
        row["return gain"] = f"{known.loc[(arm, 'return_gain'), 'mean']:+.0f}"
        row["hurt"] = percentage(known.loc[(arm, "is_hurt"), "mean"])
        row["80 % or more at the end"] = percentage(known.loc[(arm, "is_solved"), "mean"])
        rows.append(row)
    return pd.DataFrame(rows)


def write_curves(table: pd.DataFrame, summary: pd.DataFrame, learners: pd.DataFrame, output: Path) -> None:
    """All files or none: curves.csv, summary.csv, learners.csv, curves.png."""
    with new_folder(output) as folder:
        write_text(folder / "curves.csv", csv_text(table))
        write_text(folder / "summary.csv", csv_text(summary))
        write_text(folder / "learners.csv", csv_text(learners))
        save_figure(plot_curves(table, summary), folder / "curves.png")


def adaptability_summary(table: pd.DataFrame) -> pd.DataFrame:
    """The mean correlations of runs and of controls, see ``over_runs``."""
    return pd.concat(
        [over_runs(correlations(mine), str(arm)) for arm, mine in table.groupby("arm", sort=False)], ignore_index=True
    )


def shown_adaptability(summary: pd.DataFrame) -> pd.DataFrame:
    """For people: a row for each arm and measure."""
    ends = [
        "-" if math.isnan(low) else f"{low:+.2f} to {high:+.2f}"
        for low, high in zip(summary["low"], summary["high"], strict=True)
    ]
    means = ["-" if math.isnan(mean) else f"{mean:+.2f}" for mean in summary["mean"]]
    return summary[["arm", "measure", "runs"]].assign(correlation=means, interval=ends)


def write_adaptability(table: pd.DataFrame, summary: pd.DataFrame, output: Path) -> None:
    """All files or none: agents.csv, correlations.csv, summary.csv, adaptability.png."""
    with new_folder(output) as folder:
        write_text(folder / "agents.csv", csv_text(table))
        write_text(folder / "correlations.csv", csv_text(correlations(table)))
        write_text(folder / "summary.csv", csv_text(summary))
        save_figure(plot_adaptability(table), folder / "adaptability.png")
