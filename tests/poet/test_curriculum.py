"""The direct path: its steps against a slow twin, and how an agent goes along it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.ending import Outcome
from poet.events import AgentVersion, AnyEvent, GenerationDone, NicheAdmitted, NicheRetired, NicheSolved, NicheValidated
from poet.parts import Parts
from poet.trainers.curriculum import CurriculumState, DirectPath, TerrainReached
from poet.trainers.es import EsAlone
from poet.trainers.path import next_on_path, steps_between
from poet.types import Origin, Purpose, RunState, SuccessRates
from tests.poet.builders import EPISODE_LENGTH, Judge, ledger, make_test_parts, theta_of
from tests.poet.test_transfer import of_kind

SEED = 7
FLAT = ObstacleGenotype()
#: Two whole steps of roughness away; the other genes appear, and one end of the pits moves by a shorter step.
TARGET = ObstacleGenotype(roughness=1.2, pit_gap=(0.0, 0.9), stump_height=(0.0, 0.3))

#: Table 1 of the paper, as far as it concerns the path.
STEPS = {"roughness": 0.6, "pit_gap": 0.4, "stump_height": 0.2, "stair_height": 0.2, "stair_steps": 1}
FIRST = {"pit_gap": (0.0, 0.8), "stump_height": (0.0, 0.4), "stair_height": (0.0, 0.4), "stair_steps": (1, 1)}


def naive_next(here: dict[str, Any], target: dict[str, Any], stream: Stream, is_drawn: bool) -> dict[str, Any]:
    """The next terrain on the path, parameter by parameter, each by a coin of its own."""

    def is_heads() -> bool:
        return stream.integer(0, 2) == 1

    def nearer(value: float, goal: float, step: float) -> float:
        return goal if value + step >= goal else min(round(value + step, 1), goal)

    found = dict(here)
    while found == here:
        if here["roughness"] != target["roughness"] and is_heads():
            step = stream.uniform(0.0, 0.6) if is_drawn else 0.6
            found["roughness"] = nearer(here["roughness"], target["roughness"], step)
        for together in (("pit_gap",), ("stump_height",), ("stair_height", "stair_steps")):
            if target[together[0]] is None:
                continue
            if here[together[0]] is None:
                if is_heads():
                    found |= {name: (FIRST[name][0], min(FIRST[name][1], target[name][1])) for name in together}
                continue
            for name in together:
                ends = list(here[name])
                for i in (0, 1):
                    if ends[i] != target[name][i] and is_heads():
                        ends[i] = nearer(ends[i], target[name][i], STEPS[name])
                found[name] = (min(ends), ends[1])
    return found


class AllHeads:
    """A stream with which everything moves, and as far as it can."""

    def integer(self, low: int, high: int) -> int:
        """Heads."""
        return high - 1

    def uniform(self, low: float, high: float) -> float:
        """The longest step."""
        return high


def intervals(least: float, greatest: float, decimals: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Two ends in order, also such as no whole number of steps leads to."""
    end = st.integers(int(least * 10**decimals), int(greatest * 10**decimals)).map(lambda n: n / 10**decimals)
    return st.tuples(end, end).map(lambda ends: tuple(sorted(ends)))


targets = st.builds(
    lambda roughness, gap, stump, stairs: ObstacleGenotype(roughness, gap, stump, *(stairs or (None, None))),
    st.integers(0, 300).map(lambda n: n / 100),
    st.none() | intervals(0.0, 4.0, 2),
    st.none() | intervals(0.0, 2.0, 1),
    st.none() | st.tuples(intervals(0.0, 1.0, 2), intervals(1, 5, 0)),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(targets, st.booleans(), st.integers(0, 9))
def test_a_path_is_that_of_the_slow_twin(target: ObstacleGenotype, is_drawn: bool, seed: int) -> None:
    """From flat ground to any target: each terrain is another one, a step away, and the target is the last."""
    here, naive, num_moves, left = FLAT, FLAT.genes, 0, steps_between(FLAT, target)
    while here != target:
        num_moves += 1
        name = (seed, "test", num_moves)
        naive = naive_next(naive, target.genes, Stream(*name), is_drawn)
        here = next_on_path(here, target, Stream(*name), is_drawn)
        assert naive == here.genes
        assert steps_between(here, target) in (left, left - 1)
        left = steps_between(here, target)
        assert num_moves < 300

    assert 0 == left
    assert num_moves >= steps_between(FLAT, target)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(targets)
def test_the_least_number_of_terrains_is_that_with_all_heads(target: ObstacleGenotype) -> None:
    """If every parameter moves each time, by a whole step, the target is reached after exactly so many."""
    stream: Any = AllHeads()
    here, num_moves = FLAT, 0
    while here != target:
        here, num_moves = next_on_path(here, target, stream, True), num_moves + 1
    assert num_moves == steps_between(FLAT, target)


def test_steps_are_those_of_the_papers_mutations() -> None:
    """Obstacles appear with their first sizes; 0.4, 0.2 and 0.6 from there; lower ends follow upper ones."""
    stream: Any = AllHeads()
    target, path = ObstacleGenotype(1.5, (1.0, 2.0), None, (0.5, 0.5), (3, 3)), [FLAT]
    while path[-1] != target:
        path.append(next_on_path(path[-1], target, stream, False))

    assert [0.6, 1.2, 1.5, 1.5] == [one.roughness for one in path[1:]]
    assert [(0.0, 0.8), (0.4, 1.2), (0.8, 1.6), (1.0, 2.0)] == [one.pit_gap for one in path[1:]]
    assert [(0.0, 0.4), (0.2, 0.5), (0.4, 0.5), (0.5, 0.5)] == [one.stair_height for one in path[1:]]
    assert [(1, 1), (2, 2), (3, 3), (3, 3)] == [one.stair_steps for one in path[1:]]
    assert 17 == steps_between(FLAT, ObstacleGenotype(pit_gap=(4.8, 7.2)))


@pytest.mark.parametrize(("goal", "step", "expected"), [(0.46, 0.455, 0.46), (0.46, 0.44, 0.4), (0.46, 0.5, 0.46)])
def test_a_rounded_step_does_not_pass_the_target(goal: float, step: float, expected: float) -> None:
    """Values on the way have one decimal, as a child's have, but none is above the target's."""
    stream: Any = AllHeads()
    stream.uniform = lambda low, high: step
    assert expected == next_on_path(FLAT, ObstacleGenotype(goal), stream, True).roughness


def test_there_is_nothing_beyond_the_target() -> None:
    """To ask for it is an error, and no endless loop."""
    with pytest.raises(ValueError, match="no next terrain"):
        next_on_path(TARGET, TARGET, Stream(0, "test"), True)


def path_parts(value: float = 300.0, outcome: Outcome = Outcome.TIMEOUT, **sections: Any) -> Parts:
    """Parts of a run to ``TARGET`` in which every episode returns ``value``."""
    run = {"seed": SEED, "start_terrain": json.dumps(TARGET.to_json()), **sections.pop("run", {})}
    return make_test_parts(lambda theta, terrain: value, outcome, run=run, **sections)


def scoring(parts: Parts, value: float) -> Parts:
    """The same parts, with other returns."""
    return replace(parts, evaluate=Judge(lambda theta, terrain: value))


def walk(
    trainer: DirectPath, parts: Parts, iterations: int
) -> tuple[list[CurriculumState], list[tuple[AnyEvent, ...]]]:
    """The states and events from the start on."""
    state, events = trainer.start(parts, theta_of(1.0))
    states, happened = [state], [events]
    for _ in range(iterations):
        state, events = trainer.iterate(state, parts)
        states.append(state)
        happened.append(events)
    return states, happened


def test_the_agent_goes_on_from_the_threshold_on() -> None:
    """Just below it stays; at 200 it goes on, after the iteration's ES step, one terrain in an iteration."""
    trainer, parts = DirectPath(), path_parts()
    state, _ = trainer.start(parts, None)
    below, events = trainer.iterate(state, scoring(parts, 199.9))
    assert ([0], [0, 0]) == ([niche.id for niche in below.active], [len(of_kind(events, kind)) for kind in
            (TerrainReached, NicheAdmitted)])  # fmt: skip
    for number in (1, 2):
        state, events = trainer.iterate(state, scoring(parts, 200.0))
        assert [number] == [niche.id for niche in state.active]
        assert [*range(number)] == [niche.id for niche in state.retired]
        assert [number - 1] == [done.niche_id for done in of_kind(events, GenerationDone)]

    assert 150.0 == DirectPath(threshold=150).iterate(below, scoring(parts, 150.0))[0].active[0].evaluation.score
    assert [1] == [niche.id for niche in DirectPath(threshold=150).iterate(below, scoring(parts, 150.0))[0].active]


@pytest.mark.parametrize(("settings", "is_drawn"), [({}, True), ({"roughness_step": "whole"}, False)])
def test_a_run_is_the_path_of_its_streams(settings: dict[str, Any], is_drawn: bool) -> None:
    """Genotypes and terrain seeds come from ("curriculum", niche); flat ground and the target have the root's seed."""
    states, happened = walk(DirectPath(**settings), path_parts(), 12)

    root_seed, here = Stream(SEED, "root_terrain").integer(0, 1_000_000), FLAT.genes
    expected = [(0, FLAT, root_seed)]
    while here != TARGET.genes:
        stream = Stream(SEED, "curriculum", len(expected))
        here = naive_next(here, TARGET.genes, stream, is_drawn)
        first = {name: here[name] for name in STEPS}
        seed = root_seed if here == TARGET.genes else stream.integer(0, 1_000_000)
        expected.append((len(expected), ObstacleGenotype(**first), seed))
    last = states[-1]
    assert expected == sorted((niche.id, niche.genotype, niche.terrain_seed) for niche in last.niches)
    assert 2 < len(expected) <= 12
    assert [(0, None), *((i, i - 1) for i in range(1, len(expected)))] == [(n.id, n.parent_id) for n in last.niches]
    reached = [event for events in happened for event in of_kind(events, TerrainReached)]
    assert [(i, genotype.to_json(), seed) for i, genotype, seed in expected] == [
        (event.niche_id, event.genotype, event.terrain_seed) for event in reached
    ]
    assert [steps_between(genotype, TARGET) for _, genotype, _ in expected] == [event.steps_left for event in reached]
    assert [event.iteration for event in reached] == [*range(len(expected))]
    assert (0, (TARGET, root_seed)) == (last.steps_left, (last.active[0].genotype, last.active[0].terrain_seed))


def test_the_target_may_have_its_own_seed() -> None:
    """Flat ground begins as in a run of POET, and only the target has the seed that is named."""
    states, _ = walk(DirectPath(), path_parts(run={"start_terrain_seed": 12}), 12)

    seeds = [niche.terrain_seed for niche in states[-1].niches]
    assert (Stream(SEED, "root_terrain").integer(0, 1_000_000), 12) == (seeds[0], seeds[-1])
    assert 12 not in seeds[:-1]


def test_the_agent_stays_the_same_and_its_optimiser_is_fresh() -> None:
    """Theta goes on to the bit; moments, step sizes and the memory of scores begin anew; the record says from where."""
    parts = path_parts(niche={"instances": 2, "vary": "push"}, es={"noise_decay": 0.5, "noise_std": 0.1})
    (_, state), (_, events) = walk(DirectPath(), parts, 1)

    (niche,), (left,) = state.active, state.retired
    fresh = parts.strategy.initial_state(left.theta[None, :])
    assert np.array_equal(left.theta, niche.theta)
    assert all(np.array_equal(getattr(fresh, name), getattr(niche.optimiser, name)) for name in vars(fresh))
    assert (1, None, ()) == (niche.created, niche.success, niche.recent_scores)
    version = of_kind(events, AgentVersion)[-1]
    assert (Origin.ADMISSION_DIRECT, left.version_id, 0, 1) == (
        version.origin, version.parent_id, version.source_id, version.niche_id,
    )  # fmt: skip
    assert [(1, version.id, 300.0)] == [(e.niche_id, e.version_id, e.score) for e in of_kind(events, NicheAdmitted)]
    assert [(0, left.version_id, 300.0)] == [(e.niche_id, e.version_id, e.score) for e in of_kind(events, NicheRetired)]
    # One episode on its own instance and one under each push.
    assert (3, 3 * EPISODE_LENGTH) == ledger(events)[1, Purpose.SELF_EVAL]
    tried = parts.evaluate.requests[-1].blocks[0].terrains  # type: ignore[attr-defined]
    own = niche.genotype.express(niche.terrain_seed)
    stream = Stream(SEED, "niche_instances", 1, 1)
    assert (own, *(replace(own, push=stream.uniform(-5.0, 5.0)) for _ in range(2))) == tried


def test_the_optimiser_may_go_on_too() -> None:
    """With ``es.on_arrival=kept`` the direct path keeps moments and step sizes, as POET's niches then do."""
    (_, state), _ = walk(DirectPath(), path_parts(es={"noise_decay": 0.5, "noise_std": 0.1, "on_arrival": "kept"}), 1)

    (niche,) = state.active
    assert 1 == niche.id
    assert [0.05] == niche.optimiser.noise_std.tolist()  # type: ignore[attr-defined]


def test_nothing_that_was_known_of_the_last_terrain_is_said_of_the_next() -> None:
    """No rates, by which it might rest; and it is solved once only by its own ground and half of its instances."""
    trainer, parts = DirectPath(), path_parts(niche={"instances": 2, "vary": "push"}, outcome=Outcome.FINISHED)
    state, _ = trainer.start(parts, None)
    (niche,) = state.active
    mastered = replace(state, active=(replace(niche, success=SuccessRates(niche.version_id, 1.0, 1.0)),))
    after, _ = trainer.iterate(mastered, parts)
    assert None is after.active[0].success
    assert after.active[0].is_solved

    own = after.active[0].genotype.express(after.active[0].terrain_seed)
    only_own = Judge(lambda theta, terrain: 300.0 if terrain == own else 210.0, Outcome.FINISHED)
    after, events = trainer.iterate(mastered, replace(parts, evaluate=only_own))
    assert (300.0, 210.0) == (after.active[0].evaluation.own_return, after.active[0].evaluation.score)
    assert ([], False) == (of_kind(events, NicheSolved), after.active[0].is_solved)


def test_each_terrain_is_noted_with_what_the_run_had_cost() -> None:
    """Env-steps of the ledger up to the iteration, validation included; the score that passed the last terrain."""
    parts = path_parts(validation={"episodes": 2, "interval": 1000}, outcome=Outcome.FINISHED)
    states, happened = walk(DirectPath(), parts, 2)

    spent = np.cumsum([sum(steps for _, steps in ledger(events).values()) for events in happened]).tolist()
    reached = [of_kind(events, TerrainReached)[0] for events in happened]
    assert spent == [event.env_steps for event in reached] == [state.env_steps for state in states]
    assert [None, 300.0, 300.0] == [event.passed_score for event in reached]
    # Each terrain is solved by the agent that comes to it, and validated with its first agent and its last one.
    assert [[(0, 0)], [(1, 0)], [(2, 1)]] == [
        [(event.niche_id, event.source_id) for event in of_kind(events, NicheSolved)] for events in happened
    ]
    assert [[("admission", 0)], [("admission", 1), ("retirement", 0)], [("admission", 2), ("retirement", 1)]] == [
        sorted({(str(e.occasion), e.niche_id) for e in of_kind(events, NicheValidated)}) for events in happened
    ]


def test_after_the_target_it_is_es_alone() -> None:
    """The agent stays there, whatever its score. If the target is flat ground, the whole run is that of ``es``."""
    parts = path_parts(run={"start_terrain": "{}", "start_terrain_seed": 3})
    states, happened = walk(DirectPath(), parts, 2)
    state: RunState
    state, events = EsAlone().start(parts, theta_of(1.0))
    for (reached, *ours), mine in zip(happened[:1], states[:1], strict=True):
        assert TerrainReached(0, 0, mine.env_steps, None, 300.0, 0, FLAT.to_json(), 3) == reached
        assert [*events] == ours
    for ours in happened[1:]:
        state, events = EsAlone().iterate(state, parts)
        assert events == (*ours,)
    assert np.array_equal(state.active[0].theta, states[-1].active[0].theta)


def test_it_says_where_it_is() -> None:
    """The place on the path, and how many terrains there are at least to go."""
    states, _ = walk(DirectPath(), path_parts(), 12)
    trainer = DirectPath()

    assert ["terrain 0 of the path, 2 or more to go"] == trainer.facts(states[0])
    assert [f"terrain {states[-1].active[0].id} of the path, the target"] == trainer.facts(states[-1])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"threshold": float("nan")}, "threshold of the trainer 'curriculum' must be a finite number"),
        ({"threshold": "200"}, "threshold .* must be a finite number, but is '200'"),
        ({"roughness_step": "drown"}, "must be 'drawn' or 'whole', found 'drown': did you mean 'drawn'"),
        ({"roughness_step": 0.6}, "roughness_step .* found 0.6"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], sentence: str) -> None:
    """In one sentence, which names the setting."""
    with pytest.raises(InputError, match=sentence):
        DirectPath(**settings)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({}, "trainer 'curriculum' needs a target: name a terrain by run.start_terrain"),
        ({"terrain": {"genotype": "cppn"}}, "trainer 'curriculum' has obstacle terrains, .* 'cppn': set it to 'obst"),
    ],
)
def test_a_run_without_a_target_is_refused(sections: dict[str, Any], sentence: str) -> None:
    """Before anything is run; the sentence says what to set."""
    parts = make_test_parts(**sections)
    with pytest.raises(InputError, match=sentence):
        DirectPath().start(parts, None)
    assert [] == parts.evaluate.requests  # type: ignore[attr-defined]
