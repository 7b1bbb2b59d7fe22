"""Speed and time left in ``poet status``, for recorded times made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.status import RunStatus, read_status, status_lines
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.config import make_config
from tests.poet.archive_examples import SESSION, toy_steps


def _status(folder: Path, seconds: list[float], iterations: int) -> RunStatus:
    """Of a run that took so long for each iteration and is to have so many."""
    with create_run(folder, make_config({"run": {"iterations": iterations}}), session=SESSION) as archive:
        for step, took in zip(toy_steps(len(seconds) - 1), seconds, strict=True):
            archive.append(step.state, step.events, took)
    with open_run(folder) as run:
        status = read_status(run)
    assert status is not None
    return status


def _facts(folder: Path, status: RunStatus) -> dict[str, str]:
    """The lines before the table of niches, by their first word."""
    lines = status_lines(folder, status)
    return {line.split()[0]: line for line in lines[: lines.index("")]}


def test_speed_and_time_left_are_of_the_last_25_iterations(tmp_path: Path) -> None:
    """Two niches spend 200 steps an iteration, and 11 more in each of the 12 even ones; 100 iterations are left."""
    status = _status(tmp_path / "run", [60.0] * 3 + [0.5] * 25, iterations=127)
    facts = _facts(tmp_path / "run", status)

    assert (27, 127) == (status.iteration, status.iterations)
    assert pytest.approx((25 * 200 + 12 * 11) / 12.5) == status.steps_per_second
    assert 0.5 == status.seconds_per_iteration
    assert "speed       411 steps/s lately" == facts["speed"]
    assert "time left   about 50 s" == facts["time"]


def test_the_speed_of_a_young_run_is_that_of_its_iterations(tmp_path: Path) -> None:
    """Time before the first iteration, here 90 s, does not count."""
    status = _status(tmp_path / "run", [90.0, 1.5, 2.5], iterations=26)
    facts = _facts(tmp_path / "run", status)

    assert (311 / 4.0, 2.0) == (status.steps_per_second, status.seconds_per_iteration)
    assert "speed       78 steps/s lately" == facts["speed"]
    assert "time left   about 48 s" == facts["time"]


@pytest.mark.parametrize(("seconds", "iterations"), [([90.0], 5), ([90.0, 1.0, 1.0], 2), ([90.0, 0.0, 0.0], 5)])
def test_where_nothing_is_known_to_be_left_no_time_is_said(
    tmp_path: Path, seconds: list[float], iterations: int
) -> None:
    """Before the first iteration, after the last one, and where the clock stood still."""
    status = _status(tmp_path / "run", seconds, iterations)

    assert "time" not in _facts(tmp_path / "run", status)
    assert (status.steps_per_second > 0.0) == (sum(seconds[1:]) > 0.0)
