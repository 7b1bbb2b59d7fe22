"""Acceptance: ``poet/BipedalWalker-v3`` and ``-Hardcore-v3`` against Gymnasium's own, bit for bit."""

from __future__ import annotations

import copy
import pickle
import warnings
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from environments.engines import engines_with_worlds
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.bipedal_walker import draw_terrain
from environments.terrain.terrain import Terrain
from environments.walker.bipedal_walker import BipedalWalkerEnv
from environments.walker.new_world import NewWorld
from environments.walker.registration import HARDCORE_ID, WALKER_ID, register_envs
from tests.environments.actors import straddling
from tests.environments.test_vector_env import assert_same_step
from tests.parity.courses import ACTORS, KINDS, course_differences, episode_differences

register_envs()
MODES = list(AutoresetMode)
HARDCORE = pytest.mark.parametrize("is_hardcore", [False, True], ids=["plain", "hardcore"])
KIND = pytest.mark.parametrize("kind", KINDS)


@KIND
def test_courses_are_gymnasiums(kind: str) -> None:
    """20 of 20 seeds (`make parity`: 200), three resets in a row: ground, obstacles, push, state of the generator."""
    assert [] == [found for seed in range(20) for found in course_differences(kind, seed)]


@KIND
def test_a_course_passes_the_checks_that_it_is_spared(kind: str) -> None:
    """What is drawn is a terrain as any other: it can be checked, stored, hashed and pickled, and cannot be changed."""
    generator = np.random.default_rng(5)
    for _ in range(20):
        terrain = draw_terrain(generator, "Hardcore" in kind)
        assert terrain == Terrain(terrain.ground, terrain.obstacles, terrain.push)
        assert terrain == Terrain.from_json(terrain.to_json()) == pickle.loads(pickle.dumps(terrain))
        for array in (terrain.ground, *terrain.obstacles):
            assert not array.flags.writeable


@KIND
@pytest.mark.parametrize("actor", ACTORS)
def test_episodes_are_gymnasiums(kind: str, actor: str) -> None:
    """Whole episodes, two in a row, made by gymnasium.make: observations, rewards, flags and infos, bit for bit."""
    seeds = range(8) if actor == "random actions" else range(2)
    assert [] == [found for seed in seeds for found in episode_differences(kind, seed, actor, 2)]


@HARDCORE
@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_check_env_has_nothing_to_say(is_hardcore: bool, render_mode: str | None) -> None:
    """Gymnasium's own checker passes the env without a single warning."""
    env = gymnasium.make(HARDCORE_ID if is_hardcore else WALKER_ID, render_mode=render_mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize(
    ("ours", "theirs"), [(WALKER_ID, "BipedalWalker-v3"), (HARDCORE_ID, "BipedalWalkerHardcore-v3")]
)
def test_it_is_registered_as_gymnasiums_is(ours: str, theirs: str) -> None:
    """Time limit, reward threshold, spaces and wrappers are those of Gymnasium's env."""
    expected, found = gymnasium.make(theirs), gymnasium.make(ours)
    for name in ("max_episode_steps", "reward_threshold", "order_enforce", "nondeterministic", "additional_wrappers"):
        assert getattr(expected.spec, name) == getattr(found.spec, name)
    assert expected.observation_space == found.observation_space
    assert expected.action_space == found.action_space
    assert str(expected).split("<BipedalWalker<")[0] == str(found).split("<BipedalWalkerEnv<")[0]
    assert found.unwrapped.hardcore == expected.unwrapped.hardcore  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", engines_with_worlds())
@pytest.mark.parametrize("mode", MODES)
def test_the_vector_env_is_gymnasiums_vector_of_gymnasiums_envs(engine: str, mode: AutoresetMode) -> None:
    """Falls, time limits and both at once, over several episodes of each world, whose courses have no further seed."""
    limit, num = 90, 4
    theirs = SyncVectorEnv([partial(_theirs, limit)] * num, autoreset_mode=mode)
    ours: Any = gymnasium.make_vec(HARDCORE_ID, num, autoreset_mode=mode, max_episode_steps=limit, engine=engine)
    assert_same_step(theirs.reset(seed=7), ours.reset(seed=7))
    stream, ends = Stream(0, "test_bipedal_walker"), set()
    observations = ours.reset(seed=[3, 14, None, 0])[0]
    assert observations.tobytes() == theirs.reset(seed=[3, 14, None, 0])[0].tobytes()
    assert theirs.np_random_seed == ours.np_random_seed == (3, 14, 9, 0)
    for _ in range(240):
        actions = np.array([[stream.uniform(-1.1, 1.1) for _ in range(4)] for _ in range(num)], np.float32)
        actions[1] = straddling(observations[1])
        expected, found = theirs.step(actions), ours.step(actions)
        assert_same_step(expected, found)
        observations, _, terminations, truncations, _ = found
        ends |= set(zip(terminations.tolist(), truncations.tolist(), strict=True))
        is_over = terminations | truncations
        if mode is AutoresetMode.DISABLED and is_over.any():
            again = [one.reset(options={"reset_mask": is_over.copy()}) for one in (theirs, ours)]
            assert_same_step(*again)
            observations = again[1][0]
    assert {(False, False), (True, False), (False, True)} <= ends
    for expected_generator, generator in zip(theirs.np_random, ours.np_random, strict=True):
        assert expected_generator.bit_generator.state == generator.bit_generator.state


def _theirs(limit: int) -> gymnasium.Env[Any, Any]:
    return NewWorld(gymnasium.make("BipedalWalkerHardcore-v3", max_episode_steps=limit))


def test_a_fall_in_the_last_step_is_also_truncated() -> None:
    """As by Gymnasium's TimeLimit: both flags, in the single env and in the vector env."""
    still = np.zeros(4, np.float32)
    env = gymnasium.make(WALKER_ID)
    env.reset(seed=1)
    length = 1
    while not env.step(still)[2]:
        length += 1
    env, envs = (
        gymnasium.make(WALKER_ID, max_episode_steps=length),
        gymnasium.make_vec(WALKER_ID, 2, max_episode_steps=length),
    )
    env.reset(seed=1)
    envs.reset(seed=[1, 1])
    for _ in range(length):
        one, many = env.step(still), envs.step(np.stack([still, still]))
    assert (-100.0, True, True) == one[1:4]
    assert [[-100.0] * 2, [True] * 2, [True] * 2] == [values.tolist() for values in many[1:4]]


@HARDCORE
def test_a_vector_env_without_a_seed_draws_courses_by_chance(is_hardcore: bool) -> None:
    """Two vector envs differ, worlds of one differ, and np_random can be given."""
    env_id = HARDCORE_ID if is_hardcore else WALKER_ID
    first, second = (gymnasium.make_vec(env_id, 2) for _ in range(2))
    first.reset()
    second.reset()
    assert 4 == len({terrain.digest() for envs in (first, second) for terrain in envs.terrains})  # type: ignore[attr-defined]
    second.np_random = tuple(np.random.default_rng(seed) for seed in (5, 6))  # type: ignore[assignment]
    assert (-1, -1) == second.np_random_seed
    second.reset()
    assert draw_terrain(np.random.default_rng(6), is_hardcore) == second.terrains[1]  # type: ignore[attr-defined]


def test_copies_begin_anew_and_vector_copies_go_on() -> None:
    """A pickled or copied single env has its settings; a copied vector env goes on as the original does."""
    env = BipedalWalkerEnv(render_mode="rgb_array", hardcore=True)
    expected, _ = env.reset(seed=4)
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert "rgb_array" == other.render_mode
        assert expected.tobytes() == other.reset(seed=4)[0].tobytes()
    envs: Any = gymnasium.make_vec(HARDCORE_ID, 3)
    envs.reset(seed=0)
    others = [pickle.loads(pickle.dumps(envs)), copy.deepcopy(envs)]
    rewards = [_rewards(one) for one in (envs, *others)]
    assert rewards[0].tobytes() == rewards[1].tobytes() == rewards[2].tobytes()


def _rewards(envs: Any) -> NDArray[np.float64]:
    actions = np.tile(np.array([1.0, -1.0, 0.5, 1.0], np.float32), (3, 1))
    return np.stack([envs.step(actions)[1] for _ in range(200)])


def test_pictures_show_the_course() -> None:
    """Single and vector env draw the same picture, and another seed gives another one."""
    env = gymnasium.make(HARDCORE_ID, render_mode="rgb_array")
    envs = gymnasium.make_vec(HARDCORE_ID, 2, render_mode="rgb_array")
    env.reset(seed=1)
    envs.reset(seed=[1, 2])
    pictures: Any = envs.render()
    assert np.array_equal(env.render(), pictures[0])
    assert not np.array_equal(*pictures)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"engine": "simdd"}, "unknown engine 'simdd': did you mean 'simd'"),
        ({"render_mode": "rgb_aray"}, "render_mode 'rgb_aray' is unknown, did you mean 'rgb_array'"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], sentence: str) -> None:
    """One sentence for the single env and for the vector env."""
    with pytest.raises(InputError, match=sentence):
        BipedalWalkerEnv(**options)
    with pytest.raises(InputError, match=sentence):
        gymnasium.make_vec(WALKER_ID, 2, **options)


def test_seeds_that_do_not_fit_are_refused() -> None:
    """Another number of seeds, and a seed that Gymnasium refuses."""
    envs: Any = gymnasium.make_vec(WALKER_ID, 2)
    with pytest.raises(InputError, match="seed must be an integer or one for each of 2 worlds, found 3"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(gymnasium.error.Error, match="Seed must be"):
        envs.reset(seed=-5)
