"""The interface of every engine's worlds, against single episodes in Box2D."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from environments.engines import engines_with_worlds
from environments.errors import InputError
from environments.physics import layout
from environments.physics.constants import TOO_MANY_CONTACTS
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker import simd
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.episode import WalkerEpisode
from environments.walker.simd import SimdWorlds
from environments.walker.worlds import Worlds, make_worlds
from tests.environments import crowded

TERRAINS = (
    ObstacleGenotype().express(seed=0),
    ObstacleGenotype(roughness=4.0, stump_height=(0.4, 1.6), stair_height=(0.4, 1.2), stair_steps=(1, 4)).express(
        seed=1
    ),
)
INDEX = np.array([1, 0, 1, 1, 0])
#: Feet are down and no walker has fallen after so many random steps.
NUM_STEPS = 40

Rows = dict[str, NDArray[np.generic]]


def _worlds(engine: str, threads: int = 1) -> Worlds:
    return make_worlds(engine, TERRAINS, INDEX, max_steps=NUM_STEPS, threads=threads)


def _actions(stream: Stream) -> NDArray[np.float32]:
    return np.array([[stream.uniform(-1.0, 1.0) for _ in range(4)] for _ in INDEX], np.float32)


def _rows(worlds: Worlds) -> Rows:
    """Copies of everything that can be read."""
    names = ("observations", "rewards", "outcomes", "num_steps", "touching")
    return {**{name: getattr(worlds, name).copy() for name in names}, "bodies": worlds.body_state()}


def _rows_of_episodes(episodes: list[WalkerEpisode], rewards: list[float]) -> Rows:
    return {
        "observations": np.stack([episode.observation for episode in episodes]),
        "rewards": np.array(rewards),
        "outcomes": np.array([episode.outcome or GOES_ON for episode in episodes], np.int8),
        "num_steps": np.array([episode.num_steps for episode in episodes], np.int32),
        "touching": np.stack([episode.observation[[8, 13]] for episode in episodes]),
        "bodies": np.stack([episode.world.body_state() for episode in episodes]),
    }


def _assert_same(expected: Rows, found: Rows) -> None:
    for name, value in expected.items():
        assert (value.dtype, value.shape) == (found[name].dtype, found[name].shape), name
        assert value.tobytes() == found[name].tobytes(), name


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_every_world_is_an_episode_in_box2d(engine: str) -> None:
    """Whatever can be read of the worlds after reset and steps has the bits of single episodes."""
    worlds, stream = _worlds(engine, threads=2), Stream(0, "test_worlds")
    episodes = [WalkerEpisode(TERRAINS[i], NUM_STEPS) for i in INDEX]
    worlds.reset()
    _assert_same(_rows_of_episodes(episodes, [0.0] * len(episodes)), _rows(worlds))
    for _ in range(NUM_STEPS):
        actions = _actions(stream)
        rewards = [episode.step(action)[0] for episode, action in zip(episodes, actions, strict=True)]
        worlds.step(actions)
        _assert_same(_rows_of_episodes(episodes, rewards), _rows(worlds))
    assert worlds.touching.any()
    assert (worlds.outcomes != GOES_ON).all()


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_only_the_chosen_worlds_move(engine: str) -> None:
    """Rows of the others keep every bit, their actions are not read, and the buffers stay the same arrays."""
    worlds, stream = _worlds(engine), Stream(1, "test_worlds")
    worlds.reset()
    buffers = (worlds.observations, worlds.rewards, worlds.outcomes, worlds.num_steps)
    which = np.array([True, False, False, True, False])
    for _ in range(20):
        worlds.step(_actions(stream))
    for move in (
        lambda: worlds.step(np.where(which[:, np.newaxis], _actions(stream), np.float32(np.nan)), which),
        lambda: worlds.reset(which),
        lambda: worlds.step(_actions(stream), np.zeros_like(which)),
    ):
        before = _rows(worlds)
        move()
        after = _rows(worlds)
        _assert_same({name: rows[~which] for name, rows in before.items()}, {n: r[~which] for n, r in after.items()})
    assert [0, 20, 20, 0, 20] == worlds.num_steps.tolist()
    now = (worlds.observations, worlds.rewards, worlds.outcomes, worlds.num_steps)
    assert all(old is new for old, new in zip(buffers, now, strict=True))


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_a_world_that_is_broken_by_the_reset_diverges_in_its_first_step(engine: str) -> None:
    """As an episode in Box2D does, also where other worlds walked before."""
    steep = Terrain(np.array([[-1.0, -3e38], [5.2, 3.3], [90.0, 3e38]], np.float32))
    worlds = make_worlds(engine, [TERRAINS[0], steep], np.array([0, 1, 0]), max_steps=9, threads=1)
    episodes = [WalkerEpisode(terrain, 9) for terrain in (TERRAINS[0], steep, TERRAINS[0])]
    for _ in range(2):
        worlds.reset()
        assert (0.0, GOES_ON, 0) == (worlds.rewards[1], worlds.outcomes[1], worlds.num_steps[1])
        expected, found = _rows_of_episodes(episodes, [0.0] * 3), _rows(worlds)
        for name in ("observations", "rewards", "outcomes", "num_steps"):
            assert expected[name].tobytes() == found[name].tobytes(), name
        worlds.step(np.zeros((3, 4), np.float32))
        assert [GOES_ON, Outcome.DIVERGED, GOES_ON] == worlds.outcomes.tolist()
        assert ([1, 1, 1], -100.0) == (worlds.num_steps.tolist(), worlds.rewards[1])


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_a_world_that_diverges_leaves_the_others_alone(engine: str) -> None:
    """With a NaN for one world the others get the bits that they get without it; a reset makes it whole again."""
    spoiled, whole = _worlds(engine), _worlds(engine)
    stream, is_spoiled = Stream(2, "test_worlds"), np.arange(INDEX.size) == 2
    for worlds in (spoiled, whole):
        worlds.reset()
    for step in range(12):
        actions = _actions(stream)
        whole.step(actions)
        actions[2, 1] = np.nan if step == 5 else actions[2, 1]
        spoiled.step(actions, None if step <= 5 else ~is_spoiled)
        for name, rows in _rows(whole).items():
            assert rows[~is_spoiled].tobytes() == _rows(spoiled)[name][~is_spoiled].tobytes()
    assert (-100.0, 6) == (spoiled.rewards[2], spoiled.num_steps[2])
    assert np.isfinite(spoiled.observations).all()
    for worlds in (spoiled, whole):
        worlds.reset()
    _assert_same(_rows(whole), _rows(spoiled))


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_more_worlds_than_memory_are_refused(engine: str) -> None:
    """Each engine knows how much memory a world takes, and says how many there may be."""
    index = np.broadcast_to(np.int64(0), 10**9)

    with pytest.raises(InputError, match=r"^1000000000 worlds need \d+\.\d GiB of memory, .*: ask for fewer than \d+$"):
        make_worlds(engine, TERRAINS, index, max_steps=NUM_STEPS, threads=1)


@pytest.mark.parametrize("engine", engines_with_worlds())
@pytest.mark.parametrize("index", [-1, 2])
def test_a_terrain_that_is_not_there_is_refused(engine: str, index: int) -> None:
    """Otherwise kernels would read outside the table."""
    terrain = ObstacleGenotype().express(seed=0)
    with pytest.raises(InputError, match=r"terrain_index must be in 0\.\.1 for 2 terrains"):
        make_worlds(engine, [terrain, terrain], np.array([0, index]), 10, 1)


@pytest.mark.parametrize("terrain", crowded.TERRAINS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_world_with_more_contacts_than_fit_goes_on_in_box2d(terrain: Terrain, threads: int) -> None:
    """Whether it is too much at once or later, what can be read has Box2D's bits, up to the next reset and after it."""
    index = np.where(np.arange(40) % 6 == 1, 1, 0)
    ours, theirs = (
        make_worlds(engine, (TERRAINS[1], terrain), index, NUM_STEPS, threads) for engine in ("simd", "box2d")
    )
    assert isinstance(ours, SimdWorlds)
    stream, is_some = Stream(3, "test_worlds"), np.arange(40) < 12
    for which in (None, None, is_some):
        for worlds in (ours, theirs):
            worlds.reset(which)
        _assert_same(_rows(theirs), _rows(ours))
        for _ in range(12):
            actions = np.array([[stream.uniform(-1.0, 1.0) for _ in range(4)] for _ in index], np.float32)
            for worlds in (ours, theirs):
                worlds.step(actions, which)
            _assert_same(_rows(theirs), _rows(ours))
    assert set() < set(ours._in_box2d) <= set(np.flatnonzero(index))


def test_an_episode_of_any_length_can_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room for its actions grows with it, so that a walker that our physics gives up late goes on in Box2D too."""
    monkeypatch.setattr(simd, "_STEPS_AT_FIRST", 2)
    ours, theirs = (make_worlds(engine, TERRAINS, INDEX, NUM_STEPS, threads=1) for engine in ("simd", "box2d"))
    assert isinstance(ours, SimdWorlds)
    stream, is_last = Stream(4, "test_worlds"), np.arange(INDEX.size) == 4
    for worlds in (ours, theirs):
        worlds.reset()
    for step in range(20):
        if step == 11:
            for worlds in (ours, theirs):
                worlds.reset(is_last)
        if step == 16:
            ours._teams[0].state.reshape(-1, layout.WORLD_SIZE)[[2, 4], layout.FAULT] = TOO_MANY_CONTACTS
        actions = _actions(stream)
        for worlds in (ours, theirs):
            worlds.step(actions)
        _assert_same(_rows(theirs), _rows(ours))
    assert {2, 4} == set(ours._in_box2d)
    assert (20, 9) == (ours.num_steps[2], ours.num_steps[4])


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_a_far_throw_is_an_episode_in_box2d_too(engine: str) -> None:
    """A push that throws the walker out of sight gives the same steps up to the same end."""
    terrain = Terrain(TERRAINS[0].ground, push=-1e6)
    worlds = make_worlds(engine, (terrain,), np.zeros(1, np.int64), max_steps=NUM_STEPS, threads=1)
    worlds.reset()
    episode, still = WalkerEpisode(terrain, NUM_STEPS), np.zeros((1, 4), np.float32)
    while episode.outcome is None:
        reward, _ = episode.step(still[0])
        worlds.step(still)
        _assert_same(_rows_of_episodes([episode], [reward]), _rows(worlds))
