"""Success rates: on which terrains, for which agents and when they are measured, and what counts as a success."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.streams import Stream
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.events import AgentVersion, Cost, NicheAdmitted, NicheRetired, NicheValidated, Occasion, ValidationSet
from poet.loop import poet_iteration
from poet.scoring import niche_ground
from poet.types import Purpose, SuccessRates, theta_digest
from poet.validation import validation_terrains
from tests.naive import naive_success
from tests.poet.builders import EPISODE_LENGTH, ledger, make_niche, make_state, start, theta_of
from tests.poet.builders import make_test_parts as make_parts
from tests.poet.test_loop import rugged
from tests.poet.test_transfer import of_kind

SEED = 7
CPPN = CppnGenotype.initial(CppnSettings(), Stream(SEED, "test"))
#: Reproduction and transfers in every iteration, two niches at most.
BUSY = {
    "run": {"seed": SEED},
    "poet": {"reproduction_interval": 1, "reproduction_threshold": -1000.0, "max_children": 1, "max_active": 2,
             "criterion_lower": -1000.0, "criterion_upper": 1000.0},
    "transfer": {"interval": 1},
}  # fmt: skip


def pushed(theta, terrain: Terrain) -> float:
    """A return that pushes from the left raise above 230."""
    return 230.0 + terrain.push


def validated(parts, num_iterations: int, theta=None):
    """The states after the start and each iteration, and all events."""
    state, events = start(parts, theta)
    states, everything = [state], list(events)
    for _ in range(num_iterations):
        state, events = poet_iteration(state, parts)
        states.append(state)
        everything += events
    return states, everything


def test_a_niche_has_its_own_ground_under_pushes_and_seeds_that_no_run_draws():
    """Pushes come from the stream "validation_pushes" of run seed and niche; seeds are those from a million on."""
    niche = make_niche(3, make_parts(), genotype=ObstacleGenotype(roughness=1.0), terrain_seed=5)

    sets = validation_terrains(niche, SEED, 3)

    own, stream = niche.genotype.express(5), Stream(SEED, "validation_pushes", 3)
    assert tuple(replace(own, push=stream.uniform(-5.0, 5.0)) for _ in range(3)) == sets.pushes
    assert tuple(niche.genotype.express(seed) for seed in (1_000_000, 1_000_001, 1_000_002)) == sets.seeds


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**63 - 1),
    niche_id=st.integers(0, 90),
    vary=st.sampled_from(["seed", "push"]),
    genotype=st.sampled_from([ObstacleGenotype(), ObstacleGenotype(roughness=2.0), CPPN]),
    iterations=st.sets(st.integers(0, 30_000), min_size=1, max_size=3),
)
def test_no_training_draw_gives_a_validation_terrain(seed, niche_id, vary, genotype, iterations):
    """Neither the own instance nor fresh ones of any iteration, by seed or push, are in a set, even on flat ground."""
    parts = make_parts(run={"seed": seed}, niche={"instances": 4, "vary": vary})
    niche = make_niche(niche_id, parts, genotype=genotype)

    grounds = [niche_ground(niche, parts.config, iteration) for iteration in iterations]

    trained = {terrain for ground in grounds for terrain in (ground.own, *ground.fresh)}
    sets = validation_terrains(niche, seed, 8)
    assert 4 * len(grounds) + 1 == len(trained)
    assert trained.isdisjoint(sets.pushes) and trained.isdisjoint(sets.seeds)
    assert 16 == len({*sets.pushes, *sets.seeds})


def test_sets_are_the_same_whatever_else_happens():
    """Every measurement of a niche in a run is on the same terrains; a smaller set is the beginning of a larger one."""
    parts = make_parts(pushed, validation={"episodes": 3, "interval": 1}, **BUSY)
    states, _ = validated(parts, 3)

    blocks = [b for r in parts.evaluate.requests if r.label == Purpose.VALIDATION for b in r.blocks]
    niches = {niche.id: niche for state in states for niche in state.niches}
    sets = {validation_terrains(niche, SEED, 3).all for niche in niches.values()}
    assert len(niches) == len(sets) > 2
    assert sets == {block.terrains for block in blocks}
    larger = validation_terrains(niches[1], SEED, 7)
    smaller = validation_terrains(niches[1], SEED, 3)
    assert (larger.pushes[:3], larger.seeds[:3]) == (smaller.pushes, smaller.seeds)


@pytest.mark.parametrize("outcome", [Outcome.FINISHED, Outcome.TIMEOUT, Outcome.FELL])
def test_counts_are_those_of_the_slow_twin(outcome):
    """A success is an episode that finished with 230 or more; the record has their number, and means over all."""
    parts = make_parts(pushed, outcome, validation={"episodes": 9}, **BUSY)
    states, events = validated(parts, 1, theta_of(0.0))

    terrains = validation_terrains(states[0].active[0], SEED, 9)
    for which, mine in ((ValidationSet.PUSHES, terrains.pushes), (ValidationSet.SEEDS, terrains.seeds)):
        (found,) = [e for e in of_kind(events, NicheValidated) if e.version_id == 0 and e.validation_set is which]
        returns = [pushed(None, terrain) for terrain in mine]
        num, mean = naive_success(returns, [int(outcome)] * 9)
        assert (9, num, pytest.approx(mean)) == (found.num_episodes, found.num_successes, found.return_mean)
        assert (num / 9, EPISODE_LENGTH, Occasion.ADMISSION) == (found.rate, found.length_mean, found.occasion)
        assert (0 < num < 9) == (outcome is Outcome.FINISHED)


def test_first_agents_transferred_ones_last_ones_and_now_and_then_all_are_measured():
    """Each on its occasion; a version that two occasions ask for is measured once, also an iteration later."""
    sections = {**BUSY, "transfer": {"interval": 2}}
    parts = make_parts(rugged, validation={"episodes": 2, "interval": 3}, **sections)
    states, events = validated(parts, 6)

    measured = [e for e in of_kind(events, NicheValidated) if e.validation_set is ValidationSet.PUSHES]
    assert len(measured) == len({e.version_id for e in measured})
    assert set(Occasion) == {e.occasion for e in measured}
    versions = {e.version_id for e in measured}
    versions_of = {e.id: e for e in of_kind(events, AgentVersion)}
    assert {e.version_id for e in of_kind(events, NicheAdmitted)} <= versions
    assert {e.version_id for e in of_kind(events, NicheRetired)} <= versions
    assert {e.id for e in versions_of.values() if e.origin in ("direct", "proposal")} <= versions
    for iteration in (3, 6):
        assert {niche.version_id for niche in states[iteration].active} <= versions
    assert {e.iteration for e in measured if e.occasion is Occasion.INTERVAL} <= {3, 6}
    assert all(versions_of[e.version_id].theta_digest == theta_digest(e.theta) for e in measured)


def test_the_state_knows_the_last_rates_of_each_agent():
    """The latest rates of each active niche, by version; ``None`` before the first."""
    parts = make_parts(pushed, Outcome.FINISHED, validation={"episodes": 4, "interval": 3}, **BUSY)
    states, events = validated(parts, 3)

    last = {}
    for event in of_kind(events, NicheValidated):
        last.setdefault(event.niche_id, {})[event.validation_set] = event
    for niche in states[-1].active:
        pushes, seeds = last[niche.id]["pushes"], last[niche.id]["seeds"]
        assert SuccessRates(niche.version_id, pushes.rate, seeds.rate) == niche.success
        assert niche.version_id == pushes.version_id == seeds.version_id
    assert make_niche(0, parts).success is None


def test_validation_is_one_request_an_iteration_and_paid_by_the_niche():
    """All that is due at once; two sets of K episodes each, under a purpose of their own, in state and ledger."""
    parts = make_parts(pushed, validation={"episodes": 5, "interval": 1}, transfer={"periodic": False})
    state = make_state(make_niche(0, parts, 1.0), make_niche(1, parts, 2.0))

    after, events = poet_iteration(state, parts)

    (request,) = [request for request in parts.evaluate.requests if request.label == Purpose.VALIDATION]
    assert 2 == len(request.blocks)
    spent = ledger(events)
    assert [(10, 10 * EPISODE_LENGTH)] * 2 == [spent[n, Purpose.VALIDATION] for n in (0, 1)]
    assert sum(episodes for episodes, _ in spent.values()) == after.episodes


@pytest.mark.parametrize("rule", ["2019", "2020"])
def test_validation_changes_nothing_else(rule):
    """With and without validation, all other events and numbers are equal and in the same order."""

    def history(episodes: int):
        sections = {**BUSY, "transfer": {**BUSY["transfer"], "rule": rule}}
        parts = make_parts(pushed, Outcome.FINISHED, validation={"episodes": episodes, "interval": 2}, **sections)
        _, events = validated(parts, 4)
        return [e for e in events if not isinstance(e, NicheValidated) and getattr(e, "purpose", "") != "validation"]

    with_validation, without = history(3), history(0)
    assert without == with_validation
    assert of_kind(without, Cost)


def test_a_run_without_validation_runs_nothing_for_it():
    """``validation.episodes = 0``, the default: no episode, no record, no rate."""
    parts = make_parts(**BUSY)
    states, events = validated(parts, 2)

    assert Purpose.VALIDATION not in {request.label for request in parts.evaluate.requests}
    assert [] == of_kind(events, NicheValidated)
    assert {None} == {niche.success for niche in states[-1].active}
