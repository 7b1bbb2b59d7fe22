"""Runs at equal env-steps: up to where each is read, and the moments at which all are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.analysis.frames import cumulative_steps
from experiments.analysis.gene_space import GeneSpace, gene_space
from experiments.analysis.run_tables import RunTables
from poet.events import CandidateJudged, NicheRetired

#: Equal parts of the compared env-steps, at whose ends runs are looked at.
NUM_WINDOWS = 10


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """A run as it is compared.

    Attributes:
        name: of the run.
        arm: that it belongs to.
        tables: up to the end of its last iteration within the compared env-steps.
        end: the env-steps at which all runs are compared.
        space: of the genes that all runs let mutate; None if runs differ in it, or have other encodings.
    """

    name: str
    arm: str
    tables: RunTables
    end: int
    space: GeneSpace | None

    @property
    def makes_terrains(self) -> bool:
        """Whether its trainer makes niches; others train one agent on a niche that stands for no terrain of theirs."""
        return bool({CandidateJudged, NicheRetired} & self.tables.kinds) or len(self.tables.niches) > 1

    @property
    def why_no_terrains(self) -> str:
        """A sentence for a run that makes no terrains."""
        return f"the trainer {self.tables.config.run.trainer} trains one agent and makes no niches"

    def moments(self, num_parts: int = NUM_WINDOWS) -> NDArray[np.int64]:
        """(num_parts + 1,) env-steps from 0 to ``end``, equally far apart and rounded down."""
        return np.array([self.end * i // num_parts for i in range(num_parts + 1)], np.int64)

    def iterations_at(self, moments: NDArray[np.int64]) -> list[int]:
        """The last iteration that had ended by each moment; 0, the start, where none had."""
        steps = cumulative_steps(self.tables).to_numpy()
        return [max(0, int(last)) for last in np.searchsorted(steps, moments, side="right") - 1]

    def active(self, iteration: int) -> list[int]:
        """The niches that were active after an iteration, by id."""
        return active_after(self.tables, iteration)


def active_after(run: RunTables, iteration: int) -> list[int]:
    """The niches that were active after an iteration, by id."""
    gone = run.retirements.loc[run.retirements["iteration"] <= iteration, "niche_id"]
    here = run.niches.loc[run.niches["iteration"] <= iteration, "niche_id"]
    return sorted(int(niche_id) for niche_id in here[~here.isin(gone)])


def compared_runs(tables: Mapping[str, RunTables], arms: Mapping[str, Sequence[str]], end: int) -> list[ComparedRun]:
    """The runs of all arms, in their order.

    Args:
        tables: of each run by name, up to its last iteration within ``end`` (``read_tables_until``).
        arms: names of runs by arm.
        end: env-steps at which all are compared.
    """
    made = {name: ComparedRun(name, "", run, end, None) for name, run in tables.items()}
    spaces = {gene_space(run.tables.config) for run in made.values() if run.makes_terrains}
    common = next(iter(spaces)) if len(spaces) == 1 else None
    return [ComparedRun(name, arm, tables[name], end, common) for arm, names in arms.items() for name in names]


def by_run(run: ComparedRun, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the names of arm and run before its columns."""
    table = table.copy()
    table.insert(0, "arm", run.arm)
    table.insert(1, "run", run.name)
    return table
