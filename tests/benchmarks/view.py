"""What ``poet view`` costs: ``python -m tests.benchmarks.view RUN``, with a run of ``tests.benchmarks.large_run``.

It asks a server of its own for the first page and for updates, and says the seconds and the CPU time of each, and the
memory. Then a run is made twice side by side, in blocks that take turns: one is watched, with a question every half a
second, the other is not. Their CPU time an iteration is compared, and the server's is set against it: a busy machine
changes seconds, but neither of these.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.benchmarks.large_run import large_run
from tests.experiments.command_line import COMMAND, environment

#: Iterations of a block, and blocks of each run.
_BLOCK, _BLOCKS = 20, 16


@contextmanager
def viewed(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A ``poet view`` of a run: its address and its process."""
    command = [*COMMAND, "view", str(folder)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = next(line.strip() for line in process.stdout if line.startswith("http"))
        try:
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()  # a shell lets what it starts in the background ignore SIGINT


def spent(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def asked(address: str, process: psutil.Process) -> tuple[int, float, float]:
    """Bytes of an answer, seconds until it was there, and CPU seconds of the server."""
    cpu, begun = spent(process), time.perf_counter()
    with urllib.request.urlopen(address, timeout=600) as answer:
        size = len(answer.read())
    return size, time.perf_counter() - begun, spent(process) - cpu


def moment_after(address: str, moment: str) -> str:
    """Ask what is new since a moment; the moment of the answer."""
    with urllib.request.urlopen(f"{address}news?since={moment}", timeout=600) as answer:
        found: str = json.load(answer)["moment"]
    return found


def answers(folder: Path) -> None:
    """First page, an update of the last iteration, and memory."""
    with viewed(folder) as (address, process):
        print(f"opened with {spent(process):.2f} CPU s, imports included; {process.memory_info().rss / 2**20:.0f} MiB")
        moment = moment_after(address, "1.0.0")
        opening, iteration, thetas = moment.split(".")
        for what, path in (
            ("first page", ""),
            ("first page again", ""),
            ("update", f"news?since={opening}.{int(iteration) - 1}.{thetas}"),
            ("no update", f"news?since={moment}"),
            ("niche", "niche?id=1"),
            ("growth, a part", "growth"),
        ):
            found = [asked(address + path, process) for _ in range(1 if what.startswith("first") else 7)]
            size, seconds, cpu = (statistics.median(values) for values in zip(*found, strict=True))
            print(f"{what:18} {size:>9,.0f} bytes {seconds:7.3f} s {cpu:7.3f} CPU s")
        print(f"{process.memory_info().rss / 2**20:.0f} MiB in the end")


def loss(folder: Path) -> None:
    """What a run loses when it is watched."""
    runs = [large_run(folder / name, 2000, 10_000, 50) for name in ("watched", "alone")]
    cpu = [0.0, 0.0]
    for run in runs:
        next(run)
    with viewed(folder / "watched") as (address, server):
        poller = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.view", "--poll", address], env=environment())
        poller.send_signal(signal.SIGSTOP)
        begun, seconds = spent(server), 0.0
        for block in range(_BLOCKS):
            for place in (0, 1) if block % 2 else (1, 0):
                if place == 0:
                    poller.send_signal(signal.SIGCONT)
                before, since = time.thread_time(), time.perf_counter()
                for _ in range(_BLOCK):
                    next(runs[place])
                cpu[place] += time.thread_time() - before
                seconds += (time.perf_counter() - since) * (place == 0)
                poller.send_signal(signal.SIGSTOP)
        watching = spent(server) - begun
        poller.kill()
        poller.wait()
    num = _BLOCK * _BLOCKS
    print(f"CPU s an iteration: watched {cpu[0] / num:.4f}, alone {cpu[1] / num:.4f}: {cpu[0] / cpu[1]:.3f} times")
    print(f"the server: {watching:.2f} CPU s in {seconds:.1f} s, {100 * watching / seconds:.2f} % of a core")


def poll(address: str) -> None:
    """Ask for news every half a second, until killed."""
    moment = "1.0.0"
    while True:
        moment = moment_after(address, moment)
        time.sleep(0.5)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="a run")
    parser.add_argument("--poll", metavar="ADDRESS", help="ask this server only")
    given = parser.parse_args()
    if given.poll:
        poll(given.poll)
    answers(given.run)
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        loss(Path(folder))


if __name__ == "__main__":
    main()
