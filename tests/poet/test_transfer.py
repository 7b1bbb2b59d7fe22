"""Transfers by the 2019 and the 2020 rule, on scores that are known beforehand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain.generation import push_from
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.config import make_config
from poet.events import AgentVersion, Cost, NicheSolved, SourceScored, TransferAttempted, TransferOutcome
from poet.round_cost import costly_round, round_cost
from poet.transfer import transfer
from poet.types import Origin, Purpose
from tests.poet.builders import EPISODE_LENGTH, Judge, first_weight, ledger, make_niche, make_state, make_test_parts


def of_kind(events, kind):
    """The events of one kind, in order."""
    return [event for event in events if isinstance(event, kind)]


def by_second_weight_too(theta: NDArray[np.float32], terrain: Terrain) -> float:
    """A score on which an ES step always helps: it climbs in every direction that samples reward."""
    return float(theta[0]) + 5000.0 * float(theta[1])


def test_a_better_source_replaces_the_agent_and_the_best_keeps_its_own():
    """By the 2019 rule each target takes the best source that is strictly better than its own agent."""
    parts = make_test_parts(transfer={"rule": "2019"})
    state = make_state(*(make_niche(i, parts, score) for i, score in enumerate((10.0, 30.0, 20.0))))

    after, events = transfer(state, parts)

    attempts = of_kind(events, TransferAttempted)
    assert [TransferOutcome.ACCEPTED, TransferOutcome.NOT_BETTER, TransferOutcome.ACCEPTED] == [
        a.outcome for a in attempts
    ]
    assert [1, 2, 1] == [a.source_id for a in attempts]
    assert [10.0, 30.0, 20.0] == [a.threshold for a in attempts]
    assert (30.0, 30.0) == (round(after.active[0].evaluation.score, 1), round(after.active[2].evaluation.score, 1))
    assert 30.0 == after.active[1].evaluation.score


def test_an_equal_source_is_not_better():
    """A source must be strictly better: among equal agents nothing moves."""
    parts = make_test_parts(score=lambda theta, terrain: 7.0)
    state = make_state(make_niche(0, parts, 7.0), make_niche(1, parts, 7.0))

    after, events = transfer(state, parts)

    assert all(a.outcome is TransferOutcome.NOT_BETTER for a in of_kind(events, TransferAttempted))
    assert [0, 1] == [niche.version_id for niche in after.active]


def test_all_sources_are_the_agents_from_before_the_round():
    """Replacements happen together: a niche that receives in a round still gives its old agent in that round."""
    parts = make_test_parts(score=lambda theta, terrain: float(theta[0]) * (1 if terrain.push > 0 else -1))
    seeds = {sign: next(s for s in range(50) if (make_niche(0, parts).genotype.express(s).push > 0) == sign)
             for sign in (True, False)}  # fmt: skip
    low = make_niche(0, parts, -5.0, terrain_seed=seeds[True])
    high = make_niche(1, parts, 5.0, terrain_seed=seeds[False])
    low = replace(low, evaluation=replace(low.evaluation, score=-5.0))
    high = replace(high, evaluation=replace(high.evaluation, score=-5.0))

    after, _ = transfer(make_state(low, high), parts)

    assert 5.0 == round(float(after.active[0].theta[0]), 1)
    assert -5.0 == round(float(after.active[1].theta[0]), 1)


def test_an_accepted_transfer_resets_the_optimiser():
    """Moments, learning rate and noise start again around the theta that came."""
    parts = make_test_parts()
    worn = make_niche(0, parts, 0.0)
    worn = replace(
        worn, optimiser=replace(worn.optimiser, beta1_power=np.array([0.5]), learning_rate=np.array([0.0005]))
    )
    after, _ = transfer(make_state(worn, make_niche(1, parts, 9.0)), parts)

    assert [1.0] == after.active[0].optimiser.beta1_power.tolist()
    assert [0.001] == after.active[0].optimiser.learning_rate.tolist()


def only_as_it_is(theta: NDArray[np.float32], terrain: Terrain) -> float:
    """A score that any ES step spoils."""
    return 9.0 if float(theta[0]) == 9.0 else 0.0


@pytest.mark.parametrize(("score", "origin"), [(only_as_it_is, Origin.DIRECT), (by_second_weight_too, Origin.PROPOSAL)])
def test_an_agent_may_bring_its_optimiser(score, origin):
    """With ``kept`` the source's moments, learning rate and noise go on around the theta that came, direct or not."""
    parts = make_test_parts(score=score, es={"on_arrival": "kept"})
    source = make_niche(1, parts, 9.0)
    worn = {"beta1_power": np.array([0.5]), "learning_rate": np.array([0.0005]), "noise_std": np.array([0.02])}
    worn["second_moment"] = np.full_like(source.theta[None, :], 0.25)
    source = replace(source, optimiser=replace(source.optimiser, **worn))

    after, events = transfer(make_state(make_niche(0, parts, 0.0), source), parts)

    moved, (version,) = after.active[0], [v for v in of_kind(events, AgentVersion) if v.niche_id == 0]
    assert {name: values.tolist() for name, values in worn.items()} == {
        name: getattr(moved.optimiser, name).tolist() for name in worn
    }
    assert moved.theta.tolist() == version.theta.tolist()
    assert origin is version.origin


def test_a_transfer_is_a_new_version_with_its_source():
    """The version knows its parent version, the source niche and whether it was direct or a proposal."""
    parts = make_test_parts(score=by_second_weight_too)
    state = make_state(make_niche(0, parts, 0.0), make_niche(1, parts, 9.0))

    after, events = transfer(state, parts)

    (version,) = [v for v in of_kind(events, AgentVersion) if v.niche_id == 0]
    assert (Origin.PROPOSAL, 1, 1) == (version.origin, version.source_id, version.parent_id)
    assert version.id == after.active[0].version_id
    assert version.score == after.active[0].evaluation.score


def test_the_2019_rule_spends_a_proposal_on_every_pair():
    """Both tests of every ordered pair are run and recorded, whatever the direct score."""
    parts = make_test_parts(transfer={"rule": "2019"})
    state = make_state(*(make_niche(i, parts, float(i)) for i in range(3)))

    _, events = transfer(state, parts)

    scored = of_kind(events, SourceScored)
    assert 6 == len(scored)
    assert all(s.proposal_score is not None for s in scored)
    costs = of_kind(events, Cost)
    assert 6 == sum(c.episodes for c in costs if c.purpose is Purpose.TRANSFER_DIRECT)
    assert 6 * (4 + 1) == sum(c.episodes for c in costs if c.purpose is Purpose.TRANSFER_PROPOSAL)
    assert EPISODE_LENGTH * 36 == sum(c.env_steps for c in costs)


def test_the_2020_rule_wants_a_direct_score_above_the_best_of_recent_ones():
    """The threshold is the best of the recent self evaluations; who fails it directly gets no proposal."""
    parts = make_test_parts(transfer={"rule": "2020"})
    target = make_niche(0, parts, 10.0, recent_scores=(25.0, 10.0))
    state = make_state(target, make_niche(1, parts, 20.0), make_niche(2, parts, 30.0))

    after, events = transfer(state, parts)

    attempt = of_kind(events, TransferAttempted)[0]
    assert (25.0, 2, Origin.PROPOSAL) == (attempt.threshold, attempt.source_id, attempt.origin)
    tried = {s.source_id: s.proposal_score is not None for s in of_kind(events, SourceScored) if s.transfer_id == 0}
    assert {1: False, 2: True} == tried
    assert (25.0, 10.0) == after.active[0].recent_scores


@pytest.mark.parametrize(("rule", "origin"), [("2019", Origin.DIRECT), ("2020", Origin.PROPOSAL)])
def test_the_first_of_equal_sources_wins(rule, origin):
    """Where all score the same the oldest source comes, as it is before what a step made of it."""
    parts = make_test_parts(score=lambda theta, terrain: 7.0, transfer={"rule": rule})
    state = make_state(*(make_niche(i, parts, score) for i, score in enumerate((3.0, 7.0, 7.0))))

    _, events = transfer(state, parts)

    attempt = of_kind(events, TransferAttempted)[0]
    assert (TransferOutcome.ACCEPTED, 1, origin) == (attempt.outcome, attempt.source_id, attempt.origin)


@pytest.mark.parametrize(
    ("rule", "threshold", "outcome", "version_id"),
    [("2019", 10.0, TransferOutcome.ACCEPTED, 2), ("2020", 25.0, TransferOutcome.NOT_BETTER, 0)],
)
def test_the_2019_rule_forgets_earlier_scores(rule, threshold, outcome, version_id):
    """A source of 20 beats a target that now scores 10 and once scored 25 by the 2019 rule, not by the 2020 rule."""
    parts = make_test_parts(transfer={"rule": rule})
    target = make_niche(0, parts, 10.0, recent_scores=(25.0, 10.0))

    after, events = transfer(make_state(target, make_niche(1, parts, 20.0)), parts)

    attempt = of_kind(events, TransferAttempted)[0]
    assert (threshold, outcome) == (attempt.threshold, attempt.outcome)
    assert version_id == after.active[0].version_id


@pytest.mark.parametrize(("instances", "direct", "proposal"), [("fixed", 1, 5), (2, 3, 7)])
def test_the_target_pays_for_a_transfer(instances, direct, proposal):
    """A direct test is one episode an instance; a proposal that and its sample of four. The 2020 rule: target 0 is
    worth two proposals, 1 is worth one, and 2, the best, none."""
    parts = make_test_parts(transfer={"rule": "2020"}, niche={"instances": instances})
    state = make_state(*(make_niche(i, parts, score) for i, score in enumerate((10.0, 20.0, 30.0))))

    _, events = transfer(state, parts)

    episodes = {
        (0, Purpose.TRANSFER_DIRECT): 2 * direct,
        (1, Purpose.TRANSFER_DIRECT): 2 * direct,
        (2, Purpose.TRANSFER_DIRECT): 2 * direct,
        (0, Purpose.TRANSFER_PROPOSAL): 2 * proposal,
        (1, Purpose.TRANSFER_PROPOSAL): 1 * proposal,
    }
    assert {key: (num, num * EPISODE_LENGTH) for key, num in episodes.items()} == ledger(events)


def test_the_2020_rule_accepts_proposals_only():
    """A direct score above the threshold is not enough: the proposal has to pass as well."""
    parts = make_test_parts(transfer={"rule": "2020"})
    source = make_niche(1, parts, 5.0)

    def only_the_source_itself(theta: NDArray[np.float32], terrain: Terrain) -> float:
        return 100.0 if np.array_equal(theta, source.theta) else float(theta[1])

    parts = replace(parts, evaluate=Judge(only_the_source_itself))
    after, events = transfer(make_state(make_niche(0, parts, 10.0), source), parts)

    attempt = of_kind(events, TransferAttempted)[0]
    assert TransferOutcome.NOT_BETTER is attempt.outcome
    assert 0 == after.active[0].version_id


@pytest.mark.parametrize(
    ("own", "other", "outcome"),
    [
        (240.0, 300.0, TransferOutcome.ACCEPTED),  # as many successes, and a higher score
        (240.0, 229.0, TransferOutcome.NOT_CONFIRMED),  # it was lucky in the round
        (240.0, 240.0, TransferOutcome.NOT_CONFIRMED),  # an equal one changes nothing
        (100.0, 120.0, TransferOutcome.ACCEPTED),  # nobody succeeds
    ],
)
def test_a_better_source_is_confirmed_on_fresh_pushes(own, other, outcome):
    """Both agents meet the same new pushes, from a stream of the iteration and the target; the target pays for it."""
    parts = make_test_parts(
        transfer={"rule": "2020", "confirm_episodes": 3}, niche={"instances": 2, "vary": "push"}, run={"seed": 4}
    )
    target, source = make_niche(0, parts, 1.0), make_niche(1, parts, 2.0)
    ground, stream = target.genotype.express(target.terrain_seed), Stream(4, "transfer_confirmation", 1, target.id)
    pushes = [ground.with_push(push_from(stream)) for _ in range(3)]

    def score(theta: NDArray[np.float32], terrain: Terrain) -> float:
        if terrain not in pushes:
            return float(theta[0])
        return own if np.array_equal(theta, target.theta) else other

    parts = replace(parts, evaluate=Judge(score, Outcome.FINISHED))
    after, events = transfer(make_state(target, source), parts)

    attempt = of_kind(events, TransferAttempted)[0]
    assert (outcome, 1) == (attempt.outcome, attempt.source_id)
    assert (outcome is TransferOutcome.ACCEPTED) == (after.active[0].version_id != target.version_id)
    assert (8, 8 * EPISODE_LENGTH) == ledger(events)[0, Purpose.TRANSFER_CONFIRMATION]


def test_more_successes_outweigh_a_higher_score():
    """A walker that arrives is preferred to one that gets further on the average and falls."""
    parts = make_test_parts(transfer={"rule": "2020", "confirm_episodes": 4}, niche={"vary": "push"})
    target = make_niche(0, parts, 1.0)
    stream = Stream(0, "transfer_confirmation", 1, target.id)
    ground = target.genotype.express(target.terrain_seed)
    pushes = [ground.with_push(push_from(stream)) for _ in range(4)]

    def score(theta: NDArray[np.float32], terrain: Terrain) -> float:
        if terrain not in pushes:
            return float(theta[0])
        is_own = np.array_equal(theta, target.theta)
        return (250.0 if pushes.index(terrain) < 2 else -100.0) if is_own else 200.0

    parts = replace(parts, evaluate=Judge(score, Outcome.FINISHED))
    _, events = transfer(make_state(target, make_niche(1, parts, 2.0)), parts)

    assert TransferOutcome.NOT_CONFIRMED is of_kind(events, TransferAttempted)[0].outcome


def test_who_is_not_better_is_not_run_again():
    """Only a source that beats the threshold is worth a confirmation."""
    parts = make_test_parts(transfer={"rule": "2020", "confirm_episodes": 3})

    _, events = transfer(make_state(make_niche(0, parts, 9.0), make_niche(1, parts, 9.0)), parts)

    assert Purpose.TRANSFER_CONFIRMATION not in {purpose for _, purpose in ledger(events)}


def test_a_fork_can_refuse_a_transfer():
    """``run.reject`` names a transfer that must not happen; the attempt is still recorded."""
    parts = make_test_parts(run={"reject": ["transfer at 1 into 0"]})
    state = make_state(make_niche(0, parts, 0.0), make_niche(1, parts, 9.0))

    after, events = transfer(state, parts)

    assert TransferOutcome.REJECTED_BY_FORK is of_kind(events, TransferAttempted)[0].outcome
    assert 0 == after.active[0].version_id


def test_a_diverged_source_never_wins():
    """A diverged world ranks below every score, even if its return is the highest."""
    parts = make_test_parts(score=first_weight, outcome=Outcome.DIVERGED)
    state = make_state(make_niche(0, parts, -1000.0), make_niche(1, parts, 50.0))

    after, _ = transfer(state, parts)

    assert [0, 1] == [niche.version_id for niche in after.active]


def test_a_niche_solved_by_a_visitor_is_solved():
    """Finishing with 230 or more in a transfer test marks the niche, with who did it and in which test."""
    parts = make_test_parts(score=first_weight, outcome=Outcome.FINISHED)
    state = make_state(make_niche(0, parts, 0.0), make_niche(1, parts, 240.0, is_solved=True))

    after, events = transfer(state, parts)

    (solved,) = of_kind(events, NicheSolved)
    assert (0, 1, Purpose.TRANSFER_DIRECT, 240.0) == (
        solved.niche_id, solved.source_id, solved.purpose, solved.own_return,
    )  # fmt: skip
    assert after.active[0].is_solved


ALL = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


@pytest.mark.parametrize(
    ("most", "tried"), [("all", ALL), (9, ALL), (2, [[1, 2], [0, 2], [0, 1], [1, 2]]), (1, [[1], [2], [1], [1]])]
)
def test_sources_may_be_few(most, tried):
    """The best at home are tried, the older of equals first, and in a niche never its own agent; 'all' tries all."""
    parts = make_test_parts(transfer={"rule": "2019", "max_sources": most})
    scores = (10.0, 30.0, 30.0, -5.0)

    _, events = transfer(make_state(*(make_niche(i, parts, score) for i, score in enumerate(scores))), parts)

    by_target = {a.id: [] for a in of_kind(events, TransferAttempted)}
    for event in of_kind(events, SourceScored):
        by_target[event.transfer_id].append(event.source_id)
    assert [*by_target.values()] == tried
    num_tried = sum(map(len, by_target.values()))
    ledgers = [e.episodes for e in of_kind(events, Cost) if e.purpose is Purpose.TRANSFER_PROPOSAL]
    assert num_tried * (2 * 2 + 1) == sum(ledgers)


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"poet": {"max_active": 200}}, "39,800 agents in 20,457,200 episodes, 8.0 times"),
        ({"poet": {"max_active": 200}, "transfer": {"max_sources": 5}}, None),
        ({"poet": {"max_active": 200}, "transfer": {"rule": "2020"}}, None),
        ({"poet": {"max_active": 200}, "transfer": {"periodic": False}}, None),
        ({"poet": {"max_active": 200}, "run": {"trainer": "es"}}, None),
        ({}, None),
    ],
)
def test_a_round_that_costs_far_more_than_training_is_told(sections, told):
    """Episodes grow with the square of the niches: 200 by the 2019 rule spend 8 times what they train."""
    sentence = costly_round(make_config(sections))
    assert (sentence is None) if told is None else told in sentence


def test_the_cost_that_is_told_is_what_a_round_runs():
    """Without fresh instances and with them."""
    for niche in ({}, {"instances": 3}):
        parts = make_test_parts(transfer={"rule": "2019"}, niche=niche, poet={"max_active": 3})
        _, events = transfer(make_state(*(make_niche(i, parts, float(i)) for i in range(3))), parts)
        cost = round_cost(parts.config)
        assert cost.num_episodes == sum(event.episodes for event in of_kind(events, Cost))
        assert cost.num_trials == len(of_kind(events, SourceScored))
