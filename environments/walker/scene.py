"""What a picture of the walker shows: terrain, poses and the part of the course that is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.biped import HULL, LIDAR_RAYS, NUM_BODY_OBSERVATIONS
from environments.terrain.constants import SCALE
from environments.terrain.terrain import Terrain

#: Width and height of a picture, pixels (Gymnasium's viewport).
DEFAULT_SIZE = (600, 400)
#: Share of the picture's width that lies behind the hull, and share of its height that lies below the ground.
_BEHIND, _BELOW = 0.3, 0.25
_NUM_GROUND_SAMPLES = 81


@dataclass(frozen=True, eq=False)
class WalkerPose:
    """Where a walker's bodies are.

    Attributes:
        bodies: (5, 3) float: x (m), y (m), angle (rad) of each body's origin, in the order of ``biped.BODIES``.
        lidar: (10, 2) float: where each ray ends, m; None: rays are not drawn.
        opacity: 1 is solid, smaller numbers fade.
    """

    bodies: NDArray[np.floating[Any]]
    lidar: NDArray[np.floating[Any]] | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Camera:
    """The part of the course that fills a picture.

    Attributes:
        left, bottom: of the picture, m.
        width: of the picture, m; its height follows from its shape.
    """

    left: float
    bottom: float = 0.0
    width: float = DEFAULT_SIZE[0] / SCALE


@dataclass(frozen=True, eq=False)
class Scene:
    """What ``draw`` draws.

    Attributes:
        terrain: the course.
        poses: the walkers, farthest first.
        camera: what is seen.
    """

    terrain: Terrain
    poses: tuple[WalkerPose, ...]
    camera: Camera


def pose_of(
    bodies: NDArray[np.floating[Any]], observation: NDArray[np.float32] | None = None, opacity: float = 1.0
) -> WalkerPose:
    """A pose from an engine's numbers.

    Args:
        bodies: (5, 3) or wider, such as ``WalkerWorld.body_state``: x, y, angle of each body come first.
        observation: (24,), whose lidar readings are drawn; None: no rays.
        opacity: see ``WalkerPose``.
    """
    lidar = None
    if observation is not None:
        fractions = observation[NUM_BODY_OBSERVATIONS:, np.newaxis]
        lidar = bodies[HULL, :2] + fractions * np.array(LIDAR_RAYS)
    return WalkerPose(bodies[:, :3], lidar, opacity)


def follow(terrain: Terrain, pose: WalkerPose, size: tuple[int, int] = DEFAULT_SIZE) -> Camera:
    """The camera that goes with a walker; it rises and sinks smoothly with the ground that is in view.

    Args:
        terrain: the course.
        pose: of the walker.
        size: width and height of the picture, pixels; 30 pixels show a metre.
    """
    width = size[0] / SCALE
    left = float(pose.bodies[HULL, 0]) - _BEHIND * width
    return frame(terrain, left, left + width, size)


def frame(terrain: Terrain, left: float, right: float, size: tuple[int, int] = DEFAULT_SIZE) -> Camera:
    """The camera that shows the course from ``left`` to ``right``, m, with the ground at a quarter of the height.

    Args:
        terrain: the course.
        left, right: m.
        size: width and height of the picture, pixels.
    """
    width = right - left
    x = np.linspace(left, right, _NUM_GROUND_SAMPLES)
    heights = np.interp(x, terrain.ground[:, 0], terrain.ground[:, 1])
    # Ground at the picture's edges has no weight, so the camera never jumps.
    weights = np.minimum(x - left, right - x)
    level = float(np.average(heights, weights=weights))
    return Camera(left, level - _BELOW * width * size[1] / size[0], width)
