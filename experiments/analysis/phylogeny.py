"""The tree of terrains over env-steps, with the transfers of agents between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Affine2D, ScaledTranslation

from environments.terrain.terrain import Terrain
from experiments.analysis import theme
from experiments.analysis.frames import agent_genealogy, cumulative_steps, niches_table
from experiments.analysis.genes import CHALLENGE_NAMES
from experiments.analysis.run_tables import RunTables
from experiments.analysis.theme import themed
from experiments.analysis.thumbnail import make_thumbnail
from experiments.analysis.tree import tree_rows

#: With more niches than this, rows are too low for a picture of the terrain beside each node.
MAX_THUMBNAILS = 60
#: The most arcs that can be told apart.
MAX_ARCS = 250
# Inches.
_WIDTH, _LEFT, _TOP, _BOTTOM = 13.0, 0.35, 0.85, 0.6
_THUMBNAIL_WIDTH, _THUMBNAIL_HEIGHT = 2.3, 0.34


@themed
def plot_phylogeny(run: RunTables) -> Figure:
    """Every niche as a line from its admission to its retirement or the end, branching off its parent's line."""
    niches, end = niches_table(run), int(cumulative_steps(run).iloc[-1])
    parents = {n: None if pd.isna(p) else int(p) for n, p in zip(niches["niche_id"], niches["parent_id"], strict=True)}
    rows = tree_rows(parents)
    niches["row"] = niches["niche_id"].map(rows)
    niches["parent_row"] = niches["parent_id"].map(rows)
    niches["end"] = niches["retired_env_steps"].fillna(end).astype("int64")
    has_thumbnails = len(niches) <= MAX_THUMBNAILS

    figure, axes = _make_axes(len(niches), end, has_thumbnails)
    _draw_branches(axes, niches)
    arcs = bundle_arcs(agent_genealogy(run), parents, end)
    shown = busiest_arcs(arcs, MAX_ARCS)
    _draw_arcs(axes, shown, rows)
    _draw_nodes(axes, niches, has_thumbnails)
    if has_thumbnails:
        for niche_id, x, row in zip(niches["niche_id"], niches["created_env_steps"], niches["row"], strict=True):
            _draw_thumbnail(axes, run.terrains[niche_id], float(x), float(row))
    theme.draw_heading(
        figure, "Phylogeny of terrains", _legend(niches, int(shown["count"].sum()), int(arcs["count"].sum()))
    )
    return figure


def bundle_arcs(moved: pd.DataFrame, parents: dict[int, int | None], end: int) -> pd.DataFrame:
    """Transfers between niches. Those of one direction within one stretch of time are one arc.

    A niche's first agent has no arc if it came from the parent, since the branch shows that.

    Args:
        moved: ``agent_genealogy`` of the run.
        parents: niche id to parent id.
        end: env-steps of the whole run.

    Returns:
        Columns source_id, target_id, env_steps (mean of the bundle), count. Stretches are a thousandth of the run, or
        longer (up to a fortieth) where there would be more than ``MAX_ARCS`` rows.
    """
    is_branch = moved["origin"].str.startswith("admission") & (moved["source_id"] == moved["target_id"].map(parents))
    moved = moved[~is_branch]
    arcs = pd.DataFrame()
    for num_stretches in (1000, 300, 150, 75, 40):
        stretch = (moved["env_steps"] * num_stretches // max(1, end)).rename("stretch")
        bundles = moved.groupby(["source_id", "target_id", stretch])["env_steps"]
        arcs = bundles.agg(env_steps="mean", count="size").reset_index().drop(columns="stretch")
        if len(arcs) <= MAX_ARCS:
            break
    return arcs


def busiest_arcs(arcs: pd.DataFrame, limit: int) -> pd.DataFrame:
    """At most ``limit`` of some ``bundle_arcs``: those with the most transfers; among equals, some evenly over time."""
    if len(arcs) <= limit:
        return arcs
    least = int(arcs["count"].nlargest(limit).min())
    above = arcs[arcs["count"] > least]
    equals = arcs[arcs["count"] == least].sort_values("env_steps", kind="stable")
    chosen = np.linspace(0, len(equals) - 1, limit - len(above)).round().astype(np.int64)
    return pd.concat([above, equals.iloc[chosen]])


def _make_axes(num_niches: int, end: int, has_thumbnails: bool) -> tuple[Figure, Axes]:
    """Axes with one row a niche, the root on top, and room for the thumbnails of the last niches."""
    row_height = 0.52 if has_thumbnails else 0.11
    height = _TOP + _BOTTOM + row_height * (num_niches + 0.6)
    figure = theme.make_figure(_WIDTH, height)
    width = _WIDTH - _LEFT - 0.15
    axes = figure.add_axes((_LEFT / _WIDTH, _BOTTOM / height, width / _WIDTH, 1.0 - (_TOP + _BOTTOM) / height))
    theme.steps_axis(axes, end)
    room = _THUMBNAIL_WIDTH + 0.25 if has_thumbnails else 0.3
    ticks = [tick for tick in axes.get_xticks() if tick <= end]
    axes.set_xlim(-0.15 * end / width, max(1, end) * width / (width - room))
    axes.set_xticks(ticks)
    axes.set_ylim(num_niches - 0.4, -1.0)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.axvline(end, color=theme.MUTED, linewidth=0.7, linestyle=(0, (2, 3)), zorder=0.5)
    axes.spines["bottom"].set_bounds(0, max(1, end))
    axes.xaxis.set_label_coords(0.5 * (width - room) / width, -0.36 / (height - _TOP - _BOTTOM))
    return figure, axes


def _draw_branches(axes: Axes, niches: pd.DataFrame) -> None:
    """Lines of niches, pale until solved, with a cap where they retire, and the branches that lead to them."""
    children = niches.dropna(subset="parent_row")
    x = children["created_env_steps"]
    axes.vlines(
        x, children["parent_row"].astype(float), children["row"], color=theme.UNSOLVED, linewidth=0.9, zorder=1.2
    )
    axes.hlines(
        niches["row"], niches["created_env_steps"], niches["end"], color=theme.UNSOLVED, linewidth=1.2, zorder=1.5
    )
    solved = niches.dropna(subset="solved_env_steps")
    start = solved["solved_env_steps"].astype("int64")
    axes.hlines(solved["row"], start, solved["end"], color=theme.SOLVED, linewidth=1.8, zorder=1.6)
    retired = niches[~niches["is_active"]]
    axes.plot(retired["end"], retired["row"], "|", color=theme.INK, markersize=6, markeredgewidth=1.1, zorder=2)


def _draw_arcs(axes: Axes, arcs: pd.DataFrame, rows: dict[int, int]) -> None:
    """Bundles of transfers: from the source's line, bulging right, to a dot on the target's."""
    if arcs.empty:
        return
    x = arcs["env_steps"].to_numpy(np.float64)
    start = arcs["source_id"].map(rows).to_numpy(np.float64)
    stop = arcs["target_id"].map(rows).to_numpy(np.float64)
    left, right = axes.get_xlim()
    steps_per_inch = (right - left) / (_WIDTH - _LEFT)
    bulge = np.minimum(0.5, 0.08 + 0.02 * np.abs(stop - start)) * steps_per_inch
    t = np.linspace(0.0, 1.0, 24)[:, None]
    curve_x = x + 4.0 * t * (1.0 - t) * bulge
    curve_y = start + (stop - start) * t
    alpha = float(np.clip(60.0 / len(arcs), 0.35, 0.8))
    widths = 0.6 + 0.35 * np.log2(arcs["count"].to_numpy(np.float64))
    curves = np.stack([curve_x.T, curve_y.T], axis=-1)
    axes.add_collection(LineCollection(list(curves), colors=theme.TRANSFER, linewidths=widths, alpha=alpha, zorder=1.8))
    axes.plot(
        x, stop, "o", color=theme.TRANSFER, markersize=2.2, markeredgewidth=0, alpha=min(1.0, 2 * alpha), zorder=1.9
    )


def _draw_nodes(axes: Axes, niches: pd.DataFrame, has_thumbnails: bool) -> None:
    """A node where each niche was admitted, with its id."""
    colors = [theme.CHALLENGE_COLORS[level] for level in niches["challenge_level"].fillna(0)]
    x, rows = niches["created_env_steps"], niches["row"]
    axes.scatter(x, rows, s=190 if has_thumbnails else 16, c=colors, linewidths=0, zorder=3, clip_on=False)
    for niche_id, niche_x, row in zip(niches["niche_id"], x, rows, strict=True):
        if has_thumbnails:
            axes.text(
                niche_x, row, str(niche_id), color="white", fontsize=6.5, ha="center", va="center_baseline", zorder=4
            )
        else:
            offset = axes.transData + ScaledTranslation(-0.05, 0.0, axes.figure.dpi_scale_trans)
            axes.text(
                niche_x, row, str(niche_id), transform=offset, fontsize=4.5, ha="right", va="center_baseline", zorder=4
            )


def _draw_thumbnail(axes: Axes, terrain: Terrain, x: float, row: float) -> None:
    """The terrain right of its node, above its line."""
    thumbnail = make_thumbnail(terrain, _THUMBNAIL_WIDTH, _THUMBNAIL_HEIGHT)
    figure = axes.figure
    # Matplotlib's stub asks for an affine transform, but any will do.
    inches_at_node = figure.dpi_scale_trans + ScaledTranslation(x, row, axes.transData)  # type: ignore[arg-type]
    place = Affine2D().translate(0.13, 0.045) + inches_at_node
    sky = Rectangle((0.0, 0.0), _THUMBNAIL_WIDTH, _THUMBNAIL_HEIGHT, facecolor=theme.SKY, linewidth=0)
    ground = PolyCollection([thumbnail.ground], facecolor=theme.GROUND, linewidth=0)
    obstacles = PolyCollection(list(thumbnail.obstacles), facecolor=theme.OBSTACLE, linewidth=0)
    for artist in (sky, ground, obstacles):
        artist.set_transform(place)
        artist.set_zorder(2.5)
        axes.add_artist(artist)


def _legend(niches: pd.DataFrame, num_shown: int, num_transfers: int) -> list[Line2D]:
    transfers = "agent transferred (dot: where to)"
    if num_shown < num_transfers:
        transfers = f"agent transferred (dot: where to); {num_shown} of {num_transfers} transfers, busiest routes first"
    handles = [
        Line2D([], [], color=theme.UNSOLVED, linewidth=1.2, label="not solved yet"),
        Line2D([], [], color=theme.SOLVED, linewidth=1.8, label="solved once"),
        Line2D([], [], color=theme.INK, marker="|", linestyle="", markersize=7, label="retired"),
        Line2D([], [], color=theme.TRANSFER, marker="o", markersize=3, linewidth=1, label=transfers),
    ]
    for level in sorted(niches["challenge_level"].dropna().unique()):
        color, name = theme.CHALLENGE_COLORS[level], CHALLENGE_NAMES[level]
        handles.append(Line2D([], [], color=color, marker="o", linestyle="", markersize=6, label=name))
    return handles
