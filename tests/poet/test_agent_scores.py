"""Scores of all agents in all environments: each pair is run once, and no result depends on it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.admission import reproduce_and_admit
from poet.events import CandidateJudged, CandidateOutcome, Cost, NicheSolved
from poet.loop import poet_iteration
from poet.novelty import Environment
from poet.scoring import express
from poet.types import Evaluation, PoetState, Purpose, theta_digest
from tests.naive import naive_pata_ec
from tests.poet.builders import EPISODE_LENGTH, ledger, make_niche, make_retired, make_state, make_test_parts, start
from tests.poet.test_loop import Anything, rugged
from tests.poet.test_transfer import of_kind

#: A child of any parent passes, and there is one.
OPEN = {"reproduction_threshold": 0.0, "max_children": 1, "criterion_lower": -1000.0, "criterion_upper": 1000.0}
BY_SCORES = {"measure": "pata_ec"}
OUTSIDE = (Purpose.NOVELTY, Purpose.ANNECS)


def uneven(theta, terrain: Terrain) -> float:
    """Agents rank differently on different terrains."""
    return 100.0 + float(theta[0]) * math.copysign(1.0, terrain.push) + float(terrain.ground[100, 1])


def pairs_run(parts, *purposes: str) -> list[tuple[str, str]]:
    """(theta, terrain) of each episode of the requests so far with one of these purposes."""
    return [
        (theta_digest(block.sample.theta(np.array([row]))[0]), block.terrains[t].digest())
        for request in parts.evaluate.requests
        if request.label in purposes
        for block in request.blocks
        for row, t in zip(block.rows, block.terrain_index, strict=True)
    ]


def four_niches(parts) -> PoetState:
    """Two retired and two active ones; only the last is good enough to have children."""
    niches = [make_niche(i, parts, 10.0 * (i + 1), genotype=ObstacleGenotype(roughness=1.0 + i)) for i in range(4)]
    low = replace(niches[2], evaluation=Evaluation(-1.0, -1.0, EPISODE_LENGTH, int(Outcome.FELL)))
    state = make_state(low, niches[3])
    return replace(state, retired=(make_retired(niches[0]), make_retired(niches[1])))


def test_only_what_is_not_known_is_run_in_one_request():
    """Of 4 agents in 4 niches and a child, 2 are known from their own niches and the parent in its child: 17 are run.
    The child's test runs no agent again as it is: two proposals, of four samples and one evaluation each."""
    parts = make_test_parts(uneven, poet=OPEN, novelty=BY_SCORES)

    _, events = reproduce_and_admit(four_niches(parts), parts)

    novelty = [request for request in parts.evaluate.requests if request.label == Purpose.NOVELTY]
    assert [5] == [len(request.blocks) for request in novelty]
    episodes = {
        (0, Purpose.NOVELTY): 4,
        (1, Purpose.NOVELTY): 4,
        (2, Purpose.NOVELTY): 3,
        (3, Purpose.CANDIDATE_CRITERION): 1,
        (3, Purpose.NOVELTY): 3 + 3,
        (3, Purpose.CANDIDATE_TRANSFER): 2 * (4 + 1),
    }
    assert {key: (num, num * EPISODE_LENGTH) for key, num in episodes.items()} == ledger(events)


def test_all_is_run_without_the_cache():
    """``novelty.cached = false``: 4 agents in 4 niches and a child are 20 episodes, and the child's test has its two
    direct ones; ANNECS asks for nothing more."""
    parts = make_test_parts(uneven, poet=OPEN, novelty={**BY_SCORES, "cached": False})

    after, events = reproduce_and_admit(four_niches(parts), parts)

    spent = Counter[Purpose]()
    for (_, purpose), (episodes, _) in ledger(events).items():
        spent[purpose] += episodes
    assert {Purpose.NOVELTY: 20, Purpose.CANDIDATE_CRITERION: 1, Purpose.CANDIDATE_TRANSFER: 12} == spent
    assert (0, 0) == after.retired_scores.shape


def test_nothing_is_characterised_when_no_child_passes():
    """Scores are needed to rank candidates, so no agent is run if no candidate passed the criterion."""
    parts = make_test_parts(uneven, poet={**OPEN, "criterion_lower": 999.0}, novelty=BY_SCORES)

    reproduce_and_admit(four_niches(parts), parts)

    assert [Purpose.CANDIDATE_CRITERION] == [request.label for request in parts.evaluate.requests]


def test_other_measures_run_nobody():
    """Novelty by genes does not run agents, and the state keeps no scores."""
    parts = make_test_parts(uneven, poet=OPEN, novelty={"measure": "nearest_genes"})
    after, _ = reproduce_and_admit(four_niches(parts), parts)
    assert [] == pairs_run(parts, Purpose.NOVELTY)
    assert (0, 0) == after.retired_scores.shape


def test_novelty_is_that_of_the_slow_twin():
    """The whole way, from the state to the event: agents and environments in the released order, the paper's k."""
    parts = make_test_parts(uneven, poet={**OPEN, "criterion_lower": 0.0, "criterion_upper": 200.0}, novelty=BY_SCORES)
    state = four_niches(parts)

    _, events = reproduce_and_admit(state, parts)

    (child,) = of_kind(events, CandidateJudged)
    own = ObstacleGenotype.from_json(child.genotype).express(child.terrain_seed)
    grounds = [express(niche.genotype, niche.terrain_seed) for niche in state.niches]
    known = {niche.id: niche.evaluation.own_return for niche in state.active}
    others = [
        [known[a.id] if a is e and a.id in known else uneven(a.theta, ground) for a in state.niches]
        for e, ground in zip(state.niches, grounds, strict=True)
    ]
    expected = naive_pata_ec([uneven(a.theta, own) for a in state.niches], others, 5, 0.0, 200.0)
    assert 0.0 < expected == child.novelty


def test_retired_agents_scores_are_kept_where_they_were_run():
    """After a reproduction: each retired niche, the one that has just retired too, in each niche, the new one too."""
    parts = make_test_parts(uneven, poet={**OPEN, "max_active": 2}, novelty=BY_SCORES)
    state = four_niches(parts)

    after, _ = reproduce_and_admit(state, parts)

    assert [0, 1, 2] == [niche.id for niche in after.retired]
    by_id = sorted(after.niches, key=lambda niche: niche.id)
    expected = [[uneven(r.theta, express(n.genotype, n.terrain_seed)) for n in by_id] for r in after.retired]
    expected[2][2] = -1.0  # its last own evaluation
    assert (3, 5) == after.retired_scores.shape
    assert expected == after.retired_scores.tolist()


def test_equal_thetas_are_run_once():
    """A copied agent has the original's score."""
    parts = make_test_parts(uneven, poet=OPEN, novelty=BY_SCORES)
    niches = [make_niche(i, parts, 30.0, genotype=ObstacleGenotype(roughness=1.0 + i)) for i in range(3)]

    reproduce_and_admit(make_state(*niches), parts)

    # Each of the three is known in its own niche and one of them in the child: as one theta, it is known everywhere.
    assert [] == pairs_run(parts, Purpose.NOVELTY)


def test_other_episodes_are_other_scores():
    """A fork may change ``evaluation.max_steps``. Earlier scores of 2 retired and 3 active agents are then not used."""
    parts = make_test_parts(uneven, poet=OPEN, novelty=BY_SCORES)
    state, _ = reproduce_and_admit(four_niches(parts), parts)

    def num_run(max_steps: int) -> int:
        again = make_test_parts(uneven, poet=OPEN, novelty=BY_SCORES, evaluation={"max_steps": max_steps})
        reproduce_and_admit(replace(state, iteration=1), again)
        return sum(1 for _ in pairs_run(again, Purpose.NOVELTY))

    assert num_run(2000) + 2 * 5 + 3 == num_run(1999)


@pytest.mark.parametrize("num_before", [0, 2, 5])
@pytest.mark.parametrize("measure", ["pata_ec", "nearest_genes"])
def test_the_cache_changes_no_result_where_a_fork_has_changed_the_episode(num_before, measure):
    """Shorter episodes score otherwise: with the cache and without it all events from there on are the same, but costs.

    So they are if the fork begins before the first reproduction, or if agents were not scored before it.
    """
    busy = {**OPEN, "max_children": 3, "max_active": 2, "reproduction_interval": 1}

    def make_parts(max_steps: int, is_cached: bool, measure: str = "pata_ec"):
        def score(theta, terrain: Terrain) -> float:
            return 200.0 + max_steps / 2000 * rugged(theta, terrain) * math.copysign(1.0, terrain.push)

        return make_test_parts(
            score, run={"seed": 3}, poet=busy, novelty={"measure": measure, "cached": is_cached},
            transfer={"interval": 1}, evaluation={"max_steps": max_steps},
        )  # fmt: skip

    before = make_parts(2000, True, measure)
    state, _ = start(before)
    for _ in range(num_before):
        state, _ = poet_iteration(state, before)
    found = []
    for is_cached in (True, False):
        parts, forked, events = make_parts(500, is_cached), state, []
        for _ in range(4):
            forked, happened = poet_iteration(forked, parts)
            events += happened
        found.append(events)

    cached, uncached = ([e for e in events if not isinstance(e, Cost)] for events in found)
    assert cached == uncached
    assert found[0] != found[1]
    assert len({c.novelty for c in of_kind(cached, CandidateJudged)}) > 2


def test_fresh_instances_leave_scores_alone():
    """``niche.instances = 2``: agents are compared on own instances, one episode each; a child's test runs the fresh
    ones, and its own only where it is not known."""
    parts = make_test_parts(uneven, poet=OPEN, novelty=BY_SCORES, niche={"instances": 2})
    state = four_niches(parts)

    after, events = reproduce_and_admit(state, parts)

    own = {express(niche.genotype, niche.terrain_seed).digest() for niche in after.niches}
    assert own == {terrain for _, terrain in pairs_run(parts, Purpose.NOVELTY)}
    spent = ledger(events)
    assert 2 * 2 + 2 * (4 + 3) == spent[3, Purpose.CANDIDATE_TRANSFER][0]


def test_a_diverged_world_is_the_worst_of_ranks():
    """Where all diverge all agents tie, as fitness has it: -inf, kept so; novelty is a number."""
    parts = make_test_parts(uneven, Outcome.DIVERGED, poet={**OPEN, "max_active": 1}, novelty=BY_SCORES)
    parts = replace(parts, criterion=Anything(0.0, 1.0))
    state = four_niches(parts)

    after, events = reproduce_and_admit(state, parts)

    (child,) = of_kind(events, CandidateJudged)
    assert math.isfinite(child.novelty)
    assert {-math.inf} == set(after.retired_scores[0].tolist())


def test_an_agent_solves_whatever_it_finishes_for_novelty():
    """Active or retired, agent or niche: finished with 230 is solved, by the first agent in order that does it."""
    parts = make_test_parts(
        lambda theta, terrain: 235.0 if theta[0] in (20.0, 40.0) else 100.0, Outcome.FINISHED, poet=OPEN,
        novelty=BY_SCORES,
    )  # fmt: skip
    state = four_niches(parts)

    after, events = reproduce_and_admit(state, parts)

    solved = of_kind(events, NicheSolved)
    assert [(0, 1), (1, 1), (2, 1), (3, 1)] == sorted((e.niche_id, e.source_id) for e in solved if e.niche_id < 4)
    assert {Purpose.NOVELTY} == {event.purpose for event in solved if event.niche_id < 4}
    (child,) = [event for event in solved if event.niche_id == 4]
    assert (3, Purpose.CANDIDATE_CRITERION) == (child.source_id, child.purpose)
    assert all(niche.is_solved for niche in after.niches)
    _, again = reproduce_and_admit(replace(after, iteration=1), parts)
    assert [] == [event for event in of_kind(again, NicheSolved) if event.niche_id < 5]


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    max_active=st.integers(1, 3),
    max_admitted=st.integers(1, 2),
    instances=st.sampled_from(["fixed", 2]),
    at_admission=st.booleans(),
)
def test_the_cache_changes_nothing_but_the_ledger(seed, max_active, max_admitted, instances, at_admission):
    """Whatever the settings, all events are the same with it and without; with it no pair is run twice in a run."""

    def run(is_cached: bool):
        parts = make_test_parts(
            lambda theta, terrain: 200.0 + rugged(theta, terrain) * math.copysign(1.0, terrain.push), Outcome.FINISHED,
            run={"seed": seed}, niche={"instances": instances}, novelty={**BY_SCORES, "cached": is_cached},
            poet={**OPEN, "max_children": 4, "max_active": max_active, "max_admitted": max_admitted,
                  "reproduction_interval": 1},
            transfer={"interval": 1, "rule": "2020", "at_admission": at_admission},
        )  # fmt: skip
        state, events = start(parts)
        everything = list(events)
        for _ in range(6):
            state, events = poet_iteration(state, parts)
            everything += events
        return parts, state, everything

    parts, state, events = run(True)
    _, uncached, others = run(False)

    assert [e for e in events if not isinstance(e, Cost)] == [e for e in others if not isinstance(e, Cost)]
    assert state.env_steps < uncached.env_steps
    assert len(state.niches) > 3
    outside = pairs_run(parts, *OUTSIDE)
    assert len(outside) == len(set(outside))
    if instances == "fixed":  # else parents run on fresh instances of a child for the criterion and for its transfer
        abroad = pairs_run(parts, *OUTSIDE, Purpose.CANDIDATE_CRITERION, Purpose.CANDIDATE_TRANSFER)
        assert len(abroad) == len(set(abroad))
    own = {(theta_digest(niche.theta), express(niche.genotype, niche.terrain_seed).digest()) for niche in state.niches}
    assert not own & set(outside)
    if max_active >= max_admitted:  # else a niche may retire in the round that admits it, unknown to its siblings
        assert not np.isnan(state.retired_scores).any()


@pytest.mark.parametrize("measure", ["pata_ec", "nearest_genes"])
def test_admission_at_random_differs_in_whom_it_admits_alone(measure):
    """``novelty.order = random``: the same episodes, solutions and novelty, but each child's draw says who is first."""

    def reproduced(order: str):
        parts = make_test_parts(
            lambda theta, terrain: 135.0 + uneven(theta, terrain), Outcome.FINISHED, run={"seed": 3},
            poet={**OPEN, "max_children": 5}, novelty={"measure": measure, "order": order},
        )  # fmt: skip
        state, events = reproduce_and_admit(four_niches(parts), parts)
        judged = of_kind(events, CandidateJudged)
        (admitted,) = [c.id for c in judged if c.outcome is CandidateOutcome.ADMITTED]
        solved = [event for event in of_kind(events, NicheSolved) if event.niche_id < 4]
        return pairs_run(parts, Purpose.NOVELTY), solved, {c.id: c.novelty for c in judged}, admitted, state

    *control, drawn, after = reproduced("random")
    *ordinary, most_novel, others = reproduced("novelty")

    assert ordinary == control
    assert (measure == "pata_ec") == bool(control[0]) == bool(control[1])
    draws = {i: Stream(3, "admission_order", i).uniform() for i in range(5)}
    assert max(draws, key=draws.__getitem__) == drawn != most_novel
    assert others.retired_scores[:, :4].tolist() == after.retired_scores[:, :4].tolist()


def test_the_band_reaches_the_measure():
    """Scores are clipped to the run's own criterion."""
    parts = make_test_parts(poet={"criterion_lower": 25.0, "criterion_upper": 340.0}, novelty=BY_SCORES)

    assert (-0.25, -0.25, 0.5) == parts.novelty.vector(Environment(ObstacleGenotype(), (10.0, 25.0, 999.0)))
