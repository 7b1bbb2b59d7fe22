"""Grounds with more contacts than our physics has room for."""

from __future__ import annotations

import numpy as np

from environments.terrain.constants import TERRAIN_HEIGHT
from environments.terrain.terrain import Terrain


def ground(first: float, last: float) -> Terrain:
    """Flat, with a vertex each 4 mm from ``first`` to ``last``, m: a leg alone has dozens of contacts there."""
    x = np.concatenate([[0.0], np.arange(first, last, 0.004), [90.0]])
    return Terrain(np.stack([x, np.full(x.size, TERRAIN_HEIGHT)], axis=1), push=3.0)


#: Too much in the reset itself; for some walkers, and later.
TERRAINS = (ground(3.0, 8.0), ground(5.2, 9.0))
