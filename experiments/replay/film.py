"""The pictures of a film: the walker in its landscape below a caption."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from environments.biped import HULL
from environments.physics.constants import STEPS_PER_SECOND
from environments.terrain.terrain import Terrain
from environments.walker.draw import draw
from environments.walker.scene import Camera, Scene, WalkerPose, frame
from experiments.replay.captions import caption_of, draw_band
from experiments.replay.pairs import Pair
from experiments.replay.walk import Walk

#: Steps from one picture to the next, for 25 pictures a second, unless that makes too many.
STRIDE = 2
#: How long the last picture stays, s: it says how the episode ended.
LAST_SECONDS = 1.5

_VIEW_WIDTH = 16.0  # m
_BEHIND = 0.3  # share of it that lies behind the hull
_BAND = 0.12  # share of the height
# The hull stays between these shares of the picture's height.
_LOWEST, _HIGHEST = 0.34, 0.8


class Film:
    """The pictures of a walk.

    Args:
        pair: who walks where, for the caption.
        walk: the episode.
        size: width W and height H of a picture with its caption, pixels.
        max_pictures: a longer walk has fewer pictures a second; None for any number.

    Attributes:
        steps: after which steps there is a picture; the last one is always among them.
        seconds_apart: from one picture to the next, s; the film runs as fast as the walker.
    """

    def __init__(self, pair: Pair, walk: Walk, size: tuple[int, int], max_pictures: int | None = None) -> None:
        self._pair, self._walk = pair, walk
        self.size = size
        self._band_size = (size[0], 2 * round(_BAND * size[1] / 2))
        self._view_size = (size[0], size[1] - self._band_size[1])
        stride = STRIDE if max_pictures is None else max(STRIDE, math.ceil(walk.length / (max_pictures - 1)))
        self.steps = [*range(0, walk.length, stride), walk.length]
        self.seconds_apart = stride / STEPS_PER_SECOND

    def picture(self, step: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, RGB: the walker after a step."""
        pose = self._walk.pose(step)
        camera = _camera(self._walk.terrain, pose, self._view_size)
        view = draw(Scene(self._walk.terrain, (pose,), camera), self._view_size)
        return np.concatenate([draw_band(caption_of(self._pair, self._walk, step), self._band_size), view])

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return map(self.picture, self.steps)


def _camera(terrain: Terrain, pose: WalkerPose, size: tuple[int, int]) -> Camera:
    """The camera that follows the walker, stays within the course and never loses the walker on steep ground."""
    x, y, _ = pose.bodies[HULL].tolist()
    start, end = terrain.ground[[0, -1], 0].tolist()
    left = max(start, min(x - _BEHIND * _VIEW_WIDTH, end - _VIEW_WIDTH))
    camera = frame(terrain, left, left + _VIEW_WIDTH, size)
    height = _VIEW_WIDTH * size[1] / size[0]
    return replace(camera, bottom=min(max(camera.bottom, y - _HIGHEST * height), y - _LOWEST * height))
