"""Where a run stands, from its archive alone; works while another process writes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from experiments.analysis.annecs import annecs_frame
from experiments.progress import duration
from experiments.settings import describe, differences
from experiments.text import poet_command
from poet.annecs import AnnecsCount
from poet.archive.lock import writer_of

if TYPE_CHECKING:
    from poet.archive.reader import Run

#: Iterations over which speed and time left are estimated.
_RECENT = 25
#: Niches that a terminal shows.
_MAX_LISTED = 40


@dataclass(frozen=True)
class NicheStatus:
    """One niche.

    Attributes:
        id, parent_id, created, retired, is_solved: see ``poet.types``; ``retired`` is None while it is active.
        score: of its agent's last version.
    """

    id: int
    parent_id: int | None
    created: int
    retired: int | None
    is_solved: bool
    score: float


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment.

    Attributes:
        iteration, iterations: done and wanted.
        niches: all of them, active and retired, by id.
        num_accepted, num_attempts: periodic transfers.
        annecs: both counts; None where they are unknown.
        env_steps, episodes: spent so far.
        steps_per_second, seconds_per_iteration: over the last iterations.
        writer: process id of who writes it now; 0 if that is not known, None if nobody does.
        settings: what differs from the defaults, in one line.
    """

    iteration: int
    iterations: int
    niches: tuple[NicheStatus, ...]
    num_accepted: int
    num_attempts: int
    annecs: AnnecsCount | None
    env_steps: int
    episodes: int
    steps_per_second: float
    seconds_per_iteration: float
    writer: int | None
    settings: str


def read_status(run: Run) -> RunStatus | None:
    """Where a run stands; None before anything is recorded."""
    with run.at_one_moment():
        iteration = run.iteration
        return None if iteration is None else _read(run, iteration)


def _read(run: Run, iteration: int) -> RunStatus:
    config = run.config
    clock, transfers = run.iterations, run.transfers
    recent = clock[clock["iteration"] > 0].tail(_RECENT)
    seconds = float(recent["seconds"].sum())
    periodic = transfers[transfers["candidate_id"].isna()]
    return RunStatus(
        iteration=iteration,
        iterations=config.run.iterations,
        niches=_niches(run),
        num_accepted=int((periodic["outcome"] == "accepted").sum()),
        num_attempts=len(periodic),
        annecs=_annecs(run, iteration),
        env_steps=int(clock["env_steps"].sum()),
        episodes=int(clock["episodes"].sum()),
        steps_per_second=float(recent["env_steps"].sum()) / seconds if seconds else 0.0,
        seconds_per_iteration=seconds / len(recent) if len(recent) else 0.0,
        writer=writer_of(run.folder),
        settings=describe(differences(config)),
    )


def status_lines(folder: Path, status: RunStatus) -> list[str]:
    """A status in words."""
    active = [niche for niche in status.niches if niche.retired is None]
    best = max(active, key=lambda niche: niche.score)
    num_solved = sum(niche.is_solved for niche in status.niches)
    left = (status.iterations - status.iteration) * status.seconds_per_iteration
    finished = status.iteration >= status.iterations
    idle = "finished" if finished else f"stopped; go on with: {poet_command('resume', folder)}"
    doing = idle if status.writer is None else f"running, process {status.writer or 'unknown'}"
    time_left = [f"time left   about {duration(left)}"] if not finished and status.seconds_per_iteration else []
    return [
        f"run         {folder}: {doing}",
        f"settings    {status.settings}",
        f"iteration   {status.iteration} of {status.iterations}",
        f"niches      {len(active):,} active, {len(status.niches) - len(active):,} retired, {num_solved:,} solved",
        f"best        {best.score:.1f} in niche {best.id}",
        f"transfers   {status.num_accepted:,} accepted of {status.num_attempts:,}",
        f"ANNECS      {_annecs_words(status.annecs)}",
        f"env-steps   {status.env_steps:,} in {status.episodes:,} episodes",
        f"speed       {status.steps_per_second:,.0f} steps/s lately",
        *time_left,
        "",
        f"{'niche':>6}{'parent':>8}{'created':>9}{'retired':>9}{'solved':>8}{'score':>10}",
        *_niche_lines(folder, status.niches),
    ]


def _niche_lines(folder: Path, niches: Sequence[NicheStatus]) -> list[str]:
    """The active ones, then as many of those who retired last as there is room for; each by id."""
    latest = sorted(niches, key=lambda n: (n.retired is None, -1 if n.retired is None else n.retired, n.id))
    listed = sorted(latest[-_MAX_LISTED:], key=lambda n: (n.retired is not None, n.id))
    lines = [_niche_line(niche) for niche in listed]
    if num_more := len(niches) - len(listed):
        lines.append(f"and {num_more:,} more: all are in the tables of: {poet_command('analyse', folder)}")
    return lines


def _annecs_words(annecs: AnnecsCount | None) -> str:
    if annecs is None:
        return "unknown: its niches were not judged by all agents at their admission"
    more = f", {annecs.passed_unsolved} passed and not yet solved"
    return f"{annecs.paper} created and solved{more}; {annecs.released} as the released code counts"


def _niches(run: Run) -> tuple[NicheStatus, ...]:
    niches, scores = run.niches, run.last_scores()
    retired = run.retirements.set_index("niche_id")["iteration"].to_dict()
    solved = set(run.solved["niche_id"])
    parents = niches["parent_id"].astype(object).where(niches["parent_id"].notna(), None)
    return tuple(
        NicheStatus(niche_id, parent_id, created, retired.get(niche_id), niche_id in solved, scores[niche_id])
        for niche_id, parent_id, created in zip(niches["niche_id"], parents, niches["iteration"], strict=True)
    )


def _annecs(run: Run, iteration: int) -> AnnecsCount | None:
    last = annecs_frame(run.niches, run.judgements, run.solved, iteration).iloc[-1]
    if pd.isna(last["annecs_paper"]):
        return None
    return AnnecsCount(int(last["annecs_paper"]), int(last["passed_unsolved"]), int(last["annecs_released"]))


def _niche_line(niche: NicheStatus) -> str:
    parent = "" if niche.parent_id is None else niche.parent_id
    retired = "" if niche.retired is None else niche.retired
    solved = "yes" if niche.is_solved else ""
    score = f"{niche.score:.1f}" if math.isfinite(niche.score) else "diverged"
    return f"{niche.id:>6} {parent:>7} {niche.created:>8} {retired:>8} {solved:>7} {score:>9}"
