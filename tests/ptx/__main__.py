"""What a GPU would be given against lanes, without a GPU: ``python -m tests.ptx [--episodes N] [--seed S]``.

Whole episodes on the parity test's courses. The engine's kernels run from their PTX on this CPU, see ``tests.ptx.gpu``.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from environments.machine import available_cores
from tests.agents import courses, crowd
from tests.ptx.gpu import on_cpu


def main() -> None:
    """Print how many episodes are the same in every bit; fail if any is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=9)
    asked = parser.parse_args()
    request = courses.request(asked.episodes, asked.seed)
    expected = crowd.rows(courses.in_lanes(request, available_cores())).view(np.uint64)
    found = crowd.rows(on_cpu(request, num_walkers=1024)).view(np.uint64)
    num_same = int((expected == found).all(axis=1).sum())
    num_steps = int(expected.view(np.float64)[:, 1].sum())
    print(f"{num_same:,} of {asked.episodes:,} episodes identical in every bit, {num_steps:,} steps compared")
    sys.exit(num_same != asked.episodes)


if __name__ == "__main__":
    main()
