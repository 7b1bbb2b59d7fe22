"""``poet fingerprint``, ``poet verify``, ``poet export`` and ``poet import``: records for others, and of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import MAX_ID, ExistingRun, Trust
from experiments.commands.terminal import say


def fingerprint(run: ExistingRun) -> None:
    """Print the SHA-256 of what RUN did. Clock times and machines are left out: equal runs are equal."""
    from poet.archive.fingerprint import fingerprint as fingerprint_of

    say(fingerprint_of(run))


def verify(run: ExistingRun, trust: Trust = False) -> None:
    """Say whether the file of RUN is whole. Every row, theta, state and config is read and compared with its digest."""
    from agents.evaluation import make_executor
    from environments.errors import InputError
    from experiments.runner import stored_state
    from experiments.trust import check_trust
    from poet.archive.reader import open_run
    from poet.archive.verify import find_damage
    from poet.parts import make_parts

    with open_run(run) as stored, make_executor("local", 1, None) as executor:
        config = stored.config
        check_trust(run, config, trust)
        parts = make_parts(config, executor.evaluate)
        found = find_damage(run, parts.genotype_type)
        for iteration in stored.keyframes:
            try:
                stored_state(stored, parts, iteration)
            except InputError as error:
                found.append(f"state after iteration {iteration}: {error}")
        num_iterations = 0 if stored.iteration is None else stored.iteration + 1
    if found:
        more = [f"and {len(found) - 10} more"] if len(found) > 10 else []
        say(f"the archive of the run {run} is damaged:", *found[:10], *more, "restore it from a backup")
        raise typer.Exit(1)
    say(f"{run} is whole: {num_iterations} iterations with all their thetas and states")


def export(
    run: ExistingRun,
    output: Annotated[Path, typer.Option("--output", help="Folder to make; must not hold anything.")],
    form: Annotated[
        str, typer.Option("--format", help="files: tables, terrains, agents; minari: episodes, as Minari reads them.")
    ] = "files",
    niche: Annotated[
        list[int] | None,
        typer.Option("--niche", max=MAX_ID, help="Minari: whose agent walks; may be repeated; all if not given."),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option("--episodes", help="Minari: of each agent; 1, the archived one, if not given.")
    ] = None,
    trust: Trust = False,
) -> None:
    """Write RUN as Parquet, JSON and npz (tables, terrains with genotypes, agents), or episodes of its agents."""
    from environments.errors import InputError, check_name
    from experiments.interrupts import stopping_cleanly
    from poet.archive.reader import open_run

    check_name("--format", form, ("files", "minari"))
    if form == "files" and (niche or episodes is not None):
        raise InputError("--niche and --episodes choose episodes, which files do not have: add --format minari")
    with stopping_cleanly(), open_run(run, trust) as stored:
        if form == "minari":
            from experiments.trajectories import export_trajectories

            lines = export_trajectories(stored, output, niche or None, 1 if episodes is None else episodes)
        else:
            from experiments.export import export_run

            lines = export_run(stored, output)
    say(*lines)


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A walker's file, or a log folder of the released POET.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUTPUT", help="A .npz for a walker, a new folder for logs.", show_default=False),
    ],
) -> None:
    """Take over walkers of other programs, and what the released POET wrote. Nothing in SOURCE is run."""
    from environments.errors import InputError
    from experiments.released import import_logs, import_walker

    if not source.exists():
        raise InputError(f"there is no {source}: name a walker's file, or a log folder of the released POET")
    say(*(import_logs if source.is_dir() else import_walker)(source, output))
