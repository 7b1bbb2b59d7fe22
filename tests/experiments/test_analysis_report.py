"""The files of a report: what is written, what it links to, and what it leaves alone."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents.evaluation.local import LocalExecutor
from agents.policies.mlp import MLPPolicy
from agents.rollouts import box2d
from environments.errors import InputError
from environments.walker.ending import Outcome
from experiments.analysis.matrix import matrix_niches, score_matrix, solves_table
from experiments.analysis.readable import readable, render_tables
from experiments.analysis.report import MatrixOptions, write_report
from experiments.analysis.run_report import format_seconds
from experiments.analysis.run_tables import read_tables
from poet.archive.reader import open_run
from tests.experiments.synthetic_runs import read, simulated_run, theta_of, three_niches

#: Elements that HTML never closes.
VOID = {"meta", "img"}


class Checked(HTMLParser):
    """A parser that checks the nesting of elements, and keeps links and text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(page.read_text(encoding="utf-8"))
        assert [] == self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the element and its link."""
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        """The innermost open element ends."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        self.words += data


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run with short episodes."""
    return three_niches(tmp_path_factory.mktemp("runs") / "three", evaluation={"max_steps": 30})


def test_the_report_of_a_run_is_whole_without_anything_else(three: Path, tmp_path: Path) -> None:
    """The page refers to nothing but files beside it, and all of them are there."""
    with open_run(three) as run, LocalExecutor(1) as executor:
        path = write_report({"<three> & co": run}, tmp_path / "new" / "report", MatrixOptions(executor))
    page = Checked(path)

    assert tmp_path / "new" / "report" / "index.html" == path
    assert "http" not in path.read_text(encoding="utf-8")
    assert all((path.parent / link).is_file() for link in page.links)
    assert {f"plots/{name}.png" for name in ("phylogeny", "scores", "genes", "complexity", "times", "matrix")} <= set(
        page.links
    )
    assert "<three> & co" in page.words
    assert "roughness 5, pit gap 0.4 to 6, stump height 1 to 2.4" in page.words


def test_tables_of_a_report_can_be_read_again(three: Path, tmp_path: Path) -> None:
    """CSV files hold the numbers unrounded."""
    with open_run(three) as run:
        write_report({"three": run}, tmp_path / "report")
    niches = pd.read_csv(tmp_path / "report" / "tables" / "niches.csv")

    assert [250.0, 235.0, 65.0] == niches["best_score"].tolist()
    assert not (tmp_path / "report" / "tables" / "score_matrix.csv").exists()


def test_a_run_of_one_niche_has_a_report(tmp_path: Path) -> None:
    """Without children, candidates and transfers the page says so, and leaves out empty sections."""
    folder = simulated_run(tmp_path / "run", iterations=3)
    with open_run(folder) as run:
        page = Checked(write_report({"root": run}, tmp_path / "report"))

    assert "No transfer was tried." in page.words
    assert "plots/genes.png" not in page.links


def test_several_runs_have_an_overview_and_a_report_each(tmp_path: Path) -> None:
    """The overview links to each run's report, and says that runs with different settings are not one sample."""
    folders = [
        simulated_run(tmp_path / "a", seed=1, iterations=30),
        simulated_run(tmp_path / "b", seed=2, iterations=30),
        simulated_run(tmp_path / "c", seed=1, iterations=28, es={"pairs": 8}),
    ]
    page_path = write_report({folder.name: open_run(folder) for folder in folders}, tmp_path / "report")
    page = Checked(page_path)

    assert {"run01/index.html", "run02/index.html", "run03/index.html"} <= set(page.links)
    assert all((page_path.parent / link).is_file() for link in page.links)
    assert "differ in more than their seed" in page.words
    assert "mutation alone: a; b; c." in page.words
    assert "es.pairs=256 (2)" in page.words
    assert 3 == len(pd.read_csv(tmp_path / "report" / "tables" / "runs.csv"))


def test_a_report_is_written_over_but_other_folders_are_not(three: Path, tmp_path: Path) -> None:
    """A second report replaces the first and leaves strange files; a folder that is no report is refused untouched."""
    report, other = tmp_path / "report", tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with open_run(three) as run:
        write_report({"first": run}, report)
        (report / "notes.txt").write_text("mine")
        write_report({"second": run}, report)
        with pytest.raises(InputError, match="other holds other files"):
            write_report({"three": run}, other)
        with pytest.raises(InputError, match="is a file"):
            write_report({"three": run}, other / "index.html")

    assert "mine" == (report / "notes.txt").read_text() == (other / "index.html").read_text()
    assert "second" in Checked(report / "index.html").words
    assert ["index.html"] == [path.name for path in other.iterdir()]


def test_no_run_is_nothing_to_analyse(tmp_path: Path) -> None:
    """The sentence says what to do, and nothing is written."""
    for ask in (lambda: write_report({}, tmp_path / "report"), lambda: render_tables({})):
        with pytest.raises(InputError, match="name at least one run"):
            ask()
    assert not (tmp_path / "report").exists()


def test_the_matrix_is_every_agent_on_every_terrain(three: Path) -> None:
    """Row (a, t) is one episode of the last stored agent of niche a on the own terrain of niche t."""
    told: list[tuple[int, int, int]] = []
    with open_run(three) as run, LocalExecutor(1) as executor:
        tables = read_tables(run)
        matrix = score_matrix(run, tables, [0, 2], executor, progress=lambda *done: told.append(done))

    assert [(0, 0), (0, 2), (2, 0), (2, 2)] == list(zip(matrix["agent_id"], matrix["terrain_id"], strict=True))
    for row in matrix.itertuples():
        alone = box2d.run_episodes(
            MLPPolicy(), theta_of(row.agent_id)[None], [tables.terrains[row.terrain_id]], np.zeros(1, np.int64), 30
        )
        assert alone.returns[0] == row.score
        assert alone.lengths[0] == row.length
        assert Outcome(alone.outcomes[0]).name.lower() == row.outcome
    assert (4, 4, matrix["length"].sum()) == told[-1]


def test_a_large_run_is_compared_by_niches_spread_over_it(tmp_path: Path) -> None:
    """Few niches are all compared; of many the first, the last and some evenly between."""
    tables = read(simulated_run(tmp_path / "run", iterations=200))

    assert len(tables.niches) > 5
    assert list(range(len(tables.niches))) == matrix_niches(tables, 100)
    assert 5 == len(set(matrix_niches(tables, 5)))
    assert [0, len(tables.niches) - 1] == matrix_niches(tables, 2)
    with pytest.raises(ValueError, match="at least 2"):
        matrix_niches(tables, 1)


def test_generality_counts_rows_and_columns() -> None:
    """An agent's generality is how many terrains it solves, a terrain's ease how many agents solve it."""
    matrix = pd.DataFrame(
        [(4, 4, True), (4, 7, True), (7, 4, False), (7, 7, False)], columns=["agent_id", "terrain_id", "is_solved"]
    )

    assert [(4, 2, 1, True), (7, 0, 1, False)] == list(solves_table(matrix).itertuples(index=False, name=None))


def test_the_terminal_gets_tables_of_text(three: Path, tmp_path: Path) -> None:
    """Titles with frames whose every cell is text; several runs get their cards side by side and a comparison."""
    one, other = read(three), read(simulated_run(tmp_path / "other", iterations=30))

    single = dict(render_tables({"three": one}))
    titles = [
        "Run", "Settings that differ from the defaults", "Niches", "First of each class", "Complexity",
        "Terrains: which was mutated from which", "Agents: which moved where", "Candidates", "Transfers", "Cost",
    ]  # fmt: skip
    assert titles == [title.partition(". ")[0] for title in single]
    assert "50.0 %" == dict(single["Run"].itertuples(index=False, name=None))["transfers accepted share"]
    several = render_tables({"three": one, "other": other})
    assert [
        "Runs", "First of each class: median of runs", "Share of env-steps by purpose",
        "After 7,450 env-steps: median (first to third quartile)",
    ] == [title for title, _ in several]  # fmt: skip
    assert ["", "three", "other"] == list(several[0][1].columns)
    for _, table in [*single.items(), *several]:
        assert all(isinstance(cell, str) for row in table.itertuples(index=False) for cell in row)


def test_numbers_are_written_for_people() -> None:
    """Few digits, separated thousands, shares as percentages, empty cells for missing values."""
    table = pd.DataFrame({"steps": [1234567], "share": [0.25], "score": [-8.123], "big": [341.26], "none": [np.nan]})

    assert [("1,234,567", "25.0 %", "-8.12", "341.3", "")] == list(readable(table).itertuples(index=False, name=None))


def test_times_are_written_in_two_units() -> None:
    """From seconds to days."""
    assert ["5.0 s", "1 min 05 s", "2 h 03 min", "3 d 04 h"] == [
        format_seconds(seconds) for seconds in (5, 65, 2 * 3600 + 200, 76 * 3600)
    ]
