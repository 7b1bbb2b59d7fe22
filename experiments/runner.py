"""Runs a run from its current iteration to its end: iterate, record, report progress."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.evaluation.executor import AbstractExecutor
from agents.policies.base import AbstractPolicy
from agents.rollouts import prepare, resolve_engine
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.errors import InputError
from environments.signals import held
from experiments.interrupts import interrupts, is_interrupt
from experiments.logs.loggers import Loggers
from experiments.progress import AbstractDisplay, RunTracker
from experiments.settings import differences
from experiments.walkers import load_walker
from poet.archive.folder import is_free
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import Run, open_run
from poet.archive.records import SessionInfo
from poet.config import Config
from poet.loop import initial_noise
from poet.parts import Parts, make_parts
from poet.trainers import make_trainer
from poet.types import RunState

#: The packages whose versions a session records, besides Python: those that results depend on.
_NOTED_PACKAGES = (
    "numpy", "numba", "numba-cuda", "Box2D", "gymnasium", "evotorch", "torch", "stable_baselines3", "ray"
)  # fmt: skip


@dataclass(frozen=True)
class Stopped:
    """The state of a run after ``run_experiment``.

    Attributes:
        iteration: the last one on disk; None if not even the start is.
        is_interrupted: whether it was stopped by Ctrl-C or by another signal.
    """

    iteration: int | None
    is_interrupted: bool


@exact
def run_experiment(
    folder: Path,
    config: Config,
    executor: AbstractExecutor,
    make_display: Callable[[RunTracker], AbstractDisplay],
    executor_name: str = "local",
    env_steps: int | None = None,
    prepare_engine: Callable[[str, AbstractPolicy], None] = prepare,
    loggers: Loggers | None = None,
) -> Stopped:
    """Start a run, or resume the one in ``folder``, until its config's end or ``env_steps`` is reached.

    Ctrl-C, like all signals in ``environments.signals.STOPPING``, drops the unfinished iteration. What is on disk is
    always intact.

    Args:
        folder: of the run. If it is new or empty, the new run appears in it all at once, together with its start.
        config: of the run. For an existing run, only keys that do not affect results may differ.
        executor: runs episodes; the caller closes it.
        make_display: makes the display of progress.
        executor_name: for the record.
        env_steps: stop after the iteration that reaches this total of control steps; None for no limit.
        prepare_engine: compiles what an engine (by name) needs for a policy. It is called before the display starts,
            and after all errors of input.
        loggers: take the numbers of each iteration once it is on disk, and of earlier ones that they do not have.

    Raises:
        InputError: the folder, the config or the start walker cannot be used, or a logger cannot take the run.
        ArchiveError: an iteration could not be recorded.
    """
    trainer = make_trainer(config)
    tracker = RunTracker(config.run.iterations, facts=trainer.facts, env_steps=env_steps)
    parts = make_parts(config, partial(_evaluate, executor, tracker))
    session = session_info(config.evaluation.engine, executor_name, executor.num_workers)
    archive: RunArchive | None = None
    state: RunState | None = None  # the last one on disk
    is_interrupted = False
    with interrupts(), ExitStack() as stack:
        try:
            if not is_free(folder):
                state = _last_state(folder, parts)  # a damaged one is refused before anything is written
                archive = stack.enter_context(RunArchive.open(folder, session=session, config=config))
                if archive.iteration != (None if state is None else state.iteration):
                    state = _last_state(folder, parts)  # another process has continued the run meanwhile
            theta = start_theta(config, parts.policy) if state is None else None
            prepare_engine(config.evaluation.engine, parts.policy)
            display = stack.enter_context(make_display(tracker))
            if archive is None or state is None:
                begun = time.perf_counter()
                first, events = trainer.start(parts, theta)
                with held():
                    archive = archive or stack.enter_context(create_run(folder, config, session=session))
                    archive.append(first, events, time.perf_counter() - begun)
                    state = first
            log_new = stack.enter_context((loggers or Loggers()).following(folder))
            tracker.end_iteration(state)
            while not is_done(state, config, env_steps):
                begun = time.perf_counter()
                following, events = trainer.iterate(state, parts)
                with held():
                    archive.append(following, events, time.perf_counter() - begun)
                    state = following
                tracker.end_iteration(state)
                display.iteration_done()
                log_new()
        except (KeyboardInterrupt, Exception) as error:
            if not is_interrupt(error):
                raise
            is_interrupted = True
        try:
            with held():
                if archive is not None and state is not None:
                    archive.finish(state)
                stack.close()
        except KeyboardInterrupt:
            is_interrupted = True
    return Stopped(None if state is None else state.iteration, is_interrupted)


def _evaluate(executor: AbstractExecutor, tracker: RunTracker, request: EvaluationRequest) -> tuple[RolloutResult, ...]:
    """Run the episodes of a request, and report progress to the tracker."""
    tracker.begin_phase(request)
    return executor.evaluate(request, tracker.advance)


def is_done(state: RunState, config: Config, env_steps: int | None) -> bool:
    """Whether a run has reached its end."""
    return state.iteration >= config.run.iterations or (env_steps is not None and state.env_steps >= env_steps)


def check_settings(folder: Path, config: Config, free: Collection[str] = ()) -> None:
    """Raise an error if a run was made with other settings.

    Args:
        folder: of the run.
        config: the settings.
        free: keys that may differ.

    Raises:
        InputError: they differ, or there is no run.
    """
    with open_run(folder) as run:
        changed = [key for key in differences(run.config, config) if key not in free]
    if changed:
        raise InputError(
            f"{folder} was made with other settings ({', '.join(changed)} differ): name another folder for these"
        )


def start_theta(config: Config, policy: AbstractPolicy) -> NDArray[np.float32] | None:
    """The first agent that ``run.start`` names, (P,) float32; None for random weights.

    Args:
        config: of the run.
        policy: its policy.

    Raises:
        InputError: there is no such walker or file, or the policy cannot start from that walker's policy.
    """
    if config.run.start == "random":
        return None
    try:
        walker = load_walker(config.run.start, config.policy.activations, ["random"])
    except InputError as error:
        raise InputError(f"run.start: {error}") from None
    return walker.theta_for(config.policy, policy, initial_noise(policy, config.run.seed))


def stored_state(run: Run, parts: Parts, iteration: int | None = None) -> RunState:
    """Load a state from which a run can go on.

    Args:
        run: the run.
        parts: its parts.
        iteration: of the state; None for the last.

    Raises:
        InputError: it is not kept, is damaged, or does not fit the run's parts.
    """
    trainer = make_trainer(parts.config)
    like = trainer.first_optimiser(parts, np.zeros(parts.policy.num_parameters, np.float32))
    state = run.load_state(
        iteration, state_type=trainer.state_type, optimiser_type=type(like), genotype_type=parts.genotype_type
    )
    for niche in state.active:
        for field in fields(like):
            expected, found = getattr(like, field.name), getattr(niche.optimiser, field.name)
            if (expected.shape, expected.dtype) != (found.shape, found.dtype):
                place = f"the state of the run {run.folder} after iteration {state.iteration}"
                sizes = f"{expected.dtype} {expected.shape}, but is {found.dtype} {found.shape}"
                raise InputError(f"{place} is not one of its strategy and policy: {field.name} must be {sizes}")
    return state


def _last_state(folder: Path, parts: Parts) -> RunState | None:
    """The state from which a run goes on; None before its start."""
    with open_run(folder) as run:
        return None if run.iteration is None else stored_state(run, parts)


def session_info(engine: str, executor: str, workers: int) -> SessionInfo:
    """Describes this program and machine, for a run's record."""
    versions = {"python": platform.python_version()}
    for name in _NOTED_PACKAGES:
        versions[name] = _package_version(name)
    return SessionInfo(platform.node(), versions, resolve_engine(engine), executor, workers, code_version())


def code_version() -> str:
    """The git commit of our code, or the version of the installed package."""
    root = Path(__file__).parents[1]
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
        with suppress(OSError):  # no git on this machine
            described = subprocess.run(command, capture_output=True, text=True, check=False)
            if described.returncode == 0:
                return described.stdout.strip()
    return _package_version("poet-open-ended")


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
