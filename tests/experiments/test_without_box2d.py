"""Box2D is the oracle and nothing else: without it everything runs but what is asked of the oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments.command_line import COMMAND, environment

_SENTENCE = "Box2D cannot be imported (No module named 'Box2D'), and the engine box2d, "
#: Python reads this file when it starts: a process without Box2D.
_BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "Box2D":
            raise ModuleNotFoundError("No module named 'Box2D'", name=name)

sys.meta_path.insert(0, Block())
"""


@pytest.fixture
def without_box2d(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that have no Box2D."""
    (tmp_path / "sitecustomize.py").write_text(_BLOCK)
    found = environment()
    return {**found, "PYTHONPATH": os.pathsep.join([str(tmp_path), found.get("PYTHONPATH", "")])}


def _run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


_PROGRAM = """
import sys
import gymnasium, numpy as np
from agents import MLPPolicy, rollout
from environments import ObstacleGenotype, Terrain, make_vec_env
from environments.errors import InputError
import environments, agents, poet, experiments.cli

terrain = ObstacleGenotype(roughness=1.0).express(seed=1)
# More contacts than our physics has room for.
dense = np.concatenate([[0.0], np.arange(3.0, 8.0, 0.004), [90.0]])
crowded = Terrain(np.stack([dense, np.full(dense.size, 10.0 / 3.0)], axis=1))
policy = MLPPolicy()
theta = np.zeros(policy.num_parameters, np.float32)
print(rollout(policy, theta, [terrain], max_steps=20).lengths)
still = np.zeros(4, np.float32)
for name, options in (("BipedalTerrain-v0", {"terrain": terrain}), ("poet/BipedalWalkerHardcore-v3", {})):
    env = gymnasium.make(name, render_mode="rgb_array", **options)
    env.reset(seed=1)
    print(env.step(still)[1] != 0, env.render().shape)
    envs = gymnasium.make_vec(name, 2, **options)
    envs.reset(seed=1)
    print((envs.step(np.zeros((2, 4), np.float32))[1] != 0).all())
assert "Box2D" not in sys.modules
calls = {
    "env": lambda: gymnasium.make("poet/BipedalWalker-v3", engine="box2d"),
    "vector env": lambda: make_vec_env(terrain, engine="box2d"),
    "rollout": lambda: rollout(policy, theta, [terrain], engine="box2d"),
    "hand over": lambda: make_vec_env(crowded).reset(),
}

for what, call in calls.items():
    try:
        call()
        print(what, "did not complain")
    except InputError as error:
        print(what, str(error).count("Box2D cannot be imported"), "\\n" in str(error))
"""


def test_envs_and_rollouts_run_and_the_oracle_is_refused(without_box2d: dict[str, str]) -> None:
    """Envs, vector envs, pictures and rollouts of the engine simd; one sentence where Box2D itself is asked for."""
    ended = _run([sys.executable, "-c", _PROGRAM], without_box2d)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert [
        "[20]",
        *["True (400, 600, 3)", "True"] * 2,
        "env 1 False",
        "vector env 1 False",
        "rollout 1 False",
        "hand over 1 False",
    ] == ended.stdout.splitlines()


def test_runs_go_on_and_are_replayed(without_box2d: dict[str, str], tmp_path: Path, tiny_run: Path) -> None:
    """A run, its film and its check in the engine simd; the oracle's check ends with code 2 and a sentence."""
    film = tmp_path / "film.png"
    for command, code in (
        (["run", str(tmp_path / "run"), "--preset", "tiny", "--iterations", "1"], 0),
        (["replay", str(tiny_run), "--engine", "simd", "--output", str(film)], 0),
        (["replay", str(tiny_run), "--engine", "simd", "--verify"], 0),
        (["replay", str(tiny_run), "--verify"], 2),
        (["replay", str(tiny_run), "--output", str(film)], 2),
    ):
        ended = _run([*COMMAND, *command], without_box2d)
        assert code == ended.returncode, ended.stderr
        assert (_SENTENCE in ended.stderr) == (code == 2), ended.stderr
        assert "Traceback" not in ended.stderr
    assert film.exists()
