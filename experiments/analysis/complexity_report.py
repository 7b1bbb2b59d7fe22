"""What a report says about complexity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis import page
from experiments.analysis.complexity import (
    GENOME_MEASURES,
    VERDICT_MEASURES,
    growth_curves,
    known_measures,
    levels_table,
    niche_complexity,
    tries_retired,
)
from experiments.analysis.complexity_plot import plot_complexity, plot_times
from experiments.analysis.gene_space import coverage_table
from experiments.analysis.readable import readable
from experiments.analysis.run_tables import RunTables
from experiments.analysis.shadow_comparison import (
    FAMILIES,
    genome_table,
    growth_verdict,
    named_measures,
    shadow_remark,
    summary_table,
)

#: As in ``experiments.analysis.run_report``.
COMPLEXITY_TABLES: dict[str, tuple[Callable[[RunTables], pd.DataFrame], str]] = {
    "complexity": (
        niche_complexity,
        "every niche: measures that do not depend on the encoding, lineage, time to solve",
    ),
    "growth": (lambda run: growth_curves(run).reset_index(), "greatest and median of each measure so far"),
    "challenge_levels": (lambda run: levels_table(niche_complexity(run)), "terrains and time to solve by level"),
    "coverage": (coverage_table, "how much of the gene space terrains cover"),
    "growth_against_shadow": (summary_table, "early and late terrains against the neutral shadow's"),
    "genomes_against_shadow": (genome_table, "the same of their genomes"),
}

#: Saves a plot and makes a section of it: file, figure, title, how to read it, HTML below.
PlotSection = Callable[[Path, str, Figure | None, str, str, str], str]


def complexity_sections(run: RunTables, folder: Path, plot_section: PlotSection) -> list[str]:
    """The parts of a run's page."""
    how = (
        "Measures of the profile that a foot meets, the same for every encoding, over env-steps; medians and greatest "
        "values of all niches so far. The band is what mutation and retirement alone make of the same root. The shadow "
        "admits whatever mutation brings, unwalkable terrains too, so that a curve beside its band is a level, which "
        "any criterion gives; growth is a curve that goes on leaving it. No measure is difficulty itself: wider gaps "
        "mean fewer walls, so variation and the power of the slope go down while relief and widest hollow go up."
    )
    times = (
        "A dot is a niche solved once. A triangle has not been solved yet and may still be; a cross retired before "
        f"anybody solved it. {_waiting(run)} and count in no median."
    )
    levels = page.table(readable(levels_table(niche_complexity(run))))
    return [
        plot_section(folder, "complexity", plot_complexity(run), "Complexity", how, _comparison(run, VERDICT_MEASURES)),
        *_genome_section(run, folder, plot_section),
        plot_section(folder, "times", plot_times(run), "From admission to solution", times, levels),
        _coverage_section(run),
    ]


def _waiting(run: RunTables) -> str:
    """The state of the niches that were not solved."""
    if tries_retired(run):
        return (
            "Both stand at the time from admission to the run's end, since agents are also run in retired niches, "
            "which may yet be solved;"
        )
    return "Both stand at the time that they waited, until they retired or the run ended,"


def _genome_section(run: RunTables, folder: Path, plot_section: PlotSection) -> list[str]:
    """How genomes grow, which is a different question from how hard terrains are."""
    if not set(known_measures(niche_complexity(run))) & set(GENOME_MEASURES):
        return []
    how = (
        "Measures of the genotype. They say nothing of how hard its terrain is: flat ground may have many nodes, and "
        "drift adds nodes too."
    )
    figure = plot_complexity(run, GENOME_MEASURES, "Size and distance of genomes")
    return [plot_section(folder, "genomes", figure, "Genomes", how, _comparison(run, GENOME_MEASURES))]


def _comparison(run: RunTables, measures: Sequence[str]) -> str:
    """Verdicts on the solved and the admitted terrains, and the numbers behind them."""
    remarks = [shadow_remark(run, measures)]
    if run.shadow.niches is not None:
        admitted = growth_verdict(run, "admitted", measures)
        remarks += [admitted.sentence] if admitted is not None else []
        remarks.append(FAMILIES)
    table = page.table(readable(named_measures(summary_table(run, measures))))
    return "".join(page.note(remark) for remark in remarks) + "<h3>Late terrains</h3>" + table


def _coverage_section(run: RunTables) -> str:
    table = coverage_table(run)
    if table.empty:
        return ""
    how = (
        "Distance: from 1,000 sampled environments of each challenge level to the nearest terrain, summed; less is "
        "better. Cells: share of the boxes of the gene space (upper ends, five parts a gene) that hold a terrain."
    )
    return page.section("Coverage of the gene space", how, page.table(readable(table)))
