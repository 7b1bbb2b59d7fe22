"""A run's result depends only on its config, not on engine, threads, executor or interruptions."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from agents.rollouts import available_engines, load_engine
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from tests.environments.rounding import MODES, computing
from tests.experiments.command_line import Ended, Poet, begin, end, wait_for
from tests.experiments.conftest import NUM_ITERATIONS

TINY = ("--preset", "tiny", "--iterations", NUM_ITERATIONS)


def test_two_threads_give_the_fingerprint_of_one(poet: Poet, tmp_path: Path, tiny_fingerprint: str) -> None:
    """Episodes spread over two threads change nothing."""
    poet("run", tmp_path / "run", *TINY, "--workers", 2)

    assert tiny_fingerprint == poet("fingerprint", tmp_path / "run").last_line


@pytest.mark.parametrize("mode", ["up", MODES[-1]])
def test_the_mode_of_the_processor_changes_no_fingerprint(
    poet: Poet, tmp_path: Path, tiny_fingerprint: str, mode: str
) -> None:
    """Nor does what other libraries make of rounding, or of subnormal numbers, in a process that runs POET."""
    with computing(mode):
        poet("run", tmp_path / "run", *TINY, "--workers", 2)

    assert tiny_fingerprint == poet("fingerprint", tmp_path / "run").last_line


def test_box2d_gives_the_fingerprint_of_our_own_engine(poet: Poet, tmp_path: Path, tiny_fingerprint: str) -> None:
    """A run in Box2D itself, in two processes, does the same to the last bit; a run may change engines midway."""
    poet("run", tmp_path / "run", *TINY, "--engine", "box2d", "--workers", 2)
    poet("run", tmp_path / "both", "--preset", "tiny", "--iterations", 4, "--engine", "box2d", "--workers", 1)
    poet("resume", tmp_path / "both", "--iterations", NUM_ITERATIONS, "--engine", "simd", "--workers", 1)

    assert tiny_fingerprint == poet("fingerprint", tmp_path / "run").last_line
    assert tiny_fingerprint == poet("fingerprint", tmp_path / "both").last_line


def test_ray_gives_the_fingerprint_of_one_process(tmp_path: Path, tiny_fingerprint: str) -> None:
    """Episodes on Ray change nothing."""
    ended = end(begin("run", tmp_path / "run", *TINY, "--executor", "ray", "--workers", 2))

    assert 0 == ended.code, ended.err
    assert tiny_fingerprint == fingerprint(tmp_path / "run")


@pytest.mark.parametrize("engine", available_engines())
def test_a_run_killed_again_and_again_ends_with_the_fingerprint_of_one_that_was_not(
    tmp_path: Path, tiny_fingerprint: str, engine: str
) -> None:
    """kill -9 loses no more than the unfinished iteration, and leaves no worker behind."""
    folder = tmp_path / "run"
    workers: list[psutil.Process] = []
    command: tuple[object, ...] = ("run", folder, *TINY, "--engine", engine)
    # After which iteration, and how many seconds later: while one is evaluated, and while one is written down.
    for iteration, delay in ((1, 0.0), (4, 0.02), (7, 0.05)):
        process = begin(*command, "--workers", 2)
        wait_for(process, f"iteration {iteration}/")
        time.sleep(delay)
        workers += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        command = ("resume", folder)
    ended = end(begin(*command, "--workers", 1))

    assert 0 == ended.code, ended.err
    assert tiny_fingerprint == fingerprint(folder)
    assert load_engine(engine).is_batched != bool(workers) and not _alive(workers)


@pytest.mark.parametrize("engine", available_engines())
def test_ctrl_c_leaves_a_run_that_goes_on_and_no_process(tmp_path: Path, tiny_fingerprint: str, engine: str) -> None:
    """Ctrl-C says where it stopped and how to go on, exits with 130, and drops the unfinished iteration only."""
    folder = tmp_path / "run"
    process = begin("run", folder, *TINY[:2], "--iterations", 1000, "--workers", 2, "--engine", engine)
    wait_for(process, "iteration 3/")
    workers = psutil.Process(process.pid).children(recursive=True)
    ended = _interrupt(process)
    with open_run(folder) as run:
        stopped = run.iteration

    assert (130, f"go on with: poet resume {folder}") == (ended.code, ended.err.strip().split("; ")[-1])
    assert ended.err.startswith(f"stopped after iteration {stopped} of 1000")
    assert "Traceback" not in ended.err
    assert load_engine(engine).is_batched != bool(workers) and not _alive(workers)
    assert stopped is not None and stopped < NUM_ITERATIONS

    resumed = end(begin("resume", folder, "--iterations", NUM_ITERATIONS, "--workers", 1))

    assert 0 == resumed.code, resumed.err
    assert tiny_fingerprint == fingerprint(folder)


def test_a_run_resumed_to_more_iterations_equals_one_that_had_them_from_the_start(
    poet: Poet, tmp_path: Path, tiny_fingerprint: str
) -> None:
    """``--iterations`` says when to stop, and nothing else."""
    folder = tmp_path / "run"
    poet("run", folder, "--preset", "tiny", "--iterations", 5, "--workers", 1)
    resumed = poet("resume", folder, "--iterations", NUM_ITERATIONS, "--workers", 1)

    assert 0 == resumed.code, resumed.err
    assert tiny_fingerprint == fingerprint(folder)


def test_a_run_stopped_by_env_steps_and_resumed_equals_one_that_was_not(
    poet: Poet, tmp_path: Path, tiny_run: Path, tiny_fingerprint: str
) -> None:
    """``--env-steps`` stops after the first iteration that reaches them."""
    folder = tmp_path / "run"
    with open_run(tiny_run) as run:
        steps = run.iterations.set_index("iteration")["env_steps"].cumsum()
    ended = poet("run", folder, *TINY, "--env-steps", steps[4] + 1, "--workers", 1)
    with open_run(folder) as run:
        stopped = run.iteration
    poet("resume", folder, "--workers", 1)

    assert f"stopped after iteration 5 of {NUM_ITERATIONS}" in ended.out
    assert 5 == stopped
    assert tiny_fingerprint == fingerprint(folder)


def test_a_fork_without_a_change_ends_with_the_fingerprint_of_the_original(
    poet: Poet, tmp_path: Path, tiny_run: Path, tiny_fingerprint: str
) -> None:
    """A fork from a stored state repeats the original to the bit; its own first state may be the last one shared."""
    ended = poet("fork", tiny_run, tmp_path / "fork", "--at", 4, "--workers", 1)

    assert 0 == ended.code, ended.err
    assert tiny_fingerprint == fingerprint(tmp_path / "fork")


def test_another_seed_is_another_run(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """The root's terrain, first weights, the first ES step, and children's genes and terrains are the seed's own."""
    poet("run", tmp_path / "run", "--preset", "tiny", "--iterations", 3, "--seed", 1, "--workers", 1)

    drawn = list(zip(_drawn(tiny_run), _drawn(tmp_path / "run"), strict=True))
    assert [(1, 1), (1, 1), (1, 1), (3, 3)] == [(len(one), len(other)) for one, other in drawn]
    assert [set()] * 4 == [one & other for one, other in drawn]


def _drawn(folder: Path) -> list[set[object]]:
    """What a run's first draws gave: its root's terrain, thetas of the start and of iteration 1, first children."""
    with open_run(folder) as run:
        digests = run.versions.groupby("iteration")["theta_digest"]
        children = run.candidates[run.candidates["iteration"] == 3]
        return [
            {run.terrain(0).digest()},
            set(digests.get_group(0)),
            set(digests.get_group(1)),
            set(zip(map(str, children["genotype"]), children["terrain_seed"], strict=True)),
        ]


def _interrupt(process: subprocess.Popen[str]) -> Ended:
    process.send_signal(signal.SIGINT)
    return end(process)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run a few seconds later."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
