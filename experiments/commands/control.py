"""``poet control``: what a run is compared with before growth is read from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from environments.errors import COUNT, InputError, check_name, whole_number
from experiments.commands.evolve import check_new, go_on
from experiments.commands.help import examples
from experiments.commands.options import (
    Assignments,
    Engine,
    EnvSteps,
    ExecutorName,
    ExistingRun,
    Iterations,
    RayAddress,
    Trust,
    Workers,
)
from experiments.commands.quiet import shows_progress
from experiments.commands.terminal import say
from experiments.controls import NUM_REPLICATES
from experiments.execution import Execution
from experiments.text import poet_command

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.config import Config
    from poet.parts import Parts

#: Who is admitted in a control: every mutation, or one drawn among the candidates that pass the criterion.
ADMISSIONS = ("all", "random")
#: The keys of the transfers that a control does without.
TRANSFERS = {
    "both": ("transfer.periodic", "transfer.at_admission"),
    "periodic": ("transfer.periodic",),
    "admission": ("transfer.at_admission",),
}

Niche = Annotated[int, typer.Argument(metavar="NICHE", help="Whose terrain is the goal.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", help="Folder of the control's run.", show_default=False)]
Budget = Annotated[
    str,
    typer.Option(
        "--budget", help="Env-steps that RUN had spent when it solved NICHE: on its lineage, ancestry, or the run."
    ),
]
OwnBudget = Annotated[int | None, typer.Option("--env-steps", help="In place of --budget.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the control; RUN's if not given.")]

app = typer.Typer(
    name="control",
    help="Make a control to compare a run with: neutral, es, curriculum, paced, no-transfer.",
    no_args_is_help=True,
)


@app.callback()
def control() -> None:
    """Make a control to compare a run with: its shadow, ES on its terrains, or the run without transfers."""


@app.command(
    epilog=examples(
        "poet control neutral runs/first",
        "poet control neutral runs/first --admission random --output runs/first-random",
    )
)
@shows_progress
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


@app.command(epilog=examples("poet control es runs/first 12 --output runs/es-12 --env-steps 20000000"))
@shows_progress
def es(
    run: ExistingRun,
    niche: Niche,
    output: Output,
    budget: Budget = "ancestry",
    env_steps: OwnBudget = None,
    seed: Seed = None,
    assignments: Assignments = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Train on the terrain of NICHE from RUN's first walker, without stepping stones. Called again, it goes on."""
    execution = Execution(executor, workers, ray_address, env_steps)
    _train_on(run, niche, output, "es", budget, seed, assignments or [], engine, execution, trust)


@app.command(epilog=examples("poet control curriculum runs/first 12 --output runs/path-12"))
@shows_progress
def curriculum(
    run: ExistingRun,
    niche: Niche,
    output: Output,
    budget: Budget = "ancestry",
    env_steps: OwnBudget = None,
    seed: Seed = None,
    assignments: Assignments = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Train on terrains from flat ground straight to that of NICHE, with RUN's first walker. Again, it goes on."""
    execution = Execution(executor, workers, ray_address, env_steps)
    _train_on(run, niche, output, "curriculum", budget, seed, assignments or [], engine, execution, trust)


@app.command(epilog=examples("poet control paced runs/first --output runs/paced --order anti"))
@shows_progress
def paced(
    run: ExistingRun,
    output: Output,
    order: Annotated[
        str | None, typer.Option("--order", help="Which terrains come first: curriculum, anti, random, none.")
    ] = None,
    panel: Annotated[
        list[str] | None,
        typer.Option(
            "--panel", metavar="AGENT", help="Who judges terrains, as in poet evaluate; agents of RUN if not given."
        ),
    ] = None,
    env_steps: Annotated[int | None, typer.Option("--env-steps", help="As many as RUN has, if not given.")] = None,
    seed: Seed = None,
    assignments: Assignments = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Train one agent on all terrains of RUN, the easiest first. Called again, it goes on."""
    from experiments.controls.paced import check_source, paced_config, terrains_and_panel, write_source
    from experiments.trust import check_trust
    from poet.archive.reader import open_run
    from poet.trainers.paced import ORDERS

    if order is not None:
        check_name("--order", order, ORDERS)
    source = Path(f"{output}.terrains.json")
    with open_run(run, trust) as stored, stored.at_one_moment():
        settings = paced_config(stored, str(source), order, assignments or [], seed, engine)
        _check_output(output, settings)
        check_trust(run, settings, trust, engine=engine)
        text, spent = terrains_and_panel(stored, panel or (), trust), int(stored.ledger["env_steps"].sum())
    steps = whole_number("--env-steps", spent if env_steps is None else env_steps, *COUNT)
    check_source(source, text, output)

    def prepare(parts: Parts) -> None:
        write_source(source, text, parts)
        say(f"the terrains have cost {run} {spent:,} env-steps, which {output} does not count")

    go_on(output, settings, Execution(executor, workers, ray_address, steps), prepare)
    say(f"try its agent on them by: {poet_command('evaluate', output, '--on', run)}")


@app.command(
    "no-transfer", epilog=examples("poet control no-transfer runs/first --output runs/alone --without periodic")
)
@shows_progress
def no_transfer(
    run: ExistingRun,
    output: Output,
    without: Annotated[
        str,
        typer.Option("--without", help="Which transfers: periodic ones, those at admission, or both."),
    ] = "both",
    env_steps: Annotated[int | None, typer.Option("--env-steps", help="As many as RUN has, if not given.")] = None,
    seed: Seed = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Repeat RUN without transfers: each agent stays on its terrain. Called again, it goes on."""
    from experiments.settings import NO_END, resolve_config
    from experiments.trust import check_trust
    from poet.archive.reader import open_run
    from poet.config import config_value

    check_name("--without", without, TRANSFERS)
    with open_run(run) as stored:
        base, spent = _repeated(stored), int(stored.ledger["env_steps"].sum())
    steps = whole_number("--env-steps", spent if env_steps is None else env_steps, *COUNT)
    off = {key: False for key in TRANSFERS[without] if config_value(base, key)}
    if not off:
        raise InputError(f"{run} has no such transfers ({', '.join(TRANSFERS[without])}): control another run")
    flags = {**off, "run.seed": seed, "run.iterations": NO_END, "evaluation.engine": engine}
    settings = resolve_config(flags=flags, base=base)
    _check_output(output, settings)
    check_trust(run, settings, trust, engine=engine)
    go_on(output, settings, Execution(executor, workers, ray_address, steps))


def _train_on(
    run: Path,
    niche: int,
    output: Path,
    trainer: str,
    budget: str,
    seed: int | None,
    assignments: list[str],
    engine: str | None,
    execution: Execution,
    trust: bool,
) -> None:
    """Make a control of one agent whose goal is the terrain of a niche, or go on with it."""
    from experiments.analysis.success import percentage
    from experiments.controls.es import BUDGETS, control_config, env_steps_of, goal_of, too_short_to_finish, tried
    from experiments.trials import NUM_TRIALS
    from experiments.trust import check_trust
    from poet.archive.reader import open_run

    check_name("--budget", budget, BUDGETS)
    if execution.env_steps is not None:
        whole_number("--env-steps", execution.env_steps, *COUNT)
    with open_run(run, trust) as stored:
        goal = goal_of(stored, niche)
        settings = control_config(stored, goal, trainer, assignments, seed, engine)
        budgets = env_steps_of(stored, goal)
        _check_output(output, settings)
        check_trust(run, settings, trust, engine=engine)
        spent = ", ".join(f"{name} {number:,}" for name, number in budgets.items())
        if sentence := too_short_to_finish(settings):
            say(sentence)
        say(f"{run} had spent by iteration {goal.iteration}, when it reached niche {niche}: {spent} env-steps")
        steps = budgets[budget] if execution.env_steps is None else execution.env_steps
        go_on(output, settings, replace(execution, env_steps=steps))
        with open_run(output, trust) as made:
            ours, theirs = tried(stored, goal, made)
            used, left = int(made.ledger["env_steps"].sum()), _steps_left(made)
    if left:
        say(f"the agent is {left} or more terrains away from that of niche {niche}, where it is tried all the same")
    who = "ES alone" if trainer == "es" else "the direct path"
    say(
        f"under {NUM_TRIALS} pushes that decided nothing {who} succeeds {percentage(ours)} after {used:,} "
        f"env-steps; the agent of niche {niche} of {run} then: {percentage(theirs)}"
    )


def _steps_left(made: Run) -> int:
    """How many terrains a direct path has at least to go; 0 for ES alone."""
    path = made.own_tables.get("curriculum")
    return 0 if path is None else int(path["steps_left"].iloc[-1])


def _check_output(output: Path, settings: Config) -> None:
    """Refuse a folder that is neither free nor a control with these settings, with which one can go on."""
    from experiments.runner import check_settings
    from poet.archive.folder import is_free

    if output.is_dir() and not is_free(output):
        check_settings(output, settings)
    else:
        check_new(output)


def _repeated(stored: Run) -> Config:
    """The config of a run of POET that another one can repeat from the start.

    Raises:
        InputError: it is a fork, or a run in which no terrain is born.
    """
    _check_births(stored)
    if stored.parent is not None:
        raise InputError(
            f"{stored.folder} is a fork, which no run from the start repeats: control {stored.parent.run} instead"
        )
    return stored.config


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
        raise InputError(f"{message}: a run of the trainer poet has such a control")


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
        base = _repeated(stored)
    if base.novelty.order == "random":
        raise InputError(f"{folder} draws whom it admits already (novelty.order is 'random'): control another run")
    check_new(new)
    settings = resolve_config(flags={**flags, "novelty.order": "random"}, base=base)
    check_trust(folder, settings, trust, engine=flags["evaluation.engine"])
    go_on(new, settings, execution)
