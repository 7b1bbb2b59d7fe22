"""Terrains: content, refusals, the way through JSON, and the courses of Gymnasium."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import Box2D
import gymnasium
import numpy as np
import pytest

from environments import ObstacleGenotype, Terrain
from environments.errors import InputError
from environments.streams import Stream

GROUND: Any = [[0.0, 1.0], [0.1, 1.5], [3.0, 1.0]]
SQUARE: Any = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


def _gymnasium_walker(seed: int, hardcore: bool) -> Any:
    env = gymnasium.make("BipedalWalker-v3", hardcore=hardcore)
    env.reset(seed=seed)
    return env


def test_a_terrain_keeps_its_own_frozen_float32_arrays() -> None:
    """Neither the caller's array nor the terrain's own can be used to change a terrain."""
    ground = np.array(GROUND)
    terrain = Terrain(ground=ground, obstacles=(np.array(SQUARE),), push=0.1)
    ground[0, 1] = 9.0
    assert 1.0 == terrain.ground[0, 1]
    assert np.float32 == terrain.ground.dtype == terrain.obstacles[0].dtype
    assert float(np.float32(0.1)) == terrain.push
    with pytest.raises(ValueError, match="read-only"):
        terrain.ground[0, 1] = 9.0
    with pytest.raises(ValueError, match="read-only"):
        terrain.obstacles[0][0, 0] = 9.0


def test_terrains_are_equal_by_content() -> None:
    """Equality and digest see every vertex, how vertices are shared among obstacles, their order, and the push."""
    triangles: Any = ([[0, 0], [1, 0], [0, 1]], [[2, 0], [3, 0], [2, 1]])
    nudged: Any = [*GROUND[:2], [3.0, np.nextafter(np.float32(1), np.float32(2))]]
    variants = [
        Terrain(GROUND),
        Terrain(GROUND, push=1.0),
        Terrain(nudged),
        Terrain(GROUND, (SQUARE,)),
        Terrain(GROUND, triangles),
        Terrain(GROUND, triangles[::-1]),
    ]
    assert len(variants) == len({terrain.digest() for terrain in variants}) == len(set(variants))
    assert Terrain(GROUND, (SQUARE,), 2.0) == Terrain(np.array(GROUND), (np.array(SQUARE),), float(np.float32(2.0)))
    assert Terrain(GROUND) != GROUND


def test_the_digest_is_the_same_on_every_machine() -> None:
    """The digest of a terrain is fixed for ever: archives store it."""
    expected = "be396ea0afd2cc63ed5e95b4f097ccc5aa6893b7f828283e45064dd2b5e40ac5"
    assert expected == Terrain(GROUND, (SQUARE,), 0.1).digest()


@pytest.mark.parametrize(
    ("ground", "complaint"),
    [
        ([[0, 0]], "at least 2 vertices, found 1"),
        ([[0, 0], [0, 1]], "strictly increasing x"),
        ([[0, 0], [1, 0], [0.5, 0]], "strictly increasing x, found 0.5 after 1.0 at vertex 2"),
        ([[0, 0], [1, float("nan")]], "finite"),
        ([[0, 0], [1e39, 0]], "finite"),
        ([[0, 0, 0], [1, 0, 0]], r"shape \(2, 3\)"),
        ([[0, 0], [1]], "list of"),
        ("abc", "list of"),
        (None, "must"),
    ],
)
def test_an_impossible_ground_is_refused(ground: Any, complaint: str) -> None:
    """A ground that no walker could walk from left to right is refused with what is wrong."""
    with pytest.raises(InputError, match=f"^ground.*{complaint}"):
        Terrain(ground)


@pytest.mark.parametrize(
    ("polygon", "complaint"),
    [
        ([[0, 0], [1, 0]], "3 to 16 vertices, found 2"),
        ([[0, 0], [1e20, 0], [1e20, 1e20]], "small enough for its area to be a float32"),
        ([[0, 0], [3e38, 0], [3e38, 3e38]], "small enough for its area to be a float32"),
        ([[np.cos(a), np.sin(a)] for a in np.arange(17) * 2 * np.pi / 17], "3 to 16 vertices, found 17"),
        ([[0, 0], [1, 0], [1, 1e-8], [0, 1e-8]], "area above 1e-06 m2"),
        ([[0, 0], [1, 0], [2, 0]], "area above 1e-06 m2"),
        ([[0, 0], [2, 0], [1, 0.5], [1, 2]], "convex"),
        ([[0, 0], [1, 1], [1, 0], [0, 1.5]], "convex"),
        ([[0, 0], [1, 0], [1, 0], [0, 1]], "convex"),
        ([[np.cos(a), np.sin(a)] for a in np.arange(5) * 4 * np.pi / 5], "convex"),
        ([[0, 0], [1, 0], [1, float("inf")]], "finite"),
    ],
    ids=["two", "wide", "huge", "seventeen", "flat", "line", "dent", "bow", "repeated", "pentagram", "infinite"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_an_impossible_obstacle_is_refused(polygon: Any, complaint: str, order: int) -> None:
    """What Box2D cannot hold, or would change into another shape, is refused in either order of vertices."""
    with pytest.raises(InputError, match=f"^obstacle 1 .*{complaint}"):
        Terrain(GROUND, (SQUARE, polygon[::order]))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("num_vertices", [3, 4, 7, 16])
def test_convex_obstacles_are_taken_in_either_order(num_vertices: int, order: int) -> None:
    """Regular polygons of 3 to 16 vertices are obstacles, clockwise or not, and keep their order."""
    angles = np.arange(num_vertices)[::order] * 2 * np.pi / num_vertices
    polygon = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert np.array_equal(polygon, Terrain(GROUND, (polygon,)).obstacles[0])


@pytest.mark.parametrize("push", [float("nan"), float("inf"), 1e39, "hard", None])
def test_an_impossible_push_is_refused(push: Any) -> None:
    """A push must be a finite number."""
    with pytest.raises(InputError, match=r"^push must be a"):
        Terrain(GROUND, push=push)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"ground": GROUND, "obstacles": []}, "keys"),
        ({"ground": GROUND, "obstacles": [], "push": 0.0, "colour": 1}, "colour"),
        ([1], "found list"),
        ({"ground": GROUND, "obstacles": 3, "push": 0.0}, "obstacles must be a list"),
        ({"ground": GROUND, "obstacles": [3], "push": 0.0}, "obstacle 0"),
    ],
)
def test_bad_json_is_refused(data: Any, complaint: str) -> None:
    """A JSON object that is no terrain is refused with what is wrong."""
    with pytest.raises(InputError, match=complaint):
        Terrain.from_json(data)


@pytest.mark.parametrize("hardcore", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_gymnasium_course_is_read_whole(seed: int, hardcore: bool) -> None:
    """Ground and obstacles have the vertices Gymnasium drew, in creation order, and survive JSON bit by bit."""
    walker = _gymnasium_walker(seed, hardcore).unwrapped
    terrain = Terrain.from_gymnasium(walker)
    drawn = np.stack([walker.terrain_x, walker.terrain_y], axis=1).astype(np.float32)
    assert np.array_equal(drawn, terrain.ground)
    assert len(walker.terrain) - 199 == len(terrain.obstacles)
    assert hardcore == bool(terrain.obstacles)
    # The first obstacle starts right behind the start pad; a stair or a pit goes on to the right.
    assert not hardcore or float(np.float32(20 * 14 / 30)) == float(terrain.obstacles[0][:, 0].min())
    assert terrain == Terrain.from_json(json.loads(json.dumps(terrain.to_json())))


def test_an_obstacle_made_again_in_box2d_is_the_same() -> None:
    """Box2D keeps the vertices, and their order, of an obstacle that was read from Gymnasium."""
    terrain = Terrain.from_gymnasium(_gymnasium_walker(3, hardcore=True))
    for polygon in terrain.obstacles:
        remade = Box2D.b2PolygonShape(vertices=polygon.tolist())
        assert np.array_equal(polygon, np.array(remade.vertices, np.float32))


def test_reading_a_gymnasium_course_changes_nothing_and_works_later_too() -> None:
    """The same terrain comes from a wrapped env, again, after steps, and from another env of the seed."""
    env = _gymnasium_walker(11, hardcore=True)
    expected = Terrain.from_gymnasium(env)
    assert expected == Terrain.from_gymnasium(env)
    for _ in range(3):
        env.step(np.full(4, 0.5, np.float32))
    assert expected == Terrain.from_gymnasium(env)
    assert expected == Terrain.from_gymnasium(_gymnasium_walker(11, hardcore=True).unwrapped)
    assert expected != Terrain.from_gymnasium(_gymnasium_walker(12, hardcore=True))


class _RecordingGenerator:
    """Gymnasium's generator, that remembers its uniform draws."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.Generator(np.random.PCG64(seed))
        self.integers, self.random = self.generator.integers, self.generator.random
        self.draws: list[float] = []

    def uniform(self, low: float, high: float) -> float:
        self.draws.append(self.generator.uniform(low, high))
        return self.draws[-1]


@pytest.mark.parametrize("hardcore", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_the_push_is_the_one_gymnasium_drew(seed: int, hardcore: bool) -> None:
    """The push of a read course is the force that ``reset`` put on the hull, as the float32 that Box2D was given."""
    walker: Any = gymnasium.make("BipedalWalker-v3", hardcore=hardcore).unwrapped
    recording = _RecordingGenerator(seed)
    walker._np_random = recording
    walker.reset()
    walker._np_random = recording.generator
    expected = float(np.float32(recording.draws[-1]))
    assert expected == Terrain.from_gymnasium(walker).push
    for num_draws in (1, 990, 20, 30_000):  # of a wrapper
        recording.generator.random(num_draws)
        recording.generator.integers(0, 9, 3, np.int32)
        walker.step(np.zeros(4, np.float32))
        assert expected == Terrain.from_gymnasium(walker).push


def test_the_push_is_that_of_the_latest_reset() -> None:
    """Another reset of the same env has another push, that of a new generator at the same place."""
    env, other = _gymnasium_walker(4, hardcore=False), _gymnasium_walker(4, hardcore=False)
    first = Terrain.from_gymnasium(env)
    env.reset()
    env.unwrapped.np_random.normal(size=5)
    other.reset()
    assert first.push != Terrain.from_gymnasium(env).push == Terrain.from_gymnasium(other).push


@pytest.mark.parametrize(
    "bits", [np.random.PCG64(1), np.random.MT19937(1), np.random.Philox(1)], ids=lambda b: type(b).__name__
)
def test_a_push_that_cannot_be_found_is_refused(bits: np.random.BitGenerator) -> None:
    """Where np_random was replaced after the reset, whatever by, one sentence says what to do."""
    walker: Any = _gymnasium_walker(4, hardcore=False).unwrapped
    walker.np_random = np.random.Generator(bits)
    with pytest.raises(InputError, match=r"^the push of this BipedalWalker cannot be found.* right after env\.reset"):
        Terrain.from_gymnasium(walker)


@pytest.mark.parametrize("env", [None, 3, gymnasium.make("CartPole-v1")], ids=["none", "number", "cartpole"])
def test_another_environment_is_refused(env: Any) -> None:
    """Only Gymnasium's walker has the terrain we read."""
    with pytest.raises(InputError, match=r"takes Gymnasium's BipedalWalker-v3"):
        Terrain.from_gymnasium(env)


def test_a_walker_that_was_not_reset_is_refused() -> None:
    """Before the first reset there is no course, and the error says what to call."""
    with pytest.raises(InputError, match=r"call env.reset"):
        Terrain.from_gymnasium(gymnasium.make("BipedalWalker-v3"))


def test_a_pickled_terrain_is_equal_and_still_frozen() -> None:
    """A terrain that went to a worker process has the same bits, and nobody can write to it there."""
    terrain = ObstacleGenotype(roughness=1.0, stump_height=(1.0, 2.0)).express(seed=3)
    copy = pickle.loads(pickle.dumps(terrain))

    assert terrain == copy
    assert not any(array.flags.writeable for array in (copy.ground, *copy.obstacles))


def test_a_polygon_that_box2d_would_refuse_is_refused() -> None:
    """Far from the origin a thin polygon's area is lost in Box2D's float32: refused here, not by an assertion there."""
    stream = Stream(5, "thin polygons")
    num_refused = 0
    for _ in range(3000):
        x, y = stream.uniform(10.0, 90.0), stream.uniform(-100.0, 100.0)
        width, height = stream.uniform(0.001, 0.5), stream.uniform(0.0005, 0.003)
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        try:
            (polygon,) = Terrain(ground=np.array(GROUND), obstacles=(np.array(corners),)).obstacles
        except InputError:
            num_refused += 1
        else:
            Box2D.b2PolygonShape(
                vertices=[tuple(map(float, vertex)) for vertex in polygon]
            )  # asserts if it is too thin

    assert 0 < num_refused < 3000


def test_the_same_ground_has_another_push():
    """All but the push is equal and shared; the push is rounded to float32, and must be a number."""
    terrain = ObstacleGenotype(roughness=1.0, stump_height=(0.4, 1.0)).express(3)

    other = terrain.with_push(0.1)

    assert replace(terrain, push=0.1) == other != terrain
    assert float(np.float32(0.1)) == other.push
    assert other.ground is terrain.ground and not other.ground.flags.writeable
    with pytest.raises(InputError, match="push must be a finite"):
        terrain.with_push(float("nan"))
