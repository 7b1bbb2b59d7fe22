"""Scores of all niches over env-steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from experiments.analysis import theme
from experiments.analysis.frames import agent_genealogy, cumulative_steps, niches_table, score_history
from experiments.analysis.measures import progress_curves
from experiments.analysis.run_tables import RunTables
from experiments.analysis.success_plot import draw_success, success_legend
from experiments.analysis.theme import themed
from poet.config import Config
from poet.scoring import SOLVED_RETURN

#: How many points in time scores are drawn at; a run has more iterations than a plot has pixels.
NUM_POINTS = 700
#: With more niches than this, bands are too low for marks of transfers.
MAX_MARKED = 60
_TITLES = {False: "Scores of all niches", True: "Scores and success of all niches"}
# Inches.
_WIDTH, _TOP, _BOTTOM, _CURVES, _GAP, _LEFT, _RIGHT = 13.0, 0.95, 0.6, 3.4, 0.4, 0.65, 1.35


@themed
def plot_scores(run: RunTables) -> Figure:
    """Above, every niche's score as a curve; below, a row a niche with what happened to it.

    A row is a curve of success if agents were validated, and otherwise a band coloured by score.
    """
    niches, end = niches_table(run), int(cumulative_steps(run).iloc[-1])
    points = np.linspace(0, end, NUM_POINTS)
    scores = scores_at(run, points)

    is_validated = not run.validations.empty
    lowest, greatest, all_rows = (0.06, 0.5, 14.0) if is_validated else (0.03, 0.22, 7.0)
    band = max(lowest, min(greatest, all_rows / len(niches)))
    bands_height = band * len(niches)
    height = _TOP + _CURVES + _GAP + bands_height + _BOTTOM
    figure = theme.make_figure(_WIDTH, height)
    inner = (_WIDTH - _LEFT - _RIGHT) / _WIDTH
    bands = figure.add_axes((_LEFT / _WIDTH, _BOTTOM / height, inner, bands_height / height))
    top = (_BOTTOM + bands_height + _GAP) / height
    curves = figure.add_axes((_LEFT / _WIDTH, top, inner, _CURVES / height), sharex=bands)

    _draw_curves(curves, points, scores, niches, run.config)
    best = progress_curves(run)
    curves.step(best["env_steps"], best["best_score"], where="post", color=theme.INK, linewidth=1.3, zorder=4)
    _draw_rows(bands, niches)
    if is_validated:
        draw_success(bands, run, niches, end)
    else:
        _draw_bands(bands, points, scores, niches, end)
        _draw_colorbar(figure, bands)
    is_marked = len(niches) <= MAX_MARKED and not is_validated
    if is_marked:
        _draw_transfers(bands, agent_genealogy(run), niches, band)
    theme.steps_axis(bands, end)
    curves.tick_params(labelbottom=False)
    legend = [*_legend(is_marked), *(success_legend() if is_validated else [])]
    theme.draw_heading(figure, _TITLES[is_validated], legend, left=_LEFT, num_rows=1 + is_validated)
    return figure


def scores_at(run: RunTables, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score of each niche's agent at given env-steps.

    A score holds until the next iteration ends. The last point is after the last iteration.

    Returns:
        (niches, points) float64, niches by id; NaN before admission, from retirement on, and where a world diverged.
    """
    niches, history = niches_table(run), score_history(run)
    scores = np.full((len(niches), points.size), np.nan)
    spells = zip(niches["niche_id"], niches["retired_env_steps"].astype("Float64"), strict=True)
    by_niche = dict(iter(history.groupby("niche_id")))
    for n, (niche_id, retired) in enumerate(spells):
        mine = by_niche[niche_id]
        last = np.searchsorted(mine["env_steps"].to_numpy(), points, side="right") - 1
        is_alive = (last >= 0) & (points < (np.inf if pd.isna(retired) else float(retired)))
        values = mine["score"].to_numpy(np.float64)[np.maximum(last, 0)]
        scores[n] = np.where(is_alive & np.isfinite(values), values, np.nan)
    return scores


def _draw_curves(
    axes: Axes, points: NDArray[np.float64], scores: NDArray[np.float64], niches: pd.DataFrame, config: Config
) -> None:
    """Thin curves, solved niches in colour, admissions as triangles, thresholds as dashed lines."""
    alpha = float(np.clip(12.0 / len(niches), 0.25, 0.9))
    is_solved = niches["solved"].notna().to_numpy()
    for row, solved in zip(scores, is_solved, strict=True):
        axes.plot(
            points,
            row,
            color=theme.SOLVED if solved else theme.MUTED,
            linewidth=0.8,
            alpha=alpha,
            zorder=2,
            drawstyle="steps-post",
        )
    axes.plot(
        niches["created_env_steps"],
        niches["admission_score"],
        "v",
        color=theme.INK,
        markersize=3,
        markeredgewidth=0,
        zorder=3,
    )
    lowest = np.nanmin(scores) if np.isfinite(scores).any() else -100.0
    axes.set_ylim(min(-20.0, max(-160.0, lowest - 15.0)), 365.0)
    for value, name in thresholds(config):
        if axes.get_ylim()[0] < value < axes.get_ylim()[1]:
            theme.draw_threshold(axes, value, name)
    axes.set_ylabel("score")
    axes.grid(axis="both")


def thresholds(config: Config) -> list[tuple[float, str]]:
    """The scores that decide something in a run, with their names."""
    return [
        (config.poet.criterion_lower, f"too hard below {config.poet.criterion_lower:g}"),
        (config.poet.reproduction_threshold, f"reproduces from {config.poet.reproduction_threshold:g}"),
        (SOLVED_RETURN, f"solved once from {SOLVED_RETURN:g}"),
        (config.poet.criterion_upper, f"too easy above {config.poet.criterion_upper:g}"),
    ]


def _draw_bands(
    axes: Axes, points: NDArray[np.float64], scores: NDArray[np.float64], niches: pd.DataFrame, end: int
) -> None:
    """Each row coloured by score."""
    bottom, top = axes.get_ylim()
    axes.imshow(
        scores, aspect="auto", interpolation="nearest", cmap=theme.SCORE_COLORS, norm=theme.SCORE_NORM,
        extent=(0.0, max(1, end), bottom, top), zorder=1,
    )  # fmt: skip
    if len(niches) <= MAX_MARKED:
        axes.hlines(np.arange(len(niches) + 1) - 0.5, 0, max(1, end), color=theme.PAPER, linewidth=1.0, zorder=2)


def _draw_rows(axes: Axes, niches: pd.DataFrame) -> None:
    """One row a niche, the root on top; a tick where it was first solved."""
    solved = niches.dropna(subset="solved_env_steps")
    x, rows = solved["solved_env_steps"].astype("int64"), solved.index.to_numpy(np.float64)
    axes.vlines(x, rows - 0.5, rows + 0.5, color=theme.WARNING, linewidth=1.5, zorder=3)
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 1000) if len(niches) / n <= 60)
    axes.set_yticks(np.arange(0, len(niches), every), niches["niche_id"][::every].astype(str), fontsize=7)
    axes.set_ylim(len(niches) - 0.5, -0.5)
    axes.set_ylabel("niche")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _draw_transfers(axes: Axes, moved: pd.DataFrame, niches: pd.DataFrame, band: float) -> None:
    """A dot for each agent that came from another niche."""
    rows = moved["target_id"].map(pd.Series(niches.index, index=niches["niche_id"]))
    is_periodic = ~moved["origin"].str.startswith("admission")
    size = min(3.5, 72.0 * band * 0.32)
    axes.plot(
        moved.loc[is_periodic, "env_steps"], rows[is_periodic], "o", color=theme.TRANSFER, markersize=size,
        markeredgewidth=0, zorder=4,
    )  # fmt: skip


def _draw_colorbar(figure: Figure, bands: Axes) -> None:
    """The key to the bands' colours, to their right, 1.6 inches high if there is room."""
    width, height = figure.get_size_inches()
    place = bands.get_position()
    bar_height = min(1.6, max(0.5, place.height * height))
    axes = figure.add_axes(
        ((width - _RIGHT + 0.25) / width, place.y1 - bar_height / height, 0.13 / width, bar_height / height)
    )
    bar = figure.colorbar(bands.images[0], cax=axes, ticks=[-100, 0, 100, 200, 300])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.ax.set_title("score", fontsize=8, pad=4)


def _legend(has_transfers: bool) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=theme.INK, linewidth=1.3, label="best of all niches so far"),
        Line2D([], [], color=theme.SOLVED, linewidth=1.0, label="niche solved once"),
        Line2D([], [], color=theme.MUTED, linewidth=1.0, label="niche never solved"),
        Line2D([], [], color=theme.INK, marker="v", markersize=4, linestyle="", label="admitted"),
        Line2D([], [], color=theme.WARNING, linewidth=1.6, label="solved once"),
    ]
    if has_transfers:
        mark = Line2D(
            [], [], color=theme.TRANSFER, marker="o", markersize=4, linestyle="", label="agent transferred in"
        )
        handles.append(mark)
    return handles
