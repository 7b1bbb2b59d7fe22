"""Pictures of arms of runs against each other, from the tables of ``experiments.comparison``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from experiments.analysis import theme
from experiments.analysis.theme import themed

_WIDTH, _PANEL_HEIGHT, _BOTTOM, _COLUMNS = 13.0, 2.3, 0.65, 4
#: Line styles of arms, after every colour has been used once.
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
_COUNTS = {"created": "made", "once": "solved once", "robust": "robustly solved"}
#: Panels of open-endedness: the table, its column, and the title.
_PANELS = (
    ("modes", "change", "Change: types new since the last window"),
    ("modes", "novelty", "Novelty: types never seen before"),
    ("modes", "complexity", "Complexity: rise and fall, m per m"),
    ("modes", "ecology", "Ecology: entropy of types, bits"),
    ("modes", "persisted", "Niches that pass the filter, share"),
    ("learnability", "pushes_learnability", "Learnability on own ground, p(1 - p)"),
    ("annecs", "annecs_paper", "ANNECS"),
    ("annecs", "annecs_robust", "ANNECS, robustly solved"),
)


@themed
def plot_arms(arms: pd.DataFrame, tried: pd.DataFrame, title: str) -> Figure:
    """Each arm's interquartile mean with its interval, and each run's mean over cells with nothing but itself.

    Args:
        arms: ``experiments.comparison.comparing.arms_table``.
        tried: of ``try_runs``, with a column arm.
        title: a few words.
    """
    height = theme.heading_height() + 0.2 + 0.42 * len(arms) + _BOTTOM
    figure = theme.make_figure(8.0, height)
    left = 0.5 + 0.075 * max(len(str(arm)) for arm in arms["arm"])
    top = theme.heading_height() + 0.05
    axes = figure.add_axes((left / 8.0, _BOTTOM / height, (7.6 - left) / 8.0, (height - top - _BOTTOM) / height))
    means = tried.groupby(["arm", "run"], sort=False)["success_rate"].mean().reset_index()
    middles, lows, highs = (arms[name].to_numpy(np.float64) for name in ("success_rate", "low", "high"))
    for i, arm in enumerate(arms["arm"]):
        color = _style(i)[0]
        mine = means.loc[means["arm"] == arm, "success_rate"]
        axes.plot(mine, np.full(len(mine), i), "o", color=color, markersize=4, alpha=0.45, markeredgewidth=0, zorder=2)
        if not math.isnan(lows[i]):
            axes.hlines(i - 0.22, lows[i], highs[i], color=color, linewidth=1.6, zorder=3)
        axes.plot(middles[i : i + 1], [i - 0.22], "D", color=color, markersize=5, zorder=4)
    axes.set_yticks(range(len(arms)), [f"{arm} ({n})" for arm, n in zip(arms["arm"], arms["seeds"], strict=True)])
    axes.set_ylim(len(arms) - 0.5, -0.6)
    axes.set_xlim(-0.01, max(0.05, 1.08 * float(max(means["success_rate"].max(), arms["high"].max(), 0.0))))
    axes.set_xlabel("success rate")
    axes.grid(axis="x")
    handles = [
        Line2D([], [], color=theme.MUTED, marker="D", markersize=5, linewidth=1.6,
               label="interquartile mean, 95 % over seeds (too narrow with few)"),
        Line2D([], [], color=theme.MUTED, marker="o", markersize=4, linewidth=0, alpha=0.6,
               label="a run's mean over cells"),
    ]  # fmt: skip
    theme.draw_heading(figure, title, handles, left=0.3)
    return figure


@themed
def plot_survival(
    curves: pd.DataFrame, classes: Sequence[str], seeds: Mapping[str, int], end: int, title: str
) -> Figure:
    """The share of runs that have got there, over env-steps, a panel for each class (one less Kaplan-Meier).

    Args:
        curves: ``experiments.comparison.first_solves.curves_table`` of one outcome.
        classes: the panels.
        seeds: of each arm, in the order of colours.
        end: the compared env-steps.
        title: a few words.
    """
    figure, panels = _panels(len(classes), title, _labels(seeds, curves))
    for axes, name in zip(panels, classes, strict=True):
        for i, arm in enumerate(seeds):
            mine = curves[(curves["class"] == name) & (curves["arm"] == arm)]
            if len(mine):
                color, dashes = _style(i)
                steps, reached = (
                    np.append(mine["env_steps"], end),
                    1.0 - np.append(mine["not_yet"], mine["not_yet"].iloc[-1]),
                )
                # Curves that coincide are drawn a little apart.
                shift = 0.012 * (i - (len(seeds) - 1) / 2.0)
                axes.step(steps, reached + shift, where="post", color=color, linestyle=dashes, linewidth=1.6)
        axes.set_ylim(-0.05, 1.05)
        axes.set_title(name)
        axes.grid(axis="y")
        theme.steps_axis(axes, end)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("share of runs")
    return figure


@themed
def plot_classes(counts: pd.DataFrame, seeds: Mapping[str, int], end: int) -> Figure:
    """Terrains made, solved once and robustly solved so far: means of arms over thin lines of runs; a column a class.

    Args:
        counts: ``experiments.comparison.history.history_table``.
        seeds: of each arm, in the order of colours.
        end: the compared env-steps.
    """
    names = [name for name in dict.fromkeys(counts["class"]) if not str(name).startswith("roughness")]
    shown = [column for column in _COUNTS if counts[column].notna().any()]
    figure, panels = _panels(
        len(names) * len(shown), "Terrains so far: mean of an arm, thin a run", _labels(seeds, counts), len(names)
    )
    for row, column in enumerate(shown):
        for place, name in enumerate(names):
            axes = panels[row * len(names) + place]
            _draw_runs(axes, counts[counts["class"] == name], column, list(seeds), "post")
            axes.set_ylim(0.0, max(1.0, 1.1 * float(counts.loc[counts["class"] == name, "created"].max())))
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.set_title(str(name) if row == 0 else "")
            if place == 0:
                axes.set_ylabel(_COUNTS[column])
            theme.steps_axis(axes, end, label=row == len(shown) - 1)
    return figure


@themed
def plot_open_endedness(
    modes: pd.DataFrame, learnability: pd.DataFrame, annecs: pd.DataFrame, seeds: Mapping[str, int], end: int
) -> Figure:
    """MODES, learnability and ANNECS over env-steps: means of arms over thin lines of runs; without what is unknown.

    Args:
        modes, learnability, annecs: ``modes_table``, ``learnability_table``, ``annecs_curves``, with arm and run.
        seeds: of each arm, in the order of colours.
        end: the compared env-steps.
    """
    tables = {"modes": modes, "learnability": learnability, "annecs": annecs}
    shown = [panel for panel in _PANELS if tables[panel[0]][panel[1]].notna().any()]
    figure, panels = _panels(len(shown), "Open-endedness: mean of an arm, thin a run", _labels(seeds, modes))
    for axes, (table, column, title) in zip(panels, shown, strict=True):
        _draw_runs(axes, tables[table], column, list(seeds), "post" if table == "annecs" else None)
        axes.set_ylim(0.0, 1.05 * max(axes.get_ylim()[1], 0.1))
        axes.set_title(title)
        theme.steps_axis(axes, end)
    return figure


def _draw_runs(axes: Axes, table: pd.DataFrame, column: str, arms: Sequence[str], held: Literal["post"] | None) -> None:
    """A thin line for each run and a thick one for the mean of an arm, held until the next moment or not."""
    drawn: dict[str, Any] = {"drawstyle": "steps-post"} if held else {"marker": "o", "markersize": 2.5}
    for i, arm in enumerate(arms):
        color, dashes = _style(i)
        mine = table[table["arm"] == arm]
        values = mine[column].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        lines = mine.assign(value=values).pivot(index="env_steps", columns="run", values="value")
        lines = lines.dropna(axis=1, how="all")
        if lines.empty:
            continue
        for name in lines.columns:
            axes.plot(lines.index, lines[name], color=color, linewidth=0.6, alpha=0.45, zorder=2, **drawn)
        mean = lines.mean(axis=1)
        axes.plot(lines.index, mean, color=color, linestyle=dashes, linewidth=1.8, zorder=3, **drawn)
    axes.grid(axis="y")


def _labels(seeds: Mapping[str, int], table: pd.DataFrame) -> list[str]:
    """Arms for a legend, with their seeds; a table without an arm does not apply to it."""
    known = set(table["arm"])
    return [f"{arm} ({number})" if arm in known else f"{arm}: does not apply" for arm, number in seeds.items()]


def _panels(number: int, title: str, arms: Sequence[str], columns: int = _COLUMNS) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, and a legend of arms."""
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    top = theme.heading_height() + 0.15
    height = top + _PANEL_HEIGHT * rows + _BOTTOM
    figure = theme.make_figure(_WIDTH, height)
    found = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.05, right=0.985, top=1.0 - top / height, bottom=_BOTTOM / height, hspace=0.5, wspace=0.22
    )
    for axes in found.flat[number:]:
        axes.set_visible(False)
    handles = [
        Line2D([], [], color=_style(i)[0], linestyle=_style(i)[1], linewidth=1.8, label=label)
        for i, label in enumerate(arms)
    ]
    theme.draw_heading(figure, title, handles)
    return figure, list(found.flat[:number])


def _style(i: int) -> tuple[str, Any]:
    """Colour and dashes of the i-th arm."""
    colors = theme.GROUP_COLORS
    return colors[i % len(colors)], _DASHES[i // len(colors) % len(_DASHES)]
