"""Kills at random moments, a few of the many that ``python -m tests.benchmarks.kills`` makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_runs_killed_at_random_moments_end_as_if_nobody_had(tmp_path: Path) -> None:
    """While it is made, written, upgraded or forked: nothing is lost that was recorded, and nothing is left over."""
    command = [sys.executable, "-m", "tests.benchmarks.kills", "--kills", "5"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "every fingerprint is that of a run that nobody killed" in ended.stdout
