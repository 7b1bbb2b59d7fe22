"""Results have the same bits whatever other libraries have made of this thread's arithmetic."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from agents.evaluation.rollout import rollout
from agents.policies.mlp import MLPPolicy
from agents.rollouts import box2d, simd
from agents.strategies.normal import normals
from agents.strategies.openai_es import OpenAIES
from agents.strategies.shaping import centered_ranks
from environments.arithmetic import exact
from environments.streams import Stream, stream_key
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from environments.walker.episode import WalkerEpisode
from environments.walker.vector_env import make_vec_env
from environments.walker.worlds import make_worlds
from tests.environments.rounding import MODES, computing

_POLICY = MLPPolicy()
_HARD = ObstacleGenotype(2.0, stump_height=(0.4, 1.6), pit_gap=(0.4, 1.2)).express(seed=1)
_ROOT = Path(__file__).parents[2]


def _theta(num: int) -> NDArray[np.float32]:
    return 0.3 * normals(stream_key(0, "test arithmetic"), num * _POLICY.num_parameters).reshape(num, -1)


_THETA = _theta(40)
_ACTIONS = np.random.default_rng(0).uniform(-1.0, 1.0, (15, 40, 4))
_ROUNDED = _ACTIONS.astype(np.float32)


def _episodes(run_episodes: Callable[..., Any], num: int, **options: int) -> list[Any]:
    result = run_episodes(_POLICY, _THETA[:num], (_HARD,), np.zeros(num, np.int64), 30, **options)
    return [result.returns, result.lengths, result.outcomes]


def _worlds(engine: str) -> list[Any]:
    worlds = make_worlds(engine, (_HARD,), np.zeros(40, np.int64), 30, threads=2)
    worlds.reset()
    for actions in _ROUNDED[:8]:
        worlds.step(actions)
    return [worlds.observations, worlds.rewards, worlds.body_state()]


def _vector_env() -> list[Any]:
    envs = make_vec_env(_HARD, 40)
    seen = [envs.reset()[0]]
    for actions in _ACTIONS:
        seen += envs.step(actions)[:2]
    return seen


def _single_env() -> list[Any]:
    env = gymnasium.make("BipedalTerrain-v0", terrain=_HARD, disable_env_checker=True)
    seen: list[Any] = [env.reset()[0]]
    for actions in _ACTIONS:
        seen += env.step(actions[0])[:2]
    return seen


def _episode() -> list[Any]:
    episode = WalkerEpisode(_HARD)
    return [episode.observation, *(episode.step(actions[0])[0] for actions in _ACTIONS)]


def _strategy() -> list[Any]:
    strategy = OpenAIES(pairs=4)
    state = strategy.initial_state(_THETA[:1])
    samples = strategy.ask(state, [stream_key(1, "test arithmetic")])
    fitness = np.arange(8.0)[np.newaxis, ::-1]
    thetas = samples[0].theta(np.arange(8))
    told = strategy.tell(state, samples, fitness)
    return [thetas, *vars(told).values(), strategy.propose(state, samples, fitness), centered_ranks(fitness)]


def _obstacles() -> list[Any]:
    genotype, stream = ObstacleGenotype(2.0, pit_gap=(0.4, 1.2)), Stream(5, "test arithmetic")
    for _ in range(5):
        genotype = genotype.mutate(stream, ObstacleSettings())
    return [repr(genotype), genotype.express(seed=3).digest()]


def _cppn() -> list[Any]:
    stream = Stream(6, "test arithmetic")
    genotype = CppnGenotype.initial(CppnSettings(), stream)
    for _ in range(3):
        genotype = genotype.mutate(stream, ObstacleSettings())
    return [repr(genotype), genotype.express(seed=3).digest(), genotype.features(ObstacleSettings())]


def _policy() -> list[Any]:
    act, rng = _POLICY.controller(_THETA[0]), np.random.default_rng(1)
    return [act(rng.normal(size=24)).copy() for _ in range(20)]


def _streams() -> list[Any]:
    stream = Stream(7, "test arithmetic")
    return [normals(stream_key(7, "test arithmetic"), 2000), [stream.uniform(0.1, 0.7) for _ in range(200)]]


def _terrain() -> list[Any]:
    x = np.linspace(0.0, 90.0, 300)
    terrain = Terrain(np.stack([x, np.sin(x)], axis=1), push=0.1)
    return [terrain.digest(), *(terrain.with_push(push).push for push in (0.1, 0.3, -0.7))]


_FACES: dict[str, Callable[[], list[Any]]] = {
    "simd": lambda: _episodes(simd.run_episodes, 40, threads=2),
    "box2d": lambda: _episodes(box2d.run_episodes, 2),
    "rollout": lambda: _episodes(lambda policy, theta, terrains, *_: rollout(policy, theta, terrains, max_steps=9), 3),
    "worlds of simd": lambda: _worlds("simd"),
    "worlds of box2d": lambda: _worlds("box2d"),
    "vector env": _vector_env,
    "env": _single_env,
    "episode": _episode,
    "strategy": _strategy,
    "obstacles": _obstacles,
    "cppn": _cppn,
    "policy": _policy,
    "streams": _streams,
    "terrain": _terrain,
}


def _digest(results: list[Any]) -> str:
    parts = [part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in results]
    return hashlib.sha256(b"/".join(parts)).hexdigest()


@pytest.mark.parametrize("name", _FACES)
def test_every_face_has_the_same_bits_in_every_mode(name: str) -> None:
    """With another rounding, or subnormal numbers flushed, also in threads that begin so; and the mode is left."""
    expected = _digest(_FACES[name]())
    for mode in MODES:
        with computing(mode):
            found = _FACES[name]()
        assert (mode, expected) == (mode, _digest(found))


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_that_comes_and_goes_changes_nothing(mode: str) -> None:
    """Worlds and their threads that are older than the mode step as they did before."""
    expected, found = [], []
    for seen, changed in ((expected, ()), (found, (3, 4, 9))):
        envs = make_vec_env(_HARD, 40, threads=2)
        envs.reset()
        for step, actions in enumerate(_ACTIONS):
            with computing(mode) if step in changed else nullcontext():
                seen += envs.step(actions)[:2]
    assert _digest(expected) == _digest(found)


def test_an_error_leaves_the_mode_as_it_was() -> None:
    """The mode is restored after an exception too."""

    @exact
    def fail() -> None:
        raise KeyError("here")

    with computing("up"), pytest.raises(KeyError, match="here"):
        fail()


_IMPORT = """
import sys
from contextlib import nullcontext
from importlib import import_module

sys.path.insert(0, sys.argv[1])
from tests.environments.rounding import computing
import gymnasium

with nullcontext() if sys.argv[2] == "none" else computing(sys.argv[2]):
    modules = [import_module(name) for name in sys.argv[3:]]
for module in modules:
    print(module.__name__, {name: repr(value) for name, value in vars(module).items() if name.isupper()})
"""


@pytest.mark.parametrize(
    ("mode", "modules"),
    [
        ("up", ["environments.biped", "environments.physics.constants", "environments.walker.draw"]),
        ("down", ["environments", "environments.terrain.constants", "environments.walker.judge"]),
        ("zero", ["agents.evaluation.local", "environments.biped"]),
        ("down", ["poet.config", "agents.strategies.openai_es", "environments.biped"]),
    ],
)
def test_constants_are_rounded_to_nearest(tmp_path: Path, mode: str, modules: list[str]) -> None:
    """Whatever is imported first in whatever mode, also by Gymnasium's registration; and so they are kept on disk."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    said = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _IMPORT, _ROOT, each, *modules],
            env=variables | {"PYTHONPYCACHEPREFIX": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for each in (mode, "none")
    ]

    assert list(tmp_path.rglob("biped.*.pyc"))
    expected = [
        f"{name} { {key: repr(value) for key, value in vars(import_module(name)).items() if key.isupper()} }"
        for name in modules
    ]
    assert [expected, expected] == said
