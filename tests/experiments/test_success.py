"""Success rates in tables, status, plots and the page, and the pair that replay chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents import MLPPolicy
from environments.walker.ending import Outcome
from experiments.analysis.frames import annecs_table, niches_table
from experiments.analysis.measures import progress_curves, run_card
from experiments.analysis.readable import render_tables
from experiments.analysis.report import write_report
from experiments.analysis.run_tables import RunTables
from experiments.analysis.score_plot import plot_scores
from experiments.analysis.success import percentage, rates_by_niche, success_history
from experiments.analysis.success_plot import curve
from experiments.replay.captions import Caption, caption_of, draw_band
from experiments.replay.formats import GIF_SIZE, MP4_SIZE
from experiments.replay.pairs import choose_pair
from experiments.replay.walk import record_walk
from experiments.status import read_status, status_lines
from poet.archive.reader import open_run
from poet.events import NicheValidated, Occasion, ValidationSet
from tests.experiments.synthetic_runs import JUDGEMENTS, add_events, read, simulated_run, three_niches

#: Niche, iteration, version, occasion, and successes of ten on pushes and on seeds.
MEASURED = [
    (0, 0, 0, Occasion.ADMISSION, 7, 8),
    (0, 2, 3, Occasion.INTERVAL, 8, 10),
    (1, 2, 2, Occasion.ADMISSION, 1, 0),
    (1, 2, 5, Occasion.TRANSFER, 9, 3),
    (2, 3, 6, Occasion.ADMISSION, 0, 0),
    (0, 3, 1, Occasion.RETIREMENT, 2, 2),
    (1, 3, 9, Occasion.TRANSFER, 6, 8),
]


def record(folder: Path, *measured: tuple[int, int, int, Occasion, int, int]) -> Path:
    """Add measurements of ten episodes to a run."""
    events = [
        NicheValidated(niche_id, iteration, version_id, which, occasion, 10, num, 100.0, 500.0)
        for niche_id, iteration, version_id, occasion, *counts in measured
        for which, num in zip((ValidationSet.PUSHES, ValidationSet.SEEDS), counts, strict=True)
    ]
    return add_events(folder, events)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, validated; niches 1 and 2 passed the criterion against all agents."""
    place = tmp_path_factory.mktemp("runs") / "three"
    return add_events(record(three_niches(place, poet={"reproduction_interval": 1}), *MEASURED), JUDGEMENTS)


@pytest.fixture(scope="module")
def run(folder: Path) -> RunTables:
    """The tables of this run."""
    return read(folder)


def rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Rows as tuples, missing values as None."""
    return list(table.astype(object).where(table.notna(), None).itertuples(index=False, name=None))


def test_a_niche_has_rates_at_admission_now_and_at_best(run: RunTables) -> None:
    """And the iteration in which it was first robustly solved, or its agent general: at 80 %, included."""
    table = niches_table(run)

    names = [f"{which}_{when}" for which in ("pushes", "seeds") for when in ("admission", "now", "best")]
    # Version 1 of niche 0 was measured last, but it is not the last version that was.
    expected = [(0.7, 0.8, 0.8, 0.8, 1.0, 1.0), (0.1, 0.6, 0.9, 0.0, 0.8, 0.8), (0.0,) * 6]
    assert expected == rows(table[names])
    assert [(2, 3450, 0, 100), (2, 3450, 3, 7450), (None,) * 4] == rows(
        table[["robust", "robust_env_steps", "general", "general_env_steps"]]
    )


def test_a_niche_validated_late_has_no_rate_at_admission(run: RunTables) -> None:
    """A fork that switches validation on knows nothing of before."""
    late = run.validations[run.validations["occasion"] != Occasion.ADMISSION]

    table = rates_by_niche(late)

    assert [0, 1] == table.index.tolist()
    assert table["pushes_admission"].isna().all()
    assert [0.8, 0.6] == table["pushes_now"].tolist()


def test_a_rate_is_never_rounded_up_to_robust() -> None:
    """Whole percents are exact, whatever their floats are; the others go down."""
    assert [f"{i} %" for i in range(101)] == [percentage(i / 100) for i in range(101)]
    assert ["79 %", "99 %", "80 %", ""] == [percentage(rate) for rate in (0.796, 999 / 1000, 4 / 5, np.nan)]


def test_no_iteration_is_too_large_for_a_table(run: RunTables) -> None:
    """One that a float does not hold, as a damaged archive may have it, is kept as it is."""
    late = run.validations.assign(iteration=2**63 - 1)

    assert [2**63 - 1, 2**63 - 1] == rates_by_niche(late)["robust"].dropna().tolist()


def test_every_measurement_is_in_the_history(run: RunTables) -> None:
    """In the order of versions, over env-steps."""
    table = success_history(run)

    pushes = table[table["validation_set"] == "pushes"]
    names = ["version_id", "niche_id", "occasion", "env_steps", "num_successes", "rate"]
    assert [
        (version, niche, str(occasion), [100, 1100, 3450, 7450][iteration], num, num / 10)
        for niche, iteration, version, occasion, num, _ in sorted(MEASURED, key=lambda row: row[2])
    ] == rows(pushes[names])
    assert 2 * len(pushes) == len(table)


def test_annecs_counts_what_was_robustly_solved_after_it_passed(run: RunTables) -> None:
    """Also as shares of what the cadence allows: from iteration 2 on, one niche an iteration."""
    table = annecs_table(run)

    assert [0, 0, 1, 1, 1] == table["annecs_robust"].tolist()
    assert [0, 0, 1, 2, 3] == table["admissible"].tolist()
    np.testing.assert_array_equal([np.nan, np.nan, 0.0, 1 / 2, 1 / 3], table["paper_share"])
    np.testing.assert_array_equal([np.nan, np.nan, 1.0, 1 / 2, 1 / 3], table["robust_share"])


def test_annecs_without_validation_knows_nothing_robust(tmp_path: Path) -> None:
    """Unknown is not 0."""
    table = annecs_table(read(three_niches(tmp_path / "three")))

    assert table["annecs_robust"].isna().all() and table["robust_share"].isna().all()


def test_curves_and_card_count_what_is_robust_and_general(run: RunTables) -> None:
    """Niches so far; the root's own success counts in no mean."""
    curves, card = progress_curves(run), run_card(run)

    assert ([0, 0, 2, 2, 2], [1, 1, 1, 2, 2]) == (curves["num_robust"].tolist(), curves["num_general"].tolist())
    assert (2, 2) == (card.niches_robust, card.niches_general)
    assert (pytest.approx(0.05), pytest.approx(0.3)) == (card.success_share_at_admission, card.success_share_last)


def test_status_says_rates_at_admission_and_now(folder: Path) -> None:
    """One line for all, and columns for each niche, with a sparkline: active ones first."""
    with open_run(folder) as stored:
        status = read_status(stored)
    assert status is not None
    lines = status_lines(folder, status)

    words = "success     0 active robustly solved, 2 at some time; 1 active general, 2 at some time"
    assert words in lines
    assert any(line.startswith("ANNECS      1 created and solved once, 1 robustly, 1 passed") for line in lines)
    table = lines[lines.index("") + 1 :]
    assert "own ground, pushes         fresh seeds".split() == table[0].split()
    names = "niche parent created retired solved once score admitted now over time admitted now"
    assert names.split() == table[1].split()
    assert "1 0 2 yes 235.0 10 % 60 % ▂▇▅ 0 % 80 %".split() == table[2].split()
    assert {len(table[1])} == {len(line) for line in table[1:]}


def test_status_without_validation_speaks_of_solved_once_alone(tmp_path: Path) -> None:
    """No column of rates, no line of success."""
    folder = three_niches(tmp_path / "three")
    with open_run(folder) as stored:
        status = read_status(stored)
    assert status is not None
    text = "\n".join(status_lines(folder, status))

    assert "2 solved once\n" in text
    assert not any(word in text for word in ("success", "robust", "seeds", "%"))


def test_the_niche_table_and_the_page_have_rates(folder: Path, run: RunTables, tmp_path: Path) -> None:
    """In the terminal, in tiles, in a table of all measurements, and as one curve a niche."""
    niches = dict(render_tables({"three": run}))["Niches"]
    with open_run(folder) as stored:
        page = write_report({"three": stored}, tmp_path / "report").read_text(encoding="utf-8")

    assert ["70 % to 80 %", "10 % to 60 %", "0 % to 0 %"] == niches["success on pushes"].tolist()
    assert ["2", "2", ""] == niches["robust"].tolist()
    assert "2 robustly solved, 2 with a general agent" in page
    assert "count is 33 % of it, the robust one is 33 % of it" in page
    assert "one curve a niche" in page
    assert 14 == len(pd.read_csv(tmp_path / "report" / "tables" / "success.csv"))


def test_the_plot_has_a_curve_of_success_for_each_niche(run: RunTables) -> None:
    """From admission on, in its row, in place of the band of scores; a rate holds until the next."""
    figure = plot_scores(run)

    (rates,) = [axes for axes in figure.axes if axes.get_ylabel() == "niche"]
    assert not rates.images
    mine = success_history(run)
    steps, values = curve(mine[mine["niche_id"] == 1], ValidationSet.PUSHES, 7450.0)
    assert [3450, 3450, 7450, 7450] == steps.tolist() and [0.1, 0.9, 0.6, 0.6] == values.tolist()
    drawn = [line.get_xydata()[:, 1].tolist() for line in rates.lines]
    assert any(np.allclose(1 + 0.4 - 0.8 * values, ys) for ys in drawn if len(ys) == 4)


def test_large_runs_are_drawn(tmp_path: Path) -> None:
    """Many niches, each measured once: rows are low, and each has its curve."""
    folder = simulated_run(tmp_path / "large", iterations=300)
    with open_run(folder) as stored:
        first = stored.niches[["niche_id", "iteration", "version_id"]].to_numpy()
    record(folder, *[(int(n), int(i), int(v), Occasion.ADMISSION, int(n) % 11, 0) for n, i, v in first])

    figure = plot_scores(read(folder))

    (rates,) = [axes for axes in figure.axes if axes.get_ylabel() == "niche"]
    assert 2 * len(first) == len(rates.lines)


def test_replay_prefers_what_is_solved_for_sure(tmp_path: Path) -> None:
    """The hardest robustly solved niche; without one, the best rate; without any success, what was solved once."""
    folder = three_niches(tmp_path / "three")

    def chosen(iteration: int | None = None) -> tuple[int, str]:
        with open_run(folder) as stored:
            pair = choose_pair(stored, iteration=iteration)
        return pair.niche_id, pair.choice

    record(folder, (0, 0, 0, Occasion.ADMISSION, 0, 0))
    assert "solved once" in chosen()[1]
    record(folder, (2, 3, 6, Occasion.ADMISSION, 3, 0), (0, 2, 1, Occasion.INTERVAL, 7, 0))
    assert (0, "none is robustly solved; this one's agent succeeds most often (70 % of pushes)") == chosen()
    record(folder, (0, 3, 3, Occasion.RETIREMENT, 10, 0), (1, 3, 9, Occasion.TRANSFER, 8, 0))
    assert (1, "the hardest robustly solved (80 % of pushes) and finished") == chosen()
    assert (0, "none is robustly solved; this one's agent succeeds most often (70 % of pushes)") == chosen(2)


def test_a_picture_says_how_lucky_it_may_be(folder: Path) -> None:
    """An episode of a validated agent is captioned with its success rate on this ground, another's with none."""

    def said(niche_id: int, agent_id: int, version_id: int) -> str:
        with open_run(folder) as stored:
            pair = choose_pair(stored, niche_id, agent_id)
        assert version_id == pair.agent.version.id
        still = MLPPolicy().controller(np.zeros(MLPPolicy().num_parameters, np.float32))
        return caption_of(pair, record_walk(pair.terrain, still, 1), 0).success

    assert " · succeeds under 0 of 10 pushes" == said(2, 2, 6)
    assert "" == said(2, 0, 0)


@pytest.mark.parametrize(("size", "is_said"), [((1600, 64), True), (GIF_SIZE, False), (MP4_SIZE, False)])
def test_words_that_do_not_fit_are_left_out(size: tuple[int, int], is_said: bool) -> None:
    """The rate is the one text that may be missing: on a film's band it would run into the outcome."""
    pair, version = "niche 13 · agent of niche 10", "version 1234 · iteration 1000"
    bands = [
        draw_band(Caption(pair, version, "return 300.0", "step 1000 · 20.00 s", words, Outcome.FINISHED), size)
        for words in ("", " · succeeds under 46 of 50 pushes")
    ]

    assert is_said == (bands[0] != bands[1]).any()
    middle = [band[:, int(0.45 * size[0]) :] for band in bands]
    assert (middle[0] == middle[1]).all()
