"""ANNECS over time: how many novel environments a run has created and solved (``poet.annecs`` says what counts)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from poet.annecs import annecs_counts
from poet.criterion import Judgement
from poet.events import NicheJudged


def annecs_frame(niches: pd.DataFrame, judgements: pd.DataFrame, solved: pd.DataFrame, iteration: int) -> pd.DataFrame:
    """ANNECS at the end of each iteration, both ways.

    Args:
        niches, judgements, solved: of ``poet.archive.reader.Run``.
        iteration: the last one; what happened later is left out.

    Returns:
        Columns iteration, annecs_paper, passed_unsolved, annecs_released (whole numbers; <NA> from the first niche on
        that was not judged: a run that an older POET began, or one with ``poet.annecs = false``).
    """
    children = niches[niches["parent_id"].notna() & (niches["iteration"] <= iteration)]
    solutions = solved[solved["iteration"] <= iteration]
    counts = annecs_counts(
        dict(zip(children["niche_id"], children["iteration"], strict=True)),
        [_record(row) for row in judgements[judgements["iteration"] <= iteration].to_dict("records")],
        dict(zip(solutions["niche_id"], solutions["iteration"], strict=True)),
        iteration,
    )
    rows = [
        (None, None, None) if count is None else (count.paper, count.passed_unsolved, count.released)
        for count in counts
    ]
    names = ["annecs_paper", "passed_unsolved", "annecs_released"]
    table = pd.DataFrame(rows, columns=names, dtype="Int64")
    table.insert(0, "iteration", range(iteration + 1))
    return table


def _record(row: dict[Any, Any]) -> NicheJudged:
    """The record of a row, whose missing values pandas has its own way of writing."""
    has_retired = row["retired_judgement"] is not None
    return NicheJudged(
        niche_id=row["niche_id"],
        iteration=row["iteration"],
        num_agents=row["num_agents"],
        num_retired=row["num_retired"],
        best_score=row["best_score"],
        judgement=Judgement(row["judgement"]),
        retired_best_score=row["retired_best_score"] if has_retired else None,
        retired_judgement=Judgement(row["retired_judgement"]) if has_retired else None,
    )
