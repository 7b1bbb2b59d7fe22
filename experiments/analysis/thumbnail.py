"""A terrain drawn small, for plots and pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.terrain.constants import TERRAIN_HEIGHT
from environments.terrain.terrain import Terrain

#: Heights are drawn this many times larger than lengths, unless the course would not fit.
EXAGGERATION = 3.5
#: Where the start pad's height stands in a thumbnail, as a share of its height; obstacles and pits need about the same.
_PAD_HEIGHT = 0.52


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A course in the units of the picture, origin at the bottom left, y up.

    Attributes:
        ground: (V, 2) float64, the ground as a closed area down to the picture's bottom.
        obstacles: (V, 2) float64 each.
    """

    ground: NDArray[np.float64]
    obstacles: tuple[NDArray[np.float64], ...]


def make_thumbnail(terrain: Terrain, width: float, height: float) -> Thumbnail:
    """A whole course in a picture of this size, in any unit. Parts beyond the picture's edge are cut off."""
    left, right = float(terrain.ground[0, 0]), float(terrain.ground[-1, 0])
    x_scale = width / (right - left)
    deepest = float(np.max(np.abs(terrain.ground[:, 1] - TERRAIN_HEIGHT)))
    y_scale = min(EXAGGERATION * x_scale, 0.48 * height / deepest if deepest > 0.0 else np.inf)

    def placed(vertices: NDArray[np.float32]) -> NDArray[np.float64]:
        x = (vertices[:, 0].astype(np.float64) - left) * x_scale
        y = (vertices[:, 1].astype(np.float64) - TERRAIN_HEIGHT) * y_scale + _PAD_HEIGHT * height
        return np.column_stack([np.clip(x, 0.0, width), np.clip(y, 0.0, height)])

    ground = np.vstack([placed(terrain.ground), [[width, 0.0], [0.0, 0.0]]])
    return Thumbnail(ground, tuple(placed(polygon) for polygon in terrain.obstacles))


def thumbnail_svg(terrain: Terrain, width: int = 220, height: int = 30) -> str:
    """The thumbnail as an inline SVG element; colours are the page's classes ``ground`` and ``obstacle``."""
    thumbnail = make_thumbnail(terrain, width, height)
    ground = _path(thumbnail.ground, height)
    obstacles = "".join(_path(polygon, height) for polygon in thumbnail.obstacles)
    return (
        f'<svg class="terrain" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path class="ground" d="{ground}"/><path class="obstacle" d="{obstacles}"/></svg>'
    )


def _path(vertices: NDArray[np.float64], height: float) -> str:
    """An SVG path, y down."""
    return "M" + "L".join(f"{x:.1f} {height - y:.1f}" for x, y in vertices) + "Z"
