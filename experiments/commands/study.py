"""``poet study``: questions, arms, seeds and a budget, written down first; then runs, and what they say."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.errors import InputError
from experiments import interrupts
from experiments.commands.evolve import carry_out
from experiments.commands.help import examples
from experiments.commands.options import Engine, ExecutorName, RayAddress, Trust, Workers
from experiments.commands.quiet import shows_progress
from experiments.commands.terminal import say
from experiments.commands.trials import check_output, try_on_suites
from experiments.execution import Execution
from experiments.text import poet_command

if TYPE_CHECKING:
    from experiments.studies.plan import Study
    from experiments.studies.runs import StudyRun

StudyFile = Annotated[
    str, typer.Argument(metavar="STUDY", help="Its .toml, or transfer, rivals (shipped).", show_default=False)
]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the runs are.", show_default=False)]

app = typer.Typer(
    name="study", help="Questions written down first: run its arms and seeds, status, report.", no_args_is_help=True
)


@app.callback()
def study() -> None:
    """Carry out a study: questions, arms, seeds and a budget, written down before the first run."""


@app.command(epilog=examples("poet study run transfer runs/transfer", "poet study run mine.toml runs/mine --seed 1"))
@shows_progress
def run(
    study: StudyFile,
    folder: Folder,
    arm: Annotated[list[str] | None, typer.Option("--arm", help="May be repeated; all if not given.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated; all if not given.")] = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
) -> None:
    """Make the runs FOLDER/ARM-SEED, seed by seed. Called again, it goes on where it stopped."""
    from experiments.studies.plan import load_study
    from experiments.studies.runs import check_comparable, commit_of, seal, standing, study_runs
    from poet.archive.lock import RunTakenError

    found = load_study(study)
    execution = Execution(executor, workers, ray_address, found.plan.env_steps)
    runs = study_runs(found, folder, arm or [], seed or [], engine)
    _check_arms(runs)
    again = poet_command("study", "run", found.name, folder)
    is_new = seal(found, folder)
    for one in runs:
        standing(one, found.plan.env_steps)  # what is there is this study's, before hours are spent on others
    _say_what_to_expect(found, is_new, commit_of(found.path))
    for number, one in enumerate(runs, 1):
        if not standing(one, found.plan.env_steps).is_finished:
            say(f"run {number} of {len(runs)}: {one.arm}, seed {one.seed}")
            try:
                stopped, who = carry_out(one.folder, one.config, execution)
            except RunTakenError:
                say(f"{one.folder} is left to the process that writes it")
                continue
            if stopped.is_interrupted:
                say(f"stopped{who} in {one.folder}; go on with: {again}", is_problem=True)
                raise typer.Exit(interrupts.INTERRUPTED)
        check_comparable(one, found.plan.env_steps)
    missing = [one for one in study_runs(found, folder) if not standing(one, found.plan.env_steps).is_finished]
    if missing:
        say(f"unfinished runs of the study: {len(missing)}; go on with: {again}")
    else:
        how = poet_command("study", "report", found.name, folder, "--output", "DIR")
        say(f"all {len(study_runs(found, folder))} runs are finished; what they say: {how}")


@app.command(epilog=examples("poet study status transfer runs/transfer"))
def status(study: StudyFile, folder: Folder) -> None:
    """Show how many env-steps each arm and seed has spent, also while they run."""
    import pandas as pd

    from experiments.commands.display import print_tables
    from experiments.studies.plan import load_study
    from experiments.studies.runs import check_seal, commit_of, standing, study_runs

    found = load_study(study)
    before = check_seal(found, folder)
    words = {(one.arm, one.seed): standing(one, found.plan.env_steps).words() for one in study_runs(found, folder)}
    rows = [{"arm": arm} | {f"seed {s}": words[arm, s] for s in found.plan.seeds} for arm in found.plan.arms]
    say(
        f"study       {found.path}: {found.plan.title}",
        f"digest      {found.digest}",
        f"file        before the first run: {before}; now: {commit_of(found.path)}",
    )
    print_tables([(f"Env-steps of {found.plan.env_steps:,}", pd.DataFrame(rows))])


@app.command(epilog=examples("poet study report transfer runs/transfer --output transfer-report"))
@shows_progress
def report(
    study: StudyFile,
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", help="New folder for page and tables.", show_default=False)],
    interim: Annotated[
        bool, typer.Option("--interim", help="Look at finished runs before the others are; marked as no verdict.")
    ] = False,
    engine: Engine = None,
    workers: Workers = None,
    trust: Trust = False,
) -> None:
    """Answer the questions when all runs are finished: tests over seeds, Holm over these questions alone."""
    from agents.rollouts import check_engine
    from experiments.commands.display import print_tables
    from experiments.comparison.comparing import budgets
    from experiments.studies.plan import load_study
    from experiments.studies.report import answers_shown, findings, write_report
    from experiments.studies.runs import check_seal, standing, study_runs
    from experiments.suites.evaluation import Trial
    from poet.archive.reader import open_run

    check_engine(engine or "simd")
    check_output(output)
    found = load_study(study)
    before = check_seal(found, folder)
    runs = study_runs(found, folder)
    finished = [one for one in runs if standing(one, found.plan.env_steps).is_finished]
    if not finished or (len(finished) < len(runs) and not interim):
        look = "" if interim or not finished else "; --interim looks at those, without a verdict"
        raise InputError(
            f"the study is unfinished: {len(finished)} of {len(runs)} runs have spent {found.plan.env_steps:,} "
            f"env-steps; go on by {poet_command('study', 'run', found.name, folder)}{look}"
        )
    with interrupts.stopping_cleanly(), ExitStack() as stack:
        opened = {one.folder.name: stack.enter_context(open_run(one.folder, trust)) for one in finished}
        at = budgets(opened, found.plan.env_steps)
        places = [found.place_of(suite) for suite in found.plan.suites]
        tried = try_on_suites(opened, at, places, found.plan.episodes, workers, Trial(engine or "simd"))
        by_suite = dict(zip(found.plan.suites, tried, strict=True))
        said = findings(found, folder, before, runs, opened, at, by_suite)
        write_report(said, output)
    title = "Interim: this study has no verdict yet" if said.num_missing else found.plan.title
    print_tables([(title, answers_shown(said.tables["questions"]))])
    say(*said.remarks)
    say(f"tables: {output}", f"page: {output / 'README.md'}")


def _check_arms(runs: list[StudyRun]) -> None:
    """Refuse the last arm before the first one runs, if something that it names cannot be used."""
    from experiments.runner import start_theta
    from poet.parts import make_parts
    from poet.trainers import make_trainer

    for one in {one.arm: one for one in runs}.values():
        try:
            make_trainer(one.config)
            start_theta(one.config, make_parts(one.config, lambda request: ()).policy)
        except InputError as error:
            raise InputError(f"the arm {one.arm}: {error}") from None


def _say_what_to_expect(study: Study, is_new: bool, committed: str) -> None:
    from experiments.comparison.statistics import MAX_SEEDS
    from experiments.studies.answers import seeds_needed

    plan = study.plan
    say(f"{study.path}: {plan.title}; digest {study.digest}; its file is {committed}")
    if is_new and not committed.startswith("committed"):
        say("commit it before its first run, so that everybody can see that it came first; the report says so")
    needed = seeds_needed(plan)
    if needed is None or needed > len(plan.seeds):
        enough = f"not even {MAX_SEEDS} are" if needed is None else f"{needed} are"
        say(
            f"each arm has too few seeds ({len(plan.seeds)}) for the number of questions ({len(plan.questions)}) at "
            f"the level {plan.alpha:g}: no outcome could show a difference, and {enough} enough"
        )
