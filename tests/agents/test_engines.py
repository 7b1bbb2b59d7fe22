"""Engines by name, each by the contract: all of ours, and one of a user's own."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from agents.policies.mlp import MLPPolicy
from agents.rollouts import available_engines, check_engine, load_engine, resolve_engine, run_chunk
from agents.rollouts.base import AbstractEngine, OnProgress
from agents.rollouts.engines import Box2D
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from environments import make_vec_env
from environments.engines import ENGINES
from environments.errors import InputError
from tests.agents import crowd
from tests.contracts.engines import EngineContract
from tests.new_engine import new_engine


class TestSimd(EngineContract):
    """Lanes."""

    engine = "simd"


class TestBox2D(EngineContract):
    """The oracle, through the same way in."""

    engine = "box2d"


class TestThreadsOfGpu(EngineContract):
    """All of ``cuda`` but the launches, which ``test_cuda.py`` looks at."""

    engine = "tests.agents.threads_engine:ThreadsOnCpu"


@pytest.mark.skipif("cuda" not in available_engines(), reason="there is no GPU")
class TestCuda(EngineContract):
    """On a GPU."""

    engine = "cuda"


class TestOwnEngine(EngineContract):
    """That of docs/how-to/add-engine.md."""

    engine = new_engine()


def test_every_engine_of_ours_is_tested() -> None:
    """Whoever adds one adds its class here."""
    assert set(ENGINES) == {TestSimd.engine, TestBox2D.engine, TestCuda.engine}


def test_an_engine_of_ones_own_steps_the_worlds_that_it_names() -> None:
    """In a vector env, under the same name, with the bits of ours."""
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (4, 4)).astype(np.float32)
    found = []
    for engine in ("box2d", "auto", new_engine()):
        envs = make_vec_env(crowd.terrains()[:4], engine=engine)
        envs.reset()
        found.append([array.tobytes() for array in envs.step(actions)[:2]])
    assert found[0] == found[1] == found[2]


class _OneShort(Box2D):
    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        return super().run(chunk, threads, on_progress).part(0, chunk.num_episodes - 1)


class _NoResult(Box2D):
    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        return None  # type: ignore[return-value]


class _Asks(Box2D):
    def __init__(self, what: int) -> None:
        self.what = what


class _Elsewhere(Box2D):
    def problem(self) -> str | None:
        return "it is Sunday"


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of a user's."""
    module = ModuleType("own_engines")
    vars(module).update({each.__name__: each for each in (_OneShort, _NoResult, _Asks, _Elsewhere)})
    vars(module)["Sketch"] = AbstractEngine
    vars(module)["number"] = 3
    monkeypatch.setitem(sys.modules, "own_engines", module)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("smd", "^unknown engine 'smd': did you mean 'simd'"),
        ("Auto", "^unknown engine 'Auto': did you mean 'auto'"),
        ("no_such_module:Engine", "^engine 'no_such_module:Engine' cannot be imported: ModuleNotFoundError"),
        (
            "own_engines:number",
            "^engine 'own_engines:number' must be a .* of .*AbstractEngine, but is 3$",
        ),
        ("own_engines:Sketch", "^engine 'own_engines:Sketch' must be a concrete subclass"),
        ("own_engines:_Asks", "^engine 'own_engines:_Asks' must be made without arguments, but raises: .*'what'"),
        ("own_engines:_Elsewhere", "^engine 'own_engines:_Elsewhere' cannot run here: it is Sunday; use .* 'simd'"),
        (3, "^engine must be a name, but is 3"),
    ],
)
def test_what_is_no_engine_is_refused(name: str, sentence: str) -> None:
    """In one sentence."""
    with pytest.raises(InputError, match=sentence):
        check_engine(name)


@pytest.mark.parametrize(("name", "what"), [("_OneShort", "one of 1"), ("_NoResult", "a NoneType")])
def test_a_result_that_is_none_is_refused(name: str, what: str) -> None:
    """Rows would go to the wrong walkers."""
    block = Block(Thetas(np.zeros((2, 2804), np.float32)), np.arange(2), crowd.terrains(), np.arange(2))
    with pytest.raises(InputError, match=f"must return a RolloutResult of 2 episodes, but returns {what}"):
        run_chunk(EvaluationRequest((block,), MLPPolicy(), 2, f"own_engines:{name}"))


def test_a_name_of_ones_own_stands_for_itself() -> None:
    """Also in the archive, which notes who ran a session."""
    assert new_engine() == resolve_engine(new_engine())
    assert load_engine("auto") is load_engine(resolve_engine("auto"))
