"""A run of more than 1,000 niches, iterations and thousands of env-steps, where people look at it."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from experiments.analysis import complexity_report, run_report
from experiments.analysis.readable import readable, render_tables, transposed
from experiments.analysis.report import write_report
from experiments.analysis.run_tables import RunTables
from experiments.commands.display import MAX_ROWS, print_tables
from experiments.status import read_status, status_lines
from poet.archive.reader import open_run
from tests.experiments.synthetic_runs import many_niches, read

NUM_NICHES = 1003


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run; tests only read it."""
    return many_niches(tmp_path_factory.mktemp("runs") / "run", NUM_NICHES)


@pytest.fixture(scope="module")
def tables(folder: Path) -> RunTables:
    """What the analysis reads of it."""
    return read(folder)


def test_a_run_of_more_than_1000_niches_has_a_report(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a terrain for each niche; ids, seed and iterations are written as they are typed."""
    for module in (run_report, complexity_report):
        for name in [name for name in vars(module) if name.startswith("plot_")]:
            monkeypatch.setattr(module, name, lambda *_: None)  # plots take their time and say nothing here
    with open_run(folder) as run:
        path = write_report({"many": run}, tmp_path / "report")
    page = path.read_text(encoding="utf-8")

    assert NUM_NICHES == page.count('<svg class="terrain"')
    assert "<td>1002</td>" in page
    assert "1,003" in page
    assert "20261129" in page
    with (tmp_path / "report" / "tables" / "niches.csv").open(encoding="utf-8") as file:
        assert [str(i) for i in range(NUM_NICHES)] == [row["niche_id"] for row in csv.DictReader(file)]


def test_tables_of_1000_niches_fit_a_terminal(tables: RunTables, capsys: pytest.CaptureFixture[str]) -> None:
    """The first and the last rows are printed, with how many are left out; names have no commas, counts have."""
    shown = dict(render_tables({"many": tables}))
    print_tables(list(shown.items()))
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) < MAX_ROWS * 5
    assert max(map(len, lines)) <= 200
    assert 2 == sum(f"... {NUM_NICHES - MAX_ROWS} rows more" in line for line in lines)
    niches, card = shown["Niches"], shown["Run"].set_index("")["value"]
    assert ("1002", "1001", "1002") == tuple(niches.iloc[-1][["niche", "parent", "admitted"]])
    assert ("20261129", "1,003", "12,382,035") == tuple(card[["seed", "niches admitted", "env steps"]])


def test_the_status_of_1000_niches_fits_a_terminal(folder: Path) -> None:
    """Active niches, and those that retired last; how many there are besides; no two columns touch."""
    with open_run(folder) as run:
        status = read_status(run)
    assert status is not None
    lines = status_lines(folder, status)

    assert "niches      5 active, 998 retired, 501 solved once" in lines
    assert len(lines) < 55
    listed = [line.split()[0] for line in lines[lines.index("") + 2 : -1]]
    assert ["998", "999", "1000", "1001", "1002"] == listed[:5]
    assert ["963", "997"] == [listed[5], listed[-1]]
    assert "and 963 more" in lines[-1]


def test_the_name_of_a_run_changes_no_number_of_its_card() -> None:
    """A run called share has its own numbers, not percentages: numbers are written before rows become columns."""
    card = pd.DataFrame(
        {"run": ["share", "other"], "seed": [2026, 3], "best_score": [0.5, 250.25], "a_share": [0.5, 1]}
    )

    assert [("seed", "2026", "3"), ("best score", "0.5", "250.2"), ("a share", "50.0 %", "100.0 %")] == list(
        transposed(readable(card)).itertuples(index=False, name=None)
    )
