"""Where and how long a run is carried out. None of it changes a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from environments.errors import InputError

if TYPE_CHECKING:
    from agents.evaluation.executor import AbstractExecutor


@dataclass(frozen=True)
class Execution:
    """What a command line says about it.

    Attributes:
        executor: where episodes run, ``"local"`` or ``"ray"``.
        workers: cores that run them; None for all.
        ray_address: of a running Ray cluster; None for a Ray of its own.
        env_steps: the run stops after the iteration that reaches this total; None for no such limit.
        log: the loggers that take its numbers, see ``experiments.logs.loggers.Loggers``.
    """

    executor: str = "local"
    workers: int | None = None
    ray_address: str | None = None
    env_steps: int | None = None
    log: tuple[str, ...] = ()

    def open(self) -> AbstractExecutor:
        """The executor, to be used in a ``with`` block.

        Raises:
            InputError: there is no such executor, number of workers or cluster, or a limit below 1.
        """
        from agents.evaluation import make_executor

        if self.env_steps is not None and self.env_steps < 1:
            raise InputError(f"--env-steps must be 1 or more, found {self.env_steps}")
        return make_executor(self.executor, self.workers, self.ray_address)
