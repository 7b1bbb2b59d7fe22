"""Retired niches as the record has them, so that no stored state repeats what no longer changes.

A niche's genotype, seed, parent and agent stand in the tables of niches, retirements and versions, and that it was
solved in ``solved``. A state has only a digest of all this, by which damage to those rows is found.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from environments.terrain.terrain import Terrain
from poet.archive.digests import text_digest
from poet.archive.frames import read_rows
from poet.archive.values import load_object
from poet.events import AnyEvent, NicheRetired, NicheSolved
from poet.types import RetiredNiche, RunState

#: What the record says of a retired niche: the fields of ``RetiredNiche``, its genotype as JSON values and its theta as
#: a digest. ``drawn`` is the ground of any root as JSON values; the state says whether that was drawn.
Values = dict[str, Any]

_OTHERS = "a state's retired niches must be those of all NicheRetired events so far"
#: So few are asked for by their ids; of more, all are read.
_FEW = 100


def retired_values(
    connection: sqlite3.Connection, iteration: int, among: Collection[int] | None = None
) -> list[Values]:
    """The niches that had retired by the end of an iteration, by the iteration of their retirement and by id.

    Args:
        connection: of the archive.
        iteration: the last one that counts.
        among: ids; None for all niches.

    Raises:
        DamageError: a value is not valid for its column.
    """
    is_asked = "" if among is None or len(among) > _FEW else f" AND niche_id IN ({', '.join(map(str, among))})"
    where, at = f"iteration <= ?{is_asked}", (iteration,)
    gone, last = (f"SELECT {name} FROM retirements WHERE {where}" for name in ("niche_id", "version_id"))
    retirements = read_rows(connection, "retirements", ["iteration", "niche_id", "version_id"], where, at)
    columns = ["niche_id", "genotype", "terrain_seed", "parent_id", "iteration"]
    niches = {id: row for id, *row in read_rows(connection, "niches", columns, f"niche_id IN ({gone})", at)}
    grounds = dict(
        read_rows(connection, "niches", ["niche_id", "terrain"], f"parent_id IS NULL AND niche_id IN ({gone})", at)
    )
    thetas = dict(read_rows(connection, "versions", ["id", "theta_digest"], f"id IN ({last})", at))
    solved = {id for (id,) in read_rows(connection, "solved", ["niche_id"], where, at)}
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
        if niche_id in grounds:
            found[-1]["drawn"] = load_object(grounds[niche_id], f"terrain of niche {niche_id}")
    return found


def retired_digest(values: Iterable[Values]) -> str:
    """The digest of what the record says of retired niches, in the order of ``retired_values``."""
    return _joint_digest(map(_line, values))


class RetiredDigests:
    """The digest of a run's retired niches while it is written: what is known of one is not read again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: tuple[RetiredNiche, ...] | None = None
        self._lines: dict[int, str] = {}
        self._digest = ""

    def of(self, state: RunState, events: Iterable[AnyEvent]) -> str:
        """The digest for a state whose events are in the archive.

        Raises:
            ValueError: the state says something else of a retired niche than the record, from which it is read back.
        """
        touched = {event.niche_id for event in events if isinstance(event, NicheRetired | NicheSolved)}
        before = {niche.id: niche for niche in self._last or ()}
        new = [niche for niche in state.retired if before.get(niche.id) is not niche or niche.id in touched]
        if self._last is None or new or touched or len(state.retired) != len(self._last):
            values = retired_values(self._connection, state.iteration, [niche.id for niche in new])
            ((num_recorded,),) = self._connection.execute("SELECT count(*) FROM retirements").fetchall()
            if num_recorded != len(state.retired):
                raise ValueError(_OTHERS)
            ids = {niche.id for niche in new}
            check_retired(new, [of_niche for of_niche in values if of_niche["id"] in ids])
            self._lines |= {of_niche["id"]: _line(of_niche) for of_niche in values}
            self._digest = _joint_digest(self._lines[niche.id] for niche in sorted(state.retired, key=recorded_order))
            self._last = state.retired
        return self._digest


def recorded_order(niche: RetiredNiche) -> tuple[int, int]:
    """The place of a retired niche in the record."""
    return niche.retired, niche.id


def check_retired(retired: Sequence[RetiredNiche], values: Sequence[Values]) -> None:
    """Check that the record says what a state says of retired niches.

    Raises:
        ValueError: they differ.
    """
    recorded = {of_niche["id"]: of_niche for of_niche in values}
    if sorted(niche.id for niche in retired) != sorted(recorded):
        raise ValueError(_OTHERS)
    for niche in retired:
        if wrong := _difference(niche, recorded[niche.id]):
            raise ValueError(
                f"{wrong} of the retired niche {niche.id} is not what its events say (NicheAdmitted, NicheSolved, "
                "NicheRetired, and the AgentVersion with which it retired): a retired niche does not change"
            )


def _line(values: Values) -> str:
    return text_digest(json.dumps(values, sort_keys=True))


def _joint_digest(lines: Iterable[str]) -> str:
    return text_digest("\n".join(lines))


def _difference(niche: RetiredNiche, recorded: Mapping[str, Any]) -> str | None:
    """A field in which a niche differs from its record."""
    own = {**vars(niche), "theta": niche.digest}
    of_record = {**recorded, "genotype": type(niche.genotype).from_json(recorded["genotype"]), "drawn": None}
    if niche.drawn is not None and "drawn" in recorded:
        of_record["drawn"] = Terrain.from_json(recorded["drawn"])
    return next((name for name, value in of_record.items() if own[name] != value), None)
