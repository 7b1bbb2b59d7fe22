"""Levels: which are played again, what they are worth, which make room, and what PLR, ACCEL and SFL do with them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rollouts.request import Block, Thetas
from agents.rollouts.result import RolloutResult
from environments.errors import InputError
from environments.streams import Stream, stream_key
from environments.terrain.cppn import CppnGenotype
from environments.terrain.genes import GENE_GROUPS
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.events import AgentVersion, Cost, GenerationDone
from poet.levels import (
    Level,
    Played,
    ReplayRule,
    best_first,
    draw_places,
    draw_some,
    genotype_of,
    judge,
    judge_trained,
    make_level,
    terrain_of,
)
from poet.parts import Parts
from poet.trainers import make_trainer
from poet.trainers.levels import LevelNoted, LevelsState
from poet.types import Purpose, SuccessRates
from tests.poet.builders import EPISODE_LENGTH, make_test_parts, theta_of

SEED = 11
GROUPS = ("roughness", "pit_gap", "stump_height", "stairs")
F, T = Outcome.FINISHED, Outcome.TIMEOUT


def played(level_id: int, score: float = 0.0, iteration: int = 0, best_return: float = 0.0) -> Played:
    """A level of flat ground with that score."""
    return Played(make_level(level_id, ObstacleGenotype(), level_id), 0.0, 0.0, best_return, score, iteration)


def result_of(*episodes: tuple[float, Outcome]) -> RolloutResult:
    """Episodes with these returns and ends."""
    returns, outcomes = zip(*episodes, strict=True)
    return RolloutResult(np.array(returns), np.full(len(returns), 9, np.int32), np.array(outcomes, np.int8))


def by_push(theta: Any, terrain: Terrain) -> float:
    """Success and failure by the push; every ground and theta has other returns."""
    return (300.0 if terrain.push > 0 else 100.0) + terrain.push + float(terrain.ground[100, 1]) + float(theta[0])


def parts_of(name: str, settings: dict[str, Any], **sections: Any) -> Parts:
    """Parts of a trainer; each episode ends at the course's end, with the return of ``by_push``."""
    run = {"seed": SEED, "trainer": name}
    terrain = {"obstacles": GROUPS}
    return make_test_parts(by_push, F, run=run, trainer={"settings": settings}, terrain=terrain, **sections)


def begun(parts: Parts) -> tuple[Any, LevelsState]:
    """The trainer and its first state."""
    trainer = make_trainer(parts.config)
    state, _ = trainer.start(parts, theta_of(1.0))
    parts.evaluate.requests.clear()
    return trainer, state


def purposes(parts: Parts) -> list[str]:
    """What was run since then."""
    return [request.label for request in parts.evaluate.requests]


def fates(events: Any) -> dict[str, list[int]]:
    """The ids of the levels that share a fate, in order."""
    found: dict[str, list[int]] = {}
    for event in events:
        if isinstance(event, LevelNoted):
            found.setdefault(event.fate, []).append(event.level_id)
    return found


# One of few scores, so that many are equal; and when it was played.
BUFFERS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25]), st.integers(0, 9)), min_size=1, max_size=8).map(
    lambda found: [played(3 * i, score, iteration) for i, (score, iteration) in enumerate(found)]
)


def naive_probabilities(buffer: list[Played], iteration: int, staleness: Fraction, power: int) -> list[Fraction]:
    """By the papers' formulas, in fractions."""

    def shares(weights: list[Fraction]) -> list[Fraction]:
        return [weight / sum(weights) if sum(weights) else Fraction(1, len(weights)) for weight in weights]

    def rank(one: Played) -> int:
        better = [p for p in buffer if p.score > one.score]
        newer = [p for p in buffer if p.score == one.score and p.level.id > one.level.id]
        return 1 + len(better) + len(newer)

    by_score = shares([Fraction(1, rank(p) ** power) for p in buffer])
    by_age = shares([Fraction(iteration - p.iteration) for p in buffer])
    return [(1 - staleness) * s + staleness * a for s, a in zip(by_score, by_age, strict=True)]


@given(BUFFERS, st.sampled_from([0, 1, 3, 4]), st.sampled_from([1, 2, 10]), st.integers(9, 12))
def test_levels_are_replayed_by_rank_and_age(buffer: list[Played], quarters: int, power: int, iteration: int) -> None:
    """The probabilities are the papers', and the order of equal scores is that of their ids, wherever they stand."""
    rule = ReplayRule(9, quarters / 4, power)
    expected = naive_probabilities(buffer, iteration, Fraction(quarters, 4), power)

    assert [float(p) for p in expected] == pytest.approx(rule.probabilities(buffer, iteration), abs=1e-12)
    assert rule.probabilities(buffer, iteration) == rule.probabilities(buffer[::-1], iteration)[::-1]


def test_the_best_level_gets_nearly_all_that_goes_by_score() -> None:
    """Three levels by hand: with dcd's temperature of 0.1, and half by age."""
    buffer = [played(0, 0.2, 4), played(1, 0.1, 1), played(2, 0.2, 5)]
    by_rank = [2**-10, 3**-10, 1.0]
    expected = [0.5 * r / sum(by_rank) + 0.5 * age / 8 for r, age in zip(by_rank, [2, 5, 1], strict=True)]

    assert expected == pytest.approx(ReplayRule(3, 0.5, 10).probabilities(buffer, 6))
    assert [2 / 11, 3 / 11, 6 / 11] == pytest.approx(
        ReplayRule(3, 0.0, 1).probabilities([played(0, 0.1), played(1, 0.2), played(2, 0.2)], 6)
    )


@given(BUFFERS, BUFFERS, st.integers(1, 8))
def test_a_new_level_takes_the_place_of_the_least_probable_one(
    buffer: list[Played], newcomers: list[Played], capacity: int
) -> None:
    """Only if the buffer is full, and if it scores no less; the buffer keeps the order of ids."""
    rule, known = ReplayRule(capacity, 0.5, 2), tuple(buffer[:capacity])
    for i, newcomer in enumerate(newcomers):
        new = replace(newcomer, level=replace(newcomer.level, id=100 + i), iteration=12)
        expected, out = [*known, new], None
        if len(known) == capacity:
            chances = naive_probabilities([*known], 12, Fraction(1, 2), 2)
            out = min(zip(chances, known, strict=True), key=lambda pair: (round(float(pair[0]), 12), pair[1].level.id))[
                1
            ]
            out = out if new.score >= out.score else new
            expected.remove(out)
        known, outside = rule.enter(known, new, 12)
        assert (tuple(expected), out) == (known, outside)
        assert len(known) <= capacity


@pytest.mark.parametrize(
    ("episodes", "rate", "learnability", "regret"),
    [
        ([(300.0, F), (300.0, F)], 1.0, 0.0, 0.0),
        ([(10.0, T), (-30.0, T)], 0.0, 0.0, 20.0),
        ([(230.0, F), (229.0, F), (290.0, T), (270.0, F)], 0.5, 0.25, 290 - 254.75),
        ([(300.0, F), (0.0, T), (0.0, T), (0.0, T)], 0.25, 0.1875, 225.0),
    ],
)
def test_what_a_level_is_worth(
    episodes: list[tuple[float, Outcome]], rate: float, learnability: float, regret: float
) -> None:
    """p (1 - p) over finished episodes of 230 or more; or the best return ever less the mean."""
    level, result = make_level(0, ObstacleGenotype(), 0), result_of(*episodes)
    found = judge(level, result, "learnability", 3)
    assert (level, rate, learnability, 3) == (found.level, found.success_rate, found.score, found.iteration)
    assert max(r for r, _ in episodes) == found.best_return

    assert regret == pytest.approx(judge(level, result, "regret", 3).score)
    for best, more in ((500.0, 500.0 - found.best_return), (-90.0, 0.0)):
        later = judge(level, result, "regret", 3, played(0, best_return=best))
        assert (max(best, found.best_return), regret + more) == pytest.approx((later.best_return, later.score))


def test_a_trained_level_is_judged_by_its_own_episodes() -> None:
    """Those of the perturbed agents that ran on it, in any order and place; its best return may be older."""
    levels = [make_level(i, ObstacleGenotype(), i) for i in (7, 3, 7)]
    result = result_of((300.0, F), (0.0, T), (250.0, F), (260.0, F), (100.0, T))
    index = np.array([0, 1, 2, 1, 0])
    block = Block(Thetas(np.zeros((5, 2), np.float32)), np.arange(5), (), index)  # the terrains do not matter

    found = judge_trained(levels, block, result, "learnability", [played(3, best_return=999.0)], 5)
    assert [2 / 3, 1 / 2] == [p.success_rate for p in found]
    assert [7, 3] == [p.level.id for p in found]
    assert [300.0, 999.0] == [p.best_return for p in found]


def test_plr_only_looks_at_new_levels() -> None:
    """No agent changes, no ES episode is run, and all episodes are booked as level scores; ids give all draws."""
    parts = parts_of("plr", {"terrains": 2, "capacity": 4, "episodes": 3, "replay_from": 1.0})
    trainer, before = begun(parts)
    state, events = trainer.iterate(before, parts)

    assert [Purpose.LEVEL_SCORE] == purposes(parts)
    assert np.array_equal(before.active[0].theta, state.active[0].theta)
    assert before.active[0].version_id == state.active[0].version_id
    assert not [event for event in events if isinstance(event, AgentVersion | GenerationDone)]
    assert [Cost(1, 0, Purpose.LEVEL_SCORE, 6 * EPISODE_LENGTH, 6)] == [e for e in events if isinstance(e, Cost)]
    assert {"entered": [0, 1]} == fates(events) and 2 == state.next_level_id
    for level_id, kept in enumerate(state.buffer):
        stream, pushes = Stream(SEED, "level", level_id), Stream(SEED, "level_pushes", level_id)
        genotype = ObstacleGenotype.drawn(parts.settings, stream)
        assert (genotype, stream.integer(0, 1_000_000)) == (genotype_of(kept.level, parts), kept.level.terrain_seed)
        own = genotype.express(kept.level.terrain_seed)
        returns = [by_push([1.0], own.with_push(pushes.uniform(-5.0, 5.0))) for _ in range(3)]
        result = result_of(*((r, F) for r in returns))
        assert judge(kept.level, result, "learnability", 1) == kept
    assert {0.0, 1 / 3, 2 / 3, 1.0} > {kept.success_rate for kept in state.buffer}


def test_perturbed_agents_may_judge_new_levels() -> None:
    """The same ones on each level, of a sample of its own; the agent does not change."""
    parts = parts_of("plr", {"terrains": 2, "capacity": 4, "episodes": 3, "judges": "members", "score": "regret"})
    trainer, before = begun(parts)
    state, events = trainer.iterate(before, parts)

    assert [Purpose.LEVEL_SCORE] == purposes(parts)
    assert before.active == state.active
    assert [Cost(1, 0, Purpose.LEVEL_SCORE, 6 * EPISODE_LENGTH, 6)] == [e for e in events if isinstance(e, Cost)]
    (sample,) = parts.strategy.ask(before.active[0].optimiser, [stream_key(SEED, "level_members", 1)])
    thetas = sample.theta(np.arange(3))
    for kept in state.buffer:
        result = result_of(*((by_push(theta, terrain_of(kept.level, parts)), F) for theta in thetas))
        assert judge(kept.level, result, "regret", 1) == kept and kept.score > 0.0


def test_plr_trains_on_levels_of_its_buffer() -> None:
    """They are drawn with replacement, trained on in turn, and judged by the perturbed agents, for no other cost."""
    parts = parts_of("plr", {"terrains": 2, "capacity": 4, "episodes": 2, "replay_prob": 1.0})
    trainer, state = begun(parts)
    for _ in range(2):
        state, _ = trainer.iterate(state, parts)
    parts.evaluate.requests.clear()
    before = state
    state, events = trainer.iterate(before, parts)

    stream = Stream(SEED, "level_choice", 3)
    stream.uniform()
    chosen = draw_places(stream, ReplayRule(4, 0.5, 10).probabilities(before.buffer, 3), 2)
    assert [Purpose.ES, Purpose.SELF_EVAL] == purposes(parts)
    assert {Purpose.ES: 4, Purpose.SELF_EVAL: 3} == {e.purpose: e.episodes for e in events if isinstance(e, Cost)}
    assert {"played": list(dict.fromkeys(chosen))} == fates(events)
    assert not np.array_equal(before.active[0].theta, state.active[0].theta)
    (block,) = parts.evaluate.requests[0].blocks
    assert tuple(terrain_of(before.buffer[i].level, parts) for i in chosen) == block.terrains
    (result,) = parts.evaluate(parts.evaluate.requests[0])
    expected = [*before.buffer]
    for i in chosen:
        rows = [(r, F) for r, t in zip(result.returns, block.terrain_index, strict=True) if chosen[t] == i]
        expected[i] = judge(before.buffer[i].level, result_of(*rows), "learnability", 3, before.buffer[i])
    assert tuple(expected) == state.buffer


def test_plr_replays_as_often_as_it_is_told() -> None:
    """Not before there are enough levels, and then by the first draw of each iteration's stream."""
    parts = parts_of("plr", {"terrains": 2, "capacity": 8, "episodes": 1, "replay_prob": 0.7, "replay_from": 0.8})
    trainer, state = begun(parts)
    for iteration in range(1, 13):
        has_enough = len(state.buffer) >= 7
        state, events = trainer.iterate(state, parts)
        is_replay = has_enough and Stream(SEED, "level_choice", iteration).uniform() < 0.7
        assert is_replay == ("played" in fates(events)), iteration
    assert 8 == len(state.buffer)


def test_the_record_says_what_is_in_the_buffer() -> None:
    """Levels that entered and did not leave; those that were refused are not there at all."""
    settings = {"terrains": 2, "capacity": 4, "episodes": 2, "replay_prob": 0.2, "score": "regret"}
    parts = parts_of("plr", settings)
    trainer, state = begun(parts)
    inside, ever = list[int](), set[int]()
    for _ in range(15):
        state, events = trainer.iterate(state, parts)
        found = fates(events)
        inside = [i for i in inside + found.get("entered", []) if i not in found.get("left", [])]
        ever |= {i for ids in found.values() for i in ids}
        assert inside == [kept.level.id for kept in state.buffer]
        assert len(found.get("left", [])) == len(set(found.get("left", [])))
    assert len(inside) < len(ever) < state.next_level_id


def test_accel_starts_from_easy_levels() -> None:
    """With ``mutation.genes = all``: each obstacle at its first interval, and roughness up to a step of mutation."""
    parts = parts_of("accel", {"terrains": 2, "capacity": 8})
    _, state = begun(parts)
    state, levels = make_trainer(parts.config).new_levels(state, parts, 20)
    genes = [genotype_of(level, parts).genes for level in levels]

    first = {"pit_gap": (0.0, 0.8), "stump_height": (0.0, 0.4), "stair_height": (0.0, 0.4), "stair_steps": (1, 1)}
    assert [first] * 20 == [{name: found[name] for name in first} for found in genes]
    assert {0.0} < {found["roughness"] for found in genes} and max(found["roughness"] for found in genes) <= 0.6
    assert 20 == len({level.terrain_seed for level in levels}) == state.next_level_id


def test_accel_edits_the_best_of_the_levels_that_it_has_just_played() -> None:
    """Each child is some mutations of a group each away, has a seed of its own, and is scored by the new agent."""
    settings = {"terrains": 4, "capacity": 20, "episodes": 2, "replay_prob": 1.0, "replay_from": 0.4,
                "parents": 2, "children": 2, "edits": 2, "score": "regret", "staleness": 1.0}  # fmt: skip
    parts = parts_of("accel", settings, es={"pairs": 4})
    trainer, state = begun(parts)
    for _ in range(2):
        state, _ = trainer.iterate(state, parts)
    parts.evaluate.requests.clear()
    before = state
    state, events = trainer.iterate(before, parts)

    assert [Purpose.ES, Purpose.SELF_EVAL, Purpose.LEVEL_SCORE] == purposes(parts)
    (block,) = parts.evaluate.requests[2].blocks
    assert np.array_equal(state.active[0].theta, block.sample.values[0]) and 8 == block.rows.size
    assert not np.array_equal(before.active[0].theta, block.sample.values[0])
    assert 8 == next(e.episodes for e in events if isinstance(e, Cost) and e.purpose == Purpose.LEVEL_SCORE)
    trained = [kept for kept in state.buffer if kept.level.id in fates(events)["played"]]
    parents = [kept.level for kept in sorted(trained, key=lambda kept: -kept.score)[:2]]
    assert 2 < len({kept.score for kept in trained})
    assert [parent.id for parent in parents] != fates(events)["played"][:2]  # the best were not drawn first
    children = [kept.level for kept in state.buffer if kept.level.parent_id is not None]
    assert [parent.id for parent in parents for _ in range(2)] == [child.parent_id for child in children]
    assert [8, 9, 10, 11] == [child.id for child in children] == fates(events)["entered"]
    for parent, child in zip([p for p in parents for _ in range(2)], children, strict=True):
        stream, genotype = Stream(SEED, "level", child.id), genotype_of(parent, parts)
        for _ in range(2):
            group = stream.choice(GROUPS)
            genotype = genotype.mutate(stream, replace(parts.settings, obstacles=(group,)))
        assert genotype == genotype_of(child, parts)
        assert stream.integer(0, 1_000_000) == child.terrain_seed
    changed = [
        [name for name, group in GENE_GROUPS.items()
         if any(genotype_of(c, parts).genes[g.name] != genotype_of(p, parts).genes[g.name] for g in group.genes)]
        for p, c in zip([p for p in parents for _ in range(2)], children, strict=True)
    ]  # fmt: skip
    assert {0, 1, 2} >= {len(names) for names in changed} and any(changed)  # two edits may undo each other


def test_accel_takes_any_genotype() -> None:
    """Such as CPPN terrains, which have an easiest one and mutations, but no gene groups."""
    settings = {"terrains": 2, "capacity": 4, "episodes": 1, "replay_prob": 1.0, "parents": 1, "children": 1}
    parts = make_test_parts(
        by_push, run={"seed": SEED, "trainer": "accel"}, trainer={"settings": settings}, terrain={"genotype": "cppn"}
    )
    trainer, state = begun(parts)
    for _ in range(2):
        state, _ = trainer.iterate(state, parts)
    assert [None, None, state.buffer[2].level.parent_id] == [kept.level.parent_id for kept in state.buffer]
    assert isinstance(genotype_of(state.buffer[2].level, parts), CppnGenotype)


def test_an_agent_that_has_mastered_its_own_terrain_goes_on() -> None:
    """That terrain is only for the record: ``niche.rest_interval`` does not let the agent rest."""
    settings = {"terrains": 2, "capacity": 4, "episodes": 1, "replay_prob": 1.0}
    sections = {"niche": {"rest_interval": 1000}, "validation": {"episodes": 1, "interval": 1000}}
    parts = parts_of("accel", settings, **sections)
    trainer, state = begun(parts)
    state, _ = trainer.iterate(state, parts)
    mastered = replace(state, active=(replace(state.active[0], success=SuccessRates(0, 1.0, 1.0)),))
    parts.evaluate.requests.clear()
    after, _ = trainer.iterate(mastered, parts)

    assert Purpose.ES in purposes(parts)
    assert (mastered.active[0].theta != after.active[0].theta).any()


def test_sfl_keeps_the_best_of_many_and_trains_on_half_of_them_and_half_new_ones() -> None:
    """The buffer is renewed in the first iteration and after every ``refresh``; its levels are drawn evenly."""
    settings = {"terrains": 4, "refresh": 2, "sampled": 6, "kept": 3, "episodes": 4, "score": "regret"}
    parts = parts_of("sfl", settings, es={"pairs": 4})
    trainer, state = begun(parts)
    next_id, counts = 0, Counter[int]()
    for iteration in range(1, 6):
        before = state
        parts.evaluate.requests.clear()
        state, events = trainer.iterate(before, parts)
        is_due, found = iteration in (1, 3, 5), fates(events)
        assert [Purpose.LEVEL_SCORE] * is_due + [Purpose.ES, Purpose.SELF_EVAL] == purposes(parts)
        ids = [kept.level.id for kept in state.buffer]
        if is_due:
            (result,) = parts.evaluate(parts.evaluate.requests[0])
            spread = [max(r) - sum(r) / 4 for r in result.returns.reshape(6, 4).tolist()]
            best = sorted(range(6), key=lambda i: -spread[i])[:3]
            assert sorted(next_id + i for i in best) == ids == found["entered"]
            assert [kept.level.id for kept in before.buffer] == found.get("left", [])
            next_id += 6
        places = draw_some(Stream(SEED, "level_choice", iteration), [1.0] * 3, 2)
        assert [*(ids[i] for i in places), next_id, next_id + 1] == found["played"]
        assert [iteration] * 2 == [state.buffer[i].iteration for i in places]
        counts.update(places)
        next_id += 2
    assert next_id == state.next_level_id and 10 == counts.total()


def test_a_fork_may_keep_fewer_levels_than_half_a_generation() -> None:
    """Until the buffer is renewed, there are more new ones."""
    parts = parts_of("sfl", {"terrains": 4, "refresh": 5, "sampled": 4, "kept": 2, "episodes": 1}, es={"pairs": 4})
    trainer, state = begun(parts)
    state, _ = trainer.iterate(state, parts)
    _, events = trainer.iterate(replace(state, buffer=state.buffer[:1]), parts)
    assert [state.buffer[0].level.id, *range(state.next_level_id, state.next_level_id + 3)] == fates(events)["played"]


def test_a_level_comes_back_from_its_text() -> None:
    """The genotype with every bit of its genes; what is no terrain is refused in one sentence."""
    parts = parts_of("plr", {"terrains": 2, "capacity": 4})
    genotype = ObstacleGenotype.drawn(parts.settings, Stream(SEED, "text"))
    level = make_level(4, genotype, 8, parent_id=2)
    assert genotype == genotype_of(level, parts) and (4, 2, 8) == (level.id, level.parent_id, level.terrain_seed)
    assert json.dumps(json.loads(level.genotype), sort_keys=True, separators=(",", ":")) == level.genotype
    for text in ("nonsense", "[" * 100_000, '{"roughness": 99}', '{"height": 1}'):
        with pytest.raises(InputError, match="level 4 is no terrain of 'obstacles': "):
            terrain_of(Level(4, None, text, 0), parts)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"buffer": (played(1), played(1))}, "do not grow"),
        ({"buffer": (played(-1),)}, "do not grow"),
        ({"buffer": (played(4),)}, "it has level 4, but the next one is 3"),
        ({"buffer": (played(0, float("nan")),)}, "no finite score"),
        ({"buffer": (played(0, iteration=9),)}, "a later iteration"),
    ],
)
def test_a_state_that_cannot_be_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """Ids of levels grow and are below the next one; scores are numbers, of iterations that were."""
    state = LevelsState(2, (), buffer=(played(0), played(2)), next_level_id=3)
    state.check()
    with pytest.raises(ValueError, match=sentence):
        replace(state, **changes).check()


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("plr", {"score": "learnabilty"}, "'learnability' or 'regret', found 'learnabilty': did you mean"),
        ("sfl", {"judges": "member"}, "'pushes' or 'members', found 'member': did you mean 'members'"),
        ("plr", {"replay_prob": 0.0}, "replay_prob of the trainer 'plr' must be above 0, and at most 1, found 0.0"),
        ("accel", {"replay_from": 1.5}, "replay_from of the trainer 'accel' must be from 0 to 1, found 1.5"),
        ("plr", {"staleness": -0.5}, "staleness of the trainer 'plr' must be from 0 to 1, found -0.5"),
        ("plr", {"capacity": 15}, "capacity of the trainer 'plr' must be at least terrains, which is 16, found 15"),
        ("accel", {"edits": 0}, "edits of the trainer 'accel' must be a whole number from 1 on"),
        ("sfl", {"kept": 7}, "kept of the trainer 'sfl' must be from 8, half of terrains, to 256, .* found 7"),
        ("sfl", {"kept": 257}, "to 256, which is sampled, found 257"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, settings: dict[str, Any], sentence: str) -> None:
    """In one sentence, before anything runs."""
    with pytest.raises(InputError, match=sentence):
        make_trainer(parts_of(name, settings).config)


@pytest.mark.parametrize("name", ["plr", "sfl"])
def test_what_cannot_be_run_is_refused_before_the_start(name: str) -> None:
    """Levels of a genotype that cannot be drawn, and generations with fewer pairs than terrains."""
    parts = parts_of(name, {"terrains": 3}, es={"pairs": 2})
    with pytest.raises(InputError, match=r"es.pairs = 2 pairs on each of its terrains = 3: raise es.pairs, or set"):
        make_trainer(parts.config).start(parts, None)
    parts = make_test_parts(run={"trainer": name}, terrain={"genotype": "cppn"}, es={"pairs": 16})
    with pytest.raises(InputError, match=r"found terrain.genotype = 'cppn': set it to 'obstacles', or run.trainer to"):
        make_trainer(parts.config).start(parts, None)
    assert [] == parts.evaluate.requests


def test_of_equal_scores_the_newer_level_is_the_better() -> None:
    """Its score belongs to a later agent."""
    assert [2, 1, 4, 0] == [p.level.id for p in best_first([played(0), played(1, 1.0), played(2, 1.0), played(4)])]
