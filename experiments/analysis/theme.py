"""The look that all plots share: colours, type, axes over env-steps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import blended_transform_factory

from experiments.files import written
from experiments.text import visible

Params = ParamSpec("Params")
Drawn = TypeVar("Drawn")

INK, MUTED, FAINT, PAPER = "#2a3038", "#79828d", "#dfe3e8", "#ffffff"
SOLVED, UNSOLVED, TRANSFER, WARNING = "#23806c", "#a9b2bc", "#d9822b", "#b5483a"
SKY, GROUND, OBSTACLE = "#f1f5f8", "#a3b09c", "#5d6b62"
#: Colours of terrains that meet none, one, two, three of the paper's conditions.
CHALLENGE_COLORS = ("#8b95a1", "#cf8fb2", "#ad3f84", "#5b1050")
#: Colours for groups of runs and parts of a bar, in this order.
GROUP_COLORS = ("#2f6ea3", "#d9822b", "#23806c", "#a05195", "#7a6a53", "#b5483a")
#: Colours for scores from a fall to the end of the course; the darker, the better.
SCORE_COLORS = LinearSegmentedColormap.from_list(
    "score", ["#f4efe6", "#e6dcc3", "#bccfb4", "#6fa99a", "#2b7a78", "#123f52"]
)
LOWEST_SCORE = -100.0
SCORE_NORM = Normalize(LOWEST_SCORE, 340.0, clip=True)

DPI = 140
#: Settings of every plot. All others are matplotlib's defaults, whatever a notebook or a matplotlibrc says.
_STYLE = {
    **{key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith(("backend", "webagg."))},
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlepad": 8,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": PAPER,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,  # a $ is a $
}


def themed(plot: Callable[Params, Drawn]) -> Callable[Params, Drawn]:
    """Make a function that draws a figure do so in the shared style."""

    @wraps(plot)
    def drawn(*args: Params.args, **kwargs: Params.kwargs) -> Drawn:
        with mpl.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return drawn


def make_figure(width: float, height: float, **options: Any) -> Figure:
    """A figure of this size in inches that is drawn off screen, without global state or a window."""
    figure = Figure(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG. The file does not say when or with what it was made.

    Its texts may contain names from a stranger's archive.
    """
    for text in figure.findobj(Text):
        text.set_text(visible(text.get_text()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn for it
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with mpl.rc_context(_STYLE), written(path) as file:
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})


def steps_axis(axes: Axes, last: int, label: bool = True) -> None:
    """Make x an axis of env-steps from 0 to ``last``, in thousands, millions or billions."""
    axes.set_xlim(0, max(1, last))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: format_count(steps)))
    if label:
        axes.set_xlabel("env-steps spent so far")


def format_count(value: float) -> str:
    """A count for reading: ``950``, ``12.5 k``, ``3.1 M``, ``1.2 G``; ``none`` for NaN."""
    if math.isnan(value):
        return "none"
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def draw_heading(
    figure: Figure, title: str, handles: Sequence[Artist] = (), *, left: float = 0.35, num_rows: int = 1
) -> None:
    """A title and, below it, a legend, at the top left of a figure that leaves ``heading_height`` for them.

    Args:
        figure: to draw on.
        title: a few words.
        handles: of the legend, with labels.
        left: inches from the figure's left edge.
        num_rows: of the legend.
    """
    width, height = figure.get_size_inches()
    figure.text(left / width, 1.0 - 0.28 / height, title, fontsize=12, weight="bold", va="center")
    if handles:
        figure.legend(
            handles=list(handles),
            loc="upper left",
            ncols=math.ceil(len(handles) / num_rows),
            columnspacing=2.0,
            borderaxespad=0.0,
            borderpad=0.0,
            bbox_to_anchor=(left / width, 1.0 - 0.5 / height),
        )


def heading_height(num_rows: int = 1) -> float:
    """Inches that a heading takes if its legend has this many rows, with the space below it."""
    return 0.75 + 0.2 * num_rows


def draw_threshold(axes: Axes, value: float, label: str) -> None:
    """A dashed line across the axes, named right of them."""
    axes.axhline(value, color=WARNING, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    place = blended_transform_factory(axes.transAxes, axes.transData)
    axes.text(1.008, value, label, transform=place, fontsize=7, color=WARNING, ha="left", va="center")
