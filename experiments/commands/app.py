"""The names of all commands.

Everything heavy is imported inside the commands, so that ``poet --help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from experiments.commands import bench, control, evolve, meta, record, settings, show, study, trials
from experiments.commands.example import takes_example
from experiments.commands.help import examples
from experiments.commands.quiet import shows_progress
from experiments.commands.terminal import say

app = typer.Typer(
    name="poet",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        say(f"poet {version('poet-open-ended')}")
        raise typer.Exit


@app.callback(
    epilog=examples(
        "poet replay --example",
        "poet run runs/first --preset demo",
        "poet analyse runs/first",
        "poet COMMAND --help",
    )
)
def poet(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Paired open-ended co-evolution of walkers and terrains: run, resume, look at, analyse."""


#: Each command with its examples, in the order of ``poet --help``.
_COMMANDS: dict[Callable[..., None], tuple[str, ...]] = {
    shows_progress(evolve.run): (
        "poet run runs/first --preset demo",
        "poet run runs/rough --preset desktop --seed 3 --set run.start_terrain='{\"roughness\": 1.2}'",
    ),
    shows_progress(evolve.resume): ("poet resume runs/first", "poet resume runs/first --iterations 200"),
    takes_example(show.status): ("poet status runs/first", "poet status runs/first --watch"),
    shows_progress(takes_example(show.replay)): (
        "poet replay --example",
        "poet replay runs/first --niche 3 --output walk.mp4",
    ),
    takes_example(show.view): ("poet view --example --open", "poet view runs/poet-1 runs/poet-2 runs/dr-1"),
    shows_progress(takes_example(show.analyse)): (
        "poet analyse runs/first",
        "poet analyse runs/poet-1 runs/poet-2 runs/poet-3 --output report",
    ),
    shows_progress(trials.evaluate): (
        "poet evaluate runs/first flat --on grid",
        "poet evaluate walker.zip --on dcd --output table",
    ),
    shows_progress(trials.compare): (
        "poet compare runs/poet-1 runs/poet-2 runs/dr-1 runs/dr-2 --on grid --output table",
    ),
    shows_progress(evolve.fork): (
        "poet fork runs/first runs/without --at 14 --reject transfer:8",
        "poet fork runs/first runs/larger --at 28 --set es.pairs=64",
    ),
    settings.config: (
        "poet config es.pairs",
        "poet config --preset demo --set es.pairs=64 > mine.toml",
    ),
    settings.presets: ("poet presets",),
    takes_example(record.fingerprint): ("poet fingerprint runs/first",),
    takes_example(record.verify): ("poet verify runs/first",),
    takes_example(record.export): (
        "poet export runs/first --output exported",
        "poet export runs/first --output episodes --format minari --niche 3",
    ),
}
for command, lines in _COMMANDS.items():
    app.command(epilog=examples(*lines))(command)
app.command(
    "import",
    epilog=examples("poet import walker.json walker.npz", "poet import logs/poet_run imported"),
)(record.import_)
app.add_typer(bench.app)
app.add_typer(control.app)
app.add_typer(meta.app)
app.add_typer(study.app)
