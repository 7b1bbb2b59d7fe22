"""How long it takes to start a run, with an empty kernel cache and with a full one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from experiments.throughput.measure import timed

NUM_WARM_STARTS = 3

_ROOT = Path(__file__).parents[2]
#: The smallest run that uses every kernel: one iteration of one niche, with a few episodes of 0.4 s.
_LEAST = ("--preset", "tiny", "--iterations", "1", "--workers", "1", "--set", "es.pairs=1")
_SHORT = ("--set", "evaluation.max_steps=20")


@dataclass(frozen=True)
class Start:
    """Wall-clock seconds of ``poet run``, from the command to its end after one iteration of a few short episodes.

    Attributes:
        engine: who integrates.
        cold_seconds: with an empty cache: everything is compiled.
        warm_seconds: with the cache that the cold start left, each of several starts.
    """

    engine: str
    cold_seconds: float
    warm_seconds: tuple[float, ...]

    @property
    def warm_median(self) -> float:
        """Median of the warm starts. The first episode runs before that."""
        return median(self.warm_seconds)


def measure_start(engine: str) -> Start:
    """Start a small run in new processes, whose kernel cache is empty at first.

    Raises:
        RuntimeError: a run failed.
    """
    with tempfile.TemporaryDirectory(prefix="poet-bench-") as name:
        folder = Path(name)
        seconds = [_seconds_of_run(engine, folder, f"run-{i}") for i in range(1 + NUM_WARM_STARTS)]
    return Start(engine, seconds[0], tuple(seconds[1:]))


def _seconds_of_run(engine: str, folder: Path, run: str) -> float:
    command = [sys.executable, "-m", "experiments.cli", "run", str(folder / run), "--engine", engine, *_LEAST, *_SHORT]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(_ROOT)}
    (folder / "cache").mkdir(exist_ok=True)
    seconds, ended = timed(
        lambda: subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {ended.stderr.strip()}")
    return seconds
