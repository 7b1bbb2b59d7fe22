"""A whole episode in one still picture: the course in rows, the walker at several moments of its way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from environments.biped import BODIES
from environments.terrain.terrain import Terrain
from environments.walker.draw import draw
from environments.walker.scene import Camera, Scene
from experiments.files import written
from experiments.replay.captions import INK, OUTCOME_COLORS, PAPER, caption_of, draw_band, font
from experiments.replay.pairs import Pair
from experiments.replay.walk import Walk, seconds

WIDTH = 1600
_NUM_ROWS = 3
_GAP = 6  # pixels between rows
_NUM_COLORS = 192
_BAND_HEIGHT = 64
#: The walker is drawn each time it has gone this much farther, m, so that no drawing covers another.
_SPACING = 3.0
_WALKER_WIDTH = 2.3
_OPACITY = 0.62
# Room below the lowest and above the highest ground of a row, m.
_BELOW, _ABOVE = 1.5, 2.9
_LABEL_ROOM = 0.9
#: The greatest height of a row, m. On higher ground a row shows the part around its first walker, or else around its
#: left end. Ground within 16 m of the start always fits.
_TALLEST = 40.0
#: The least width of a row, m, and the least height, pixels: somebody may draw any course.
_NARROWEST, _LOWEST = 16.0, 24
_LETTERS = font(20)


def draw_strip(pair: Pair, walk: Walk) -> NDArray[np.uint8]:
    """The strip of a walk.

    Returns:
        (H, 1600, 3) uint8, RGB; H follows from how steep the course is.
    """
    ground = walk.terrain.ground
    left, right = float(ground[0, 0]), float(ground[-1, 0])
    edges = np.linspace(left, max(right, left + _NUM_ROWS * _NARROWEST), _NUM_ROWS + 1)
    steps = moments(walk)
    band = draw_band(caption_of(pair, walk, walk.length), (WIDTH, _BAND_HEIGHT))
    rows = [_draw_row(walk, steps, left, right) for left, right in pairwise(edges)]
    gap = np.full((_GAP, WIDTH, 3), PAPER, np.uint8)
    return np.concatenate([band, *(part for row in rows for part in (row, gap))][:-1])


def stack_strips(paths: Sequence[Path], output: Path) -> None:
    """Write several strips, one below the other, as one picture of few colours."""
    strips = [np.asarray(Image.open(path)) for path in paths]
    gap = np.full((4 * _GAP, WIDTH, 3), 255, np.uint8)
    stacked = np.concatenate([part for strip in strips for part in (strip, gap)][:-1])
    with written(output) as file:
        Image.fromarray(stacked).quantize(_NUM_COLORS).save(file, "PNG", optimize=True)


def moments(walk: Walk) -> list[int]:
    """The steps at which the walker is drawn: the start, each 3 m farther, and the end."""
    steps, farthest = [0], float(walk.hull_x[0])
    for step, x in enumerate(walk.hull_x.tolist()):
        if x >= farthest + _SPACING:
            steps.append(step)
            farthest = x
    left, right = _reach(walk.bodies[-1])
    reaches = {step: _reach(walk.bodies[step]) for step in steps}
    # If the end would cover another moment, only the end is drawn.
    return [*(step for step in steps if reaches[step][0] > right or reaches[step][1] < left), walk.length]


def _draw_row(walk: Walk, steps: list[int], left: float, right: float) -> NDArray[np.uint8]:
    """The course from ``left`` to ``right``, m, and the walkers on it."""
    seen = [step for step in steps if left - _WALKER_WIDTH < walk.hull_x[step] < right + _WALKER_WIDTH]
    tops = {step: float(_outline(walk.bodies[step])[:, 1].max()) for step in seen}
    low, high = _extent(walk.terrain, left, right)
    high = max([high, *(top + _LABEL_ROOM for top in tops.values())])
    if high - low > _TALLEST:
        ground = walk.terrain.ground
        middle = tops[seen[0]] if seen else float(np.interp(left, ground[:, 0], ground[:, 1]))
        low = min(max(low, middle - 0.5 * _TALLEST), high - _TALLEST)
        high = low + _TALLEST
    scale = WIDTH / (right - left)
    size = (WIDTH, max(_LOWEST, round((high - low) * scale)))
    poses = tuple(walk.pose(step, 1.0 if step == walk.length else _OPACITY, with_lidar=False) for step in seen)
    image = Image.fromarray(draw(Scene(walk.terrain, poses, Camera(left, low, right - left)), size))
    pen = ImageDraw.Draw(image)
    for step in seen:
        x = float(walk.hull_x[step])
        if left <= x < right:
            is_last = step == walk.length
            text = f"{seconds(step):.1f} s" + (f"  {walk.outcome.name}" if is_last else "")
            half = 0.5 * pen.textlength(text, _LETTERS) + _GAP
            at = min(max((x - left) * scale, half), WIDTH - half), size[1] - (tops[step] + 0.3 - low) * scale
            pen.text(at, text, OUTCOME_COLORS[walk.outcome] if is_last else INK, _LETTERS, anchor="ms")
    return np.asarray(image)


def _extent(terrain: Terrain, left: float, right: float) -> tuple[float, float]:
    """The lowest and highest y that a row shows because of its terrain, m."""
    points = np.concatenate([terrain.ground, *terrain.obstacles])
    inside = points[(points[:, 0] >= left - 1.0) & (points[:, 0] <= right + 1.0), 1]
    y = [*inside.tolist(), *np.interp([left, right], terrain.ground[:, 0], terrain.ground[:, 1]).tolist()]
    return min(y) - _BELOW, max(y) + _ABOVE


def _reach(bodies: NDArray[np.float32]) -> tuple[float, float]:
    """The lowest and highest x of a walker, m."""
    x = _outline(bodies)[:, 0]
    return float(x.min()), float(x.max())


def _outline(bodies: NDArray[np.float32]) -> NDArray[np.float64]:
    """(V, 2): the corners of all bodies of a walker, m."""
    return np.array(
        [
            (x + math.cos(angle) * u - math.sin(angle) * v, y + math.sin(angle) * u + math.cos(angle) * v)
            for spec, (x, y, angle) in zip(BODIES, bodies.tolist(), strict=True)
            for u, v in spec.vertices
        ]
    )
