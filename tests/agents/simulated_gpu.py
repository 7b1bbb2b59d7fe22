"""Episodes on numba-cuda's simulated GPU, by the engine's own launches; run as a program with NUMBA_ENABLE_CUDASIM=1.

It prints a digest of returns, lengths and outcomes; ``python -m tests.agents.simulated_gpu simd`` that of lanes, and
``... auto ray`` that of two such GPUs through Ray.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import ray

from agents.evaluation.executor import AbstractExecutor
from agents.evaluation.local import LocalExecutor
from agents.evaluation.ray import RayExecutor
from agents.rollouts import cuda
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import join
from agents.strategies.perturbations import Perturbations
from environments.streams import stream_key
from tests.agents import crowd

#: Control steps: enough for falls, over two rounds.
MAX_STEPS = 24
_NUM = 9


def digest(engine: str, executor: AbstractExecutor) -> str:
    """A digest of the results for an antithetic sample and for plain thetas."""
    walkers = np.arange(_NUM) * 97
    centre = crowd.thetas()[5]
    sample = Perturbations(centre, np.full_like(centre, 0.1), stream_key(3, "test"), 4)
    few = np.arange(4)
    blocks = (
        Block(sample, np.array([5, 2, 0, 7]), crowd.terrains(), few),
        Block(Thetas(crowd.thetas()[walkers]), np.arange(_NUM), crowd.terrains(), crowd.terrain_index()[walkers]),
    )
    result = join(list(executor.evaluate(EvaluationRequest(blocks, crowd.POLICY, MAX_STEPS, engine))))
    return hashlib.sha256(crowd.rows(result).tobytes()).hexdigest()


if __name__ == "__main__":
    # Fewer walkers than episodes, so that they are given others.
    cuda.FEWEST_WALKERS = cuda.WALKERS_PER_MULTIPROCESSOR = 5
    # Each of the simulator's threads is one of Python's.
    cuda.SMALL_BLOCK = cuda.cuda.BLOCK_SIZE = 8
    if sys.argv[2:] == ["ray"]:
        ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
        with RayExecutor() as executor:
            print(digest(sys.argv[1], executor))
    else:
        print(digest(sys.argv[1], LocalExecutor(1)))
