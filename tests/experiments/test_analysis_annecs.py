"""ANNECS in tables, curves, the plot, the report and status; unknown if no niche was judged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.annecs_plot import plot_annecs
from experiments.analysis.frames import annecs_table
from experiments.analysis.measures import progress_curves
from experiments.analysis.report import write_report
from experiments.analysis.run_tables import RunTables
from experiments.status import read_status, status_lines
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.synthetic_runs import JUDGEMENTS, add_events, read, three_niches
from tests.poet.test_archive_old import GOLDEN

UNKNOWN = [
    (0, 100, 0, 0, 0),
    (1, 1100, 0, 0, 0),
    *((i, s, None, None, None) for i, s in ((2, 3450), (3, 7450), (4, 7450))),
]


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """The small run; niche 1 (solved in 3) and niche 2 (never solved) passed, the latter for a retired agent too."""
    return add_events(three_niches(tmp_path / "three"), JUDGEMENTS)


def rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Rows as tuples, missing values as None."""
    return list(table.astype(object).where(table.notna(), None).itertuples(index=False, name=None))


def test_annecs_is_counted_after_each_iteration(judged: Path) -> None:
    """Niche 1 passes in 2 and counts from 3 on, when it is solved; niche 2 waits; the released code counts it."""
    table = annecs_table(read(judged))

    names = ["iteration", "env_steps", "annecs_paper", "passed_unsolved", "annecs_released"]
    assert [*names, "annecs_robust", "admissible", "paper_share", "robust_share"] == list(table.columns)
    assert [(0, 100, 0, 0, 0), (1, 1100, 0, 0, 0), (2, 3450, 0, 1, 0), (3, 7450, 1, 1, 1), (4, 7450, 1, 1, 1)] == rows(
        table[names]
    )


def test_annecs_of_a_run_without_judgements_is_unknown(tmp_path: Path) -> None:
    """It is unknown from the first child on, not 0, in table, curves and status, and there is nothing to draw."""
    folder = three_niches(tmp_path / "three")
    run = read(folder)
    curves = progress_curves(run)

    assert UNKNOWN == rows(annecs_table(run).iloc[:, :5])
    assert [0.0, 0.0] == curves["annecs_paper"][:2].tolist()
    assert curves[["annecs_paper", "annecs_released"]][2:].isna().all().all()
    assert plot_annecs(run) is None
    with open_run(folder) as stored:
        status = read_status(stored)
    assert status is not None and status.annecs is None
    assert any(line.startswith("ANNECS      unknown") for line in status_lines(folder, status))


def test_what_happens_after_the_last_iteration_is_left_out(judged: Path) -> None:
    """The table of a running run ends at its last recorded iteration."""
    run = read(judged)
    shorter = RunTables(**{**vars(run), "iteration": 2})

    assert [0, 0, 0] == annecs_table(shorter)["annecs_paper"].tolist()
    assert [0, 0, 1] == annecs_table(shorter)["passed_unsolved"].tolist()


def test_the_plot_shows_both_counts_and_those_not_yet_solved(judged: Path) -> None:
    """Lines are the counts over env-steps, the band above the paper's line those that passed."""
    figure = plot_annecs(read(judged))

    assert figure is not None
    released, paper = (line.get_xydata() for line in figure.axes[0].lines)
    assert [[100, 0], [1100, 0], [3450, 0], [7450, 1], [7450, 1]] == np.asarray(paper).tolist()
    assert [[100, 0], [1100, 0], [3450, 0], [7450, 1], [7450, 1]] == np.asarray(released).tolist()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ["1", "1", "1"] == [label.rsplit(": ")[1] for label in labels]


def test_report_and_status_show_annecs(judged: Path, tmp_path: Path) -> None:
    """The page has the plot, its table the numbers, and status both counts in words."""
    with open_run(judged) as run:
        page = write_report({"three": run}, tmp_path / "report").read_text(encoding="utf-8")
        status = read_status(run)
    table = pd.read_csv(tmp_path / "report" / "tables" / "annecs.csv")

    assert "plots/annecs.png" in page and (tmp_path / "report" / "plots" / "annecs.png").is_file()
    assert (1, 1, 1) == tuple(table.iloc[-1][["annecs_paper", "passed_unsolved", "annecs_released"]])
    assert status is not None
    words = "ANNECS      1 created and solved once, 1 passed and not yet solved; 1 as the released code counts"
    assert f"{words}; the cadence allows 0" in status_lines(judged, status)


def test_an_old_run_has_a_status_and_a_report(poet: Poet, tmp_path: Path) -> None:
    """An archive of the first schema is looked at without being changed; its ANNECS is unknown."""
    folder = tmp_path / "old"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        connection.executescript((GOLDEN / "archive_v1.sql").read_text(encoding="utf-8"))
    before = (folder / "run.sqlite").read_bytes()

    assert "ANNECS      unknown" in poet("status", folder).out
    with open_run(folder) as run:
        page = write_report({"old": run}, tmp_path / "report").read_text(encoding="utf-8")
    assert "Unknown: its niches were not judged" in page
    assert before == (folder / "run.sqlite").read_bytes()
