"""The main loop: the order of its phases, its schedule, its books, and what must hold whatever happens."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rollouts.request import EvaluationRequest
from environments.errors import InputError
from environments.terrain.terrain import Terrain
from poet.criterion import AbstractCriterion, Judgement
from poet.events import AgentVersion, Cost, GenerationDone, NicheAdmitted, NicheRetired, TransferAttempted
from poet.loop import poet_iteration, random_theta
from poet.parts import make_parts
from poet.scoring import niche_ground
from poet.types import Origin, Purpose, theta_digest
from tests.poet.builders import EPISODE_LENGTH, Judge, ledger, make_niche, make_state, make_test_parts, start, theta_of
from tests.poet.test_transfer import of_kind


class Anything(AbstractCriterion):
    """A criterion that admits all."""

    def judge(self, score: float) -> Judgement:
        """Admissible."""
        return Judgement.ADMISSIBLE


def rugged(theta, terrain: Terrain) -> float:
    """A score that depends on every instance and on theta, so any mix-up changes it."""
    return 100.0 + 10.0 * float(theta[0]) + terrain.push + float(terrain.ground[100, 1])


def purposes(parts) -> list[str]:
    """The purposes of the requests so far."""
    return [request.label for request in parts.evaluate.requests]


def test_phases_run_in_the_order_of_the_paper():
    """Environments reproduce, then every agent takes its ES step, then agents are transferred."""
    parts = make_test_parts(poet={"reproduction_interval": 4, "reproduction_threshold": 0.0}, transfer={"interval": 2})
    state = replace(make_state(make_niche(0, parts, 100.0), make_niche(1, parts, 120.0)), iteration=4)

    poet_iteration(state, parts)

    order = list(dict.fromkeys(purposes(parts)))
    assert [
        Purpose.CANDIDATE_CRITERION, Purpose.CANDIDATE_TRANSFER, Purpose.ES, Purpose.SELF_EVAL,
        Purpose.TRANSFER_DIRECT, Purpose.TRANSFER_PROPOSAL,
    ] == order  # fmt: skip


@pytest.mark.parametrize(
    ("done", "reproduces", "transfers"), [(0, False, True), (3, True, True), (4, False, False), (6, True, True)]
)
def test_the_schedule_counts_iterations_done(done, reproduces, transfers):
    """Reproduction every M iterations but not at the start; transfer every N, the first included, as released."""
    parts = make_test_parts(poet={"reproduction_interval": 3, "reproduction_threshold": 0.0}, transfer={"interval": 3})
    state = replace(make_state(make_niche(0, parts, 100.0), make_niche(1, parts, 120.0)), iteration=done)

    _, events = poet_iteration(state, parts)

    assert reproduces == (Purpose.CANDIDATE_CRITERION in purposes(parts))
    assert transfers == any(e.candidate_id is None for e in of_kind(events, TransferAttempted))


def test_transfers_can_be_switched_off():
    """``transfer.periodic = false``: agents stay where they are."""
    parts = make_test_parts(transfer={"periodic": False, "interval": 1})

    _, events = poet_iteration(make_state(make_niche(0, parts, 1.0), make_niche(1, parts, 2.0)), parts)

    assert [] == of_kind(events, TransferAttempted)


def test_the_start_is_the_easiest_terrain_with_its_agent_on_record():
    """Iteration 0: the root niche, its terrain, its first version with its return, and what that cost."""
    parts = make_test_parts()

    state, events = start(parts, theta_of(42.0))

    (niche,), (version,), (spent,) = (of_kind(events, kind) for kind in (NicheAdmitted, AgentVersion, Cost))
    assert (0, 0, None, 42.0) == (niche.niche_id, niche.iteration, niche.parent_id, niche.score)
    assert niche.terrain == state.active[0].genotype.express(state.active[0].terrain_seed)
    assert np.ptp(niche.terrain.ground[:, 1]) == 0.0
    assert (Origin.INITIAL, None) == (version.origin, version.parent_id)
    assert theta_digest(theta_of(42.0)) == version.theta_digest
    assert (EPISODE_LENGTH, 1) == (state.env_steps, state.episodes) == (spent.env_steps, spent.episodes)


def test_random_weights_are_the_seeds_own():
    """Without a walker the run starts from N(0, 0.1^2) weights: the same for a seed, others for another."""
    parts = make_test_parts()
    theta = random_theta(parts.policy, 7)

    assert np.array_equal(theta, random_theta(parts.policy, 7))
    assert not np.array_equal(theta, random_theta(parts.policy, 8))
    assert 0.1 == pytest.approx(float(np.sqrt(np.mean(theta.astype(float) ** 2))), rel=0.05)


def test_a_start_walker_of_another_network_is_refused():
    """Theta of a wrong size is bad input, said before anything runs."""
    with pytest.raises(InputError, match="2804"):
        start(make_test_parts(), np.zeros(10, np.float32))


def test_a_generation_reports_its_sample():
    """Statistics are those of the sample's returns; the score is the new theta's."""
    parts = make_test_parts(score=lambda theta, terrain: 1000.0 * float(theta[0]))
    niche = make_niche(0, parts, 1.0)

    after, events = poet_iteration(make_state(niche), parts)

    (done,) = of_kind(events, GenerationDone)
    sample = parts.evaluate.requests[0].blocks[0].sample
    returns = [1000.0 * float(theta[0]) for theta in sample.theta(np.arange(4))]
    mean = math.fsum(returns) / 4
    assert (mean, min(returns), max(returns)) == (done.return_mean, done.return_min, done.return_max)
    assert math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / 4) == pytest.approx(done.return_std, rel=1e-12)
    assert 1000.0 * float(after.active[0].theta[0]) == done.score
    assert np.linalg.norm(after.active[0].theta - niche.theta) == pytest.approx(done.update_norm, rel=1e-6)


def test_a_generation_is_told_with_the_step_sizes_it_was_made_with():
    """Noise and learning rate are those before they decay, hence those of the sample that was run."""
    parts = make_test_parts(
        es={"noise_std": 0.5, "noise_decay": 0.5, "learning_rate": 0.25, "learning_rate_decay": 0.5}
    )
    after, events = poet_iteration(make_state(make_niche(0, parts)), parts)

    (done,) = of_kind(events, GenerationDone)
    assert {0.5} == set(parts.evaluate.requests[0].blocks[0].sample.scale.tolist())
    assert (0.5, 0.25) == (done.noise_std, done.learning_rate)
    assert ([0.25], [0.125]) == tuple(
        sizes.tolist() for sizes in (after.active[0].optimiser.noise_std, after.active[0].optimiser.learning_rate)
    )


def test_an_es_version_is_made_from_the_niches_last_one():
    """Each niche's versions are a chain of their own, without a source; its sample and new theta are its own cost."""
    parts = make_test_parts(transfer={"periodic": False})
    state = replace(
        make_state(make_niche(0, parts, version_id=17), make_niche(1, parts, version_id=11)), next_version_id=20
    )
    for _ in range(2):
        state, events = poet_iteration(state, parts)

    expected = [(22, 0, 20, Origin.ES, None, 2), (23, 1, 21, Origin.ES, None, 2)]
    assert expected == [
        (v.id, v.niche_id, v.parent_id, v.origin, v.source_id, v.iteration) for v in of_kind(events, AgentVersion)
    ]
    assert [niche.theta.tolist() for niche in state.active] == [v.theta.tolist() for v in of_kind(events, AgentVersion)]
    sample, one = (4, 4 * EPISODE_LENGTH), (1, EPISODE_LENGTH)
    assert {
        (0, Purpose.ES): sample, (0, Purpose.SELF_EVAL): one, (1, Purpose.ES): sample, (1, Purpose.SELF_EVAL): one,
    } == ledger(events)  # fmt: skip


def test_recent_scores_keep_the_last_few_self_evaluations():
    """The 2020 rule's memory is as long as ``transfer.recent_scores``."""
    parts = make_test_parts(transfer={"recent_scores": 2, "periodic": False})
    state = make_state(make_niche(0, parts, 5.0, recent_scores=()))

    scores, remembered = [], []
    for _ in range(4):
        state, _ = poet_iteration(state, parts)
        scores.append(state.active[0].evaluation.score)
        remembered.append(state.active[0].recent_scores)

    assert 4 == len(set(scores))
    assert [tuple(scores[:1]), tuple(scores[:2]), tuple(scores[1:3]), tuple(scores[2:])] == remembered


def test_both_members_of_a_pair_run_on_the_same_fresh_instance():
    """``niche.instances = 3``: direction m runs on instance m mod 3, with both signs; another iteration has others."""
    parts = make_test_parts(rugged, niche={"instances": 3}, es={"pairs": 7})
    state = make_state(make_niche(1, parts, 0.0))

    poet_iteration(state, parts)

    block = parts.evaluate.requests[0].blocks[0]
    assert [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 0, 0] == block.terrain_index.tolist()
    assert 3 == len({terrain.digest() for terrain in block.terrains})
    later = niche_ground(state.active[0], parts.config, 2)
    assert not {t.digest() for t in later.fresh} & {t.digest() for t in block.terrains}


def test_a_score_is_the_mean_over_fresh_instances_and_the_own_one_is_apart():
    """With fresh instances the score is their mean; the archived return is that of the niche's own terrain."""
    parts = make_test_parts(rugged, niche={"instances": 3})
    state = make_state(make_niche(1, parts, 0.0))

    after, _ = poet_iteration(state, parts)

    niche = after.active[0]
    ground = niche_ground(niche, parts.config, 1)
    expected = math.fsum(rugged(niche.theta, terrain) for terrain in ground.fresh) / 3
    assert expected == niche.evaluation.score
    assert rugged(niche.theta, ground.own) == niche.evaluation.own_return


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    max_active=st.integers(1, 4),
    max_admitted=st.integers(1, 3),
    rule=st.sampled_from(["2019", "2020"]),
    instances=st.sampled_from(["fixed", 2]),
)
def test_books_balance_and_ids_are_unique(seed, max_active, max_admitted, rule, instances):
    """Whatever the settings: ids unique, at most ``max_active`` niches, and the ledger sums to the run's cost."""
    parts = make_test_parts(
        rugged,
        run={"seed": seed},
        niche={"instances": instances},
        poet={"max_active": max_active, "max_admitted": max_admitted, "reproduction_interval": 2, "max_children": 4,
              "reproduction_threshold": -1000.0, "criterion_lower": -1000.0, "criterion_upper": 1000.0},
        transfer={"interval": 2, "rule": rule},
    )  # fmt: skip
    state, events = start(parts)
    everything = list(events)
    for _ in range(8):
        state, events = poet_iteration(state, parts)
        everything += events
        assert len(state.active) <= max_active

    costs = of_kind(everything, Cost)
    assert state.env_steps == sum(cost.env_steps for cost in costs)
    assert state.episodes == sum(cost.episodes for cost in costs)
    assert len(costs) == len({(cost.iteration, cost.niche_id, cost.purpose) for cost in costs})
    requested = sum(request.num_episodes for request in parts.evaluate.requests)
    assert requested == state.episodes
    for kind, next_id in ((AgentVersion, state.next_version_id), (TransferAttempted, state.next_transfer_id)):
        assert list(range(next_id)) == sorted(event.id for event in of_kind(everything, kind))
    admitted = [event.niche_id for event in of_kind(everything, NicheAdmitted)]
    retired = [event.niche_id for event in of_kind(everything, NicheRetired)]
    assert list(range(state.next_niche_id)) == admitted
    assert sorted({*admitted} - {*retired}) == [niche.id for niche in state.active]
    versions = {event.id: event for event in of_kind(everything, AgentVersion)}
    assert all(theta_digest(n.theta) == versions[n.version_id].theta_digest for n in state.active)
    assert all(versions[n.version_id].niche_id == n.id for n in state.active)


def test_an_iteration_depends_on_nothing_but_state_and_parts():
    """The same iteration from the same state, in any company, gives the same events."""
    parts = make_test_parts(rugged, poet={"reproduction_threshold": 0.0, "reproduction_interval": 2})
    state, _ = start(parts)
    for _ in range(3):
        before = state
        state, events = poet_iteration(state, parts)

    again = replace(parts, evaluate=Judge(rugged))
    _, events_again = poet_iteration(before, again)

    assert events == events_again


def test_unknown_parts_are_named():
    """A criterion that does not exist, or is none, is one clear sentence."""
    for criterion in ("return_bond", "math:sqrt", "no.such.module:Criterion"):
        with pytest.raises(InputError, match="criterion"):
            make_test_parts(poet={"criterion": criterion})


def test_a_users_own_criterion_is_loaded_by_name():
    """``package.module:Name`` brings a user's criterion into the run."""
    parts = make_test_parts(poet={"criterion": "tests.poet.test_loop:Anything"})

    assert "anything" in type(parts.criterion).__name__.lower()


def test_an_unknown_engine_is_refused_before_anything_runs():
    """The engine's name is checked when parts are made."""

    def never(request: EvaluationRequest):
        raise AssertionError("nothing may run")

    parts = make_test_parts()
    with pytest.raises(InputError, match="box2d"):
        make_parts(
            parts.config.model_copy(
                update={"evaluation": parts.config.evaluation.model_copy(update={"engine": "havok"})}
            ),
            never,
        )


@pytest.mark.parametrize("strategy", ["pgpe", "cem"])
def test_other_strategies_run_the_whole_loop(strategy):
    """EvoTorch's strategies use the keys of [es] that they know, and support transfers and admission like our own."""
    parts = make_test_parts(
        rugged,
        es={"strategy": strategy, "pairs": 4},
        poet={"reproduction_threshold": 0.0, "reproduction_interval": 1},
        transfer={"interval": 1},
    )
    state, _ = start(parts)
    for _ in range(3):
        state, events = poet_iteration(state, parts)

    assert 4 == parts.strategy.pairs
    assert len(state.active) > 1
    assert of_kind(events, TransferAttempted)


def test_a_strategys_own_settings_are_checked():
    """``es.settings`` go to the strategy named; one that it does not have is refused with the nearest name."""
    parts = make_test_parts(es={"strategy": "pgpe", "settings": {"step_length": 0.5}})
    assert 0.5 == parts.strategy.step_length
    with pytest.raises(InputError, match="step_length"):
        make_test_parts(es={"strategy": "pgpe", "settings": {"step_lenght": 0.5}})
