"""``poet meta``: the terrains of runs as tasks, agents that learn to learn on them, and how fast who adapts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.errors import COUNT, InputError, check_name, whole_number
from experiments.commands.evolve import check_new, go_on
from experiments.commands.help import examples
from experiments.commands.options import Assignments, Engine, ExecutorName, RayAddress, Trust, Workers
from experiments.commands.quiet import shows_progress
from experiments.commands.terminal import say
from experiments.execution import Execution
from experiments.text import poet_command

if TYPE_CHECKING:
    from experiments.meta.clades import Split
    from experiments.meta.curves import Plan, Show
    from poet.archive.reader import Run
    from poet.parts import Parts

#: Pairs of a generation in which agents adapt, if no others are set.
_PAIRS = "es.pairs=32"

Tasks = Annotated[Path, typer.Argument(metavar="RUN", help="Whose terrains are the tasks.", show_default=False)]
Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Folders of runs of one genotype and policy.", show_default=False)
]
NewRun = Annotated[Path, typer.Option("--output", help="Folder of the new run.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", help="Folder for tables and the plot.", show_default=False)]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the new run; RUN's if not given.")]
Adaptation = Annotated[str, typer.Option("--adaptation", help="es: steps of es.strategy; climb: batch hill climbing.")]
Pushes = Annotated[int, typer.Option("--pushes", help="Under how many of them an agent adapts.")]
Episodes = Annotated[int, typer.Option("--episodes", help="Under other pushes, by which an agent is tried.")]

app = typer.Typer(
    name="meta",
    help="Learning to learn on a run's terrains: split, curves, adaptability; joint, reptile, fomaml, es-maml.",
    no_args_is_help=True,
)


@app.callback()
def meta() -> None:
    """Learning to learn: a run's terrains as tasks, split by clade, and agents that adapt to them."""


@app.command(epilog=examples("poet meta split runs/first"))
def split(run: Tasks) -> None:
    """Show how the terrains of RUN are split by clade into training, validation and test."""
    from experiments.commands.display import print_tables
    from experiments.meta.clades import split_run
    from experiments.meta.report import split_table
    from poet.archive.reader import open_run

    with open_run(run) as stored:
        found = split_run(stored)
    print_tables([(f"Clades of {run}", split_table(found).map(str))])
    say(f"the trunk, which is in no part: {', '.join(map(str, found.trunk))}")
    for niche, like in found.leaks.items():
        say(f"niche {niche} is left out: it is at most one mutation from niche {like} of an earlier part")


@app.command(epilog=examples("poet meta curves runs/first --learner runs/reptile --output runs/curves"))
@shows_progress
def curves(
    runs: Runs,
    output: Output,
    learner: Annotated[
        list[Path] | None, typer.Option("--learner", metavar="RUN", help="What poet meta made; may be repeated.")
    ] = None,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", metavar="AGENT", help="Another start, as in poet evaluate.")
    ] = None,
    adaptation: Adaptation = "es",
    pushes: Pushes = 8,
    episodes: Episodes = 50,
    assignments: Assignments = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Adapt agents to the test terrains of each RUN, and try them after 0, 1, 2, 5 and 10 generations."""
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from experiments.commands.display import print_tables
    from experiments.meta.clades import Part
    from experiments.meta.curves import GENERATIONS, Task
    from experiments.meta.curves import curves as make_curves
    from experiments.meta.report import curves_summary, shown_curves, write_curves
    from experiments.meta.starts import Learner, arms, check_learners, learners_of, read_learner, run_tasks
    from experiments.suites.agents import find_agents

    plan = _plan(GENERATIONS, adaptation, pushes, episodes)
    execution = Execution(executor, workers, ray_address)
    with _opened(runs, output, assignments or [], engine, execution, trust) as work:
        others = find_agents(agent or [], trust=trust)
        for one in others:
            if one.policy != work.parts.policy:
                raise InputError(f"{one.name} is an agent of another policy than those of {runs[0]}: leave it out")
        learners, used = [read_learner(folder) for folder in learner or []], list[Learner]()
        tasks, starts = list[Task](), dict[tuple[str, int], dict[str, NDArray[np.float32]]]()
        for name, stored in work.runs.items():
            mine = learners_of(stored, work.splits[name], learners)
            used += mine
            of_run = arms(stored, work.splits[name], work.parts, mine, {one.name: one.theta for one in others})
            tasks += run_tasks(stored, name, work.splits[name], Part.TEST)
            starts |= {(name, niche): found for niche, found in of_run.items()}
        check_learners(learners, used, runs)
        if not tasks:
            raise InputError(f"no test terrain is left in {', '.join(map(str, runs))}: all are like training terrains")
        table = make_curves(tasks, starts, plan, work.parts, work.show)
        spent = pd.DataFrame([(str(one.folder), one.arm, one.env_steps) for one in learners])
        summary = curves_summary(table)
        write_curves(table, summary, spent.set_axis(["run", "trainer", "env_steps"][: spent.shape[1]], axis=1), output)
    print_tables([(f"Success on {len(tasks)} held-out terrains, by generations of adaptation", shown_curves(summary))])
    say(f"tables and plot: {output}")


@app.command(epilog=examples("poet meta adaptability runs/poet-1 runs/poet-2 --control runs/es-1 --output runs/table"))
@shows_progress
def adaptability(
    runs: Runs,
    output: Output,
    control: Annotated[
        list[Path] | None,
        typer.Option("--control", metavar="RUN", help="Such as one of poet control es; may be repeated."),
    ] = None,
    agents: Annotated[int, typer.Option("--agents", help="Of each run, evenly over its stored versions.")] = 12,
    tasks: Annotated[int, typer.Option("--tasks", help="Test terrains of each other run.")] = 4,
    generations: Annotated[int, typer.Option("--generations", help="In which an agent adapts.")] = 10,
    adaptation: Adaptation = "es",
    pushes: Pushes = 8,
    episodes: Episodes = 50,
    assignments: Assignments = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Do agents that a run made later gain more on terrains of other runs? Controls answer beside it."""
    import pandas as pd

    from experiments.commands.display import print_tables
    from experiments.meta.adaptability import adaptability as try_agents
    from experiments.meta.adaptability import foreign_tasks
    from experiments.meta.report import adaptability_summary, shown_adaptability, write_adaptability

    if len(runs) < 2:
        raise InputError("adaptability needs two runs or more: the agents of one are tried on terrains of the others")
    for name, value in (("--agents", agents), ("--tasks", tasks), ("--generations", generations)):
        whole_number(name, value, *COUNT)
    plan = _plan((0, generations), adaptation, pushes, episodes)
    execution = Execution(executor, workers, ray_address)
    with _opened([*runs, *(control or [])], output, assignments or [], engine, execution, trust, len(runs)) as work:
        found = []
        for name, stored in work.runs.items():
            foreign = foreign_tasks(work.runs, work.splits, name, tasks)
            if not foreign:
                raise InputError(f"{stored.folder}: all test terrains of the other runs are like some of its own")
            table = try_agents(name, stored, foreign, agents, plan, work.parts, work.show)
            found.append(table.assign(arm="runs" if name in work.splits else "controls"))
        every = pd.concat(found, ignore_index=True)
        summary = adaptability_summary(every)
        write_adaptability(every, summary, output)
    title = "Rank correlation with the time of creation, mean over runs (95 % interval over runs)"
    print_tables([(title, shown_adaptability(summary).map(str))])
    say(f"tables and plot: {output}")


@dataclass(frozen=True, eq=False)
class _Work:
    """What both studies need.

    Attributes:
        runs: opened, by name.
        splits: of those that are split, by name.
        parts: of the first run, with which agents adapt.
        show: told after each task.
    """

    runs: Mapping[str, Run]
    splits: Mapping[str, Split]
    parts: Parts
    show: Show


@contextmanager
def _opened(
    folders: Sequence[Path], output: Path, assignments: Sequence[str], engine: str | None, execution: Execution,
    trust: bool, num_split: int | None = None,
) -> Iterator[_Work]:  # fmt: skip
    """Runs that are open as long as the block, and what adapts agents to their terrains.

    Args:
        folders: of runs.
        output: must be free.
        assignments: ``key=value`` texts for the settings with which agents adapt.
        engine: None for the first run's.
        execution: where episodes run.
        trust: whether code that runs name may be imported.
        num_split: so many of the runs, the first ones, are split; None for all.
    """
    import os

    os.environ["MPLBACKEND"] = "agg"
    from agents.rollouts import check_engine
    from experiments.analysis.aggregate import run_names
    from experiments.commands.display import counted, prepare_engine
    from experiments.commands.trials import check_output
    from experiments.interrupts import stopping_cleanly
    from experiments.meta.clades import split_run
    from experiments.settings import resolve_config
    from experiments.trust import check_trust
    from poet.archive.reader import open_run
    from poet.parts import make_parts

    check_output(output)
    with stopping_cleanly(), ExitStack() as stack:
        names = run_names([*folders])
        runs = {name: stack.enter_context(open_run(path, trust)) for name, path in zip(names, folders, strict=True)}
        splits = {name: split_run(runs[name]) for name in names[:num_split]}
        first = next(iter(runs.values()))
        config = resolve_config(
            assignments=[_PAIRS, *assignments], flags={"evaluation.engine": engine}, base=first.config
        )
        check_trust(folders[0], config, trust, engine=engine)
        for run in runs.values():
            if (run.config.terrain.genotype, run.config.policy) != (config.terrain.genotype, config.policy):
                raise InputError(f"{run.folder} has another genotype or policy than {folders[0]}: leave it out")
        check_engine(config.evaluation.engine)
        executor = stack.enter_context(execution.open())
        parts = make_parts(config, executor.evaluate)
        prepare_engine(config.evaluation.engine, parts.policy)
        yield _Work(runs, splits, parts, stack.enter_context(counted("tasks")))


def _plan(generations: tuple[int, ...], adaptation: str, pushes: int, episodes: int) -> Plan:
    from experiments.meta.curves import Plan
    from poet.adaptation import ADAPTATIONS

    check_name("--adaptation", adaptation, [*ADAPTATIONS])
    whole_number("--pushes", pushes, *COUNT)
    whole_number("--episodes", episodes, *COUNT)
    return Plan(generations, adaptation, pushes, episodes)


def _learn(
    trainer: str,
    run: Path,
    output: Path,
    seed: int | None,
    assignments: list[str],
    engine: str | None,
    execution: Execution,
    trust: bool,
) -> None:
    """Make a run of a trainer on the training clades of another, or go on with it."""
    from experiments.controls.meta import tasks_text
    from experiments.controls.paced import archived_config, check_source, write_source
    from experiments.runner import check_settings
    from experiments.trust import check_trust
    from poet.archive.folder import is_free
    from poet.archive.reader import open_run

    source = Path(f"{output}.terrains.json")
    with open_run(run, trust) as stored, stored.at_one_moment():
        settings = archived_config(stored, trainer, str(source), assignments, seed, engine)
        if output.is_dir() and not is_free(output):
            check_settings(output, settings)
        else:
            check_new(output)
        check_trust(run, settings, trust, engine=engine)
        text = tasks_text(stored)
    check_source(source, text, output)
    go_on(output, settings, execution, lambda parts: write_source(source, text, parts))
    curve = poet_command("meta", "curves", run, "--learner", output, "--output", "FOLDER")
    say(f"see how its agent adapts to the held-out terrains by: {curve}")


def _add(trainer: str, about: str) -> None:
    """Add the command of a trainer."""

    def command(
        run: Tasks,
        output: NewRun,
        env_steps: Annotated[int, typer.Option("--env-steps", help="Of the new run, in all.")],
        seed: Seed = None,
        assignments: Assignments = None,
        engine: Engine = None,
        executor: ExecutorName = "local",
        workers: Workers = None,
        ray_address: RayAddress = None,
        trust: Trust = False,
    ) -> None:
        steps = whole_number("--env-steps", env_steps, *COUNT)
        execution = Execution(executor, workers, ray_address, steps)
        _learn(trainer, run, output, seed, assignments or [], engine, execution, trust)

    line = f"poet meta {trainer} runs/first --output runs/{trainer} --env-steps 20000000"
    app.command(trainer, help=about, epilog=examples(line))(shows_progress(command))


for _trainer, _about in (
    ("joint", "Train one agent on all training terrains of RUN at once, without adaptation: the arm to beat."),
    ("reptile", "Learn a start on RUN's training terrains: it goes where adaptation from it leads."),
    ("fomaml", "First-order MAML on RUN's training terrains: the start goes the way of each adaptation's last step."),
    ("es-maml", "ES on RUN's training terrains whose fitness is an agent's return after it has adapted."),
):
    _add(_trainer, f"{_about} Called again, it goes on.")
