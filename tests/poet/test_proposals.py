"""The ES step before a proposal: whose noise and moments it has, in a transfer round and in a candidate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.strategies.perturbations import Perturbations
from environments.streams import StreamKey, stream_key
from poet.admission import reproduce_and_admit
from poet.events import AgentVersion, SourceScored
from poet.parts import Parts
from poet.transfer import transfer
from poet.types import Niche, Origin, Purpose
from tests.naive import NaiveNiche, float32, naive_centered_ranks, naive_directions, naive_openai_es
from tests.poet.builders import ledger, make_niche, make_state, make_test_parts, theta_of

SEED = 7
#: First step sizes, none of which a worn niche has; binary fractions, the same in float32.
NOISE, RATE, DECAY = 0.125, 0.25, 0.5
STEPS = {"noise_std": NOISE, "learning_rate": RATE, "weight_decay": DECAY}


def make_worn_niche(niche_id: int, parts: Parts, first: float, noise: float, rate: float) -> Niche:
    """A niche three steps old: noise and learning rate of its own, and moments that tell it from every other."""
    niche = make_niche(niche_id, parts, first)
    moments = np.linspace(-noise, noise, niche.theta.size, dtype=np.float32)[None, :]
    worn = replace(
        niche.optimiser,
        first_moment=moments,
        second_moment=moments * moments,
        beta1_power=np.array([0.9**3]),
        beta2_power=np.array([0.999**3]),
        learning_rate=np.array([rate]),
        noise_std=np.array([noise]),
    )
    return replace(niche, optimiser=worn)


def scores_around(source: Niche, noise: float, place: StreamKey) -> list[float]:
    """The scores of both pairs around a source's theta."""
    sample = Perturbations(source.theta, np.full_like(source.theta, noise), place, 2)
    return [float(theta[0]) for theta in sample.theta(np.arange(4))]


def adam_step(source: Niche, target: NaiveNiche, place: StreamKey, parts: Parts) -> list[float]:
    """The naive step from a source's theta with a target's moments, noise and learning rate."""
    start = replace(target, theta=source.theta.tolist())
    return naive_openai_es(start, place, scores_around(source, target.noise_std, place), parts.strategy).theta


def plain_step(source: Niche, place: StreamKey) -> list[float]:
    """theta - rate (decay theta - sum of weighted directions / (pairs noise)): no moments."""
    theta = source.theta.tolist()
    eps = naive_directions(place, 2, len(theta))
    ranks = naive_centered_ranks(scores_around(source, NOISE, place))
    weights = (ranks[0] - ranks[1], ranks[2] - ranks[3])
    return [
        float32(x - RATE * (DECAY * x - (weights[0] * a + weights[1] * b) / (2 * NOISE)))
        for x, a, b in zip(theta, *eps, strict=True)
    ]


@pytest.mark.parametrize("step", ["adam", "plain"])
def test_a_candidates_proposals_start_from_a_fresh_optimiser(step):
    """Whatever the sources' moments, noise and rates: first step sizes and no moments, by Adam or by a plain step."""
    parts = make_test_parts(
        run={"seed": SEED}, es=STEPS, transfer={"candidate_step": step},
        poet={"reproduction_threshold": 0.0, "max_children": 1, "criterion_lower": -9.0, "criterion_upper": 9.0},
    )  # fmt: skip
    sources = [make_worn_niche(0, parts, 0.5, 0.01, 0.02), make_worn_niche(1, parts, 1.5, 0.03, 0.04)]
    places = [stream_key(SEED, "candidate_proposal", 0, source.id) for source in sources]
    zeros = theta_of(0.0).tolist()
    fresh = NaiveNiche(zeros, zeros, zeros, learning_rate=RATE, noise_std=NOISE)

    reproduce_and_admit(make_state(*sources), parts)

    _, _, sampled, proposed = parts.evaluate.requests
    assert [{NOISE}, {NOISE}] == [set(block.sample.scale.tolist()) for block in sampled.blocks]
    thetas = [block.sample.values[0].tolist() for block in proposed.blocks]
    expected = [
        adam_step(source, fresh, place, parts) if step == "adam" else plain_step(source, place)
        for source, place in zip(sources, places, strict=True)
    ]
    assert expected == thetas


def test_a_candidate_can_do_without_proposals():
    """``transfer.candidate_step = "none"``: sources are tried as they are, in an episode each."""
    parts = make_test_parts(poet={"reproduction_threshold": 100.0}, transfer={"candidate_step": "none"})
    state = make_state(make_niche(0, parts, 120.0), make_niche(1, parts, 150.0))

    _, events = reproduce_and_admit(state, parts)

    scored = [event for event in events if isinstance(event, SourceScored)]
    assert {(0, None), (1, None)} == {(event.source_id, event.proposal_score) for event in scored}
    (version,) = [event for event in events if isinstance(event, AgentVersion)]
    assert (Origin.ADMISSION_DIRECT, 1) == (version.origin, version.source_id)
    spent = [cost for (_, purpose), cost in ledger(events).items() if purpose is Purpose.CANDIDATE_TRANSFER]
    assert sum(episodes for episodes, _ in spent) <= len(scored)


def test_a_transfers_proposal_is_a_step_of_the_targets_optimiser():
    """Noise, moments and learning rate are the target's, theta the source's; ``candidate_step`` is for candidates."""
    parts = make_test_parts(run={"seed": SEED}, es=STEPS, transfer={"candidate_step": "plain"})
    worn = [make_worn_niche(0, parts, 0.5, 0.25, 0.02), make_worn_niche(1, parts, 1.5, 0.0625, 0.04)]
    places = [stream_key(SEED, "transfer_proposal", 1, target, 1 - target) for target in (0, 1)]

    transfer(make_state(*worn), parts)

    _, sampled, proposed = parts.evaluate.requests
    assert [{0.25}, {0.0625}] == [set(block.sample.scale.tolist()) for block in sampled.blocks]
    naive = [NaiveNiche(*(getattr(n.optimiser, f)[0].tolist() for f in vars(n.optimiser))) for n in worn]
    expected = [adam_step(worn[1 - t], naive[t], places[t], parts) for t in (0, 1)]
    assert expected == [block.sample.values[0].tolist() for block in proposed.blocks]


def test_a_proposal_leaves_its_targets_optimiser_as_it_was():
    """A target that refuses keeps its moments and step sizes: what a proposal computed is not kept."""
    parts = make_test_parts(run={"seed": SEED}, es=STEPS)
    best = make_worn_niche(0, parts, 100.0, 0.25, 0.02)

    after, _ = transfer(make_state(best, make_niche(1, parts, 1.0)), parts)

    assert best.optimiser is after.active[0].optimiser
