"""Slow twins of MODES, learnability and active niches: by loops over events, as the definitions are read."""

from __future__ import annotations

import json
import math
from typing import Any

from experiments.analysis.run_tables import RunTables

CELLS = 5


def last_iteration(run: RunTables, moment: int) -> int:
    """The last iteration that had ended by a moment; 0 where none had."""
    spent, last = 0, 0
    costs = run.ledger.to_dict("records")
    for iteration in range(run.iteration + 1):
        spent += sum(cost["env_steps"] for cost in costs if cost["iteration"] == iteration)
        if spent <= moment:
            last = iteration
    return last


def naive_active(run: RunTables, iteration: int) -> set[int]:
    """Who was admitted by then and had not retired."""
    retired = {row["niche_id"] for row in run.retirements.to_dict("records") if row["iteration"] <= iteration}
    admitted = {row["niche_id"] for row in run.niches.to_dict("records") if row["iteration"] <= iteration}
    return admitted - retired


def descends(run: RunTables, niche_id: int, ancestor: int) -> bool:
    """Whether a niche is another one, or was mutated from it, or from one that was, and so on."""
    if niche_id == ancestor:
        return True
    (parent,) = [row["parent_id"] for row in run.niches.to_dict("records") if row["niche_id"] == niche_id]
    return parent == parent and parent is not None and descends(run, int(parent), ancestor)


def naive_type(genotype: dict[str, Any], limits: dict[str, float]) -> str:
    """In which fifth of its range the upper end of each gene lies."""
    cell = {}
    for gene, limit in limits.items():
        value = genotype[gene]
        upper = 0.0 if value is None else value[1] if isinstance(value, list | tuple) else value
        cell[gene] = min(CELLS - 1, math.floor(CELLS * upper / limit))
    return json.dumps(cell, sort_keys=True)


def naive_modes(run: RunTables, end: int, windows: int, limits: dict[str, float]) -> list[dict[str, float]]:
    """Change, novelty, ecology and what persists, for each window."""
    genotypes = {row["niche_id"]: row["genotype"] for row in run.niches.to_dict("records")}
    rows, ever, last_types = [], set(), set()
    for window in range(1, windows + 1):
        then = naive_active(run, last_iteration(run, end * (window - 1) // windows))
        now = naive_active(run, last_iteration(run, end * window // windows))
        passed = [a for a in then if any(descends(run, b, a) for b in now)]
        kinds = [naive_type(genotypes[a], limits) for a in passed]
        shares = [kinds.count(kind) / len(kinds) for kind in set(kinds)]
        rows.append(
            {
                "persisted": len(passed) / len(then),
                "change": len([kind for kind in set(kinds) if kind not in last_types]),
                "novelty": len([kind for kind in set(kinds) if kind not in ever]),
                "ecology": sum(share * math.log2(1.0 / share) for share in shares),
            }
        )
        last_types = set(kinds)
        ever |= last_types
    return rows


def naive_learnability(run: RunTables, moment: int, which: str) -> float:
    """The mean over active niches of the unbiased p(1 - p): over pairs of different episodes, how often they differ."""
    iteration = last_iteration(run, moment)
    values = []
    for niche_id in naive_active(run, iteration):
        mine = [
            row for row in run.validations.to_dict("records")
            if row["niche_id"] == niche_id and row["validation_set"] == which and row["iteration"] <= iteration
        ]  # fmt: skip
        if mine:
            last = max(mine, key=lambda row: row["version_id"])
            episodes = [1] * last["num_successes"] + [0] * (last["num_episodes"] - last["num_successes"])
            pairs = [(a, b) for i, a in enumerate(episodes) for b in episodes[:i]]
            values.append(sum(a != b for a, b in pairs) / len(pairs) / 2.0)
    return sum(values) / len(values) if values else math.nan
