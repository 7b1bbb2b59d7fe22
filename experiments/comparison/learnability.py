"""Learnability of a run's niches, p(1 - p) of a success rate p: most where the agent succeeds half of the time.

The measure is that of Rutherford et al. 2024, No Regrets (sampling for learnability), there of levels that a policy is
tried on several times. Here p is the rate of a niche's own agent on one of its validation sets, since on one fixed
terrain a deterministic agent succeeds always or never.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.comparison.snapshots import ComparedRun
from poet.events import ValidationSet


def learnability_table(run: ComparedRun) -> pd.DataFrame:
    """How much is left to learn in a run's active niches, at the same moments as ``modes_table``, and at the start.

    Returns:
        Columns env_steps, iteration, and for each validation set NAME_learnability: the mean over the niches active
        then of an unbiased estimate of p(1 - p), 0 to about 0.25, from the last measurement of each; NaN where none of
        them was measured.
    """
    moments = run.moments()
    table = pd.DataFrame({"env_steps": moments, "iteration": run.iterations_at(moments)})
    for which in ValidationSet:
        table[f"{which}_learnability"] = [_mean_at(run, iteration, which) for iteration in table["iteration"].tolist()]
    return table


def learnability(num_successes: int, num_episodes: int) -> float:
    """The unbiased estimate of p(1 - p) from so many episodes; NaN from a single one, which tells nothing of it.

    The share s of successes has E[s(1 - s)] = p(1 - p)(n - 1)/n, so that few episodes would look less learnable.
    """
    if num_episodes < 2:
        return float("nan")
    return num_successes * (num_episodes - num_successes) / (num_episodes * (num_episodes - 1))


def _mean_at(run: ComparedRun, iteration: int, which: ValidationSet) -> float:
    measured = run.tables.validations
    measured = measured[(measured["validation_set"] == which) & (measured["iteration"] <= iteration)]
    last = (
        measured[measured["niche_id"].isin(run.active(iteration))].sort_values("version_id").groupby("niche_id").last()
    )
    values = [learnability(s, n) for s, n in zip(last["num_successes"], last["num_episodes"], strict=True)]
    return float(np.mean(values)) if values else float("nan")
