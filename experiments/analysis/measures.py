"""How far a run has come: curves over env-steps, and the few numbers that sum it up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.frames import cumulative_steps, ledger_table, niches_table, score_history
from experiments.analysis.genes import CHALLENGE_NAMES, genes_table
from experiments.analysis.run_tables import RunTables
from experiments.analysis.transfers import periodic_share
from poet.config import Config
from poet.events import CandidateOutcome


def flat_config(config: Config) -> dict[str, Any]:
    """Every ``section.key`` with its value."""
    return {f"{section}.{key}": value for section, keys in config.to_json().items() for key, value in keys.items()}


def config_differences(config: Config) -> dict[str, Any]:
    """The keys whose value is not the default."""
    defaults = flat_config(Config())
    return {key: value for key, value in flat_config(config).items() if value != defaults[key]}


def progress_curves(run: RunTables) -> pd.DataFrame:
    """What the run had reached by the end of each iteration.

    Returns:
        Indexed by iteration: env_steps; best_score (the highest score of any agent in its own niche so far, NaN before the
        first finite one); num_active (niches at that time); num_admitted, num_solved (niches so far); for each gene
        ``GENE_admitted`` and ``GENE_solved``: the greatest upper end among niches admitted, and solved, so far (0: none).
    """
    steps = cumulative_steps(run)
    curves = steps.to_frame()
    scores = score_history(run)
    finite = scores[np.isfinite(scores["score"])]
    curves["best_score"] = finite.groupby("iteration")["score"].max().reindex(steps.index).cummax().ffill()
    admitted = _count_so_far(run.niches["iteration"], steps.index)
    curves["num_active"] = admitted - _count_so_far(run.retirements["iteration"], steps.index)
    curves["num_admitted"] = admitted
    curves["num_solved"] = _count_so_far(run.solved["iteration"], steps.index)

    genes = genes_table(run)
    for gene in genes["gene"].unique():
        for name, events in (("admitted", run.niches), ("solved", run.solved)):
            when = genes["niche_id"].map(events.set_index("niche_id")["iteration"])
            greatest = genes[genes["gene"] == gene].groupby(when)["high"].max()
            curves[f"{gene}_{name}"] = greatest.reindex(steps.index).cummax().ffill().fillna(0.0)
    return curves


def run_card(run: RunTables) -> dict[str, int | float | str]:
    """The numbers that sum up a run, by name, in the order in which they are read.

    ``Periodic transfers accepted`` counts (round, target) as the paper does (POET.md 7.1). Counts of challenging terrains are
    there for the paper's genotype only. NaN where there is nothing to divide by.
    """
    niches, costs = niches_table(run), ledger_table(run)
    attempts, accepted = periodic_share(run)
    finite = niches["best_score"][np.isfinite(niches["best_score"])]
    card: dict[str, int | float | str] = {
        "Seed": run.config.run.seed,
        "Iterations": run.iteration,
        "Env-steps": int(costs["env_steps"].sum()),
        "Episodes": int(costs["episodes"].sum()),
        "Niches admitted": len(niches),
        "Niches active": int(niches["is_active"].sum()),
        "Niches retired": int((~niches["is_active"]).sum()),
        "Niches solved": int(niches["solved"].notna().sum()),
        "Best score": float(finite.max()) if len(finite) else float("nan"),
        "Candidates judged": len(run.candidates),
        "Periodic transfers tried": attempts,
        "Periodic transfers accepted": accepted,
        "Periodic transfers accepted share": accepted / attempts if attempts else float("nan"),
    }
    if niches["challenge_level"].notna().all():
        solved = niches.loc[niches["solved"].notna(), "challenge_level"]
        for level, name in enumerate(CHALLENGE_NAMES[1:], start=1):
            card[f"Solved {name}"] = int((solved == level).sum())
    seconds = float(run.iterations["seconds"].sum())
    card["Wall time, s"] = seconds
    card["Env-steps per second"] = int(costs["env_steps"].sum()) / seconds if seconds > 0.0 else float("nan")
    return card


def candidates_table(run: RunTables) -> pd.DataFrame:
    """What became of candidates.

    Returns:
        Columns outcome, candidates, share (of all, 0 to 1); every outcome, in the order in which a candidate can be refused.
    """
    counts = run.candidates["outcome"].value_counts()
    outcomes = [outcome.value for outcome in CandidateOutcome]
    table = pd.DataFrame({"outcome": outcomes, "candidates": [int(counts.get(outcome, 0)) for outcome in outcomes]})
    table["share"] = table["candidates"] / max(1, len(run.candidates))
    return table


def _count_so_far(happened: pd.Series[int], iterations: pd.Index[int]) -> pd.Series[int]:
    """How many of these events there were by the end of each iteration."""
    return happened.value_counts().reindex(iterations, fill_value=0).cumsum()
