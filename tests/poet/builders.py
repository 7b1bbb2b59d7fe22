"""Small worlds with known answers: states, parts and an evaluate function whose scores a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet import loop
from poet.config import Config, make_config
from poet.events import Cost, Event
from poet.parts import Parts, make_parts
from poet.types import Evaluation, Niche, PoetState, Purpose, RetiredNiche

Score = Callable[[NDArray[np.float32], Terrain], float]
#: Control steps of the episodes of a ``Judge``, if they may be that long.
EPISODE_LENGTH = 10
#: A short course with a ramp and a block.
DRAWN: dict[str, Any] = {
    "ground": [[0.0, 3.5], [6.0, 3.5], [7.0, 4.0], [30.0, 4.0]],
    "obstacles": [[[5.0, 3.5], [5.5, 3.5], [5.5, 3.75], [5.0, 3.75]]],
    "push": 2.5,
}


@dataclass
class Judge:
    """An ``Evaluate`` that scores thetas by a function and remembers the requests."""

    score: Score
    outcome: Outcome = Outcome.TIMEOUT
    requests: list[EvaluationRequest] = field(default_factory=list)

    def __call__(self, request: EvaluationRequest) -> tuple[RolloutResult, ...]:
        """One row for each episode."""
        self.requests.append(request)
        results = []
        for block in request.blocks:
            thetas = block.sample.theta(block.rows)
            returns = [self.score(t, block.terrains[i]) for t, i in zip(thetas, block.terrain_index, strict=True)]
            num = len(returns)
            results.append(
                RolloutResult(
                    np.array(returns), np.full(num, EPISODE_LENGTH, np.int32), np.full(num, self.outcome, np.int8)
                )
            )
        return tuple(results)


def first_weight(theta: NDArray[np.float32], terrain: Terrain) -> float:
    """The score is the first parameter, whatever the terrain."""
    return float(theta[0])


def make_test_parts(score: Score = first_weight, outcome: Outcome = Outcome.TIMEOUT, **sections: Any) -> Parts:
    """Parts with two pairs and steps so small that a proposal scores nearly the same as its source."""
    es = {"pairs": 2, "noise_std": 1e-3, "noise_limit": 1e-3, "learning_rate": 1e-3, "weight_decay": 0.0}
    config = make_config({"es": es}, sections)
    return make_parts(config, Judge(score, outcome))


def start(parts: Parts, theta: NDArray[np.float32] | None = None) -> tuple[PoetState, tuple[Event, ...]]:
    """The beginning of a run of POET."""
    return loop.start(parts, theta, PoetState)


def theta_of(first: float) -> NDArray[np.float32]:
    """(2804,) float32: zeros except for the first parameter."""
    theta = np.zeros(MLPPolicy().num_parameters, np.float32)
    theta[0] = first
    return theta


def make_niche(niche_id: int, parts: Parts, score: float = 0.0, **changes: Any) -> Niche:
    """A niche whose agent's first parameter, and last score, is ``score``; each has its own genotype."""
    values: dict[str, Any] = {
        "id": niche_id,
        "genotype": ObstacleGenotype(roughness=round(0.1 * niche_id, 1)),
        "terrain_seed": niche_id,
        "parent_id": None,
        "created": 0,
        "optimiser": parts.strategy.initial_state(theta_of(score)[None, :]),
        "version_id": niche_id,
        "evaluation": Evaluation(score, score, EPISODE_LENGTH, int(Outcome.TIMEOUT)),
        "recent_scores": (score,),
    }
    return Niche(**(values | changes))


def make_state(*niches: Niche, iteration: int = 0) -> PoetState:
    """A state with these active niches, evaluated in episodes of the default length."""
    num = 1 + max(niche.id for niche in niches)
    max_steps = Config().evaluation.max_steps
    return PoetState(iteration, niches, next_niche_id=num, next_version_id=num, scored_steps=max_steps)


def make_retired(niche: Niche, iteration: int = 1) -> RetiredNiche:
    """The niche as a retired one."""
    return RetiredNiche(
        niche.id, niche.genotype, niche.terrain_seed, niche.parent_id, niche.created, niche.is_solved, iteration,
        niche.version_id, niche.theta,
    )  # fmt: skip


def ledger(events: Iterable[Event]) -> dict[tuple[int, Purpose], tuple[int, int]]:
    """(niche, purpose) -> (episodes, env-steps), summed over all costs among the events."""
    spent: dict[tuple[int, Purpose], tuple[int, int]] = {}
    for event in events:
        if isinstance(event, Cost):
            episodes, env_steps = spent.get((event.niche_id, event.purpose), (0, 0))
            spent[event.niche_id, event.purpose] = (episodes + event.episodes, env_steps + event.env_steps)
    return spent
