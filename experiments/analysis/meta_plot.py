"""Plots of adaptation curves and of adaptability, from the tables of ``experiments.meta``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.analysis import theme
from experiments.analysis.theme import themed


@themed
def plot_curves(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Success rates over generations: each arm's mean with its interval as a band, and each run as a thin line."""
    figure = theme.make_figure(8.0, 5.0)
    axes = figure.add_axes((0.09, 0.11, 0.87, 0.72))
    handles = []
    for i, arm in enumerate(dict.fromkeys(table["arm"])):
        color = theme.GROUP_COLORS[i % len(theme.GROUP_COLORS)]
        dashes: Any = "-" if i < len(theme.GROUP_COLORS) else (0, (4, 2))
        mine = summary[(summary["arm"] == arm) & summary["measure"].str.startswith("R_")]
        at = mine["measure"].str.removeprefix("R_").astype(int).to_numpy()
        for _, run in table[table["arm"] == arm].groupby("run", sort=False):
            thin = run.groupby("generation")["success_rate"].mean()
            axes.plot(thin.index, 100.0 * thin.to_numpy(), color=color, linewidth=0.6, alpha=0.5)
        if mine["low"].notna().all():
            axes.fill_between(at, 100.0 * mine["low"], 100.0 * mine["high"], color=color, alpha=0.12, linewidth=0)
        axes.plot(at, 100.0 * mine["mean"], "o", color=color, linestyle=dashes, markersize=3.5, linewidth=1.8)
        handles.append(Line2D([], [], color=color, linestyle=dashes, linewidth=1.8, label=str(arm)))
    axes.set_xlabel("generations of adaptation")
    axes.set_ylabel("success under fresh pushes, %")
    axes.set_ylim(-2.0, 102.0)
    axes.grid(axis="y")
    theme.draw_heading(figure, "Adaptation to held-out terrains", handles, num_rows=2)
    return figure


@themed
def plot_adaptability(table: pd.DataFrame) -> Figure:
    """What agents can do before and gain by adaptation, over the time of their creation; a band is the runs' range."""
    panels = (("first", "success before, %"), ("gain", "gain in success, points"), ("return_gain", "gain in return"))
    figure = theme.make_figure(11.0, 4.2)
    arms, handles = [*dict.fromkeys(table["arm"])], []
    for j, (column, label) in enumerate(panels):
        axes = figure.add_axes((0.06 + 0.32 * j, 0.14, 0.255, 0.62))
        factor = 1.0 if column == "return_gain" else 100.0
        for i, arm in enumerate(arms):
            color, mine = theme.GROUP_COLORS[i % len(theme.GROUP_COLORS)], table[table["arm"] == arm]
            for _, run in mine.groupby("run", sort=False):
                axes.plot(
                    run["iteration"], factor * run[column], "o-", color=color, markersize=3, linewidth=0.6, alpha=0.45
                )
            at, curves = _common(mine, column)
            axes.fill_between(
                at, factor * curves.min(axis=0), factor * curves.max(axis=0), color=color, alpha=0.12, linewidth=0
            )
            axes.plot(at, factor * curves.mean(axis=0), color=color, linewidth=1.8)
            if j == 0:
                text = f"{arm} ({mine['run'].nunique()}), mean and range"
                handles.append(Line2D([], [], color=color, linewidth=1.8, label=text))
        axes.axhline(0.0, color=theme.FAINT, linewidth=0.8, zorder=0)
        axes.set_xlabel("iteration in which the agent was made")
        axes.set_title(label)
    theme.draw_heading(figure, "Adaptability over the time of creation", handles)
    return figure


def _common(table: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Each run's line at the same iterations, between its first and last agent; (times,) and (runs, times)."""
    runs = [run.sort_values("iteration") for _, run in table.groupby("run", sort=False)]
    start = max(float(run["iteration"].iloc[0]) for run in runs)
    stop = min(float(run["iteration"].iloc[-1]) for run in runs)
    at = np.linspace(start, max(start, stop), 50)
    return at, np.stack([np.interp(at, run["iteration"], run[column]) for run in runs])
