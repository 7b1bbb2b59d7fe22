"""A whole terrain in true proportion: as SVG for notebooks, or on axes of matplotlib."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from environments.terrain.constants import FINISH_X, TERRAIN_STEP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from environments.terrain.terrain import Terrain

    Vertices = NDArray[np.float64]

SKY, GROUND, GROUND_EDGE, OBSTACLE, FLAG = "#edf3f8", "#a9b79f", "#5f7055", "#66745c", "#a4262c"

#: Pixels: the width of an SVG, and the most that it is high.
_WIDTH, _MOST_HEIGHT = 940.0, 420.0
#: Inches: the width of a figure, and the most that it is high.
_FIGURE_WIDTH, _MOST_FIGURE_HEIGHT = 12.0, 6.0
#: Air above the highest point and soil below the lowest, m.
_AIR, _SOIL = 4.0, 1.0
#: Height of the flag at the line that has to be reached, m.
_FLAG_HEIGHT = 2.6


def terrain_svg(terrain: Terrain) -> str:
    """The whole course as an SVG element; its title has the facts."""
    left, right, bottom, top = _bounds(terrain)
    scale = min(_WIDTH / (right - left), _MOST_HEIGHT / (top - bottom))
    width, height = scale * (right - left), scale * (top - bottom)

    def path(vertices: Vertices) -> str:
        return "M" + "L".join(f"{(x - left) * scale:.1f} {(top - y) * scale:.1f}" for x, y in vertices)

    soil = path(_soil(terrain, bottom)) + "Z"
    obstacles = "".join(path(polygon) + "Z" for polygon in _obstacles(terrain))
    flag = path(np.array(_flag(terrain)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" role="img"><title>{terrain!r}</title>'
        f'<rect width="100%" height="100%" fill="{SKY}"/><path d="{soil}" fill="{GROUND}"/>'
        f'<path d="{path(_ground(terrain))}" fill="none" stroke="{GROUND_EDGE}"/>'
        f'<path d="{obstacles}" fill="{OBSTACLE}"/>'
        f'<path d="{flag}" fill="none" stroke="{FLAG}" stroke-width="2"/></svg>'
    )


def plot_terrain(terrain: Terrain, ax: Axes | None = None) -> Axes:
    """See ``Terrain.plot``."""
    left, right, bottom, top = _bounds(terrain)
    if ax is None:
        from matplotlib import pyplot

        height = min(_FIGURE_WIDTH * (top - bottom) / (right - left) + 0.6, _MOST_FIGURE_HEIGHT)
        _, ax = pyplot.subplots(figsize=(_FIGURE_WIDTH, height), layout="constrained")
    ax.fill(*_soil(terrain, bottom).T, color=GROUND, linewidth=0)
    ax.plot(*_ground(terrain).T, color=GROUND_EDGE, linewidth=1)
    for polygon in _obstacles(terrain):
        ax.fill(*polygon.T, color=OBSTACLE, linewidth=0)
    ax.plot(*np.array(_flag(terrain)).T, color=FLAG, linewidth=1.5)
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="x, m", ylabel="y, m", facecolor=SKY, aspect="equal")
    return ax


def _bounds(terrain: Terrain) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of the picture, m."""
    heights = [float(y) for polygon in (terrain.ground, *terrain.obstacles) for _, y in polygon]
    left, right = float(terrain.ground[0, 0]), float(terrain.ground[-1, 0])
    return left, right, min(heights) - _SOIL, max(heights) + _AIR


def _ground(terrain: Terrain) -> Vertices:
    return terrain.ground.astype(np.float64)


def _obstacles(terrain: Terrain) -> Iterable[Vertices]:
    return (polygon.astype(np.float64) for polygon in terrain.obstacles)


def _soil(terrain: Terrain, bottom: float) -> Vertices:
    """The ground as a closed area down to the picture's bottom."""
    ground = _ground(terrain)
    return np.vstack([ground, [[ground[-1, 0], bottom], [ground[0, 0], bottom]]])


def _flag(terrain: Terrain) -> tuple[tuple[float, float], ...]:
    """The line that has to be reached, from the ground up; on a shorter course at its end."""
    ground = _ground(terrain)
    place = min(int(np.searchsorted(ground[:, 0], FINISH_X)), len(ground) - 1)
    x, y = min(FINISH_X, float(ground[-1, 0])), float(ground[place, 1])
    return (x, y), (x, y + _FLAG_HEIGHT), (x - 2 * TERRAIN_STEP, y + 0.8 * _FLAG_HEIGHT), (x, y + 0.6 * _FLAG_HEIGHT)
