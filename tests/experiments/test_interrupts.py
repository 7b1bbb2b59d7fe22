"""Signals that ask a command to stop, from its first line to its last; and a reader of its output that goes away."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.signals import STOPPING
from experiments import interrupts
from experiments.progress import PlainLines, RunTracker
from poet.archive.fingerprint import fingerprint
from tests.benchmarks.interrupts import KINDS, RUN, Trial, bad_endings, is_lost
from tests.experiments.command_line import COMMAND, end, environment, wait_for
from tests.experiments.conftest import NUM_ITERATIONS

TINY = ("--preset", "tiny", "--iterations", NUM_ITERATIONS, "--workers", 2)


@pytest.fixture
def in_force() -> Iterator[interrupts.Interrupts]:
    """A block that signals end with ``KeyboardInterrupt``."""
    with interrupts.interrupts() as found:
        yield found


def begin_with(
    ignored: tuple[signal.Signals, ...], *arguments: object, out: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """``poet ARGUMENTS`` as a shell starts it that ignores some signals, in a session of its own."""

    def prepare() -> None:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=out, stderr=subprocess.PIPE, text=True, env=environment(),
        preexec_fn=prepare, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ignored", "numbers"),
    [
        ((signal.SIGHUP, signal.SIGINT), (signal.SIGHUP, signal.SIGINT)),
        ((), (signal.SIGSTOP, signal.SIGCONT)),
    ],
    ids=["ignored", "stopped for a while"],
)
def test_what_is_ignored_or_lets_go_on_changes_nothing(
    tmp_path: Path,
    tiny_fingerprint: str,
    ignored: tuple[signal.Signals, ...],
    numbers: tuple[signal.Signals, ...],
) -> None:
    """Under ``nohup`` a run survives the end of its terminal, in the background of a plain shell Ctrl-C; and Ctrl-Z
    with ``fg``.
    """
    run = begin_with(ignored, "run", tmp_path / "run", *TINY, "--engine", "box2d")
    wait_for(run, "iteration 2/")
    for number in numbers:
        os.killpg(run.pid, number)
    ended = end(run)

    assert (0, "") == (ended.code, ended.err)
    assert tiny_fingerprint == fingerprint(tmp_path / "run")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGXCPU])
def test_the_warning_of_a_cluster_stops_a_run_and_is_named(tmp_path: Path, number: signal.Signals) -> None:
    """Slurm and PBS warn by signals of their own before they kill: the run ends as by Ctrl-C, and says what came."""
    run = begin_with((), "run", tmp_path / "run", "--preset", "tiny", "--iterations", 10_000, "--engine", "box2d")
    wait_for(run, "iteration 2/")
    os.killpg(run.pid, number)
    ended = end(run)

    assert 130 == ended.code
    assert ended.err.startswith(f"stopped by {number.name} after iteration ")
    assert ended.err.endswith(f" of 10000; go on with: poet resume {tmp_path / 'run'}\n")
    assert 1 == ended.err.count("\n")


@pytest.mark.parametrize("number", STOPPING)
def test_every_signal_that_asks_to_stop_is_an_interrupt(number: signal.Signals) -> None:
    """The first raises, another one changes nothing, and after the block handlers are as they were."""
    before = signal.getsignal(number)
    with interrupts.interrupts() as found:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)
        assert number == found.came

    assert before == signal.getsignal(number)


def test_an_interrupt_that_gets_lost_comes_again(in_force: interrupts.Interrupts) -> None:
    """Where nothing can be raised, as in ``__del__`` and in what C calls back, it is put off; nobody reads of it."""

    class Careless:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Careless()
        for _ in range(600):
            time.sleep(0.1)


_IN_A_LOCK = """
import concurrent.futures, signal, sys, threading
import numpy as np
from agents import MLPPolicy, rollout
from environments import ObstacleGenotype

theta = np.zeros((500, 2804), np.float32)
theta[:, -4] = 1.0  # it stands on its legs until time is over
enter = threading.Condition.__enter__

def enter_interrupted(self):
    found = enter(self)
    if sys._getframe(1).f_code is concurrent.futures.wait.__code__:
        signal.raise_signal(signal.SIGINT)
    return found

threading.Condition.__enter__ = enter_interrupted
try:
    rollout(MLPPolicy(), theta, ObstacleGenotype().express(1), max_steps=2000, threads=2)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_leaves_nothing_locked() -> None:
    """Wherever it comes: broken off where Python takes a lock, threads would wait for each other for ever."""
    command = [sys.executable, "-c", _IN_A_LOCK]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60)

    assert ("interrupted\n", "") == (ended.stdout, ended.stderr)


_IN_BOX2D = """
import signal
import numpy as np
from agents import MLPPolicy
from environments import ObstacleGenotype
from experiments.replay.walk import record_walk

theta = np.random.default_rng(0).normal(0, 0.3, 2804).astype(np.float32)
ground, policy = ObstacleGenotype(roughness=1.0).express(1), MLPPolicy()
# Once beforehand: an interrupt while LLVM's objects are made is told by llvmlite on standard error, and is not Box2D's.
record_walk(ground, policy.controller(theta), 10)
signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGINT))
num_interrupts = 0
for moment in range(60):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0004 * moment)
        for _ in range(100):  # one may get lost, where nothing can be raised
            record_walk(ground, policy.controller(theta), 1000)
    except KeyboardInterrupt:
        num_interrupts += 1
print("interrupted" if num_interrupts > 30 else num_interrupts)
"""


def test_an_interrupt_within_box2d_comes_after_it() -> None:
    """Box2D calls Python while it steps, and aborts the process if that raises anything."""
    command = [sys.executable, "-c", _IN_BOX2D]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)

    assert ("interrupted\n", "", 0) == (ended.stdout, ended.stderr, ended.returncode)


_BESIDE_BOX2D = """
import signal
import numpy as np
from agents import MLPPolicy, rollout
from environments import ObstacleGenotype
from environments.physics import box2d

begin_contact = box2d._ContactListener.BeginContact

def begin_contact_interrupted(self, contact):
    signal.raise_signal(signal.SIGINT)
    begin_contact(self, contact)

box2d._ContactListener.BeginContact = begin_contact_interrupted
theta = np.random.default_rng(0).normal(0, 0.3, 2804).astype(np.float32)
num_interrupts = 0
for _ in range(20):
    try:
        rollout(MLPPolicy(), theta, ObstacleGenotype(roughness=1.0).express(1), engine="box2d", max_steps=300)
    except KeyboardInterrupt:
        num_interrupts += 1
print(num_interrupts)
"""


def test_an_interrupt_of_a_rollout_in_box2d_comes_each_time() -> None:
    """Also where Box2D calls Python at that moment; nothing is aborted."""
    command = [sys.executable, "-c", _BESIDE_BOX2D]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)

    assert ("20\n", "", 0) == (ended.stdout, ended.stderr, ended.returncode)


def test_an_interrupt_leaves_the_lines_of_a_run_unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run that is interrupted just after an iteration would wait for the end of its lines for ever."""
    display, enter = PlainLines(RunTracker(1), io.StringIO()), threading.Condition.__enter__

    def enter_interrupted(self: threading.Condition) -> bool:
        found = enter(self)
        signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(threading.Condition, "__enter__", enter_interrupted)
    with pytest.raises(KeyboardInterrupt):
        display.iteration_done()

    assert display._spoken._cond.acquire(blocking=False)  # type: ignore[attr-defined]


def test_what_an_import_makes_of_an_interrupt_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Some extension modules turn every exception in them into ImportError."""
    with pytest.raises(SystemExit) as ended, interrupts.stopping_cleanly():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("numpy.core.multiarray failed to import")  # noqa: B904

    assert interrupts.INTERRUPTED == ended.value.code
    assert "poet: stopped by SIGTERM\n" == capsys.readouterr().err


def test_an_error_is_no_interrupt() -> None:
    """Other errors are reported as before."""
    with pytest.raises(ImportError), interrupts.stopping_cleanly():
        raise ImportError("no such module")


@pytest.mark.parametrize(
    ("command", "seconds"),
    [(("status",), 0.0), (("replay", "--output", "walk.gif"), 0.3), (("analyse",), 0.6), (("bench",), 0.2)],
)
def test_a_command_may_be_interrupted_from_its_first_line_on(
    tmp_path: Path, tiny_run: Path, command: tuple[str, ...], seconds: float
) -> None:
    """While it imports, too: one line, exit code 130, no traceback."""
    name, *options = command
    arguments = (name, *([] if name == "bench" else [tiny_run]), *(tmp_path / o if "." in o else o for o in options))

    assert [] == bad_endings(Trial(arguments, "start", seconds, 0.1), tmp_path)[0]


@pytest.mark.parametrize(
    ("kind", "phase", "seconds", "again"),
    [
        ("local", "load", 0.2, None),
        ("local", "commit", 0.0, 0.001),
        ("local", "finish", 0.01, None),
        ("box2d", "evaluate", 0.05, 0.01),
        ("ray", "start", 2.5, 0.5),
        ("ray", "evaluate", 0.2, 0.1),
    ],
)
def test_an_interrupted_run_is_whole_and_leaves_nothing(
    tmp_path: Path, kind: str, phase: str, seconds: float, again: float | None, tiny_run: Path
) -> None:
    """In every phase, on every executor: no traceback, no process, no iteration lost.

    ``python tests/benchmarks/interrupts.py`` tries many more moments.
    """
    arguments = ("run", tmp_path / "run", *RUN, "--workers", 2, *KINDS[kind])
    bad, said = bad_endings(Trial(arguments, phase, seconds, again), tmp_path)

    assert [] == bad, said


def test_a_reader_that_wants_no_more_breaks_no_command(tmp_path: Path, tiny_run: Path, tiny_fingerprint: str) -> None:
    """``poet status RUN | head -1`` ends well; a run goes on when its pipe or terminal is gone."""
    for arguments in (("status", tiny_run), ("run", tmp_path / "run", *TINY)):
        reading, writing = os.pipe()
        os.close(reading)
        ended = end(begin_with((), *arguments, out=writing))
        os.close(writing)

        assert (0, "") == (ended.code, ended.err)
    assert tiny_fingerprint == fingerprint(tmp_path / "run")


@pytest.mark.skipif(sys.platform == "darwin", reason="the moments are found in /proc")
def test_the_benchmark_finds_what_is_bad(tmp_path: Path) -> None:
    """A run that does not resume is lost."""
    assert not is_lost(tmp_path, "")
    (tmp_path / "run").mkdir()
    assert is_lost(tmp_path, "")
