"""Success rates as one small curve a niche, under the scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from experiments.analysis import theme
from experiments.analysis.run_tables import RunTables
from experiments.analysis.success import percentage, success_history
from poet.events import ValidationSet
from poet.validation import ROBUST_RATE

#: Where a curve lies within its row of height 1, at a rate of 0 and at one of 1.
_REACH = 0.8


def draw_success(axes: Axes, run: RunTables, niches: pd.DataFrame, end: int) -> None:
    """One curve a niche, from its first measurement on; a rate holds until the next one.

    Args:
        axes: row r, of the niche at place r in ``niches``, reaches from r - 0.5 (on top) to r + 0.5.
        run: that was validated.
        niches: ``niches_table``.
        end: env-steps of the run.
    """
    by_niche = dict(iter(success_history(run).groupby("niche_id")))
    ends = niches["retired_env_steps"].astype("Float64").fillna(float(end))
    for row, (niche_id, last) in enumerate(zip(niches["niche_id"], ends, strict=True)):
        floor = row + _REACH / 2
        axes.hlines(floor, niches["created_env_steps"].iloc[row], last, color=theme.FAINT, linewidth=0.6, zorder=1)
        if niche_id not in by_niche:
            continue
        mine = by_niche[niche_id]
        steps, rates = curve(mine, ValidationSet.PUSHES, float(last))
        height = floor - _REACH * rates
        for enough, alpha in ((rates >= ROBUST_RATE, 0.55), (rates < ROBUST_RATE, 0.15)):
            axes.fill_between(
                steps, floor, np.where(enough, height, floor), step="post", color=theme.SOLVED, alpha=alpha, linewidth=0
            )
        axes.step(steps, height, where="post", color=theme.SOLVED, linewidth=1.0, zorder=2.5)
        steps, rates = curve(mine, ValidationSet.SEEDS, float(last))
        axes.step(steps, floor - _REACH * rates, where="post", color=theme.TRANSFER, linewidth=0.7, zorder=2.4)


def curve(mine: pd.DataFrame, which: ValidationSet, last: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Env-steps and rates of a niche's measurements on a set. The last rate holds until ``last``."""
    measured = mine[mine["validation_set"] == which]
    steps, rates = (measured[name].to_numpy(np.float64) for name in ("env_steps", "rate"))
    return np.append(steps, max(last, steps[-1])), np.append(rates, rates[-1])


def success_legend() -> list[Line2D | Patch]:
    """What the curves are."""
    return [
        Line2D([], [], color=theme.SOLVED, linewidth=1.2, label="success on own ground under unseen pushes"),
        Patch(color=theme.SOLVED, alpha=0.55, linewidth=0, label=f"robustly solved: {percentage(ROBUST_RATE)} or more"),
        Line2D([], [], color=theme.TRANSFER, linewidth=0.9, label="success on unseen seeds"),
    ]
