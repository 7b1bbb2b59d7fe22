"""Niches at rest: robustly solved ones train now and then only, and stay sources and parents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poet.events import GenerationDone
from poet.loop import poet_iteration
from poet.optimisation import optimise
from poet.types import Purpose, SuccessRates
from tests.poet.builders import ledger, make_niche, make_state
from tests.poet.builders import make_test_parts as make_parts
from tests.poet.test_transfer import of_kind

SOLVED, ALMOST = SuccessRates(0, pushes=0.8, seeds=0.0), SuccessRates(0, pushes=0.79, seeds=1.0)


def trained(events) -> list[int]:
    """The niches that took a step."""
    return [event.niche_id for event in of_kind(events, GenerationDone)]


def test_only_robustly_solved_niches_rest_and_each_has_its_turn():
    """At 80 % on its own ground a niche trains in one of three iterations, by its id; the others in all of them."""
    parts = make_parts(
        niche={"rest_interval": 3}, validation={"episodes": 5, "interval": 1000}, transfer={"periodic": False}
    )
    niches = [make_niche(i, parts, 1.0, success=s) for i, s in enumerate((SOLVED, ALMOST, None, SOLVED, SOLVED))]
    state, seen = make_state(*niches), []
    for _ in range(4):
        before = {niche.id: niche for niche in state.active}
        state, events = poet_iteration(state, parts)
        seen.append(trained(events))
        spent = ledger(events)
        for niche in state.active:
            is_trained = niche.id in seen[-1]
            assert is_trained == ((niche.id, Purpose.ES) in spent) == ((niche.id, Purpose.SELF_EVAL) in spent)
            assert is_trained == (before[niche.id].version_id != niche.version_id)

    assert [[1, 2], [1, 2, 4], [0, 1, 2, 3], [1, 2]] == seen


def test_by_default_nobody_rests():
    """``niche.rest_interval = 1``: as the papers have it."""
    parts = make_parts(validation={"episodes": 5, "interval": 1000})
    state = make_state(make_niche(0, parts, success=SOLVED))

    assert [0] == trained(optimise(state, parts)[1])


def test_when_all_rest_nothing_is_run():
    """No request is made, but the iteration still counts."""
    parts = make_parts(niche={"rest_interval": 7}, validation={"episodes": 5}, transfer={"periodic": False})
    state = replace(make_state(make_niche(1, parts, success=SOLVED)), iteration=1)

    after, events = poet_iteration(state, parts)

    assert (2, ()) == (after.iteration, events)
    assert [] == parts.evaluate.requests


@pytest.mark.parametrize(
    "changes", [{"validation": {"episodes": 0}}, {"evaluation": {"max_steps": 300}}], ids=["no rates", "other episodes"]
)
def test_nobody_rests_by_what_a_fork_would_not_have_found(changes):
    """If rates come from a run with validation or longer episodes, each niche is trained and re-evaluated at once."""
    sections = {"niche": {"rest_interval": 7}, "validation": {"episodes": 5}, **changes}
    parts = make_parts(**sections, transfer={"periodic": False})

    after, events = optimise(make_state(make_niche(1, parts, success=SOLVED), iteration=1), parts)

    assert [1] == trained(events)
    assert after.scored_steps == parts.config.evaluation.max_steps
