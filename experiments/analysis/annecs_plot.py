"""ANNECS over env-steps."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from experiments.analysis import theme
from experiments.analysis.frames import annecs_table
from experiments.analysis.run_tables import RunTables
from experiments.analysis.theme import themed

_WIDTH, _HEIGHT, _TOP, _BOTTOM, _LEFT = 13.0, 4.2, 0.95, 0.6, 0.65


@themed
def plot_annecs(run: RunTables) -> Figure | None:
    """All counts; on top of the paper's, the environments that passed and are not solved yet.

    Returns:
        None if nothing is known, since no niche was judged.
    """
    table = annecs_table(run)
    known = table[table["annecs_paper"].notna()]
    if run.judgements.empty or known.empty:
        return None
    steps, paper, released = (known[name].astype("int64") for name in ("env_steps", "annecs_paper", "annecs_released"))
    passed = paper + known["passed_unsolved"].astype("int64")
    figure = theme.make_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes(
        (_LEFT / _WIDTH, _BOTTOM / _HEIGHT, (_WIDTH - _LEFT - 0.4) / _WIDTH, (_HEIGHT - _TOP - _BOTTOM) / _HEIGHT)
    )
    axes.fill_between(steps, paper, passed, step="post", color=theme.UNSOLVED, alpha=0.35, linewidth=0, zorder=1)
    for values, color in ((released, theme.TRANSFER), (paper, theme.SOLVED)):
        axes.step(steps, values, where="post", color=color, linewidth=1.6, zorder=3)
    if known["annecs_robust"].notna().any():
        robust = known["annecs_robust"].astype("int64")
        axes.step(steps, robust, where="post", color=theme.INK, linewidth=1.6, linestyle=(0, (4, 2)), zorder=4)
    axes.set_ylim(0.0, 1.08 * max(1, int(passed.max()), int(released.max())))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_ylabel("environments")
    axes.grid(axis="y")
    theme.steps_axis(axes, int(table["env_steps"].iloc[-1]))
    theme.draw_heading(figure, "ANNECS", _legend(known), left=_LEFT)
    return figure


def _legend(known: pd.DataFrame) -> list[Line2D | Patch]:
    names = ("annecs_paper", "passed_unsolved", "annecs_released", "annecs_robust")
    paper, unsolved, released, robust = (known[name].iloc[-1] for name in names)
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=theme.SOLVED, linewidth=1.6, label=f"passed against all agents, solved once: {paper}"),
        Patch(color=theme.UNSOLVED, alpha=0.35, linewidth=0, label=f"passed, not yet solved: {unsolved}"),
        Line2D([], [], color=theme.TRANSFER, linewidth=1.6, label=f"as the released code counts: {released}"),
    ]
    if known["annecs_robust"].notna().any():
        label = f"passed, robustly solved: {robust}"
        handles.append(Line2D([], [], color=theme.INK, linewidth=1.6, linestyle=(0, (4, 2)), label=label))
    return handles
