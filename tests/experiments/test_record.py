"""What a page knows of a run: the analysis' numbers, whether they are read at once or followed bit by bit."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from environments.errors import InputError
from experiments.analysis.annecs import annecs_frame
from experiments.analysis.frames import cumulative_steps, niches_table, score_history
from experiments.analysis.run_tables import read_tables
from experiments.analysis.success import success_history
from experiments.analysis.transfers import transfers_by_pair
from experiments.page.data import annecs_table, news_data, plain, run_data
from experiments.page.record import Record
from poet.archive.reader import open_run
from poet.events import ValidationSet
from tests.benchmarks.large_run import large_run
from tests.experiments.synthetic_runs import simulated_run


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 niches, with validations, retirements and transfers; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "grown"
    list(large_run(folder, 60, 80, 12))
    return folder


def _same(ours: list[Any], theirs: pd.Series[Any]) -> bool:
    return np.array_equal(
        np.array([np.nan if value is None else value for value in ours], np.float64),
        theirs.astype("float64").to_numpy(),
        equal_nan=True,
    )


def rowed(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The rows of a table that is an object of columns."""
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


@pytest.mark.parametrize("which", ["grown", "tiny", "simulated"])
def test_a_record_has_the_numbers_of_the_analysis(which: str, grown: Path, tiny_run: Path, tmp_path: Path) -> None:
    """Niches, scores, success, routes and ANNECS are those of the tables that the report has."""
    folder = {"grown": grown, "tiny": tiny_run}.get(which) or simulated_run(tmp_path / "run", 1, 120)
    with open_run(folder) as run:
        tables, record = read_tables(run), Record(run)
        assert record.follow()
        assert not record.follow()
    theirs, niches, steps = niches_table(tables), record.niches, cumulative_steps(tables)

    assert steps.tolist() == record.steps
    for name in ("parent_id", "created", "retired", "solved", "children", "transfers_in", "transfers_out", "env_steps",
                 "admission_score", "last_score"):  # fmt: skip
        assert _same([getattr(niche, name) for niche in niches], theirs[name]), name
    for which_set, name in ((ValidationSet.PUSHES, "robust"), (ValidationSet.SEEDS, "general")):
        for moment in ("admission", "now", "best"):
            ours = [getattr(niche.rates[which_set], moment) for niche in niches]
            assert _same(ours, theirs[f"{which_set}_{moment}"]), (which_set, moment)
        assert _same([niche.rates[which_set].reached for niche in niches], theirs[name])
    scores = [(niche.id, *score) for niche in niches for score in niche.scores]
    assert scores == list(score_history(tables)[["niche_id", "iteration", "score"]].itertuples(index=False, name=None))
    names = ["version_id", "validation_set", "rate"]
    measured = sorted((m.version_id, m.validation_set, m.rate) for m in record.measured)
    assert measured == list(success_history(tables)[names].itertuples(index=False, name=None))
    routes = transfers_by_pair(tables)
    assert dict(record.tried) == dict(zip(zip(routes["source_id"], routes["target_id"], strict=True), routes["tried"],
                                          strict=True))  # fmt: skip
    counts = annecs_frame(tables.niches, tables.judgements, tables.solved, tables.validations, tables.admissible)
    last = {name: column[-1] for name, column in annecs_table(record).items()}
    for name in ("annecs_paper", "annecs_released", "annecs_robust"):
        assert _same([last[name]], counts[name].iloc[-1:]), name


def test_following_gives_what_reading_at_once_gives(grown: Path) -> None:
    """Stopped after any iteration, the record is that of the run until then; and it needs no second look."""
    with open_run(grown) as run:
        followed = Record(run)
        for until in (0, 1, 7, 24, 25, 26, 60, None):
            followed.follow(until)
            whole = Record(run)
            whole.follow(until)
            for name in ("iteration", "steps", "moves", "tried"):
                assert getattr(whole, name) == getattr(followed, name)
            assert [asdict(niche) for niche in whole.niches] == [asdict(niche) for niche in followed.niches]
            key = ("iteration", "version_id", "validation_set")
            assert sorted(tuple(getattr(m, k) for k in key) for m in whole.measured) == sorted(
                tuple(getattr(m, k) for k in key) for m in followed.measured
            )


def test_news_tell_what_a_new_page_would(grown: Path) -> None:
    """A page of an earlier moment and the news since then are the page of now: nothing is lost, nothing comes twice."""
    with open_run(grown) as run:
        record, kinds = Record(run), frozenset(run.recorded)
        record.follow(40)
        page = plain(run_data("run", run, record, kinds, 500))
        record.follow()
        news, now = plain(news_data(record, kinds, 500, 40)), plain(run_data("run", run, record, kinds, 500))

    niches = {niche["id"]: niche for niche in [*page["niches"], *news["niches"]]}
    assert now["niches"] == list(niches.values())
    assert len(news["niches"]) < len(now["niches"])
    for name in ("success", "transfers", "scores"):
        both = {tuple(sorted(row.items())) for row in [*rowed(page[name]), *rowed(news[name])]}
        assert both == {tuple(sorted(row.items())) for row in rowed(now[name])}
        assert len(both) == len(rowed(page[name])) + len(rowed(news[name]))
    for name in ("iteration", "env_steps", "rows", "movers", "routes", "annecs"):
        assert now[name] == news[name]


def test_a_record_refuses_what_cannot_be(grown: Path, tmp_path: Path) -> None:
    """A version of a niche that does not exist is one sentence, as everywhere."""
    folder = Path(shutil.copytree(grown, tmp_path / "run"))
    with sqlite3.connect(folder / "run.sqlite") as connection:
        connection.execute("UPDATE versions SET niche_id = 4000 WHERE id = 600")
    with open_run(folder) as run, pytest.raises(InputError, match="niche 4000, which does not exist"):
        Record(run).follow()
