"""Scores and solutions: on which instance each row runs, and who solves a niche, in which evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments.streams import stream_key
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.admission import reproduce_and_admit
from poet.events import NicheSolved, TransferAttempted, TransferOutcome
from poet.loop import poet_iteration
from poet.scoring import Attempt, Ground, read_evaluations, solve, training_block
from poet.transfer import transfer
from poet.types import Evaluation, Origin, Purpose, theta_digest
from tests.poet.builders import Judge, make_niche, make_state, make_test_parts, start, theta_of
from tests.poet.test_transfer import of_kind


def solve_once(score: float, own_return: float, outcome: Outcome, num_solved: int = 0, num_fresh: int = 0) -> bool:
    """Whether one attempt with this evaluation solves an unsolved niche of ``num_fresh`` fresh instances."""
    parts = make_test_parts()
    attempt = Attempt(
        make_niche(1, parts), Origin.DIRECT, Purpose.TRANSFER_DIRECT, theta_of(1.0),
        Evaluation(score, own_return, 10, int(outcome), num_solved),
    )  # fmt: skip
    niche, events = solve(make_niche(0, parts), [attempt], 1, num_fresh)
    assert niche.is_solved == (len(events) == 1)
    return niche.is_solved


def by_whom(event: NicheSolved) -> tuple[int, int, Origin, Purpose, float, str]:
    """Source, its version, origin, purpose, return and digest of what solved."""
    return (
        event.source_id, event.source_version_id, event.origin, event.purpose, event.own_return, event.theta_digest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("own_return", "outcome", "is_solved"),
    [
        (229.9, Outcome.FINISHED, False),
        (230.0, Outcome.FINISHED, True),
        (300.0, Outcome.TIMEOUT, False),
        (300.0, Outcome.FELL, False),
        (300.0, Outcome.DIVERGED, False),
    ],
)
def test_solved_is_finished_with_230_or_more(own_return, outcome, is_solved):
    """The paper's bound, included; a return without the course's end is not enough."""
    assert is_solved == solve_once(own_return, own_return, outcome)


@pytest.mark.parametrize(("score", "own_return", "is_solved"), [(0.0, 230.0, True), (300.0, 229.0, False)])
def test_the_own_instance_decides_whether_a_niche_is_solved(score, own_return, is_solved):
    """With fresh instances the score is their mean: it neither solves a niche nor keeps it from being solved."""
    assert is_solved == solve_once(score, own_return, Outcome.FINISHED)


@pytest.mark.parametrize(
    ("num_fresh", "num_solved", "own_return", "is_solved"),
    [(4, 2, 230.0, True), (4, 1, 230.0, False), (4, 4, 229.0, False), (5, 3, 230.0, True), (5, 2, 230.0, False),
     (1, 0, 300.0, False), (1, 1, 300.0, True)],
)  # fmt: skip
def test_with_fresh_instances_half_of_them_have_to_be_solved_too(num_fresh, num_solved, own_return, is_solved):
    """One good episode on the own instance is not enough, and good ones on the fresh alone are not either."""
    assert is_solved == solve_once(300.0, own_return, Outcome.FINISHED, num_solved, num_fresh)


@pytest.mark.parametrize(("instances", "num_solved"), [("fixed", 1), (2, 0)])
def test_an_episode_for_novelty_solves_a_niche_only_where_instances_are_fixed(instances, num_solved):
    """Such an episode is on the own instance alone, so it says nothing about the K fresh ones."""
    parts = make_test_parts(
        lambda theta, terrain: 240.0 if theta[0] > 200.0 else 60.0, Outcome.FINISHED, niche={"instances": instances},
        novelty={"measure": "pata_ec"}, poet={"reproduction_threshold": 0.0, "max_children": 1, "max_admitted": 1},
    )  # fmt: skip
    strong = make_niche(1, parts, 240.0, is_solved=True)

    _, events = reproduce_and_admit(make_state(make_niche(0, parts, 60.0), strong), parts)

    assert num_solved == len([e for e in of_kind(events, NicheSolved) if e.niche_id == 0])


def test_evaluations_count_the_fresh_instances_that_were_solved():
    """Of K = 3 those that finish with 230 or more, the own one left out."""
    grounds = [ObstacleGenotype(roughness=float(1 + i)).express(i) for i in range(4)]
    returns = np.array([300.0, 230.0, 229.9, 250.0])
    outcomes = np.array([Outcome.FINISHED, Outcome.FINISHED, Outcome.FINISHED, Outcome.FELL], np.int8)

    (found,) = read_evaluations(
        RolloutResult(returns, np.full(4, 9, np.int32), outcomes), Ground(grounds[0], tuple(grounds[1:]))
    )

    assert 1 == found.num_solved


def test_only_the_first_solution_is_recorded():
    """Of two attempts that solve the first in order counts, before a better one; a solved niche records no more."""
    parts = make_test_parts()
    sources = [make_niche(i, parts, version_id=40 + i) for i in range(4)]
    attempts = [
        Attempt(source, Origin.PROPOSAL, Purpose.TRANSFER_PROPOSAL, theta_of(source.id), Evaluation(r, r, 9, ending))
        for source, r, ending in zip(
            sources, (290.0, 240.0, 280.0, 250.0), map(int, (Outcome.FELL, *[Outcome.FINISHED] * 3)), strict=True
        )
    ]

    niche, events = solve(make_niche(9, parts), attempts, 6)

    assert [(9, 6)] == [(event.niche_id, event.iteration) for event in events]
    expected = (1, 41, Origin.PROPOSAL, Purpose.TRANSFER_PROPOSAL, 240.0, theta_digest(theta_of(1.0)))
    assert expected == by_whom(events[0])
    assert np.array_equal(theta_of(1.0), events[0].theta)
    assert (niche, []) == solve(niche, attempts, 7)


def test_a_start_walker_may_solve_the_root():
    """Iteration 0: the root's first agent is its own source, of origin ``initial``."""
    parts = make_test_parts(outcome=Outcome.FINISHED)

    state, events = start(parts, theta_of(240.0))

    (solved,) = of_kind(events, NicheSolved)
    assert (0, 0) == (solved.niche_id, solved.iteration)
    assert (0, 0, Origin.INITIAL, Purpose.SELF_EVAL, 240.0, theta_digest(theta_of(240.0))) == by_whom(solved)
    assert state.active[0].is_solved


def test_a_niche_may_be_solved_by_its_own_agent_after_an_es_step():
    """The source is the niche, with the version that the step made."""
    parts = make_test_parts(lambda theta, terrain: 235.0, Outcome.FINISHED)
    state = make_state(make_niche(0, parts, 0.0), iteration=4)

    after, events = poet_iteration(state, parts)

    (solved,) = of_kind(events, NicheSolved)
    (niche,) = after.active
    assert (0, 5) == (solved.niche_id, solved.iteration)
    assert (0, 1, Origin.ES, Purpose.SELF_EVAL, 235.0, theta_digest(niche.theta)) == by_whom(solved)
    assert niche.is_solved and 1 == niche.version_id


def test_a_direct_transfer_that_solves_is_that_version_of_the_source():
    """The theta ran as it is: source version and digest are those of the source's agent."""
    parts = make_test_parts(outcome=Outcome.FINISHED)
    source = make_niche(1, parts, 240.0, version_id=17, is_solved=True)

    after, events = transfer(make_state(make_niche(0, parts, 0.0), source), parts)

    (solved,) = of_kind(events, NicheSolved)
    assert (1, 17, Origin.DIRECT, Purpose.TRANSFER_DIRECT, 240.0, theta_digest(source.theta)) == by_whom(solved)
    assert [True, True] == [niche.is_solved for niche in after.active]


def test_a_refused_proposal_may_solve_a_niche():
    """What is not better than the niche's own agent can still be the first to finish: the niche keeps its agent."""
    parts = make_test_parts()
    source = make_niche(1, parts, 500.0, version_id=17, is_solved=True)

    def only_others(theta: NDArray[np.float32], terrain: Terrain) -> float:
        return 100.0 if np.array_equal(theta, source.theta) else 300.0

    parts = replace(parts, evaluate=Judge(only_others, Outcome.FINISHED))
    after, events = transfer(make_state(make_niche(0, parts, 500.0), source), parts)

    proposal = parts.evaluate.requests[-1].blocks[0].sample.values[0]
    assert {TransferOutcome.NOT_BETTER} == {attempt.outcome for attempt in of_kind(events, TransferAttempted)}
    (solved,) = of_kind(events, NicheSolved)
    assert 0 == solved.niche_id
    assert (1, 17, Origin.PROPOSAL, Purpose.TRANSFER_PROPOSAL, 300.0, theta_digest(proposal)) == by_whom(solved)
    assert (0, True) == (after.active[0].version_id, after.active[0].is_solved)


@pytest.mark.parametrize("at_admission", [True, False])
def test_the_parent_may_solve_a_child_in_the_test_of_the_criterion(at_admission):
    """That test comes first: an older niche's agent that solves the child too, in the transfer test, is too late."""
    parts = make_test_parts(
        outcome=Outcome.FINISHED, transfer={"at_admission": at_admission},
        poet={"reproduction_threshold": 235.0, "max_children": 1},
    )  # fmt: skip
    parent = make_niche(1, parts, 240.0, version_id=17)

    after, events = reproduce_and_admit(make_state(make_niche(0, parts, 232.0), parent, iteration=4), parts)

    (solved,) = of_kind(events, NicheSolved)
    assert (2, 5) == (solved.niche_id, solved.iteration)
    assert (1, 17, Origin.DIRECT, Purpose.CANDIDATE_CRITERION, 240.0, theta_digest(parent.theta)) == by_whom(solved)
    assert [False, False, True] == [niche.is_solved for niche in after.active]


def test_another_niches_agent_may_solve_a_child_in_the_test_at_admission():
    """Where the parent falls short of 230, the purpose is the candidate's transfer test."""
    parts = make_test_parts(outcome=Outcome.FINISHED, poet={"reproduction_threshold": 0.0, "max_children": 1})
    guest = make_niche(1, parts, 240.0, version_id=17, evaluation=Evaluation(-1.0, -1.0, 10, int(Outcome.FELL)))

    _, events = reproduce_and_admit(make_state(make_niche(0, parts, 200.0), guest), parts)

    (solved,) = of_kind(events, NicheSolved)
    assert (1, 17, Origin.DIRECT, Purpose.CANDIDATE_TRANSFER, 240.0, theta_digest(guest.theta)) == by_whom(solved)


@pytest.mark.parametrize(
    ("antithetic", "instance_of_row"), [(True, [0, 0, 1, 1, 2, 2, 0, 0]), (False, [0, 1, 2, 0, 1, 2, 0, 1])]
)
def test_rows_take_the_training_instances_in_turn(antithetic, instance_of_row):
    """Of K = 3: pair m, or row m of a sample without pairs (CEM), runs on instance m mod 3; the own one is not run."""
    terrains = tuple(ObstacleGenotype(roughness=float(1 + i)).express(i) for i in range(4))
    theta = theta_of(0.0)
    sample = Perturbations(theta, theta, stream_key(0, "test"), 4 if antithetic else 8, antithetic)

    block = training_block(sample, Ground(terrains[0], terrains[1:]))

    assert (list(range(8)), instance_of_row) == (block.rows.tolist(), block.terrain_index.tolist())
    assert terrains[1:] == block.terrains
