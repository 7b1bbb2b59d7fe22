"""``rollout`` in Box2D, whose workers are processes: from forked children, threads and daemons, and at the end."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import psutil
import pytest

from agents import MLPPolicy, rollout
from agents.evaluation.local import LocalExecutor
from agents.evaluation.pool import WorkerPool
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from environments import ObstacleGenotype
from environments.errors import InputError

_GROUND = ObstacleGenotype(roughness=1.0).express(seed=1)
_POLICY = MLPPolicy()

_SCRIPT = """
import multiprocessing
import os
import sys
import threading

import numpy as np
from agents import MLPPolicy, rollout
from environments import ObstacleGenotype

GROUND, POLICY = ObstacleGenotype(roughness=1.0).express(seed=1), MLPPolicy()

def returns(seed, engine="box2d"):
    theta = np.random.default_rng(seed).normal(0.0, 0.3, (6, POLICY.num_parameters)).astype(np.float32)
    return rollout(POLICY, theta, GROUND, max_steps=30, engine=engine, threads=2).returns.tolist()

def send(pipe, seed):
    pipe.send(returns(seed))

if __name__ == "__main__":
    expected = [returns(seed, "simd") for seed in range(4)]
    assert expected[0] == returns(0)
    workers = {process.pid for process in multiprocessing.active_children()}
    print("workers", *workers)

    fork = multiprocessing.get_context("fork")
    pipe, theirs = fork.Pipe()
    child = fork.Process(target=send, args=(theirs, 1))
    child.start()
    while not pipe.poll(0.01):
        assert expected[2] == returns(2)  # at the same time, in workers of its own
    print("forked", expected[1] == pipe.recv())
    child.join()

    if (pid := os.fork()) == 0:
        sys.exit()
    print("exit", os.waitpid(pid, 0)[1], workers == {process.pid for process in multiprocessing.active_children()})

    with fork.Pool(1) as pool:
        print("daemon", [expected[3]] == pool.map(returns, [3]))

    found = {}
    threads = [threading.Thread(target=lambda seed=seed: found.update({seed: returns(seed)})) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("threads", expected == [found[seed] for seed in range(4)])
"""


def test_forked_children_daemons_and_threads_get_their_own_returns(tmp_path: Path) -> None:
    """Whoever calls at the same time, in whatever child, has the bits of ``simd``, leaves the parent's workers alone,
    and nothing is left at the end."""
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, "-W", "ignore", str(script)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100.0, env=environment)
    workers, *lines = done.stdout.splitlines()
    assert (["forked True", "exit 0 True", "daemon True", "threads True"], "") == (lines, done.stderr)
    assert not any(psutil.pid_exists(int(pid)) for pid in workers.split()[1:])


def _theta(num: int) -> Any:
    return np.zeros((num, _POLICY.num_parameters), np.float32)


def test_a_daemon_runs_episodes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python gives no children to daemons, such as the workers of multiprocessing.Pool: same rows, no process."""
    expected = rollout(_POLICY, _theta(3), _GROUND, max_steps=20).returns
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)  # type: ignore[attr-defined]
    before = multiprocessing.active_children()
    assert expected.tolist() == rollout(_POLICY, _theta(3), _GROUND, None, "box2d", 20, 7).returns.tolist()
    assert before == multiprocessing.active_children()


def test_a_script_without_a_main_guard_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned process imports the script that started it, which may not start others then: one sentence."""
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(
        InputError, match=r'^this script is being imported .*: put what it does below if __name__ == "__m'
    ):
        rollout(_POLICY, _theta(3), _GROUND, engine="box2d", max_steps=20, threads=2)


def _request(num: int) -> EvaluationRequest:
    return EvaluationRequest((every_row(Thetas(_theta(num)), (_GROUND,)),), _POLICY, max_steps=5, engine="box2d")


def test_many_workers_that_died_while_they_waited_are_forgotten() -> None:
    """However many were killed between two phases, the next one is not given up for it; and while a request runs, its
    thread cannot ask for another."""
    with LocalExecutor(3) as executor:
        before = set(multiprocessing.active_children())

        def ask_again(*_: int) -> None:
            with pytest.raises(InputError, match="in the middle of a request of this thread: use another executor"):
                executor.evaluate(_request(24))

        executor.evaluate(_request(24), ask_again)
        workers = set(multiprocessing.active_children()) - before
        for worker in workers:
            worker.kill()
            worker.join()
        (result,) = executor.evaluate(_request(2))
        assert (3, [5, 5]) == (len(workers), result.lengths.tolist())


def test_an_interrupt_at_any_moment_leaves_a_pool_to_use() -> None:
    """Ctrl-C whenever Python may hear of it, with the traceback kept, as a notebook does: no request waits for ever."""
    pool, kept = WorkerPool(2), list[KeyboardInterrupt]()
    while _is_interrupted(len(kept), lambda: list(pool.run([], lambda *_: None)), kept):
        assert [] == list(pool.run([], lambda *_: None))
    assert len(kept) > 10


def _is_interrupted(moment: int, call: Callable[[], object], kept: list[KeyboardInterrupt]) -> bool:
    """Interrupt a call at one of the moments at which Python looks for signals: where a function, also one in C, begins
    or has returned. Whether there are so many of them.
    """
    left = moment

    def look(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        if event in ("call", "c_return"):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    try:
        sys.setprofile(look)
        call()
    except KeyboardInterrupt as interrupt:
        kept.append(interrupt)
    finally:
        sys.setprofile(None)
    return left < 0


@pytest.mark.parametrize("copied", [copy, deepcopy, pickle.dumps])
def test_executors_are_not_copied(copied: Any) -> None:
    """A copy would share the workers: one sentence says to make another one."""
    for thing in (LocalExecutor(2), WorkerPool(2)):
        with pytest.raises(InputError, match="cannot be copied: make another one"):
            copied(thing)


def test_a_copied_controller_has_buffers_of_its_own() -> None:
    """What a controller returned stays what it was when its copy acts."""
    controller = _POLICY.controller(np.full(_POLICY.num_parameters, 0.1, np.float32))
    action = controller(np.full(24, 0.01, np.float32))
    before = action.tobytes()
    assert before != copy(controller)(np.full(24, -0.5, np.float32)).tobytes()
    assert before == action.tobytes()


_OWN_POLICY = """
import numpy as np
from agents import MLPPolicy, rollout
from environments import ObstacleGenotype

class Mine(MLPPolicy):
    pass

if __name__ == "__main__":
    policy = Mine()
    theta = np.zeros((6, policy.num_parameters), np.float32)
    rollout(policy, theta, ObstacleGenotype().express(seed=1), max_steps=3, engine="box2d", threads=2)
"""


def test_a_policy_of_the_script_itself_is_refused(tmp_path: Path) -> None:
    """In one sentence: workers do not import the script."""
    (tmp_path / "script.py").write_text(_OWN_POLICY)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, tmp_path / "script.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "InputError: the policy Mine is defined in the script that runs" in done.stderr.splitlines()[-1]
