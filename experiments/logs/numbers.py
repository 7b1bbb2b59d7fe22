"""The numbers of a run that are logged, read from its archive iteration by iteration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import TYPE_CHECKING

from experiments.logs.base import Numbers
from experiments.page.record import NicheRecord, Record, by_iteration
from poet.annecs import annecs_counts
from poet.events import Cost, NicheJudged, TransferAttempted, TransferOutcome, ValidationSet
from poet.trainers import shown_events
from poet.validation import ROBUST_RATE

if TYPE_CHECKING:
    from poet.archive.reader import Run


class NumbersReader:
    """Follows a run.

    Args:
        run: its archive; whoever opened it closes it.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._record = Record(run)
        self._kinds = shown_events(run)
        self._env_steps: Counter[str] = Counter()  # by purpose
        self._episodes = self._num_attempts = self._num_accepted = self._next_attempt = 0

    def read(self, after: int) -> Iterator[Numbers]:
        """The numbers of each iteration that is new here, the ones up to ``after`` left out.

        Raises:
            InputError: the archive is damaged or cannot be read.
        """
        before = self._record.iteration
        with self._run.at_one_moment():
            last = self._run.iteration
            costs = by_iteration(self._run.rows_after(Cost, ["iteration", "purpose", "env_steps", "episodes"], before))
            names = ["iteration", "id", "candidate_id", "outcome"]
            attempts = by_iteration(self._run.rows_after(TransferAttempted, names, before, self._next_attempt))
            seconds = dict(self._run.seconds_after(before))
        for iteration in self._record.follow_each(last):
            self._spend(costs.get(iteration, []))
            self._count(attempts.get(iteration, []))
            if iteration > after:
                yield Numbers(iteration, self._values(seconds.get(iteration, 0.0)))

    def _spend(self, costs: list[tuple[int, str, int, int]]) -> None:
        for _, purpose, env_steps, episodes in costs:
            self._env_steps[purpose] += env_steps
            self._episodes += episodes

    def _count(self, attempts: list[tuple[int, int, int | None, str]]) -> None:
        for _, attempt, candidate_id, outcome in attempts:
            self._next_attempt = attempt + 1
            if candidate_id is None:
                self._num_attempts += 1
                self._num_accepted += outcome == TransferOutcome.ACCEPTED

    def _values(self, seconds: float) -> Mapping[str, float]:
        steps, niches = self._record.steps, self._record.niches
        active = [niche for niche in niches if niche.retired is None]
        new_steps = steps[-1] - (steps[-2] if len(steps) > 1 else 0)
        values: dict[str, float] = {
            "env_steps/all": steps[-1],
            **{f"env_steps/{purpose}": spent for purpose, spent in sorted(self._env_steps.items())},
            "episodes": self._episodes,
            **({"steps_per_second": new_steps / seconds} if seconds else {}),
            "niches/active": len(active),
            "niches/retired": len(niches) - len(active),
            "niches/admitted": sum(niche.parent_id is not None for niche in niches),
            "niches/solved": sum(niche.solved is not None for niche in niches),
            **_scores(active),
            **_success(active),
        }
        if TransferAttempted in self._kinds:
            values |= {"transfers/attempts": self._num_attempts, "transfers/accepted": self._num_accepted}
        if NicheJudged in self._kinds:
            values |= _annecs(niches)
        return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _scores(active: list[NicheRecord]) -> dict[str, float]:
    """Of the active niches' agents; one that diverged counts in none of them."""
    scores = {niche.id: niche.last_score for niche in active if math.isfinite(niche.last_score)}
    if not scores:
        return {}
    of_all = {"best": max(scores.values()), "mean": fmean(scores.values()), "worst": min(scores.values())}
    return {
        **{f"score/{name}": value for name, value in of_all.items()},
        **{f"niche_score/{niche_id}": score for niche_id, score in scores.items()},
    }


def _success(active: list[NicheRecord]) -> dict[str, float]:
    """Of the active niches whose agents were measured."""
    values: dict[str, float] = {}
    for which in ValidationSet:
        rates = [rate for niche in active if (rate := niche.rates[which].now) is not None]
        if rates:
            values[f"success/{which}"] = fmean(rates)
            word = "robust" if which is ValidationSet.PUSHES else "general"
            values[f"niches/{word}"] = sum(rate >= ROBUST_RATE for rate in rates)
    return values


def _annecs(niches: list[NicheRecord]) -> dict[str, float]:
    """ANNECS now; nothing where it is unknown."""
    children = [niche for niche in niches if niche.parent_id is not None]
    robust = [niche.id for niche in children if niche.rates[ValidationSet.PUSHES].reached is not None]
    (count,) = annecs_counts(  # as if all had happened in iteration 0
        dict.fromkeys((niche.id for niche in children), 0),
        [niche.judged for niche in children if niche.judged is not None],
        dict.fromkeys((niche.id for niche in children if niche.solved is not None), 0),
        0,
        dict.fromkeys(robust, 0),
    )
    if count is None:
        return {}
    is_measured = any(niche.rates[ValidationSet.PUSHES].now is not None for niche in niches)
    return {
        "annecs/paper": count.paper,
        "annecs/passed_unsolved": count.passed_unsolved,
        "annecs/released": count.released,
        **({"annecs/robust": count.robust} if is_measured else {}),
    }
