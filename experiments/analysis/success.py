"""How often agents succeed on their niches' validation sets, from admission on (``poet.validation``)."""

from __future__ import annotations

from collections.abc import Hashable
from math import floor, isnan

import pandas as pd

from experiments.analysis.run_tables import RunTables
from poet.archive.scores import cumulative_steps
from poet.events import Occasion, ValidationSet
from poet.validation import ROBUST_RATE

#: The word for a niche whose agent reaches ``ROBUST_RATE`` on a set.
REACHED = {ValidationSet.PUSHES: "robust", ValidationSet.SEEDS: "general"}
#: More than the rounding error of a whole percentage, and less than one episode counts.
_ROUNDING = 1e-9


def rates_by_niche(validations: pd.DataFrame) -> pd.DataFrame:
    """The success rates of each niche's agents, in brief.

    Args:
        validations: of ``poet.archive.reader.Run``, or the part of it up to an iteration.

    Returns:
        Indexed by niche_id, for niches that were validated. For each set, ``pushes`` and ``seeds``: NAME_admission (of
        the niche's first agent; NaN where that was not measured), NAME_now (of the last agent that was measured),
        NAME_best; rates from 0 to 1. ``robust``, ``general``: the iteration in which the rate on pushes, on seeds, was
        ``ROBUST_RATE`` for the first time; <NA> if it never was.
    """
    measured = with_rates(validations)
    table = pd.DataFrame(index=pd.Index(sorted(measured["niche_id"].unique()), name="niche_id", dtype="int64"))
    for which, reached in REACHED.items():
        mine = measured[measured["validation_set"] == which]
        first = mine[mine["occasion"] == Occasion.ADMISSION].set_index("niche_id")["rate"]
        table[f"{which}_admission"] = first.reindex(table.index).astype("float64")
        rates = mine.groupby("niche_id")["rate"]
        table[f"{which}_now"] = rates.last().reindex(table.index).astype("float64")
        table[f"{which}_best"] = rates.max().reindex(table.index).astype("float64")
        enough = mine[mine["rate"] >= ROBUST_RATE]
        table[reached] = enough.groupby("niche_id")["iteration"].first().astype("Int64").reindex(table.index)
    return table


def rates_over_time(validations: pd.DataFrame, which: ValidationSet) -> dict[Hashable, tuple[float, ...]]:
    """All success rates of each niche's agents on one set, the oldest first, by niche id; see ``rates_by_niche``."""
    measured = with_rates(validations)
    mine = measured[measured["validation_set"] == which]
    return {niche: tuple(rates) for niche, rates in mine.groupby("niche_id")["rate"]}


def success_history(run: RunTables) -> pd.DataFrame:
    """Every measurement, in the order in which agent versions came to be.

    Returns:
        Columns niche_id, version_id, validation_set, occasion, iteration, env_steps (spent by the end of that
        iteration), num_episodes, num_successes, rate, return_mean.
    """
    table = with_rates(run.validations)
    table["env_steps"] = table["iteration"].map(cumulative_steps(run.ledger, run.iteration)).astype("int64")
    names = ["niche_id", "version_id", "validation_set", "occasion", "iteration", "env_steps", "num_episodes"]
    return table[[*names, "num_successes", "rate", "return_mean"]]


def percentage(rate: float) -> str:
    """A success rate in whole percent, rounded down since 79.6 % is not robust; empty if it was not measured."""
    return "" if isnan(rate) else f"{floor(100 * rate + _ROUNDING)} %"


def with_rates(validations: pd.DataFrame) -> pd.DataFrame:
    """With a column rate, in order of version ids: a niche's later versions have later ids, wherever they come from."""
    table = validations.sort_values(["version_id", "validation_set"], ignore_index=True)
    table["rate"] = table["num_successes"] / table["num_episodes"]
    return table
