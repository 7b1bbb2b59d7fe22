"""All that the analysis reads from a run, read once: tables and terrains as they were after one iteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from environments.errors import InputError
from environments.terrain.terrain import Terrain
from experiments.analysis.shadow_file import FOLDER_NAME, NO_SHADOW, Shadow, birth_origins, read_shadow
from poet.annecs import admissible_niches
from poet.config import Config
from poet.events import AnyEvent
from poet.trainers import shown_events

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.archive.records import ForkOrigin


@dataclass(frozen=True, eq=False)
class RunTables:
    """A run up to the end of an iteration. Tables have the fields of the event records as columns (``poet.events``).

    Attributes:
        config: in force.
        iteration: the last one done.
        niches, candidates, judgements, solved, validations, retirements, transfers, transfer_sources, versions,
            ledger: as in ``poet.archive.reader.Run``.
        iterations: the clock; the column ``seconds`` is used.
        admissible: how many niches the cadence of reproductions would have let in by the end of each iteration, from 0
            to the last: reproductions times ``poet.max_admitted``.
        terrains: each niche's own instance, by niche id.
        kinds: of events that its trainer has; a report leaves out what it has none of.
        own: tables that its trainer alone has, by name.
        parent: the run that this one was forked from; None if it is not a fork.
        shadow: its neutral shadow.
    """

    config: Config
    iteration: int
    niches: pd.DataFrame
    candidates: pd.DataFrame
    judgements: pd.DataFrame
    solved: pd.DataFrame
    validations: pd.DataFrame
    retirements: pd.DataFrame
    transfers: pd.DataFrame
    transfer_sources: pd.DataFrame
    versions: pd.DataFrame
    ledger: pd.DataFrame
    iterations: pd.DataFrame
    admissible: Sequence[int]
    terrains: Mapping[int, Terrain]
    kinds: frozenset[type[AnyEvent]]
    own: Mapping[str, pd.DataFrame]
    parent: ForkOrigin | None = None
    shadow: Shadow = NO_SHADOW


#: The attributes of ``RunTables`` that are frames.
FRAMES = (
    "niches", "candidates", "judgements", "solved", "validations", "retirements", "transfers", "transfer_sources",
    "versions", "ledger", "iterations",
)  # fmt: skip


def read_tables(run: Run, shadow_folder: Path | None = None) -> RunTables:
    """Read everything up to the run's last iteration. What a running run writes in the meantime is left out.

    Args:
        run: to be read.
        shadow_folder: of its neutral shadow; None for the one in its own folder, if it is there.

    Raises:
        InputError: nothing is recorded yet, or the shadow cannot be read.
    """
    tables = read_tables_until(run)
    births = tables.niches[["niche_id", "iteration"]].rename(columns={"iteration": "admitted"})
    births["retired"] = births["niche_id"].map(tables.retirements.set_index("niche_id")["iteration"])
    births["origin"] = births["niche_id"].map(birth_origins(tables.niches, run.config_at))
    folder = shadow_folder or run.folder / FOLDER_NAME
    return replace(tables, shadow=read_shadow(folder, run.config.run.seed, tables.iteration, births))


def read_tables_until(run: Run, last: int | None = None) -> RunTables:
    """Read everything up to the end of an iteration, as if the run had stopped there. Its shadow is not read.

    Args:
        run: to be read.
        last: the iteration; None for the run's last one.

    Raises:
        InputError: nothing is recorded yet.
    """
    iteration = run.iteration
    if iteration is None:
        raise InputError(f"the run {run.folder} has not begun: nothing is recorded yet; analyse it a little later")
    iteration = iteration if last is None else min(iteration, last)
    frames = {name: getattr(run, name) for name in FRAMES}
    until = {name: frame[frame["iteration"] <= iteration].reset_index(drop=True) for name, frame in frames.items()}
    terrains = {int(niche_id): run.terrain(int(niche_id)) for niche_id in until["niches"]["niche_id"]}
    own = {name: frame[frame["iteration"] <= iteration] for name, frame in run.own_tables.items()}
    return RunTables(
        run.config,
        iteration,
        **until,
        admissible=admissible_niches(run.configs, iteration),
        terrains=terrains,
        kinds=shown_events(run),
        own=own,
        parent=run.parent,
    )
