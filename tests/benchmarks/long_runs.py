"""What a long run costs per block of iterations: ``python tests/benchmarks/long_runs.py tiny --iterations 2000``.

Prints env-steps, CPU seconds, resident memory and file size as a Markdown table, with a row for every 200 iterations;
CPU time, so that a busy machine changes little. Episodes are short in ``tiny``, so what is outside of them shows. With
``--set poet.annecs=false`` no retired agent is run in new niches, and episodes do not become more. The options
``--set`` and ``--seed`` are those of ``poet run``; the run goes to ``--folder``, or to a temporary one.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Self

import psutil

from agents.evaluation.local import LocalExecutor
from experiments.progress import AbstractDisplay, RunTracker
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from poet.archive.folder import archive_path


class Table(AbstractDisplay):
    """Prints a row after every ``every`` iterations."""

    def __init__(self, tracker: RunTracker, folder: Path, every: int) -> None:
        self._tracker, self._folder, self._every, self._cpu = tracker, folder, every, time.process_time()
        print(
            "| iterations | retired niches | env-steps, thousands | CPU, s | resident, MB | file, MB | last state, kB |"
        )
        print("|--:|--:|--:|--:|--:|--:|--:|")

    def iteration_done(self) -> None:
        """See ``AbstractDisplay``."""
        if self._tracker.iteration % self._every:
            return
        cpu, path = time.process_time(), archive_path(self._folder)
        with closing(sqlite3.connect(path)) as connection:
            ((retired,),) = connection.execute("SELECT count(*) FROM retirements")
            ((state,),) = connection.execute("SELECT length(state) FROM snapshots ORDER BY iteration DESC LIMIT 1")
            ((size,),) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            begun = (self._tracker.iteration - self._every,)
            ((steps,),) = connection.execute("SELECT sum(env_steps) FROM iterations WHERE iteration > ?", begun)
        memory = psutil.Process().memory_info().rss
        print(
            f"| {self._tracker.iteration} | {retired} | {steps / 1e3:.0f} | {cpu - self._cpu:.1f} "
            f"| {memory / 1e6:.0f} | {size / 1e6:.1f} | {state / 1e3:.0f} |",
            flush=True,
        )
        self._cpu = time.process_time()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def main() -> None:
    """Run a preset, and measure it on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    config = resolve_config(
        given.preset, assignments=given.set, flags={"run.iterations": given.iterations, "run.seed": given.seed}
    )
    with tempfile.TemporaryDirectory() as temporary, LocalExecutor(1) as executor:
        folder = given.folder or Path(temporary) / "run"
        run_experiment(folder, config, executor, lambda tracker: Table(tracker, folder, given.every))


if __name__ == "__main__":
    main()
