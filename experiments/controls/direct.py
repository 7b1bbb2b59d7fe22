"""What ES alone makes of a niche's terrain: the control of the claim that stepping stones were needed.

One niche, its terrain that of the niche in question, its first agent the walker that the run began with: it trains by
the run's own optimiser, under the same kind of pushes or seeds, and nothing is born or moved. It may spend what the
run's way to that terrain has cost.

Reference: Wang et al. 2020, section on controls (direct optimisation by ES).
"""

from __future__ import annotations

import math

import pandas as pd

from experiments.analysis.success import rates_by_niche
from experiments.settings import resolve_config
from poet.archive.reader import Run
from poet.archive.rows import canonical_json
from poet.config import Config

#: What a direct path may cost: what the run had spent on the niche and those that it descends from, or on everything,
#: by the time at which the niche was first robustly solved, or solved once, or by its end.
BUDGETS = ("ancestry", "run")
#: Pushes of the validation where the run has none.
NUM_EPISODES = 100
#: More iterations than any budget lasts; and so many from one reproduction to the next are none.
NO_END = 10**9


def direct_config(run: Run, niche_id: int) -> Config:
    """The settings of the direct path to a niche of a run.

    Raises:
        InputError: no such niche.
    """
    run.terrain(niche_id)  # or there is no such niche
    (row,) = run.niches[run.niches["niche_id"] == niche_id].to_dict("records")
    config = run.config_at(row["iteration"])
    flags = {
        "run.iterations": NO_END,
        "run.reject": [],
        "run.start_terrain": canonical_json(row["genotype"]),
        "run.start_terrain_seed": row["terrain_seed"],
        "poet.reproduction_interval": NO_END,
        "validation.episodes": config.validation.episodes or NUM_EPISODES,
    }
    return resolve_config(flags=flags, base=config)


def budget(run: Run, niche_id: int, name: str) -> int:
    """Env-steps that the run's way to a niche cost, see ``BUDGETS``.

    Raises:
        InputError: no such niche.
    """
    run.terrain(niche_id)
    ledger = run.ledger
    spent = ledger[ledger["iteration"] <= _reached(run, niche_id)]
    if name == "ancestry":
        spent = spent[spent["niche_id"].isin(_ancestry(run, niche_id))]
    return int(spent["env_steps"].sum())


def best_and_last(run: Run, niche_id: int) -> tuple[float, float]:
    """Success rates under pushes of a niche's agents: the best that was measured, and the last; NaN where none was."""
    rates = rates_by_niche(run.validations)
    if niche_id not in rates.index:
        return math.nan, math.nan
    return float(rates["pushes_best"][niche_id]), float(rates["pushes_now"][niche_id])


def _reached(run: Run, niche_id: int) -> int:
    """The iteration in which a niche was robustly solved, or solved once, or the last one in which it was active."""
    rates = rates_by_niche(run.validations)
    if niche_id in rates.index and not pd.isna(rates["robust"][niche_id]):
        return int(rates["robust"][niche_id])
    for events in (run.solved, run.retirements):
        mine = events.loc[events["niche_id"] == niche_id, "iteration"]
        if len(mine):
            return int(mine.iloc[0])
    return run.iteration or 0


def _ancestry(run: Run, niche_id: int) -> list[int]:
    """A niche and those that it descends from."""
    parents = run.niches.set_index("niche_id")["parent_id"]
    found = [niche_id]
    while not pd.isna(parents[found[-1]]):
        found.append(int(parents[found[-1]]))
    return found
