"""``poet fingerprint`` and ``poet export``: what a run's record is worth to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import ExistingRun


def fingerprint(run: ExistingRun) -> None:
    """Print the SHA-256 of RUN's logical content, without clock times: equal for equal runs, however they were run."""
    from poet.archive.fingerprint import fingerprint as fingerprint_of

    print(fingerprint_of(run))


def export(
    run: ExistingRun,
    output: Annotated[Path, typer.Option("--output", help="Folder to make; must not exist.")],
) -> None:
    """Write RUN as Parquet tables, JSON terrains and genotypes, and npz agents."""
    from experiments.export import export_run
    from poet.archive.reader import open_run

    with open_run(run) as stored:
        lines = export_run(stored, output)
    print("\n".join(lines))
