"""Episodes on Ray: on a cluster that is joined, or on a small Ray that this process starts and ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from agents.evaluation.executor import AbstractExecutor, Progress, even_size
from agents.evaluation.patience import Patience
from agents.evaluation.ray_tasks import RayTasks
from agents.policies.base import AbstractPolicy
from agents.rollouts import load_engine, prepare, run_chunk
from agents.rollouts.base import OnProgress
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.engines import AUTO
from environments.errors import InputError
from environments.machine import available_cores
from environments.signals import held, left_to_this_process

_ROOT = Path(__file__).parents[2]
_OBJECT_STORE_BYTES = 80 * 2**20  # Ray's least is 75 MB; chunks and results travel beside the store
#: How long lost episodes are tried again, in seconds, and the environment variable that changes it.
_PATIENCE, _PATIENCE_NAME = 600.0, "POET_RAY_PATIENCE"
_MARK = "POET_RAY_OF"
_CONNECT_SECONDS = 5.0
_JOIN_SECONDS = 30.0
_QUIET: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
_JOIN = "import logging, ray, sys; ray.init(sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)"


class RayExecutor(AbstractExecutor):
    """Chunks as Ray tasks of one CPU each, or on actors of one GPU each.

    If this process has already joined a Ray, that one is used and left running.

    Args:
        workers: tasks at the same time; None for one per CPU.
        address: ``"host:port"``, ``"ray://host:port"`` or ``"auto"`` of a running cluster; None to start a Ray here.

    Raises:
        InputError: Ray is not installed, or no cluster answers at the address.
    """

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        self._ray = _import_ray()
        self._is_ours = not self._ray.is_initialized()
        self._is_started_here = self._is_ours and address is None
        self._gpu_actors: list[Any] = []
        self._sent: set[type[AbstractPolicy]] = set()
        self._patience = _patience_seconds()
        try:
            if self._is_ours and address is None:
                workers = workers or available_cores()
                _start(self._ray, workers)
            elif self._is_ours:
                _join(self._ray, str(address))
        except BaseException:
            self.close()
            raise
        self._workers = workers or int(self._ray.cluster_resources().get("CPU", 1))
        # ``_run`` restarts whatever dies, with patience.
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(run_chunk)
        self._actor_type = self._ray.remote(num_cpus=1, num_gpus=1, max_restarts=-1)(_GpuActor)

    @property
    def num_workers(self) -> int:
        """See ``AbstractExecutor``."""
        return self._workers

    def evaluate(self, request: EvaluationRequest, progress: Progress | None = None) -> tuple[RolloutResult, ...]:
        """See ``AbstractExecutor``. The engine ``"auto"`` is the one for the GPUs of the cluster, if it has any."""
        if request.engine == AUTO:
            request = replace(request, engine="cuda" if self._num_gpus() else "simd")
        if load_engine(request.engine).needs_gpu and not self._num_gpus():
            raise InputError(f"the Ray that was started or joined has no GPU for the engine {request.engine!r}")
        return super().evaluate(request, progress)

    def _num_gpus(self) -> int:
        return int(self._ray.cluster_resources().get("GPU", 0))

    def _chunk_size(self, request: EvaluationRequest) -> int:
        if load_engine(request.engine).needs_gpu:  # each GPU takes its share at once
            return even_size(request.num_episodes, max(1, request.num_episodes), self._num_gpus())
        return super()._chunk_size(request)

    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        on_gpus = any(load_engine(chunk.engine).needs_gpu for chunk in chunks)
        tasks = RayTasks(self._ray, self._on_gpus(len(chunks)) if on_gpus else [self._task] * self._workers)
        patience = Patience(self._patience)
        finished: dict[int, RolloutResult] = {}
        num_started, is_done = 0, False
        try:
            for index in range(len(chunks)):
                while index not in finished:
                    while tasks.has_room():
                        chosen = patience.next()
                        if chosen is None and num_started == len(chunks):
                            break
                        if chosen is None:
                            chosen, num_started = num_started, num_started + 1
                        tasks.start(chosen, chunks[chosen])
                    for done, result in tasks.ended():
                        if isinstance(result, RolloutResult):
                            finished[done] = result
                            patience.won(done)
                        else:
                            patience.lost(done, result)
                    if tasks.is_ray_dead and self._is_started_here:
                        for lost in tasks.forget():
                            patience.lost(lost, "all that it has started here is lost with its raylet")
                        _end(self._ray)
                        _start(self._ray, self._workers)
                    on_progress(0, 0)
                yield finished.pop(index)
            is_done = True
        finally:
            if not is_done:  # on Ctrl-C or an early stop: work ends only with its actor
                self._end_gpu_actors()
                tasks.break_off()

    def _prepare(self, engine: str, policy: AbstractPolicy) -> None:
        kind = type(policy)
        if not self._is_started_here and kind not in self._sent and not kind.__module__.startswith("agents."):
            self._check_import(policy)
            self._sent.add(kind)
        if not load_engine(engine).needs_gpu:
            prepare(engine, policy)  # once here instead of in every worker

    def _check_import(self, policy: AbstractPolicy) -> None:
        """A cluster that was joined is given our code, and of a user's what is installed there."""
        try:
            self._ray.get(self._ray.remote(num_cpus=0)(_take).remote(policy))
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"the Ray that was joined cannot take the policy {type(policy).__name__} of {type(policy).__module__} "
                f"({reason:.200}): install its module on all machines there, or use the executor 'local'"
            ) from None

    def _on_gpus(self, num_chunks: int) -> list[Any]:
        """The methods that run chunks, one of each actor. A process keeps its GPU, and all it has compiled."""
        while len(self._gpu_actors) < min(self._num_gpus(), num_chunks):
            self._gpu_actors.append(self._actor_type.remote())
        return [actor.run for actor in self._gpu_actors]

    def _end_gpu_actors(self) -> None:
        while self._gpu_actors:
            self._ray.kill(self._gpu_actors.pop())

    def close(self) -> None:
        """See ``AbstractExecutor``; a joined cluster goes on without us."""
        with held():
            self._end_gpu_actors()
            if self._is_started_here:
                _end(self._ray)
            elif self._is_ours:
                self._ray.shutdown()


def _take(policy: AbstractPolicy) -> None:
    """Nothing is left to do once it came through."""


class _GpuActor:
    """A process of Ray's with a GPU of its own."""

    def run(self, chunk: EvaluationRequest) -> RolloutResult:
        return run_chunk(chunk)


def _import_ray() -> ModuleType:
    try:
        with held():  # this takes seconds, but a half-finished import is worse
            import ray
    except ImportError as error:
        message = f"executor 'ray' needs Ray, which is not installed here ({error}); pip install ray, or use 'local'"
        raise InputError(message) from error
    return ray


def _patience_seconds() -> float:
    text = os.environ.get(_PATIENCE_NAME) or str(_PATIENCE)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0.0:
        raise InputError(
            f"{_PATIENCE_NAME} must be a number of seconds, 0 or more, but is {text!r}: correct or unset it"
        )
    return seconds


def _start(ray: ModuleType, workers: int) -> None:
    """Start a Ray for this process alone, which ends with it. Workers import from where this process does."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    path = os.pathsep.join([str(_ROOT), *filter(None, sys.path)])
    with warnings.catch_warnings(), left_to_this_process(), _marked():
        warnings.simplefilter("ignore", FutureWarning)  # of changes to come in how Ray hides GPUs; we use none
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
            **_QUIET,
        )


def _end(ray: ModuleType) -> None:
    """End a Ray of this process alone, and what it leaves behind: processes that were starting when a raylet died.

    They are found on Linux. Elsewhere they end by themselves within half a minute.
    """
    ray.shutdown()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if f"{_MARK}={os.getpid()}".encode() in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


@contextmanager
def _marked() -> Iterator[None]:
    """A block in which new processes, and their children, are marked as ours."""
    os.environ[_MARK] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[_MARK]


def _join(ray: ModuleType, address: str) -> None:
    """Join the cluster at ``address``. Its machines run our code as it is here, whatever is installed there.

    If nobody listens at the address, Ray waits for minutes, and Ctrl-C cannot interrupt it. So a process that can be
    ended tries first.
    """
    problem = _unreachable(address)
    if problem is None:
        try:
            command = [sys.executable, "-c", _JOIN, address]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_JOIN_SECONDS)
        except subprocess.TimeoutExpired:
            problem = f"it did not answer as Ray within {_JOIN_SECONDS:.0f} s"
        except subprocess.CalledProcessError as error:
            problem = (error.stderr.strip().splitlines() or ["Ray gave no reason"])[-1]
            if "AuthenticationError" in error.stderr:
                problem = "it asks for a token that this process does not have (RAY_AUTH_MODE, RAY_AUTH_TOKEN)"
    if problem is not None:
        raise InputError(
            f"no Ray cluster could be joined at {address!r}: {problem}; give host:port, ray://host:port or 'auto' of a "
            "cluster that runs, or no address to start one here"
        )
    modules = [str(_ROOT / name) for name in ("environments", "agents", "poet_open_ended.py")]
    with held():
        ray.init(address, runtime_env={"py_modules": modules}, **_QUIET)


def _unreachable(address: str) -> str | None:
    """Why no connection to ``address`` can be made; None if one can, or if only Ray knows how."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return None
