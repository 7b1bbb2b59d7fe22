"""The contract of an executor: episodes in, results out, in the order asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Self

from agents.evaluation.request import EvaluationRequest
from agents.rollouts import engine
from agents.rollouts.result import RolloutResult, join

#: Told after each chunk: episodes done, episodes in all, control steps done of this request.
Progress = Callable[[int, int, int], None]


class AbstractExecutor(ABC):
    """Runs the chunks of a request somewhere. How many workers, which chunks and where change nothing in a result."""

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Episodes that run at the same time."""

    @abstractmethod
    def _run(self, chunks: list[EvaluationRequest]) -> Generator[RolloutResult, None, None]:
        """The results of the chunks, in order. When it is closed early, or interrupted, nothing goes on running."""

    @abstractmethod
    def close(self) -> None:
        """Give back processes; the executor is not used after."""

    def evaluate(self, request: EvaluationRequest, progress: Progress | None = None) -> tuple[RolloutResult, ...]:
        """Run the episodes of a request.

        Args:
            request: what to run.
            progress: called as chunks finish; None to be told nothing.

        Returns:
            One result for each block of the request.
        """
        # Eight chunks a worker balance episodes of unlike length; a chunk carries a theta and its terrains (30 KB).
        chunks = list(request.chunks(max(1, min(64, request.num_episodes // (8 * self.num_workers)))))
        results, num_done, num_steps = [], 0, 0
        with closing(self._run(chunks)) as finished:
            for result in finished:
                results.append(result)
                num_done += result.returns.size
                num_steps += result.num_steps
                if progress is not None:
                    progress(num_done, request.num_episodes, num_steps)
        joined, blocks, start = join(results), [], 0
        for block in request.blocks:
            blocks.append(joined.part(start, start + block.rows.size))
            start += block.rows.size
        return tuple(blocks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run_chunk(chunk: EvaluationRequest) -> RolloutResult:
    """What a worker does: make the thetas of a chunk and run its episodes."""
    run_episodes = engine(chunk.engine)
    return join(
        [
            run_episodes(
                chunk.policy, block.sample.theta(block.rows), block.terrains, block.terrain_index, chunk.max_steps
            )
            for block in chunk.blocks
        ]
    )
