"""Curves of several runs over env-steps, by config."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.analysis import theme
from experiments.analysis.aggregate import RunGroup, last_shared_step, measures_of, spread
from experiments.analysis.complexity import GROWTH_MEASURES
from experiments.analysis.genes import challenges, unit_text
from experiments.analysis.theme import themed
from poet.scoring import SOLVED_RETURN

_TITLES = {
    "best_score": "Best score of any agent in its niche, so far",
    "num_active": "Niches active",
    "num_admitted": "Niches admitted so far",
    "num_solved": "Niches solved once so far",
    "num_robust": "Niches robustly solved so far",
    "num_general": "Niches with a general agent so far",
    "annecs_paper": "ANNECS: passed against all agents and solved once",
    "annecs_released": "ANNECS of the released code: passed against retired agents",
}
_PAIRS = (["annecs_paper", "annecs_released"], ["num_robust", "num_general"])
_WIDTH, _PANEL_HEIGHT, _BOTTOM = 13.0, 2.4, 0.6


@themed
def plot_aggregate(groups: Sequence[RunGroup]) -> Figure:
    """One panel per measure: the median of each group of runs with its interquartile band, and a thin line per run.

    Measures come in pairs, such as admitted and solved. A pair shares a scale.
    """
    measures = [name for name in measures_of(groups) if _is_ever_above_zero(groups, name)]
    pairs = [measures[i : i + 2] for i in range(0, len(measures), 2)]
    legend = _legend(groups)
    top = theme.heading_height(len(legend)) + 0.1
    height = top + _BOTTOM + _PANEL_HEIGHT * len(pairs)
    figure = theme.make_figure(_WIDTH, height)
    panels = figure.subplots(len(pairs), 2, squeeze=False)
    figure.subplots_adjust(
        left=0.04, right=0.925, top=1.0 - top / height, bottom=_BOTTOM / height, hspace=0.34, wspace=0.19
    )
    last = max(int(curves["env_steps"].iloc[-1]) for group in groups for curves in group.curves.values())
    for row, pair in zip(panels, pairs, strict=True):
        for axes, measure in zip(row, pair, strict=False):
            for g, group in enumerate(groups):
                _draw_group(axes, group, measure, theme.GROUP_COLORS[g % len(theme.GROUP_COLORS)])
            _finish_panel(axes, measure)
            theme.steps_axis(axes, last, label=pair is pairs[-1])
        if pair[0] != "best_score":
            greatest = max(axes.get_ylim()[1] for axes in row)
            for axes in row:
                axes.set_ylim(0.0, greatest)
    for axes in panels.flat[len(measures) :]:
        axes.set_visible(False)
    theme.draw_heading(figure, "Growth of complexity, several runs", legend, num_rows=len(legend))
    return figure


def _is_ever_above_zero(groups: Sequence[RunGroup], measure: str) -> bool:
    """Whether there is anything to see. For a gene, ANNECS and success, either both curves are drawn or none."""
    names = [measure.removesuffix("_solved") + "_admitted", measure] if measure.endswith("_solved") else [measure]
    names = next((pair for pair in _PAIRS if measure in pair), names)
    return any(
        (curves[name] > 0.0).any()
        for group in groups for curves in group.curves.values() for name in names if name in curves
    )  # fmt: skip


def _draw_group(axes: Axes, group: RunGroup, measure: str, color: str) -> None:
    for curves in group.curves.values():
        if measure in curves:
            axes.step(
                curves["env_steps"], curves[measure], where="post", color=color, linewidth=0.6, alpha=0.45, zorder=2
            )
    shared = spread(group, measure, last_shared_step([group]))
    axes.fill_between(
        shared["env_steps"], shared["lower"], shared["upper"], color=color, alpha=0.18, linewidth=0, zorder=1
    )
    axes.step(shared["env_steps"], shared["median"], where="post", color=color, linewidth=1.8, zorder=3)


def _finish_panel(axes: Axes, measure: str) -> None:
    gene, _, which = measure.rpartition("_")
    if measure in _TITLES:
        axes.set_title(_TITLES[measure])
    elif gene in GROWTH_MEASURES:
        name, unit = GROWTH_MEASURES[gene]
        axes.set_title(f"{name[0].upper()}{name[1:]}: greatest {which} so far ({unit})")
    else:
        axes.set_title(f"{gene.replace('_', ' ').capitalize()}: hardest {which} so far{unit_text(gene)}")
    bound = challenges().get(gene)
    if bound is not None:
        theme.draw_threshold(axes, bound, "challenging")
    if measure == "best_score":
        theme.draw_threshold(axes, SOLVED_RETURN, "solved once")
    axes.grid(axis="y")
    axes.margins(y=0.12)


def _legend(groups: Sequence[RunGroup]) -> list[Artist]:
    handles: list[Artist] = []
    for g, group in enumerate(groups):
        runs = f"{len(group.curves)} run" + ("s" if len(group.curves) > 1 else "")
        color = theme.GROUP_COLORS[g % len(theme.GROUP_COLORS)]
        handles.append(Line2D([], [], color=color, linewidth=2.0, label=f"{group.name} ({runs}): median"))
    return [
        *handles,
        Patch(color=theme.MUTED, alpha=0.3, linewidth=0, label="first to third quartile"),
        Line2D([], [], color=theme.MUTED, linewidth=0.6, label="one run"),
    ]
