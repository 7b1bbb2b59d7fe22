"""ANNECS, by the paper and by the released code: who judges a new niche, and what is counted when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.ending import Outcome
from poet.admission import reproduce_and_admit
from poet.annecs import AnnecsCount, admissible_niches, annecs_counts
from poet.config import make_config
from poet.criterion import Judgement
from poet.events import NicheJudged, NicheSolved
from poet.types import Purpose
from tests.naive import naive_annecs
from tests.poet.builders import EPISODE_LENGTH, first_weight, ledger, make_niche, make_retired, make_state
from tests.poet.builders import make_test_parts as make_parts
from tests.poet.test_loop import rugged
from tests.poet.test_transfer import of_kind

#: A niche of score 120 has one child.
POET = {"reproduction_threshold": 110.0, "max_children": 1}
EASY, HARD, FITS = Judgement.TOO_EASY, Judgement.TOO_HARD, Judgement.ADMISSIBLE


def judge(*retired: float, parts=None) -> tuple[NicheJudged, list]:
    """Judge the child of a niche whose agent always scores 120, besides one of 90, with these retired agents."""
    parts = parts or make_parts(poet=POET)
    num = len(retired)
    gone = tuple(
        make_retired(make_niche(i, parts, score, genotype=ObstacleGenotype(roughness=1.0 + i)))
        for i, score in enumerate(retired)
    )
    state = make_state(make_niche(num, parts, 90.0), make_niche(num + 1, parts, 120.0))
    _, events = reproduce_and_admit(replace(state, retired=gone), parts)
    (event,) = of_kind(events, NicheJudged)
    return event, events


def judged(niche_id: int, iteration: int, judgement: Judgement, retired: Judgement | None) -> NicheJudged:
    """A record with these judgements."""
    score = None if retired is None else 1.0
    return NicheJudged(niche_id, iteration, niche_id, 1, 1.0, judgement, score, retired)


@pytest.mark.parametrize(
    ("retired", "best", "judgement", "retired_best", "retired_judgement"),
    [
        ((), 120.0, FITS, None, None),
        ((70.0,), 120.0, FITS, 70.0, FITS),
        ((20.0, 10.0), 120.0, FITS, 20.0, HARD),
        ((200.0, 40.0), 200.0, FITS, 200.0, FITS),
        ((60.0, 301.0), 301.0, EASY, 301.0, EASY),
        ((300.0,), 300.0, FITS, 300.0, FITS),
        ((49.9,), 120.0, FITS, 49.9, HARD),
    ],
)
def test_all_agents_judge_a_new_niche(retired, best, judgement, retired_best, retired_judgement):
    """By the paper the best of all decides, retired agents included; by the released code that of the retired alone,
    and nobody where none has retired. The niche is admitted whatever they say."""
    event, _ = judge(*retired)

    assert (len(retired) + 2, 1) == (event.niche_id, event.iteration)
    assert (len(retired) + 2, len(retired)) == (event.num_agents, event.num_retired)
    assert (pytest.approx(best, abs=0.1), judgement) == (event.best_score, event.judgement)
    assert (retired_best and pytest.approx(retired_best), retired_judgement) == (
        event.retired_best_score,
        event.retired_judgement,
    )


def test_the_first_agent_is_one_of_those_that_judge():
    """If the niche's first agent is a proposal, its score counts besides the direct scores of all agents."""
    parts = make_parts(lambda theta, terrain: 120.0 if float(theta[0]).is_integer() else 299.0, poet=POET)

    event, _ = judge(130.0, parts=parts)

    assert (299.0, FITS) == (event.best_score, event.judgement)


def test_judges_score_on_the_own_instance_alone():
    """``niche.instances = 2``: one episode per agent, even for the first one, which has a mean over fresh instances."""
    parts = make_parts(rugged, poet={**POET, "criterion_lower": -1e6, "criterion_upper": 1e6}, niche={"instances": 2},
                       run={"seed": 1}, terrain={"obstacles": ["roughness"]})  # fmt: skip
    state = make_state(make_niche(0, parts, 120.0))

    after, events = reproduce_and_admit(state, parts)

    (event,), newcomer = of_kind(events, NicheJudged), after.active[-1]
    own = newcomer.genotype.express(newcomer.terrain_seed)
    assert max(rugged(niche.theta, own) for niche in after.active) == event.best_score < newcomer.evaluation.score


@pytest.mark.parametrize(("at_admission", "num_run"), [(True, 3), (False, 3 + 1)])
def test_only_what_nobody_ran_is_run_for_annecs(at_admission, num_run):
    """Retired agents; and, where no transfer was tried at admission, active ones but the parent. The niche pays."""
    event, events = judge(60.0, 70.0, 80.0, parts=make_parts(poet=POET, transfer={"at_admission": at_admission}))

    assert (num_run, num_run * EPISODE_LENGTH) == ledger(events)[event.niche_id, Purpose.ANNECS]


def test_pata_ec_leaves_annecs_nothing_to_run():
    """The scores that novelty has computed in a child are reused when the child becomes a niche."""
    event, events = judge(60.0, 301.0, parts=make_parts(poet=POET, novelty={"measure": "pata_ec"}))

    assert judge(60.0, 301.0)[0] == event
    assert Purpose.ANNECS not in {purpose for _, purpose in ledger(events)}


def test_annecs_can_be_switched_off():
    """``poet.annecs = false``: nothing is judged, run or paid for, and everything else is the same."""
    _, events = judge(60.0)
    parts = make_parts(poet={**POET, "annecs": False})
    with pytest.raises(ValueError, match="not enough values"):
        judge(60.0, parts=parts)

    requests = parts.evaluate.requests
    assert Purpose.ANNECS not in [request.label for request in requests]
    assert 1 == len(of_kind(events, NicheJudged))


def test_all_niches_of_a_round_are_judged_at_once_by_the_agents_from_before():
    """Two admitted: one request for both, and neither's agent judges the other."""
    parts = make_parts(poet={"reproduction_threshold": 50.0, "max_children": 4, "max_admitted": 2})
    state = replace(make_state(make_niche(1, parts, 100.0)), retired=(make_retired(make_niche(0, parts, 60.0)),))

    _, events = reproduce_and_admit(state, parts)

    (request,) = [request for request in parts.evaluate.requests if request.label == Purpose.ANNECS]
    assert 2 == len(request.blocks)
    assert [(2, 2), (3, 2)] == [(event.niche_id, event.num_agents) for event in of_kind(events, NicheJudged)]


def test_a_retired_agent_may_solve_the_niche_that_it_judges():
    """A niche is solved by any agent that finishes with 230 or more in any evaluation."""
    parts = make_parts(first_weight, Outcome.FINISHED, poet=POET)

    event, events = judge(60.0, 240.0, parts=parts)

    (solved,) = of_kind(events, NicheSolved)
    assert (event.niche_id, 1, Purpose.ANNECS, 240.0) == (
        solved.niche_id, solved.source_id, solved.purpose, solved.own_return,
    )  # fmt: skip


def test_both_counts_of_a_history_made_by_hand():
    """Niche 1 passes both and is solved in 4; 2 passes the paper's alone and never is; 3 is too easy for all; 4 passes
    both, solved in the iteration that admits it; 5 is too hard for the retired."""
    children = {1: 1, 2: 2, 3: 3, 4: 3, 5: 5}
    records = [
        judged(1, 1, FITS, FITS), judged(2, 2, FITS, None), judged(3, 3, EASY, FITS), judged(4, 3, FITS, FITS),
        judged(5, 5, FITS, HARD),
    ]  # fmt: skip

    counts = annecs_counts(children, records, {0: 1, 1: 4, 3: 5, 4: 3}, 5)

    expected = [(0, 0, 0), (0, 1, 1), (0, 2, 1), (1, 2, 3), (2, 1, 3), (2, 2, 3)]
    assert [AnnecsCount(*count) for count in expected] == counts


def test_a_niche_that_was_never_judged_makes_the_count_unknown():
    """A run that began without judgements has no ANNECS from its first child on, and not 0."""
    assert [AnnecsCount(0, 0, 0), None, None] == annecs_counts({1: 1, 2: 2}, [judged(2, 2, FITS, FITS)], {}, 2)
    assert [AnnecsCount(0, 0, 0)] * 3 == annecs_counts({}, [], {0: 1}, 2)


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(Judgement), st.sampled_from([None, *Judgement]),
                  st.none() | st.integers(0, 3)),
        max_size=9,
    )
)  # fmt: skip
def test_counts_are_those_of_the_slow_twin(niches):
    """For any history, the twin recounts each iteration from everything that had happened by then."""
    children = {i: admitted for i, (admitted, *_) in enumerate(niches, start=1)}
    records = [judged(i, admitted, all_, old) for i, (admitted, all_, old, _) in enumerate(niches, start=1)]
    solved = {i: admitted + delay for i, (admitted, _, _, delay) in enumerate(niches, start=1) if delay is not None}

    counts = annecs_counts(children, records, solved, 9)

    assert [naive_annecs(records, solved, i) for i in range(10)] == [
        (count.paper, count.passed_unsolved, count.released) for count in counts
    ]


def test_robust_counts_those_that_passed_and_were_robustly_solved():
    """Niche 1 passed and is robust from 3 on; 2 passed and never is; 3 is robust, but was too easy for all."""
    records = [judged(1, 1, FITS, FITS), judged(2, 2, FITS, None), judged(3, 3, EASY, FITS)]

    counts = annecs_counts({1: 1, 2: 2, 3: 3}, records, {1: 2}, 4, robust={0: 0, 1: 3, 3: 4})

    assert [0, 0, 0, 1, 1] == [count.robust for count in counts]


def test_the_cadence_of_reproductions_says_how_many_niches_there_could_be():
    """Every second iteration reproduces, for the first time in the third; a fork from the sixth on admits two."""
    config = make_config({"poet": {"reproduction_interval": 2, "max_admitted": 1}})
    changed = make_config(config.to_json(), {"poet": {"max_admitted": 2}})

    assert [0, 0, 0, 1, 1, 2, 2, 4, 4, 6] == admissible_niches([(0, config), (6, changed)], 9)
