"""A chunk as one batch: thetas and grounds of all its blocks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts.checks import check_policy
from agents.rollouts.request import EvaluationRequest, Thetas
from environments.errors import COUNT, InputError, whole_number
from environments.terrain.terrain import Terrain, check_terrain_index

#: How many thetas a thread makes at once; this takes about half a millisecond.
_ROWS_AT_ONCE = 64

#: Policy, thetas (B, P), grounds, which of them each row walks on (B,), most control steps.
Rows = tuple[AbstractPolicy, NDArray[np.float32], Sequence[Terrain], NDArray[np.int64], int]


def rows_of(chunk: EvaluationRequest, threads: int = 1) -> Rows:
    """A chunk as an engine wants it that makes no thetas itself.

    Args:
        chunk: what to run.
        threads: that make thetas.

    Raises:
        InputError: as ``check_chunk``; or a theta has another shape, or is not finite.
    """
    check_chunk(chunk)
    theta = thetas(chunk, threads)
    chunk.policy.check_theta(theta)
    return chunk.policy, theta, *grounds(chunk), chunk.max_steps


def check_chunk(chunk: EvaluationRequest) -> None:
    """Raise ``InputError`` unless a chunk's policy is a walker's, and its blocks name thetas and grounds that exist."""
    check_policy(chunk.policy)
    whole_number("max_steps", chunk.max_steps, *COUNT)
    for block in chunk.blocks:
        if isinstance(block.sample, Thetas):
            chunk.policy.check_shape(block.sample.values)
        rows, index = block.rows, block.terrain_index
        if rows.ndim != 1 or rows.shape != index.shape or {rows.dtype.kind, index.dtype.kind} - {"i", "u"}:
            raise InputError(
                f"rows and terrain_index of a block must be whole numbers, one of each for an episode, but are "
                f"{rows.dtype} of shape {rows.shape} and {index.dtype} of shape {index.shape}"
            )
        num_rows = block.sample.num_rows
        if rows.size and (rows.min() < 0 or rows.max() >= num_rows):
            raise InputError(
                f"rows of a block must be in 0..{num_rows - 1} for {num_rows} thetas, but are in "
                f"{rows.min()}..{rows.max()}"
            )
        check_terrain_index(index, len(block.terrains))


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
