"""The contract of an executor: episodes in, results out, in the order asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Self

from agents.policies.base import AbstractPolicy
from agents.rollouts import load_engine, prepare
from agents.rollouts.base import OnProgress
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult, join
from environments.copying import NotCopied
from environments.signals import held

#: Called while episodes run, with the episodes done, all episodes, and the control steps done of this request.
Progress = Callable[[int, int, int], None]

#: The most episodes of a chunk. If they run one after the other, few: chunks balance the workers, and each episode
#: carries a theta and its terrains (30 KB). If they run side by side, many: the last ones of a chunk leave lanes empty.
MOST, MOST_BATCHED = 64, 512
#: The fewest chunks per worker where episodes run one after the other, since their lengths differ.
_CHUNKS_A_WORKER = 8
#: The fewest episodes of a batched chunk, except the last: the number of lanes on the widest machines.
FEWEST_BATCHED = 32


class AbstractExecutor(NotCopied, ABC):
    """Runs the chunks of a request. How many workers there are, and who runs which chunk, changes no result."""

    copy_refusal = "an executor has workers of its own and cannot be copied: make another one"

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Cores that run episodes at the same time."""

    @abstractmethod
    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        """Yield the results of the chunks, in order. If closed early or interrupted, it leaves nothing running.

        ``on_progress`` is called several times a second with the progress of the chunk whose result comes next, or
        with (0, 0) if there is nothing new. An exception, such as that of Ctrl-C, comes from these calls alone.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the processes. The executor must not be used afterwards."""

    def evaluate(self, request: EvaluationRequest, progress: Progress | None = None) -> tuple[RolloutResult, ...]:
        """Run the episodes of a request.

        Args:
            request: what to run.
            progress: called as episodes finish; None to be told nothing.

        Returns:
            One result for each block of the request.
        """
        self._prepare(request.engine, request.policy)
        chunks = list(request.chunks(self._chunk_size(request)))
        results, num_done, num_steps = [], 0, 0

        def tell(num_more: int, steps_more: int) -> None:
            if progress is not None:
                progress(num_done + num_more, request.num_episodes, num_steps + steps_more)
            let_through()

        # A signal's exception at just any moment could leave shared locks taken, or break Ray within a call.
        with held() as let_through, closing(self._run(chunks, tell)) as finished:
            for result in finished:
                results.append(result)
                num_done += result.returns.size
                num_steps += result.num_steps
                tell(0, 0)
        joined, blocks, start = join(results), [], 0
        for block in request.blocks:
            blocks.append(joined.part(start, start + block.rows.size))
            start += block.rows.size
        return tuple(blocks)

    def _prepare(self, engine: str, policy: AbstractPolicy) -> None:
        """Compile what this process needs, where Ctrl-C ends it."""
        if load_engine(engine).is_batched:
            prepare(engine, policy)

    def _chunk_size(self, request: EvaluationRequest) -> int:
        """Episodes of each chunk of a request; what each worker takes at once."""
        num = request.num_episodes
        if load_engine(request.engine).is_batched:
            return max(FEWEST_BATCHED, even_size(num, MOST_BATCHED, self.num_workers))
        return max(1, min(MOST, num // (_CHUNKS_A_WORKER * self.num_workers)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def even_size(num: int, most: int, workers: int = 1) -> int:
    """The size, from 1 to ``most``, of pieces of ``num`` things with which each worker gets equally many."""
    rounds = -(-num // (most * workers))
    return max(1, -(-num // max(1, rounds * workers)))
