"""Slow twins of the measures of terrains: obviously right, by loops and definitions."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from itertools import pairwise

from environments.terrain.terrain import Terrain

Points = Sequence[tuple[float, float]]


def naive_height(terrain: Terrain, x: float) -> float:
    """The highest point of ground and obstacles above ``x``, which is the x of no vertex."""
    return max(_highest(shape.tolist(), x, is_closed) for shape, is_closed in _shapes(terrain))


def _shapes(terrain: Terrain):
    return [(terrain.ground, False), *((polygon, True) for polygon in terrain.obstacles)]


def _highest(points: Points, x: float, is_closed: bool) -> float:
    """The highest crossing of the vertical line at ``x`` with the sides of a shape; -inf where it passes by."""
    ends = [*points[1:], points[0]] if is_closed else points[1:]
    crossings = [
        ya + (yb - ya) * (x - xa) / (xb - xa)
        for (xa, ya), (xb, yb) in zip(points, ends, strict=False)
        if min(xa, xb) < x < max(xa, xb)
    ]
    return max(crossings, default=-math.inf)


def naive_on(profile: Points, x: float) -> list[float]:
    """Every height that a profile has at ``x``: two or more on a wall."""
    heights = []
    for (xa, ya), (xb, yb) in pairwise(profile):
        if xa == xb == x:
            heights += [ya, yb]
        elif xa <= x <= xb and xa != xb:
            heights.append(ya + (yb - ya) * (x - xa) / (xb - xa))
    return heights


def naive_largest_step(profile: Points, reach: float) -> float:
    """Over all pairs of places that are vertices, or ``reach`` from one."""
    places = {x + shift for x, _ in profile for shift in (-reach, 0.0, reach)}
    heights = [(x, y) for x in sorted(places) for y in naive_on(profile, x)]
    return max(abs(ya - yb) for xa, ya in heights for xb, yb in heights if abs(xa - xb) <= reach + 1e-12)


def naive_relief(heights: Sequence[float], reach: int) -> float:
    """Mean of closing minus opening, window by window; windows may hang over the ends."""
    total = 0.0
    for i in range(len(heights)):
        windows = [
            [heights[k] for k in range(center - reach, center + reach + 1) if 0 <= k < len(heights)]
            for center in range(i - reach, i + reach + 1)
        ]
        total += min(map(max, windows)) - max(map(min, windows))
    return total / len(heights)


def naive_power(slopes: Sequence[float]) -> list[float]:
    """The power of each wave number 0, 1, ... of a real signal, by the definition of the Fourier transform."""
    n = len(slopes)
    waves = [
        abs(sum(s * cmath.exp(-2j * math.pi * k * i / n) for i, s in enumerate(slopes)) / n) ** 2 for k in range(n)
    ]
    return [waves[k] + (waves[n - k] if 0 < k < n - k else 0.0) for k in range(n // 2 + 1)]
