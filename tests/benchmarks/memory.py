"""Peak memory of a run with all its processes: ``python tests/benchmarks/memory.py --preset smoke --workers 4``.

PSS (proportional set size) counts a page that several processes share once in all. Linux only: it stands in /proc.
Every option is passed on to ``poet run``; the run goes to a temporary folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
_INTERVAL = 0.2  # s


def pss(process: psutil.Process) -> int:
    """Bytes of a process; 0 once it has ended."""
    try:
        text = (Path("/proc") / str(process.pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    kilobytes = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
    return 1024 * int(kilobytes[0]) if kilobytes else 0


def measure(arguments: list[str]) -> int:
    """Run ``poet run`` with the arguments and say what its processes used at most; its exit code."""
    peak, at_peak = 0, []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.cli", "run", f"{folder}/run", *arguments]
        begun = time.perf_counter()
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as run:
            main = psutil.Process(run.pid)
            while run.poll() is None:
                try:
                    processes = [main, *main.children(recursive=True)]
                except psutil.NoSuchProcess:
                    break
                each = [pss(process) for process in processes]
                if sum(each) > peak:
                    peak, at_peak = sum(each), each
                time.sleep(_INTERVAL)
        seconds = time.perf_counter() - begun
    print(f"peak {peak / 2**20:.0f} MiB PSS of {len(at_peak)} processes after {seconds:.0f} s:", end=" ")
    print(", ".join(f"{size / 2**20:.0f}" for size in at_peak))
    return run.returncode


if __name__ == "__main__":
    sys.exit(measure(sys.argv[1:]))
