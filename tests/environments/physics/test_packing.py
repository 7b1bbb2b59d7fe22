"""Hot loops are compiled to vectors in single precision with nothing fused. Slow code would give the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding
import pytest

from tests.environments.physics.packing_probe import LOOPS

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The output of the probe."""
    home = str(tmp_path_factory.mktemp("empty"))
    environment = {name: value for name, value in os.environ.items() if name != "POET_LANES"}
    command = [sys.executable, "-m", "tests.environments.physics.packing_probe"]
    done = subprocess.run(
        command, env={**environment, "NUMBA_CACHE_DIR": home}, cwd=_ROOT, capture_output=True, text=True, check=True
    )
    yield json.loads(done.stdout)


@pytest.mark.skipif(
    not llvmlite.binding.get_host_cpu_features().get("avx2"), reason="reads AVX2's or AVX-512's instructions"
)
@pytest.mark.parametrize("loop", LOOPS)
def test_lane_loops_use_vectors_alone(compiled: dict[str, Any], loop: str) -> None:
    """No product or sum of a lane loop is taken for one lane, and none is fused with another."""
    code = compiled["code"][loop]
    assert code["packed"] > 30, code
    assert (0, 0) == (code["scalar"], code["fused"]), code


def test_solvers_stay_in_single_precision(compiled: dict[str, Any]) -> None:
    """No number of joints and contacts is a float64; only sine and cosine of two bodies are evaluated in double."""
    assert {name: [] for name in compiled["wide"]} == compiled["wide"]
    assert len(compiled["wide"]) > 10
    promotions = {loop: code["promotions"] for loop, code in compiled["code"].items()}
    assert {loop: 2 if "_place" in loop else 0 for loop in LOOPS} == promotions
