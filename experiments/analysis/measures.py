"""How far a run has come: curves over env-steps, and the few numbers that sum it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.frames import annecs_table, cumulative_steps, niches_table, score_history
from experiments.analysis.genes import gene_names, genes_table
from experiments.analysis.run_tables import RunTables
from experiments.analysis.success import REACHED, rates_by_niche
from experiments.analysis.transfers import periodic_transfers
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
        Indexed by iteration: env_steps; best_score (the highest of any agent in its own niche so far, NaN before the
        first finite one); num_active (niches at that time); num_admitted, num_solved (once), num_robust, num_general
        (niches so far; the last two only where agents were validated); annecs_paper, annecs_released (NaN where
        unknown); for each gene ``GENE_admitted`` and ``GENE_solved``: the greatest upper end
        of niches admitted, and solved, so far (0: none).
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
    if not run.validations.empty:
        rates = rates_by_niche(run.validations)
        for name in REACHED.values():
            curves[f"num_{name}"] = _count_so_far(rates[name].dropna().astype("int64"), steps.index)

    annecs = annecs_table(run).set_index("iteration")
    for name in ("annecs_paper", "annecs_released"):
        curves[name] = annecs[name].astype("Float64").to_numpy(np.float64, na_value=np.nan)

    genes = genes_table(run)
    for gene in gene_names(genes):
        for name, events in (("admitted", run.niches), ("solved", run.solved)):
            when = genes["niche_id"].map(events.set_index("niche_id")["iteration"])
            greatest = genes[genes["gene"] == gene].groupby(when)["high"].max()
            curves[f"{gene}_{name}"] = greatest.reindex(steps.index).cummax().ffill().fillna(0.0)
    return curves


@dataclass(frozen=True)
class RunCard:
    """The numbers that sum up a run; NaN where there is nothing to divide by.

    Attributes:
        seed, iterations, env_steps, episodes: of the run.
        niches_admitted, niches_active, niches_retired, niches_solved_once: how many.
        niches_robust, niches_general: robustly solved, and with a general agent, at some time; None where nobody was
            validated.
        success_share_at_admission, success_share_last: mean success rate on pushes of the niches' first agents (the
            root's left out), and of their last ones; NaN where nobody was validated.
        best_score: the highest finite score of any agent in its own niche.
        candidates_judged: how many, admitted ones included.
        transfers_tried, transfers_accepted, transfers_accepted_share: periodic ones, counted by (round, target) as the
            paper does (POET.md 7.1).
        solved_challenging: terrains solved that meet one, two and three of the paper's conditions; None for a genotype
            of which they do not speak.
        wall_seconds, env_steps_per_second: by the clock of the archive.
    """

    seed: int
    iterations: int
    env_steps: int
    episodes: int
    niches_admitted: int
    niches_active: int
    niches_retired: int
    niches_solved_once: int
    niches_robust: int | None
    niches_general: int | None
    success_share_at_admission: float
    success_share_last: float
    best_score: float
    candidates_judged: int
    transfers_tried: int
    transfers_accepted: int
    transfers_accepted_share: float
    solved_challenging: tuple[int, int, int] | None
    wall_seconds: float
    env_steps_per_second: float


def run_card(run: RunTables) -> RunCard:
    """The numbers that sum up a run."""
    niches = niches_table(run)
    attempts, accepted = periodic_transfers(run)
    finite = niches["best_score"][np.isfinite(niches["best_score"])]
    env_steps, seconds = int(run.ledger["env_steps"].sum()), float(run.iterations["seconds"].sum())
    levels = niches["challenge_level"]
    children = niches[niches["parent_id"].notna()]
    of_solved = levels[niches["solved"].notna()]
    return RunCard(
        seed=run.config.run.seed,
        iterations=run.iteration,
        env_steps=env_steps,
        episodes=int(run.ledger["episodes"].sum()),
        niches_admitted=len(niches),
        niches_active=int(niches["is_active"].sum()),
        niches_retired=int((~niches["is_active"]).sum()),
        niches_solved_once=len(run.solved),
        niches_robust=None if run.validations.empty else int(niches["robust"].notna().sum()),
        niches_general=None if run.validations.empty else int(niches["general"].notna().sum()),
        success_share_at_admission=float(children["pushes_admission"].mean()),
        success_share_last=float(children["pushes_now"].mean()),
        best_score=float(finite.max()) if len(finite) else float("nan"),
        candidates_judged=len(run.candidates),
        transfers_tried=attempts,
        transfers_accepted=accepted,
        transfers_accepted_share=accepted / attempts if attempts else float("nan"),
        solved_challenging=(
            (int((of_solved == 1).sum()), int((of_solved == 2).sum()), int((of_solved == 3).sum()))
            if levels.notna().all()
            else None
        ),
        wall_seconds=seconds,
        env_steps_per_second=env_steps / seconds if seconds > 0.0 else float("nan"),
    )


def candidates_table(run: RunTables) -> pd.DataFrame:
    """What happened to candidates.

    Returns:
        Columns outcome, candidates, share (of all, 0 to 1); every outcome, in the order of refusal.
    """
    counts = run.candidates["outcome"].value_counts()
    outcomes = [outcome.value for outcome in CandidateOutcome]
    table = pd.DataFrame({"outcome": outcomes, "candidates": [int(counts.get(outcome, 0)) for outcome in outcomes]})
    table["share"] = table["candidates"] / max(1, len(run.candidates))
    return table


def _count_so_far(happened: pd.Series[int], iterations: pd.Index[int]) -> pd.Series[int]:
    """The number of these events by the end of each iteration."""
    return happened.value_counts().reindex(iterations, fill_value=0).cumsum()
