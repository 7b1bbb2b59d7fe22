"""The engine ``cuda`` where there is no GPU: what its threads do is compiled for the CPU, in poisoned memory."""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.base import AbstractPolicy
from agents.rollouts.base import OnProgress
from agents.rollouts.engines import Cuda
from agents.rollouts.result import RolloutResult
from agents.rollouts.thread import Episodes
from environments.physics.course import Course
from environments.terrain.terrain import Terrain
from tests.agents import threads_on_cpu

_NUM_WALKERS, _STEPS_A_ROUND = 5, 7


class ThreadsOnCpu(Cuda):
    """As ``Cuda``, but for the launches."""

    def problem(self) -> str | None:
        """None: there is a CPU."""
        return None

    def walk(
        self,
        policy: AbstractPolicy,
        episodes: Episodes,
        terrains: Sequence[Terrain],
        max_steps: int,
        on_progress: OnProgress | None,
    ) -> RolloutResult:
        """See ``Cuda``; progress is told once."""
        course = Course.of(terrains)
        result = threads_on_cpu.run(policy, episodes, course, max_steps, _NUM_WALKERS, _STEPS_A_ROUND)
        if on_progress is not None:
            on_progress(result.returns.size, result.num_steps)
        return result
