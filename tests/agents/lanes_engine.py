"""A stand-in for a batched engine: Box2D runs the episodes, and calls are recorded."""

from __future__ import annotations

from dataclasses import dataclass

from agents.rollouts.base import AbstractEngine, OnProgress
from agents.rollouts.chunks import grounds
from agents.rollouts.engines import Box2D
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult


@dataclass(frozen=True)
class Call:
    """The arguments of a call of the engine."""

    num_episodes: int
    num_terrains: int
    threads: int


calls: list[Call] = []


class Lanes(AbstractEngine):
    """See ``AbstractEngine``."""

    is_batched = True

    def run(self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
        """See ``AbstractEngine``."""
        calls.append(Call(chunk.num_episodes, len(grounds(chunk)[0]), threads))
        return Box2D().run(chunk, threads, on_progress)
