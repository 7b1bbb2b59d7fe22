"""Every agent on every ground of a suite: episodes, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from agents.evaluation.executor import AbstractExecutor, Progress
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from agents.rollouts.result import RolloutResult
from environments.biped import MAX_STEPS
from environments.errors import InputError
from environments.machine import available_cores
from environments.streams import Stream
from environments.terrain.elementary import normal
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.worlds import make_worlds
from experiments.suites import Cell, Suite
from experiments.suites.agents import Agent
from poet.scoring import successes
from poet.validation import ROBUST_RATE

#: Of a Wilson interval.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Trial:
    """How episodes are run.

    Attributes:
        engine: who integrates; changes no result.
        sampled: whether each action gets the noise of the agent's training, as in the tests of ACCEL; only agents that
            were trained with such noise can.
        max_steps: control steps after which an episode times out.
    """

    engine: str = "simd"
    sampled: bool = False
    max_steps: int = MAX_STEPS


def evaluate(
    agents: Sequence[Agent],
    suite: Suite,
    executor: AbstractExecutor,
    trial: Trial,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Run every agent once on every ground of a suite.

    Args:
        agents: whose names differ.
        suite: the grounds.
        executor: what runs the episodes; it is not closed.
        trial: how.
        progress: told after each chunk, for one policy after the other; None to be told nothing.

    Returns:
        A row for each episode: suite, agent, cell, episode (its place in the cell), score (return; -inf where the world
        diverged), length, outcome (name), success (finished with a return of 230 or more); agents in the order given,
        then cells, then episodes.

    Raises:
        InputError: actions shall be sampled, but an agent has no noise.
    """
    if trial.sampled:
        _check_noise(agents)
        results = {
            agent.name: [_sampled(agent, i, cell, trial) for i, cell in enumerate(suite.cells)] for agent in agents
        }
    else:
        results = _without_noise(agents, suite, executor, trial, progress)
    frames = [
        _frame(suite, agent, cell, result)
        for agent in agents
        for cell, result in zip(suite.cells, results[agent.name], strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def _without_noise(
    agents: Sequence[Agent], suite: Suite, executor: AbstractExecutor, trial: Trial, progress: Progress | None
) -> dict[str, list[RolloutResult]]:
    """Each agent's results, cell by cell; one request for each policy."""
    results: dict[str, list[RolloutResult]] = {}
    for policy in dict.fromkeys(agent.policy for agent in agents):
        mine = [agent for agent in agents if agent.policy == policy]
        blocks = [every_row(Thetas(agent.theta[None, :]), cell.terrains) for agent in mine for cell in suite.cells]
        request = EvaluationRequest(tuple(blocks), policy, trial.max_steps, trial.engine, f"suite {suite.name}")
        found = iter(executor.evaluate(request, progress))
        results |= {agent.name: [next(found) for _ in suite.cells] for agent in mine}
    return results


def _frame(suite: Suite, agent: Agent, cell: Cell, result: RolloutResult) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "suite": suite.name,
            "agent": agent.name,
            "cell": cell.name,
            "episode": np.arange(result.returns.size),
            "score": result.fitness,
            "length": result.lengths,
            "outcome": [Outcome(outcome).name.lower() for outcome in result.outcomes],
            "success": successes(result),
        }
    )


def _check_noise(agents: Sequence[Agent]) -> None:
    for agent in agents:
        if agent.noise_std is None:
            raise InputError(
                f"{agent.name} was trained without noise on its actions, or its file does not say: leave out --sampled"
            )


def _sampled(agent: Agent, cell_number: int, cell: Cell, trial: Trial) -> RolloutResult:
    """The episodes of an agent in one cell, with noise on its actions, in lock step.

    An episode's noise depends on its place in the suite alone, so that it is the same for all agents but for its size.
    """
    number, noise_std = len(cell.terrains), [] if agent.noise_std is None else agent.noise_std.tolist()
    acts = [agent.policy.controller(agent.theta) for _ in range(number)]
    streams = [Stream(episode, "noise of evaluate", cell_number) for episode in range(number)]
    worlds = make_worlds(trial.engine, cell.terrains, np.arange(number), trial.max_steps, available_cores())
    worlds.reset()
    returns, actions = np.zeros(number), np.zeros((number, len(noise_std)), np.float32)
    goes_on = np.ones(number, np.bool_)
    while goes_on.any():
        for i in np.flatnonzero(goes_on):
            noise = np.array([normal(streams[i], std) for std in noise_std], np.float32)
            actions[i] = acts[i](worlds.observations[i]) + noise
        worlds.step(actions, goes_on)
        returns[goes_on] += worlds.rewards[goes_on]
        goes_on &= worlds.outcomes == GOES_ON
    return RolloutResult(returns, worlds.num_steps.astype(np.int32), worlds.outcomes.astype(np.int8))


def summary(episodes: pd.DataFrame) -> pd.DataFrame:
    """Each agent in each cell.

    Args:
        episodes: of ``evaluate``; of several suites, too.

    Returns:
        Columns suite, agent, cell, episodes, successes, success_rate, low, high (its Wilson interval at 95 %; it speaks
        of this agent, not of the way in which it was made), score_mean, score_std, length_mean, and the share of
        episodes that ended as each outcome does: finished, fell, timeout, diverged.
    """
    rows = []
    for (suite, agent, cell), mine in episodes.groupby(["suite", "agent", "cell"], sort=False):
        count = int(mine["success"].sum())
        interval = binomtest(count, len(mine)).proportion_ci(CONFIDENCE, method="wilson")
        outcomes = {o.name.lower(): float((mine["outcome"] == o.name.lower()).mean()) for o in Outcome}
        rows.append(
            {
                "suite": suite,
                "agent": agent,
                "cell": cell,
                "episodes": len(mine),
                "successes": count,
                "success_rate": count / len(mine),
                "low": float(interval.low),
                "high": float(interval.high),
                "score_mean": float(mine["score"].mean()),
                "score_std": float(mine["score"].std(ddof=0)),
                "length_mean": float(mine["length"].mean()),
                **outcomes,
            }
        )
    return pd.DataFrame(rows)


def by_agent(cells: pd.DataFrame) -> pd.DataFrame:
    """One row for each agent on each suite.

    Args:
        cells: of ``summary``.

    Returns:
        Columns suite, agent, success_rate and score_mean (means over cells), cells_robust (cells at 80 % or more),
        cells.
    """
    return (
        cells.assign(is_robust=cells["success_rate"] >= ROBUST_RATE)
        .groupby(["suite", "agent"], sort=False)
        .agg(
            success_rate=("success_rate", "mean"),
            score_mean=("score_mean", "mean"),
            cells_robust=("is_robust", "sum"),
            cells=("cell", "size"),
        )
        .reset_index()
    )
