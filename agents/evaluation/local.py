"""Episodes on this machine: in this process, or in worker processes that end when it does."""

from __future__ import annotations

from collections.abc import Generator

from agents.evaluation.executor import AbstractExecutor, even_size
from agents.evaluation.pool import WorkerPool, may_have_workers
from agents.rollouts import load_engine, run_chunk
from agents.rollouts.base import OnProgress
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.machine import available_cores

#: How many thetas a batched engine is given at once.
_SLAB_BYTES = 256 * 2**20


class LocalExecutor(AbstractExecutor):
    """Runs episodes in this process if the engine has its own threads, and otherwise in a pool of worker processes.

    Threads may share it: their requests to the pool wait for each other. A forked child starts its own workers. A
    daemon, such as a worker of ``multiprocessing.Pool``, may not have any and runs all episodes itself.

    Args:
        workers: threads or processes, including this process itself; None for one per core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or available_cores()
        self._pool = WorkerPool(self._workers)

    @property
    def num_workers(self) -> int:
        """See ``AbstractExecutor``."""
        return self._workers

    def _chunk_size(self, request: EvaluationRequest) -> int:
        engine = load_engine(request.engine)
        if engine.needs_gpu:  # it splits by its own memory
            return max(1, request.num_episodes)
        if engine.is_batched:
            return even_size(request.num_episodes, max(1, _SLAB_BYTES // (4 * request.policy.num_parameters)))
        return super()._chunk_size(request)

    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        if (
            self._workers == 1
            or any(load_engine(chunk.engine).is_batched for chunk in chunks)
            or not may_have_workers()
        ):
            for chunk in chunks:
                yield run_chunk(chunk, self._workers, on_progress)
        else:
            yield from self._pool.run(chunks, on_progress)

    def close(self) -> None:
        """See ``AbstractExecutor``. Workers end at once, even in the middle of an episode."""
        self._pool.close()
