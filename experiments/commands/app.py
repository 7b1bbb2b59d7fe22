"""The names of all commands.

Everything heavy is imported inside the commands, so that ``poet --help`` answers at once.
"""

from __future__ import annotations

import typer

from experiments.commands import bench, control, evolve, record, show, study, trials

app = typer.Typer(
    name="poet",
    help="Paired open-ended co-evolution of walkers and terrains: run, resume, look at, analyse.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    evolve.run, evolve.resume, show.status, show.replay, show.view, show.analyse, trials.evaluate, trials.compare,
    evolve.fork,
    record.fingerprint, record.verify, record.export,
):  # fmt: skip
    app.command()(command)
app.add_typer(bench.app)
app.add_typer(control.app)
app.add_typer(study.app)
