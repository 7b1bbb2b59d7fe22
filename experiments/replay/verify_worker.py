"""A process that runs archived pairs again: ``python -P -m experiments.replay.verify_worker RUN ENGINE [trusted]``.

It reads version ids from its standard input and writes what it finds as one JSON object a line. It knows a run's
archive, its policy, the Gymnasium env and the engines, and nothing of its genotype, strategy or criterion.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import gymnasium

from agents.evaluation.rollout import rollout
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from experiments.replay.walk import Controller
from poet.archive.reader import Run, open_run
from poet.archive.records import StoredAgent
from poet.types import theta_digest


def main() -> None:
    """Run the pairs that standard input names."""
    wanted = {int(word) for word in sys.stdin.read().split()}
    is_trusted = "trusted" in sys.argv[3:]
    with open_run(Path(sys.argv[1]), is_trusted) as run:
        for agent in run.stored_agents():
            if agent.version.id in wanted:
                # One write per line: several processes share the pipe, which keeps such short writes whole.
                sys.stdout.write(json.dumps(_recomputed(run, agent, sys.argv[2])) + "\n")
                sys.stdout.flush()


def _recomputed(run: Run, agent: StoredAgent, engine: str) -> dict[str, Any]:
    version = agent.version
    try:
        policy = run.policy
        terrain = run.terrain(version.niche_id)
        max_steps = run.config_at(version.iteration).evaluation.max_steps
        if engine == "box2d":  # the oracle is used through the env, which shares no loop with any engine
            own_return, length, outcome = run_episode(terrain, policy.controller(agent.theta), max_steps)
        else:
            result = rollout(policy, agent.theta, terrain, engine=engine, max_steps=max_steps)
            own_return, length, outcome = float(result.returns[0]), int(result.lengths[0]), result.outcomes[0]
    except ValueError as error:  # a damaged theta or terrain
        return {"version_id": version.id, "error": str(error)[:1000]}
    return {
        "version_id": version.id,
        "own_return": own_return,
        "own_length": length,
        "own_outcome": int(outcome),
        "theta_digest": theta_digest(agent.theta),
    }


def run_episode(terrain: Terrain, act: Controller, max_steps: int) -> tuple[float, int, Outcome]:
    """One episode in the Gymnasium env: return, length and outcome.

    Args:
        terrain: what is walked on.
        act: from an observation (24,) to an action (4,).
        max_steps: counts instead of the env's own time limit, which only truncates and may be shorter.
    """
    env = gymnasium.make("BipedalTerrain-v0", terrain=terrain, engine="box2d", disable_env_checker=True)
    try:
        observation, _ = env.reset()
        total = 0.0
        for step in range(1, max_steps + 1):
            observation, reward, is_terminated, _, info = env.step(act(observation))
            total += float(reward)
            if is_terminated:
                return total, step, Outcome(info["outcome"])
        return total, max_steps, Outcome.TIMEOUT
    finally:
        env.close()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)  # the caller is gone and nobody is left to tell; a normal exit would try to flush again
