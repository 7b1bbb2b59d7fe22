"""The page of an Enhanced POET run."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.reports import enhanced
from tests.experiments.command_line import Poet


def test_the_page_shows_a_run_and_what_it_is_compared_with(poet: Poet, tmp_path: Path) -> None:
    """Every picture that it names is there, and a run that differs in its costs alone is called identical."""
    options = ("--preset", "tiny", "--set", "terrain.genotype=cppn", "--set", "novelty.measure=pata_ec")
    folders = {kind: tmp_path / kind for kind in ("run", "uncached", "rule2019")}
    poet("run", folders["run"], *options)
    poet("run", folders["uncached"], *options, "--set", "novelty.cached=false", "--iterations", 7)
    poet("run", folders["rule2019"], *options, "--set", "transfer.rule=2019")
    others = {kind: folder for kind, folder in folders.items() if kind != "run"}

    enhanced.main(folders["run"], tmp_path / "page", others)

    page = (tmp_path / "page" / "README.md").read_text()
    pictures = {line.partition("(")[2].rstrip(")") for line in page.splitlines() if line.startswith("![")}
    assert pictures == {path.name for path in (tmp_path / "page").glob("*.png")}
    assert "first 7 iterations" in page
    assert "**identical**" in page
    assert "Transfers by the 2020 rule" in page


def test_a_comparison_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """It is refused before anything is written."""
    with pytest.raises(SystemExit, match="random, uncached, rule2019"):
        enhanced.main(tmp_path / "run", tmp_path / "page", {"best": tmp_path})
    assert not (tmp_path / "page").exists()
