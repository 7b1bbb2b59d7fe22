"""The WebAssembly module against lanes: ``python -m tests.wasm [--episodes N] [--seed S]``.

Whole episodes on the parity test's courses in the committed module; and some of them in one that is made anew, in a
process of its own with an empty cache.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from agents.rollouts.request import EvaluationRequest
from environments.machine import available_cores
from tests.agents import courses
from tests.wasm.episodes import bits, in_module

_NUM_ANEW = 200


def made_anew() -> bytes:
    """The module that this machine makes of the sources."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "agents.wasm.build", folder], check=True)
        return (Path(folder) / "walker.wasm").read_bytes()


def num_same(request: EvaluationRequest, code: bytes | None = None) -> tuple[int, int]:
    """How many episodes have the bits of lanes in a module (None: the committed one), and the steps of all."""
    in_lanes = courses.in_lanes(request, available_cores())
    same = (bits(in_lanes) == bits(in_module(request, code))).all(axis=1)
    return int(np.count_nonzero(same)), int(in_lanes.lengths.sum())


def main() -> None:
    """Print how many episodes are the same in every bit; fail if any is not."""
    parser = argparse.ArgumentParser(prog="python -m tests.wasm", description=__doc__)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=9)
    asked = parser.parse_args()
    is_good = True
    for name, num, code in (
        ("committed", asked.episodes, None),
        ("made anew", min(asked.episodes, _NUM_ANEW), made_anew()),
    ):
        same, num_steps = num_same(courses.request(num, asked.seed), code)
        is_good &= same == num
        print(f"module, {name}: {same:,} of {num:,} episodes identical in every bit, {num_steps:,} steps compared")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
