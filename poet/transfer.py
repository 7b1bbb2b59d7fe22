"""Transfers: one niche's agent tried in another niche, as it is or after one ES step there.

``best_source`` is EVALUATE_CANDIDATES of the paper. It serves both periodic transfers and the test of a candidate.

Reference: Wang et al. 2019, algorithm 2 and EVALUATE_CANDIDATES; Wang et al. 2020, section on transfers; POET.md 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import StrategyState, concatenate
from environments.streams import StreamKey
from poet import streams
from poet.agent_scores import Key
from poet.events import Cost, Event, SourceScored, TransferAttempted, TransferOutcome
from poet.parts import Parts
from poet.population import new_version, optimiser_for, replace_niche
from poet.reuse import run_unknown
from poet.scoring import (
    Attempt,
    Ground,
    agent_block,
    cost,
    fresh_instances,
    niche_ground,
    own_terrain,
    read_evaluations,
    solve,
    training_block,
)
from poet.types import Evaluation, Niche, Origin, PoetState, Purpose


@dataclass(frozen=True, eq=False)
class Target:
    """Where sources are tried: a niche of a transfer round, or a candidate.

    Attributes:
        ledger_id: the niche that pays for the trials.
        ground: what is run on.
        optimiser: its step sizes and moments are used by proposals; N = 1.
        sources: whose agents are tried.
        places: for each source, the stream of its proposal's sample.
    """

    ledger_id: int
    ground: Ground
    optimiser: StrategyState
    sources: tuple[Niche, ...]
    places: tuple[StreamKey, ...]


@dataclass(frozen=True, eq=False)
class Trial:
    """One source in one target.

    Attributes:
        source: whose agent it was.
        direct: its theta as it is.
        proposal: after one ES step in the target; None when the rule spent no proposal on it.
        proposal_theta: (P,) float32, likewise.
    """

    source: Niche
    direct: Evaluation
    proposal: Evaluation | None = None
    proposal_theta: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Winner:
    """The best of a target's trials.

    Attributes:
        source: the niche it came from.
        is_proposal: whether it is the theta after the ES step.
        theta: (P,) float32.
        evaluation: of that theta in the target.
    """

    source: Niche
    is_proposal: bool
    theta: NDArray[np.float32]
    evaluation: Evaluation


def transfer(state: PoetState, parts: Parts) -> tuple[PoetState, list[Event]]:
    """One round: every active niche takes the best agent of the others if it beats its own.

    All sources are the agents after this iteration's ES step; replacements happen together at the end.
    """
    iteration, niches, rule = state.iteration + 1, state.active, parts.config.transfer
    thresholds = [transfer_threshold(niche, rule.rule) for niche in niches]
    targets = [_round_target(niche, niches, parts, iteration) for niche in niches]

    direct, direct_costs = try_direct(targets, parts, iteration, Purpose.TRANSFER_DIRECT)
    worth = [
        [rule.rule == "2019" or trial.direct.score > threshold for trial in trials]
        for trials, threshold in zip(direct, thresholds, strict=True)
    ]
    tried, proposal_costs = try_proposals(targets, direct, worth, parts, iteration, Purpose.TRANSFER_PROPOSAL)

    winners = [best_source(trials, proposals_only=rule.rule == "2020") for trials in tried]
    rivals = [
        w if w and w.evaluation.score > threshold else None for w, threshold in zip(winners, thresholds, strict=True)
    ]
    refuted, confirmation_costs = _refute(niches, rivals, parts, iteration)

    events: list[Event] = [*direct_costs, *proposal_costs, *confirmation_costs]
    for niche, trials, winner, threshold in zip(niches, tried, winners, thresholds, strict=True):
        state, decided = _decide(state, niche, trials, winner, threshold, niche.id in refuted, parts)
        events += decided
    return state, events


def transfer_threshold(niche: Niche, rule: str) -> float:
    """The score that a source must exceed: the last self evaluation (2019), or the best of the last few (2020)."""
    if rule == "2019":
        return niche.evaluation.score
    return max(niche.recent_scores, default=niche.evaluation.score)


def try_direct(
    targets: Sequence[Target],
    parts: Parts,
    iteration: int,
    purpose: Purpose,
    known: Mapping[Key, Evaluation] = MappingProxyType({}),
) -> tuple[list[list[Trial]], list[Cost]]:
    """Run every source's theta in its target as it is, all targets as one request.

    Args:
        targets: where.
        parts, iteration, purpose: of the phase.
        known: episodes that need not be run again.
    """
    blocks = [agent_block([source.theta for source in target.sources], target.ground) for target in targets]
    results = run_unknown(blocks, known, parts, purpose)
    trials = [
        [Trial(source, e) for source, e in zip(t.sources, read_evaluations(whole, t.ground), strict=True)]
        for t, (whole, _) in zip(targets, results, strict=True)
    ]
    spent = [(target.ledger_id, run) for target, (_, run) in zip(targets, results, strict=True)]
    return trials, [cost(iteration, ledger_id, purpose, run) for ledger_id, run in spent if run.returns.size]


def try_proposals(
    targets: Sequence[Target],
    direct: Sequence[Sequence[Trial]],
    worth: Sequence[Sequence[bool]],
    parts: Parts,
    iteration: int,
    purpose: Purpose,
    plain: bool = False,
) -> tuple[list[list[Trial]], list[Cost]]:
    """Give each source that deserves it one ES step in its target, and run the result.

    Args:
        targets, direct: the trials so far, one list a target.
        worth: which of them get a proposal.
        parts, iteration, purpose: of the phase.
        plain: a plain gradient step instead of the optimiser's.
    """
    trials = [list(row) for row in direct]
    pairs = [(t, s) for t, row in enumerate(worth) for s, is_worth in enumerate(row) if is_worth]
    if not pairs:
        return trials, []
    optimisers: list[Any] = [
        replace(targets[t].optimiser, centre=targets[t].sources[s].theta[None, :]) for t, s in pairs
    ]
    asked = [parts.strategy.ask(o, [targets[t].places[s]])[0] for o, (t, s) in zip(optimisers, pairs, strict=True)]
    sampled = parts.run_blocks(
        [training_block(a, targets[t].ground) for a, (t, _) in zip(asked, pairs, strict=True)], purpose
    )
    own = concatenate([targets[t].optimiser for t, _ in pairs])
    thetas = parts.strategy.propose(own, asked, np.stack([result.fitness for result in sampled]), plain)
    evaluated = parts.run_blocks(
        [agent_block([theta], targets[t].ground) for theta, (t, _) in zip(thetas, pairs, strict=True)], purpose
    )
    costs = []
    for i, (t, s) in enumerate(pairs):
        evaluation = read_evaluations(evaluated[i], targets[t].ground)[0]
        trials[t][s] = replace(trials[t][s], proposal=evaluation, proposal_theta=thetas[i])
        costs += [cost(iteration, targets[t].ledger_id, purpose, result) for result in (sampled[i], evaluated[i])]
    return trials, costs


def best_source(trials: Sequence[Trial], proposals_only: bool) -> Winner | None:
    """The highest score; the first of equals, direct before proposals. None when nothing was tried."""
    winners = [] if proposals_only else [Winner(t.source, False, t.source.theta, t.direct) for t in trials]
    winners += [
        Winner(t.source, True, t.proposal_theta, t.proposal)
        for t in trials
        if t.proposal is not None and t.proposal_theta is not None
    ]
    return max(winners, key=lambda winner: winner.evaluation.score, default=None)


def tried_sources(niches: Sequence[Niche], most: int | str, parent_id: int | None = None) -> tuple[Niche, ...]:
    """The niches whose agents are tried in a target, in their order.

    All trials of a round are as many as niches times sources. The papers try all; what each scores at home is known.

    Args:
        niches: all whose agents could be tried.
        most: ``transfer.max_sources``: the best by their own scores, the older of equals; ``"all"`` for every one.
        parent_id: the niche that a candidate was mutated from, which is always one of them; None for a niche.
    """
    if isinstance(most, str):
        return tuple(niches)
    ranked = sorted(niches, key=lambda niche: (niche.id != parent_id, -niche.evaluation.score))
    best = {niche.id for niche in ranked[:most]}
    return tuple(niche for niche in niches if niche.id in best)


def source_scores(transfer_id: int, trials: Sequence[Trial], iteration: int) -> list[SourceScored]:
    """The record of what each source scored."""
    return [
        SourceScored(
            transfer_id, t.source.id, iteration, t.direct.score, None if t.proposal is None else t.proposal.score
        )
        for t in trials
    ]


def attempts_of(trials: Sequence[Trial], direct: Purpose, proposal: Purpose) -> list[Attempt]:
    """What was run: all sources as they are, then all proposals."""
    return [Attempt(t.source, Origin.DIRECT, direct, t.source.theta, t.direct) for t in trials] + [
        Attempt(t.source, Origin.PROPOSAL, proposal, t.proposal_theta, t.proposal)
        for t in trials
        if t.proposal is not None and t.proposal_theta is not None
    ]


def refused_transfer(iteration: int, target_id: int) -> str:
    """How ``run.reject`` names a transfer: by its place, which no earlier change moves (as it would an event's id)."""
    return f"transfer at {iteration} into {target_id}"


def _round_target(niche: Niche, niches: Sequence[Niche], parts: Parts, iteration: int) -> Target:
    others = [source for source in niches if source.id != niche.id]
    sources = tried_sources(others, parts.config.transfer.max_sources)
    places = tuple(streams.proposal_sample(parts.seed, iteration, niche.id, source.id) for source in sources)
    return Target(niche.id, niche_ground(niche, parts.config, iteration), niche.optimiser, sources, places)


def _refute(
    niches: Sequence[Niche], rivals: Sequence[Winner | None], parts: Parts, iteration: int
) -> tuple[frozenset[int], list[Cost]]:
    """Which rivals are no better than a niche's own agent when both meet the same fresh instances.

    A rival is the best of many by one noisy score, so it is often a lucky one: of nine rivals that are no better than
    the niche's agent, the luckiest mostly passes. So both run ``transfer.confirm_episodes`` new episodes. The rival
    must succeed more often, or as often with a higher score: score alone prefers a walker that falls late to one that
    arrives.

    Returns:
        Ids of the niches whose agents stay, none if the config asks for no such test; and the costs.
    """
    num_episodes = parts.config.transfer.confirm_episodes
    contests = [(niche, rival) for niche, rival in zip(niches, rivals, strict=True) if num_episodes and rival]
    grounds = [_fresh_ground(niche, num_episodes, parts, iteration) for niche, _ in contests]
    purpose = Purpose.TRANSFER_CONFIRMATION
    results = parts.run_blocks(
        [
            agent_block([niche.theta, rival.theta], ground)
            for (niche, rival), ground in zip(contests, grounds, strict=True)
        ],
        purpose,
    )
    refuted, costs = set(), []
    for (niche, _), ground, result in zip(contests, grounds, results, strict=True):
        own, other = read_evaluations(result, ground)
        if (other.num_solved, other.score) <= (own.num_solved, own.score):
            refuted.add(niche.id)
        costs.append(cost(iteration, niche.id, purpose, result))
    return frozenset(refuted), costs


def _fresh_ground(niche: Niche, num_episodes: int, parts: Parts, iteration: int) -> Ground:
    own = own_terrain(niche)
    stream = streams.transfer_confirmation(parts.seed, iteration, niche.id)
    genotype = niche.genotype if niche.drawn is None else None
    return Ground(own, fresh_instances(genotype, own, num_episodes, parts.config, stream))


def _decide(
    state: PoetState,
    niche: Niche,
    trials: Sequence[Trial],
    winner: Winner | None,
    threshold: float,
    is_refuted: bool,
    parts: Parts,
) -> tuple[PoetState, list[Event]]:
    """Accept or refuse the winner of one target."""
    transfer_id, iteration = state.next_transfer_id, state.iteration + 1
    state = replace(state, next_transfer_id=transfer_id + 1)
    attempts = attempts_of(trials, Purpose.TRANSFER_DIRECT, Purpose.TRANSFER_PROPOSAL)
    niche, solved = solve(niche, attempts, iteration, parts.config.niche.num_fresh)
    attempt = TransferAttempted(
        id=transfer_id,
        iteration=iteration,
        target_id=niche.id,
        candidate_id=None,
        threshold=threshold,
        outcome=TransferOutcome.NOT_BETTER,
        source_id=winner.source.id if winner else None,
        origin=(Origin.PROPOSAL if winner.is_proposal else Origin.DIRECT) if winner else None,
        score=winner.evaluation.score if winner else None,
        version_id=None,
    )
    scores = source_scores(transfer_id, trials, iteration)
    if winner is None or attempt.origin is None or not winner.evaluation.score > threshold:
        return replace_niche(state, niche), [attempt, *scores, *solved]
    if refused_transfer(iteration, niche.id) in parts.config.run.reject:
        refused = replace(attempt, outcome=TransferOutcome.REJECTED_BY_FORK)
        return replace_niche(state, niche), [refused, *scores, *solved]
    if is_refuted:
        unconfirmed = replace(attempt, outcome=TransferOutcome.NOT_CONFIRMED)
        return replace_niche(state, niche), [unconfirmed, *scores, *solved]

    source = winner.source
    state, version = new_version(
        state, niche.id, winner.theta, winner.evaluation, attempt.origin, source.version_id, source.id
    )
    moved = replace(
        niche,
        optimiser=optimiser_for(winner.theta, source, parts),
        version_id=version.id,
        evaluation=winner.evaluation,
    )
    accepted = replace(attempt, outcome=TransferOutcome.ACCEPTED, version_id=version.id)
    return replace_niche(state, moved), [accepted, *scores, *solved, version]
