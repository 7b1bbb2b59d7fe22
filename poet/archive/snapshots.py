"""Which states an archive keeps."""

from __future__ import annotations

import sqlite3
from bisect import bisect
from collections.abc import Sequence
from pathlib import Path


def kept_iterations(connection: sqlite3.Connection, schema: str = "main") -> list[int]:
    """Iterations after which the state is kept, ascending."""
    rows = connection.execute(f"SELECT iteration FROM {schema}.snapshots ORDER BY iteration")
    return [iteration for (iteration,) in rows]


def nearest_kept(folder: Path, kept: Sequence[int], iteration: int | None) -> str:
    """The error sentence for a state that is not kept."""
    if iteration is None or not kept:
        return f"the run {folder} has no state yet: nothing was recorded before it stopped; start it in a new folder"
    place = bisect(kept, iteration)
    near = " and ".join(str(k) for k in kept[max(0, place - 1) : place + 1])
    return f"the run {folder} keeps no state after iteration {iteration}: the nearest it keeps are after {near}"
