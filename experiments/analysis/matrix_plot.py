"""The matrix of agents and terrains."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from experiments.analysis import theme
from experiments.analysis.theme import themed

#: With more agents than this, cells do not show their scores as numbers.
MAX_FIGURES = 24
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.75, 1.3, 1.3, 0.3


@themed
def plot_matrix(matrix: pd.DataFrame) -> Figure:
    """Rows are agents, columns terrains, both by admission; a dot where the agent solves the terrain.

    Args:
        matrix: ``experiments.analysis.matrix.score_matrix``.
    """
    scores = matrix.pivot(index="agent_id", columns="terrain_id", values="score")
    solved = matrix.pivot(index="agent_id", columns="terrain_id", values="is_solved").to_numpy()
    num = len(scores)
    side = float(np.clip(0.42 * num, 3.2, 11.0))
    width, height = side + _LEFT + _RIGHT, side + _TOP + _BOTTOM
    figure = theme.make_figure(width, height)
    axes = figure.add_axes((_LEFT / width, _BOTTOM / height, side / width, side / height))
    values = scores.to_numpy(np.float64)
    shown = np.where(np.isfinite(values), values, theme.LOWEST_SCORE)
    image = axes.imshow(shown, cmap=theme.SCORE_COLORS, norm=theme.SCORE_NORM, interpolation="nearest")
    _label_axes(axes, [str(niche_id) for niche_id in scores.index])
    if num <= MAX_FIGURES:
        _write_scores(axes, values, solved)
    else:
        rows, columns = np.nonzero(solved)
        axes.plot(columns, rows, "o", color="white", markersize=max(0.8, 60 * side / num * 0.15), markeredgewidth=0)
    for i in range(num):
        frame = Rectangle((i - 0.5, i - 0.5), 1.0, 1.0, facecolor="none", edgecolor=theme.INK, linewidth=0.9)
        axes.add_patch(frame)
    bar_axes = figure.add_axes(((_LEFT + side + 0.3) / width, _BOTTOM / height, 0.14 / width, min(side, 4.0) / height))
    bar = figure.colorbar(image, cax=bar_axes)
    bar.outline.set_visible(False)
    bar.set_label("score")
    theme.draw_heading(figure, "Agents on terrains", _legend(num <= MAX_FIGURES), left=_LEFT)
    return figure


def _label_axes(axes: Axes, names: list[str]) -> None:
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100) if len(names) / n <= 50)
    ticks = np.arange(0, len(names), every)
    axes.set_xticks(ticks, names[::every], fontsize=7)
    axes.set_yticks(ticks, names[::every], fontsize=7)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("terrain of niche")
    axes.set_ylabel("agent of niche")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write_scores(
    axes: Axes,
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    solved: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
) -> None:
    """The score in each cell; bold where solved."""
    for (row, column), value in np.ndenumerate(values):
        is_dark = np.isfinite(value) and float(theme.SCORE_NORM(value)) > 0.6
        axes.text(
            column, row, f"{value:.0f}" if np.isfinite(value) else "div.", ha="center", va="center_baseline",
            fontsize=6.5,
            color="white" if is_dark else theme.INK, weight="bold" if solved[row, column] else "normal",
        )  # fmt: skip


def _bold(figures: str) -> Path:
    """Digits as a marker, drawn around its origin."""
    path = TextPath((0.0, 0.0), figures, prop=FontProperties(weight="bold"))
    low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
    return path.transformed(Affine2D().translate(*(-0.5 * (low + high))))


def _legend(has_figures: bool) -> list[Artist]:
    home = Patch(facecolor="none", edgecolor=theme.INK, linewidth=1.0, label="agent at home")
    marker, size = (_bold("230"), 16) if has_figures else ("o", 3)
    solved = Line2D([], [], marker=marker, color=theme.INK, linestyle="", markersize=size, markeredgewidth=0)
    solved.set_label("solved, once")
    return [home, solved]
