"""What a report says of complexity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis import page
from experiments.analysis.complexity import growth_curves, levels_table, niche_complexity
from experiments.analysis.complexity_plot import plot_complexity, plot_times
from experiments.analysis.gene_space import coverage_table
from experiments.analysis.readable import readable
from experiments.analysis.run_tables import RunTables
from experiments.analysis.shadow_comparison import named_measures, shadow_remark, summary_table

#: As in ``experiments.analysis.run_report``.
COMPLEXITY_TABLES: dict[str, tuple[Callable[[RunTables], pd.DataFrame], str]] = {
    "complexity": (
        niche_complexity,
        "every niche: measures that do not depend on the encoding, lineage, time to solve",
    ),
    "growth": (lambda run: growth_curves(run).reset_index(), "greatest and median of each measure so far"),
    "challenge_levels": (lambda run: levels_table(niche_complexity(run)), "terrains and time to solve by level"),
    "coverage": (coverage_table, "how much of the gene space terrains cover"),
    "growth_against_shadow": (summary_table, "late terrains against the neutral shadow's"),
}

#: Saves a plot and makes a section of it: file, figure, title, how to read it, HTML below.
PlotSection = Callable[[Path, str, Figure | None, str, str, str], str]


def complexity_sections(run: RunTables, folder: Path, plot_section: PlotSection) -> list[str]:
    """The parts of a run's page."""
    how = (
        "Measures of the profile that a foot meets, the same for every encoding, over env-steps; medians and greatest "
        "values of all niches so far. The band is what mutation and retirement alone make of the same root: complexity "
        "grows where the run's curve leaves the band upward. The shadow admits whatever mutation brings, unwalkable "
        "terrains too."
    )
    below = (
        page.note(shadow_remark(run))
        + "<h3>Late terrains</h3>"
        + page.table(readable(named_measures(summary_table(run))))
    )
    times = (
        "A dot is a solved niche. A triangle has not been solved yet and may still be; a cross retired before anybody "
        "solved it. Both stand at the time that they waited, and count in no median."
    )
    levels = page.table(readable(levels_table(niche_complexity(run))))
    return [
        plot_section(folder, "complexity", plot_complexity(run), "Complexity", how, below),
        plot_section(folder, "times", plot_times(run), "From admission to solution", times, levels),
        _coverage_section(run),
    ]


def _coverage_section(run: RunTables) -> str:
    table = coverage_table(run)
    if table.empty:
        return ""
    how = (
        "Distance: from 1,000 sampled environments of each challenge level to the nearest terrain, summed; less is "
        "better. Cells: share of the boxes of the gene space (upper ends, five parts a gene) that hold a terrain."
    )
    return page.section("Coverage of the gene space", how, page.table(readable(table)))
