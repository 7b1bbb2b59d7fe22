"""Both transfer rules against two loops written straight from POET.md 4.3, on any scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from environments.terrain.terrain import Terrain
from poet.events import SourceScored, TransferAttempted, TransferOutcome
from poet.loop import poet_iteration
from poet.scoring import express
from poet.transfer import transfer
from tests.naive import naive_transfers
from tests.poet.builders import Judge, make_niche, make_state, make_test_parts
from tests.poet.test_transfer import of_kind

#: Few values, so that equals happen.
scores = st.sampled_from([-np.inf, 10.0, 20.0, 30.0, 40.0])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from(["2019", "2020"]), st.integers(2, 4))
def test_a_round_is_that_of_the_slow_twin(data, rule, num):
    """Who comes to each niche, as it is or after a step; who is worth a step; the threshold and its memory."""
    table = st.lists(st.lists(scores, min_size=num, max_size=num), min_size=num, max_size=num)
    direct, proposal = data.draw(table), data.draw(table)
    recent = data.draw(st.lists(st.lists(scores, min_size=1, max_size=5), min_size=num, max_size=num))
    own = [row[-1] for row in recent]
    parts = make_test_parts(transfer={"rule": rule})
    niches = [make_niche(i, parts, float(i)) for i in range(num)]
    niches = [
        replace(n, evaluation=replace(n.evaluation, score=own[n.id]), recent_scores=tuple(recent[n.id])) for n in niches
    ]
    target_of = {express(n.genotype, n.terrain_seed).digest(): n.id for n in niches}

    def known(theta: NDArray[np.float32], terrain: Terrain) -> float:
        source = round(float(theta[0]))  # a step moves a theta by far less than one
        is_direct = np.array_equal(theta, niches[source].theta)
        return (direct if is_direct else proposal)[target_of[terrain.digest()]][source]

    parts = replace(parts, evaluate=Judge(known))
    after, events = transfer(make_state(*niches), parts)

    attempts = of_kind(events, TransferAttempted)
    found = [(a.source_id, str(a.origin)) if a.outcome is TransferOutcome.ACCEPTED else None for a in attempts]
    assert naive_transfers(rule, own, recent, direct, proposal) == found
    assert [max(row) if rule == "2020" else row[-1] for row in recent] == [a.threshold for a in attempts]
    assert [tuple(row) for row in recent] == [niche.recent_scores for niche in after.active]
    stepped = {(s.transfer_id, s.source_id) for s in of_kind(events, SourceScored) if s.proposal_score is not None}
    assert stepped == {
        (t, s) for t in range(num) for s in range(num) if s != t and (rule == "2019" or direct[t][s] > max(recent[t]))
    }


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_memory_holds_the_last_self_evaluations_only(window):
    """One entry after each ES step, the last ``transfer.recent_scores`` of them; what came by transfer is not one."""
    parts = make_test_parts(
        lambda theta, terrain: 100.0 * float(theta[0]),
        transfer={"rule": "2020", "recent_scores": window, "interval": 1},
    )
    state = make_state(make_niche(0, parts, 0.0, recent_scores=()), make_niche(1, parts, 9.0, recent_scores=()))
    evaluated: list[float] = []
    for _ in range(6):
        state, events = poet_iteration(state, parts)
        evaluated += [event.score for event in events if type(event).__name__ == "GenerationDone"][:1]

    assert tuple(evaluated[-window:]) == state.active[0].recent_scores
    assert evaluated[0] < 1.0 < evaluated[1]  # the agent of niche 1 came in the first round
