"""Copied, pickled and forked envs go on independently with the same bits, or say why they cannot be copied."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from environments import make_vec_env
from environments.engines import ENGINES
from environments.errors import InputError
from environments.physics.box2d import WalkerWorld
from environments.physics.islands import Islands
from environments.physics.step import Scratch
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.env import BipedalTerrainEnv
from environments.walker.episode import WalkerEpisode
from tests.environments import crowded

ROUGH = ObstacleGenotype(roughness=1.2).express(seed=7)


def _pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


WAYS = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, _pickled], ids=["copy", "deepcopy", "pickle"])


def _walk(envs: Any, num_steps: int) -> bytes:
    """The observations of so many steps with random actions."""
    stream, seen = Stream(0, "test_copies"), b""
    for _ in range(num_steps):
        actions = np.array([stream.uniform(-1.0, 1.0) for _ in range(4 * envs.num_envs)], np.float32)
        seen += envs.step(actions.reshape(-1, 4))[0].tobytes()
    return seen


@pytest.mark.parametrize("num_envs", [1, 8, 64])
@WAYS
def test_a_copy_walks_on_with_the_same_bits(copied: Callable[[Any], Any], num_envs: int) -> None:
    """Whatever its size, in the middle of episodes and before the first; the original does not feel it, nor it the
    original."""
    envs = make_vec_env(ROUGH, num_envs, threads=2)
    early = copied(envs)
    envs.reset()
    _walk(envs, 2)
    others = [copied(envs), copied(envs)]
    expected = _walk(envs, 15)
    assert [expected, expected] == [_walk(other, 15) for other in others]
    early.reset()
    _walk(early, 2)
    assert expected == _walk(early, 15)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("num_envs", [3, 34])
def test_a_copy_walks_on_where_worlds_go_on_in_box2d(num_envs: int, mode: AutoresetMode) -> None:
    """All that can be seen of it and of the original is Box2D's, in the middle of episodes, at their end, after it."""
    terrains = [*[ROUGH] * (num_envs - 2), *crowded.TERRAINS]
    envs, theirs = (
        make_vec_env(terrains, num_envs, engine=engine, threads=2, max_steps=9, autoreset_mode=mode)
        for engine in ("simd", "box2d")
    )
    stream, all_envs, num_in_box2d = Stream(1, "test_copies"), [theirs, envs], 0
    for each in all_envs:
        each.reset()
    for step in range(16):
        if step in (0, 4, 8, 9, 13):
            num_in_box2d += len(envs._worlds._in_box2d)  # type: ignore[union-attr]
            all_envs = [theirs, envs, copy.deepcopy(envs), _pickled(all_envs[-1])]
        numbers = [stream.uniform(-1.0, 1.0) for _ in range(4 * num_envs)]
        actions = np.array(numbers, np.float32).reshape(-1, 4)
        seen = [each.step(actions) for each in all_envs]
        if mode is AutoresetMode.DISABLED and (is_over := seen[0][2] | seen[0][3]).any():
            seen += [each.reset(options={"reset_mask": is_over}) for each in all_envs]
        told = [pickle.dumps([*map(np.asarray, one[:-1]), repr(one[-1])]) for one in seen]
        assert len(set(told)) == len(seen) // len(all_envs)
        poses = [(each._worlds.body_state(), each._worlds.touching) for each in all_envs]  # type: ignore[union-attr]
        assert 1 == len({bodies.tobytes() + feet.tobytes() for bodies, feet in poses})
    assert num_in_box2d > 0


def test_many_worlds_are_copied_in_both_places() -> None:
    """600 worlds on several threads, copied and pickled."""
    envs = make_vec_env(ROUGH, 600, threads=3)
    envs.reset()
    others = [copy.deepcopy(envs), _pickled(envs)]
    expected = _walk(envs, 4)
    assert [expected, expected] == [_walk(other, 4) for other in others]


def test_memory_that_is_seen_in_two_ways_stays_so_in_a_copy() -> None:
    """Impacts keep one memory as float32 and as int32: a copy's two arrays are one memory again, where a vector
    begins."""
    for islands in (copy.deepcopy(Islands.empty()), _pickled(Scratch.empty(5)).islands):
        assert np.shares_memory(islands.packs, islands.bits)
        assert 0 == islands.packs.ctypes.data % 64


@WAYS
def test_an_episode_in_box2d_is_not_copied(copied: Callable[[Any], Any]) -> None:
    """Before the first reset a copy is a new env; after it one sentence says what to do instead."""
    envs = make_vec_env(ROUGH, 2, engine="box2d")
    other = copied(envs)
    assert envs.reset()[0].tobytes() == other.reset()[0].tobytes()
    for thing in (envs, WalkerEpisode(ROUGH), WalkerWorld(ROUGH)):
        with pytest.raises(InputError, match=r'^an episode in Box2D .* cannot be copied: .* or use the engine "simd"'):
            copied(thing)


@WAYS
def test_a_copied_single_env_begins_anew_on_the_same_terrain(copied: Callable[[Any], Any]) -> None:
    """Also where the terrain was set after the env was made; render mode and time limit come along."""
    env = BipedalTerrainEnv(render_mode="rgb_array", max_steps=7)
    env.terrain = ROUGH
    expected, _ = env.reset()
    other = copied(env)
    assert ("rgb_array", 7, ROUGH) == (other.render_mode, other.max_steps, other.terrain)
    assert expected.tobytes() == other.reset()[0].tobytes()


_SCRIPT = """
import multiprocessing
import numpy as np
from environments import ObstacleGenotype, make_vec_env

def walk(envs):
    still = np.zeros((envs.num_envs, 4), np.float32)
    return [envs.step(still)[0].tobytes() for _ in range(4)] + [envs.reset()[0].tobytes()]

def work(pipe, few, many):
    pipe.send([walk(few), walk(many)])

if __name__ == "__main__":
    few, many = (make_vec_env(ObstacleGenotype(roughness=1.2).express(seed=7), num, threads=2) for num in (8, 64))
    still = np.zeros((64, 4), np.float32)
    for envs in (few, many):
        envs.reset()
        for _ in range(40):
            envs.step(still[:envs.num_envs])
    found = []
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        pipe, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, few, many))
        process.start()
        assert pipe.poll(60), method
        found.append(pipe.recv())
        process.join()
    expected = [walk(few), walk(many)]
    print([expected == each for each in found])
"""


def test_envs_walk_on_in_another_process(tmp_path: Path) -> None:
    """Few worlds and many, forked and spawned in the middle of episodes: the same bits, and threads of their own."""
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, "-W", "ignore", str(script)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100.0, env=environment)
    assert ("[True, True]\n", "") == (done.stdout, done.stderr)


def test_all_worlds_are_here() -> None:
    """New worlds must be added here, and what their copies do to the tests above; an engine may share ours."""
    known = {"environments.walker.simd:SimdWorlds", "environments.walker.box2d_worlds:Box2DWorlds"}
    assert known == {engine.worlds for engine in ENGINES.values() if engine.worlds}
