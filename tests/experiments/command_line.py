"""How tests call the command line: in this process if nothing is killed, otherwise in a separate one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from agents import MLPPolicy
from agents.rollouts import prepare
from experiments import cli

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "experiments.cli")

Poet = Callable[..., "Ended"]


@dataclass(frozen=True)
class Ended:
    """The result of a command: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line on standard output."""
        return self.out.splitlines()[-1]


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Ended:
    """``poet ARGUMENTS`` in this process."""
    monkeypatch.setattr(sys, "argv", ["poet", *map(str, arguments)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.call()
    out, err = capsys.readouterr()
    return Ended(int(ended.value.code or 0), out, err)


def in_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Poet:
    """``call`` with these fixtures, once nothing has to be compiled any more."""
    prepare("simd", MLPPolicy())
    return partial(call, capsys, monkeypatch)


def environment() -> dict[str, str]:
    """An environment in which a separate process finds this project from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def begin(
    *arguments: object, cwd: Path | None = None, limit: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    """Start ``poet ARGUMENTS`` in a separate process, whose output is read line by line."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(),
        preexec_fn=limit,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a process."""
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read lines of a process until one holds ``words``."""
    stream = process.stdout
    assert stream is not None
    for line in stream:
        if words in line:
            return
    pytest.fail(f"the process ended without saying {words!r}: {end(process).err}")
