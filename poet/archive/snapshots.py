"""The states that an archive keeps, and checking that a state fits the record."""

from __future__ import annotations

import sqlite3
from bisect import bisect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from poet.archive.checks import NUMBERED, check_numbers, check_records
from poet.archive.errors import DamageError
from poet.archive.values import load_object
from poet.types import RunState, theta_digest

#: Counters that a state may have, and the tables that they count.
_COUNTED = {
    "next_niche_id": "niches", "next_version_id": "versions", "next_candidate_id": "candidates",
    "next_transfer_id": "transfers",
}  # fmt: skip


def kept_iterations(connection: sqlite3.Connection, schema: str = "main") -> list[int]:
    """Iterations whose states are kept, ascending."""
    rows = connection.execute(f"SELECT iteration FROM {schema}.snapshots ORDER BY iteration")
    return [iteration for (iteration,) in rows]


def nearest_kept(folder: Path, kept: Sequence[int], iteration: int | None) -> str:
    """The error sentence for a state that is not kept."""
    if iteration is None or not kept:
        return f"the run {folder} has no state yet: nothing was recorded before it stopped; start it in a new folder"
    place = bisect(kept, iteration)
    near = " and ".join(str(k) for k in kept[max(0, place - 1) : place + 1])
    return f"the run {folder} keeps no state after iteration {iteration}: the nearest it keeps are after {near}"


def check_state(connection: sqlite3.Connection, state: RunState, iteration: int) -> None:
    """Check that a state agrees with the record of the run up to an iteration.

    Raises:
        DamageError: they differ, or the state after the last iteration, from which the run would go on, is missing.
    """
    check_records(connection, ["snapshots"])
    for table in NUMBERED:
        check_numbers(connection, table)
    niches = sorted(niche.id for niche in state.niches)
    counted = {name: table for name, table in _COUNTED.items() if hasattr(state, name)}
    found = (
        state.iteration,
        niches,
        *(getattr(state, name) for name in counted),
        state.env_steps,
        state.episodes,
    )
    counts = [
        _one(connection, f"SELECT count(*) FROM {table} WHERE iteration <= ?", iteration) for table in counted.values()
    ]
    spent = [
        _one(connection, f"SELECT coalesce(sum({name}), 0) FROM iterations WHERE iteration <= ?", iteration)
        for name in ("env_steps", "episodes")
    ]
    if found != (iteration, list(range(counts[0])), *counts, *spent):
        raise DamageError(
            f"the state after iteration {iteration} is not that of the niches, versions and costs recorded"
        )
    sizes = {niche.theta.size for niche in state.niches}
    if max(niche.version_id for niche in state.niches) >= state.next_version_id:
        raise DamageError(f"the state after iteration {iteration} has an agent version that was not recorded")
    for niche in state.active:
        recorded = _one(connection, "SELECT (SELECT theta_digest FROM versions WHERE id = ?)", niche.version_id)
        if recorded != theta_digest(niche.theta):
            raise DamageError(
                f"the state after iteration {iteration} has another agent in niche {niche.id} than was recorded"
            )
    for niche_id, drawn in ((niche.id, niche.drawn) for niche in state.niches):
        if drawn is not None:
            text = _one(connection, "SELECT terrain FROM niches WHERE niche_id = ?", niche_id)
            if load_object(text, f"the terrain of niche {niche_id}") != drawn.to_json():
                raise DamageError(f"the state after iteration {iteration} has another ground in niche {niche_id}")
    try:
        for niche in state.active:
            niche.optimiser.check()
        state.check()
    except ValueError as error:
        raise DamageError(f"the state after iteration {iteration}: {error}") from error
    if len(sizes) > 1:
        raise DamageError(f"the agents of the state after iteration {iteration} are not of one size")


def _one(connection: sqlite3.Connection, sql: str, number: int) -> Any:
    return connection.execute(sql, (number,)).fetchone()[0]
