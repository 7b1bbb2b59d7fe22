"""Episodes on Ray: on a cluster that is joined, or on a small Ray that this process starts and ends."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from agents.evaluation.executor import FEWEST_BATCHED, MOST, MOST_BATCHED, AbstractExecutor, Progress, even_size
from agents.evaluation.patience import Patience
from agents.evaluation.ray_tasks import Ended, Place, RayTasks, Timed, run_timed
from agents.evaluation.shares import Share, Shares, Speeds
from agents.policies.base import AbstractPolicy
from agents.rollouts import load_engine, prepare
from agents.rollouts.base import OnProgress
from agents.rollouts.request import EvaluationRequest, joined
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
_JOIN_SECONDS = 10.0
#: Seconds between two looks at which nodes a cluster has.
_LOOK_SECONDS = 1.0
#: A worker's share is made of whole chunks, of which it has so many where there are enough.
_CHUNKS_A_WORKER = 64
_WAITING = "the Ray cluster has no worker with a CPU at the moment: waiting until it has one (Ctrl-C stops)"
_QUIET: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
_JOIN = (
    "import logging, ray, sys; print(flush=True); "
    "ray.init(sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)"
)

_log = logging.getLogger(__name__)


class RayExecutor(AbstractExecutor):
    """Chunks as Ray tasks of one CPU each, or on actors of one GPU each.

    If this process has already joined a Ray, that one is used and left running.

    Args:
        workers: tasks at the same time, which an autoscaler is asked for; None for one per CPU there is at any moment.
        address: ``"host:port"``, ``"ray://host:port"`` or ``"auto"`` of a running cluster; None to start a Ray here.

    Attributes:
        num_steps: env-steps of all results so far.
        num_steps_again: how many more were run at most: each further try of episodes whose worker or node died, or was
            late, counts as if it were run to its end.

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
        self._tasks, self._speeds = RayTasks(self._ray), Speeds()
        self._places, self._looked = list[Place](), -math.inf
        self._is_waiting = self._has_asked = False
        self.num_steps = self.num_steps_again = 0
        try:
            if self._is_ours and address is None:
                workers = workers or available_cores()
                _start(self._ray, workers)
            elif self._is_ours:
                _join(self._ray, str(address))
        except BaseException:
            self.close()
            raise
        self._most_workers = workers
        self._workers = workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        # ``_run`` restarts whatever dies, with patience.
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(run_timed)
        if not self._is_started_here and (workers or not self._ray.cluster_resources().get("CPU")):
            self._ray.autoscaler.sdk.request_resources(num_cpus=self._workers)
            self._has_asked = True
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
        if load_engine(request.engine).is_batched:
            num = max(self._workers, sum(place.room for place in self._places))
            return min(MOST_BATCHED, max(FEWEST_BATCHED, request.num_episodes // (_CHUNKS_A_WORKER * num)))
        return super()._chunk_size(request)

    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        on_gpus = any(load_engine(chunk.engine).needs_gpu for chunk in chunks)
        most = MOST_BATCHED if all(load_engine(chunk.engine).is_batched for chunk in chunks) else MOST
        shares = Shares([chunk.num_episodes for chunk in chunks], most, self._speeds)
        patience = Patience[Share](self._patience)
        finished: dict[int, tuple[Share, RolloutResult]] = {}
        start, is_done = 0, False
        try:
            while start < len(chunks):
                while start not in finished:
                    places = self._gpu_places(len(chunks)) if on_gpus else self._cpu_places()
                    self._deal_out(chunks, shares, patience, places)
                    for ended in self._tasks.ended():
                        result = self._first_result(ended, shares, patience)
                        if result is not None:
                            finished[ended.share.start] = ended.share, result
                    if self._tasks.is_ray_dead and self._is_started_here:
                        for lost in self._tasks.forget():
                            lost.num_running -= 1
                            patience.lost(lost, "all that it has started here is lost with its raylet")
                        _end(self._ray)
                        _start(self._ray, self._workers)
                    on_progress(0, 0)
                share, result = finished.pop(start)
                self.num_steps += result.num_steps
                self.num_steps_again += (len(share.begun) - 1) * result.num_steps
                yield result
                start = share.stop
            is_done = True
        finally:
            if not is_done:  # on Ctrl-C or an early stop: work ends only with its actor
                self._end_gpu_actors()
                self._tasks.break_off()

    def _deal_out(
        self, chunks: list[EvaluationRequest], shares: Shares, patience: Patience[Share], places: list[Place]
    ) -> None:
        """Give each free worker something to do: what was lost, the next share, or one that is late elsewhere."""
        rooms, running = {place.name: place.room for place in places}, self._tasks.running()
        for place in places:
            for _ in range(place.room - running[place.name]):
                now = time.monotonic()
                share = patience.next() or shares.take(place.name, rooms) or shares.late(place.name, now)
                if share is None:
                    break
                shares.started(share, place.name, now)
                self._tasks.start(place, share, joined(chunks[share.start : share.stop]))

    def _first_result(self, ended: Ended, shares: Shares, patience: Patience[Share]) -> RolloutResult | None:
        """What a try that has ended brings, if it is its share's first result. A second one must be equal to the bit.

        The slower one of two tries goes on until its end, perhaps beyond the request: to stop it would end its process.
        """
        share = ended.share
        share.num_running -= 1
        if isinstance(ended.outcome, str):
            if share.result is None and not share.num_running:
                patience.lost(share, ended.outcome)
            return None
        result, seconds = ended.outcome
        self._speeds.measured(ended.place, result.num_steps, seconds)
        if share.result is not None:
            if not share.result.equals(result):
                raise RuntimeError(
                    f"two workers had different results for the same episodes, one of them at {ended.place}: no result "
                    "of this cluster can be trusted until its machines are tested"
                )
            return None
        patience.won(share)
        shares.won(share, result)
        return result

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

    def _cpu_places(self) -> list[Place]:
        """The nodes there are, which may be others every moment."""
        if self._is_started_here:
            return [Place("here", self._workers, self._task)]
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked, self._places = now, self._nodes()
            if self._is_waiting != (not self._places):
                self._is_waiting = not self._places
                _log.warning(_WAITING if self._is_waiting else "the Ray cluster has workers now, and the run goes on")
        return self._places

    def _nodes(self) -> list[Place]:
        found, left = list[Place](), self._most_workers or sys.maxsize
        for node in self._ray.nodes():
            room = min(left, int(node["Resources"].get("CPU", 0))) if node["Alive"] else 0
            if room:
                left -= room
                # Soft: if the node has gone meanwhile, another one takes it.
                where = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)
                found.append(Place(node["NodeID"], room, self._task.options(scheduling_strategy=where)))
        return found

    def _gpu_places(self, num_chunks: int) -> list[Place]:
        """The actors that run chunks. A process keeps its GPU, and all it has compiled."""
        while len(self._gpu_actors) < min(self._num_gpus(), num_chunks):
            self._gpu_actors.append(self._actor_type.remote())
        return [Place(f"GPU {n}", 1, actor.run, is_actor=True) for n, actor in enumerate(self._gpu_actors)]

    def _end_gpu_actors(self) -> None:
        while self._gpu_actors:
            self._ray.kill(self._gpu_actors.pop())

    def close(self) -> None:
        """See ``AbstractExecutor``; a joined cluster goes on without us."""
        with held():
            self._end_gpu_actors()
            self._tasks.break_off()
            if self._has_asked:
                self._ray.autoscaler.sdk.request_resources(num_cpus=0)
            if self._is_started_here:
                _end(self._ray)
            elif self._is_ours:
                self._ray.shutdown()


def _take(policy: AbstractPolicy) -> None:
    """Nothing is left to do once it came through."""


class _GpuActor:
    """A process of Ray's with a GPU of its own."""

    def run(self, chunk: EvaluationRequest) -> Timed:
        return run_timed(chunk)


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
        problem = _refusal(address)
    if problem is not None:
        raise InputError(
            f"no Ray cluster could be joined at {address!r}: {problem}; give host:port, ray://host:port or 'auto' of a "
            "cluster that runs, or no address to start one here"
        )
    modules = [str(_ROOT / name) for name in ("environments", "agents", "poet_open_ended.py")]
    with held():
        ray.init(address, runtime_env={"py_modules": modules}, **_QUIET)


def _refusal(address: str) -> str | None:
    """Why Ray cannot be joined at ``address``, tried in a process of its own; None if it can."""
    command, pipe = [sys.executable, "-c", _JOIN, address], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as trial:
        try:
            trial.stdout.readline()  # type: ignore[union-attr]  # Ray is imported, and the time begins
            _, said = trial.communicate(timeout=_JOIN_SECONDS)
        except subprocess.TimeoutExpired:
            return f"it did not answer as Ray within {_JOIN_SECONDS:.0f} s"
        finally:
            trial.kill()
    if trial.returncode == 0:
        return None
    if "AuthenticationError" in said:
        return "it asks for a token that this process does not have (RAY_AUTH_MODE, RAY_AUTH_TOKEN)"
    return (said.strip().splitlines() or ["Ray gave no reason"])[-1]


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
