"""``poet bench inner``, ``poet bench compare`` and ``poet bench evolution``: how good optimisers and settings are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from environments.errors import COUNT, InputError, check_name, whole_number
from experiments.commands.evolve import go_on
from experiments.commands.options import Assignments, Preset, Workers
from experiments.commands.quiet import is_quiet
from experiments.commands.show import analyse
from experiments.commands.terminal import say
from experiments.execution import Execution


def inner(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .csv to write.", show_default=False)],
    preset: Preset = None,
    assignments: Assignments = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Walkers for each task.")] = 5,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="One of the suite; may be repeated; all if not given.")
    ] = None,
    budget: Annotated[float, typer.Option("--budget", help="Env-steps that each walker may train for.")] = 30e6,
    every: Annotated[float, typer.Option("--every", help="Env-steps between two tests of a walker.")] = 1e6,
    workers: Workers = None,
) -> None:
    """Train walkers on grounds from flat to very hard, until each succeeds on four of five fresh ones.

    Of the settings, es, niche and evaluation count.
    """
    from agents.evaluation.local import LocalExecutor
    from experiments.commands.display import prepare_engine
    from experiments.files import write_text
    from experiments.interrupts import stopping_cleanly
    from experiments.tables import csv_text
    from experiments.yardstick.inner import chosen_learners, run_suite, suite_config
    from experiments.yardstick.tasks import TASKS
    from poet.parts import make_parts

    for name in task or []:
        check_name("--task", name, [known.name for known in TASKS])
    whole_number("--seeds", seeds, *COUNT)
    if not (budget > 0 and every > 0):
        raise InputError(f"--budget and --every must be numbers above 0, found {budget:g} and {every:g}")
    if output.suffix != ".csv":
        raise InputError(f"OUTPUT must be a .csv, found {output}")
    if output.exists() or not output.absolute().parent.is_dir():
        problem = "exists" if output.exists() else "has no folder to be in"
        raise InputError(f"OUTPUT must be a new file in a folder that is there, but {output} {problem}")
    config = suite_config(preset, assignments or [])
    with stopping_cleanly(), LocalExecutor(workers) as executor:
        parts = make_parts(config, executor.evaluate)
        prepare_engine(config.evaluation.engine, parts.policy)
        num_said = 0
        for table in run_suite(parts, chosen_learners(task, seeds), budget, every):
            write_text(output, csv_text(table))
            for row in [] if is_quiet() else table[num_said:].to_dict("records"):
                say(f"{row['task']}, seed {row['seed']}: {row['env_steps']:,} env-steps, {row['success_rate']:.0%}")
            num_said = len(table)
    say(f"{output} holds every test; set it beside others with: poet bench compare {output} OTHER.csv")


def compare(
    tables: Annotated[
        list[Path], typer.Argument(metavar="TABLE...", help="Outputs of poet bench inner.", show_default=False)
    ],
) -> None:
    """Medians over seeds, task by task: millions of env-steps to success, and the ratio to the first table's."""
    from experiments.analysis.aggregate import run_names
    from experiments.commands.display import print_tables
    from experiments.yardstick.inner import medians, read_table

    names = run_names([path.with_suffix("") for path in tables])
    found = medians({name: read_table(path) for name, path in zip(names, tables, strict=True)})
    shown = found.map(lambda value: f"{value:.2f}" if isinstance(value, float) else str(value))
    print_tables([("Medians over seeds; inf: most seeds did not succeed", shown)])


def evolution(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the runs are.", show_default=False)],
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Presets, a or b, or TOML files of settings.", show_default=False),
    ],
    seed: Annotated[list[int] | None, typer.Option("--seed", help="May be repeated; 1, 2 and 3 if not given.")] = None,
    env_steps: Annotated[int, typer.Option("--env-steps", help="Of each run.")] = 200_000_000,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="A key of the first NAME that an ablation leaves at its default; repeatable."),
    ] = None,
    assignments: Assignments = None,
) -> None:
    """Run settings for as many env-steps each, and report what each reached. Called again, runs go on."""
    from experiments.yardstick.evolution import make_entries

    if env_steps < 1:
        raise InputError(f"--env-steps must be 1 or more, found {env_steps}")
    entries = make_entries(folder, names, seed or [1, 2, 3], assignments or [], without or [])
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        go_on(entry.folder, entry.config, Execution(env_steps=env_steps))
    analyse([entry.folder for entry in entries], output=folder / "report")
