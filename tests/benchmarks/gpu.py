"""The engine ``cuda`` on a GPU: ``python -m tests.benchmarks.gpu [throughput] [parity] [poet] [profile]``.

``make bench-gpu`` runs all parts; each takes less than eight minutes. What a part finds wrong makes it fail.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.local import LocalExecutor
from agents.rollouts import check_engine, simd
from agents.rollouts.chunks import grounds as grounds_of
from agents.rollouts.engines import Cuda
from agents.rollouts.named import named_episodes
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments import cuda
from environments.errors import InputError
from environments.machine import available_cores
from experiments.commands.display import make_display
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from experiments.throughput.machine import machine_facts
from experiments.throughput.ours import MAX_STEPS, grounds
from poet.archive.reader import open_run
from tests.agents import courses, crowd, gpu_launches
from tests.benchmarks.warps import FIRST, LAST, count, generation
from tests.ptx.warps import WARP, Warps

SIZES = (1024, 4096, 16384, 65536, 262144)
THREADS = (1, 2, 4, 8, 16)
BLOCK_SIZES = (64, 128, 256)
REPETITIONS = 3
NUM_PARITY, NUM_RUNS = 2000, 10
PROFILED = 65536
#: Of ``poet``: how long, s, and what the paper's run is.
SECONDS, PAPER_ITERATIONS = 440, 25_200


def throughput(sizes: tuple[int, ...]) -> None:
    """Env-steps a second of whole rollouts with policy: so many worlds at a time, twice as many episodes."""
    print("| who | ground | at a time | env-steps | env-steps/s, median | least | greatest |")
    print("| --- | --- | --: | --: | --: | --: | --: |")
    for label in grounds():
        for num in sizes:
            _row("cuda", label, f"{num:,} worlds", partial(_on_gpu, generation(label, 2 * num), num))
        request = generation(label, 4096)
        theta, (terrains, index) = _thetas(request), grounds_of(request)
        for num in THREADS:
            if num <= available_cores():
                walk = partial(simd.run_episodes, request.policy, theta, terrains, index, MAX_STEPS)
                _row("simd", label, f"{num} threads", partial(walk, num))


def parity() -> None:
    """Every bit of whole episodes against lanes, again and again; the launched code; a run's fingerprint."""
    request = courses.request(NUM_PARITY, seed=9)
    expected = crowd.rows(courses.in_lanes(request, available_cores()))
    num_different = 0
    for block_size in BLOCK_SIZES:
        for _ in range(NUM_RUNS):
            found = crowd.rows(_on_gpu(request, None, block_size))
            num_different += int((found.view(np.uint64) != expected.view(np.uint64)).any(axis=1).sum())
    num_steps = int(expected[:, 1].sum())
    print(
        f"{num_different} episodes differ of {NUM_PARITY} ({num_steps:,} steps) in {NUM_RUNS} runs at each block size"
    )
    num_fused, num_stray = 0, 0
    for name in gpu_launches.launches():
        within, outside = gpu_launches.fused(gpu_launches.compiled(name, cuda.capability()).sass)
        num_fused, num_stray = num_fused + within, num_stray + len(outside)
    print(f"{num_stray} fused instructions outside divisions and roots ({num_fused} in all)")
    prints = {engine: _fingerprint("smoke", engine) for engine in ("simd", "cuda")}
    print(*(f"{value} {engine}" for engine, value in prints.items()), sep="\n")
    if num_different or num_stray or len(set(prints.values())) > 1:
        sys.exit("parity: not equal")


def poet() -> None:
    """The paper's run from the shipped walker: what it does in some minutes, and what that means for all of it."""
    in_rollouts, run = [0.0], Cuda.run

    def timed(*arguments: object) -> RolloutResult:
        began = time.perf_counter()
        result: RolloutResult = run(*arguments)  # type: ignore[arg-type]
        in_rollouts[0] += time.perf_counter() - began
        return result

    Cuda.run = timed  # type: ignore[method-assign, assignment]
    config = resolve_config("poet2019-paper", flags={"run.start": "flat", "evaluation.engine": "cuda"})
    with tempfile.TemporaryDirectory() as name, LocalExecutor() as executor:
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        signal.alarm(SECONDS)
        began = time.perf_counter()
        run_experiment(Path(name) / "run", config, executor, make_display)
        seconds = time.perf_counter() - began
        with open_run(Path(name) / "run") as run:
            num_iterations, num_niches = run.iteration, len(run.niches)
            num_steps, num_episodes = (int(run.ledger[column].sum()) for column in ("env_steps", "episodes"))
    steps_a_second, steps_an_episode = num_steps / seconds, num_steps / max(1, num_episodes)
    # Twenty niches: 512 rollouts and one evaluation each, and every 25 iterations as many for each of 380 transfers.
    paper_steps = PAPER_ITERATIONS * (20 * 513 + 20 * 19 * 514 / 25) * steps_an_episode
    print(
        f"{num_iterations} iterations, {num_niches} niches, {num_steps:,} env-steps, {steps_an_episode:.0f} a piece, "
        f"in {seconds:.0f} s: {steps_a_second:,.0f} env-steps/s with everything, "
        f"{100 * (1 - in_rollouts[0] / seconds):.1f} % of the time outside rollouts, "
        f"{cuda.free_bytes() / 2**20:,.0f} MiB of the GPU's memory free; by this rate the paper's {PAPER_ITERATIONS:,} "
        f"iterations with 20 niches take {paper_steps / steps_a_second / 3600:.1f} h"
    )


def profile() -> None:
    """What each kernel takes, each waited for; registers and memory of a thread; what a warp has to issue at least.

    And Nsight Compute's report of the dearest ones where ``ncu`` is installed.
    """
    request, num = generation("hard", PROFILED), PROFILED
    rollouts = partial(_on_gpu, request, num)
    rollouts()
    seconds, bind = Counter[str](), cuda.GpuKernel.bind

    def bind_timed(kernel: cuda.GpuKernel, *arguments: Any, **options: int) -> Callable[[], None]:
        launch = bind(kernel, *arguments, **options)

        def launch_timed() -> None:
            began = time.perf_counter()
            launch()
            cuda.module().synchronize()
            seconds[kernel.function.__name__] += time.perf_counter() - began

        return launch_timed

    cuda.GpuKernel.bind = bind_timed  # type: ignore[method-assign]
    num_steps = rollouts().num_steps
    cuda.GpuKernel.bind = bind  # type: ignore[method-assign]
    warps, num_counted = count("hard", 48 * WARP, FIRST, LAST)
    from agents.rollouts.launches import kernels

    named = kernels(request.policy.kernels, request.policy.scratch_shape)
    print("| kernel | ns an env-step | share, % | registers | local bytes | instructions of a warp, 32 env-steps |")
    print("| --- | --: | --: | --: | --: | --: |")
    for name, spent in seconds.most_common():
        has, counted = named[name].resources(), warps.kernels[name]
        issued = counted.issued @ counted.slots * WARP / num_counted
        print(
            f"| {name} | {1e9 * spent / num_steps:.2f} | {100 * spent / seconds.total():.1f} | {has['registers']} | "
            f"{has['local bytes']:,} | {issued:,.0f} |"
        )
    began = time.perf_counter()
    num_steps = rollouts().num_steps
    print(
        f"{num:,} worlds on hard ground: {num_steps / (time.perf_counter() - began):,.0f} env-steps/s; "
        f"{num_steps / seconds.total():,.0f} where each launch is waited for; "
        f"{cuda.num_multiprocessors()} multiprocessors of 4 schedulers at {cuda.clock_hz() / 1e9:.2f} GHz would issue "
        f"the instructions of {_issue_bound(warps, num_counted):,.0f} env-steps/s"
    )
    if shutil.which("ncu") is None:
        print("ncu is not installed: no counters")
        return
    command = [
        "ncu", "--set", "full", "--kernel-name", "regex:.*(solve_all|find_islands|meet_all|act_all).*",
        "--launch-skip", "400", "--launch-count", "8", sys.executable, "-m", "tests.benchmarks.gpu", "one",
    ]  # fmt: skip
    subprocess.run(command, check=True)


def _issue_bound(warps: Warps, num_steps: int) -> float:
    """Env-steps/s of a GPU whose schedulers issue an instruction in each cycle."""
    issued = sum(float(counted.issued @ counted.slots) for counted in warps.kernels.values())
    return num_steps * 4 * cuda.num_multiprocessors() * cuda.clock_hz() / issued


def one() -> None:
    """One generation, for a profiler."""
    _on_gpu(generation("hard", PROFILED), PROFILED)


def _row(who: str, ground: str, at_a_time: str, run: Callable[[], RolloutResult]) -> None:
    run()  # compiled, or loaded; warm
    rates, num_steps = [], 0
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        num_steps = run().num_steps
        rates.append(num_steps / (time.perf_counter() - began))
    print(
        f"| {who} | {ground} | {at_a_time} | {num_steps:,} | {median(rates):,.0f} | {min(rates):,.0f} | "
        f"{max(rates):,.0f} |",
        flush=True,
    )


def _thetas(request: EvaluationRequest) -> NDArray[np.float32]:
    (block,) = request.blocks
    return block.sample.theta(block.rows)


def _on_gpu(request: EvaluationRequest, num_walkers: int | None, block_size: int = cuda.BLOCK_SIZE) -> RolloutResult:
    from agents.rollouts.cuda import run_on_gpu

    terrains, index = grounds_of(request)
    episodes = named_episodes(request, index)
    return run_on_gpu(request.policy, episodes, terrains, request.max_steps, None, num_walkers, block_size)


def _fingerprint(preset: str, engine: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "experiments.cli"]
        subprocess.run(
            [*command, "run", f"{name}/run", "--preset", preset, "--engine", engine],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        done = subprocess.run([*command, "fingerprint", f"{name}/run"], check=True, capture_output=True, text=True)
    return done.stdout.split()[-1]


def main() -> None:
    """Run the parts that are named, or all but ``one``."""
    parts: dict[str, Callable[[], None]] = {
        "throughput": lambda: throughput(tuple(asked.sizes)),
        "parity": parity,
        "poet": poet,
        "profile": profile,
        "one": one,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="worlds at a time in throughput")
    asked = parser.parse_args()
    try:
        check_engine("cuda")
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"GPU: {cuda.name()}", *(f"{what}: {value}" for what, value in machine_facts().items()), sep="\n")
    print(*(f"{package}: {number}" for package, number in cuda.versions().items()), sep="\n")
    for name in asked.parts or [name for name in parts if name != "one"]:
        began = time.perf_counter()
        print(f"\n{name}", flush=True)
        parts[name]()
        print(f"({name}: {time.perf_counter() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
