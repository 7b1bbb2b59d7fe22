"""ANNECS over time: how many novel environments a run has created and solved (``poet.annecs`` says what counts)."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import pandas as pd

from experiments.analysis.success import rates_by_niche
from poet.annecs import annecs_counts
from poet.criterion import Judgement
from poet.events import NicheJudged


def annecs_frame(
    niches: pd.DataFrame,
    judgements: pd.DataFrame,
    solved: pd.DataFrame,
    validations: pd.DataFrame,
    admissible: Sequence[int],
) -> pd.DataFrame:
    """ANNECS at the end of each iteration, by all of its definitions.

    Args:
        niches, judgements, solved, validations: of ``poet.archive.reader.Run``.
        admissible: for each iteration from 0 to the last how many niches the cadence would have let in so far
            (``poet.annecs.admissible_niches``); what happened later is left out.

    Returns:
        Columns iteration, annecs_paper, passed_unsolved, annecs_released, annecs_robust (whole numbers; <NA> from the
        first niche on that was not judged: a run that an older POET began, or one with ``poet.annecs = false``;
        annecs_robust is also <NA> where nobody was validated), admissible, and annecs_paper and annecs_robust over it
        as paper_share and robust_share (NaN before the first reproduction, and where the count is unknown).
    """
    iteration = len(admissible) - 1
    children = niches[niches["parent_id"].notna() & (niches["iteration"] <= iteration)]
    solutions = solved[solved["iteration"] <= iteration]
    is_unknown = validations.empty
    robust = rates_by_niche(validations[validations["iteration"] <= iteration])["robust"].dropna()
    counts = annecs_counts(
        dict(zip(children["niche_id"], children["iteration"], strict=True)),
        [_record(row) for row in judgements[judgements["iteration"] <= iteration].to_dict("records")],
        dict(zip(solutions["niche_id"], solutions["iteration"], strict=True)),
        iteration,
        {} if is_unknown else dict(zip(robust.index, robust, strict=True)),
    )
    rows = [
        (None,) * 4 if c is None else (c.paper, c.passed_unsolved, c.released, None if is_unknown else c.robust)
        for c in counts
    ]
    names = ["annecs_paper", "passed_unsolved", "annecs_released", "annecs_robust"]
    table = pd.DataFrame(rows, columns=names, dtype="Int64")
    table.insert(0, "iteration", range(iteration + 1))
    table["admissible"] = list(admissible)
    possible = table["admissible"].where(table["admissible"] > 0).astype("float64")
    for name in ("paper", "robust"):
        table[f"{name}_share"] = table[f"annecs_{name}"].astype("Float64").to_numpy("float64", na_value=nan) / possible
    return table


def _record(row: dict[Any, Any]) -> NicheJudged:
    """The record of a row, with pandas' missing values as None."""
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
