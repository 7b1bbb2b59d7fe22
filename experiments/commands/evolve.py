"""``poet run``, ``poet resume`` and ``poet fork``: the commands that make a run go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.errors import InputError
from experiments import interrupts
from experiments.commands.options import (
    MAX_ID,
    Assignments,
    Engine,
    EnvSteps,
    ExecutorName,
    ExistingRun,
    Iterations,
    Log,
    Preset,
    RayAddress,
    Trust,
    Workers,
)
from experiments.commands.terminal import say
from experiments.execution import Execution
from experiments.text import poet_command

if TYPE_CHECKING:
    from agents.policies.base import AbstractPolicy
    from experiments.runner import Stopped
    from poet.config import Config
    from poet.parts import Parts


def run(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder to make; must not hold anything.", show_default=False)
    ],
    preset: Preset = None,
    assignments: Assignments = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file laid over the preset.")] = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    iterations: Iterations = None,
    env_steps: EnvSteps = None,
    log: Log = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Every random draw is keyed by it.")] = None,
) -> None:
    """Start a run in the new or empty folder RUN. Ctrl-C stops it cleanly."""
    from experiments.presets import preset_names
    from experiments.settings import resolve_config

    check_new(run)
    if preset is None and config is None:
        raise InputError(f"give --preset, one of {', '.join(preset_names())}, or --config FILE.toml; found neither")
    flags = {"run.seed": seed, "run.iterations": iterations, "evaluation.engine": engine}
    settings = resolve_config(preset, config, assignments or (), flags)
    if settings.run.reject:
        raise InputError(f"run.reject is for forks, found {list(settings.run.reject)} in a new run: poet fork --reject")
    go_on(run, settings, Execution(executor, workers, ray_address, env_steps, tuple(log or ())))


def resume(
    run: ExistingRun,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    iterations: Iterations = None,
    env_steps: EnvSteps = None,
    log: Log = None,
    trust: Trust = False,
) -> None:
    """Go on with RUN where it stopped. Go further with --iterations; the result is as if it had never stopped."""
    from experiments.logs.loggers import log_run
    from experiments.settings import resolve_config
    from experiments.trust import check_trust
    from poet.archive.reader import open_run

    with open_run(run) as stored:
        done, base = stored.iteration, stored.config
    settings = resolve_config(flags={"run.iterations": iterations, "evaluation.engine": engine}, base=base)
    if done is not None and done >= settings.run.iterations:
        further = poet_command("resume", run, "--iterations", "N")
        log_run(run, log or ())
        say(f"{run} is finished: it has done {done} iterations; go further with: {further}")
        return
    check_trust(run, settings, trust, engine=engine)
    go_on(run, settings, Execution(executor, workers, ray_address, env_steps, tuple(log or ())))


def fork(
    run: ExistingRun,
    new: Annotated[
        Path, typer.Argument(metavar="NEW", help="Folder to make; must not hold anything.", show_default=False)
    ],
    at: Annotated[
        int, typer.Option("--at", min=0, max=MAX_ID, help="The last iteration that both share; its state must be kept.")
    ],
    assignments: Assignments = None,
    reject: Annotated[
        list[str] | None,
        typer.Option("--reject", metavar="EVENT", help="transfer:ID or candidate:ID that must not be accepted."),
    ] = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    iterations: Iterations = None,
    env_steps: EnvSteps = None,
    log: Log = None,
    trust: Trust = False,
) -> None:
    """Go on from a state of RUN, with a change. The run in the new folder NEW is an exact counterfactual."""
    from experiments.rejection import find_rejection
    from experiments.runner import stored_state
    from experiments.settings import assigned_keys, describe, differences, resolve_config
    from experiments.trust import check_trust
    from poet.archive.fork import check_change, fork_run
    from poet.archive.reader import open_run
    from poet.config import config_value

    check_new(new)
    with open_run(run) as source:
        last = source.config.run.iterations
        base = source.config_at(at + 1)
        base = base.model_copy(update={"run": base.run.model_copy(update={"iterations": last})})
        refused = [find_rejection(source, event, at) for event in reject or ()]
    flags = {
        "run.iterations": iterations,
        "evaluation.engine": engine,
        "run.reject": [*base.run.reject, *refused] if refused else None,
    }
    settings = resolve_config(assignments=assignments or (), flags=flags, base=base)
    for key in ("run.start", "trainer.source"):
        if config_value(settings, key) != config_value(base, key):
            raise InputError(f"{key} is over when a fork begins: start a new run to change it")
    check_change(base, settings)
    check_trust(run, settings, trust, given=assigned_keys(assignments or ()), engine=engine)
    if settings.run.iterations <= at:
        raise InputError(
            f"a fork at {at} must go further than that, but it would stop after iteration {settings.run.iterations}: "
            "give a greater --iterations"
        )

    def prepare(parts: Parts) -> None:
        with open_run(run) as source:
            stored_state(source, parts, at)  # a damaged one is refused before anything is made
        fork_run(run, new, at, settings)
        changed = describe(differences(settings, base)) or "nothing changed"
        say(f"{new} shares the first {at} iterations of {run}; from there on: {changed}")

    go_on(new, settings, Execution(executor, workers, ray_address, env_steps, tuple(log or ())), prepare)


def check_new(folder: Path) -> None:
    """Check the folder before any work. The archive checks again when it makes it."""
    from poet.archive.errors import explained
    from poet.archive.folder import is_free

    with explained(folder):
        if not is_free(folder):
            how = poet_command("resume", folder)
            raise InputError(f"{folder} exists: name a new folder, or go on with the run in it by: {how}")
    place = next(parent for parent in folder.absolute().parents if os.path.lexists(parent))
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        problem = "is a file" if place.is_file() else "takes no new folder of yours"
        raise InputError(f"{folder} cannot be made, since {place} {problem}: name a place that you may write to")


def go_on(folder: Path, config: Config, execution: Execution, prepare: Callable[[Parts], None] | None = None) -> None:
    """Run until the end and say where it is. ``prepare`` makes the folder once everything has been checked."""
    from experiments.settings import NO_END

    stopped, who = carry_out(folder, config, execution, prepare)
    total = config.run.iterations
    how = poet_command("resume", folder)
    if stopped.iteration is None:
        say(f"stopped{who} before the start was on disk: nothing was written", is_problem=True)
    elif total >= NO_END and not stopped.is_interrupted:
        say(f"done: env-steps spent after iteration {stopped.iteration}; go further with: {how} --env-steps MORE")
    elif stopped.iteration < total:
        of_all = "" if total >= NO_END else f" of {total}"
        line = f"stopped{who} after iteration {stopped.iteration}{of_all}; go on with: {how}"
        say(line, is_problem=stopped.is_interrupted)
    else:
        status, analyse = (poet_command(name, folder) for name in ("status", "analyse"))
        say(f"done: {total} iterations; look at them with: {status}, or {analyse}")
    if stopped.is_interrupted:
        raise typer.Exit(interrupts.INTERRUPTED)


def carry_out(
    folder: Path, config: Config, execution: Execution, prepare: Callable[[Parts], None] | None = None
) -> tuple[Stopped, str]:
    """Run until the end, with progress.

    Args:
        folder, config: of the run.
        execution: how, and until when.
        prepare: makes the folder once everything has been checked; None if nothing must be made.

    Returns:
        Where it stopped, and who interrupted it, see ``Interrupts.who``.
    """
    from experiments.commands.display import make_display, prepare_engine
    from experiments.logs.loggers import Loggers
    from experiments.runner import run_experiment
    from experiments.settings import describe, differences
    from poet.parts import imported_code, make_parts
    from poet.round_cost import costly_round
    from poet.unused import unused_settings

    loggers = Loggers(execution.log)
    with interrupts.stopping_cleanly() as requests, execution.open() as executor:

        def begin(engine: str, policy: AbstractPolicy) -> None:
            """Called after all errors of input."""
            what = describe(differences(config)) or "nothing but defaults"
            say(f"{folder}: {what} ({execution.executor} executor, workers={executor.num_workers})")
            say(*(f"imported {name}, named by {key}" for key, name in imported_code(config).items()))
            for part, keys in unused_settings(config).items():
                hint = "; its own settings go into es.settings" if part == config.es.strategy else ""
                say(f"{part} does not use {', '.join(keys)}{hint}")
            if sentence := costly_round(config):
                say(sentence)
            prepare_engine(engine, policy)

        if prepare is not None:
            prepare(make_parts(config, executor.evaluate))  # refuses what cannot run, before anything is written
        stopped = run_experiment(
            folder, config, executor, make_display, execution.executor, execution.env_steps, begin, loggers
        )
    return stopped, requests.who()
