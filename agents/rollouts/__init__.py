"""Where policy and world meet: whole episodes, one module for each engine.

A module has ``run_episodes``, see ``RunEpisodes``; and ``prepare(policy)``, if something has to be compiled before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts.result import RolloutResult
from environments.biped import NUM_JOINTS, OBSERVATION_SIZE
from environments.errors import InputError, check_name
from environments.signals import held
from environments.terrain.terrain import Terrain, check_terrain_index

#: Told how a call goes: episodes done, control steps done, both since it began.
OnProgress = Callable[[int, int], None]


class RunEpisodes(Protocol):
    """One episode for each row of theta; what an engine's module has under the name ``run_episodes``."""

    def __call__(
        self,
        policy: AbstractPolicy,
        theta: NDArray[np.float32],
        terrains: Sequence[Terrain],
        terrain_index: NDArray[np.int64],
        max_steps: int,
        threads: int = 1,
        on_progress: OnProgress | None = None,
    ) -> RolloutResult:
        """Run the episodes.

        Args:
            policy: of all of them.
            theta: (B, P) float32.
            terrains: the grounds that ``terrain_index`` points into.
            terrain_index: (B,) which terrain each row walks on.
            max_steps: control steps after which an episode is TIMEOUT.
            threads: of a batched engine; others have one. Changes no result.
            on_progress: called from the calling thread while episodes run; what it raises ends them all at once, as
                Ctrl-C does. None to be told nothing.

        Returns:
            One row for each theta, in order.
        """
        ...


def check_policy(policy: AbstractPolicy) -> None:
    """Raise ``InputError`` unless a policy takes what a walker senses and gives what moves it."""
    if not isinstance(policy, AbstractPolicy):
        raise InputError(f"policy must be a policy, such as agents.MLPPolicy(), but is a {type(policy).__name__}")
    if (policy.num_inputs, policy.num_outputs) != (OBSERVATION_SIZE, NUM_JOINTS):
        raise InputError(
            f"policy must have {OBSERVATION_SIZE} inputs and {NUM_JOINTS} outputs, but {policy.description} has "
            f"{policy.num_inputs} and {policy.num_outputs}"
        )


def check_rows(
    policy: AbstractPolicy, theta: NDArray[np.float32], terrains: Sequence[Terrain], terrain_index: NDArray[np.int64]
) -> None:
    """What an engine asks before it runs episodes: kernels would read beside what does not fit together.

    Raises:
        InputError: the policy is no walker's, theta has another shape or type, rows and terrains do not go together, or
            there is no such terrain.
    """
    check_policy(policy)
    policy.check_shape(theta)
    if theta.ndim != 2 or terrain_index.shape != theta.shape[:1] or terrain_index.dtype.kind not in "iu":
        raise InputError(
            f"terrain_index must hold a whole number for each row of a theta (B, P), but is {terrain_index.dtype} of "
            f"shape {terrain_index.shape} for a theta of shape {theta.shape}"
        )
    check_terrain_index(terrain_index, len(terrains))


@dataclass(frozen=True)
class Engine:
    """How to reach an engine, and what it wants.

    Attributes:
        module: whose ``run_episodes`` runs it; imported when first used.
        is_batched: whether it runs many episodes side by side, on threads of its own without the GIL: it wants all
            episodes at once, in one process. Otherwise it runs one after the other on one core.
        needs_gpu: whether it runs on an NVIDIA GPU; then it makes thetas there, see ``agents.evaluation.batch``.
    """

    module: str
    is_batched: bool = False
    needs_gpu: bool = False


#: By name.
ENGINES = {
    "simd": Engine("agents.rollouts.simd", is_batched=True),
    "cuda": Engine("agents.rollouts.cuda", is_batched=True, needs_gpu=True),
    "box2d": Engine("agents.rollouts.box2d"),
}

#: The name that stands for the fastest engine that runs here.
AUTO = "auto"


def resolve_engine(name: str) -> str:
    """The key of ``ENGINES`` that ``name`` stands for: ``AUTO`` is ``"cuda"`` where there is a GPU, else ``"simd"``.

    Raises:
        InputError: there is none of that name.
    """
    check_name("engine", name, (*ENGINES, AUTO))
    if name != AUTO:
        return name
    return "cuda" if _gpu_problem() is None else "simd"


def available_engines() -> list[str]:
    """The engines that run here, in the order of ``ENGINES``."""
    return [name for name, engine in ENGINES.items() if not (engine.needs_gpu and _gpu_problem())]


def engine(name: str) -> RunEpisodes:
    """What runs episodes in the engine called ``name``.

    Raises:
        InputError: there is none of that name, or it cannot run here.
    """
    run_episodes: RunEpisodes = engine_module(name).run_episodes
    return run_episodes


def engine_module(name: str) -> ModuleType:
    """The module of the engine called ``name``.

    Raises:
        InputError: there is none of that name, or it cannot run here.
    """
    check_engine(name)
    try:
        with held():  # half an import is worse than to wait for its end
            return import_module(ENGINES[resolve_engine(name)].module)
    except ImportError as error:
        message = f"engine {name!r} is not available here ({error}); install the extra that brings it"
        raise InputError(message) from error


@cache
def prepare(name: str, policy: AbstractPolicy) -> None:
    """Compile what the engine called ``name`` needs for a policy, or load it from the disk cache; once in a process.

    It happens in the calling thread: there Ctrl-C ends it, and workers that start later find it done.

    Raises:
        InputError: there is none of that name, or it cannot run here.
    """
    prepare_engine: Callable[[AbstractPolicy], None] | None = getattr(engine_module(name), "prepare", None)
    if prepare_engine is not None:
        prepare_engine(policy)


def is_batched(name: str) -> bool:
    """Whether the engine called ``name`` wants all episodes at once, see ``Engine``.

    Raises:
        InputError: there is none of that name.
    """
    return ENGINES[resolve_engine(name)].is_batched


def needs_gpu(name: str) -> bool:
    """Whether the engine called ``name`` runs on a GPU.

    Raises:
        InputError: there is none of that name.
    """
    return ENGINES[resolve_engine(name)].needs_gpu


def check_engine(name: str) -> None:
    """Raise ``InputError`` unless an engine called ``name`` is known and runs here."""
    if needs_gpu(name) and (problem := _gpu_problem()) is not None:
        raise InputError(f"engine 'cuda' cannot run here: {problem}; use the engine 'simd', which gives the same bits")


@cache
def _gpu_problem() -> str | None:
    from environments import cuda  # imports numba

    return cuda.problem()
