"""``poet status``, ``poet replay`` and ``poet analyse``: the commands that look at runs."""

from __future__ import annotations

from experiments.commands.options import ExistingRun


def status(run: ExistingRun) -> None:
    """Say where RUN stands. Works while it runs: iteration, niches, scores, speed, time left."""
    from experiments.status import read_status, status_lines
    from poet.archive.reader import open_run

    with open_run(run) as stored:
        found = read_status(stored)
    if found is None:
        print(f"{run} has no iteration on disk yet")
        return
    print("\n".join(status_lines(run, found)))


def replay() -> None:
    """X."""


def analyse() -> None:
    """X."""
