"""Tables of one run: what was spent, its niches, and the genealogies.

Every time is given twice: as iteration, and as env-steps spent by the end of that iteration, which plots use.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.analysis.annecs import annecs_frame
from experiments.analysis.genes import challenge_level, gene_columns, gene_texts
from experiments.analysis.run_tables import RunTables
from experiments.analysis.success import REACHED, rates_by_niche
from poet.archive import scores
from poet.types import Origin


def cumulative_steps(run: RunTables) -> pd.Series[int]:
    """Env-steps spent by the end of each iteration, from the ledger.

    Returns:
        int64, indexed by iteration 0, 1, ... to the run's last.
    """
    return scores.cumulative_steps(run.ledger, run.iteration)


def ledger_table(run: RunTables) -> pd.DataFrame:
    """What env-steps and episodes were spent on.

    Returns:
        Columns purpose, env_steps, episodes, share (of env-steps, 0 to 1); greatest first.
    """
    table = run.ledger.groupby("purpose", sort=False)[["env_steps", "episodes"]].sum().reset_index()
    table["share"] = table["env_steps"] / max(1, int(table["env_steps"].sum()))
    return table.sort_values(["env_steps", "purpose"], ascending=[False, True], ignore_index=True)


def niche_ledger_table(run: RunTables) -> pd.DataFrame:
    """Env-steps by niche (rows) and purpose (columns), with a column ``total``."""
    table = run.ledger.pivot_table(
        index="niche_id", columns="purpose", values="env_steps", aggfunc="sum", fill_value=0
    ).rename_axis(columns=None)
    table["total"] = table.sum(axis=1)
    return table.astype("int64").reset_index()


def score_history(run: RunTables) -> pd.DataFrame:
    """The score of every niche's agent at the end of each iteration.

    Returns:
        Columns niche_id, iteration, env_steps, score (-inf where a world diverged); in order of niche and iteration.
    """
    return scores.score_history(run.versions, cumulative_steps(run))


def annecs_table(run: RunTables) -> pd.DataFrame:
    """``annecs_frame`` with a column env_steps after the iteration."""
    table = annecs_frame(run.niches, run.judgements, run.solved, run.validations, run.admissible[: run.iteration + 1])
    table.insert(1, "env_steps", cumulative_steps(run).to_numpy())
    return table


def niches_table(run: RunTables) -> pd.DataFrame:
    """One row for each niche ever admitted.

    Returns:
        Columns niche_id, parent_id, created, created_env_steps, retired, retired_env_steps, is_active, solved,
        solved_env_steps, solved_by (source niche of the agent), the genes, challenge_level (missing for a genotype of
        which the paper's conditions do not speak), novelty, admission_score, best_score, last_score, children,
        transfers_in, transfers_out (accepted periodic ones), env_steps; then, missing where nobody was validated, those
        of ``rates_by_niche``, ``robust`` and ``general`` also as NAME_env_steps.
    """
    table = run.niches[["niche_id", "parent_id", "iteration"]].rename(columns={"iteration": "created"})
    table = table.sort_values("niche_id", ignore_index=True)
    ids = table["niche_id"]
    table["parent_id"] = table["parent_id"].astype("Int64")
    table["created_env_steps"] = _steps_at(run, table["created"])
    for name, events in (("retired", run.retirements), ("solved", run.solved)):
        table[name] = ids.map(events.set_index("niche_id")["iteration"]).astype("Int64")
        table[f"{name}_env_steps"] = _steps_at(run, table[name])
    table["is_active"] = table["retired"].isna()
    table["solved_by"] = ids.map(run.solved.set_index("niche_id")["source_id"]).astype("Int64")

    admitted = run.niches.set_index("niche_id").loc[ids]
    genes = pd.DataFrame([gene_columns(genotype) for genotype in admitted["genotype"]])
    table = pd.concat([table, genes], axis=1)
    table["challenge_level"] = pd.array([challenge_level(g) for g in admitted["genotype"]], dtype="Int64")
    table["novelty"] = admitted["novelty"].to_numpy(np.float64)
    table["admission_score"] = admitted["score"].to_numpy(np.float64)

    by_niche = run.versions.sort_values("id").groupby("niche_id")["score"]
    table["best_score"] = ids.map(by_niche.max())
    table["last_score"] = ids.map(by_niche.last())
    moved = agent_genealogy(run)
    moved = moved[moved["origin"].isin([Origin.DIRECT, Origin.PROPOSAL])]
    for name, others in (
        ("children", table["parent_id"]),
        ("transfers_in", moved["target_id"]),
        ("transfers_out", moved["source_id"]),
    ):
        table[name] = ids.map(others.value_counts()).fillna(0).astype("int64")
    table["env_steps"] = ids.map(run.ledger.groupby("niche_id")["env_steps"].sum()).fillna(0).astype("int64")
    table = table.join(rates_by_niche(run.validations), on="niche_id")
    for name in REACHED.values():
        table[f"{name}_env_steps"] = _steps_at(run, table[name])
    return table


def terrain_genealogy(run: RunTables) -> pd.DataFrame:
    """Which terrain was mutated from which.

    Returns:
        One row for each niche: columns parent_id, niche_id, depth (mutations from the root), iteration, env_steps,
        genes (in words), parent_genes.
    """
    niches = run.niches.sort_values("niche_id", ignore_index=True)
    parents = niches["parent_id"].astype("Int64")
    words = gene_texts(run)
    depth: dict[int, int] = {}
    for niche_id, parent_id in zip(niches["niche_id"], parents, strict=True):
        depth[niche_id] = 0 if pd.isna(parent_id) else depth[int(parent_id)] + 1
    return pd.DataFrame(
        {
            "parent_id": parents,
            "niche_id": niches["niche_id"],
            "depth": niches["niche_id"].map(depth),
            "iteration": niches["iteration"],
            "env_steps": _steps_at(run, niches["iteration"]),
            "genes": niches["niche_id"].map(words),
            "parent_genes": parents.map(words),
        }
    )


def agent_genealogy(run: RunTables) -> pd.DataFrame:
    """How agents moved between niches: every version that was made neither by an ES step nor by the start of the run.

    Returns:
        One row for each edge: columns version_id, parent_version_id, source_id, target_id (niches), origin, iteration,
        env_steps, score (in the target).
    """
    moved = run.versions[~run.versions["origin"].isin([Origin.ES, Origin.INITIAL])].sort_values("id")
    table = moved.rename(columns={"id": "version_id", "parent_id": "parent_version_id", "niche_id": "target_id"})
    names = ["version_id", "parent_version_id", "source_id", "target_id", "origin", "iteration", "score"]
    table = table[names].reset_index(drop=True)
    table = table.astype({"parent_version_id": "Int64", "source_id": "int64", "origin": "str"})
    table.insert(6, "env_steps", _steps_at(run, table["iteration"]))
    return table


def _steps_at(run: RunTables, iterations: pd.Series[int]) -> pd.Series[int]:
    """Env-steps spent by the end of each of these iterations; missing where the iteration is."""
    return iterations.map(cumulative_steps(run)).astype("Int64" if iterations.hasnans else "int64")
