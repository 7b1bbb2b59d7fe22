"""One generation of one niche, as the paper has it: ``python tests/benchmarks/generation.py``.

256 antithetic pairs of the shipped walker on flat ground: 512 rollouts, the ES step, and the new walker's own episode.
Prints how long it takes and which part of it is not the engine's, and fails if that is a tenth or more.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

from agents.evaluation.local import LocalExecutor
from agents.rollouts import prepare, simd
from experiments.settings import resolve_config
from experiments.walkers import load_walker
from poet.optimisation import optimise
from poet.parts import make_parts
from tests.poet.builders import start

NUM_GENERATIONS = 7
MOST_OUTSIDE = 0.1


def main() -> None:
    """Time some generations, one after the other."""
    config = resolve_config("poet2019-paper")
    in_engine = [0.0]
    run_episodes = simd.run_episodes

    def timed(*arguments: Any) -> Any:
        began = time.perf_counter()
        result = run_episodes(*arguments)
        in_engine[0] += time.perf_counter() - began
        return result

    simd.run_episodes = timed
    shares, seconds = [], []
    with LocalExecutor() as executor:
        parts = make_parts(config, lambda request: executor.evaluate(request, lambda *_: None))
        prepare(config.evaluation.engine, parts.policy)
        state, _ = start(parts, load_walker("flat").theta)
        state, _ = optimise(state, parts)  # compiles the strategy, or loads it
        for _ in range(NUM_GENERATIONS):
            in_engine[0], began = 0.0, time.perf_counter()
            state, _ = optimise(state, parts)
            seconds.append(time.perf_counter() - began)
            shares.append(1.0 - in_engine[0] / seconds[-1])
    print(
        f"{2 * config.es.pairs} rollouts on {executor.num_workers} cores: {median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f}), of which {100 * median(shares):.1f} % outside the engine "
        f"({100 * min(shares):.1f} to {100 * max(shares):.1f}), in {NUM_GENERATIONS} generations"
    )
    if median(shares) >= MOST_OUTSIDE:
        sys.exit(f"That is not under {100 * MOST_OUTSIDE:.0f} %.")


if __name__ == "__main__":
    main()
