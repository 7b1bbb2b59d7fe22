"""Commands where Python and the shell are not set up as usual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.experiments.command_line import COMMAND, environment


def test_a_command_runs_where_its_folder_is_gone(tmp_path: Path, tiny_run: Path) -> None:
    """From a folder that was removed, a user can still look at a run elsewhere."""
    folder = tmp_path / "removed"
    folder.mkdir()
    begun = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *COMMAND, "fingerprint", str(tiny_run)]
    ended = subprocess.run(begun, cwd=folder, env=environment(), capture_output=True, text=True, check=False)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert 64 == len(ended.stdout.strip())


def test_box2d_is_loaded_where_warnings_are_errors() -> None:
    """``python -W error`` would crash in the types of Box2D, without a word."""
    code = "import environments.physics.box2d"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment(), capture_output=True, text=True, check=False
    )

    assert (0, "") == (ended.returncode, ended.stderr)
