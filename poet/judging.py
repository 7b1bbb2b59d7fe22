"""New niches judged again by the criterion, with all agents: what ANNECS counts (``poet.annecs``).

Reference: Wang et al. 2020, section on ANNECS; POET.md 4.5.
"""

from __future__ import annotations

from poet.agent_scores import ScoreBook, fill_in, own_site
from poet.events import Event, NicheJudged
from poet.parts import Parts
from poet.population import replace_niche
from poet.scoring import solve
from poet.types import PoetState, Purpose, theta_digest


def judge_admitted(state: PoetState, book: ScoreBook, parts: Parts) -> tuple[PoetState, list[Event]]:
    """Judge every niche admitted in this reproduction by the criterion, against all agents from before it.

    Scores missing in the book are run as one request: retired agents in the new niches, and active ones too if
    ``transfer.at_admission`` is false.

    Args:
        state: after admission and before retirement.
        book: known scores of agents, in the new niches too, including those of their first agents.
        parts: what the config names, and what runs episodes.
    """
    iteration = state.iteration + 1
    niches = [niche for niche in state.active if niche.created == iteration]
    if not parts.config.poet.annecs or not niches:
        return state, []
    sites = [own_site(niche) for niche in niches]
    book, costs = fill_in(book, sites, parts, Purpose.ANNECS, iteration)
    num_retired = len(book.retired)
    events: list[Event] = []
    for niche, site in zip(niches, sites, strict=True):
        scores = book.scores_in(site)
        best = max(*scores, book.scores[theta_digest(niche.theta), site.digest])
        retired_best = max(scores[:num_retired], default=None)
        events.append(
            NicheJudged(
                niche_id=niche.id,
                iteration=iteration,
                num_agents=len(scores),
                num_retired=num_retired,
                best_score=best,
                judgement=parts.criterion.judge(best),
                retired_best_score=retired_best,
                retired_judgement=None if retired_best is None else parts.criterion.judge(retired_best),
            )
        )
        niche, solved = solve(niche, book.attempts(site, Purpose.ANNECS), iteration, parts.config.niche.num_fresh)
        state = replace_niche(state, niche)
        events += solved
    return state, [*events, *costs]
