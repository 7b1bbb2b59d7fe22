"""A course while it is being laid, from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from environments.terrain.constants import MIN_OBSTACLE_HEIGHT, MIN_POLYGON_AREA, TERRAIN_HEIGHT, TERRAIN_STEP
from environments.terrain.terrain import box2d_area

if TYPE_CHECKING:
    from environments.streams import Stream

Point = tuple[float, float]


@dataclass
class Course:
    """What has been laid so far, metres.

    Attributes:
        stream: every draw comes from it.
        genes: the value of every gene by its name.
        y: height of the ground.
        velocity: of the random walk that the ground is.
        ground: its vertices from left to right.
        obstacles: the corners of each, in order of creation.
    """

    stream: Stream
    genes: Mapping[str, Any]
    y: float = TERRAIN_HEIGHT
    velocity: float = 0.0
    ground: list[Point] = field(default_factory=list)
    obstacles: list[list[Point]] = field(default_factory=list)

    @property
    def x(self) -> float:
        """Where the next vertex lies."""
        return len(self.ground) * TERRAIN_STEP

    def add_vertex(self, y: float) -> None:
        """Go on with the ground to that height."""
        self.ground.append((self.x, y))

    def add_rectangle(self, left: float, top: float, width: float, height: float) -> None:
        """Put an obstacle there, unless it is too low to matter or would make Box2D assert."""
        right, bottom = left + width, top - height
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        if height >= MIN_OBSTACLE_HEIGHT and box2d_area(corners) > MIN_POLYGON_AREA:
            self.obstacles.append(corners)
