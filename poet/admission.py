"""Admission: the most novel candidates get the best available agent, and become niches if it passes the criterion.

Reference: Wang et al. 2019, algorithm 3, from EVALUATE_CANDIDATES on; POET.md 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.strategies.base import StrategyState
from environments.terrain.genotype import AbstractGenotype
from poet import streams
from poet.agent_scores import Key, ScoreBook, own_episode, remember
from poet.criterion import Judgement
from poet.events import CandidateOutcome, Cost, Event, NicheAdmitted, TransferAttempted, TransferOutcome
from poet.judging import judge_admitted
from poet.parts import Parts
from poet.population import new_version, optimiser_for, retire_oldest
from poet.reproduction import (
    Candidate,
    eligible_niches,
    judged,
    rank_by_novelty,
    refused_candidate,
    reproduce,
    satisfy_criterion,
    score_agents,
)
from poet.scoring import Attempt, solve
from poet.transfer import (
    Target,
    Trial,
    Winner,
    attempts_of,
    best_source,
    source_scores,
    tried_sources,
    try_direct,
    try_proposals,
)
from poet.types import Evaluation, Niche, Origin, PoetState, Purpose, theta_digest

_REFUSED_BY_TRANSFER = {
    Judgement.TOO_HARD: CandidateOutcome.TRANSFER_TOO_HARD,
    Judgement.TOO_EASY: CandidateOutcome.TRANSFER_TOO_EASY,
}


_TRANSFER_OUTCOME = {
    CandidateOutcome.ADMITTED: TransferOutcome.ACCEPTED,
    CandidateOutcome.REJECTED_BY_FORK: TransferOutcome.REJECTED_BY_FORK,
}


def reproduce_and_admit(state: PoetState, parts: Parts) -> tuple[PoetState, list[Event]]:
    """Reproduce, keep what passes the criterion, rank, admit the most novel, retire the oldest (MUTATE_ENVS).

    Nothing reproduces while too few niches are eligible (``poet.eligible_share``): new terrains would push out old ones
    whose agents still learn.
    """
    parents = eligible_niches(state, parts)
    if not parents or len(parents) / len(state.active) < parts.config.poet.eligible_share:
        return state, []
    state, children, duplicates = reproduce(state, parents, parts)
    passed, refused, costs = satisfy_criterion(children, parts, state.iteration + 1)
    state, book, scored = score_agents(passed, state, parts)
    ranked = rank_by_novelty(passed, state, book, parts)
    state, book, admitted = admit(state, ranked, book, parts)
    state, judgements = judge_admitted(state, book, parts)
    state, retired = retire_oldest(state, parts.config.poet)
    state = remember(state, book, parts)
    return state, [*duplicates, *refused, *costs, *scored, *admitted, *judgements, *retired]


def admit(
    state: PoetState, ranked: Sequence[Candidate], book: ScoreBook, parts: Parts
) -> tuple[PoetState, ScoreBook, list[Event]]:
    """Test candidates in order of novelty until ``max_admitted`` are in; any active agent may become the first one.

    Returns:
        The state, the book with what active agents score in the new niches, and what happened.
    """
    events: list[Event] = []
    known = book.episodes if parts.config.novelty.cached else {}
    tested: dict[int, list[Trial]] = {}
    iteration, sources, num_admitted = state.iteration + 1, state.active, 0
    for place, candidate in enumerate(ranked):
        if num_admitted == parts.config.poet.max_admitted:
            events.append(judged(candidate, iteration, CandidateOutcome.NOT_REACHED))
            continue
        if any(niche.genotype == candidate.genotype for niche in state.active):  # a twin was admitted before it
            events.append(judged(candidate, iteration, CandidateOutcome.DUPLICATE))
            continue
        if candidate.id not in tested:
            sure = _sure_to_be_tested(ranked[place:], state.active, parts.config.poet.max_admitted - num_admitted)
            found, costs = _test_candidates(sure, sources, parts, iteration, known)
            tested.update(zip((c.id for c in sure), found, strict=True))
            events += costs
        trials = tested[candidate.id]
        winner = best_source(trials, proposals_only=False)
        if winner is None:
            raise ValueError("a candidate needs at least one source; is there no active niche?")
        outcome = _verdict(candidate, winner, parts, iteration)
        state, decided = _conclude(state, candidate, trials, winner, outcome, book, parts)
        events += decided
        if outcome is CandidateOutcome.ADMITTED:
            num_admitted += 1
            book = _with_trials(book, candidate, trials, winner)
    return state, book, events


def _with_trials(book: ScoreBook, candidate: Candidate, trials: Sequence[Trial], winner: Winner) -> ScoreBook:
    """The book with the scores of active agents, and of the new niche's first agent, in a new niche."""
    tried = [(trial.source.theta, trial.direct) for trial in trials] + [(winner.theta, winner.evaluation)]
    terrain = candidate.site.digest
    return book.with_episodes({(theta_digest(theta), terrain): own_episode(e) for theta, e in tried})


def _sure_to_be_tested(waiting: Sequence[Candidate], active: Sequence[Niche], num_free: int) -> list[Candidate]:
    """The next candidates that are tested whatever happens to those before them: their episodes are one request.

    That is one for each free place, up to a twin of one of them, which has to wait for its verdict.
    """
    niches, sure = {niche.genotype for niche in active}, dict[AbstractGenotype, Candidate]()
    for candidate in waiting:
        if len(sure) == num_free or candidate.genotype in sure:
            break
        if candidate.genotype not in niches:
            sure[candidate.genotype] = candidate
    return list(sure.values())


def _test_candidates(
    candidates: Sequence[Candidate],
    sources: Sequence[Niche],
    parts: Parts,
    iteration: int,
    known: Mapping[Key, Evaluation],
) -> tuple[list[list[Trial]], list[Cost]]:
    """The scores of every active agent in each candidate: as it is and, if the config says so, after one ES step."""
    if not parts.config.transfer.at_admission:
        return [[_parents_trial(candidate)] for candidate in candidates], []
    targets = [_candidate_target(candidate, sources, parts) for candidate in candidates]
    purpose, step = Purpose.CANDIDATE_TRANSFER, parts.config.transfer.candidate_step
    direct, costs = try_direct(targets, parts, iteration, purpose, known)
    worth = [[step != "none"] * len(target.sources) for target in targets]
    tried, more = try_proposals(targets, direct, worth, parts, iteration, purpose, plain=step == "plain")
    return tried, [*costs, *more]


def _parents_trial(candidate: Candidate) -> Trial:
    if candidate.parent_evaluation is None:
        raise ValueError(f"candidate {candidate.id} was not run with its parent's agent")
    return Trial(candidate.parent, candidate.parent_evaluation)


def _candidate_target(candidate: Candidate, niches: Sequence[Niche], parts: Parts) -> Target:
    sources = tried_sources(niches, parts.config.transfer.max_sources, candidate.parent.id)
    places = tuple(streams.candidate_sample(parts.seed, candidate.id, source.id) for source in sources)
    optimiser = _fresh_optimiser(sources[0], parts)
    return Target(candidate.parent.id, candidate.ground, optimiser, sources, places)


def _fresh_optimiser(source: Niche, parts: Parts) -> StrategyState:
    """The optimiser of a candidate, which has none of its own yet: first step sizes, no moments."""
    state: StrategyState = parts.strategy.initial_state(source.theta[None, :])
    return state


def _verdict(candidate: Candidate, winner: Winner, parts: Parts, iteration: int) -> CandidateOutcome:
    judgement = parts.criterion.judge(winner.evaluation.score)
    if judgement is not Judgement.ADMISSIBLE:
        return _REFUSED_BY_TRANSFER[judgement]
    if refused_candidate(iteration, candidate.trial) in parts.config.run.reject:
        return CandidateOutcome.REJECTED_BY_FORK
    return CandidateOutcome.ADMITTED


def _conclude(
    state: PoetState,
    candidate: Candidate,
    trials: Sequence[Trial],
    winner: Winner,
    outcome: CandidateOutcome,
    book: ScoreBook,
    parts: Parts,
) -> tuple[PoetState, list[Event]]:
    """The state with the candidate as a niche if it was admitted, and the record either way."""
    niche_id = state.next_niche_id if outcome is CandidateOutcome.ADMITTED else None
    origin = Origin.ADMISSION_PROPOSAL if winner.is_proposal else Origin.ADMISSION_DIRECT
    iteration, score = state.iteration + 1, winner.evaluation.score
    events: list[Event] = [judged(candidate, iteration, outcome, score, niche_id)]
    if parts.config.transfer.at_admission:
        attempt = TransferAttempted(
            id=state.next_transfer_id,
            iteration=iteration,
            target_id=niche_id,
            candidate_id=candidate.id,
            threshold=None,
            outcome=_TRANSFER_OUTCOME.get(outcome, TransferOutcome.CANDIDATE_REFUSED),
            source_id=winner.source.id,
            origin=origin,
            score=score,
            version_id=None if niche_id is None else state.next_version_id,
        )
        events += [attempt, *source_scores(attempt.id, trials, iteration)]
        state = replace(state, next_transfer_id=attempt.id + 1)
    if niche_id is None:
        return state, events

    state, version = new_version(
        state, niche_id, winner.theta, winner.evaluation, origin, winner.source.version_id, winner.source.id
    )
    niche = Niche(
        id=niche_id,
        genotype=candidate.genotype,
        terrain_seed=candidate.terrain_seed,
        parent_id=candidate.parent.id,
        created=iteration,
        optimiser=optimiser_for(winner.theta, winner.source, parts),
        version_id=version.id,
        evaluation=winner.evaluation,
    )
    niche, solved = solve(niche, _attempts(candidate, trials, book, parts), iteration, parts.config.niche.num_fresh)
    state = replace(state, active=(*state.active, niche), next_niche_id=niche_id + 1)
    admitted = NicheAdmitted(
        niche_id, iteration, candidate.parent.id, candidate.id, candidate.genotype.to_json(), candidate.terrain_seed,
        candidate.ground.own, score, candidate.novelty, version.id,
    )  # fmt: skip
    return state, [*events, admitted, version, *solved]


def _attempts(candidate: Candidate, trials: Sequence[Trial], book: ScoreBook, parts: Parts) -> list[Attempt]:
    """What was run in a candidate, in order: the parent's agent for the criterion, all for novelty, the sources."""
    attempts: list[Attempt] = []
    if candidate.parent_evaluation is not None:
        parent, theta = candidate.parent, candidate.parent.theta
        purpose = Purpose.CANDIDATE_CRITERION
        attempts.append(Attempt(parent, Origin.DIRECT, purpose, theta, candidate.parent_evaluation))
    attempts += book.attempts(candidate.site, Purpose.NOVELTY)
    if parts.config.transfer.at_admission:
        attempts += attempts_of(trials, Purpose.CANDIDATE_TRANSFER, Purpose.CANDIDATE_TRANSFER)
    return attempts
