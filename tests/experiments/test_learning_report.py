"""The page of what runs have learnt: who counts as learnt, and that the page says and shows it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from environments.errors import InputError
from experiments.reports import learning
from poet.archive.reader import open_run
from poet.events import NicheValidated, Occasion, ValidationSet
from tests.experiments.synthetic_runs import add_events, read, three_niches

#: Successes of ten on pushes, at admission and at last, of niches 1 and 2.
NOT_FAILED, LEARNT = (4, 10), (3, 8)


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


def test_learnt_is_what_was_failed_at_admission_and_is_robustly_solved_at_last(tmp_path: Path) -> None:
    """Below 40 % first, 80 % or more at the end; the root does not count."""
    folder = three_niches(tmp_path / "run")
    events = [
        NicheValidated(niche_id, iteration, version, which, occasion, 10, count, 0.0, 50.0)
        for which in ValidationSet
        for niche_id, iteration, version, occasion, count in (
            (0, 0, 0, Occasion.ADMISSION, 0),
            (0, 2, 1, Occasion.INTERVAL, 10),
            (1, 2, 2, Occasion.ADMISSION, NOT_FAILED[0]),
            (1, 3, 9, Occasion.INTERVAL, NOT_FAILED[1]),
            (2, 3, 6, Occasion.ADMISSION, LEARNT[0]),
            (2, 3, 8, Occasion.INTERVAL, LEARNT[1]),
        )
    ]

    table = learning.learnt(read(add_events(folder, events)))

    assert [(1, False), (2, True)] == list(zip(table["niche_id"], table["is_learnt"], strict=True))


def test_a_run_that_was_not_validated_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    """There is nothing to say about it."""
    with pytest.raises(InputError, match=r"the run holds no success rates: make it with --set validation\.episodes=50"):
        learning.main(tmp_path / "page", [tiny_run])


def test_the_page_shows_one_niche_before_and_after(tiny_run: Path, tmp_path: Path) -> None:
    """Two strips of the niche that was learnt best, every child's rates, and what was spent."""
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "run")), (5, 9), (1, 8))

    learning.main(tmp_path / "page", [run])

    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    assert "Niche 2: the agent with which it was admitted succeeds under 10 % of the pushes" in text
    assert "under 80 %" in text
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
