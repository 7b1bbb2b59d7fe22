"""A real Ray cluster of several nodes on this machine: workers die, nodes come and go, and no result changes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_workers_and_nodes_come_and_go_and_change_no_result() -> None:
    """A cluster without workers is waited for; a worker is killed, a node is added, and the first one goes."""
    command = [sys.executable, "-m", "tests.agents.cluster_probe"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300.0, cwd=_ROOT)

    assert 0 == done.returncode, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert "the Ray cluster has no worker with a CPU at the moment: waiting until it has one" in done.stderr
    assert "the Ray cluster has workers now, and the run goes on" in done.stderr
    assert "episodes were lost and will be run again" in done.stderr
    assert said["is equal"]
    assert (1, ["b"]) == (said["killed"], said["nodes"])
    assert 0 < said["again"] < said["steps"]
