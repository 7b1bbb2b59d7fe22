"""A chunk as one batch for an engine: thetas and grounds of all its blocks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.request import EvaluationRequest
from agents.rollouts import OnProgress, engine, needs_gpu
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.terrain.terrain import Terrain

#: How many thetas a thread makes at once; this takes about half a millisecond.
_ROWS_AT_ONCE = 64


@exact
def run_chunk(chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None) -> RolloutResult:
    """Make the thetas of a chunk and run its episodes.

    Args:
        chunk: what to run.
        threads: of this process, for making thetas and for a batched engine. Changes no result.
        on_progress: see ``agents.rollouts.RunEpisodes``.

    Returns:
        One row for each episode, block after block.

    Raises:
        InputError: a theta is not finite, or the engine cannot run an episode.
    """
    run_episodes = engine(chunk.engine)
    terrains, terrain_index = grounds(chunk)
    if needs_gpu(chunk.engine):
        return _run_on_gpu(chunk, terrains, terrain_index, on_progress)
    theta = thetas(chunk, threads)
    chunk.policy.check_theta(theta)
    return run_episodes(chunk.policy, theta, terrains, terrain_index, chunk.max_steps, threads, on_progress)


def _run_on_gpu(
    chunk: EvaluationRequest,
    terrains: tuple[Terrain, ...],
    terrain_index: NDArray[np.int64],
    on_progress: OnProgress | None,
) -> RolloutResult:
    """Thetas are made where they are used; those of the few episodes that Box2D has to finish are made here."""
    # Imported here: they need numba-cuda.
    from agents.evaluation.named import named_episodes, thetas_of
    from agents.rollouts.cuda import run_on_gpu
    from agents.rollouts.simd import finish_in_box2d

    result = run_on_gpu(chunk.policy, named_episodes(chunk, terrain_index), terrains, chunk.max_steps, on_progress)
    finish_in_box2d(chunk.policy, partial(thetas_of, chunk.blocks), terrains, terrain_index, chunk.max_steps, result)
    return result


def thetas(chunk: EvaluationRequest, threads: int = 1) -> NDArray[np.float32]:
    """(B, P) float32: the theta of each episode of a chunk."""
    theta_out = np.empty((chunk.num_episodes, chunk.policy.num_parameters), np.float32)
    if threads == 1:
        for fill in _pieces(chunk, theta_out):
            fill()
    else:
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(fill) for fill in _pieces(chunk, theta_out)]:
                done.result()
    return theta_out


def _pieces(chunk: EvaluationRequest, theta_out: NDArray[np.float32]) -> Iterator[Callable[[], None]]:
    start = 0
    for block in chunk.blocks:
        for first in range(0, block.rows.size, _ROWS_AT_ONCE):
            rows = block.rows[first : first + _ROWS_AT_ONCE]
            yield partial(block.sample.fill_theta, theta_out[start : start + rows.size], rows)
            start += rows.size


def grounds(chunk: EvaluationRequest) -> tuple[tuple[Terrain, ...], NDArray[np.int64]]:
    """The different terrains of a chunk in order of first use, and (B,) which of them each episode runs on."""
    places: dict[Terrain, int] = {}
    index = [np.zeros(0, np.int64)]
    for block in chunk.blocks:
        own = np.array([places.setdefault(terrain, len(places)) for terrain in block.terrains], np.int64)
        index.append(own[block.terrain_index])
    return tuple(places), np.concatenate(index)
