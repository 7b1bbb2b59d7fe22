"""``poet evaluate`` and ``poet compare``: any agent on any ground, and arms of runs against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.errors import COUNT, InputError, whole_number
from experiments.commands.options import Engine, ExecutorName, RayAddress, Trust, Workers
from experiments.commands.terminal import say
from experiments.execution import Execution

if TYPE_CHECKING:
    import pandas as pd

    from experiments.comparison.comparing import Budget
    from experiments.suites import Suite
    from experiments.suites.evaluation import Trial
    from poet.archive.reader import Run

#: With more agents than this, a line for each is printed, and their cells are in the files alone.
_MAX_COLUMNS = 6


def evaluate(
    agents: Annotated[
        list[str],
        typer.Argument(
            metavar="AGENT...",
            help="A run (its active niches), RUN:NICHE, a shipped walker, or a file: .npz, .json, .zip, .pt, .pth.",
            show_default=False,
        ),
    ],
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            metavar="SUITE",
            help="dcd, grid, roses, a .toml, a terrain's .json, or a run (its niches; or ./dcd); may be repeated.",
        ),
    ] = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Of each cell; the suite's if not given.")] = None,
    sampled: Annotated[
        bool, typer.Option("--sampled", help="Add the noise of their training to actions, as ACCEL's tests do.")
    ] = False,
    activations: Annotated[
        str | None, typer.Option("--activations", help="Of PyTorch state dicts, such as tanh,linear.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for tables and plots; nothing is written if not given.")
    ] = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Try agents of any origin on fixed grounds: how often each succeeds, with the scores and lengths."""
    import pandas as pd

    from agents.rollouts import check_engine
    from experiments.commands.display import counted, prepare_engine, print_tables
    from experiments.interrupts import stopping_cleanly
    from experiments.suites.agents import find_agents
    from experiments.suites.evaluation import Trial, by_agent, summary
    from experiments.suites.evaluation import evaluate as run_trials

    check_engine(engine or "simd")
    if episodes is not None:
        whole_number("--episodes", episodes, *COUNT)
    check_output(output)
    trial = Trial(engine or "simd", sampled)
    with stopping_cleanly(), ExitStack() as stack:
        names = None if activations is None else [name.strip() for name in activations.split(",")]
        found = find_agents(agents, names, trust)
        ages = pd.DataFrame([(agent.name, agent.iteration, agent.newest) for agent in found])
        ages = ages.set_axis(["agent", "iteration", "newest"], axis=1).astype({"iteration": "Int64", "newest": "Int64"})
        suites = [_suite(name, episodes, trust) for name in on or []]
        if not suites:
            raise InputError("name the grounds: --on dcd, --on grid, --on roses, a .toml file, a terrain or a run")
        if len({suite.name for suite in suites}) < len(suites):
            raise InputError(
                f"suites must have names of their own, but are {', '.join(suite.name for suite in suites)}"
            )
        runner = stack.enter_context(Execution(executor, workers, ray_address).open())
        for policy in dict.fromkeys(agent.policy for agent in found):
            prepare_engine(trial.engine, policy)
        show = stack.enter_context(counted("episodes"))
        table = pd.concat([run_trials(found, suite, runner, trial, show) for suite in suites])
        cells = summary(table)
        if output is not None:
            _write(output, suites, table, cells, ages)
    if len(found) <= _MAX_COLUMNS:
        print_tables([_by_cell(cells[cells["suite"] == suite.name]) for suite in suites])
    means = by_agent(cells)
    if ages["iteration"].notna().any():
        means = means.merge(ages, on="agent", how="left")
    print_tables([("Means over cells, and cells with 80 % or more", means.map(_shown))])
    if behind := [agent.name for agent in found if agent.is_behind]:
        say(
            f"{len(behind)} of {len(found)} agents are older than the last of their niches (newest), which their run "
            "has not stored: it does so every checkpoint.theta_every iterations and at its end"
        )
    if output is not None:
        say(f"tables and plots: {output}")


def _suite(name: str, episodes: int | None, trust: bool) -> Suite:
    """A shipped suite, also where a folder has its name; else a run's niches, or a file."""
    from experiments.suites import load_suite, suite_names, suite_of_run
    from poet.archive.reader import open_run

    if name in suite_names() or not Path(name).is_dir():
        return load_suite(name, episodes)
    with open_run(name, trust) as run:
        return suite_of_run(run, name, episodes)


def _by_cell(cells: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Cells by agents: successes with their interval."""
    from experiments.analysis.success import percentage

    texts = [
        f"{percentage(rate)} ({percentage(low)} to {percentage(high)}), {score:.0f}"
        for rate, low, high, score in cells[["success_rate", "low", "high", "score_mean"]].itertuples(index=False)
    ]
    shown = cells.assign(text=texts).pivot(index="cell", columns="agent", values="text")
    shown = shown.loc[cells["cell"].unique(), cells["agent"].unique()].reset_index()
    title = f"{cells['suite'].iloc[0]}: successes of {cells['episodes'].iloc[0]} episodes (95 % interval), mean score"
    return title, shown


def _shown(value: object) -> str:
    import pandas as pd

    if pd.isna(value) or not str(value):  # type: ignore[call-overload]  # a cell is a scalar
        return "-"
    if isinstance(value, int) and value >= 10_000:
        return f"{value:,}"
    if isinstance(value, float) and abs(value) >= 10_000.0:
        return f"{value:,.0f}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _write(output: Path, suites: list[Suite], table: pd.DataFrame, cells: pd.DataFrame, ages: pd.DataFrame) -> None:
    """All files or none."""
    import json
    import os

    os.environ["MPLBACKEND"] = "agg"
    from experiments.analysis.suite_plot import plot_success
    from experiments.analysis.theme import save_figure
    from experiments.drafts import new_folder
    from experiments.files import write_text
    from experiments.tables import csv_text

    about = {suite.name: {"about": suite.about, "digest": suite.digest} for suite in suites}
    with new_folder(output) as folder:
        table.to_parquet(folder / "episodes.parquet", index=False)
        write_text(folder / "cells.csv", csv_text(cells))
        write_text(folder / "agents.csv", csv_text(ages))
        write_text(folder / "suites.json", json.dumps(about, indent=1) + "\n")
        for i, suite in enumerate(suites):
            save_figure(plot_success(cells[cells["suite"] == suite.name]), folder / f"success-{i + 1}.png")


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, called ARM-SEED.", show_default=False)
    ],
    on: Annotated[
        str, typer.Option("--on", metavar="SUITE", help="dcd, grid, roses, a .toml or a terrain's .json.")
    ] = "grid",
    env_steps: Annotated[
        int | None, typer.Option("--env-steps", help="Where runs are looked at; the end of the shortest if not given.")
    ] = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Of each cell; the suite's if not given.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for all tables and plots; nothing is written if not given.")
    ] = None,
    engine: Engine = None,
    workers: Workers = None,
    trust: Trust = False,
) -> None:
    """Compare arms of runs at equal env-steps, by what their agents can do on a suite. The seed is the unit."""
    import os

    os.environ["MPLBACKEND"] = "agg"
    from agents.rollouts import check_engine
    from experiments.analysis.aggregate import run_names
    from experiments.commands.display import print_tables
    from experiments.comparison.arms import arms_of
    from experiments.comparison.comparing import budgets, check_arms, compared_steps
    from experiments.comparison.report import compare_runs, main_tables, write_comparison
    from experiments.interrupts import stopping_cleanly
    from experiments.suites.evaluation import Trial
    from poet.archive.reader import open_run

    check_engine(engine or "simd")
    if episodes is not None:
        whole_number("--episodes", episodes, *COUNT)
    check_output(output)
    trial = Trial(engine or "simd")
    with stopping_cleanly(), ExitStack() as stack:
        names = run_names(runs)
        opened = {name: stack.enter_context(open_run(path, trust)) for name, path in zip(names, runs, strict=True)}
        arms = arms_of({name: run.config for name, run in opened.items()})
        check_arms(arms)
        steps, at = compared_steps(opened, env_steps), budgets(opened, env_steps)
        ((suite, tried),) = try_on_suites(opened, at, [on], episodes, workers, trial)
        comparison = compare_runs(opened, arms, at, steps, suite, tried)
        if output is not None:
            write_comparison(comparison, output)
    print_tables([(title, table.map(_shown)) for title, table in main_tables(comparison)])
    say(*comparison.remarks)
    say(f"tables, plots and comparison.json: {output}" if output else "all else, and plots, come with --output FOLDER")


def try_on_suites(
    opened: Mapping[str, Run],
    at: Mapping[str, Budget],
    places: Sequence[str],
    episodes: int | None,
    workers: int | None,
    trial: Trial,
) -> list[tuple[Suite, pd.DataFrame]]:
    """Each suite, and what ``try_runs`` finds on it, with progress.

    Args:
        opened, at, trial: see ``try_runs``.
        places: what ``load_suite`` takes.
        episodes: of each cell; None for as many as the suite says.
        workers: None for all cores.
    """
    from experiments.commands.display import counted, prepare_engine
    from experiments.comparison.comparing import try_runs
    from experiments.suites import SELECTION_OFFSET, load_suite

    suites = [(load_suite(place, episodes), load_suite(place, episodes, SELECTION_OFFSET)) for place in places]
    with Execution(workers=workers).open() as runner:
        for policy in dict.fromkeys(run.policy for run in opened.values()):
            prepare_engine(trial.engine, policy)
        with counted("episodes") as show:
            return [(suite, try_runs(opened, at, suite, selection, runner, trial, show)) for suite, selection in suites]


def check_output(output: Path | None) -> None:
    """Refuse a folder for tables that is neither new nor empty; None is none.

    Raises:
        InputError: it is a file, a link, or holds files.
    """
    from experiments.files import check_sub_folder

    if output is not None and check_sub_folder(output).is_dir() and any(output.iterdir()):
        raise InputError(f"--output must be a new or empty folder, but {output} holds files: name another")
