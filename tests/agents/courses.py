"""Whole episodes on the parity test's courses, for a trained walker and its mutants."""

from __future__ import annotations

import numpy as np

from agents.policies.mlp import MLPPolicy
from agents.rollouts import simd
from agents.rollouts.chunks import grounds
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from experiments.walkers import load_walker
from tests.parity.episodes import Case

MAX_STEPS = 2000


def request(num: int, seed: int) -> EvaluationRequest:
    """One episode on each of so many courses, of all kinds in turn."""
    walker, rng = load_walker("flat").theta, np.random.default_rng(seed)
    cases = [Case(number, seed=seed) for number in range(num)]
    spread = rng.choice([0.0, 0.02, 0.1], size=(num, 1))
    theta = (walker + spread * rng.standard_normal((num, walker.size))).astype(np.float32)
    index = np.arange(num)
    block = Block(Thetas(theta), index, tuple(case.terrain() for case in cases), index)
    return EvaluationRequest((block,), MLPPolicy(), max_steps=MAX_STEPS)


def in_lanes(asked: EvaluationRequest, threads: int = 1) -> RolloutResult:
    """The results of the engine ``simd``."""
    (block,) = asked.blocks
    return simd.run_episodes(asked.policy, block.sample.theta(block.rows), *grounds(asked), MAX_STEPS, threads)
