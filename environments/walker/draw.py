"""Pixels from a ``Scene``: pure functions on pygame surfaces, without a display and without Gymnasium.

Everything is drawn at twice the size and scaled down, which smooths all edges. pygame is imported when the first
picture is drawn.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.biped import BODIES, HULL, JOINTS, LIDAR_RANGE
from environments.terrain.constants import FINISH_X, PIT_DEPTH, TERRAIN_STEP
from environments.terrain.terrain import Terrain
from environments.walker.scene import DEFAULT_SIZE, Scene, WalkerPose

Color = tuple[int, int, int]
Point = tuple[float, float]

_SUPERSAMPLING = 2

SKY_TOP: Color = (190, 212, 230)
SKY_BOTTOM: Color = (245, 245, 238)
#: Far hills, then near ones.
HILLS: tuple[Color, Color] = ((214, 225, 226), (197, 213, 211))
TURF: Color = (120, 152, 86)
#: Layers of soil: where each begins below the ground, m, and its colour.
SOIL: tuple[tuple[float, Color], ...] = (
    (0.2, (142, 122, 98)),
    (0.5, (128, 109, 87)),
    (1.1, (115, 97, 78)),
    (2.0, (103, 87, 70)),
)
STONE: Color = (160, 157, 149)
OUTLINE: Color = (50, 52, 57)
RULER: Color = (214, 203, 184)
LIDAR: Color = (216, 52, 48)
HULL_COLOR: Color = (86, 112, 164)
NEAR_LEG: Color = (232, 168, 96)
FAR_LEG: Color = (176, 122, 76)
JOINT: Color = (246, 240, 226)
START_FLAG: Color = (208, 88, 64)
FINISH_FLAG: tuple[Color, Color] = ((246, 246, 242), (48, 50, 54))

#: x of the start's flag, m (Gymnasium's).
START_FLAG_X = TERRAIN_STEP * 3
#: Bodies and their colours, farthest first: leg 1, hull, leg 2.
_PAINT_ORDER = ((2, FAR_LEG), (1, FAR_LEG), (HULL, HULL_COLOR), (4, NEAR_LEG), (3, NEAR_LEG))
_LINE = 0.05  # thickness of outlines, m
_PIT_DROP = 0.8 * PIT_DEPTH * TERRAIN_STEP  # m: a steeper fall from one vertex to the next is a pit
_LONGEST_PIT = 16  # vertices: the widest gap, 10 steps, and its walls
_RULER_STEP = 5  # m
# Pixels beyond the picture at which drawing is cut off, since pygame fills each row of a cliff.
_OUTSIDE = 20_000


def draw(scene: Scene, size: tuple[int, int] = DEFAULT_SIZE) -> NDArray[np.uint8]:
    """The picture of a scene.

    Args:
        scene: what to draw.
        size: width W and height H, pixels.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    pygame = import_pygame()
    canvas = _Canvas(scene, size)
    _draw_sky(canvas)
    _draw_ground(canvas, scene.terrain)
    for polygon in scene.terrain.obstacles:
        canvas.polygon(polygon, STONE, outline=OUTLINE)
    _draw_ruler(canvas, scene.terrain)
    _draw_start_flag(canvas, scene.terrain)
    _draw_finish_flag(canvas, scene.terrain)
    for pose in scene.poses:
        _draw_walker(canvas, pose)
    picture = pygame.transform.smoothscale(canvas.surface, size)
    pixels = np.frombuffer(pygame.image.tobytes(picture, "RGB"), np.uint8)
    return pixels.reshape(size[1], size[0], 3).copy()


def import_pygame() -> ModuleType:
    """pygame, without its greeting on the standard output."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return importlib.import_module("pygame")


class _Canvas:
    """A surface that takes metres."""

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        self.pygame = pygame = import_pygame()
        self.width, self.height = size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING
        self.camera = scene.camera
        self.pixels_per_metre = self.width / scene.camera.width
        self.surface = pygame.Surface((self.width, self.height), 0, 32)

    @property
    def right(self) -> float:
        return self.camera.left + self.camera.width

    def length(self, metres: float) -> int:
        return max(1, round(metres * self.pixels_per_metre))

    def pixel(self, point: Sequence[float] | NDArray[np.floating[Any]]) -> Point:
        x = (float(point[0]) - self.camera.left) * self.pixels_per_metre
        y = (float(point[1]) - self.camera.bottom) * self.pixels_per_metre
        return x, min(max(self.height - y, -_OUTSIDE), self.height + _OUTSIDE)

    def polygon(self, points: Iterable[Any], color: Color, outline: Color | None = None) -> None:
        pixels = [self.pixel(point) for point in points]
        if max(x for x, _ in pixels) < 0 or min(x for x, _ in pixels) > self.width:
            return
        self.pygame.draw.polygon(self.surface, color, pixels)
        if outline is not None:
            self._path([*pixels, pixels[0]], outline, _LINE)

    def path(self, points: Iterable[Any], color: Color, thickness: float) -> None:
        self._path([self.pixel(point) for point in points], color, thickness)

    def _path(self, pixels: list[Point], color: Color, thickness: float) -> None:
        """Straight pieces with round corners; ``thickness`` in m."""
        width = self.length(thickness)
        for start, end in pairwise(pixels):
            self.pygame.draw.line(self.surface, color, start, end, width)
        for pixel in pixels:
            self.pygame.draw.circle(self.surface, color, pixel, width / 2)

    def paint_above(self, line: NDArray[np.float64], picture: Any) -> None:
        """Paint ``picture`` above a line (V, 2) from left to right, m."""
        mask = self.pygame.Surface((self.width, self.height), self.pygame.SRCALPHA, 32)
        pixels = [self.pixel(point) for point in line]
        corners = [(pixels[-1][0], -1.0), (pixels[0][0], -1.0)]
        self.pygame.draw.polygon(mask, (255, 255, 255, 255), [*pixels, *corners])
        mask.blit(picture, (0, 0), special_flags=self.pygame.BLEND_RGBA_MULT)
        self.surface.blit(mask, (0, 0))

    def disc(self, centre: Any, radius: float, color: Color, outline: Color | None = None) -> None:
        if outline is not None:
            self.disc(centre, radius + _LINE, outline)
        self.pygame.draw.circle(self.surface, color, self.pixel(centre), radius * self.pixels_per_metre)

    @contextmanager
    def faded(self, opacity: float) -> Iterator[None]:
        """A block whose drawings are transparent if ``opacity`` is below 1."""
        if opacity >= 1.0:
            yield
            return
        base = self.surface
        self.surface = self.pygame.Surface((self.width, self.height), self.pygame.SRCALPHA, 32)
        yield
        self.surface.set_alpha(round(255 * opacity))
        base.blit(self.surface, (0, 0))
        self.surface = base


def _draw_sky(canvas: _Canvas) -> None:
    down = np.linspace(0.0, 1.0, canvas.height)[np.newaxis, :, np.newaxis]
    colors = np.array(SKY_TOP) * (1.0 - down) + np.array(SKY_BOTTOM) * down
    column = canvas.pygame.Surface((1, canvas.height), 0, 32)
    canvas.pygame.surfarray.blit_array(column, colors.round().astype(np.uint8))
    canvas.pygame.transform.scale(column, (canvas.width, canvas.height), canvas.surface)
    # Hills move more slowly than the ground, which shows that the walker moves even on flat ground.
    share = np.linspace(0.0, 1.0, 61)
    for distance, (color, speed, base) in enumerate(zip(HILLS, (0.15, 0.35), (0.47, 0.38), strict=True)):
        x = share * canvas.camera.width + speed * canvas.camera.left + 17.0 * distance
        height = base + 0.05 * np.sin(0.31 * x) + 0.03 * np.sin(0.73 * x + 1.0)
        top = list(zip(share * canvas.width, (1.0 - height) * canvas.height, strict=True))
        corners = [(float(canvas.width), float(canvas.height)), (0.0, float(canvas.height))]
        canvas.pygame.draw.polygon(canvas.surface, color, [*top, *corners])


def _draw_ground(canvas: _Canvas, terrain: Terrain) -> None:
    """Turf, layers of soil down to the bottom, the air in the pits, and the line that the walker feels."""
    ground = terrain.ground
    is_seen = np.flatnonzero((ground[:, 0] > canvas.camera.left - 1.0) & (ground[:, 0] < canvas.right + 1.0))
    if not is_seen.size:
        return
    first, end = max(0, is_seen[0] - 1), is_seen[-1] + 2
    line = ground[first:end].astype(float)
    bottom = min(canvas.camera.bottom, float(line[:, 1].min())) - 1.0
    air = canvas.surface.copy()
    surface = _without_pits(ground[first : end + _LONGEST_PIT].astype(float))
    for depth, color in ((0.0, TURF), *SOIL):
        points = [(x, y - depth) for x, y in surface]
        canvas.polygon([*points, (surface[-1][0], bottom), (surface[0][0], bottom)], color)
    canvas.paint_above(line, air)
    canvas.path(line, OUTLINE, _LINE)


def _without_pits(line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The ground line without pits: soil has layers that a pit cuts and a descent does not."""
    kept, up_again = [line[0]], 0
    for i, point in enumerate(line[1:], 1):
        if i >= up_again and kept[-1][1] - point[1] > _PIT_DROP:
            ends = np.flatnonzero(kept[-1][1] - line[i : i + _LONGEST_PIT, 1] <= _PIT_DROP)
            is_cut_off = i + _LONGEST_PIT >= len(line)
            up_again = i + int(ends[0]) if ends.size else len(line) if is_cut_off else i
        if i >= up_again:
            kept.append(point)
    return kept


def _draw_ruler(canvas: _Canvas, terrain: Terrain) -> None:
    """A tick with its x, m, every five metres of ground, along the lower edge."""
    font = canvas.pygame.font
    font.init()
    letters = font.Font(None, canvas.length(0.55))
    start = max(float(terrain.ground[0, 0]), canvas.camera.left)
    end = min(float(terrain.ground[-1, 0]), canvas.right)
    for x in range(math.ceil(start / _RULER_STEP) * _RULER_STEP, math.floor(end) + 1, _RULER_STEP):
        at, bottom = canvas.pixel((x, canvas.camera.bottom))
        canvas.path([(x, canvas.camera.bottom), (x, canvas.camera.bottom + 0.2)], RULER, _LINE)
        label = letters.render(f"{x} m", True, RULER)
        left = max(canvas.length(0.1), at - label.get_width() / 2)
        canvas.surface.blit(label, (left, bottom - canvas.length(0.32) - label.get_height()))


def _draw_start_flag(canvas: _Canvas, terrain: Terrain) -> None:
    x, y = START_FLAG_X, _ground_height(terrain, START_FLAG_X)
    canvas.path([(x, y), (x, y + 1.75)], OUTLINE, _LINE)
    canvas.polygon([(x, y + 1.72), (x, y + 1.22), (x + 0.85, y + 1.47)], START_FLAG, outline=OUTLINE)


def _draw_finish_flag(canvas: _Canvas, terrain: Terrain) -> None:
    """A chequered flag; the episode is finished when the hull's origin is beyond its pole."""
    x, y, cell = FINISH_X, _ground_height(terrain, FINISH_X), 0.22
    canvas.path([(x, y), (x, y + 2.6)], OUTLINE, _LINE)
    for column in range(5):
        for row in range(4):
            left, top = x + column * cell, y + 2.6 - row * cell
            corners = [(left, top), (left + cell, top), (left + cell, top - cell), (left, top - cell)]
            canvas.polygon(corners, FINISH_FLAG[(column + row) % 2])


def _ground_height(terrain: Terrain, x: float) -> float:
    return float(np.interp(x, terrain.ground[:, 0], terrain.ground[:, 1]))


def _draw_walker(canvas: _Canvas, pose: WalkerPose) -> None:
    if pose.lidar is not None:
        with canvas.faded(0.7 * pose.opacity):
            _draw_lidar(canvas, pose.bodies[HULL, :2], pose.lidar)
    with canvas.faded(pose.opacity):
        _draw_bodies(canvas, pose)


def _draw_lidar(canvas: _Canvas, start: NDArray[np.floating[Any]], ends: NDArray[np.floating[Any]]) -> None:
    """Thin red rays, each with a dot where it meets something."""
    for end in ends:
        canvas.path([start, end], LIDAR, 0.03)
        if math.dist(start, end) < 0.999 * LIDAR_RANGE:
            canvas.disc(end, 0.07, LIDAR)


def _draw_bodies(canvas: _Canvas, pose: WalkerPose) -> None:
    for body, color in _PAINT_ORDER:
        canvas.polygon([_world_point(pose, body, vertex) for vertex in BODIES[body].vertices], color, outline=OUTLINE)
        for joint in JOINTS:
            if body in (joint.body_a, joint.body_b):
                canvas.disc(_world_point(pose, joint.body_a, joint.anchor_a), 0.06, JOINT, outline=OUTLINE)


def _world_point(pose: WalkerPose, body: int, point: Point) -> Point:
    """A point of a body's frame in the world, m."""
    x, y, angle = (float(number) for number in pose.bodies[body])
    cosine, sine = math.cos(angle), math.sin(angle)
    return x + cosine * point[0] - sine * point[1], y + sine * point[0] + cosine * point[1]
