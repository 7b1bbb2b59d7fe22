"""Where policy and world meet: whole episodes, by engines that are called by name.

``run_chunk`` is the one way in; ``agents.rollouts.base`` has the contract of an engine.
"""

from __future__ import annotations

from functools import cache

from agents.policies.base import AbstractPolicy
from agents.rollouts.base import AbstractEngine, OnProgress
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.engines import AUTO, ENGINES, find_engine
from environments.errors import InputError
from environments.registry import load_class


@exact
def run_chunk(chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
    """Run the episodes of a chunk in the engine that it names.

    Args:
        chunk, threads, on_progress: see ``AbstractEngine.run``.

    Returns:
        One row for each episode, block after block.

    Raises:
        InputError: as ``check_engine`` and ``AbstractEngine.run``; or a user's engine gives something else.
    """
    check_engine(chunk.engine)
    result = load_engine(chunk.engine).run(chunk, threads, on_progress)
    num = chunk.num_episodes
    if not isinstance(result, RolloutResult) or {len(result.returns), len(result.lengths), len(result.outcomes)} != {
        num
    }:
        what = f"one of {len(result.returns)}" if isinstance(result, RolloutResult) else f"a {type(result).__name__}"
        raise InputError(f"engine {chunk.engine!r} must return a RolloutResult of {num} episodes, but returns {what}")
    return result


def resolve_engine(name: str) -> str:
    """The name of the engine that ``name`` stands for: ``AUTO`` is ``"cuda"`` where there is a GPU, else ``"simd"``."""
    if name != AUTO:
        return name
    return "cuda" if load_engine("cuda").problem() is None else "simd"


def load_engine(name: str) -> AbstractEngine:
    """The engine called ``name``, whether it runs here or not.

    Args:
        name: ``AUTO``, a key of ``ENGINES``, or ``"package.module:Name"`` of a user's subclass of ``AbstractEngine``.

    Raises:
        InputError: there is none of that name, or it is no engine.
    """
    place = find_engine(resolve_engine(name)).episodes
    engine_type = load_class(name, {name: place}, AbstractEngine, "engine")
    try:
        return _made(engine_type)
    except TypeError as error:
        raise InputError(f"engine {name!r} must be made without arguments, but raises: {error}") from error


@cache
def _made(engine_type: type[AbstractEngine]) -> AbstractEngine:
    return engine_type()


def check_engine(name: str) -> None:
    """Raise ``InputError`` unless an engine called ``name`` is known and runs here."""
    problem = load_engine(name).problem()
    if problem is not None:
        raise InputError(
            f"engine {resolve_engine(name)!r} cannot run here: {problem}; use the engine 'simd', which gives the same "
            "bits"
        )


def available_engines() -> list[str]:
    """Our engines that run here, in the order of ``ENGINES``."""
    return [name for name in ENGINES if load_engine(name).problem() is None]


@cache
def prepare(name: str, policy: AbstractPolicy) -> None:
    """Compile what the engine called ``name`` needs for a policy, or load it from the disk cache; once in a process.

    It happens in the calling thread: there Ctrl-C ends it, and workers that start later find it done.

    Raises:
        InputError: there is none of that name, or it cannot run here.
    """
    check_engine(name)
    load_engine(name).prepare(policy)
