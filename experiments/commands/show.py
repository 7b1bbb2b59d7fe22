"""``poet status``, ``poet replay``, ``poet view`` and ``poet analyse``: the commands that look at runs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from environments.errors import InputError
from experiments.commands.options import MAX_ID, Engine, ExecutorName, ExistingRun, RayAddress, Trust, Workers
from experiments.commands.terminal import say
from experiments.execution import Execution

#: Seconds between two looks at a run.
_WATCH_SECONDS = 2.0
#: About how many lines a status has besides those of its niches.
_LINES_BEFORE_NICHES = 18
#: The film of the example, where no window can be opened; in the current folder.
_EXAMPLE_FILM = Path("poet-example.gif")


def status(
    run: ExistingRun,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again, until RUN is finished or Ctrl-C comes.")
    ] = False,
) -> None:
    """Say where RUN stands. Works while it runs: iteration, niches, success over time, speed, time left."""
    if watch:
        _watch(run)
    else:
        say(*_status_lines(run)[0])


def _status_lines(folder: Path, height: int | None = None) -> tuple[list[str], bool]:
    """What there is to say of a run, in about so many lines, if that matters, and whether it is finished."""
    from experiments.status import read_status, status_lines
    from poet.archive.reader import open_run

    with open_run(folder) as stored:
        found = read_status(stored)
    if found is None:
        return [f"{folder} has no iteration on disk yet"], False
    room = {} if height is None else {"max_listed": max(1, height - _LINES_BEFORE_NICHES)}
    return status_lines(folder, found, **room), found.is_finished


def _watch(folder: Path) -> None:
    from experiments.commands.display import redrawn
    from experiments.interrupts import stopping_cleanly

    is_finished = False
    with stopping_cleanly(), redrawn() as show:
        while not is_finished:
            begun = time.monotonic()
            lines, is_finished = _status_lines(folder, shutil.get_terminal_size().lines)
            show(lines)
            # A large archive takes a while to read; most of the time is left to the run.
            time.sleep(0 if is_finished else max(_WATCH_SECONDS, 4 * (time.monotonic() - begun)))


def replay(
    run: ExistingRun,
    niche: Annotated[
        int | None, typer.Option("--niche", max=MAX_ID, help="Whose terrain; if not given, a hard one that is solved.")
    ] = None,
    agent: Annotated[
        int | None, typer.Option("--agent", max=MAX_ID, help="Who walks; the niche's own agent if not given.")
    ] = None,
    iteration: Annotated[
        int | None, typer.Option("--iteration", max=MAX_ID, help="The agent's latest stored version at or before it.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="Whose episode is compared with the archive; Box2D's is the one drawn.")
    ] = "box2d",
    terrain: Annotated[
        Path | None,
        typer.Option(
            "--terrain", metavar="FILE", help="A terrain's .json to walk on; with the agent that it names, if it does."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help=f"A .mp4, .gif or .png to write; a window if not given, or {_EXAMPLE_FILM} for --example without one.",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Run every stored pair again and compare with the archive instead; with --terrain, that one walk.",
        ),
    ] = False,
    workers: Workers = None,
    trust: Trust = False,
) -> None:
    """Show an agent of RUN, or verify all. One walk is drawn; --verify compares every stored pair with the archive."""
    from agents.rollouts import check_engine

    check_engine(engine)
    if not verify or terrain is not None:
        _show(run, (niche, agent, iteration), engine, output, trust, terrain, verify)
        return
    from experiments.commands.display import counted, prepare_engine
    from experiments.interrupts import stopping_cleanly
    from experiments.replay.verify import verify as verify_pairs

    if output is not None:
        raise InputError(f"--verify writes no file, found --output {output}: leave one of the two out")
    with stopping_cleanly(), counted("stored pairs") as count:
        report = verify_pairs(run, niche, agent, iteration, workers, count, engine, prepare_engine, trust)
    say(*report.lines())
    raise typer.Exit(report.exit_status)


def _show(
    folder: Path,
    chosen: tuple[int | None, int | None, int | None],
    engine: str,
    output: Path | None,
    trust: bool,
    terrain: Path | None,
    is_verified: bool,
) -> None:
    from experiments.commands.display import counted, prepare_engine
    from experiments.example import is_example
    from experiments.interrupts import stopping_cleanly
    from experiments.replay.render import has_display
    from experiments.replay.render import replay as replay_pair
    from poet.archive.reader import open_run

    if is_example(folder) and output is None and not is_verified and not has_display():
        output = _EXAMPLE_FILM  # the first command that anyone tries shows something, also on a server
    with stopping_cleanly(), open_run(folder, trust) as stored, counted("pictures") as count:
        report = replay_pair(stored, *chosen, output, engine, count, prepare_engine, terrain, is_verified)
    say(*report.lines())
    raise typer.Exit(report.exit_status)


def view(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where it listens; 0 for any free one.")] = 0,
    host: Annotated[
        str, typer.Option("--host", help="The address that it listens at; by default nobody else can reach it.")
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show runs in a browser while they go on: niches, scores, walkers; several also side by side. Ctrl-C ends it."""
    import webbrowser
    from contextlib import ExitStack, closing

    from experiments.analysis.aggregate import run_names
    from experiments.interrupts import stopping_cleanly
    from experiments.view.server import Server
    from experiments.view.watched import Watched

    with stopping_cleanly(), ExitStack() as stack:
        folders = zip(run_names(runs), runs, strict=True)
        watched = [stack.enter_context(closing(Watched(name, folder))) for name, folder in folders]
        server = stack.enter_context(Server(watched, host, port))
        say(f"{'pages' if len(runs) > 1 else 'page'} of {', '.join(run.name for run in watched)}; Ctrl-C ends it")
        say(server.address)
        if open_browser:
            webbrowser.open(server.address)
        server.serve_forever()


def analyse(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Folder of the report; RUN/report if not given, report for several runs or --example."
        ),
    ] = None,
    matrix: Annotated[
        int, typer.Option("--matrix", help="Niches whose agents are all run on each other's terrains; 0 for none.")
    ] = 20,
    shadow: Annotated[
        Path | None, typer.Option("--shadow", help="Folder of the run's neutral shadow; RUN/neutral if not given.")
    ] = None,
    engine: Engine = None,
    executor: ExecutorName = "local",
    workers: Workers = None,
    ray_address: RayAddress = None,
    trust: Trust = False,
) -> None:
    """Report on runs: tables and plots of growth, over seeds for several; for one, a page where its walkers walk."""
    import os
    from contextlib import ExitStack

    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend may not exist here, and no plot is shown
    from agents.rollouts import check_engine
    from experiments.analysis.aggregate import run_names
    from experiments.analysis.readable import render_tables
    from experiments.analysis.report import INDEX, MatrixOptions, check_output, write_report
    from experiments.analysis.run_tables import read_tables
    from experiments.analysis.shadow_file import FILE_NAME
    from experiments.commands.display import counted, prepare_engine, print_tables
    from experiments.example import is_example
    from experiments.files import check_sub_folder, write_text
    from experiments.interrupts import stopping_cleanly
    from experiments.page import FILE_NAME as PAGE_NAME
    from experiments.page import make_page
    from poet.archive.reader import open_run

    if matrix < 0 or matrix == 1:
        raise InputError(f"--matrix must be 0, or 2 or more niches, found {matrix}")
    if shadow is not None and len(runs) > 1:
        raise InputError(f"--shadow is for one run, found {len(runs)} runs: each run's own is in RUN/neutral")
    if shadow is not None and not (shadow / FILE_NAME).is_file():
        raise InputError(f"--shadow {shadow} holds no {FILE_NAME}: name the --output of poet control neutral")
    if engine is not None:
        check_engine(engine)
    if output is None:
        has_own = len(runs) == 1 and not is_example(runs[0])
        output = check_sub_folder(runs[0] / "report") if has_own else Path("report")
    check_output(output, len(runs))
    with stopping_cleanly(), ExitStack() as stack:
        folders = dict(zip(run_names(runs), runs, strict=True))
        stored = {name: stack.enter_context(open_run(path, trust)) for name, path in folders.items()}
        tables = {name: read_tables(run, shadow) for name, run in stored.items()}
        print_tables(render_tables(tables))
        options = None
        if matrix:
            runner = stack.enter_context(Execution(executor, workers, ray_address).open())
            for name, policy in {(engine or run.engine, run.policy) for run in stored.values()}:
                prepare_engine(name, policy)
            show = stack.enter_context(counted("episodes of every agent on every terrain"))
            options = MatrixOptions(runner, matrix, engine, show)
        # Made before anything is written, since it reads more of an archive than the report does: it may be damaged.
        pages = [make_page(name, run, tables[name], INDEX) for name, run in stored.items()] if len(runs) == 1 else []
        report = write_report(stored, output, options, shadow, PAGE_NAME if pages else None)
        for page in pages:
            write_text(output / PAGE_NAME, page)
    say(f"report: {report}", *(f"page: {output / PAGE_NAME}" for _ in pages))
