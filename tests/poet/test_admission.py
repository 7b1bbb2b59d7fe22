"""Reproduction and admission: who may have children, which are refused and why, who gets in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.admission import reproduce_and_admit
from poet.criterion import Judgement, ReturnBand
from poet.events import (
    AgentVersion,
    CandidateJudged,
    CandidateOutcome,
    NicheAdmitted,
    NicheJudged,
    NicheRetired,
    SourceScored,
    TransferAttempted,
)
from poet.types import Evaluation, Origin, Purpose
from tests.poet.builders import (
    EPISODE_LENGTH,
    first_weight,
    ledger,
    make_niche,
    make_retired,
    make_state,
    make_test_parts,
)
from tests.poet.test_transfer import of_kind

ADMITS_ALL = {"criterion_lower": -1000.0, "criterion_upper": 1000.0}


def outcomes(events) -> Counter[CandidateOutcome]:
    """The number of candidates by outcome."""
    return Counter(event.outcome for event in of_kind(events, CandidateJudged))


def _evaluation(score: float) -> Evaluation:
    """An evaluation of an agent in its own niche."""
    return Evaluation(score, score, EPISODE_LENGTH, int(Outcome.TIMEOUT))


@pytest.mark.parametrize(
    ("score", "judgement"),
    [
        (49.9, Judgement.TOO_HARD),
        (50.0, Judgement.ADMISSIBLE),
        (300.0, Judgement.ADMISSIBLE),
        (300.1, Judgement.TOO_EASY),
        (float("-inf"), Judgement.TOO_HARD),
    ],
)
def test_the_band_includes_its_bounds(score, judgement):
    """50 <= score <= 300 is neither too hard nor too easy; a diverged world is too hard."""
    assert judgement is ReturnBand(50.0, 300.0).judge(score)


def test_a_users_criterion_judges_wherever_one_is_asked():
    """It replaces the band, which all scores here exceed: for the parent, the best agent, and twice for ANNECS."""
    parts = make_test_parts(
        poet={"criterion": "tests.poet.test_loop:Anything", "reproduction_threshold": 0.0, "max_children": 1}
    )
    retired = make_retired(make_niche(0, parts, 500.0, genotype=ObstacleGenotype(roughness=5.0)))

    _, events = reproduce_and_admit(replace(make_state(make_niche(1, parts, 400.0)), retired=(retired,)), parts)

    assert {CandidateOutcome.ADMITTED: 1} == outcomes(events)
    (judged,) = of_kind(events, NicheJudged)
    assert (500.0, 500.0) == (judged.best_score, judged.retired_best_score)
    assert (Judgement.ADMISSIBLE, Judgement.ADMISSIBLE) == (judged.judgement, judged.retired_judgement)


def test_nobody_reproduces_below_the_threshold():
    """Without an eligible parent nothing is tried and nothing is spent."""
    parts = make_test_parts(poet={"reproduction_threshold": 200.0})

    after, events = reproduce_and_admit(make_state(make_niche(0, parts, 199.9)), parts)

    assert [] == events
    assert 0 == after.next_candidate_id


@pytest.mark.parametrize(("share", "is_waiting"), [(0.0, False), (0.5, False), (0.51, True), (1.0, True)])
def test_nobody_reproduces_while_too_few_are_eligible(share, is_waiting):
    """``poet.eligible_share``: here two of four agents are good enough."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0, "eligible_share": share})
    state = make_state(*(make_niche(i, parts, score) for i, score in enumerate((120.0, 90.0, 100.0, 99.0))))

    after, events = reproduce_and_admit(state, parts)

    assert is_waiting == (not events) == (after is state)


def test_only_eligible_niches_are_parents():
    """Every child's parent scores at least the threshold."""
    parts = make_test_parts(poet={"reproduction_threshold": 200.0, "max_children": 30})
    state = make_state(make_niche(0, parts, 100.0), make_niche(1, parts, 250.0), make_niche(2, parts, 200.0))

    _, events = reproduce_and_admit(state, parts)

    assert {1, 2} == {event.parent_id for event in of_kind(events, CandidateJudged)}


@pytest.mark.parametrize(
    ("parent_score", "outcome"), [(301.0, CandidateOutcome.TOO_EASY), (20.0, CandidateOutcome.TOO_HARD)]
)
def test_a_child_is_refused_by_its_parents_score(parent_score, outcome):
    """A child on which its parent scores outside the band is refused, and no other agent is tried in it."""
    parts = make_test_parts(poet={"reproduction_threshold": 0.0})

    after, events = reproduce_and_admit(make_state(make_niche(0, parts, parent_score)), parts)

    assert {outcome, CandidateOutcome.DUPLICATE} >= set(outcomes(events))
    assert outcomes(events)[outcome] > 0
    assert [] == of_kind(events, TransferAttempted)
    assert 1 == len(after.active)


def test_the_most_novel_child_is_admitted_and_the_rest_are_not_reached():
    """Candidates are tried in order of novelty until ``max_admitted`` are in."""
    parts = make_test_parts(poet={"reproduction_threshold": 0.0, "max_children": 20})

    after, events = reproduce_and_admit(make_state(make_niche(0, parts, 100.0)), parts)

    judged = of_kind(events, CandidateJudged)
    (admitted,) = [c for c in judged if c.outcome is CandidateOutcome.ADMITTED]
    passed_over = [c for c in judged if c.outcome is CandidateOutcome.NOT_REACHED]
    assert passed_over
    assert admitted.novelty >= max(c.novelty for c in passed_over)
    (niche,) = of_kind(events, NicheAdmitted)
    assert (1, 0, admitted.id) == (niche.niche_id, niche.parent_id, niche.candidate_id)
    assert ObstacleGenotype.from_json(niche.genotype) == after.active[1].genotype
    assert niche.terrain == after.active[1].genotype.express(niche.terrain_seed)


def test_the_best_of_all_agents_comes_with_the_child():
    """The admitted niche starts with the agent that scores best in it, not with its parent's."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0})
    state = make_state(make_niche(0, parts, 120.0), make_niche(1, parts, 90.0), make_niche(2, parts, 150.0))

    after, events = reproduce_and_admit(state, parts)

    (version,) = of_kind(events, AgentVersion)
    assert 2 == version.source_id
    assert version.origin in (Origin.ADMISSION_DIRECT, Origin.ADMISSION_PROPOSAL)
    assert 150.0 == round(after.active[-1].evaluation.score)
    (attempt,) = of_kind(events, TransferAttempted)
    assert (3, version.id) == (attempt.target_id, attempt.version_id)


def test_a_child_that_is_too_easy_for_another_agent_is_refused():
    """The criterion is asked again of the best of all agents."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0, "max_children": 4})
    state = make_state(make_niche(0, parts, 120.0), make_niche(1, parts, 310.0))
    parts_of_first = make_test_parts(poet={"reproduction_threshold": 100.0, "max_children": 4})
    only_first = make_state(make_niche(0, parts_of_first, 120.0))

    _, events = reproduce_and_admit(state, parts)
    _, control = reproduce_and_admit(only_first, parts_of_first)

    assert outcomes(events)[CandidateOutcome.ADMITTED] == 0
    assert outcomes(events)[CandidateOutcome.TRANSFER_TOO_EASY] > 0
    assert outcomes(control)[CandidateOutcome.ADMITTED] == 1


def test_without_transfer_at_admission_the_parent_comes_along():
    """``transfer.at_admission = false``: no other agent is tried, and no transfer attempt is counted."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0}, transfer={"at_admission": False})
    state = make_state(make_niche(0, parts, 120.0), make_niche(1, parts, 90.0))

    after, events = reproduce_and_admit(state, parts)

    (version,) = of_kind(events, AgentVersion)
    assert (0, Origin.ADMISSION_DIRECT, 120.0) == (version.source_id, version.origin, version.score)
    assert [] == of_kind(events, TransferAttempted)
    assert 0 == after.next_transfer_id


def test_the_oldest_niche_retires():
    """Beyond ``max_active`` the oldest niche retires with its agent, but still counts for novelty."""
    parts = make_test_parts(poet={"reproduction_threshold": 0.0, "max_active": 2})
    state = make_state(make_niche(0, parts, 100.0), make_niche(1, parts, 100.0))

    after, events = reproduce_and_admit(state, parts)

    assert [1, 2] == [niche.id for niche in after.active]
    (retired,) = of_kind(events, NicheRetired)
    assert (0, 0, 100.0) == (retired.niche_id, retired.version_id, retired.score)
    assert state.active[0].theta.tolist() == after.retired[0].theta.tolist()


def test_retirement_can_be_switched_off():
    """``poet.retirement = none`` lets the population grow."""
    parts = make_test_parts(poet={"reproduction_threshold": 0.0, "max_active": 1, "retirement": "none"})

    after, _ = reproduce_and_admit(make_state(make_niche(0, parts, 100.0)), parts)

    assert 2 == len(after.active)


def test_a_child_that_an_active_niche_equals_is_a_duplicate():
    """The genotype of an active niche is not tried again, and costs nothing."""
    parts = make_test_parts(terrain={"obstacles": ["pit_gap"]}, poet={"reproduction_threshold": 0.0, "max_children": 3})
    flat = make_niche(0, parts, 100.0, genotype=ObstacleGenotype())
    first_child = make_niche(1, parts, -100.0, genotype=ObstacleGenotype(pit_gap=(0.0, 0.8)))

    _, events = reproduce_and_admit(make_state(flat, first_child, iteration=6), parts)

    assert {CandidateOutcome.DUPLICATE: 3} == outcomes(events)
    assert all(c.parent_score is None and c.iteration == 7 for c in of_kind(events, CandidateJudged))


def test_retired_niches_count_for_novelty_and_not_as_duplicates():
    """Hand-worked: from a child with pits of 0 to 0.8, its flat parent is 0.8 away, retired pits of 0 to 4.8 are 4.0
    and its retired double 0: their mean is 1.6. The double keeps nobody out: it runs no more."""
    parts = make_test_parts(terrain={"obstacles": ["pit_gap"]}, poet={"reproduction_threshold": 0.0, "max_children": 1})
    wide, double = (
        make_retired(make_niche(i, parts, genotype=ObstacleGenotype(pit_gap=(0.0, gap))))
        for i, gap in enumerate((4.8, 0.8))
    )
    state = make_state(make_niche(2, parts, 100.0, genotype=ObstacleGenotype()))

    after, events = reproduce_and_admit(replace(state, retired=(wide, double)), parts)

    (judged,) = of_kind(events, CandidateJudged)
    assert (CandidateOutcome.ADMITTED, pytest.approx(1.6)) == (judged.outcome, judged.novelty)
    assert double.genotype == after.active[1].genotype


def test_of_twins_only_one_gets_in():
    """Children of a round with the same genes pass the criterion together; the first in rank makes the others
    duplicates, though there is room for three. A twin is not run before the verdict on the first."""
    parts = make_test_parts(
        terrain={"obstacles": ["pit_gap"]},
        poet={"reproduction_threshold": 0.0, "max_children": 3, "max_admitted": 3},
    )
    after, events = reproduce_and_admit(make_state(make_niche(0, parts, 100.0)), parts)

    assert {CandidateOutcome.ADMITTED: 1, CandidateOutcome.DUPLICATE: 2} == outcomes(events)
    assert [3, 1, 1, 1] == [len(request.blocks) for request in parts.evaluate.requests]
    expected = [(0, CandidateOutcome.ADMITTED), (1, CandidateOutcome.DUPLICATE), (2, CandidateOutcome.DUPLICATE)]
    assert expected == [(c.id, c.outcome) for c in of_kind(events, CandidateJudged)]
    assert 2 == len(after.active)


@pytest.mark.parametrize(("other_score", "num_tested"), [(90.0, 2), (310.0, 6)])
def test_candidates_that_are_tested_anyhow_share_their_requests(other_score, num_tested):
    """With two places free two candidates are tried at once: all agents as they are, their samples, their proposals.
    None is tried in vain: once the places are taken the rest is not reached; while they are refused, the next two."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0, "max_children": 6, "max_admitted": 2})
    hard = ObstacleGenotype(5.0, pit_gap=(2.0, 4.0), stump_height=(1.0, 2.0))
    other = make_niche(1, parts, other_score, evaluation=_evaluation(90.0))
    state = make_state(make_niche(0, parts, 120.0, genotype=hard), other)

    _, events = reproduce_and_admit(state, parts)

    criterion, *rest = parts.evaluate.requests
    assert 6 == len(criterion.blocks)
    assert [(Purpose.CANDIDATE_TRANSFER, num) for _ in range(num_tested // 2) for num in (2, 4, 4)] == [
        (request.label, len(request.blocks)) for request in rest
    ]
    assert num_tested == len(of_kind(events, TransferAttempted))


def test_a_niche_admitted_in_a_round_is_no_source_of_its_siblings():
    """All candidates of a round are tried with the agents from before it."""
    parts = make_test_parts(poet={"reproduction_threshold": 50.0, "max_children": 4, "max_admitted": 2})
    state = make_state(make_niche(0, parts, 100.0), make_niche(1, parts, 60.0))

    _, events = reproduce_and_admit(state, parts)

    assert [2, 3] == [niche.niche_id for niche in of_kind(events, NicheAdmitted)]
    tried = [(score.transfer_id, score.source_id) for score in of_kind(events, SourceScored)]
    assert [(0, 0), (0, 1), (1, 0), (1, 1)] == tried


def test_an_admitted_niche_starts_afresh_with_what_won():
    """Its parent is the mutated niche; its agent comes from the best source, without that source's moments or rates."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0, "max_children": 1})
    parent = make_niche(0, parts, 120.0, version_id=17)
    guest = make_niche(1, parts, 150.0, version_id=18, evaluation=replace(parent.evaluation, score=90.0))
    worn = replace(guest.optimiser, beta1_power=np.array([0.5]), learning_rate=np.array([0.0005]))

    after, events = reproduce_and_admit(make_state(parent, replace(guest, optimiser=worn)), parts)

    child, (version,) = after.active[2], of_kind(events, AgentVersion)
    assert (2, 0) == (child.id, child.parent_id)
    assert (18, 1, version.id) == (version.parent_id, version.source_id, child.version_id)
    assert 150.0 == round(float(child.theta[0]), 1)
    assert float(child.theta[0]) == child.evaluation.score == version.score
    assert ([1.0], [0.001]) == (child.optimiser.beta1_power.tolist(), child.optimiser.learning_rate.tolist())
    assert () == child.recent_scores


def test_an_admitted_niche_may_go_on_with_the_optimiser_of_what_won():
    """With ``kept`` its moments and rates are those of the agent's source, not of its parent."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0, "max_children": 1}, es={"on_arrival": "kept"})
    parent = make_niche(0, parts, 120.0)
    guest = make_niche(1, parts, 150.0, evaluation=replace(parent.evaluation, score=90.0))
    worn = replace(guest.optimiser, beta1_power=np.array([0.5]), learning_rate=np.array([0.0005]))

    after, _ = reproduce_and_admit(make_state(parent, replace(guest, optimiser=worn)), parts)

    child = after.active[2]
    assert 150.0 == round(float(child.theta[0]), 1)
    assert ([0.5], [0.0005]) == (child.optimiser.beta1_power.tolist(), child.optimiser.learning_rate.tolist())


def test_a_niche_begins_in_the_iteration_that_admits_it():
    """After six iterations done it is the seventh that creates the niche, its version and its records."""
    parts = make_test_parts(poet={"reproduction_threshold": 0.0, "max_active": 1})

    after, events = reproduce_and_admit(make_state(make_niche(0, parts, 100.0), iteration=6), parts)

    assert [7] == [niche.created for niche in after.active]
    assert [7] == [niche.retired for niche in after.retired]
    assert {7} == {event.iteration for event in events}


@pytest.mark.parametrize(("instances", "direct", "proposal"), [("fixed", 1, 5), (2, 3, 7)])
def test_a_candidates_parent_pays_for_it(instances, direct, proposal):
    """The criterion's test is one agent's; the transfer test a direct one and a proposal of each of three sources."""
    parts = make_test_parts(poet={"reproduction_threshold": 110.0, "max_children": 1}, niche={"instances": instances})
    state = make_state(*(make_niche(i, parts, score) for i, score in enumerate((100.0, 120.0, 90.0))))

    _, events = reproduce_and_admit(state, parts)

    episodes = {
        (1, Purpose.CANDIDATE_CRITERION): direct,
        (1, Purpose.CANDIDATE_TRANSFER): 3 * direct + 3 * proposal,
    }
    assert {key: (num, num * EPISODE_LENGTH) for key, num in episodes.items()} == ledger(events)


def test_a_fork_can_refuse_a_candidate():
    """``run.reject`` names a candidate that must not get in; the next in rank gets its chance."""
    sections = {"poet": {"reproduction_threshold": 0.0}}
    parts = make_test_parts(**sections)
    state = make_state(make_niche(0, parts, 100.0))
    _, events = reproduce_and_admit(state, parts)
    (admitted,) = of_kind(events, NicheAdmitted)

    other = make_test_parts(**sections, run={"reject": [f"candidate at 1 number {admitted.candidate_id}"]})
    _, events = reproduce_and_admit(state, other)

    assert CandidateOutcome.REJECTED_BY_FORK in outcomes(events)
    assert admitted.candidate_id != of_kind(events, NicheAdmitted)[0].candidate_id


def test_a_fork_names_a_candidate_by_its_number_in_its_round():
    """Ids go on counting over rounds, and a fork may have had others before: the place in the round stays."""
    sections = {"poet": {"reproduction_threshold": 0.0}}
    parts = make_test_parts(**sections)
    state = replace(make_state(make_niche(0, parts, 100.0)), next_candidate_id=40)
    (admitted,) = of_kind(reproduce_and_admit(state, parts)[1], NicheAdmitted)

    other = make_test_parts(**sections, run={"reject": [f"candidate at 1 number {admitted.candidate_id - 40}"]})
    _, events = reproduce_and_admit(state, other)

    refused = [c.id for c in of_kind(events, CandidateJudged) if c.outcome is CandidateOutcome.REJECTED_BY_FORK]
    assert [admitted.candidate_id] == refused


def test_a_niche_is_solved_at_its_admission_by_the_agent_that_finishes_it():
    """The first evaluation of any agent can solve a niche, including the candidate's transfer test."""
    parts = make_test_parts(first_weight, Outcome.FINISHED, poet={"reproduction_threshold": 0.0})

    after, _ = reproduce_and_admit(make_state(make_niche(0, parts, 240.0)), parts)

    assert after.active[1].is_solved


def test_terrain_is_scored_on_the_childs_own_instance():
    """The criterion sees the child's terrain, not the parent's."""
    seen: list[Terrain] = []

    def remember(theta, terrain):
        seen.append(terrain)
        return 100.0

    parts = make_test_parts(remember, poet={"reproduction_threshold": 0.0, "max_children": 1})
    after, _ = reproduce_and_admit(make_state(make_niche(0, parts, 100.0)), parts)

    child = after.active[1]
    assert {child.genotype.express(child.terrain_seed)} == set(seen)


def test_a_candidate_may_meet_few_agents():
    """``transfer.max_sources``: its parent, which the criterion has seen, and the best of the others."""
    parts = make_test_parts(
        poet={"reproduction_threshold": 0.0, "max_children": 9, "annecs": False}, transfer={"max_sources": 2}
    )
    state = make_state(*(make_niche(i, parts, score) for i, score in enumerate((60.0, 80.0, 250.0, 90.0))))

    _, events = reproduce_and_admit(state, parts)

    parent_of = {event.id: event.parent_id for event in of_kind(events, CandidateJudged)}
    attempts = {event.id: parent_of[event.candidate_id] for event in of_kind(events, TransferAttempted)}
    tried = {id: {e.source_id for e in of_kind(events, SourceScored) if e.transfer_id == id} for id in attempts}
    assert attempts
    assert tried == {id: {parent, 2} if parent != 2 else {2, 3} for id, parent in attempts.items()}
