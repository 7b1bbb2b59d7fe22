"""``poet status``: speed and time left, for recorded times made by hand; success over time; watching a run."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from experiments.status import RunStatus, read_status, status_lines
from experiments.text import sparkline
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.config import make_config
from tests.experiments.command_line import COMMAND, Poet, begin, end, environment, wait_for
from tests.experiments.synthetic_runs import three_niches
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


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ([], ""),
        ([0.0], "▁"),
        ([0.0, 0.5, 1.0], "▁▅█"),
        ([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5], "▁▁█▅"),
    ],
)
def test_a_sparkline_has_a_bar_for_each_share_and_no_more_than_there_is_room(shares: list[float], line: str) -> None:
    """From 0 to 1, always on the same scale; of many shares the first and the last are shown."""
    assert line == sparkline(shares, 4)


def test_watching_ends_with_the_run(poet: Poet, tmp_path: Path) -> None:
    """Without a terminal a status is printed when it changes; that of a finished run once."""
    folder = three_niches(tmp_path / "run", run={"iterations": 4})
    once, watched = poet("status", folder), poet("status", folder, "--watch")

    assert (0, once.out + "\n", "") == (watched.code, watched.out, watched.err)


def test_watching_sees_a_run_go_on(poet: Poet, tmp_path: Path) -> None:
    """One that stands still is watched too, until it is resumed by another process and finished."""
    folder = tmp_path / "run"
    poet("run", folder, "--preset", "tiny", "--workers", 1, "--iterations", 2, "--env-steps", 1)
    process = begin("status", folder, "--watch")
    wait_for(process, "iteration   0 of 2")
    poet("resume", folder, "--workers", 1)
    ended = end(process)

    assert (0, "") == (ended.code, ended.err)
    assert "iteration   2 of 2" in ended.out


def test_ctrl_c_ends_watching_and_gives_the_terminal_back(tmp_path: Path) -> None:
    """The cursor is there again, the last status stays, and there is one line and no traceback."""
    folder = three_niches(tmp_path / "run", run={"iterations": 9})
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "status", str(folder), "--watch"],
        stdout=theirs, stderr=subprocess.PIPE, env={**environment(), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while b"iteration   4 of 9" not in shown:
        shown += os.read(ours, 10_000)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    shown += os.read(ours, 100_000)
    os.close(ours)

    assert (130, b"poet: stopped\n") == (process.returncode, said)
    assert b"\x1b[?25l" in shown
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")
