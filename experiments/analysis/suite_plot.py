"""A picture of how often agents succeed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from experiments.analysis import theme
from experiments.analysis.success import percentage
from experiments.analysis.theme import themed

_RATES = LinearSegmentedColormap.from_list("rate", [theme.PAPER, "#d7e5d3", "#6fa99a", theme.SOLVED, "#0e3d36"])
_CELL, _TOP, _RIGHT, _BOTTOM, _LETTER = 0.36, 0.75, 0.4, 1.9, 0.062
#: A table with more rows than this gets no numbers.
MAX_NUMBERS = 60


@themed
def plot_success(cells: pd.DataFrame) -> Figure:
    """Rows are agents and columns cells, in their order; the darker, the more often an agent succeeds.

    Args:
        cells: ``experiments.suites.evaluation.summary`` of one suite.
    """
    agents, names = cells["agent"].unique(), cells["cell"].unique()
    rates = cells.pivot(index="agent", columns="cell", values="success_rate").loc[agents, names].to_numpy(np.float64)
    left = 0.5 + _LETTER * max(len(_short(name)) for name in agents)
    bottom = min(_BOTTOM, 0.3 + _LETTER * max(map(len, names)))
    width, height = left + _CELL * len(names) + _RIGHT, _TOP + _CELL * 0.75 * len(agents) + bottom
    figure = theme.make_figure(max(width, 4.5), height)
    width = figure.get_size_inches()[0]
    place = (left / width, bottom / height, _CELL * len(names) / width, _CELL * 0.75 * len(agents) / height)
    axes = figure.add_axes(place)
    axes.imshow(rates, cmap=_RATES, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(agents)), [_short(name) for name in agents], fontsize=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if len(agents) <= MAX_NUMBERS:
        for (row, column), rate in np.ndenumerate(rates):
            color = theme.PAPER if rate > 0.6 else theme.INK
            text = percentage(rate).removesuffix(" %")
            axes.text(column, row, text, ha="center", va="center_baseline", fontsize=6.5, color=color)
    suite = cells["suite"].iloc[0]
    episodes = int(cells["episodes"].iloc[0])
    theme.draw_heading(figure, f"{suite}: successes, % of {episodes} episodes", left=0.2)
    return figure


def _short(name: str) -> str:
    """The end of a long name, which tells more than its beginning."""
    return name if len(name) <= 32 else "\N{HORIZONTAL ELLIPSIS}" + name[-31:]
