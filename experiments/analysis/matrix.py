"""Every agent on every terrain: who can walk where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from agents.evaluation.executor import AbstractExecutor, Progress
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from environments.walker.ending import Outcome
from experiments.analysis.run_tables import RunTables
from poet.scoring import SOLVED_RETURN

if TYPE_CHECKING:
    from poet.archive.reader import Run


def matrix_niches(run: RunTables, limit: int) -> list[int]:
    """The niches to compare, by id: all, or ``limit`` of them spread evenly from the first admitted to the last.

    Raises:
        ValueError: ``limit`` is below 2.
    """
    if limit < 2:
        raise ValueError(f"limit must be at least 2, but is {limit}")
    ids = sorted(int(niche_id) for niche_id in run.niches["niche_id"])
    if len(ids) <= limit:
        return ids
    return [ids[i * (len(ids) - 1) // (limit - 1)] for i in range(limit)]


def score_matrix(
    run: Run,
    tables: RunTables,
    niche_ids: Sequence[int],
    executor: AbstractExecutor,
    engine: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Run the last stored agent of each niche on each niche's own terrain: N * N episodes.

    Args:
        run: whose agents are taken.
        tables: of the run; agents are those of its last iteration, or the latest stored before.
        niche_ids: the N niches.
        executor: what runs the episodes; it is not closed.
        engine: who integrates; None for the run's.
        progress: told after each chunk; None to be told nothing.

    Returns:
        Columns agent_id, terrain_id, score (return of the episode, -inf where the world diverged), length, outcome
        (name), is_solved; agents in the order given, then terrains.
    """
    thetas = np.stack([run.agent(niche_id, tables.iteration).theta for niche_id in niche_ids])
    terrains = tuple(tables.terrains[niche_id] for niche_id in niche_ids)
    request = EvaluationRequest(
        (every_row(Thetas(thetas), terrains),),
        run.policy,
        max_steps=tables.config.evaluation.max_steps,
        engine=engine or run.engine,
        label="every agent on every terrain",
    )
    (result,) = executor.evaluate(request, progress)
    return pd.DataFrame(
        {
            "agent_id": np.repeat(niche_ids, len(niche_ids)),
            "terrain_id": np.tile(niche_ids, len(niche_ids)),
            "score": result.fitness,
            "length": result.lengths,
            "outcome": [Outcome(outcome).name.lower() for outcome in result.outcomes],
            "is_solved": (result.outcomes == Outcome.FINISHED) & (result.returns >= SOLVED_RETURN),
        }
    )


def solves_table(matrix: pd.DataFrame) -> pd.DataFrame:
    """How general agents are, and how hard terrains are.

    Returns:
        Columns niche_id, terrains_solved (by its agent), solved_by (agents that solve its terrain), own_solved (by its
        own agent).
    """
    by_agent, by_terrain = (
        matrix.groupby("agent_id")["is_solved"].sum(),
        matrix.groupby("terrain_id")["is_solved"].sum(),
    )
    own = matrix[matrix["agent_id"] == matrix["terrain_id"]].set_index("agent_id")["is_solved"]
    table = pd.DataFrame({"terrains_solved": by_agent, "solved_by": by_terrain, "own_solved": own})
    return table.rename_axis("niche_id").reset_index()
