"""The line about compilation and how long it takes, and the time when it appears."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agents.evaluation.local import LocalExecutor
from agents.policies.base import AbstractPolicy
from agents.policies.mlp import MLPPolicy
from agents.rollouts import simd
from environments.terrain.obstacles import ObstacleGenotype
from experiments.commands import display
from experiments.commands.display import compiling, counted, prepare_engine
from experiments.progress import PlainLines
from experiments.runner import Stopped, run_experiment
from experiments.settings import resolve_config
from poet import open_run
from tests.experiments.command_line import begin, end


@pytest.fixture
def is_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make compilation necessary, whatever the cache holds."""

    @contextmanager
    def passes(tell: Callable[[], None]) -> Iterator[None]:
        tell()
        tell()
        yield
        tell()

    monkeypatch.setattr(display, "compiler_passes", passes)


def test_a_log_gets_a_line_when_compilation_begins_and_one_when_it_ends(
    is_cold: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing can move, the first line says how long it may take, the second how long it took."""
    with compiling("the simd engine's kernels"):
        assert "compiling the simd engine's kernels (about a minute, once)\n" == capsys.readouterr().out
    assert "compiled the simd engine's kernels in 0 s; they are kept for the next start\n" == capsys.readouterr().out


def test_ctrl_c_waits_for_the_next_pass_of_the_compiler(
    is_cold: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within a pass it would be lost in LLVM's callbacks; the next pass raises it."""
    reached = []

    def prepare(name: str, policy: AbstractPolicy) -> None:
        signal.raise_signal(signal.SIGINT)
        reached.append("the end of the pass")

    monkeypatch.setattr(display, "prepare", prepare)
    with pytest.raises(KeyboardInterrupt):
        prepare_engine("simd", MLPPolicy())

    assert ["the end of the pass"] == reached
    assert signal.default_int_handler == signal.getsignal(signal.SIGINT)
    assert "compiled" not in capsys.readouterr().out


def test_a_terminal_counts_the_seconds(is_cold: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line moves, also below another that does, and is gone at the end."""
    stream = io.StringIO()
    monkeypatch.setattr(display, "_CONSOLE", Console(file=stream, force_terminal=True, width=100))
    with counted("timings"), compiling("the kernels"):
        time.sleep(0.5)

    assert "compiling the kernels (about a minute, once): 0 s" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")


def test_nothing_is_said_where_nothing_is_compiled(tmp_path: Path) -> None:
    """With a warm cache a run begins at once, without a word about kernels."""
    simd.prepare(MLPPolicy())
    ended = end(begin("run", tmp_path / "run", "--preset", "tiny", "--iterations", 1))

    assert (0, "") == (ended.code, ended.err)
    assert "compil" not in ended.out


def test_kernels_are_compiled_in_the_calling_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call comes from where Ctrl-C is heard, before any thread could compile the same."""
    callers = []
    run_team = simd.run_team

    def calling(**kernels: Any) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            callers.append(threading.current_thread())
            run_team.calling(**kernels)(*arguments)

        return run

    monkeypatch.setattr(simd, "run_team", SimpleNamespace(calling=calling))
    policy = MLPPolicy()
    theta = np.zeros((2, policy.num_parameters), np.float32)
    simd.run_episodes(policy, theta, (ObstacleGenotype().express(seed=1),), np.zeros(2, np.int64), 1, threads=2)

    assert 3 == len(callers)
    assert threading.current_thread() == callers[0]
    assert threading.current_thread() not in callers[1:]


def test_ctrl_c_while_kernels_are_compiled_stops_the_run_where_it_is(tmp_path: Path) -> None:
    """A new run leaves nothing behind; one that exists stands where it stood."""
    assert Stopped(None, True) == _run(tmp_path / "run", 2, _interrupt)
    assert not list(tmp_path.iterdir())

    assert Stopped(2, False) == _run(tmp_path / "run", 2, lambda name, policy: None)
    assert Stopped(2, True) == _run(tmp_path / "run", 4, _interrupt)
    with open_run(tmp_path / "run") as run:
        assert 2 == run.iteration


def _interrupt(name: str, policy: AbstractPolicy) -> None:
    assert "simd" == name
    raise KeyboardInterrupt


def _run(folder: Path, iterations: int, prepare_engine: Callable[[str, AbstractPolicy], None]) -> Stopped:
    config = resolve_config("tiny", flags={"run.iterations": iterations})
    with LocalExecutor(1) as executor:
        return run_experiment(
            folder, config, executor, lambda tracker: PlainLines(tracker, io.StringIO()), prepare_engine=prepare_engine
        )
