"""Whole episodes of the engine ``simd`` and of the module, the policy included, on the parity test's courses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from tests.wasm.host import WasmWalker


def in_module(request: EvaluationRequest, code: bytes | None = None) -> RolloutResult:
    """The results of the module, one episode after the other.

    Args:
        request: of one block.
        code: another module than the committed one.
    """
    (block,) = request.blocks
    thetas = block.sample.theta(block.rows)
    found = []
    for theta, index in zip(thetas, block.terrain_index, strict=True):
        terrain = block.terrains[index]
        walker = WasmWalker(terrain, request.policy, theta, code)
        found.append(walker.episode(terrain.push, request.max_steps))
    returns, lengths, outcomes = zip(*found, strict=True)
    return RolloutResult(np.array(returns), np.array(lengths, np.int32), np.array(outcomes, np.int8))


def bits(result: RolloutResult) -> NDArray[np.uint64]:
    """(B, 3): the bits of each return, the length and the outcome."""
    returns = result.returns.astype(np.float64).view(np.uint64)
    return np.column_stack([returns, result.lengths.astype(np.uint64), result.outcomes.astype(np.uint64)])
