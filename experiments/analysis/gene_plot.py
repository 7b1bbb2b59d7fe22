"""The genes of admitted terrains over env-steps."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.analysis import theme
from experiments.analysis.frames import cumulative_steps, niches_table
from experiments.analysis.genes import challenges, gene_names, genes_table, unit_text
from experiments.analysis.measures import progress_curves
from experiments.analysis.run_tables import RunTables
from experiments.analysis.theme import themed

_WIDTH, _PANEL_HEIGHT, _TOP, _BOTTOM = 13.0, 2.6, 1.1, 0.6


@themed
def plot_genes(run: RunTables) -> Figure | None:
    """One panel for each gene that is ever above 0: a bar for each niche, from the gene's lower to its upper end.

    Returns:
        None when there is no such gene: only a flat root, or a genotype without numbers.
    """
    genes, end = genes_table(run), int(cumulative_steps(run).iloc[-1])
    names = [name for name in gene_names(genes) if (genes.loc[genes["gene"] == name, "high"] > 0.0).any()]
    if not names:
        return None
    niches = niches_table(run).set_index("niche_id")
    genes["env_steps"] = genes["niche_id"].map(niches["created_env_steps"])
    genes["is_solved"] = genes["niche_id"].map(niches["solved"].notna())
    curves = progress_curves(run)

    num_columns = 2 if len(names) == 4 else min(3, len(names))
    num_rows = math.ceil(len(names) / num_columns)
    height = _TOP + _BOTTOM + _PANEL_HEIGHT * num_rows
    figure = theme.make_figure(_WIDTH, height)
    panels = figure.subplots(num_rows, num_columns, squeeze=False)
    figure.subplots_adjust(
        left=0.035, right=0.95, top=1.0 - _TOP / height, bottom=_BOTTOM / height, hspace=0.45, wspace=0.28
    )
    for axes, name in zip(panels.flat, names, strict=False):
        _draw_gene(axes, name, genes[genes["gene"] == name], curves)
        theme.steps_axis(axes, end)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    theme.draw_heading(figure, "Genes of admitted terrains", _legend())
    return figure


def _draw_gene(axes: Axes, name: str, genes: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Bars of one gene, its greatest value so far as steps, and the paper's bound of a challenging terrain."""
    width = max(1.0, 3.5 - len(genes) / 40)
    for is_solved, color in ((False, theme.UNSOLVED), (True, theme.SOLVED)):
        some = genes[genes["is_solved"] == is_solved]
        axes.vlines(some["env_steps"], some["low"], some["high"], color=color, linewidth=width, alpha=0.55, zorder=2)
        axes.plot(
            some["env_steps"],
            some["high"],
            "o",
            color=color,
            markersize=width + 1.2,
            markeredgewidth=0,
            zorder=2 + is_solved,
        )
    axes.step(curves["env_steps"], curves[f"{name}_admitted"], where="post", color=theme.INK, linewidth=0.8, zorder=1.5)
    axes.step(
        curves["env_steps"], curves[f"{name}_solved"], where="post", color=theme.SOLVED, linewidth=1.5, zorder=1.4
    )
    bound = challenges().get(name)
    if bound is not None:
        theme.draw_threshold(axes, bound, "challenging")
    greatest = max(float(genes["high"].max()), bound or 0.0)
    axes.set_ylim(0.0, 1.12 * greatest)
    axes.set_title(name.replace("_", " ").capitalize() + unit_text(name))
    axes.grid(axis="y")
    axes.margins(x=0.01)


def _legend() -> list[Line2D]:
    return [
        Line2D(
            [],
            [],
            color=theme.UNSOLVED,
            marker="o",
            markersize=4,
            linewidth=3,
            label="niche never solved: lower to upper end",
        ),
        Line2D([], [], color=theme.SOLVED, marker="o", markersize=4, linewidth=3, label="niche solved once"),
        Line2D([], [], color=theme.INK, linewidth=0.8, label="hardest admitted so far"),
        Line2D([], [], color=theme.SOLVED, linewidth=1.5, label="hardest solved once so far"),
    ]
