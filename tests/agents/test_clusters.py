"""A real Ray cluster of several nodes on this machine: workers die, nodes come and go, and no result changes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agents.evaluation.patience import Patience
from agents.evaluation.ray import RayExecutor
from agents.evaluation.ray_tasks import Ended
from agents.evaluation.shares import Share, Shares, Speeds
from agents.rollouts.result import RolloutResult

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


def test_the_first_of_two_results_counts_and_the_second_must_be_equal() -> None:
    """A share that was late was given to two workers: another result to the bit says that a machine is broken."""
    shares, patience = Shares([1], 64, Speeds()), Patience[Share](1.0)
    share = shares.take("a", {"a": 1})
    assert share is not None
    for place in "abc":
        shares.started(share, place, 0.0)
    first, same, other = (
        RolloutResult(np.array([x]), np.array([9], np.int32), np.zeros(1, np.int8)) for x in (1, 1, 2)
    )
    with RayExecutor(1) as executor:
        assert first is executor._first_result(Ended("a", share, (first, 1.0)), shares, patience)
        assert executor._first_result(Ended("b", share, (same, 1.0)), shares, patience) is None
        with pytest.raises(RuntimeError, match="two workers had different results for the same episodes, one of them "):
            executor._first_result(Ended("c", share, (other, 1.0)), shares, patience)
