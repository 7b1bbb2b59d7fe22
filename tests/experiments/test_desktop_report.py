"""The page on what several seeds reach: which terrain counts as crossed, and what the page says and shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agents.rollouts.result import RolloutResult
from environments.errors import InputError
from experiments import trials
from experiments.reports import desktop
from poet.archive.reader import open_run
from tests.experiments.synthetic_runs import three_niches
from tests.experiments.test_learning_report import validated


def copied(run: Path, folder: Path) -> Path:
    """A copy of a run."""
    return Path(shutil.copytree(run, folder))


def test_the_hardest_terrain_is_one_that_its_last_agent_still_crosses(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were robustly solved once; the hardest of them is not crossed under other pushes, so the next one counts."""
    run = validated(copied(tiny_run, tmp_path / "run"), (3, 10), (4, 10), (3, 9))
    monkeypatch.setattr(desktop, "NUM_REPLICATES", 2)
    asked: list[int] = []

    def all_but_the_first_niche(result: RolloutResult) -> list[bool]:
        asked.append(result.returns.size)
        return [3 < len(asked) < 10] * result.returns.size  # each niche is run three times, the chosen one once more

    monkeypatch.setattr(trials, "successes", all_but_the_first_niche)
    with open_run(run) as stored:
        reached = desktop.reached_by(stored)

    by_hardness = reached.robust["niche_id"].tolist()
    sums = reached.robust[["roughness", "pit_gap_high", "stump_height_high"]].fillna(0.0).to_numpy()
    assert {1, 2, 3} == set(by_hardness)
    assert list(np.argsort(-(sums / [4.5, 6.0, 2.4]).sum(axis=1), kind="stable")) == [0, 1, 2]
    assert [by_hardness[1], 0] == reached.hardest[["niche_id", "num_tried"]].iloc[0].tolist()


def test_the_page_says_what_was_reached_and_shows_it(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary, classes, learning, growth and cost, and every picture that it names."""
    run = validated(copied(tiny_run, tmp_path / "run"), (1, 9), (2, 3))
    monkeypatch.setattr(desktop, "NUM_REPLICATES", 2)
    monkeypatch.setattr(trials, "successes", lambda result: [True] * result.returns.size)
    desktop.main(tmp_path / "page", [run])

    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# What one seed reached\n")
    assert "| not yet challenging | 200 |" in text
    assert "2 replicates" in text
    for name in ("hardest", "classes", "scores", "phylogeny"):
        assert f"]({name}.png)" in text
        with Image.open(tmp_path / "page" / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_where_nothing_is_crossed_nothing_is_drawn(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without a robustly solved niche still has a page."""
    run = validated(copied(tiny_run, tmp_path / "run"), (1, 3), (2, 3))
    monkeypatch.setattr(desktop, "NUM_REPLICATES", 2)
    desktop.main(tmp_path / "page", [run])

    assert "hardest.png" not in (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    assert not (tmp_path / "page" / "hardest.png").exists()


def test_runs_of_other_settings_are_refused_before_anything_is_run(tiny_run: Path, tmp_path: Path) -> None:
    """Runs of different configs are not seeds of one config."""
    other = tmp_path / "other"
    three_niches(other)
    with pytest.raises(InputError, match="the runs must differ in their seeds alone, but "):
        desktop.main(tmp_path / "page", [tiny_run, other])
    assert not (tmp_path / "page").exists()
