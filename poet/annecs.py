"""ANNECS: the accumulated number of novel environments created and solved.

By the paper an environment counts that is neither too hard nor too easy for all agents there are when it is admitted,
and that some agent solves later. By the released code it counts at once, if it is neither for the agents that have
retired; before the first retires that code fails, and here, as in its forks, nothing is counted. The root counts in
neither: it was not created. What is counted are records of ``poet.judging``.

Reference: Wang et al. 2020, section on ANNECS; ``pass_mc`` of the released code; POET.md 4.5, 6.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poet.criterion import Judgement
from poet.events import NicheJudged


@dataclass(frozen=True)
class AnnecsCount:
    """ANNECS at the end of an iteration.

    Attributes:
        paper: environments that passed the criterion against all agents at admission, and are solved.
        passed_unsolved: those that passed, not yet solved; late ones have had less time.
        released: environments that passed the criterion against retired agents.
    """

    paper: int
    passed_unsolved: int
    released: int


def annecs_counts(
    children: Mapping[int, int], judged: Iterable[NicheJudged], solved: Mapping[int, int], iteration: int
) -> list[AnnecsCount | None]:
    """ANNECS at the end of each iteration.

    Args:
        children: niches admitted, the root apart, each with the iteration of its admission.
        judged: the record of each that was judged.
        solved: niches solved, each with the iteration in which it was.
        iteration: the last one.

    Returns:
        For iteration 0, 1, ... ``iteration``; None from the first niche on that was never judged, since what is not
        known cannot be counted.
    """
    by_niche = {event.niche_id: event for event in judged}
    passed = [0] * (iteration + 1)
    paper, released, unknown = list(passed), list(passed), list(passed)
    for niche_id, admitted in children.items():
        if niche_id not in by_niche:
            unknown[admitted] += 1
            continue
        released[admitted] += by_niche[niche_id].retired_judgement == Judgement.ADMISSIBLE
        if by_niche[niche_id].judgement == Judgement.ADMISSIBLE:
            passed[admitted] += 1
            if niche_id in solved:
                paper[solved[niche_id]] += 1
    counts: list[AnnecsCount | None] = []
    so_far, num_unknown = AnnecsCount(0, 0, 0), 0
    for i in range(iteration + 1):
        num_unknown += unknown[i]
        so_far = AnnecsCount(
            so_far.paper + paper[i], so_far.passed_unsolved + passed[i] - paper[i], so_far.released + released[i]
        )
        counts.append(None if num_unknown else so_far)
    return counts
