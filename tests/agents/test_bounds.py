"""Kernels do not normally check indices; here a process runs them with checks.

It recompiles them once, which takes a minute and a half: checks come before all optimisation, and need little of it.
Those of GPU threads are left to `make bounds`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
#: The fewest that run every kernel but those: lanes, worlds, crowds up to the last contact, samples and steps.
_TESTS = (
    "tests/agents/test_openai_es.py",
    "tests/agents/test_rollout.py::test_a_ground_with_more_contacts_than_fit_is_walked_in_box2d[1-terrain1]",
    "tests/environments/test_worlds.py::test_every_world_is_an_episode_in_box2d",
    "tests/environments/test_worlds.py::test_an_episode_of_any_length_can_be_run_again",
)


def test_no_kernel_reads_or_writes_beside_its_arrays() -> None:
    """With NUMBA_BOUNDSCHECK an index out of bounds, even a negative one, is an error; all tests of kernels pass."""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TESTS]
    done = subprocess.run(command, env=environment, cwd=_ROOT, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
