"""The kinds of terrain that parity is tested on: every gene up to its limit, cliffs, polygons, Gymnasium's own courses.

Each maker takes the case's own stream of chance. Courses are made to be met: a walker that falls at once never sees
what lies beyond the start pad, so about half of all courses begin nearer to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.biped import START_X
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.constants import (
    INITIAL_RANDOM,
    MAX_POLYGON_VERTICES,
    TERRAIN_HEIGHT,
    TERRAIN_LENGTH,
    TERRAIN_STARTPAD,
    TERRAIN_STEP,
)
from environments.terrain.genes import PIT_GAP, ROUGHNESS, STAIR_HEIGHT, STUMP_HEIGHT
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain

Heights = NDArray[np.float64]

_ALL_GENES = ObstacleSettings(obstacles=("roughness", "pit_gap", "stump_height", "stairs"))
#: Where the ground's last vertex lies, and where the start pad ends, m.
_END_X = TERRAIN_LENGTH * TERRAIN_STEP
_PAD_END_X = TERRAIN_STARTPAD * TERRAIN_STEP
#: The walker stands within this distance of its start, m.
_WALKER_REACH = 1.3


def log_uniform(stream: Stream, low: float, high: float) -> float:
    """A number from low to high, every order of magnitude as likely as every other."""
    return math.exp(stream.uniform(math.log(low), math.log(high)))


def _own_push(stream: Stream) -> float:
    """Newtons, as the env draws it."""
    return stream.uniform(-INITIAL_RANDOM, INITIAL_RANDOM)


def _push(stream: Stream) -> float:
    """The env's own; or, one in twelve, a blow that makes the walker fly, up to Box2D's greatest speed."""
    if stream.integer(0, 12):
        return _own_push(stream)
    return stream.choice((-1.0, 1.0)) * log_uniform(stream, 300.0, 30_000.0)


# Courses of the genotype.


def _interval(stream: Stream, limit: float) -> tuple[float, float]:
    """Any interval up to the limit; in every other course a smaller one, which walkers survive for longer."""
    limit = stream.choice((limit, stream.uniform(0.0, limit)))
    low = stream.uniform(0.0, limit)
    return low, stream.uniform(low, limit)


def _steps(stream: Stream) -> tuple[int, int]:
    low = stream.integer(1, 10)
    return low, stream.integer(low, 10)


def _nearer(terrain: Terrain, stream: Stream) -> Terrain:
    """The same course, moved left and to the walker's height, or as it was; with a push of ours."""
    by = stream.choice((0.0, 0.0, stream.uniform(0.0, 12.0), stream.uniform(0.0, 12.0), stream.uniform(12.0, 80.0)))
    x, y = terrain.ground[:, 0], terrain.ground[:, 1]
    rise = TERRAIN_HEIGHT - float(np.interp(START_X + by, x, y))
    move = np.array((-by, rise), np.float32)
    return Terrain(terrain.ground + move, tuple(polygon + move for polygon in terrain.obstacles), _push(stream))


def _of_genes(stream: Stream, **genes: Any) -> Terrain:
    genotype = ObstacleGenotype(**genes)
    return _nearer(genotype.express(stream.integer(0, 2**31)), stream)


def _some_roughness(stream: Stream) -> float:
    return stream.choice((0.0, stream.uniform(0.0, 1.0), stream.uniform(0.0, ROUGHNESS.limit)))


def _flat(stream: Stream) -> Terrain:
    return Terrain(ObstacleGenotype().express(0).ground, push=_push(stream))


def _rough(stream: Stream) -> Terrain:
    return _of_genes(stream, roughness=stream.uniform(0.0, ROUGHNESS.limit))


def _pits(stream: Stream) -> Terrain:
    return _of_genes(stream, roughness=_some_roughness(stream), pit_gap=_interval(stream, PIT_GAP.limit))


def _stumps(stream: Stream) -> Terrain:
    return _of_genes(stream, roughness=_some_roughness(stream), stump_height=_interval(stream, STUMP_HEIGHT.limit))


def _stairs(stream: Stream) -> Terrain:
    height = _interval(stream, STAIR_HEIGHT.limit)
    return _of_genes(stream, roughness=_some_roughness(stream), stair_height=height, stair_steps=_steps(stream))


def _mixed(stream: Stream) -> Terrain:
    return _of_genes(
        stream,
        roughness=stream.uniform(0.0, ROUGHNESS.limit),
        pit_gap=_interval(stream, PIT_GAP.limit),
        stump_height=_interval(stream, STUMP_HEIGHT.limit),
        stair_height=_interval(stream, STAIR_HEIGHT.limit),
        stair_steps=_steps(stream),
    )


def _evolved(stream: Stream) -> Terrain:
    """What mutation makes of the flat course in 1 to 25 generations: mild, as a run's terrains are."""
    genotype = ObstacleGenotype.initial(_ALL_GENES, stream)
    for _ in range(stream.integer(1, 26)):
        genotype = genotype.mutate(stream, _ALL_GENES)
    return _nearer(genotype.express(stream.integer(0, 2**31)), stream)


# Grounds of any height function.

_ACTIVATIONS: tuple[Callable[[Heights], Heights], ...] = (
    np.sin,
    np.tanh,
    np.abs,
    np.sign,
    lambda z: np.exp(-z * z),
    lambda z: np.mod(z, 1.0),
    lambda z: np.clip(z, -1.0, 1.0),
)


def _network_heights(stream: Stream, x: Heights) -> Heights:
    """A small random network of x with an activation of its own in each node, as a CPPN is."""
    layer = [x / _END_X, np.ones_like(x)]
    for _ in range(stream.integer(1, 4)):
        layer = [
            stream.choice(_ACTIVATIONS)(sum(stream.uniform(-8.0, 8.0) * value for value in layer))
            for _ in range(stream.integer(2, 5))
        ]
    return np.asarray(sum(stream.uniform(-1.0, 1.0) * value for value in layer))


def _castle_heights(stream: Stream, x: Heights) -> Heights:
    """Plateaus of random width and height, with upright cliffs between them."""
    heights: list[float] = []
    while len(heights) < x.size:
        heights += [stream.uniform()] * stream.integer(1, 15)
    return np.array(heights[: x.size])


def _wave_heights(stream: Stream, x: Heights) -> Heights:
    """Three waves of any length, cut into terraces in every other course."""
    waves = [np.sin(x / log_uniform(stream, 0.2, 10.0) + stream.uniform(0.0, 6.3)) for _ in range(3)]
    heights = sum(stream.uniform() * wave for wave in waves)
    terraces = stream.choice((0.0, 1.0, 4.0))
    return np.asarray(np.round(heights * terraces) if terraces else heights)


def _jagged_heights(stream: Stream, x: Heights) -> Heights:
    """Every vertex at a height of its own, or a random walk of such steps."""
    heights = np.array([stream.uniform(-1.0, 1.0) for _ in range(x.size)])
    return np.cumsum(heights) if stream.integer(0, 2) else heights


def _ground(stream: Stream, x: Heights, heights: Heights) -> NDArray[np.float32]:
    """(V, 2) these heights, stretched to a random span, with a start pad or with none but not above the walker."""
    span = float(np.ptp(heights))
    heights = heights * (log_uniform(stream, 0.1, 12.0) / span if span else 0.0)
    if stream.integer(0, 2):
        pad = x < _PAD_END_X
        heights = np.where(pad, 0.0, heights - heights[~pad][0] + stream.uniform(-0.5, 0.5))
    else:
        heights = heights - heights[np.abs(x - START_X) < _WALKER_REACH + TERRAIN_STEP].max()
    return np.column_stack((x, heights + TERRAIN_HEIGHT)).astype(np.float32)


_REGULAR_X: Heights = np.arange(TERRAIN_LENGTH) * TERRAIN_STEP


def _cliffs(stream: Stream) -> Terrain:
    make = stream.choice((_network_heights, _network_heights, _castle_heights, _wave_heights))
    return Terrain(_ground(stream, _REGULAR_X, make(stream, _REGULAR_X)), push=_push(stream))


def _jagged(stream: Stream) -> Terrain:
    return Terrain(_ground(stream, _REGULAR_X, _jagged_heights(stream, _REGULAR_X)), push=_push(stream))


def _irregular(stream: Stream) -> Terrain:
    """Edges of other lengths: dense, long, or a tenth of them down to a millimetre.

    Dense is as dense as the engine's room for contacts allows: a walker that a blow makes fast meets many edges a step.
    """
    kind = stream.choice(("dense", "long", "mixed"))
    length = stream.uniform(0.2, 0.4) if kind == "dense" else stream.uniform(0.5, 6.0)
    x = [-stream.uniform(0.0, 1.0)]
    while x[-1] < _END_X:
        if kind == "mixed":
            length = log_uniform(stream, 1e-3, TERRAIN_STEP) if stream.uniform() < 0.1 else stream.uniform(0.3, 1.0)
        x.append(x[-1] + length)
    make = stream.choice((_network_heights, _castle_heights, _wave_heights, _jagged_heights))
    push = _own_push(stream) if kind == "dense" else _push(stream)
    return Terrain(_ground(stream, np.array(x), make(stream, np.array(x))), push=push)


# Convex polygons.


def _polygon(stream: Stream, x: float, y: float) -> NDArray[np.float32]:
    """Vertices on an ellipse about (x, y) at random angles, counter-clockwise or clockwise."""
    num = stream.integer(3, MAX_POLYGON_VERTICES + 1)
    turn, width, height = stream.uniform(0.0, math.pi), log_uniform(stream, 0.1, 2.5), log_uniform(stream, 0.1, 2.5)
    angles = np.sort([stream.uniform(0.0, 2 * math.pi) for _ in range(num)])[:: stream.choice((1, -1))]
    along, across = width * np.cos(angles), height * np.sin(angles)
    points = (
        x + along * math.cos(turn) - across * math.sin(turn),
        y + along * math.sin(turn) + across * math.cos(turn),
    )
    return np.column_stack(points).astype(np.float32)


def _polygons(stream: Stream) -> Terrain:
    """Up to 60 convex polygons in and above a flat or rough ground, most of them on the walker's way."""
    ground = _of_genes(stream, roughness=_some_roughness(stream)).ground
    obstacles: list[NDArray[np.float32]] = []
    for _ in range(stream.integer(3, 61)):
        x = stream.choice((stream.uniform(0.0, 20.0), stream.uniform(START_X + 1.0, _END_X)))
        y = float(np.interp(x, ground[:, 0], ground[:, 1])) + stream.choice((-0.8, -0.3, 0.0, 0.3, 4.0))
        polygon = _polygon(stream, x, y)
        try:
            Terrain(ground, (polygon,))
        except InputError:  # too thin, or not convex in float32
            continue
        obstacles.append(polygon)
    return Terrain(ground, tuple(obstacles), _push(stream))


# Gymnasium's own.


def _gymnasium(stream: Stream, hardcore: bool) -> Terrain:
    env: Any = gymnasium.make("BipedalWalker-v3", hardcore=hardcore)
    env.reset(seed=stream.integer(0, 2**31))
    terrain = Terrain.from_gymnasium(env)
    env.close()
    return terrain


def _plain(stream: Stream) -> Terrain:
    return _gymnasium(stream, hardcore=False)


def _hardcore(stream: Stream) -> Terrain:
    return _gymnasium(stream, hardcore=True)


#: Every kind by its name in the report.
TERRAINS: dict[str, Callable[[Stream], Terrain]] = {
    "flat": _flat,
    "roughness": _rough,
    "pits": _pits,
    "stumps": _stumps,
    "stairs": _stairs,
    "all mixed": _mixed,
    "evolved": _evolved,
    "cliffs": _cliffs,
    "jagged": _jagged,
    "irregular": _irregular,
    "polygons": _polygons,
    "Gymnasium": _plain,
    "hardcore": _hardcore,
}
