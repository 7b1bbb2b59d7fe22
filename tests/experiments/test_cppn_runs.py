"""Runs on CPPN terrains from the command line: started, resumed, verified and displayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from poet.archive.reader import open_run
from tests.experiments.command_line import Poet

ON_CPPN = ("--preset", "tiny", "--workers", 1, "--set", "terrain.genotype=cppn")


@pytest.mark.parametrize("has_quirks", ["false", "true"])
def test_a_run_on_cppn_terrains_is_like_any_other(poet: Poet, tmp_path: Path, has_quirks: str) -> None:
    """It admits and retires, goes on to the same bits, is verified from the archive, shown, analysed and exported."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = (*ON_CPPN, "--set", f"cppn.released_quirks={has_quirks}")
    assert 0 == poet("run", whole, *flags, "--iterations", 10).code
    poet("run", parts, *flags, "--iterations", 5)
    poet("resume", parts, "--iterations", 10)
    assert poet("fingerprint", whole).last_line == poet("fingerprint", parts).last_line

    with open_run(whole) as run:
        assert len(run.niches) > 2 and len(run.retirements) > 0
        assert {has_quirks == "true"} == {genotype["released_quirks"] for genotype in run.niches["genotype"]}
    assert "to the bit" in poet("replay", whole, "--verify").out
    for command in (
        ("replay", whole, "--output", tmp_path / "walk.png"),
        ("analyse", whole, "--output", tmp_path / "report"),
        ("export", whole, "--output", tmp_path / "export"),
    ):
        ended = poet(*command)
        assert 0 == ended.code, ended.err
    assert (tmp_path / "walk.png").stat().st_size > 10_000
