"""Retired niches as the record has them, so that no stored state repeats what no longer changes.

A niche's genotype, seed, parent and agent stand in the tables of niches, retirements and versions, and that it was
solved in ``solved``. A state has only a digest of all this, by which damage to those rows is found.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from poet.archive.digests import text_digest
from poet.archive.frames import read_rows
from poet.archive.values import load_object
from poet.types import RetiredNiche

#: What the record says of a retired niche: the fields of ``RetiredNiche``, its genotype as JSON values and its theta as
#: a digest.
Values = dict[str, Any]

_GONE = "SELECT niche_id FROM retirements WHERE iteration <= ?"
_LAST = "SELECT version_id FROM retirements WHERE iteration <= ?"


def retired_values(connection: sqlite3.Connection, iteration: int) -> list[Values]:
    """The niches that had retired by the end of an iteration, by the iteration of their retirement and by id.

    Raises:
        DamageError: a value is not valid for its column.
    """
    at = (iteration,)
    retirements = read_rows(
        connection, "retirements", ["iteration", "niche_id", "version_id"], "iteration <= ?", at
    )
    columns = ["niche_id", "genotype", "terrain_seed", "parent_id", "iteration"]
    niches = {id: row for id, *row in read_rows(connection, "niches", columns, f"niche_id IN ({_GONE})", at)}
    thetas = dict(read_rows(connection, "versions", ["id", "theta_digest"], f"id IN ({_LAST})", at))
    solved = {id for (id,) in read_rows(connection, "solved", ["niche_id"], "iteration <= ?", at)}
    found = []
    for retired, niche_id, version_id in sorted(retirements):
        genotype, terrain_seed, parent_id, created = niches[niche_id]
        found.append(
            {
                "id": niche_id,
                "genotype": load_object(genotype, f"genotype of niche {niche_id}"),
                "terrain_seed": terrain_seed,
                "parent_id": parent_id,
                "created": created,
                "is_solved": niche_id in solved,
                "retired": retired,
                "version_id": version_id,
                "theta": thetas[version_id],
            }
        )
    return found


def retired_digest(values: Sequence[Values]) -> str:
    """The digest of what the record says of retired niches."""
    return text_digest(json.dumps(values, sort_keys=True))


def check_retired(
    retired: Sequence[RetiredNiche], values: Sequence[Values], checked: Sequence[RetiredNiche] = ()
) -> None:
    """Check that the record says what a new state says of its retired niches: it is read back from the record.

    Args:
        retired: of the state.
        values: of the record, in any order.
        checked: those of the last state, which need not be compared again.

    Raises:
        ValueError: they differ.
    """
    recorded = {of_niche["id"]: of_niche for of_niche in values}
    if sorted(niche.id for niche in retired) != sorted(recorded):
        raise ValueError("a state's retired niches must be those of all NicheRetired events so far")
    known = {id(niche) for niche in checked}
    for niche in retired:
        if id(niche) not in known and (wrong := _difference(niche, recorded[niche.id])):
            raise ValueError(
                f"{wrong} of the retired niche {niche.id} is not what its events say (NicheAdmitted, NicheSolved, "
                "NicheRetired, and the AgentVersion with which it retired): a retired niche does not change"
            )


def _difference(niche: RetiredNiche, recorded: Mapping[str, Any]) -> str | None:
    """A field in which a niche differs from its record."""
    own = {**vars(niche), "theta": niche.digest}
    own["genotype"], of_record = niche.genotype, type(niche.genotype).from_json(recorded["genotype"])
    return next((name for name, value in {**recorded, "genotype": of_record}.items() if own[name] != value), None)
