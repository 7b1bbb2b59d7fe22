"""Scores over what was spent until then."""

from __future__ import annotations

import pandas as pd


def cumulative_steps(ledger: pd.DataFrame, iteration: int) -> pd.Series[int]:
    """Env-steps spent by the end of each iteration.

    Args:
        ledger: of ``poet.archive.reader.Run``.
        iteration: the last one.

    Returns:
        int64, indexed by iteration 0, 1, ... to the last.
    """
    spent = ledger.groupby("iteration")["env_steps"].sum()
    steps = spent.reindex(pd.RangeIndex(iteration + 1, name="iteration"), fill_value=0)
    return steps.cumsum().astype("int64").rename("env_steps")


def score_history(versions: pd.DataFrame, steps: pd.Series[int]) -> pd.DataFrame:
    """The score of every niche's agent at the end of each iteration.

    Args:
        versions: of ``poet.archive.reader.Run``.
        steps: of ``cumulative_steps``.

    Returns:
        Columns niche_id, iteration, env_steps, score (-inf where a world diverged); in order of niche and iteration.
    """
    last = versions.sort_values("id").drop_duplicates(["niche_id", "iteration"], keep="last")
    table = last[["niche_id", "iteration", "score"]].sort_values(["niche_id", "iteration"], ignore_index=True)
    table.insert(2, "env_steps", table["iteration"].map(steps).astype("int64"))
    return table
