"""The engine ``cuda``: on a simulated GPU, its code as a GPU would get it, and its errors without a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from numba import int64
from numba.np import arrayobj

from agents.rollouts import available_engines, check_engine, engines, resolve_engine
from environments import cuda
from environments.errors import InputError
from environments.physics.solver_layout import SOLVER_SIZE
from tests.agents import courses, crowd, gpu_launches
from tests.ptx.gpu import on_cpu

_ROOT = Path(__file__).parents[2]
KERNELS = (
    "take_episodes", "make_thetas", "act_all", "meet_all", "order_all", "solve_all", "solve_all_late", "look_all",
    "find_islands", "solve_islands", "strike_on", "judge_all",
)  # fmt: skip
_needs_numba_cuda = pytest.mark.skipif(find_spec("numba_cuda") is None, reason="the extra cuda is not installed")


def _digest(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "tests.agents.simulated_gpu", *arguments]
    run = subprocess.run(command, cwd=_ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()[-1]


@_needs_numba_cuda
def test_a_simulated_gpu_gives_the_bits_of_lanes() -> None:
    """Through the executor's way in: a perturbed sample and thetas as they are, more episodes than walkers."""
    assert _digest("cuda", NUMBA_ENABLE_CUDASIM="1") == _digest("simd")


@_needs_numba_cuda
def test_each_gpu_of_a_cluster_takes_its_share() -> None:
    """Through Ray, on an actor a GPU; the engine is what the cluster has, not what this process has."""
    assert _digest("auto", "ray", NUMBA_ENABLE_CUDASIM="1") == _digest("simd")


@_needs_numba_cuda
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
@pytest.mark.parametrize("name", KERNELS)
def test_code_for_gpus_rounds_every_operation(name: str, capability: tuple[int, int]) -> None:
    """No product and sum in one operation, no approximate division or root, and nothing that NVIDIA's assembler may
    join: that is forbidden where a rounding is written out, as it is in all of them (PTX ISA, ``mul`` and ``add``).
    """
    ptx = gpu_launches.compiled(name, capability).ptx
    assert f".target sm_{capability[0]}{capability[1]}" in ptx
    operations = set(re.findall(r"^\s+(?:@\S+ )?([a-z0-9_.]+\.f(?:32|64))\s", ptx, re.MULTILINE))
    assert operations or name in ("take_episodes", "order_all")
    inexact = {o for o in operations if re.match(r"fma|mad|ex2|lg2|sin|cos|tanh", o) or ".approx" in o or ".ftz" in o}
    assert not inexact
    arithmetic = {o for o in operations if re.match(r"(add|sub|mul|div|rcp|sqrt)\.", o)}
    assert {o for o in arithmetic if ".rn." not in o} == set()


@_needs_numba_cuda
def test_every_kernel_is_looked_at() -> None:
    """The list above is complete."""
    assert set(gpu_launches.launches()) == set(KERNELS)


@_needs_numba_cuda
def test_bodies_and_joints_stay_in_registers() -> None:
    """A thread's memory holds one copy of the solver's, that of contacts; the other is gone, as nothing asks for a
    place in it that is no constant. Without that a step would wait for memory all the time.
    """
    for name in ("solve_all", "solve_all_late"):
        ptx = gpu_launches.compiled(name, (9, 0)).ptx
        (num_bytes,) = re.findall(r"\.local \.align \d+ \.b8\s+__local_depot0\[(\d+)\]", ptx)
        assert 4 * SOLVER_SIZE < int(num_bytes) < 4 * SOLVER_SIZE * 1.1


@_needs_numba_cuda
def test_three_blocks_of_every_kernel_fit_on_a_multiprocessor() -> None:
    """By their registers, of which it has 65,536; with fewer warps nothing is done while one waits for memory."""
    for name in KERNELS:
        sass = gpu_launches.compiled(name, (9, 0)).sass
        pattern = rf"EIATTR_REGCOUNT\n(?:(?!EIATTR).)*?index@\(\w*{name}\w*\)\s*/\*\w+\*/\s*\.word\s+0x(\w+)"
        (num_registers,) = re.findall(pattern, sass, re.DOTALL)
        assert 3 * cuda.BLOCK_SIZE * int(num_registers, 16) <= 65_536, name


@_needs_numba_cuda
@pytest.mark.parametrize("name", KERNELS)
def test_instructions_are_fused_in_divisions_and_roots_alone(name: str) -> None:
    """What a GPU is given in the end, after the assembler and the linker: they could join operations as well."""
    num_fused, stray = gpu_launches.fused(gpu_launches.compiled(name, (9, 0)).sass)
    assert num_fused > 0 or name not in ("solve_all", "find_islands", "judge_all")
    assert stray == []


@_needs_numba_cuda
def test_what_gpus_are_given_computes_the_bits_of_lanes() -> None:
    """The kernels' PTX, run by this CPU through the engine's own way in: whole episodes on the parity test's courses.

    NVIDIA's assembler is left out, whose instructions the tests above look at, and that threads run side by side: none
    waits for another, and nothing may hang on who comes first in a list.
    """
    request = courses.request(52, seed=5)
    expected = courses.in_lanes(request)
    assert expected.lengths.max() > 500
    for backwards in (False, True):
        found = on_cpu(request, num_walkers=40, backwards=backwards)
        assert crowd.rows(expected).tobytes() == crowd.rows(found).tobytes()


@_needs_numba_cuda
def test_a_launch_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then repeated with what numba-cuda passes to CUDA; prepared each time where that is not to be seen."""
    dispatcher = import_module("numba.cuda.dispatcher")
    launched, prepared = list[tuple[object, ...]](), list[tuple[object, ...]]()
    compiled = object.__new__(dispatcher._Kernel)
    compiled.__dict__ |= {"debug": False, "cooperative": False, "extensions": []}
    compiled._codelibrary = SimpleNamespace(get_cufunc=lambda: SimpleNamespace(kernel="compiled"))
    compiled.signature = SimpleNamespace(args=(int64, int64))

    def launch(kernel: cuda.GpuKernel, num: int, *arguments: int, block_size: int = 32) -> None:
        prepared.append(arguments)
        compiled.launch(arguments, (num, 1, 1), (block_size, 1, 1))

    monkeypatch.setattr(dispatcher, "launch", lambda *passed: launched.append(passed))
    monkeypatch.setattr(cuda.GpuKernel, "launch", launch)
    again = object.__new__(cuda.GpuKernel).bind(7, 3, 4)
    for _ in range(3):
        again()
    assert prepared == [(3, 4)]
    assert len(launched) == 3
    assert launched[0][2] == "compiled"
    assert launched[0] == launched[1] == launched[2]
    monkeypatch.setattr(cuda, "_part", lambda name: SimpleNamespace())
    again = object.__new__(cuda.GpuKernel).bind(7, 5, 6)
    for _ in range(2):
        again()
    assert prepared[1:] == [(5, 6), (5, 6)]


@_needs_numba_cuda
@pytest.mark.parametrize(
    ("said", "raised"),
    [("CUDA_ERROR_OUT_OF_MEMORY", InputError), ("CUDA_ERROR_ILLEGAL_ADDRESS: invalid memory address", None)],
)
def test_want_of_memory_alone_is_explained(said: str, raised: type[Exception] | None) -> None:
    """A kernel that crashed is not the user's fault."""
    core_error = import_module("cuda.core._utils.cuda_utils").CUDAError
    with pytest.raises(raised or core_error), cuda.errors_explained():
        raise core_error(said)


def test_the_scratch_of_a_policy_is_kept_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch reserves it for each thread that could run at once."""
    device = SimpleNamespace(MAX_THREADS_PER_MULTIPROCESSOR=2, MULTIPROCESSOR_COUNT=3)
    context = SimpleNamespace(
        memory_manager=SimpleNamespace(deallocations=[1]), get_memory_info=lambda: SimpleNamespace(free=10**6)
    )
    numba_cuda = SimpleNamespace(current_context=lambda: context, get_current_device=lambda: device)
    monkeypatch.setattr(cuda, "IS_SIMULATED", False)
    monkeypatch.setattr(cuda, "module", lambda: numba_cuda)

    assert 6 * 4000 == cuda.free_bytes() - cuda.free_bytes(4000)


@_needs_numba_cuda
def test_what_is_set_right_in_numba_is_in_effect() -> None:
    """Kernels ask no index for its sign, nor fill a thread's memory with zeros; both would be right, and slow."""
    assert arrayobj.fix_integer_index.__module__ == "environments.compiled"
    for name in ("solve_all", "solve_islands"):
        assert not re.search(r"st\.local\.v[24]\.\w+ .*\{%r(\d+), %r\1\b", gpu_launches.compiled(name, (9, 0)).ptx)


def _without_gpu(monkeypatch: pytest.MonkeyPatch, problem: str | None) -> None:
    engines._gpu_problem.cache_clear()
    monkeypatch.setattr(cuda, "problem", lambda: problem)
    monkeypatch.setattr(engines, "_gpu_problem", lambda: problem)


def test_without_a_gpu_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the reason and what to use instead."""
    _without_gpu(monkeypatch, "no NVIDIA GPU with a working driver was found")
    with pytest.raises(InputError, match=r"'cuda' cannot run here: no NVIDIA GPU .*; use the engine 'simd'"):
        check_engine("cuda")
    assert "cuda" not in available_engines()


@pytest.mark.parametrize(("problem", "engine"), [(None, "cuda"), ("no GPU", "simd")])
def test_auto_takes_the_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, problem: str | None, engine: str
) -> None:
    """It uses the GPU if there is one, and lanes otherwise."""
    _without_gpu(monkeypatch, problem)
    assert resolve_engine("auto") == engine
    check_engine("auto")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba-cuda is not installed the extra is named."""
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    assert "pip install 'poet-open-ended[cuda]'" in (cuda.problem() or "")
