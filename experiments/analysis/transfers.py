"""How often agents moved: transfer attempts and their outcomes."""

from __future__ import annotations

import pandas as pd

from experiments.analysis.run_tables import RunTables
from poet.events import TransferOutcome


def transfers_by_kind(run: RunTables) -> pd.DataFrame:
    """Transfer attempts by kind and by the origin of the best source.

    Returns:
        Columns kind (``periodic`` or ``admission``), origin (of the best source; ``none`` where the rule tried none),
        attempts, accepted, accepted_share (0 to 1). Attempts of one kind add up to all of that kind: the paper's
        "replacement attempts" (POET.md 7.1).
    """
    attempts = pd.DataFrame(
        {
            "kind": run.transfers["candidate_id"].isna().map({True: "periodic", False: "admission"}),
            "origin": run.transfers["origin"].astype("str").where(run.transfers["origin"].notna(), "none"),
            "is_accepted": run.transfers["outcome"] == TransferOutcome.ACCEPTED,
        }
    )
    table = attempts.groupby(["kind", "origin"])["is_accepted"].agg(attempts="size", accepted="sum").reset_index()
    table["accepted_share"] = table["accepted"] / table["attempts"]
    order = ["periodic", "admission"]
    return table.sort_values(
        ["kind", "origin"], key=lambda c: c.map(order.index) if c.name == "kind" else c, ignore_index=True
    )


def periodic_transfers(run: RunTables) -> tuple[int, int]:
    """Periodic transfer attempts, and how many of them were accepted."""
    periodic = run.transfers[run.transfers["candidate_id"].isna()]
    return len(periodic), int((periodic["outcome"] == TransferOutcome.ACCEPTED).sum())


def transfers_by_pair(run: RunTables) -> pd.DataFrame:
    """Periodic transfers from each source niche to each target niche.

    Returns:
        Columns source_id, target_id, tried (how often the source was tried there), best (how often it was the best
        source tried), accepted, accepted_share (of tried, 0 to 1); most often accepted first.
    """
    periodic = run.transfers[run.transfers["candidate_id"].isna()]
    tried = run.transfer_sources.merge(
        periodic[["id", "target_id", "source_id", "outcome"]],
        left_on="transfer_id",
        right_on="id",
        suffixes=("", "_best"),
    )
    tried["is_best"] = tried["source_id"] == tried["source_id_best"]
    tried["is_accepted"] = tried["is_best"] & (tried["outcome"] == TransferOutcome.ACCEPTED)
    table = (
        tried.astype({"source_id": "int64", "target_id": "int64"})
        .groupby(["source_id", "target_id"])
        .agg(tried=("is_best", "size"), best=("is_best", "sum"), accepted=("is_accepted", "sum"))
        .reset_index()
    )
    table["accepted_share"] = table["accepted"] / table["tried"]
    return table.sort_values(["accepted", "source_id", "target_id"], ascending=[False, True, True], ignore_index=True)
