"""``poet fingerprint`` and ``poet export``: what a run's record is worth to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import ExistingRun


def fingerprint(run: ExistingRun) -> None:
    """Print the SHA-256 of what RUN did. Clock times and machines are left out: equal runs are equal."""
    from poet.archive.fingerprint import fingerprint as fingerprint_of

    print(fingerprint_of(run))


def export(
    run: ExistingRun,
    output: Annotated[Path, typer.Option("--output", help="Folder to make; must not exist.")],
) -> None:
    """Write RUN as Parquet, JSON and npz. Tables, terrains with genotypes, and agents, in a new folder."""
    from experiments.export import export_run
    from experiments.interrupts import stopping_cleanly
    from poet.archive.reader import open_run

    with stopping_cleanly(), open_run(run) as stored:
        lines = export_run(stored, output)
    print("\n".join(lines))
