"""The same walkers in 4, 8, 16 and 32 lanes, each in a process of its own: ``python tests/benchmarks/lanes.py``.

Prints a digest of all that is computed and fails unless all are equal. Every number of lanes is compiled once, which
takes about a minute.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).parents[2]
ALL_LANES = (4, 8, 16, 32)


def main() -> None:
    """Compare."""
    digests = set()
    for lanes in ALL_LANES:
        began = time.perf_counter()
        environment = {**os.environ, "POET_LANES": str(lanes)}
        command = [sys.executable, "-m", "tests.agents.crowd"]
        done = subprocess.run(command, env=environment, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
        digests.add(done.stdout.strip())
        print(f"{lanes:2} lanes: {done.stdout.strip()}, {time.perf_counter() - began:.0f} s", flush=True)
    if len(digests) != 1:
        sys.exit("The number of lanes changes results.")
    print("All are equal.")


if __name__ == "__main__":
    main()
