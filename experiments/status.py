"""The status of a run, read from its archive alone, also while another process writes it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.analysis.annecs import annecs_frame
from experiments.analysis.success import percentage, rates_by_niche, rates_over_time
from experiments.progress import duration
from experiments.settings import NO_END, describe, differences
from experiments.text import poet_command, sparkline
from poet.annecs import AnnecsCount, admissible_niches
from poet.archive.lock import writer_of
from poet.events import AnyEvent, NicheJudged, TransferAttempted, ValidationSet
from poet.trainers import shown_events
from poet.validation import ROBUST_RATE

if TYPE_CHECKING:
    from poet.archive.reader import Run

#: How many of the last iterations are used to estimate speed and remaining time.
_RECENT = 25
#: The most niches that are listed in a terminal.
_MAX_LISTED = 40
#: Of a sparkline, in letters.
_SPARKLINE = 12


@dataclass(frozen=True)
class NicheStatus:
    """One niche.

    Attributes:
        id, parent_id, created, retired, is_solved: see ``poet.types``; ``retired`` is None while it is active.
        score: of its agent's latest version.
        rates: a row of ``rates_by_niche``; None if its agents were never validated.
        over_time: the success rates of its agents on its own ground under other pushes, the oldest first.
    """

    id: int
    parent_id: int | None
    created: int
    retired: int | None
    is_solved: bool
    score: float
    rates: Mapping[Hashable, Any] | None = None
    over_time: tuple[float, ...] = ()


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment.

    Attributes:
        iteration, iterations: the number done, and the target.
        niches: all niches, active and retired, by id.
        kinds: the kinds of events that its trainer emits; only these are shown.
        num_accepted, num_attempts: of periodic transfers.
        annecs: all counts; None if they are unknown.
        admissible: how many niches could have been admitted, given how often niches reproduce.
        own: the latest row of each table of the trainer's own events, in words, by table name.
        env_steps, episodes: the total so far.
        steps_per_second, seconds_per_iteration: over the last iterations.
        writer: the id of the process that is writing it; 0 if that is not known, None if there is none.
        settings: the differences from the defaults, in one line.
    """

    iteration: int
    iterations: int
    niches: tuple[NicheStatus, ...]
    kinds: frozenset[type[AnyEvent]]
    num_accepted: int
    num_attempts: int
    annecs: AnnecsCount | None
    admissible: int
    own: Mapping[str, str]
    env_steps: int
    episodes: int
    steps_per_second: float
    seconds_per_iteration: float
    writer: int | None
    settings: str

    @property
    def is_finished(self) -> bool:
        """Whether it has done all its iterations."""
        return self.iteration >= self.iterations


def read_status(run: Run) -> RunStatus | None:
    """The status of a run; None before anything is recorded."""
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
        kinds=shown_events(run),
        num_accepted=int((periodic["outcome"] == "accepted").sum()),
        num_attempts=len(periodic),
        annecs=_annecs(run, iteration),
        admissible=admissible_niches(run.configs, iteration)[-1],
        own={name: _last_row(frame) for name, frame in run.own_tables.items()},
        env_steps=int(clock["env_steps"].sum()),
        episodes=int(clock["episodes"].sum()),
        steps_per_second=float(recent["env_steps"].sum()) / seconds if seconds else 0.0,
        seconds_per_iteration=seconds / len(recent) if len(recent) else 0.0,
        writer=writer_of(run.folder),
        settings=describe(differences(config)),
    )


def status_lines(folder: Path, status: RunStatus, max_listed: int = _MAX_LISTED) -> list[str]:
    """A status as lines of text, in which so many niches are listed at most."""
    active = [niche for niche in status.niches if niche.retired is None]
    best = max(active, key=lambda niche: niche.score)
    num_solved = sum(niche.is_solved for niche in status.niches)
    is_validated = any(niche.rates is not None for niche in status.niches)
    left = (status.iterations - status.iteration) * status.seconds_per_iteration
    finished = status.is_finished
    idle = "finished" if finished else f"stopped; go on with: {poet_command('resume', folder)}"
    doing = idle if status.writer is None else f"running, process {status.writer or 'unknown'}"
    has_end = status.iterations < NO_END
    time_left = (
        [f"time left   about {duration(left)}"] if has_end and not finished and status.seconds_per_iteration else []
    )
    return [
        f"run         {folder}: {doing}",
        f"settings    {status.settings}",
        f"iteration   {status.iteration}" + (f" of {status.iterations}" if has_end else ""),
        f"niches      {len(active):,} active, {len(status.niches) - len(active):,} retired, {num_solved:,} solved once",
        *([_success_line(status)] if is_validated else []),
        f"best        {best.score:.1f} in niche {best.id}",
        *_lines_by_kind(status, is_validated),
        *(f"{name:<11} {words}" for name, words in status.own.items()),
        f"env-steps   {status.env_steps:,} in {status.episodes:,} episodes",
        f"speed       {status.steps_per_second:,.0f} steps/s lately",
        *time_left,
        "",
        *([f"{'':>50}{'own ground, pushes':>30}{'fresh seeds':>16}"] if is_validated else []),
        f"{'niche':>6}{'parent':>7}{'created':>8}{'retired':>8}{'solved once':>12}{'score':>9}"
        + f"{'admitted':>10}{'now':>6}{'over time':>14}{'admitted':>10}{'now':>6}" * is_validated,
        *_niche_lines(folder, status.niches, max_listed),
    ]


def _lines_by_kind(status: RunStatus, is_validated: bool) -> list[str]:
    """The lines on kinds of events that only some trainers emit, if this one does."""
    lines: dict[type[AnyEvent], str] = {
        TransferAttempted: f"transfers   {status.num_accepted:,} accepted of {status.num_attempts:,}",
        NicheJudged: f"ANNECS      {_annecs_words(status, is_validated)}",
    }
    return [line for kind, line in lines.items() if kind in status.kinds]


def _last_row(noted: pd.DataFrame) -> str:
    """The last row of a table of a trainer's own events: ``iteration 12: terrain_seed 7, mean 61.2``."""
    (row,) = noted.tail(1).to_dict("records")
    values = {name: value for name, value in row.items() if name not in ("iteration", "number") and not pd.isna(value)}
    words = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()]
    return f"iteration {row['iteration']}: {', '.join(words)}"


def _niche_lines(folder: Path, niches: Sequence[NicheStatus], max_listed: int) -> list[str]:
    """The active niches, then the latest retired ones for which there is room; each group by id."""
    latest = sorted(niches, key=lambda n: (n.retired is None, -1 if n.retired is None else n.retired, n.id))
    listed = sorted(latest[-max_listed:], key=lambda n: (n.retired is not None, n.id))
    lines = [_niche_line(niche) for niche in listed]
    if num_more := len(niches) - len(listed):
        lines.append(f"and {num_more:,} more: all are in the tables of: {poet_command('analyse', folder)}")
    return lines


def _success_line(status: RunStatus) -> str:
    """How many active niches are now robustly solved or have a general agent, and how many of all niches ever were."""
    counts = []
    for which, reached, words in (("pushes", "robust", "robustly solved"), ("seeds", "general", "general")):
        rates = [niche.rates for niche in status.niches if niche.rates is not None]
        now = sum(
            n.rates is not None and n.rates[f"{which}_now"] >= ROBUST_RATE for n in status.niches if not n.retired
        )
        counts.append(f"{now} active {words}, {sum(not pd.isna(r[reached]) for r in rates)} at some time")
    return f"success     {'; '.join(counts)}"


def _annecs_words(status: RunStatus, is_validated: bool) -> str:
    annecs = status.annecs
    if annecs is None:
        return "unknown: its niches were not judged by all agents at their admission"
    robust = f", {annecs.robust} robustly" if is_validated else ""
    more = f", {annecs.passed_unsolved} passed and not yet solved"
    return (
        f"{annecs.paper} created and solved once{robust}{more}; {annecs.released} as the released code counts; "
        f"the cadence allows {status.admissible}"
    )


def _niches(run: Run) -> tuple[NicheStatus, ...]:
    niches, scores = run.niches, run.last_scores()
    retired = run.retirements.set_index("niche_id")["iteration"].to_dict()
    solved = set(run.solved["niche_id"])
    validations = run.validations
    rates, over_time = rates_by_niche(validations).to_dict("index"), rates_over_time(validations, ValidationSet.PUSHES)
    parents = niches["parent_id"].astype(object).where(niches["parent_id"].notna(), None)
    return tuple(
        NicheStatus(
            niche_id,
            parent_id,
            created,
            retired.get(niche_id),
            niche_id in solved,
            scores[niche_id],
            rates.get(niche_id),
            over_time.get(niche_id, ()),
        )
        for niche_id, parent_id, created in zip(niches["niche_id"], parents, niches["iteration"], strict=True)
    )


def _annecs(run: Run, iteration: int) -> AnnecsCount | None:
    admissible = admissible_niches(run.configs, iteration)
    last = annecs_frame(run.niches, run.judgements, run.solved, run.validations, admissible).iloc[-1]
    names = ("annecs_paper", "passed_unsolved", "annecs_released", "annecs_robust")
    if pd.isna(last["annecs_paper"]):
        return None
    return AnnecsCount(*(0 if pd.isna(last[name]) else int(last[name]) for name in names))


def _niche_line(niche: NicheStatus) -> str:
    parent = "" if niche.parent_id is None else niche.parent_id
    retired = "" if niche.retired is None else niche.retired
    solved = "yes" if niche.is_solved else ""
    score = f"{niche.score:.1f}" if math.isfinite(niche.score) else "diverged"
    line = f"{niche.id:>6} {parent:>6} {niche.created:>7} {retired:>7} {solved:>11} {score:>8}"
    if niche.rates is None:
        return line
    pushes, seeds = (
        f"{percentage(niche.rates[f'{which}_admission']):>10}{percentage(niche.rates[f'{which}_now']):>6}"
        for which in ("pushes", "seeds")
    )
    return f"{line}{pushes}{sparkline(niche.over_time, _SPARKLINE):>14}{seeds}"
