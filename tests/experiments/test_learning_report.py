"""The page on what runs have learnt: which niches count, and what the page says and shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from environments.errors import InputError
from experiments import trials
from experiments.analysis.run_tables import read_tables
from experiments.replay import Progress
from experiments.replay.formats import write_replay
from experiments.replay.pairs import Pair
from experiments.replay.walk import Walk
from experiments.reports import learning, pages
from poet.archive.reader import open_run
from poet.events import NicheValidated, Occasion, ValidationSet
from tests.experiments.synthetic_runs import add_events


def validated(folder: Path, *of_niches: tuple[int, int]) -> Path:
    """Measure the first and the last stored agents of niches 1, 2, ... ten times each."""
    events = []
    with open_run(folder) as run:
        versions, last = run.versions, run.iteration or 0
        stored = {agent.version.id for agent in run.stored_agents()}
    for niche_id, counts in enumerate(of_niches, start=1):
        mine = versions[(versions["niche_id"] == niche_id) & versions["id"].isin(stored)]
        first, latest = mine.iloc[0], mine.iloc[-1]
        for version, iteration, occasion, count in (
            (first, first["iteration"], Occasion.ADMISSION, counts[0]),
            (latest, last, Occasion.INTERVAL, counts[1]),
        ):
            events += [
                NicheValidated(niche_id, int(iteration), int(version["id"]), which, occasion, 10, count, 0.0, 50.0)
                for which in ValidationSet
            ]
    return add_events(folder, events)


def test_learnt_is_what_was_failed_at_admission_and_succeeds_under_pushes_that_decided_nothing(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 40 % first, 80 % or more when run again, whatever the validation said; the root does not count."""
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "run")), (3, 10), (4, 10), (3, 0))
    monkeypatch.setattr(trials, "NUM_TRIALS", 3)
    monkeypatch.setattr(learning, "NUM_TRIALS", 3)
    monkeypatch.setattr(trials, "successes", lambda result: [niche_of(result) != 1] * 3)
    asked = iter([1, 1, 1, 2, 2, 2, 3, 3, 3])

    def niche_of(result: object) -> int:
        return next(asked)

    with open_run(run) as stored:
        table = learning.retest(stored, learning.children_of(read_tables(stored)))

    found = table[["niche_id", "again", "is_learnt"]].to_numpy().tolist()
    assert [[1, 0.0, False], [2, 1.0, False], [3, 1.0, True]] == found


def test_a_run_that_was_not_validated_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    """There would be nothing to report."""
    with pytest.raises(InputError, match=r"the run holds no success rates: make it with --set validation\.episodes=50"):
        learning.main(tmp_path / "page", [tiny_run])


def test_the_page_shows_one_niche_before_and_after(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two strips of the niche that gained most, its first agent in the first; every child's rates; what was spent."""
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "run")), (5, 9), (1, 8))
    drawn: list[Pair] = []

    def draw(path: Path, pair: Pair, walk: Walk, progress: Progress) -> None:
        drawn.append(pair)
        write_replay(path, pair, walk, progress)

    monkeypatch.setattr(pages, "write_replay", draw)
    monkeypatch.setattr(trials, "successes", lambda result: [True] * trials.NUM_TRIALS)
    learning.main(tmp_path / "page", [run])

    with open_run(run) as stored:
        first = stored.niches.set_index("niche_id")["version_id"][2]
        assert [(2, first), (2, stored.agent(2).version.id)] == [(p.niche_id, p.agent.version.id) for p in drawn]

    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    words = " ".join(text.split())
    assert (
        "The niche that gained most, 2: the agent with which it was admitted succeeds under 10 % of the pushes" in words
    )
    assert "its last one under 100 %" in words
    assert "## What `run` cost" in text
    for name in ("learnt", "scores", "phylogeny"):
        assert f"]({name}.png)" in text
        with Image.open(tmp_path / "page" / f"{name}.png") as picture:
            assert min(picture.size) > 300


def test_a_page_without_anything_learnt_has_no_such_picture(tiny_run: Path, tmp_path: Path) -> None:
    """It says so by its numbers."""
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "run")), (5, 9), (5, 8))

    learning.main(tmp_path / "page", [run])

    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    assert "before and after" not in text
    assert not (tmp_path / "page" / "learnt.png").exists()
