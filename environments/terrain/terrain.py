"""The phenotype: the arrays that every engine stands on."""

from __future__ import annotations

import copy
import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.arithmetic import exact
from environments.errors import InputError
from environments.terrain.constants import CLOUD_CORNER, INITIAL_RANDOM, MAX_POLYGON_VERTICES, MIN_POLYGON_AREA
from environments.terrain.picture import plot_terrain, terrain_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]

#: How many of the latest draws are searched for a push, which is mostly the last one.
_DRAWS_SEARCHED = (1_000, 1_000_000)
#: Draws for a cloud: its place, and two for each of five corners.
CLOUD_DRAWS = 11
#: Draws, 0..1, that are closer than this are the same: rounding moves them by 1e-15.
_SAME_DRAW = 1e-9


@dataclass(frozen=True, eq=False)
class Terrain:
    """Ground, obstacles and the push that starts an episode; immutable, equal by content.

    Attributes:
        ground: (S+1, 2) float32, metres: the vertices of the S ground edges, x strictly increasing. Read-only.
        obstacles: convex polygons in creation order, each (V, 2) float32, metres, 3 to 16 vertices in either order.
            Read-only.
        push: the horizontal force on the hull's centre during the first step, newtons; a float32 value.

    Raises:
        InputError: an array has another shape, a number is not finite, x of the ground does not increase, or a polygon
            is not convex or has an area of at most 1e-6 m2 (Box2D asserts on it).
    """

    ground: NDArray[np.float32]
    obstacles: tuple[NDArray[np.float32], ...] = ()
    push: float = 0.0

    @exact
    def __post_init__(self) -> None:
        """Copy the arrays, freeze them and check them."""
        object.__setattr__(self, "ground", _vertices("ground", self.ground))
        polygons = tuple(_vertices(f"obstacle {i}", polygon) for i, polygon in enumerate(self.obstacles))
        object.__setattr__(self, "obstacles", polygons)
        object.__setattr__(self, "push", _push(self.push))
        _check_ground(self.ground)
        for i, polygon in enumerate(polygons):
            _check_polygon(f"obstacle {i}", polygon)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickle. NumPy does not keep an array read-only."""
        self.__dict__.update(state)
        for array in (self.ground, *self.obstacles):
            array.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        """Whether every bit of the content is the same."""
        return isinstance(other, Terrain) and self._canonical_bytes() == other._canonical_bytes()

    def __hash__(self) -> int:
        """By content, in step with ``__eq__``."""
        return hash(self._canonical_bytes())

    def __repr__(self) -> str:
        """In brief: the arrays would fill a screen."""
        (first, _), (last, _) = self.ground[[0, -1]].tolist()
        return (
            f"Terrain(ground of {len(self.ground)} vertices from x = {first:.1f} m to {last:.1f} m, "
            f"{len(self.obstacles)} obstacles, push {self.push:.2f} N)"
        )

    def _repr_svg_(self) -> str:
        """The whole course, for notebooks."""
        return terrain_svg(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the whole course in true proportion, metres on both axes, with the line that has to be reached.

        Args:
            ax: axes of matplotlib to draw on; None for those of a new figure of ``pyplot``.

        Returns:
            The axes.
        """
        return plot_terrain(self, ax)

    @classmethod
    def as_made(cls, ground: NDArray[np.float32], obstacles: tuple[NDArray[np.float32], ...], push: float) -> Self:
        """A terrain that our own code has just made: the arrays are neither copied nor checked, which takes a while.

        Args:
            ground, obstacles, push: see the class; from now on the arrays are read-only.
        """
        terrain = object.__new__(cls)
        terrain.__setstate__({"ground": ground, "obstacles": obstacles, "push": float(np.float32(push))})
        return terrain

    @exact
    def with_push(self, push: float) -> Self:
        """The same ground and obstacles under another push, newtons. The arrays are shared.

        Raises:
            InputError: the push is no finite float32 number.
        """
        other = copy.copy(self)
        object.__setattr__(other, "push", _push(push))
        return other

    def digest(self) -> str:
        """SHA-256 of the content, 64 hex digits; the same on every machine."""
        return hashlib.sha256(self._canonical_bytes()).hexdigest()

    def _canonical_bytes(self) -> bytes:
        """Counts (uint32) before vertices (float32), ground first, then obstacles, then push; little-endian."""
        parts = [struct.pack("<I", len(self.obstacles))]
        for vertices in (self.ground, *self.obstacles):
            parts += [struct.pack("<I", len(vertices)), vertices.astype("<f4").tobytes()]
        return b"".join([*parts, struct.pack("<f", self.push)])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values from which ``from_json`` makes an equal terrain (a float32 is exact as a float64)."""
        return {
            "ground": self.ground.tolist(),
            "obstacles": [polygon.tolist() for polygon in self.obstacles],
            "push": self.push,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The terrain that ``to_json`` described.

        Raises:
            InputError: a key is missing or unknown, or a value is bad.
        """
        expected = {"ground", "obstacles", "push"}
        if not isinstance(data, dict) or set(data) != expected:
            found = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise InputError(f"a terrain is a JSON object with the keys {sorted(expected)}, found {found}")
        if not isinstance(data["obstacles"], list):
            raise InputError(f"obstacles must be a list of polygons, found {type(data['obstacles']).__name__}")
        return cls(ground=data["ground"], obstacles=tuple(data["obstacles"]), push=data["push"])

    @classmethod
    @exact
    def from_gymnasium(cls, env: Any) -> Self:
        """Geometry and push of a reset ``BipedalWalker-v3`` or ``BipedalWalkerHardcore-v3``, also after steps.

        The step that ``reset`` takes clears the push. But ``np_random`` drew it right after the clouds' corners, which
        the env keeps. So a copy of the generator, set back, draws them all again, even if a wrapper has drawn from it
        since (up to a million numbers).

        Args:
            env: the environment, wrapped or not.

        Raises:
            InputError: another kind of environment, one that was never reset, or one whose ``np_random`` does not lead
                back to the reset.
        """
        walker = getattr(env, "unwrapped", None)
        is_bipedal = any(
            cls_.__name__ == "BipedalWalker" and cls_.__module__.startswith("gymnasium.") for cls_ in type(walker).mro()
        )
        if walker is None or not is_bipedal:
            raise InputError(f"from_gymnasium takes Gymnasium's BipedalWalker-v3, plain or Hardcore, found {env!r}")
        if not walker.terrain:
            raise InputError("this BipedalWalker has no terrain yet: call env.reset(seed=...) before from_gymnasium")
        shapes = [body.fixtures[0].shape for body in reversed(walker.terrain)]
        edges = [shape.vertices for shape in shapes if type(shape).__name__ == "b2EdgeShape"]
        polygons = [shape.vertices for shape in shapes if type(shape).__name__ == "b2PolygonShape"]
        return cls(
            ground=np.array([edges[0][0], *(edge[1] for edge in edges)], np.float32),
            obstacles=tuple(np.array(polygon, np.float32) for polygon in polygons),
            push=_push_of(walker),
        )


def _push_of(walker: Any) -> float:
    """The force that a ``BipedalWalker``'s latest reset drew: right after the heights of its last clouds' corners."""
    generator = copy.deepcopy(walker.np_random)
    clouds = getattr(walker, "cloud_poly", [])[-2:]
    heights = np.array([[y for _, y in corners] for corners, *_ in clouds])
    bits: Any = getattr(generator, "bit_generator", None)
    for num_draws in _DRAWS_SEARCHED if hasattr(bits, "advance") and len(clouds) == 2 else ():
        bits.advance(-num_draws)
        draws = generator.random(num_draws)
        # The heights of two clouds' corners differ only by what was drawn.
        apart = draws[CLOUD_DRAWS:-1] - draws[: -1 - CLOUD_DRAWS]
        num_places = apart.size - 2 * (heights.shape[1] - 1)
        is_here = np.ones(num_places, np.bool_)
        for corner, (before, last) in enumerate(heights.T / CLOUD_CORNER):
            is_here &= np.abs(apart[2 * corner : 2 * corner + num_places] - (last - before)) < _SAME_DRAW
        if is_here.any():
            bits.advance(int(np.flatnonzero(is_here)[-1]) - num_places)
            return float(generator.uniform(-INITIAL_RANDOM, INITIAL_RANDOM))
    raise InputError(
        "the push of this BipedalWalker cannot be found, since its np_random is not the one that its reset drew from, "
        f"or has drawn more than {max(_DRAWS_SEARCHED):,} numbers since: call from_gymnasium right after env.reset()"
    )


def _vertices(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """A read-only (V, 2) float32 copy of ``values``."""
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a list of [x, y] pairs of numbers, found {values!r:.60}") from None
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"{name} must be (V, 2), a list of [x, y] pairs, found the shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} must hold finite float32 numbers, found nan or infinity")
    array.setflags(write=False)
    return array


def _push(value: float) -> float:
    """``value`` rounded to float32, as Box2D does with a force."""
    try:
        with np.errstate(over="ignore"):
            push = float(np.float32(value))
    except (TypeError, ValueError):
        raise InputError(f"push must be a number of newtons, found {value!r:.60}") from None
    if not np.isfinite(push):
        raise InputError(f"push must be a finite float32 number of newtons, found {value!r:.60}")
    return push


def _check_ground(ground: NDArray[np.float32]) -> None:
    if len(ground) < 2:
        raise InputError(f"ground must have at least 2 vertices, found {len(ground)}")
    backward = np.flatnonzero(ground[1:, 0] <= ground[:-1, 0])
    if backward.size:
        i = int(backward[0])
        raise InputError(
            f"ground must have strictly increasing x, found {ground[i + 1, 0]} after {ground[i, 0]} at vertex {i + 1}"
        )


def _check_polygon(name: str, polygon: NDArray[np.float32]) -> None:
    points: list[Point] = [(float(x), float(y)) for x, y in polygon]
    if not 3 <= len(points) <= MAX_POLYGON_VERTICES:
        raise InputError(f"{name} must have 3 to {MAX_POLYGON_VERTICES} vertices, found {len(points)}")
    area = polygon_area(points)
    with np.errstate(over="ignore", invalid="ignore"):
        area_of_box2d = box2d_area(points)
    if not (math.isfinite(area) and math.isfinite(area_of_box2d)):
        raise InputError(f"{name} must be small enough for its area to be a float32, found {polygon.tolist()}")
    if abs(area) <= MIN_POLYGON_AREA:
        raise InputError(f"{name} must have an area above {MIN_POLYGON_AREA} m2, found {abs(area)}: leave it out")
    if not _is_convex(points, 1.0 if area > 0.0 else -1.0):
        raise InputError(f"{name} must be strictly convex, found {polygon.tolist()}: split it into convex polygons")
    if area_of_box2d <= MIN_POLYGON_AREA:
        raise InputError(
            f"{name} must have an area above {MIN_POLYGON_AREA} m2 also in Box2D's float32 arithmetic, which is taken "
            f"from the origin, found {polygon.tolist()}: leave it out, or make it larger"
        )


def polygon_area(points: Sequence[Point]) -> float:
    """Signed area in m2, positive when the vertices go counter-clockwise (shoelace, about the first vertex)."""
    x0, y0 = points[0]
    doubled = 0.0
    for (xa, ya), (xb, yb) in pairwise(points[1:]):
        doubled += (xa - x0) * (yb - y0) - (xb - x0) * (ya - y0)
    return 0.5 * doubled


def box2d_area(points: Sequence[Point]) -> float:
    """The area in m2 that Box2D 2.3.0 finds for a convex polygon, and asserts to be above 1.2e-7.

    ``ComputeCentroid`` (b2PolygonShape.cpp) sums triangles from the origin to each edge, in float32, counter-clockwise
    from the rightmost, then lowest vertex: far from the origin a thin polygon's area is lost in rounding.
    """
    ordered = [(np.float32(x), np.float32(y)) for x, y in points]
    if polygon_area(points) < 0.0:
        ordered.reverse()
    first = max(range(len(ordered)), key=lambda i: (ordered[i][0], -ordered[i][1]))
    ordered = ordered[first:] + ordered[:first]
    area = np.float32(0)
    for (xa, ya), (xb, yb) in pairwise([*ordered, ordered[0]]):
        area += np.float32(0.5) * (xa * yb - ya * xb)
    return float(area)


def _is_convex(points: Sequence[Point], sign: float) -> bool:
    """Whether every vertex lies strictly on one side of every edge it is not on."""
    for a, (xa, ya) in enumerate(points):
        b = (a + 1) % len(points)
        dx, dy = points[b][0] - xa, points[b][1] - ya
        for c, (x, y) in enumerate(points):
            if c not in (a, b) and sign * (dx * (y - ya) - dy * (x - xa)) <= 0.0:
                return False
    return True


def check_terrain_index(index: NDArray[np.integer[Any]], num_terrains: int) -> None:
    """Check an index of terrains, since kernels would read outside of their arrays.

    Raises:
        InputError: there is no such terrain.
    """
    if index.size and (index.min() < 0 or index.max() >= num_terrains):
        raise InputError(
            f"terrain_index must be in 0..{num_terrains - 1} for {num_terrains} terrains, but holds "
            f"{index.min()}..{index.max()}"
        )
