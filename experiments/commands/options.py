"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from environments.engines import AUTO, ENGINES
from experiments.presets import preset_names

#: The greatest id or iteration that SQLite can hold.
MAX_ID = 2**63 - 1


def complete_keys(incomplete: str) -> Iterable[str]:
    """Config keys and sections for a shell that completes a word."""
    from poet.config import Config, config_keys

    return [name for name in (*Config.model_fields, *config_keys()) if name.startswith(incomplete)]


def _complete_assignments(incomplete: str) -> Iterable[str]:
    from poet.config import config_keys

    return [f"{key}=" for key in config_keys() if key.startswith(incomplete)]


def _complete_presets(incomplete: str) -> Iterable[str]:
    return [name for name in preset_names() if name.startswith(incomplete)]


ExistingRun = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.", show_default=False)]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A config value, such as es.pairs=64; may be repeated. poet config lists the keys.",
        autocompletion=_complete_assignments,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help=f"Named settings to start from: {', '.join(preset_names())}.",
        autocompletion=_complete_presets,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine", help=f"Who integrates: {', '.join((*ENGINES, AUTO))}, package.module:Name; changes no result."
    ),
]
ExecutorName = Annotated[str, typer.Option("--executor", help="Where episodes run: local or ray.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", help="Cores that run episodes: threads or processes; all if not given.", show_default=False
    ),
]
RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="A running Ray cluster; a Ray of its own if not given.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Import code that the run names as package.module:Name, which may do anything.")
]
Iterations = Annotated[int | None, typer.Option("--iterations", help="Stop after this many iterations in all.")]
Log = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="LOGGER",
        help="Take each iteration's numbers to tensorboard, wandb, mlflow or package.module:Name; LOGGER:PLACE says "
        "where. May be repeated; changes no result.",
    ),
]
EnvSteps = Annotated[
    int | None, typer.Option("--env-steps", help="Stop after the iteration that reaches this many env-steps in all.")
]
