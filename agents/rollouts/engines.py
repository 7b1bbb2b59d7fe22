"""Our engines. They are imported by those who ask for their names, so each imports what it needs when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from agents.policies.base import AbstractPolicy
from agents.rollouts.base import AbstractEngine, OnProgress
from agents.rollouts.chunks import check_chunk, grounds, rows_of
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from environments.engines import box2d_problem
from environments.terrain.terrain import Terrain

if TYPE_CHECKING:
    from agents.rollouts.thread import Episodes


class Simd(AbstractEngine):
    """Our own physics, many walkers at once in the lanes of a processor."""

    is_batched = True

    def prepare(self, policy: AbstractPolicy) -> None:
        """See ``AbstractEngine``."""
        from agents.rollouts import simd

        simd.prepare(policy)

    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        """See ``AbstractEngine``."""
        from agents.rollouts import simd

        return simd.run_episodes(*rows_of(chunk, threads), threads, on_progress)

    def stage_shares(self, chunk: EvaluationRequest) -> dict[str, float]:
        """See ``AbstractEngine``."""
        from agents.rollouts import simd

        return simd.stage_shares(*rows_of(chunk))


class Box2D(AbstractEngine):
    """Box2D itself, one world after the other: the oracle."""

    def problem(self) -> str | None:
        """See ``AbstractEngine``."""
        return box2d_problem()

    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        """See ``AbstractEngine``; one core, whatever ``threads`` says, but for making thetas."""
        from agents.rollouts import box2d

        return box2d.run_episodes(*rows_of(chunk, threads), on_progress)


class Cuda(AbstractEngine):
    """Our own physics on an NVIDIA GPU, a thread for each walker. Thetas are made there."""

    is_batched = True
    needs_gpu = True

    def problem(self) -> str | None:
        """See ``AbstractEngine``."""
        return _gpu_problem()

    def prepare(self, policy: AbstractPolicy) -> None:
        """See ``AbstractEngine``."""
        theta, index = np.zeros((1, policy.num_parameters), np.float32), np.zeros(1, np.int64)
        ground = Terrain(np.array([[0, 0], [9, 0]], np.float32))
        self.run(EvaluationRequest((Block(Thetas(theta), index, (ground,), index),), policy, max_steps=1))

    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        """See ``AbstractEngine``. Thetas of the few episodes that Box2D has to finish are made here."""
        from agents.rollouts.named import named_episodes, thetas_of
        from agents.rollouts.simd import finish_in_box2d

        check_chunk(chunk)
        terrains, index = grounds(chunk)
        policy, max_steps = chunk.policy, chunk.max_steps
        result = self.walk(policy, named_episodes(chunk, index), terrains, max_steps, on_progress)
        finish_in_box2d(policy, partial(thetas_of, chunk.blocks), terrains, index, max_steps, result)
        return result

    def walk(
        self,
        policy: AbstractPolicy,
        episodes: Episodes,
        terrains: Sequence[Terrain],
        max_steps: int,
        on_progress: OnProgress | None,
    ) -> RolloutResult:
        """Run episodes whose thetas are named; where there is no GPU, tests have the same threads run by the CPU.

        Args:
            policy, terrains, max_steps, on_progress: see ``agents.rollouts.cuda.run_on_gpu``.
            episodes: in this machine's memory.

        Returns:
            One row for each episode; those that were given up are left to ``finish_in_box2d``.
        """
        from agents.rollouts import cuda

        return cuda.run_on_gpu(policy, episodes, terrains, max_steps, on_progress)


@cache
def _gpu_problem() -> str | None:
    from environments import cuda  # imports numba

    return cuda.problem()
