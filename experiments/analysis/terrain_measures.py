"""What a terrain demands of a walker, whatever its encoding: measures of the profile that a foot meets.

All of them are lengths, or ratios of lengths, of one course. None of them knows genes or the push. None is difficulty
itself: each tells one thing about the profile, and not all of them rise as a course becomes harder. With pits, which
are all equally deep, wider gaps make

* ``variation`` and ``slope_power`` fall: they count walls, and fewer wide pits fit on a course;
* ``largest_step`` stay: it is the depth;
* ``relief`` rise: more of the course is missing, though in fewer pieces;
* ``widest_hollow`` rise: it is the gap itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from environments.biped import LEG_WIDTH
from environments.terrain.constants import TERRAIN_STEP
from environments.terrain.terrain import Terrain

#: How far apart two points of a step may be, m.
REACH = TERRAIN_STEP
#: The width of a lower leg, m. No foot fits into a narrower hollow between upright walls.
FOOT_WIDTH = 0.8 * LEG_WIDTH
#: Distance between two samples of a profile, m; adjusted a little, so that a whole number of them fits. Less than
#: ``FOOT_WIDTH``, so that every pit contains a sample.
SAMPLE_SPACING = TERRAIN_STEP / 3
#: Wavelengths that separate the bands of the slope's spectrum, m. A leg is 2.3 m long, a hull 2.1 m.
BAND_EDGES = (8.0, 4.0, 2.0)
#: Bumps and hollows end within this length, m: the widest pit of Wang et al. 2019 (10 terrain steps).
RELIEF_WINDOW = 10 * TERRAIN_STEP
#: The depth from which a hollow counts in ``widest_hollow``, m: a foot that steps in does not step out.
HOLLOW_DEPTH = 0.5
#: The version of this code. Measures stored by another version mean something else.
MEASURES_VERSION = 2
_STEP_DIGITS = 5
#: Relative power below which a wave counts as rounding.
_NO_POWER = 1e-12


@dataclass(frozen=True)
class TerrainMeasures:
    """Measures of one terrain. On level ground all are 0, except two that are NaN; see above for the effect of pits.

    Attributes:
        variation: sum of all rises and falls of the walked profile over the length of the course, m/m.
        largest_step: greatest difference in height of two points of the profile that are at most ``REACH`` apart, m.
            One pit that a foot can enter sets it to the pits' depth, however wide; only higher steps exceed that.
        relief: mean height of bumps and depth of hollows that end within ``RELIEF_WINDOW``, m. A pit counts by its
            depth and its width; slopes count for nothing.
        widest_hollow: width of the widest hollow that is deeper than ``HOLLOW_DEPTH`` below what a board of
            ``RELIEF_WINDOW`` laid over it would reach down to, in whole samples, m. The space between two
            stumps is one too. Anything wider than the window is a valley and does not count.
        slope_power: mean square of the sampled slope; the sum of the four bands. An upright wall of height h adds
            h^2 / (spacing of samples * length of the course) where it is alone between two samples on level ground.
        power_over_8m, power_4_to_8m, power_2_to_4m, power_under_2m: its parts by wavelength; what has none (the net
            slope from the first sample to the last) counts as long.
        spectral_centroid: mean wave number, weighted by power, 1/m; NaN on level ground.
        spectral_entropy: how evenly power is spread over waves, from 0 (one wave) to 1 (all equal); NaN on level
            ground.
    """

    variation: float
    largest_step: float
    relief: float
    widest_hollow: float
    slope_power: float
    power_over_8m: float
    power_4_to_8m: float
    power_2_to_4m: float
    power_under_2m: float
    spectral_centroid: float
    spectral_entropy: float


@lru_cache(maxsize=4096)
def measure_terrain(terrain: Terrain) -> TerrainMeasures:
    """All measures of a terrain."""
    profile = walked_profile(terrain)
    wave_numbers, power = slope_spectrum(profile)
    bands = np.digitize(wave_numbers, [1.0 / edge for edge in BAND_EDGES], right=True)
    longest, long, short, shortest = (float(power[bands == band].sum()) for band in range(len(BAND_EDGES) + 1))
    centroid, entropy = _shape(wave_numbers, power)
    return TerrainMeasures(
        variation=total_variation(profile),
        largest_step=largest_step(profile),
        relief=relief(profile),
        widest_hollow=widest_hollow(profile),
        slope_power=float(power.sum()),
        power_over_8m=longest,
        power_4_to_8m=long,
        power_2_to_4m=short,
        power_under_2m=shortest,
        spectral_centroid=centroid,
        spectral_entropy=entropy,
    )


def walked_profile(terrain: Terrain) -> NDArray[np.float64]:
    """What a foot meets as it comes down from above: ``upper_envelope`` without cracks that no foot can enter.

    A crack is a hollow between two upright walls less than ``FOOT_WIDTH`` apart; it is filled up to the lower rim.

    Returns:
        Vertices, as in ``upper_envelope``.
    """
    profile = upper_envelope(terrain).copy()
    x, y = profile.T
    walls = np.flatnonzero(x[1:] == x[:-1])
    falls, rises = walls[y[walls + 1] < y[walls]], walls[y[walls + 1] > y[walls]]
    for i, k in zip(falls, np.searchsorted(rises, falls), strict=True):
        if k == len(rises) or x[rises[k]] - x[i] >= FOOT_WIDTH:
            continue
        rim = min(y[i], y[rises[k] + 1])
        inside = slice(i + 1, rises[k] + 1)
        y[inside] = np.maximum(y[inside], rim)
    return _distinct(profile)


def upper_envelope(terrain: Terrain) -> NDArray[np.float64]:
    """The upper outline of ground and obstacles.

    Stumps and stairs stand on it with their tops and both walls. A pit is cut into it from the inner edge of one wall
    to that of the other, down to the ground below. Parts that hang over the ends of the ground are cut off.

    Returns:
        (V, 2) vertices from left to right, m; two with the same x are the ends of a vertical wall.
    """
    ground = terrain.ground.astype(np.float64)
    first, last = ground[0, 0], ground[-1, 0]
    edges = _top_edges(terrain)
    crossings = _crossings(edges, np.hstack([ground[:-1], ground[1:]]))
    xs = np.unique(np.concatenate([ground[:, 0], edges[:, 0], edges[:, 2], crossings]))
    xs = xs[(xs >= first) & (xs <= last)]

    # Between two neighbouring places, one line is on top everywhere. The ground is the last column.
    left, right = xs[:-1, None], xs[1:, None]
    covers = (edges[:, 0] <= left) & (right <= edges[:, 2])
    slopes = (edges[:, 3] - edges[:, 1]) / (edges[:, 2] - edges[:, 0])
    ground_y = np.interp(xs, ground[:, 0], ground[:, 1])
    at_left = np.hstack([np.where(covers, edges[:, 1] + slopes * (left - edges[:, 0]), -np.inf), ground_y[:-1, None]])
    at_right = np.hstack([np.where(covers, edges[:, 3] - slopes * (edges[:, 2] - right), -np.inf), ground_y[1:, None]])
    top = np.argmax(at_left + at_right, axis=1)[:, None]

    profile = np.empty((2 * len(left), 2))
    profile[0::2] = np.hstack([left, np.take_along_axis(at_left, top, axis=1)])
    profile[1::2] = np.hstack([right, np.take_along_axis(at_right, top, axis=1)])
    return _distinct(profile)


def total_variation(profile: NDArray[np.float64]) -> float:
    """Rises and falls of a ``walked_profile`` over its length, m/m."""
    return float(np.abs(np.diff(profile[:, 1])).sum() / (profile[-1, 0] - profile[0, 0]))


def largest_step(profile: NDArray[np.float64]) -> float:
    """The greatest difference in height of two points of a ``walked_profile`` at most ``REACH`` apart, m.

    On straight pieces the difference is greatest where one of the points is a vertex, and the other one too or
    ``REACH`` away. Rounded to 0.01 mm, since float32 may round two pits of the same depth differently.
    """
    x, y = profile[:, 0], profile[:, 1]
    greatest = 0.0
    for k in range(1, len(x)):
        is_near = x[k:] - x[:-k] <= REACH
        if not is_near.any():
            break
        greatest = max(greatest, float(np.abs(y[k:] - y[:-k])[is_near].max()))
    for away in (x - REACH, x + REACH):
        is_on_course = (away >= x[0]) & (away <= x[-1])
        differences = np.abs(np.interp(away, x, y) - y)[is_on_course]
        greatest = max(greatest, float(differences.max(initial=0.0)))
    return round(greatest, _STEP_DIGITS)


def relief(profile: NDArray[np.float64]) -> float:
    """Mean difference of the closing and the opening of a ``walked_profile`` by ``RELIEF_WINDOW``, m.

    The closing fills what a window-wide board, laid on the profile, would not reach down to. The opening removes what
    such a board, pushed up from below, would not reach. Boards may hang over the ends of the course.
    """
    heights, spacing = _sampled(profile)
    reach = _window_reach(spacing)
    return float((_closing(heights, reach) + _closing(-heights, reach)).mean())


def widest_hollow(profile: NDArray[np.float64]) -> float:
    """Width of the widest hollow of a ``walked_profile``, see ``TerrainMeasures``, m."""
    heights, spacing = _sampled(profile)
    is_deep = _closing(heights, _window_reach(spacing)) - heights > HOLLOW_DEPTH
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_deep, [False]])))
    return float(spacing * (changes[1::2] - changes[::2]).max(initial=0))


def slope_spectrum(profile: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The power of the slope of a ``walked_profile`` by wave number; slopes are those between neighbouring samples.

    Returns:
        Wave numbers 0, 1/L, 2/L, ... in 1/m, where L is the length of all slopes; and the power of each, whose sum is
        the mean square slope.
    """
    heights, spacing = _sampled(profile)
    slopes = np.diff(heights) / spacing
    power: NDArray[np.float64] = np.abs(np.fft.rfft(slopes) / len(slopes)) ** 2
    # A real signal has every wave twice, except the constant and, at even length, the shortest.
    power[1 : (len(slopes) + 1) // 2] *= 2.0
    wave_numbers = np.arange(len(power)) / (len(slopes) * spacing)
    return wave_numbers, power


def _sampled(profile: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Heights at the middle of equal intervals, and the length of an interval, m.

    The middle, since walls stand on the grid of terrain steps and no sample may fall on one.
    """
    start, length = profile[0, 0], profile[-1, 0] - profile[0, 0]
    num_samples = max(2, round(length / SAMPLE_SPACING))
    spacing = length / num_samples
    places = start + (np.arange(num_samples) + 0.5) * spacing
    return np.interp(places, profile[:, 0], profile[:, 1]), float(spacing)


def _window_reach(spacing: float) -> int:
    """Samples on either side of the centre of a window with one sample more than fit into ``RELIEF_WINDOW``."""
    return int(RELIEF_WINDOW / spacing / 2) + 1


def _distinct(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """The profile without vertices that repeat the one before."""
    is_new = np.append(True, (profile[1:] != profile[:-1]).any(axis=1))
    distinct: NDArray[np.float64] = profile[is_new]
    return distinct


def _closing(heights: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """At each sample the least of the maxima of all windows of 2 * reach + 1 samples that hold it."""
    width = 2 * reach + 1
    maxima = sliding_window_view(np.pad(heights, 2 * reach, constant_values=-np.inf), width).max(axis=1)
    least: NDArray[np.float64] = sliding_window_view(maxima, width).min(axis=1)
    return least


def _shape(wave_numbers: NDArray[np.float64], power: NDArray[np.float64]) -> tuple[float, float]:
    """Centroid and entropy of a spectrum; NaN where there is no power."""
    total = float(power.sum())
    if total == 0.0:
        return math.nan, math.nan
    shares = power / total
    some = shares[shares > _NO_POWER]
    entropy = -float((some * np.log(some)).sum()) / math.log(len(shares)) if len(shares) > 1 else 0.0
    return float((wave_numbers * shares).sum()), max(0.0, entropy)


def _top_edges(terrain: Terrain) -> NDArray[np.float64]:
    """(E, 4) the upper edges of all obstacles, each from left to right: x, y, x, y."""
    edges = [np.empty((0, 4))]
    for num_vertices in sorted({len(polygon) for polygon in terrain.obstacles}):
        alike = [polygon for polygon in terrain.obstacles if len(polygon) == num_vertices]
        points = np.array(alike, np.float64)
        following = np.roll(points, -1, axis=1)
        # Twice the area about the first vertex (shoelace), above 0 counter-clockwise.
        own, other = points - points[:, :1], following - points[:, :1]
        area = (own[..., 0] * other[..., 1] - own[..., 1] * other[..., 0]).sum(axis=1)
        # Counter-clockwise, the way back to the left is on top.
        is_top = (following[..., 0] - points[..., 0]) * np.sign(area)[:, None] < 0.0
        one, two = points[is_top], following[is_top]
        is_first_left = (one[:, 0] < two[:, 0])[:, None]
        edges.append(np.where(is_first_left, np.hstack([one, two]), np.hstack([two, one])))
    return np.vstack(edges)


def _crossings(edges: NDArray[np.float64], ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where edges (E, 4) cross the ground's (S, 4) or each other, x in m."""
    one, other = edges[:, None], np.vstack([ground, edges])[None]
    left = np.maximum(one[..., 0], other[..., 0])
    right = np.minimum(one[..., 2], other[..., 2])
    e, o = np.nonzero(left < right)
    left, right = left[e, o], right[e, o]
    one, other = one[e, 0], other[0, o]
    at_left = _height(one, left) - _height(other, left)
    at_right = _height(one, right) - _height(other, right)
    is_crossing = at_left * at_right < 0.0
    left, right, at_left, at_right = (values[is_crossing] for values in (left, right, at_left, at_right))
    return left + (right - left) * at_left / (at_left - at_right)


def _height(edges: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The y of the line through each edge (E, 4) at each x (E,)."""
    share = (x - edges[:, 0]) / (edges[:, 2] - edges[:, 0])
    return edges[:, 1] + (edges[:, 3] - edges[:, 1]) * share
