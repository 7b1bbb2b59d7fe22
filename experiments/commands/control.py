"""``poet control``: what a run is compared with before growth is read from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from environments.errors import COUNT, InputError, check_name, whole_number
from experiments.commands.evolve import check_new, go_on
from experiments.commands.options import (
    Assignments,
    Engine,
    EnvSteps,
    ExistingRun,
    Iterations,
    RayAddress,
    Trust,
    Workers,
)
from experiments.commands.terminal import say
from experiments.controls import NUM_REPLICATES
from experiments.execution import Execution
from experiments.text import poet_command

if TYPE_CHECKING:
    from poet.archive.reader import Run

#: Who is admitted in a control: every mutation, or one drawn among the candidates that pass the criterion.
ADMISSIONS = ("all", "random")

app = typer.Typer(name="control", help="Make a control to compare a run with: neutral, es.", no_args_is_help=True)


@app.callback()
def control() -> None:
    """Make a control to compare a run with: its neutral shadow, or ES alone on one of its terrains."""


@app.command()
def neutral(
    run: ExistingRun,
    admission: Annotated[
        str,
        typer.Option(
            "--admission",
            help="all: mutation and retirement alone, nobody walks; random: a run that draws whom it admits.",
        ),
    ] = "all",
    replicates: Annotated[
        int | None, typer.Option("--replicates", help=f"Of a shadow that admits all; {NUM_REPLICATES} if not given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder of the shadow; RUN/neutral if not given. With random: the new run's."),
    ] = None,
    engine: Engine = None,
    executor: Annotated[
        str | None, typer.Option("--executor", help="Where episodes run: local, if not given, or ray.")
    ] = None,
    workers: Workers = None,
    ray_address: RayAddress = None,
    iterations: Iterations = None,
    env_steps: EnvSteps = None,
    trust: Trust = False,
) -> None:
    """Repeat RUN without selection. Terrains drift upward by mutation alone: growth is what goes beyond this."""
    check_name("--admission", admission, ADMISSIONS)
    if admission == "all":
        of_a_run = {
            "--engine": engine,
            "--executor": executor,
            "--workers": workers,
            "--ray-address": ray_address,
            "--iterations": iterations,
            "--env-steps": env_steps,
        }
        for name, value in of_a_run.items():
            if value is not None:
                raise InputError(f"{name} is for --admission random: a shadow that admits all runs nothing")
        _make_shadow(run, NUM_REPLICATES if replicates is None else replicates, output, trust)
        return
    if replicates is not None:
        raise InputError("--replicates is for --admission all: with random one run is made, as long as RUN itself")
    if output is None:
        raise InputError("--admission random makes a run: name its new folder by --output")
    flags = {"run.iterations": iterations, "evaluation.engine": engine}
    _run_control(run, output, flags, Execution(executor or "local", workers, ray_address, env_steps), trust)


@app.command()
def es(
    run: ExistingRun,
    niche: Annotated[int, typer.Argument(metavar="NICHE", help="Whose terrain is trained on.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", help="Folder of the control's run.", show_default=False)],
    budget: Annotated[
        str,
        typer.Option(
            "--budget", help="Env-steps that RUN had spent when it solved NICHE: on its lineage, ancestry, or the run."
        ),
    ] = "ancestry",
    env_steps: Annotated[int | None, typer.Option("--env-steps", help="In place of --budget.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the control; RUN's if not given.")] = None,
    assignments: Assignments = None,
    engine: Engine = None,
    executor: Annotated[str, typer.Option("--executor", help="Where episodes run: local or ray.")] = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Train on the terrain of NICHE from RUN's first walker, without stepping stones. Called again, it goes on."""
    from experiments.analysis.success import percentage
    from experiments.controls.es import BUDGETS, env_steps_of, es_config, goal_of, tried
    from experiments.runner import check_settings
    from experiments.trials import NUM_TRIALS
    from experiments.trust import check_trust
    from poet.archive.folder import is_free
    from poet.archive.reader import open_run

    check_name("--budget", budget, BUDGETS)
    if env_steps is not None:
        whole_number("--env-steps", env_steps, *COUNT)
    with open_run(run, trust) as stored:
        goal = goal_of(stored, niche)
        settings, budgets = es_config(stored, goal, assignments or [], seed, engine), env_steps_of(stored, goal)
        if output.is_dir() and not is_free(output):
            check_settings(output, settings)
        else:
            check_new(output)
        check_trust(run, settings, trust, engine=engine)
        steps = budgets[budget] if env_steps is None else env_steps
        spent = ", ".join(f"{name} {number:,}" for name, number in budgets.items())
        say(f"{run} had spent by iteration {goal.iteration}, when it reached niche {niche}: {spent} env-steps")
        go_on(output, settings, Execution(executor, workers, ray_address, steps))
        with open_run(output, trust) as made:
            ours, theirs = tried(stored, goal, made)
            used = int(made.ledger["env_steps"].sum())
    say(
        f"under {NUM_TRIALS} pushes that decided nothing ES alone succeeds {percentage(ours)} after {used:,} "
        f"env-steps; the agent of niche {niche} of {run} then: {percentage(theirs)}"
    )


def _make_shadow(folder: Path, num_replicates: int, output: Path | None, trust: bool) -> None:
    from environments.terrain import genotype_class
    from experiments.analysis.shadow_file import FOLDER_NAME, check_output, write_shadow
    from experiments.commands.display import counted
    from experiments.controls.neutral import neutral_shadow
    from experiments.files import check_sub_folder
    from experiments.interrupts import stopping_cleanly
    from experiments.trust import check_trust
    from poet.archive.reader import open_run

    place = output or check_sub_folder(folder / FOLDER_NAME)
    with stopping_cleanly():
        with open_run(folder) as stored:
            _check_births(stored)
            check_output(place)
            config = stored.config
            check_trust(folder, config, trust, keys=("terrain.genotype",))
            with counted("replicates") as count:
                niches = neutral_shadow(stored, num_replicates, count, genotype_class(config.terrain.genotype))
        path = write_shadow(niches, place)
    num_niches = len(niches) // num_replicates
    say(f"{path}: {num_replicates} replicates of {num_niches} niches, without selection")
    shown = ("--shadow", output) if output else ()
    say(f"compare the run with them by: {poet_command('analyse', folder, *shown)}")


def _check_births(run: Run) -> None:
    """Refuse a run in which no terrain is born."""
    from poet.events import CandidateJudged
    from poet.trainers import shown_events

    if CandidateJudged not in shown_events(run):
        message = f"no terrain of {run.folder} is born, since its trainer is {run.config.run.trainer}"
        raise InputError(f"{message}: a run of the trainer poet has a neutral control")


def _run_control(
    folder: Path,
    new: Path,
    flags: dict[str, Any],
    execution: Execution,
    trust: bool,
) -> None:
    """The same run, except for its choice among candidates that pass the criterion."""
    from experiments.settings import resolve_config
    from experiments.trust import check_trust
    from poet.archive.reader import open_run

    with open_run(folder) as stored:
        _check_births(stored)
        base, parent = stored.config, stored.parent
    if parent is not None:
        raise InputError(f"{folder} is a fork, which no run from the start repeats: control {parent.run} instead")
    if base.novelty.order == "random":
        raise InputError(f"{folder} draws whom it admits already (novelty.order is 'random'): control another run")
    check_new(new)
    settings = resolve_config(flags={**flags, "novelty.order": "random"}, base=base)
    check_trust(folder, settings, trust, engine=flags["evaluation.engine"])
    go_on(new, settings, execution)
