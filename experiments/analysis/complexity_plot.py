"""How complex terrains are over env-steps, compared with their neutral shadow, and how long they took to be solved."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from experiments.analysis import theme
from experiments.analysis.complexity import (
    GROWTH_MEASURES,
    PROFILE_MEASURES,
    growth_curves,
    known_measures,
    niche_complexity,
)
from experiments.analysis.frames import cumulative_steps
from experiments.analysis.growth import shadow_band
from experiments.analysis.run_tables import RunTables
from experiments.analysis.theme import themed

_WIDTH, _PANEL_HEIGHT, _TOP, _BOTTOM = 13.0, 2.2, 1.1, 0.6
_STATISTICS = {"max": "greatest so far", "median": "median so far"}
#: How far above the run's own values a panel shows the shadow, whose terrains may be as high as houses.
_SHADOW_ROOM = 2.5


@themed
def plot_complexity(
    run: RunTables, shown: Sequence[str] = PROFILE_MEASURES, title: str = "Complexity of terrains"
) -> Figure | None:
    """One row for each measure: the greatest value and the median of niches admitted, and solved, so far.

    Behind them, where the run has a neutral shadow, the band that holds 90 % of its replicates.

    Args:
        run: to be shown.
        shown: measures; those that are not known of all niches are left out.
        title: of the figure.

    Returns:
        None when no measure is ever above 0: only a flat root.
    """
    frame, curves = niche_complexity(run), growth_curves(run)
    measures = [name for name in known_measures(frame) if name in shown and (frame[name] > 0.0).any()]
    if not measures:
        return None
    height = _TOP + _BOTTOM + _PANEL_HEIGHT * len(measures)
    figure = theme.make_figure(_WIDTH, height)
    panels = figure.subplots(len(measures), 2, squeeze=False)
    figure.subplots_adjust(
        left=0.05, right=0.975, top=1.0 - _TOP / height, bottom=_BOTTOM / height, hspace=0.38, wspace=0.13
    )
    for row, measure in zip(panels, measures, strict=True):
        for axes, statistic in zip(row, _STATISTICS, strict=True):
            _draw_growth(axes, run, frame, curves, measure, statistic)
            theme.steps_axis(axes, int(curves["env_steps"].iloc[-1]), label=measure == measures[-1])
    theme.draw_heading(figure, title, _growth_legend(run.shadow.niches is not None))
    return figure


@themed
def plot_times(run: RunTables) -> Figure | None:
    """Two panels: how long each niche took to be solved, or has been waiting; and how deep its lineage is.

    Returns:
        None for a run of one niche.
    """
    frame, end = niche_complexity(run), int(cumulative_steps(run).iloc[-1])
    if len(frame) < 2:
        return None
    height = _TOP + _BOTTOM + 2.8
    figure = theme.make_figure(_WIDTH, height)
    times, depths = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.05, right=0.975, top=1.0 - _TOP / height, bottom=_BOTTOM / height, wspace=0.13)
    is_solved = frame["solved"].notna()
    shown = ((is_solved, theme.SOLVED, "o"), (~is_solved & frame["is_active"], theme.INK, "^"))
    for some, color, marker in (*shown, (~is_solved & ~frame["is_active"], theme.WARNING, "x")):
        niches = frame[some]
        waited = niches["iterations_to_solve"].fillna(niches["iterations_unsolved"]).astype("float64")
        style = {"color": color, "marker": marker, "linestyle": "", "markersize": 4, "clip_on": False}
        times.plot(niches["created_env_steps"], waited, **style)
        depths.plot(niches["created_env_steps"], niches["depth"], **style)
    times.set_title("Iterations from admission to solution; not solved: waited so far")
    depths.set_title("Depth of the lineage: mutations from the root")
    for axes in (times, depths):
        axes.grid(axis="y")
        axes.set_ylim(bottom=0.0)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        theme.steps_axis(axes, end)
        axes.set_xlabel("env-steps at admission")
    theme.draw_heading(figure, "From admission to solution", _times_legend())
    return figure


def _draw_growth(
    axes: Axes, run: RunTables, frame: pd.DataFrame, curves: pd.DataFrame, measure: str, statistic: str
) -> None:
    """One measure and statistic: bands of the shadow, then the run's curves."""
    shown = {"admitted": (theme.INK, 0.9, theme.MUTED, 0.28), "solved": (theme.SOLVED, 1.8, theme.SOLVED, 0.16)}
    greatest = float(curves[f"{measure}_admitted_{statistic}"].max())
    for which, (color, width, band_color, alpha) in shown.items():
        if run.shadow.niches is not None:
            band = shadow_band(frame, run.shadow.niches, measure, which, statistic).reindex(curves.index).ffill()
            axes.fill_between(
                curves["env_steps"],
                band["lower"],
                band["upper"],
                step="post",
                color=band_color,
                alpha=alpha,
                linewidth=0,
            )
            greatest = max(greatest, min(float(band["upper"].max()), _SHADOW_ROOM * greatest))
        axes.step(
            curves["env_steps"], curves[f"{measure}_{which}_{statistic}"], where="post", color=color, linewidth=width
        )
    name, unit = GROWTH_MEASURES[measure]
    axes.set_title(f"{name[0].upper()}{name[1:]}, {_STATISTICS[statistic]} ({unit})")
    axes.set_ylim(0.0, 1.12 * greatest if greatest > 0.0 else 1.0)
    axes.grid(axis="y")


def _growth_legend(has_shadow: bool) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], color=theme.INK, linewidth=0.9, label="admitted"),
        Line2D([], [], color=theme.SOLVED, linewidth=1.8, label="solved once"),
    ]
    if has_shadow:
        handles += [
            Patch(color=theme.MUTED, alpha=0.28, linewidth=0, label="neutral shadow of the admitted, 5 to 95 %"),
            Patch(color=theme.SOLVED, alpha=0.16, linewidth=0, label="of the same niches as the solved"),
        ]
    return handles


def _times_legend() -> list[Artist]:
    marks = (("o", theme.SOLVED, "solved once"), ("^", theme.INK, "not solved, active"))
    return [
        Line2D([], [], color=color, marker=marker, linestyle="", markersize=5, label=label)
        for marker, color, label in (*marks, ("x", theme.WARNING, "not solved, retired"))
    ]
