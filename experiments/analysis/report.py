"""The report of one run or several: tables, plots and a page that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from agents.evaluation.executor import AbstractExecutor, Progress
from environments.errors import InputError
from experiments.analysis import page, theme
from experiments.analysis.aggregate import RunGroup, aggregate_table, group_runs, last_shared_step, runs_table
from experiments.analysis.aggregate_plot import plot_aggregate
from experiments.analysis.matrix import matrix_niches, score_matrix
from experiments.analysis.milestones import median_milestones, spending_table
from experiments.analysis.readable import comparison_table, readable, transposed
from experiments.analysis.run_report import write_run_report, write_tables
from experiments.analysis.run_tables import RunTables, read_tables
from experiments.analysis.shadow_comparison import FAMILIES, verdicts_table
from experiments.files import check_sub_folder, sub_folder, write_text
from experiments.text import as_html
from poet.events import CandidateJudged

if TYPE_CHECKING:
    from poet.archive.reader import Run

#: The page of a report.
INDEX = "index.html"


@dataclass(frozen=True, eq=False)
class MatrixOptions:
    """How the matrix of agents and terrains is computed.

    Attributes:
        executor: what runs the episodes.
        limit: niches at most; N niches cost N * N episodes.
        engine: who integrates; None for the run's.
        progress: told after each chunk of episodes; None to be told nothing.
    """

    executor: AbstractExecutor
    limit: int = 20
    engine: str | None = None
    progress: Progress | None = None


def write_report(
    runs: Mapping[str, Run],
    output: Path,
    matrix: MatrixOptions | None = None,
    shadow_folder: Path | None = None,
    walkers_page: str | None = None,
) -> Path:
    """Write a folder with ``index.html``, ``plots/*.png`` and ``tables/*.csv``; for several runs, a subfolder for each.

    The folder is made if necessary. An earlier report in it is overwritten, file by file; nothing is deleted.

    Args:
        runs: by name, see ``experiments.analysis.aggregate.run_names``.
        output: the folder.
        matrix: how to compute the matrix of agents and terrains; None to leave it out.
        shadow_folder: of the neutral shadow of the one run; None for the one in each run's own folder.
        walkers_page: the one run's page in which its walkers walk, relative to the folder, for a link; None for none.

    Returns:
        The path of the page.

    Raises:
        InputError: no run, one in which nothing is recorded, two that would count twice, or ``output`` is not empty and
            no report.
    """
    if not runs:
        raise InputError("there is nothing to analyse: name at least one run")
    tables = {name: read_tables(run, shadow_folder) for name, run in runs.items()}
    groups = group_runs(tables)
    _claim(output, len(runs))
    if len(runs) == 1:
        ((name, run),) = runs.items()
        return write_run_report(name, tables[name], output, _matrix(run, tables[name], matrix), walkers_page)
    folders = dict(zip(runs, _run_folders(len(runs)), strict=True))
    for name, run in runs.items():
        folder = sub_folder(output / folders[name])
        write_run_report(name, tables[name], folder, _matrix(run, tables[name], matrix))
    return _write_overview(tables, groups, folders, output)


def _matrix(run: Run, tables: RunTables, options: MatrixOptions | None) -> pd.DataFrame | None:
    if options is None:
        return None
    niche_ids = matrix_niches(tables, options.limit)
    return score_matrix(run, tables, niche_ids, options.executor, options.engine, options.progress)


def check_output(output: Path, num_runs: int) -> None:
    """Refuse a folder that a report cannot go to. An earlier report may be overwritten.

    Args:
        output: the folder. A link to it is followed, since the user named it; links within it are not.
        num_runs: how many runs are reported on.

    Raises:
        InputError: it is a file, holds other things, or a link that leads out of it.
    """
    index = output / INDEX
    if output.exists() and not output.is_dir():
        raise InputError(f"--output {output} is a file, but a report is a folder: name a new folder")
    is_ours = index.is_file() and page.GENERATOR in index.read_text(encoding="utf-8", errors="replace")[:500]
    if output.exists() and any(output.iterdir()) and not is_ours:
        raise InputError(
            f"--output {output} holds other files, but a report needs a folder of its own: name a new or an empty one"
        )
    for folder in (output, *(check_sub_folder(output / name) for name in _run_folders(num_runs))):
        for name in ("plots", "tables"):
            check_sub_folder(folder / name)


def _run_folders(num_runs: int) -> list[str]:
    """The folders of several runs' reports; a single run's report has no folder of its own."""
    return [f"run{i:02d}" for i in range(1, num_runs + 1)] if num_runs > 1 else []


def _claim(output: Path, num_runs: int) -> None:
    """Make the folder, and leave a page that says that the report is being written."""
    check_output(output, num_runs)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / INDEX, page.make_page("Report", "This report is being written, or was interrupted.", []))


def _write_overview(
    tables: Mapping[str, RunTables], groups: Sequence[RunGroup], folders: Mapping[str, str], output: Path
) -> Path:
    """The page of several runs, with their curves and links to the report of each."""
    aggregate, summary, verdicts = aggregate_table(groups), runs_table(tables), verdicts_table(tables)
    milestones, spending = median_milestones(tables, groups), spending_table(tables)
    written = {"milestones": milestones, "spending": spending, "growth_verdicts": verdicts}
    write_tables({"aggregate": aggregate, "runs": summary, **written}, output)
    theme.save_figure(plot_aggregate(groups), sub_folder(output / "plots") / "aggregate.png")
    how = (
        "Each thin line is a run; the thick line is the median of the runs with the same settings, the band goes from "
        "the first to the third quartile. Both end where the shortest of these runs does. No neutral shadow is drawn "
        "here, so that a curve that rises shows no growth: whether a run grows beyond drift is said below."
    )
    end = f"{last_shared_step(groups):,}"
    parts = [
        *_remarks(groups, tables, verdicts),
        page.section("Growth of complexity", how, page.image("plots/aggregate.png", "Growth of complexity")),
        page.section("Growth beyond drift", FAMILIES, page.table(readable(verdicts))),
        page.section(
            "At the same cost", f"After {end} env-steps, where the shortest of all runs ends: median (first to third "
            "quartile). In brackets above: runs.",
            page.table(comparison_table(groups)),
        ),
        page.section(
            "First of each class", "Medians over the runs of a group; a time is missing where the median run never got "
            "there.", page.table(readable(milestones)) + page.table(transposed(readable(spending))),
        ),
        page.section("Runs", "Each run at its own end.", _links(folders) + page.table(transposed(readable(summary)))),
        page.section(
            "Tables", "The numbers behind this page, as CSV.",
            '<ul><li><a href="tables/aggregate.csv">aggregate.csv</a>: medians and quartiles</li>'
            '<li><a href="tables/growth_verdicts.csv">growth_verdicts.csv</a>: what can be said of growth</li>'
            '<li><a href="tables/milestones.csv">milestones.csv</a>: the first terrain of each class</li>'
            '<li><a href="tables/spending.csv">spending.csv</a>: share of env-steps by purpose</li>'
            '<li><a href="tables/runs.csv">runs.csv</a>: the run card of each run</li></ul>',
        ),
    ]  # fmt: skip
    lead = f"{len(tables)} runs in {len(groups)} group" + ("s" if len(groups) > 1 else "") + " of equal settings."
    path = output / INDEX
    write_text(path, page.make_page("Several runs", lead, parts))
    return path


def _remarks(groups: Sequence[RunGroup], tables: Mapping[str, RunTables], verdicts: pd.DataFrame) -> list[str]:
    """What a reader of medians has to know."""
    remarks = []
    alone = [name for name, run in tables.items() if run.shadow.niches is None and CandidateJudged in run.kinds]
    if alone:
        remarks.append(
            "No growth is to be read from the curves of runs without a neutral shadow, since terrains drift upward by "
            f"mutation alone: {'; '.join(alone)}. Make one by: poet control neutral RUN"
        )
    mute = verdicts[verdicts["p_value"].isna() & ~verdicts["run"].isin(alone)]
    if len(mute):
        names = "; ".join(f"{row.run} ({row.terrains})" for row in mute.itertuples())
        remarks.append(f"Too few replicates or terrains to tell growth from drift, see below: {names}.")
    if len(groups) > 1:
        remarks.append(
            "The runs differ in more than their seed, so they are not one sample: each group stands for itself."
        )
    small = [group.name for group in groups if len(group.curves) < 3]
    if small:
        remarks.append(f"Fewer than three runs, so quartiles say little: {'; '.join(small)}.")
    return [page.note(remark) for remark in remarks]


def _links(folders: Mapping[str, str]) -> str:
    """Links to the report of each run."""
    links = [f'<a href="{folder}/{INDEX}">{as_html(name)}</a>' for name, folder in folders.items()]
    return f"<p>Reports: {', '.join(links)}</p>"
