"""The contract of executors: workers, their place, chunks and killed workers do not change results."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from agents.evaluation import make_executor
from agents.evaluation.executor import AbstractExecutor
from agents.evaluation.local import LocalExecutor
from agents.policies.base import AbstractPolicy
from agents.policies.mlp import MLPPolicy
from agents.rollouts import available_engines
from agents.rollouts.box2d import run_episodes
from agents.rollouts.request import Block, EvaluationRequest, Thetas, every_row
from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments import ObstacleGenotype, Terrain
from environments.errors import InputError
from environments.streams import stream_key
from tests.agents.worker_probe import Broken, Deadly, Unlucky

EXECUTORS = ("local_1", "local_2", "ray_2")
WITH_PROCESSES = ("local_2", "ray_2")
_MAX_STEPS = 50
_TIMEOUT = 60.0


@pytest.fixture(scope="module")
def local_1() -> Iterator[AbstractExecutor]:
    """This process itself."""
    with make_executor("local", 1) as executor:
        yield executor


@pytest.fixture(scope="module")
def local_2() -> Iterator[AbstractExecutor]:
    """Two worker processes."""
    with make_executor("local", 2) as executor:
        yield executor


@pytest.fixture(scope="module")
def ray_2() -> Iterator[AbstractExecutor]:
    """Two tasks at a time on a Ray of our own."""
    with make_executor("ray", 2) as executor:
        yield executor


@pytest.fixture
def executor(request: pytest.FixtureRequest) -> Any:
    """The executor that a test is parametrized with."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def request_() -> EvaluationRequest:
    """Blocks of both kinds of samples, of unlike size, on shared and unshared grounds; for Box2D, one by one."""
    grounds = tuple(ObstacleGenotype(roughness=r / 2).express(seed=r) for r in range(3))
    scale = np.full(2804, 0.1, np.float32)
    samples = [Perturbations(scale * n, scale, stream_key(4, "test executors", n), 4) for n in range(2)]
    return EvaluationRequest(
        (
            every_row(samples[0], grounds[:2]),
            Block(Thetas(samples[1].theta(np.array([0, 5]))), np.array([1, 0, 1]), grounds, np.array([2, 2, 0])),
            every_row(samples[1], grounds[1:]),
        ),
        MLPPolicy(),
        max_steps=_MAX_STEPS,
        engine="box2d",
    )


@pytest.fixture(scope="module")
def expected(request_: EvaluationRequest) -> list[list[list[float]]]:
    """Each block's episodes run one by one in this process."""
    blocks = []
    for block in request_.blocks:
        theta = block.sample.theta(block.rows)
        runs = [
            run_episodes(MLPPolicy(), theta[b : b + 1], [block.terrains[t]], np.array([0]), _MAX_STEPS)
            for b, t in enumerate(block.terrain_index)
        ]
        blocks.append([_numbers(run)[0] for run in runs])
    return blocks


def _numbers(result: RolloutResult) -> list[list[float]]:
    columns = (result.returns.tolist(), result.lengths.tolist(), result.outcomes.tolist())
    return [list(row) for row in zip(*columns, strict=True)]


def _workers(executor: AbstractExecutor) -> list[psutil.Process]:
    """The processes, also those of another executor of the kind, that run episodes for this one."""
    names = ("--multiprocessing-fork",) if isinstance(executor, LocalExecutor) else ("ray::run_timed", "ray::IDLE")
    children = psutil.Process().children(recursive=True)
    return [child for child in children if any(name in _command(child) for name in names)]


def _command(process: psutil.Process) -> list[str]:
    """The command line of a process; empty if it has ended."""
    with suppress(psutil.NoSuchProcess):  # a zombie is one of these
        return process.cmdline()
    return []


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
@pytest.mark.parametrize("engine", available_engines())
def test_results_are_those_of_single_episodes(
    executor: AbstractExecutor, engine: str, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """Block by block and row by row, an executor gives the bits of episodes run one by one; twice the same."""
    for _ in range(2):
        assert expected == [_numbers(result) for result in executor.evaluate(replace(request_, engine=engine))]


def _subtle_theta() -> NDArray[np.float32]:
    """Drives a hip with 1e-40 of its torque, and a knee with all once it sees that the hip turns, by 1e-40 rad/s."""
    theta, matrices, start = np.zeros(MLPPolicy().num_parameters, np.float32), [], 0
    for num_in, num_out in pairwise(MLPPolicy().layer_sizes):
        matrices.append(theta[start : start + num_in * num_out].reshape(num_in, num_out))
        start += (num_in + 1) * num_out
    matrices[0][5, 0], matrices[1][0, 0], matrices[2][0, 1] = 1e38, 1e4, 5.0
    theta[-4] = 1e-40
    return theta


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
@pytest.mark.parametrize("engine", available_engines())
def test_subnormal_numbers_survive_in_every_worker(executor: AbstractExecutor, engine: str) -> None:
    """Policy, physics and observations keep them: where one of the three took them for zero, the knee would rest."""
    abyss = Terrain(np.array([[-50.0, -900.0], [60.0, -900.0]], np.float32))
    thetas = np.stack([np.zeros_like(_subtle_theta()), _subtle_theta()])
    alone = run_episodes(MLPPolicy(), thetas, [abyss], np.zeros(2, np.int64), 20).returns
    assert alone[0] > -0.01 and alone[1] < -0.1

    block = every_row(Thetas(np.tile(thetas, (64, 1))), (abyss,))
    (result,) = executor.evaluate(EvaluationRequest((block,), MLPPolicy(), max_steps=20, engine=engine))

    assert np.tile(alone, 64).tobytes() == result.returns.tobytes()


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
def test_progress_is_told(executor: AbstractExecutor, request_: EvaluationRequest) -> None:
    """As chunks finish a caller hears how many episodes and control steps are done; at the end, all."""
    told: list[tuple[int, int, int]] = []

    results = executor.evaluate(request_, lambda *numbers: told.append(numbers))

    assert 1 < len(told)
    assert told == sorted(told)
    assert (35, 35, sum(result.num_steps for result in results)) == told[-1]
    assert {35} == {total for _, total, _ in told}


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
def test_nothing_asked_is_nothing_run(executor: AbstractExecutor) -> None:
    """A request without episodes is answered by empty results, one for each block."""
    ground = ObstacleGenotype().express(seed=1)
    empty = Block(Thetas(np.zeros((1, 2804), np.float32)), np.zeros(0, np.int64), (ground,), np.zeros(0, np.int64))

    assert () == executor.evaluate(EvaluationRequest((), MLPPolicy()))
    assert [[]] == [_numbers(result) for result in executor.evaluate(EvaluationRequest((empty,), MLPPolicy()))]


@pytest.mark.parametrize("executor", EXECUTORS, indirect=True)
@pytest.mark.parametrize("engine", available_engines())
def test_what_a_worker_raises_arrives_as_it_was(
    executor: AbstractExecutor, engine: str, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """A user's error in a worker gives the same sentence here, and the executor can still be used."""
    block = every_row(Thetas(np.full((20, 2804), np.nan, np.float32)), request_.blocks[0].terrains)

    with pytest.raises(InputError, match=r"^theta must be finite, but holds NaN or infinity$"):
        executor.evaluate(EvaluationRequest((block,), MLPPolicy(), engine=engine))
    assert expected == [_numbers(result) for result in executor.evaluate(request_)]


@pytest.mark.parametrize("executor", WITH_PROCESSES, indirect=True)
def test_a_killed_worker_changes_no_result(
    executor: AbstractExecutor, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """When the system kills workers in the middle of a phase, their episodes are run again: same names, same bits."""
    killed: list[psutil.Process] = []

    def kill_all(*_: int) -> None:
        if not killed:
            killed.extend(_workers(executor))
            for worker in killed:
                worker.kill()

    assert expected == [_numbers(result) for result in executor.evaluate(request_, kill_all)]
    assert 1 <= len(killed)
    assert not set(killed) & set(_workers(executor))


def test_a_worker_killed_while_it_waits_is_replaced(
    local_2: AbstractExecutor, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """What happens to workers between two phases does not matter to the next."""
    local_2.evaluate(request_)
    for worker in _workers(local_2):
        worker.kill()
        worker.wait()

    assert expected == [_numbers(result) for result in local_2.evaluate(request_)]


def test_episodes_that_kill_their_workers_are_given_up(
    local_2: AbstractExecutor, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """When three workers in a row die of the same episodes, a sentence says so; others can be run after."""
    deadly = EvaluationRequest((every_row(Deadly(), request_.blocks[0].terrains[:1]),), MLPPolicy(), engine="box2d")

    with pytest.raises(RuntimeError, match=r"killed 3 times over the same episodes; is there enough memory\?"):
        local_2.evaluate(deadly)
    assert expected == [_numbers(result) for result in local_2.evaluate(request_)]


def test_a_bug_in_a_worker_says_where(local_2: AbstractExecutor, request_: EvaluationRequest) -> None:
    """Anything but a user's error includes the worker's traceback."""
    broken = EvaluationRequest((every_row(Broken(), request_.blocks[0].terrains[:1]),), MLPPolicy(), engine="box2d")

    with pytest.raises(ZeroDivisionError, match=r"a bug\nIn a worker process:\n(.*\n)*.*in happen\n"):
        local_2.evaluate(broken)


@pytest.mark.parametrize("executor", WITH_PROCESSES, indirect=True)
def test_workers_leave_ctrl_c_to_their_parent(
    executor: AbstractExecutor, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """The signal of Ctrl-C, which a terminal sends to every process, stops no worker: the run itself decides."""

    def signal_all(*_: int) -> None:
        for worker in _workers(executor):
            worker.send_signal(signal.SIGINT)

    assert expected == [_numbers(result) for result in executor.evaluate(request_, signal_all)]


@pytest.mark.parametrize("executor", WITH_PROCESSES, indirect=True)
def test_a_caller_that_wants_no_more_may_come_again(
    executor: AbstractExecutor, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """After an exception in the middle of a phase the executor can be used again."""

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.evaluate(request_, stop)
    assert expected == [_numbers(result) for result in executor.evaluate(request_)]


def test_a_caller_that_wants_no_more_leaves_nothing_running() -> None:
    """An exception in the middle of a phase ends its long episodes at once."""
    theta = np.zeros((200, 2804), np.float32)
    theta[:, -4] = 1.0  # it stands on its legs until time is over
    block = every_row(Thetas(theta), (ObstacleGenotype().express(seed=1),))
    request = EvaluationRequest((block,), MLPPolicy(), engine="box2d")
    running: list[psutil.Process] = []
    before = set(psutil.Process().children(recursive=True))

    def stop(*_: int) -> None:
        running.extend(set(psutil.Process().children(recursive=True)) - before)
        raise KeyboardInterrupt

    executor = make_executor("local", 2)
    with pytest.raises(KeyboardInterrupt):
        executor.evaluate(request, stop)

    assert 2 <= len(running)
    assert [] == [process for process in running if "--multiprocessing-fork" in _command(process)]


@contextmanager
def _probe(num_long: int, engine: str = "box2d") -> Iterator[subprocess.Popen[str]]:
    """A small run in a session of its own, see ``worker_probe``; killed if it has not ended by itself."""
    code = f"from tests.agents.worker_probe import main; main(2, {num_long}, {engine!r})"
    command = [sys.executable, "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as probe:
        try:
            yield probe
        finally:
            probe.kill()


def test_the_default_strategy_loads_no_heavy_library() -> None:
    """A run with the default strategy imports no torch, Ray, Gymnasium, ..., in its workers or in itself."""
    with _probe(0) as probe:
        said, complaint = probe.communicate(timeout=_TIMEOUT)
    *workers, parent = [json.loads(line) for line in said.splitlines()]

    assert ("", 0) == (complaint, probe.returncode)
    assert [] == parent["loaded"]
    assert {()} == {tuple(worker["loaded"]) for worker in workers}
    assert 2 == len({worker["pid"] for worker in workers} - {parent["pid"]})


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(how: signal.Signals) -> None:
    """Killed or interrupted in the middle of long episodes, a run leaves no process behind, and Ctrl-C no traceback."""
    with _probe(5000) as probe:
        assert probe.stdout is not None
        *workers, _ = [json.loads(probe.stdout.readline())["pid"] for _ in range(9)]
        assert probe.stdout.readline().endswith(" of 5000\n")
        processes = psutil.Process(probe.pid).children(recursive=True)
        if how == signal.SIGINT:
            os.killpg(probe.pid, how)  # as a terminal does: to every process of the run
        else:
            os.kill(probe.pid, how)
        said, complaint = probe.communicate(timeout=_TIMEOUT)
    _, alive = psutil.wait_procs(processes, timeout=_TIMEOUT)

    assert set(workers) <= {process.pid for process in processes}
    assert [] == alive
    if how == signal.SIGINT:
        assert ("", "interrupted") == (complaint, said.splitlines()[-1])


def test_ctrl_c_ends_threads_at_once() -> None:
    """Interrupted in the middle of a batch of long episodes, an engine with threads of its own lets go of it."""
    with _probe(5000, "simd") as probe:
        assert probe.stdout is not None
        for line in probe.stdout:
            if line.endswith(" of 5000\n") and not line.startswith("0 "):
                break  # the kernels are compiled, and some episodes over
        os.killpg(probe.pid, signal.SIGINT)
        said, complaint = probe.communicate(timeout=_TIMEOUT)

    assert ("", "interrupted", 0) == (complaint, said.splitlines()[-1], probe.returncode)


def test_kernels_are_compiled_once_before_ray_tasks_begin(
    ray_2: AbstractExecutor, request_: EvaluationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not compiled in every worker at the same time."""
    prepared: list[tuple[str, AbstractPolicy]] = []
    monkeypatch.setattr("agents.evaluation.ray.prepare", lambda *of: prepared.append(of))

    ray_2.evaluate(replace(request_, engine="simd"))

    assert [("simd", request_.policy)] == prepared


def test_what_dies_on_ray_is_run_again_until_it_works(
    ray_2: AbstractExecutor,
    request_: EvaluationRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Workers that die more often than three times over the same episodes end no run, and the log says what died."""
    monkeypatch.setattr("agents.evaluation.patience._FIRST_WAIT", 0.01)
    unlucky = EvaluationRequest(
        (every_row(Unlucky(file=str(tmp_path / "deaths"), times=5), request_.blocks[0].terrains[:1]),),
        MLPPolicy(),
        max_steps=20,
    )
    (result,) = ray_2.evaluate(replace(unlucky, engine="box2d"))

    assert [20] == result.lengths.tolist()
    assert 5 == len([line for line in caplog.messages if "WorkerCrashedError" in line])


def test_a_ray_of_our_own_that_dies_is_started_again(
    ray_2: AbstractExecutor, request_: EvaluationRequest, expected: list[list[list[float]]]
) -> None:
    """When the system kills its raylet in the middle of a phase, the episodes that it ran are run on another."""
    killed: list[psutil.Process] = []

    def kill(*_: int) -> None:
        if not killed:
            children = psutil.Process().children()
            killed.extend(child for child in children if _command(child) and _command(child)[0].endswith("/raylet"))
            for raylet in killed:
                raylet.kill()

    assert expected == [_numbers(result) for result in ray_2.evaluate(request_, kill)]
    assert 1 == len(killed)


def test_ray_gives_up_when_patience_is_over(
    ray_2: AbstractExecutor,
    request_: EvaluationRequest,
    expected: list[list[list[float]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sentence says what died at last, and blames nothing else; other episodes can be run after."""
    deadly = EvaluationRequest((every_row(Deadly(), request_.blocks[0].terrains[:1]),), MLPPolicy(), engine="box2d")
    monkeypatch.setattr(ray_2, "_patience", 0.0)

    with pytest.raises(RuntimeError, match=r"patience is over; at last, Ray says: WorkerCrashedError: The worker died"):
        ray_2.evaluate(deadly)
    assert expected == [_numbers(result) for result in ray_2.evaluate(request_)]


def test_a_ray_that_runs_already_is_joined_and_left(ray_2: AbstractExecutor, request_: EvaluationRequest) -> None:
    """A Ray that this process has joined is used as it is; closing the executor does not end it."""
    with make_executor("ray") as joined:
        assert 2 == joined.num_workers
    assert 3 == len(ray_2.evaluate(request_))


_HEAD = """
import logging, ray, sys
ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, logging_level=logging.ERROR)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.readline()
"""
_JOINED = """
import sys, types, numpy as np, ray
from agents import MLPPolicy
from agents.evaluation import make_executor
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from environments import ObstacleGenotype
block = every_row(Thetas(np.zeros((4, 2804), np.float32)), (ObstacleGenotype().express(seed=1),))
with make_executor("ray", ray_address=sys.argv[1]) as executor:
    (result,) = executor.evaluate(EvaluationRequest((block,), MLPPolicy(), max_steps=20))
    print(executor.num_workers, *result.lengths)
    nowhere = sys.modules["nowhere"] = types.ModuleType("nowhere")
    exec("from agents import MLPPolicy\\nclass Mine(MLPPolicy): pass", vars(nowhere))
    try:
        executor.evaluate(EvaluationRequest((block,), nowhere.Mine(), max_steps=20))
    except ValueError as error:
        print(type(error).__name__, error)
"""


def test_a_cluster_is_joined_by_its_address() -> None:
    """Somebody else started it, and it goes on when we leave; a policy that it cannot import is refused."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of this test alone, 32 characters"}
    with subprocess.Popen(
        [sys.executable, "-c", _HEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as head:
        assert head.stdin is not None and head.stdout is not None
        address = head.stdout.readline().strip()
        command = [sys.executable, "-c", _JOINED, address]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=_TIMEOUT)

        assert ("2 20 20 20 20", "") == (done.stdout.splitlines()[0], done.stderr)
        assert "InputError the Ray that was joined cannot take the policy Mine of nowhere (" in done.stdout
        assert head.poll() is None
        head.stdin.close()


def test_an_address_where_nobody_answers_is_refused_at_once() -> None:
    """A wrong Ray address is one sentence within seconds, not minutes of waiting."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from agents.evaluation import make_executor; make_executor('ray', ray_address='127.0.0.1:{port}')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=_TIMEOUT)

    sentence = f"no Ray cluster could be joined at '127.0.0.1:{port}': [Errno 111] Connection refused; give host:port"
    assert sentence in done.stderr.splitlines()[-1]


def test_without_ray_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Ray is not installed, asking for it is a user's error with the fix."""
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(InputError, match=r"executor 'ray' needs Ray, which is not installed here .*; pip install ray"):
        make_executor("ray")


@pytest.mark.parametrize(
    ("name", "workers", "address", "sentence"),
    [
        ("lokal", None, None, "executor must be one of local, ray, but is 'lokal'; did you mean 'local'?"),
        ("local", 0, None, "workers must be a whole number from 1 on, but is 0"),
        ("local", None, "127.0.0.1:6379", "a Ray address is for executor 'ray', but executor is 'local'"),
    ],
)
def test_an_executor_that_cannot_be_is_refused(
    name: str, workers: int | None, address: str | None, sentence: str
) -> None:
    """An executor's name, workers and address are checked before anything is started."""
    with pytest.raises(InputError) as refusal:
        make_executor(name, workers, address)
    assert sentence in str(refusal.value)
