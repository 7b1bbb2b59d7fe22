"""Children: who may have them, how they differ, which pass the criterion with their parent, and how they are ranked.

Reference: Wang et al. 2019, MUTATE_ENVS (algorithm 3); POET.md 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from environments.terrain.genotype import AbstractGenotype
from poet import streams
from poet.agent_scores import ScoreBook, Site, fill_in, make_site, open_book, own_episode, own_site
from poet.criterion import Judgement
from poet.events import CandidateJudged, CandidateOutcome, Cost, Event, NicheSolved
from poet.novelty import Environment
from poet.parts import Parts
from poet.scoring import AnyNiche, Ground, agent_block, cost, draw_terrain_seed, make_ground, read_evaluations, solve
from poet.types import Evaluation, Niche, PoetState, Purpose, theta_digest

_REFUSED_BY_PARENT = {
    Judgement.TOO_HARD: CandidateOutcome.TOO_HARD,
    Judgement.TOO_EASY: CandidateOutcome.TOO_EASY,
}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A child on trial.

    Attributes:
        id: of the candidate.
        trial: which of its round's mutations it is, from 0.
        parent: the niche it was mutated from.
        genotype, terrain_seed: what it would be as a niche.
        ground: its instances.
        parent_evaluation: of its parent's agent in it; None before it is run.
        novelty: None before it is ranked.
    """

    id: int
    trial: int
    parent: Niche
    genotype: AbstractGenotype
    terrain_seed: int
    ground: Ground
    parent_evaluation: Evaluation | None = None
    novelty: float | None = None

    @property
    def site(self) -> Site:
        """Its own instance, for which its parent pays."""
        return make_site(self.parent.id, self.ground.own)


def eligible_niches(state: PoetState, parts: Parts) -> tuple[Niche, ...]:
    """Active niches whose agent's score reaches the reproduction threshold (ELIGIBLE_TO_REPRODUCE)."""
    return tuple(n for n in state.active if n.evaluation.score >= parts.config.poet.reproduction_threshold)


def reproduce(
    state: PoetState, parents: Sequence[Niche], parts: Parts
) -> tuple[PoetState, list[Candidate], list[CandidateJudged]]:
    """Mutate ``max_children`` times, each time a parent drawn uniformly (ENV_REPRODUCE).

    Returns:
        The state with the ids used up, the candidates, and the verdict on children that equal an active niche.
    """
    active = {niche.genotype for niche in state.active}
    candidates: list[Candidate] = []
    duplicates: list[CandidateJudged] = []
    first = state.next_candidate_id
    for candidate_id in range(first, first + parts.config.poet.max_children):
        stream = streams.mutation(parts.seed, candidate_id)
        parent = stream.choice(parents)
        genotype = parent.genotype.child(stream, parts.settings)
        terrain_seed = draw_terrain_seed(stream)
        ground = make_ground(
            genotype, terrain_seed, parts.config, streams.candidate_instances(parts.seed, candidate_id)
        )
        candidate = Candidate(candidate_id, candidate_id - first, parent, genotype, terrain_seed, ground)
        if genotype in active:
            duplicates.append(judged(candidate, state.iteration + 1, CandidateOutcome.DUPLICATE))
        else:
            candidates.append(candidate)
    return replace(state, next_candidate_id=first + parts.config.poet.max_children), candidates, duplicates


def satisfy_criterion(
    candidates: Sequence[Candidate], parts: Parts, iteration: int
) -> tuple[list[Candidate], list[CandidateJudged], list[Cost]]:
    """Keep the candidates that are neither too hard nor too easy for their parent's agent (MC_SATISFIED)."""
    results = parts.run_blocks(
        [agent_block([c.parent.theta], c.ground) for c in candidates], Purpose.CANDIDATE_CRITERION
    )
    passed: list[Candidate] = []
    refused: list[CandidateJudged] = []
    costs: list[Cost] = []
    for candidate, result in zip(candidates, results, strict=True):
        evaluation = read_evaluations(result, candidate.ground)[0]
        candidate = replace(candidate, parent_evaluation=evaluation)
        judgement = parts.criterion.judge(evaluation.score)
        if judgement is Judgement.ADMISSIBLE:
            passed.append(candidate)
        else:
            refused.append(judged(candidate, iteration, _REFUSED_BY_PARENT[judgement]))
        costs.append(cost(iteration, candidate.parent.id, Purpose.CANDIDATE_CRITERION, result))
    return passed, refused, costs


def score_agents(
    candidates: Sequence[Candidate], state: PoetState, parts: Parts
) -> tuple[PoetState, ScoreBook, list[Event]]:
    """For a measure of novelty that needs it, run every agent in every candidate and every niche ever admitted.

    An agent that finishes a niche in such an episode solves it, be it active or retired.

    Returns:
        The state, what is known of agents' scores, and costs and solutions.
    """
    book = open_book(state, parts)
    if not candidates or not parts.novelty.needs_scores:
        return state, book, []
    iteration, purpose = state.iteration + 1, Purpose.NOVELTY
    book = book.with_episodes(
        {
            (theta_digest(c.parent.theta), c.site.digest): own_episode(c.parent_evaluation)
            for c in candidates
            if c.parent_evaluation is not None
        }
    )
    sites = {agent.niche.id: own_site(agent.niche) for agent in book.agents}
    anew = not parts.config.novelty.cached
    book, costs = fill_in(book, [*sites.values(), *(c.site for c in candidates)], parts, purpose, iteration, anew)

    def solve_in(niche: AnyNiche) -> tuple[AnyNiche, list[NicheSolved]]:
        return solve(niche, book.attempts(sites[niche.id], purpose), iteration, parts.config.niche.num_fresh)

    retired = [solve_in(niche) for niche in state.retired]
    active = [solve_in(niche) for niche in state.active]
    events: list[Event] = [*costs]
    for _, solved in (*retired, *active):
        events += solved
    moved = replace(state, retired=tuple(niche for niche, _ in retired), active=tuple(niche for niche, _ in active))
    return moved, book, events


def rank_by_novelty(
    candidates: Sequence[Candidate], state: PoetState, book: ScoreBook, parts: Parts
) -> list[Candidate]:
    """Most novel first among all environments ever admitted; equals in order of id (RANK_BY_NOVELTY).

    If ``novelty.order`` is random, novelty is still measured, but a draw for each candidate decides the order. Such a
    control runs the same episodes as the run that it is compared with, and differs only in whom it admits.
    """

    if not candidates:
        return []

    if parts.novelty.needs_scores:
        others = [Environment(niche.genotype, book.scores_in(own_site(niche))) for niche in state.niches]
        children = [Environment(c.genotype, book.scores_in(c.site)) for c in candidates]
    else:
        others = [Environment(niche.genotype) for niche in state.niches]
        children = [Environment(c.genotype) for c in candidates]
    novelty = parts.novelty.measure(children, others)
    ranked = [replace(c, novelty=value) for c, value in zip(candidates, novelty, strict=True)]
    if parts.config.novelty.order == "random":
        return sorted(ranked, key=lambda c: (-streams.admission_order(parts.seed, c.id).uniform(), c.id))
    return sorted(ranked, key=lambda c: (-(c.novelty or 0.0), c.id))


def refused_candidate(iteration: int, trial: int) -> str:
    """How ``run.reject`` names a candidate: by its place, which no earlier change moves (as it would an event's id)."""
    return f"candidate at {iteration} number {trial}"


def judged(
    candidate: Candidate,
    iteration: int,
    outcome: CandidateOutcome,
    best_score: float | None = None,
    niche_id: int | None = None,
) -> CandidateJudged:
    """The record of what happened to a candidate."""
    return CandidateJudged(
        id=candidate.id,
        iteration=iteration,
        parent_id=candidate.parent.id,
        genotype=candidate.genotype.to_json(),
        terrain_seed=candidate.terrain_seed,
        parent_score=candidate.parent_evaluation.score if candidate.parent_evaluation else None,
        novelty=candidate.novelty,
        best_score=best_score,
        outcome=outcome,
        niche_id=niche_id,
    )
