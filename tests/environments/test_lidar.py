"""The lidar of our own against Box2D's ray cast, bit for bit."""

from __future__ import annotations

import math
import platform
import re

import numpy as np
import pytest

from environments.biped import LIDAR_RANGE, LIDAR_RAYS, NUM_RAYS
from environments.compiled import inline_kernel
from environments.physics.box2d import WalkerWorld
from environments.physics.course import Course
from environments.physics.lidar import RAYS_SIZE, cast_lidar
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain

NUM_POSITIONS = 800
TERRAINS = {
    "flat": ObstacleGenotype(),
    "rough": ObstacleGenotype(roughness=8.0),
    "pits": ObstacleGenotype(roughness=1.0, pit_gap=(0.0, 8.0)),
    "stumps": ObstacleGenotype(roughness=1.0, stump_height=(0.0, 5.0)),
    "stairs": ObstacleGenotype(roughness=1.0, stair_height=(0.0, 3.0), stair_steps=(1, 9)),
    "all": ObstacleGenotype(
        roughness=3.0, pit_gap=(0.4, 6.0), stump_height=(0.4, 3.0), stair_height=(0.0, 2.0), stair_steps=(1, 9)
    ),
}
TRIANGLES = Terrain(
    ground=np.array([[0.0, 0.0], [2.0, 3.0], [2.1, -3.0], [20.0, 0.0]], np.float32),
    obstacles=tuple(
        np.array([[x, 1.0], [x + 0.7, 1.2], [x + 0.3, 2.0 + 0.1 * x]], np.float32) for x in range(1, 19, 2)
    ),
)


@inline_kernel  # not kept on disk: the assembly of what comes from there cannot be read
def _cast(px, py, edges, polygons, rays, readings):  # type: ignore[no-untyped-def]
    cast_lidar(px, py, edges, polygons, rays, readings, 0)


def _positions(terrain: Terrain, name: str) -> np.ndarray:
    """(N, 2) float32 around ground and obstacles, some below the ground; a third exactly above or below a vertex."""
    stream = Stream(1, "test_lidar", *name.encode())
    corners = np.concatenate([terrain.ground, *terrain.obstacles]).tolist()
    positions = []
    for _ in range(NUM_POSITIONS):
        x, y = stream.choice(corners)
        aside = stream.choice([0.0, stream.uniform(-3.0, 3.0), stream.uniform(-3.0, 3.0)])
        positions.append((x + aside, y + stream.uniform(-2.0, 6.0)))
    return np.array(positions, np.float32)


@pytest.mark.parametrize("name", [*TERRAINS, "triangles"])
def test_lidar_gives_box2ds_nearest_hit(name: str) -> None:
    """Each of the ten readings has the bits of Box2D's nearest hit, above, between and below ground and obstacles."""
    terrain = TERRAINS[name].express(seed=3) if name in TERRAINS else TRIANGLES
    world = WalkerWorld(terrain)
    rays = np.full(RAYS_SIZE, np.nan, np.float32)
    for x, y in _positions(terrain, name):
        start = (float(x), float(y))
        expected = [world.cast_ray(start, (start[0] + dx, start[1] + dy)) for dx, dy in LIDAR_RAYS]
        readings = np.full(NUM_RAYS, np.nan, np.float32)
        cast_lidar(x, y, world.course.edges, world.course.polygons, rays, readings, 0)
        assert np.array(expected, np.float32).tobytes() == readings.tobytes(), f"at {start}"


def test_the_fan_of_rays_is_gymnasiums() -> None:
    """The written-out ray ends are ``sin`` and ``-cos`` of 1.5 i / 10, times the range."""
    for i, (x, y) in enumerate(LIDAR_RAYS):
        assert math.isclose(math.sin(1.5 * i / 10.0) * LIDAR_RANGE, x, rel_tol=1e-15)
        assert math.isclose(-math.cos(1.5 * i / 10.0) * LIDAR_RANGE, y, rel_tol=1e-15)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 assembly")
def test_rays_are_cast_in_whole_vectors() -> None:
    """No ray is divided by itself: the loops over rays are packed."""
    course = Course.of([TRIANGLES])
    rays, readings = np.empty(RAYS_SIZE, np.float32), np.empty(NUM_RAYS, np.float32)
    _cast(np.float32(1.0), np.float32(5.0), course.edges, course.polygons, rays, readings)

    (assembly,) = _cast.inspect_asm().values()  # type: ignore[attr-defined]

    assert re.search(r"\bv?divps\b", assembly)
    assert not re.search(r"\bv?divss\b", assembly)
