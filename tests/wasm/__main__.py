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


def is_same(name: str, request: EvaluationRequest, code: bytes | None) -> bool:
    """Print how many episodes have the bits of lanes in a module, by default the committed one; whether all have."""
    expected = courses.in_lanes(request, available_cores())
    same = (bits(expected) == bits(in_module(request, code))).all(axis=1)
    num, num_steps = np.count_nonzero(same), expected.lengths.sum()
    print(
        f"module, {name}: {num:,} of {same.size:,} episodes identical in every bit, {num_steps:,} steps compared",
        flush=True,
    )
    return bool(same.all())


def main() -> None:
    """Compare, and fail if any episode is not the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.wasm", description=__doc__)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=9)
    asked = parser.parse_args()
    is_good = is_same("committed", courses.request(asked.episodes, asked.seed), None)
    is_good &= is_same("made anew", courses.request(min(asked.episodes, _NUM_ANEW), asked.seed), made_anew())
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
