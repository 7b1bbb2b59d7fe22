"""ANNECS: the accumulated number of novel environments created and solved.

In the paper an environment counts if it is neither too hard nor too easy for all agents at its admission, and if some
agent solves it later. In the released code it counts at once, if it is neither for the agents that have retired. Before
the first retires, that code fails; here, as in its forks, nothing is counted then. The root never counts, since it was
not created. The counts are made from records of ``poet.judging``.

For the paper, one good episode of some agent is enough. A third count requires instead that the niche is solved
robustly: by its own agent, under pushes that nothing trained on (``poet.validation``).

Reference: Wang et al. 2020, section on ANNECS; ``pass_mc`` of the released code; POET.md 4.5, 6.3.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from poet.config import Config
from poet.criterion import Judgement
from poet.events import NicheJudged


@dataclass(frozen=True)
class AnnecsCount:
    """ANNECS at the end of an iteration.

    Attributes:
        paper: environments that passed the criterion against all agents at admission, and are solved.
        passed_unsolved: those that passed and are not solved yet; later ones have had less time.
        released: environments that passed the criterion against retired agents.
        robust: those that passed and are robustly solved; 0 where nobody was validated.
    """

    paper: int
    passed_unsolved: int
    released: int
    robust: int = 0


def annecs_counts(
    children: Mapping[int, int],
    judged: Iterable[NicheJudged],
    solved: Mapping[int, int],
    iteration: int,
    robust: Mapping[int, int] = MappingProxyType({}),
) -> list[AnnecsCount | None]:
    """ANNECS at the end of each iteration.

    Args:
        children: niches admitted, except the root, each with the iteration of its admission.
        judged: the record of each that was judged.
        solved: niches solved, each with the iteration in which it was.
        iteration: the last one.
        robust: niches robustly solved, each with the iteration in which it was first measured.

    Returns:
        For iteration 0, 1, ... ``iteration``; None from the first niche on that was never judged, since what is not
        known cannot be counted.
    """
    by_niche = {event.niche_id: event for event in judged}
    passed = [0] * (iteration + 1)
    paper, released, unknown, firm = list(passed), list(passed), list(passed), list(passed)
    for niche_id, admitted in children.items():
        if niche_id not in by_niche:
            unknown[admitted] += 1
            continue
        released[admitted] += by_niche[niche_id].retired_judgement == Judgement.ADMISSIBLE
        if by_niche[niche_id].judgement == Judgement.ADMISSIBLE:
            passed[admitted] += 1
            if niche_id in solved:
                paper[solved[niche_id]] += 1
            if niche_id in robust:
                firm[robust[niche_id]] += 1
    counts: list[AnnecsCount | None] = []
    so_far, num_unknown = AnnecsCount(0, 0, 0), 0
    for i in range(iteration + 1):
        num_unknown += unknown[i]
        so_far = AnnecsCount(
            so_far.paper + paper[i],
            so_far.passed_unsolved + passed[i] - paper[i],
            so_far.released + released[i],
            so_far.robust + firm[i],
        )
        counts.append(None if num_unknown else so_far)
    return counts


def admissible_niches(configs: Sequence[tuple[int, Config]], iteration: int) -> list[int]:
    """How many niches could have been admitted by the end of each iteration, at ``poet.max_admitted`` a reproduction.

    Args:
        configs: from which iteration on which was in force, ascending.
        iteration: the last one.

    Returns:
        For iteration 0, 1, ... ``iteration``: reproductions so far times ``poet.max_admitted``.
    """
    starts = [start for start, _ in configs]
    so_far = [0]
    for i in range(1, iteration + 1):
        poet = configs[bisect_right(starts, i) - 1][1].poet
        is_reproduction = i > 1 and (i - 1) % poet.reproduction_interval == 0
        so_far.append(so_far[-1] + is_reproduction * poet.max_admitted)
    return so_far
