"""A chunk for an engine that makes thetas itself: each episode names its theta by sample, perturbation and sign."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Block, EvaluationRequest, Sample
from agents.rollouts.thread import Episodes
from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
from environments.streams import WORDS_PER_BLOCK
from environments.walker.ending import GOES_ON

#: The greatest perturbation: the first and the last of the 2^32 words give 6.23.
_MOST_DEVIATIONS = 6.3


def named_episodes(chunk: EvaluationRequest, terrain_index: NDArray[np.int64]) -> Episodes:
    """The episodes of a chunk, block after block.

    Args:
        chunk: what to run. The engine makes those thetas that ``Perturbations`` name by scale and eps alone;
            thetas of any other sample are made here.
        terrain_index: (B,) int64.

    Raises:
        InputError: a theta has another shape, or may not be finite.
    """
    num, num_parameters = chunk.num_episodes, chunk.policy.num_parameters
    samples = [block.sample for block in chunk.blocks if _is_made_there(block.sample)]
    for perturbed in samples:
        chunk.policy.check_shape(perturbed.centre)
    scale = np.array([s.scale for s in samples], np.float32).reshape(-1, num_parameters)
    centres = [np.array([s.centre for s in samples], np.float32).reshape(-1, num_parameters)]
    sample, direction, sign = (np.zeros(num, np.int64) for _ in range(3))
    start, num_perturbed, num_centres = 0, 0, len(samples)
    for block in chunk.blocks:
        here = slice(start, start + block.rows.size)
        if _is_made_there(block.sample):
            sample[here] = num_perturbed
            direction[here], sign[here] = _directions(block.sample, block.rows)
            num_perturbed += 1
        else:
            rows, place = np.unique(block.rows, return_inverse=True)
            centres.append(block.sample.theta(rows))
            sample[here] = num_centres + place
            num_centres += rows.size
        start += block.rows.size
    centre = np.concatenate(centres)
    _check_finite(chunk, centre, scale)
    return Episodes(
        terrain_index=terrain_index,
        sample=sample,
        direction=direction,
        sign=sign,
        centre=centre,
        scale=scale,
        words=np.array([s.place.words for s in samples], np.uint64).reshape(-1, WORDS_PER_BLOCK),
        policy_shape=np.array(chunk.policy.shape, np.int64),
        returns=np.full(num, np.nan),
        lengths=np.zeros(num, np.int32),
        outcomes=np.full(num, GOES_ON, np.int8),
    )


def thetas_of(blocks: tuple[Block, ...], episodes: NDArray[np.int64]) -> NDArray[np.float32]:
    """(len(episodes), P) float32: the thetas of some episodes of a chunk."""
    starts = np.cumsum([0, *(block.rows.size for block in blocks)])
    found = []
    for episode in episodes.tolist():
        place = int(np.searchsorted(starts, episode, side="right")) - 1
        block = blocks[place]
        found.append(block.sample.theta(block.rows[[episode - int(starts[place])]]))
    return np.concatenate(found)


def _is_made_there(sample: Sample) -> TypeGuard[Perturbations]:
    return isinstance(sample, Perturbations) and sample.mean_input is None


def _directions(sample: Perturbations, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The perturbation of each row of a sample, and its sign."""
    if not sample.antithetic:
        return rows, np.ones_like(rows)
    return rows // 2, 1 - 2 * (rows % 2)


def _check_finite(chunk: EvaluationRequest, centre: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
    chunk.policy.check_theta(centre)
    farthest = np.abs(centre[: len(scale)]).astype(np.float64) + _MOST_DEVIATIONS * np.abs(scale.astype(np.float64))
    if not (farthest <= np.finfo(np.float32).max).all():
        raise InputError("theta must be finite, but a sample's centre and scale lead to infinity or NaN")
