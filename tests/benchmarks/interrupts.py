"""Interrupts at random moments of every phase: ``python tests/benchmarks/interrupts.py --times 20``.

Ctrl-C, once and twice, goes to all processes of a small run, as a terminal sends it: while it starts and imports, loads
or compiles kernels, runs episodes, writes an iteration down, and ends; with threads, with processes and on Ray. Other
commands get it at any time. Then everything must be over within seconds: no process is left, at most one line was
said, the exit code is 130 (or 0, where the command was faster), and the run resumes to the fingerprint of one that
nobody interrupted. Prints a table; fails if anything was bad.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from environments.streams import Stream
from poet.archive.fingerprint import fingerprint

ROOT = Path(__file__).parents[2]
POET = (sys.executable, "-m", "experiments.cli")
MARK = "POET_INTERRUPTED"
RUN = ("--preset", "tiny", "--iterations", 12)
KINDS = {
    "local": (),
    "box2d": ("--engine", "box2d"),
    "ray": ("--executor", "ray"),
}
PHASES = ("start", "load", "compile", "evaluate", "commit", "finish")
#: Seconds: over which moments are drawn in a phase; within which a command must end; which orphans are given.
SPREAD = {"start": 3.0, "load": 3.0, "compile": 20.0, "evaluate": 1.0, "commit": 0.005, "finish": 0.5}
TIMEOUT, GRACE = 60.0, 5.0
ENDINGS = ("traceback", "many lines", "exit code", "hang", "orphan", "lost")


@dataclass(frozen=True)
class Trial:
    """One command that is interrupted.

    Attributes:
        arguments: of ``poet``.
        phase: which is waited for before the moment is drawn.
        seconds: from then on.
        again: seconds to a second interrupt; None for one alone.
        number: the signal.
    """

    arguments: tuple[object, ...]
    phase: str
    seconds: float
    again: float | None = None
    number: signal.Signals = signal.SIGINT


def bad_endings(trial: Trial, folder: Path) -> tuple[list[str], str]:
    """Interrupt a command; which of ``ENDINGS`` were found but "lost", and what it said."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), MARK: mark}
    if trial.phase == "compile":
        environment["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=folder)
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        command = [*POET, *map(str, trial.arguments)]
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env=environment, start_new_session=True, preexec_fn=_hear
        )
        _WAITS[trial.phase](process, folder)
        time.sleep(trial.seconds)
        _send(process, trial.number)
        if trial.again is not None:
            time.sleep(trial.again)
            _send(process, trial.number)
        bad = Counter[str]()
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            bad["hang"] += 1
            process.kill()
        deadline = time.monotonic() + GRACE
        while (orphans := _marked(mark)) and time.monotonic() < deadline:
            time.sleep(0.05)
        said = (folder / "err").read_text() + "".join(f"orphan: {_command(orphan)}\n" for orphan in orphans)
        bad["orphan"] += bool(orphans)
        for orphan in orphans:
            orphan.kill()
        words = (folder / "err").read_text() + (folder / "out").read_text()
        bad["traceback"] += any(word in words for word in ("Traceback", "Exception ignored", "Fatal", "Stack trace"))
        bad["many lines"] += len((folder / "err").read_text().splitlines()) > 1
        bad["exit code"] += process.wait() not in (0, 130)
    return [name for name in ENDINGS if bad[name]], f"{said}exit code {process.returncode}\n"


def _hear() -> None:
    """A job in the background of a shell without job control, as this may be, ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def _marked(mark: str) -> list[psutil.Process]:
    """The processes that were started with this mark in their environment, and go on."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            pass
    return found


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:100]
    except psutil.Error:
        return "over by now"


def _until(process: subprocess.Popen[bytes], is_there: Callable[[], bool]) -> None:
    while process.poll() is None and not is_there():
        time.sleep(0.001)


def _wait_for_start(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until Python itself has started and ours begins: then SIGTERM is caught."""
    status = Path(f"/proc/{process.pid}/status")

    def is_caught() -> bool:
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return True
        caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    if status.exists():
        _until(process, is_caught)
    else:  # not Linux
        time.sleep(0.5)


def _said(words: str) -> Callable[[subprocess.Popen[bytes], Path], None]:
    return lambda process, folder: _until(process, lambda: words in (folder / "out").read_text())


def _wait_for_commit(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until SQLite's journal grows once more after the third iteration."""
    _said("iteration 3/")(process, folder)
    journal = folder / "run" / "run.sqlite-wal"

    def size() -> tuple[int, int]:
        try:
            return journal.stat().st_size, journal.stat().st_mtime_ns
        except OSError:
            return 0, 0

    before = size()
    _until(process, lambda: size() != before)


_WAITS: dict[str, Callable[[subprocess.Popen[bytes], Path], None]] = {
    "start": _wait_for_start,
    "load": _said("workers="),
    "compile": _said("compiling"),
    "evaluate": _said("iteration 2/"),
    "commit": _wait_for_commit,
    "finish": _said(f"iteration {RUN[-1]}/{RUN[-1]} done"),
    "any time": _wait_for_start,
}


def is_lost(folder: Path, expected: str) -> bool:
    """Whether a run does not resume, or ends with another fingerprint than one without interrupts."""
    if not (folder / "run").exists():
        return False
    command = [*POET, "resume", folder / "run", "--workers", 1, "--executor", "local"]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    return done.returncode != 0 or fingerprint(folder / "run") != expected


def trials_of_runs(
    kind: str, phase: str, is_double: bool, times: int, seed: int, number: signal.Signals, folder: Path
) -> Iterator[Trial]:
    """Interrupted runs, each with moments of its own."""
    for which in range(times):
        stream = Stream(seed, f"interrupts of {kind}, {phase}, {is_double}", which)
        seconds = stream.uniform(0.0, SPREAD[phase])
        again = stream.uniform(0.0, 1.0) ** 2 if is_double else None
        yield Trial(("run", folder / "run", *RUN, "--workers", 2, *KINDS[kind]), phase, seconds, again, number)


def commands(run: Path, folder: Path) -> list[tuple[object, ...]]:
    """The other commands, on a finished run."""
    return [
        ("status", run),
        ("fingerprint", run),
        ("replay", run, "--output", folder / "walk.gif"),
        ("replay", run, "--output", folder / "walk.mp4"),
        ("replay", run, "--verify", "--workers", 2),
        ("replay", run, "--verify", "--workers", 2, "--engine", "simd"),
        ("analyse", run, "--output", folder / "report"),
        ("analyse", run, "--output", folder / "report", "--engine", "box2d"),
        ("export", run, "--output", folder / "export"),
        ("control", "neutral", run, "--output", folder / "shadow"),
        ("bench", "--no-start", "--engine", "simd"),
        ("bench", "--engine", "box2d"),
    ]


def reference(folder: Path) -> str:
    """The fingerprint of the run that nobody interrupts."""
    command = [*POET, "run", folder, *RUN, "--workers", 1]
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return fingerprint(folder)


def count(
    name: str, trials: Callable[[Path], Iterator[Trial]], expected: str | None, words: Callable[[str], None] = print
) -> bool:
    """Interrupt some commands and print a row of the table; whether all ended well."""
    found, num = Counter[str](), 0
    with tempfile.TemporaryDirectory() as above:
        for number, trial in enumerate(trials(Path(above) / "0")):
            folder = Path(above) / str(number)
            folder.mkdir()
            trial = next(t for i, t in enumerate(trials(folder)) if i == number)
            bad, said = bad_endings(trial, folder)
            if expected is not None and is_lost(folder, expected):
                bad.append("lost")
            found.update(bad)
            num += 1
            if bad:
                words(f"{', '.join(bad)}: {trial}\n{said}")
    words(f"{name:32}{num:6}" + "".join(f"{found[ending]:12}" for ending in ENDINGS))
    return not found


def main() -> int:
    """Interrupt everything in every phase."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="interrupts of each kind, phase and number")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--kinds", nargs="*", default=[*KINDS, "commands"])
    parser.add_argument("--phases", nargs="*", default=PHASES)
    parser.add_argument("--signal", default="SIGINT", help="that is sent: SIGINT, SIGTERM, SIGUSR1, ...")
    chosen = parser.parse_args()
    number = signal.Signals[chosen.signal]
    print(f"{'':32}{'times':>6}" + "".join(f"{ending:>12}" for ending in ENDINGS))
    is_good = True
    with tempfile.TemporaryDirectory() as above:
        expected = reference(Path(above) / "run")
        for kind in chosen.kinds:
            for is_double in (False, True):
                twice = ", twice" if is_double else ""
                if kind == "commands":
                    for which in range(len(commands(Path(above), Path(above)))):

                        def of_a_command(folder: Path, which: int = which, twice: bool = is_double) -> Iterator[Trial]:
                            for time_ in range(chosen.times):
                                stream = Stream(chosen.seed, f"interrupts of command {which}, {twice}", time_)
                                again = stream.uniform(0.0, 0.5) if twice else None
                                arguments = commands(Path(above) / "run", folder)[which]
                                yield Trial(arguments, "any time", stream.uniform(0.0, 5.0), again, number)

                        words = " ".join(str(a) for a in commands(Path("RUN"), Path())[which])
                        is_good &= count(f"{words}{twice}"[:31], of_a_command, None)
                    continue
                for phase in chosen.phases:
                    if phase == "compile" and kind != "local":
                        continue

                    def of_a_run(
                        folder: Path, kind: str = kind, phase: str = phase, twice: bool = is_double
                    ) -> Iterator[Trial]:
                        return trials_of_runs(kind, phase, twice, chosen.times, chosen.seed, number, folder)

                    is_good &= count(f"{kind}, {phase}{twice}", of_a_run, expected)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
