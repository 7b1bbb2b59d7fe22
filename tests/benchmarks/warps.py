"""What the engine ``cuda`` gives warps to do, without a GPU: ``python -m tests.benchmarks.warps [easy] [hard]``.

Instructions, not time: see ``tests.ptx.warps``. A generation of the shipped walker runs on this CPU from the PTX that a
GPU would be given, and some steps of it are counted.
"""

from __future__ import annotations

import argparse
from contextlib import suppress

import numpy as np

from agents.policies.mlp import MLPPolicy
from agents.rollouts.chunks import grounds as grounds_of
from agents.rollouts.named import named_episodes
from agents.rollouts.request import Block, EvaluationRequest
from agents.rollouts.thread import FREE
from agents.strategies.perturbations import Perturbations
from environments.cuda import GpuKernel
from environments.streams import stream_key
from experiments.throughput.ours import MAX_STEPS, NOISE_STD, grounds
from experiments.walkers import load_walker
from tests.ptx.gpu import ptx_on_cpu
from tests.ptx.warps import WARP, Warps

#: Which of a generation's steps are counted: walkers have spread over their courses by then.
FIRST, LAST = 100, 108
NUM_WALKERS = 48 * WARP


class _DoneError(Exception):
    """All steps are counted."""


def count(ground: str, num_walkers: int, first: int, last: int) -> tuple[Warps, int]:
    """Count steps first..last-1 of a generation; also how many env-steps these are."""
    from agents.rollouts.cuda import run_on_gpu

    warps, step, num_steps = Warps(), 0, 0

    def launch(kernel: GpuKernel, num: int, *arguments: object, block_size: int) -> None:
        nonlocal step, num_steps
        if kernel.function.__name__ == "act_all":
            step += 1
            if step > last:
                raise _DoneError
            warps.is_counting = step > first
            walkers = arguments[1]
            num_steps += warps.is_counting * int(np.count_nonzero(walkers.episode[:num] != FREE))  # type: ignore[attr-defined]
        warps.launch(kernel, num, *arguments, block_size=block_size)

    request = generation(ground, num_walkers)
    terrains, index = grounds_of(request)
    with ptx_on_cpu(launch), suppress(_DoneError):
        run_on_gpu(request.policy, named_episodes(request, index), terrains, MAX_STEPS, None, num_walkers, WARP)
    return warps, num_steps


def generation(ground: str, num: int) -> EvaluationRequest:
    """A sample of the shipped walker on one terrain, each row once."""
    centre = load_walker("flat").theta
    sample = Perturbations(centre, np.full_like(centre, NOISE_STD), stream_key(0, "bench"), num // 2)
    rows = np.arange(sample.num_rows)
    return EvaluationRequest(
        (Block(sample, rows, (grounds()[ground],), np.zeros_like(rows)),), MLPPolicy(), max_steps=MAX_STEPS
    )


def main() -> None:
    """Print a table for each ground that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grounds", nargs="*", default=list(grounds()), metavar="GROUND", help=", ".join(grounds()))
    parser.add_argument("--walkers", type=int, default=NUM_WALKERS, help="at a time; a multiple of 32")
    asked = parser.parse_args()
    print("| ground | kernel | instructions of a warp, 32 env-steps | of a thread alone, one | lanes at work, % |")
    print("| --- | --- | --: | --: | --: |")
    for ground in asked.grounds:
        warps, num_steps = count(ground, asked.walkers, FIRST, LAST)
        of_warp, of_thread = 0.0, 0.0
        for name, counted in warps.kernels.items():
            issued = counted.issued @ counted.slots * WARP / num_steps
            alone = counted.lanes @ counted.slots / num_steps
            of_warp, of_thread = of_warp + issued, of_thread + alone
            if issued:
                print(f"| {ground} | {name} | {issued:,.0f} | {alone:,.0f} | {100 * alone / issued:.0f} |")
        print(f"| {ground} | all | {of_warp:,.0f} | {of_thread:,.0f} | {100 * of_thread / of_warp:.0f} |", flush=True)


if __name__ == "__main__":
    main()
