"""``poet bench``: how fast rollouts are; its sub-commands, how good optimisers and settings are."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from environments.errors import InputError
from experiments.commands import yardstick
from experiments.commands.help import examples
from experiments.commands.quiet import is_quiet, shows_progress
from experiments.commands.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.throughput.measure import Case, Measurement
    from experiments.throughput.report import BenchReport


app = typer.Typer(
    name="bench", help="Measure speed; or, as a sub-command, optimisers and settings.", invoke_without_command=True
)
app.command(
    epilog=examples(
        "poet bench inner es.csv --preset desktop --seeds 3",
        "poet bench inner one.csv --task 'rough 1' --set es.strategy=standardised_es",
    )
)(shows_progress(yardstick.inner))
app.command(epilog=examples("poet bench compare es.csv standardised.csv"))(yardstick.compare)
app.command(
    epilog=examples(
        "poet bench evolution runs/ceiling desktop no-ceiling.toml --env-steps 50000000",
        "poet bench evolution runs/a demo a --without es.strategy",
    )
)(shows_progress(yardstick.evolution))


@app.callback(
    epilog=examples("poet bench", "poet bench --engine simd --no-start --output speed.md", "poet bench --vector")
)
@shows_progress
def bench(
    context: typer.Context,
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", help="An engine to measure; may be repeated; all that run here if not given."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            help="Somebody else's walkers: gymnasium, envpool; may be repeated; all that are installed if not given.",
        ),
    ] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Whether compilation is measured too.")] = True,
    vector: Annotated[
        bool,
        typer.Option("--vector", help="Measure vector envs of 16, 64 and 1,024 worlds instead, against EnvPool's."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="A .md or .json to write; nothing is written if not given.")
    ] = None,
) -> None:
    """Measure control steps a second. Our engines with policy, others without; stages; compilation."""
    if context.invoked_subcommand is not None:
        if engine or against or output or vector or not start or is_quiet():
            raise InputError(f"the options of poet bench are not those of poet bench {context.invoked_subcommand}")
        return
    from agents.rollouts import available_engines, check_engine
    from experiments.interrupts import stopping_cleanly
    from experiments.throughput.others import check_other
    from experiments.throughput.report import check_output, write_report

    for name in engine or []:
        check_engine(name)
    for name in against or []:
        check_other(name)
    if output is not None:
        check_output(output)
    if vector and (engine or not start or set(against or []) - {"envpool"}):
        raise InputError(
            "--vector measures the engine simd against envpool alone: leave out --engine, --no-start, --against"
        )
    with stopping_cleanly():
        report = _vector_envs_measured() if vector else _measured(engine or available_engines(), against, start)
        if output is not None:
            write_report(report, output)
            say(f"{output} holds these figures")


def _vector_envs_measured() -> BenchReport:
    """Measure vector envs, and say what is found."""
    from experiments.throughput.others import HOW_TO_INSTALL, is_installed
    from experiments.throughput.vector import VectorReport, envpool_cases, our_cases

    facts = _facts()
    is_compared = is_installed("envpool")
    ours = our_cases()
    found = _timed([*ours, *(envpool_cases() if is_compared else [])])
    names = {case.who for case in ours}
    return _said(
        VectorReport(
            command=shlex.join(["poet", *sys.argv[1:]]),
            facts=facts,
            ours=[row for row in found if row.who in names],
            others=[row for row in found if row.who not in names],
            stages={},
            start=None,
            missing=[] if is_compared else [HOW_TO_INSTALL["envpool"]],
        )
    )


def _measured(engines: list[str], against: list[str] | None, is_start_measured: bool) -> BenchReport:
    """Measure engines, and say what is found."""
    from experiments.throughput.others import HOW_TO_INSTALL, OTHERS, is_installed
    from experiments.throughput.ours import engine_cases, stages
    from experiments.throughput.report import BenchReport
    from experiments.throughput.start import measure_start
    from poet.config import Config

    facts = _facts()
    names = against or [name for name in OTHERS if is_installed(name)]
    cases = [case for name in engines for case in engine_cases(name)]
    found = _timed(cases + [case for name in names for case in OTHERS[name]()])
    by_engine = {name: by_ground for name in engines if (by_ground := stages(name))}
    usual = Config().evaluation.engine
    begun = None
    if is_start_measured:
        say("Now everything is recompiled, to see how long that takes.")
        begun = measure_start(usual if usual in engines else engines[0])
    return _said(
        BenchReport(
            command=shlex.join(["poet", *sys.argv[1:]]),
            facts=facts,
            ours=[row for row in found if row.who in engines],
            others=[row for row in found if row.who not in engines],
            stages=by_engine,
            start=begun,
            missing=[HOW_TO_INSTALL[name] for name in OTHERS if not against and name not in names],
        )
    )


def _facts() -> dict[str, str]:
    """The machine, as said."""
    from experiments.throughput.machine import machine_facts

    facts = machine_facts()
    say(*(f"{name}: {value}" for name, value in facts.items()))
    return facts


def _timed(cases: Sequence[Case]) -> list[Measurement]:
    """Every case in turn. Box2D calls Python and aborts if that raises, so Ctrl-C acts between timings."""
    from environments.signals import held
    from experiments.commands.display import compiling, counted
    from experiments.throughput.measure import measure

    with counted("timings") as count, held() as let_through, compiling("the kernels of what is measured", let_through):

        def tell(num_done: int, num_all: int) -> None:
            count(num_done, num_all)
            let_through()

        return measure(cases, tell)


def _said(report: BenchReport) -> BenchReport:
    """The report, after its tables were printed."""
    import pandas as pd

    from experiments.commands.display import print_tables

    print_tables([(table.title, pd.DataFrame(table.rows, columns=list(table.columns))) for table in report.tables()])
    say(*report.missing)
    return report
