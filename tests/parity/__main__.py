"""Compare an engine with real Box2D, whole episodes, bit for bit.

Exits with 0 only if every bit of every episode is the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures.process import BrokenProcessPool

from environments.engines import engines_with_worlds
from environments.machine import available_cores
from tests.parity.compare import Verdict
from tests.parity.episodes import Case
from tests.parity.report import report
from tests.parity.run import run, run_here


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument(
        "--engine", default="simd", choices=engines_with_worlds(), help="the engine under test (default: %(default)s)"
    )
    parser.add_argument("--episodes", type=int, default=2000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all cases (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes (default: one a core)")
    arguments = parser.parse_args()
    if arguments.episodes < 1 or arguments.first < 0 or arguments.workers < 1:
        parser.error("--episodes and --workers must be at least 1, --first at least 0")
    return arguments


def main() -> int:
    """Run the cases, show how far it has come, print the report."""
    chosen = _arguments()
    cases = [Case(number, chosen.seed) for number in range(chosen.first, chosen.first + chosen.episodes)]
    begun = time.perf_counter()
    # Compiled here, once: the processes find it in the cache.
    run_here(chosen.engine, cases[:1])
    print(f"{chosen.engine} against box2d; ready after {time.perf_counter() - begun:.1f} s", flush=True)

    begun = time.perf_counter()
    verdicts: list[Verdict] = []
    try:
        for batch in run(chosen.engine, cases, chosen.workers):
            verdicts += batch
            num_differing = sum(not verdict.is_identical for verdict in verdicts)
            seconds = time.perf_counter() - begun
            print(f"  {len(verdicts):,} of {len(cases):,}, {num_differing:,} differ, {seconds:.0f} s", flush=True)
    except BrokenProcessPool:
        print("A process died without a word: run parts of the cases, with --first and --episodes, to find which.")
    except KeyboardInterrupt:
        print("Stopped.")
    if verdicts:
        print(f"\n{report(verdicts)}")
    return 0 if len(verdicts) == len(cases) and all(verdict.is_identical for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
