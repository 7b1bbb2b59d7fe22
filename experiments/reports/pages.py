"""What the reports' pages share: plots taken from a run's report, what a run cost."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from environments.errors import InputError
from experiments.analysis.frames import ledger_table
from experiments.analysis.report import write_report
from experiments.analysis.run_tables import RunTables
from experiments.files import written
from experiments.replay.formats import write_replay
from experiments.replay.pairs import Pair
from experiments.replay.walk import record_walk
from poet.archive.reader import Run


def copy_plots(name: str, run: Run, plots: Sequence[str], folder: Path) -> None:
    """Make the report of a run and keep some of its plots."""
    with tempfile.TemporaryDirectory() as above:
        write_report({name: run}, Path(above) / "report")
        for plot in plots:
            with written(folder / f"{plot}.png") as file:
                file.write((Path(above) / "report" / "plots" / f"{plot}.png").read_bytes())


def draw_walk(path: Path, pair: Pair) -> None:
    """Write one episode of a pair as a strip or film."""
    walk = record_walk(pair.terrain, pair.policy.controller(pair.agent.theta), pair.max_steps)
    write_replay(path, pair, walk, lambda num_done, num_pictures: None)


def cost_table(run: RunTables) -> pd.DataFrame:
    """Env-steps and episodes by purpose, the most expensive first, with their share."""
    costs = ledger_table(run).groupby("purpose", as_index=False)[["env_steps", "episodes"]].sum()
    costs = costs.sort_values("env_steps", ascending=False)
    costs["share, %"] = (100 * costs["env_steps"] / costs["env_steps"].sum()).round(1)
    return costs


def run_as_program(doc: str | None, main: Callable[[Path, list[Path]], None]) -> None:
    """Make a page from the command line, FOLDER RUN... Wrong input ends with a sentence and exit code 2."""
    if len(sys.argv) < 3:
        print(doc, file=sys.stderr)
        sys.exit(2)
    try:
        main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
