"""The contract of an engine: a chunk of episodes in, their results out.

``tests.contracts.engines`` has tests for an engine of one's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from agents.policies.base import AbstractPolicy
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult

#: Told how a call goes: episodes done, control steps done, both since it began.
OnProgress = Callable[[int, int], None]


class AbstractEngine(ABC):
    """Runs episodes to the bit as Box2D does. It is made without arguments, once in a process.

    Making it costs nothing: what takes time to import or to compile waits for ``prepare`` or ``run``.
    """

    #: Whether it runs many episodes side by side, on threads of its own without the GIL: it wants all episodes at once,
    #: in one process. Otherwise it runs one after the other on one core, and processes share the work.
    is_batched: ClassVar[bool] = False
    #: Whether it runs on an NVIDIA GPU: a chunk is then what one GPU takes, and it splits that by its own memory.
    needs_gpu: ClassVar[bool] = False
    #: Of a user's own engine: what steps worlds for a vector env, see ``environments.engines.Engine``.
    worlds: ClassVar[str] = ""

    def problem(self) -> str | None:
        """Why it cannot run here, as the middle of a sentence; None if it can."""
        return None

    def prepare(self, policy: AbstractPolicy) -> None:
        """Compile what episodes of a policy need, or load it from the disk cache, in the calling thread."""
        return

    @abstractmethod
    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        """Run the episodes of a chunk.

        Args:
            chunk: what to run. ``rows_of`` checks it and makes its thetas; an engine may make them itself.
            threads: of this process, at most. Changes no result.
            on_progress: called from the calling thread while episodes run; what it raises ends them all at once, as
                Ctrl-C does. None to be told nothing.

        Returns:
            One row for each episode, block after block.

        Raises:
            InputError: the chunk does not fit together, a theta is not finite, or an episode cannot be run here.
        """

    def stage_shares(self, chunk: EvaluationRequest) -> dict[str, float]:
        """Which part of one thread's time each stage takes in a chunk; empty if the engine does not know.

        Raises:
            InputError: as ``run``; or there is no clock for it here.
        """
        return {}
