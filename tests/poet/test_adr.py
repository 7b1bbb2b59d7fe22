"""Domain randomisation, plain and automatic: what the agent is run on, and how the ranges of sizes move."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.rollouts.request import Block
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.genes import PIT_GAP, ROUGHNESS, STAIR_STEPS
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from poet.events import GenerationDone
from poet.parts import Parts
from poet.trainers.adr import AdrState, AutomaticDomainRandomisation, BoundaryMoved
from poet.trainers.dr import DomainRandomisation
from poet.trainers.ranges import GeneRange, MoveRule, Side, entropy, most_steps, value_at
from poet.types import Purpose, RunState, SuccessRates
from tests.poet.builders import EPISODE_LENGTH, ledger, make_test_parts
from tests.poet.test_transfer import of_kind

SEED = 7
RULE = MoveRule(buffer=2, lower=50.0, upper=200.0)
#: Ranges of the default genes in which every end can move.
WIDE = (GeneRange("roughness", 1, 3), GeneRange("pit_gap", 2, 5), GeneRange("stump_height", 1, 1))
WIDE_BOUNDS = {"roughness": (0.6, 1.8), "pit_gap": (0.8, 2.0), "stump_height": (0.2, 0.2)}


def adr_parts(value: float = 100.0, **sections: Any) -> Parts:
    """Parts of a run in which every episode returns ``value``."""
    return make_test_parts(lambda theta, terrain: value, run={"seed": SEED}, **sections)


def begin(trainer: AutomaticDomainRandomisation, parts: Parts, *ranges: GeneRange) -> AdrState:
    """The start of a run, in which the ranges are already so wide."""
    state, _ = trainer.start(parts, None)
    return replace(state, ranges=ranges)


def blocks_of(parts: Parts, purpose: Purpose) -> list[Block]:
    """The blocks of the requests with that purpose."""
    return [block for request in parts.evaluate.requests if request.label == purpose for block in request.blocks]


def after(found: GeneRange, side: Side, values: list[float], most: int = 5) -> tuple[GeneRange, list[float | None]]:
    """A range after some trials at one end, and what each said."""
    means = []
    for value in values:
        found, mean = RULE.after_trial(found, side, value, most)
        means.append(mean)
    return found, means


def test_an_end_moves_when_the_mean_of_its_trials_reaches_a_threshold() -> None:
    """Both thresholds are inclusive; in between, the end stays; each judgement begins a new count."""
    start = GeneRange("pit_gap", 2, 3)

    assert (replace(start, high_returns=(300.0,)), [None]) == after(start, Side.HIGH, [300.0])
    assert (replace(start, high=4), [None, 200.0]) == after(start, Side.HIGH, [300.0, 100.0])
    assert (start, [None, 199.5]) == after(start, Side.HIGH, [299.0, 100.0])
    assert (start, [None, 50.5]) == after(start, Side.HIGH, [1.0, 100.0])
    assert (replace(start, high=2), [None, 50.0]) == after(start, Side.HIGH, [0.0, 100.0])
    assert (replace(start, low=1), [None, 200.0]) == after(start, Side.LOW, [200.0, 200.0])
    assert (replace(start, low=3), [None, -50.0]) == after(start, Side.LOW, [-100.0, 0.0])
    assert (replace(start, high=4, high_returns=(50.0,)), [None, 200.0, None]) == after(
        start, Side.HIGH, [200.0, 200.0, 50.0]
    )


def test_an_end_stays_within_its_bounds() -> None:
    """It passes neither the gene's least and greatest values nor the other end; the judgement counts all the same."""
    point = GeneRange("pit_gap", 0, 0)
    for found, side, value, most in (
        (point, Side.LOW, 300.0, 5),
        (point, Side.LOW, -100.0, 5),
        (point, Side.HIGH, -100.0, 5),
        (GeneRange("pit_gap", 0, 5), Side.HIGH, 300.0, 5),
    ):
        assert (found, [None, value]) == after(found, side, [value, value], most)


def algorithm_1(
    low: int, high: int, most: int, rule: MoveRule, trials: list[tuple[Side, float]]
) -> tuple[dict[Side, int], dict[Side, list[float]]]:
    """The move rule of the paper's pseudo-code, line by line, on one dimension."""
    phi: dict[Side, int] = {Side.LOW: low, Side.HIGH: high}
    buffers: dict[Side, list[float]] = {Side.LOW: [], Side.HIGH: []}
    for side, performance in trials:
        buffers[side].append(performance)
        if len(buffers[side]) >= rule.buffer:
            mean = math.fsum(buffers[side]) / len(buffers[side])
            buffers[side].clear()
            moved = {**phi}
            if mean >= rule.upper:
                moved[side] += 1 if side is Side.HIGH else -1
            elif mean <= rule.lower:
                moved[side] += -1 if side is Side.HIGH else 1
            if 0 <= moved[Side.LOW] <= moved[Side.HIGH] <= most:
                phi = moved
    return phi, buffers


@given(
    st.integers(0, 4).flatmap(lambda most: st.tuples(st.just(most), *[st.integers(0, most)] * 2)),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(Side), st.sampled_from([-100.0, 49.0, 50.0, 51.0, 199.0, 200.0, 300.0]))),
)
def test_ends_move_as_in_the_papers_pseudo_code(
    place: tuple[int, int, int], buffer: int, trials: list[tuple[Side, float]]
) -> None:
    """Whatever the trials, ends and buffers are those of an obvious twin."""
    most, (low, high) = place[0], sorted(place[1:])
    rule, found = MoveRule(buffer, 50.0, 200.0), GeneRange("pit_gap", low, high)

    for side, value in trials:
        found, _ = rule.after_trial(found, side, value, most)

    phi, buffers = algorithm_1(low, high, most, rule, trials)
    expected = GeneRange("pit_gap", phi[Side.LOW], phi[Side.HIGH], *(tuple(buffers[side]) for side in Side))
    assert expected == found


def test_steps_are_those_of_mutations() -> None:
    """A step from the least value on, exact to one decimal; the last one ends at the run's greatest value."""
    paper, released = ObstacleSettings(), ObstacleSettings(max_pit_gap=8.1)

    assert [0.0, 0.6, 1.8, 9.6, 10.0] == [value_at(ROUGHNESS, n, paper) for n in (0, 1, 3, 16, 17)]
    assert [0.0, 1.2, 10.0] == [value_at(PIT_GAP, n, paper) for n in (0, 3, 25)]
    assert [8.0, 8.1] == [value_at(PIT_GAP, n, released) for n in (20, 21)]
    steps = [value_at(STAIR_STEPS, n, paper) for n in (0, 8)]
    assert ([1.0, 9.0], {float}) == (steps, {*map(type, steps)})
    names = ("roughness", "pit_gap", "stump_height", "stair_height", "stair_steps")
    assert [17, 25, 25, 25, 8] == [most_steps(name, paper) for name in names]
    assert 21 == most_steps("pit_gap", released)


def test_the_entropy_is_the_mean_log_of_relative_widths() -> None:
    """A point counts as one step, and ranges that cover everything have an entropy of 0."""
    settings = ObstacleSettings()

    expected = (math.log(1.2 / 10) + math.log(1.2 / 10) + math.log(0.2 / 5)) / 3
    assert expected == pytest.approx(entropy(WIDE, settings), rel=1e-12)
    assert 0.0 == entropy([GeneRange("roughness", 0, 17), GeneRange("pit_gap", 0, 25)], settings)


def between(stream: Stream, bounds: dict[str, tuple[float, float]]) -> Terrain:
    """The terrain that a stream gives: one size per gene, in the order of the genes, then the terrain seed."""
    roughness, gap, height = (stream.uniform(*bounds[name]) for name in ("roughness", "pit_gap", "stump_height"))
    return ObstacleGenotype(roughness, (gap, gap), (height, height)).express(stream.integer(0, 1_000_000))


def test_the_agent_trains_on_terrains_between_the_ends() -> None:
    """K terrains of the iteration's stream; direction m on terrain m mod K, both signs alike; scored on all of them."""
    trainer, parts = AutomaticDomainRandomisation(terrains=3), adr_parts(es={"pairs": 5})
    state = begin(trainer, parts, *WIDE)
    for iteration in (1, 2):
        state, _ = trainer.iterate(state, parts)
        stream = Stream(SEED, "adr", iteration)
        expected = tuple(between(stream, WIDE_BOUNDS) for _ in range(3))
        trained, scored = blocks_of(parts, Purpose.ES)[-1], blocks_of(parts, Purpose.SELF_EVAL)[-1]
        assert expected == trained.terrains
        assert [0, 0, 1, 1, 2, 2, 0, 0, 1, 1] == trained.terrain_index.tolist()
        assert (ObstacleGenotype().express(state.active[0].terrain_seed), *expected) == scored.terrains


@pytest.mark.parametrize(
    ("ends", "movable"),
    [
        ("upper", ["roughness high", "pit_gap high", "stump_height high"]),
        (
            "both",
            ["roughness low", "roughness high", "pit_gap low", "pit_gap high", "stump_height low", "stump_height high"],
        ),
    ],
)
def test_trials_are_of_the_agent_as_it_was_on_terrains_at_an_end(ends: str, movable: list[str]) -> None:
    """One episode of the unperturbed theta per trial: the size of one gene is at an end, all else is drawn."""
    trainer, parts = AutomaticDomainRandomisation(ends=ends, buffer=100), adr_parts(es={"pairs": 8})
    state = begin(trainer, parts, *WIDE)
    expected: dict[str, list[float]] = {}
    for iteration in (1, 2):
        theta = state.active[0].theta
        state, _ = trainer.iterate(state, parts)
        stream, terrains = Stream(SEED, "adr_boundary", iteration), []
        for _ in range(16):
            gene, side = stream.choice(movable).split()
            end = WIDE_BOUNDS[gene][side == "high"]
            terrains.append(between(stream, {**WIDE_BOUNDS, gene: (end, end)}))
            expected.setdefault(f"{gene} {side}", []).append(100.0)
        block = blocks_of(parts, Purpose.BOUNDARY)[-1]
        assert tuple(terrains) == block.terrains
        assert list(range(16)) == block.terrain_index.tolist()
        assert np.array_equal(np.tile(theta, (16, 1)), block.sample.theta(block.rows))
        assert not np.array_equal(theta, state.active[0].theta)
    found = {f"{one.gene} {side}": returns for one in state.ranges
             for side, returns in zip(Side, (one.low_returns, one.high_returns), strict=True)}  # fmt: skip
    assert {end: tuple(expected.get(end, ())) for end in found} == found


def test_only_ends_that_can_move_are_tried() -> None:
    """At the start these are the upper ones; a lower end at the least value can only follow its upper one."""
    settings = ObstacleSettings(obstacles=("pit_gap",))
    for low, high, expected in ((0, 0, [False, True]), (0, 1, [True, True]), (25, 25, [True, False])):
        found = GeneRange("pit_gap", low, high)
        assert expected == [found.is_movable(side, settings) for side in Side]

    trainer, parts = AutomaticDomainRandomisation(ends="both", buffer=100), adr_parts(es={"pairs": 20})
    state, _ = trainer.iterate(begin(trainer, parts), parts)
    assert all(one.high_returns and not one.low_returns for one in state.ranges)
    assert ["roughness", "pit_gap", "stump_height"] == [one.gene for one in state.ranges]


@pytest.mark.parametrize(("share", "num_trials"), [(0.5, 4), (0.75, 12), (0.01, 1)])
def test_trials_are_booked_as_such(share: float, num_trials: int) -> None:
    """Their number is a share of all episodes of training and trials, their cost is the purpose ``boundary``."""
    trainer, parts = AutomaticDomainRandomisation(boundary_share=share, terrains=3), adr_parts()

    state = begin(trainer, parts)
    following, events = trainer.iterate(state, parts)

    episodes = {purpose: spent[0] for (_, purpose), spent in ledger(events).items()}
    assert {Purpose.ES: 4, Purpose.SELF_EVAL: 4, Purpose.BOUNDARY: num_trials} == episodes
    assert (num_trials, num_trials * EPISODE_LENGTH) == ledger(events)[0, Purpose.BOUNDARY]
    assert state.episodes + 8 + num_trials == following.episodes


def test_an_end_that_has_moved_takes_no_more_trials_of_the_iteration() -> None:
    """They were run where it had been; the next iteration counts anew."""
    trainer = AutomaticDomainRandomisation(buffer=3, upper=100.0, lower=0.0)
    parts = adr_parts(100.0, es={"pairs": 4}, terrain={"obstacles": ["stump_height"]})

    state, events = trainer.iterate(begin(trainer, parts), parts)
    assert (GeneRange("stump_height", 0, 1),) == state.ranges
    expected = BoundaryMoved(1, "stump_height", Side.HIGH, 0.2, 100.0, entropy(state.ranges, parts.settings))
    assert [expected] == of_kind(events, BoundaryMoved)

    undecided = replace(trainer, upper=101.0)
    state, events = undecided.iterate(begin(undecided, parts), parts)
    assert (GeneRange("stump_height", 0, 0, (), (100.0, 100.0)),) == state.ranges
    assert [] == of_kind(events, BoundaryMoved)


def test_ranges_grow_and_shrink_over_a_run() -> None:
    """An agent that masters everything meets ever larger sizes, up to the greatest; one that fails, smaller ones."""
    trainer = AutomaticDomainRandomisation(buffer=1)
    good, bad = (adr_parts(value, terrain={"obstacles": ["pit_gap"], "max_pit_gap": 1.0}) for value in (300.0, -100.0))
    state, seen = begin(trainer, good), []
    for parts in (good,) * 4 + (bad,) * 5:
        state, events = trainer.iterate(state, parts)
        seen += [(event.side, event.value, event.return_mean) for event in of_kind(events, BoundaryMoved)]

    high = Side.HIGH
    up = [(high, 0.4, 300.0), (high, 0.8, 300.0), (high, 1.0, 300.0)]
    assert [*up, (high, 0.8, -100.0), (high, 0.4, -100.0), (high, 0.0, -100.0)] == seen
    assert ["ranges of 0.0 steps"] == trainer.facts(state)
    assert ["ranges of 1.7 steps"] == trainer.facts(replace(state, ranges=WIDE))


def test_stairs_need_a_height() -> None:
    """The number of steps is whole, both of its bounds included; without height there are no stairs at all."""
    settings, stream = ObstacleSettings(obstacles=("stairs",)), Stream(1, "test")
    draw = ObstacleGenotype.drawn_between

    assert ObstacleGenotype() == draw({"stair_height": (0.0, 0.0), "stair_steps": (1.0, 9.0)}, settings, stream)
    drawn = [draw({"stair_height": (0.2, 0.4), "stair_steps": (2.0, 4.0)}, settings, stream) for _ in range(50)]
    assert {(2, 2), (3, 3), (4, 4)} == {one.stair_steps for one in drawn}
    heights = {one.stair_height for one in drawn}
    assert 50 == len(heights) and all(low == high and 0.2 <= low < 0.4 for low, high in heights)


@pytest.mark.parametrize(("height", "is_tried"), [(0, (True, False)), (1, (True, True))])
def test_the_number_of_steps_is_tried_only_where_there_can_be_stairs(height: int, is_tried: tuple[bool, bool]) -> None:
    """While all stairs are 0 high, only their height is; what no terrain has cannot be mastered."""
    trainer = AutomaticDomainRandomisation(buffer=100)
    parts = adr_parts(es={"pairs": 20}, terrain={"obstacles": ["roughness", "stairs"]})

    state = begin(trainer, parts, GeneRange("stair_height", 0, height), GeneRange("stair_steps", 0, 2))
    state, _ = trainer.iterate(state, parts)

    tried = {one.gene: bool(one.high_returns) for one in state.ranges}
    assert {"roughness": True, "stair_height": is_tried[0], "stair_steps": is_tried[1]} == tried


def test_a_fork_may_change_genes_and_bounds_and_episodes() -> None:
    """Ranges are cut to the new bounds, new genes start from a point; returns elsewhere or of others are dropped."""
    trainer = AutomaticDomainRandomisation(boundary_share=0.01)
    parts = adr_parts(terrain={"obstacles": ["pit_gap", "stairs"], "max_pit_gap": 2.0}, evaluation={"max_steps": 50})
    state = begin(trainer, parts, GeneRange("roughness", 0, 2), GeneRange("pit_gap", 3, 20, (1.0,), (2.0, 3.0)))

    kept, _ = trainer.iterate(state, parts)
    other, _ = trainer.iterate(replace(state, scored_steps=60), parts)

    for after_it, before in ((kept, ((1.0,), ())), (other, ((), ()))):
        gap, *stairs = after_it.ranges
        tried = sum(len(one.high_returns) for one in stairs)
        assert ("pit_gap", 3, 5) == (gap.gene, gap.low, gap.high)
        assert [("stair_height", 0, 0), ("stair_steps", 0, 0)] == [(one.gene, one.low, one.high) for one in stairs]
        assert (*before[0], *before[1]) == (*gap.low_returns, *gap.high_returns)[: len(before[0]) + len(before[1])]
        assert 1 == tried + len(gap.low_returns) + len(gap.high_returns) - len(before[0]) - len(before[1])


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ((GeneRange("pit_gap"), GeneRange("pit_gap", 0, 1)), "two ranges"),
        ((GeneRange("pit_gap", 2, 1),), "from 2 to 1 steps"),
        ((GeneRange("pit_gap", -1, 1),), "from -1 to 1 steps"),
        ((GeneRange("pit_gap", 0, 1, (0.0,), (math.nan,)),), "not finite"),
    ],
)
def test_a_state_that_cannot_be_is_refused(ranges: tuple[GeneRange, ...], sentence: str) -> None:
    """An archive may come from anyone."""
    trainer, parts = AutomaticDomainRandomisation(), adr_parts()

    begin(trainer, parts, *WIDE).check()
    with pytest.raises(ValueError, match=sentence):
        begin(trainer, parts, *ranges).check()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lower": 200.0}, "lower of the trainer 'adr' must be below upper, but they are 200.0 and 200.0"),
        ({"boundary_share": 0.0}, "boundary_share of the trainer 'adr' must be between 0 and 1, but is 0.0"),
        ({"boundary_share": 1.0}, "boundary_share .* between 0 and 1"),
        ({"ends": "uper"}, "ends of the trainer 'adr' must be 'upper' or 'both', found 'uper': did you mean 'upper'"),
        ({"ends": 1}, "ends .* found 1"),
        ({"buffer": 0}, "buffer of the trainer 'adr' must be a whole number from 1 on"),
        ({"terrains": 0}, "terrains of the trainer 'adr' must be a whole number from 1 on"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], sentence: str) -> None:
    """In one sentence, which names the setting."""
    with pytest.raises(InputError, match=sentence):
        AutomaticDomainRandomisation(**settings)


@pytest.mark.parametrize("trainer", [DomainRandomisation(), AutomaticDomainRandomisation()])
def test_only_obstacle_terrains_can_be_drawn(trainer: Any) -> None:
    """Another encoding has no range to draw from; the sentence says what to set."""
    with pytest.raises(InputError, match=rf"trainer '{trainer.kind}' draws .* is 'cppn': set it to 'obstacles'"):
        trainer.start(make_test_parts(terrain={"genotype": "cppn"}), None)


def test_domain_randomisation_trains_on_drawn_terrains() -> None:
    """K genotypes of the whole space, each with a terrain seed, from the iteration's stream; scored on all of them."""
    trainer = DomainRandomisation(terrains=3)
    parts = adr_parts(es={"pairs": 4}, terrain={"obstacles": ["pit_gap", "stairs"], "max_pit_gap": 4.0})
    state, _ = trainer.start(parts, None)
    seen = []
    for iteration in (1, 2):
        state, events = trainer.iterate(state, parts)
        stream, expected = Stream(SEED, "dr", iteration), []
        for _ in range(3):
            genotype = ObstacleGenotype.drawn(
                ObstacleSettings(obstacles=("pit_gap", "stairs"), max_pit_gap=4.0), stream
            )
            expected.append(genotype.express(stream.integer(0, 1_000_000)))
        trained, scored = blocks_of(parts, Purpose.ES)[-1], blocks_of(parts, Purpose.SELF_EVAL)[-1]
        assert tuple(expected) == trained.terrains
        assert [0, 0, 1, 1, 2, 2, 0, 0] == trained.terrain_index.tolist()
        assert (ObstacleGenotype().express(state.active[0].terrain_seed), *expected) == scored.terrains
        seen += expected
        assert {(0, Purpose.ES): (8, 80), (0, Purpose.SELF_EVAL): (4, 40)} == ledger(events)
    assert 6 == len({terrain.digest() for terrain in seen})


@pytest.mark.parametrize("trainer", [DomainRandomisation(terrains=2), AutomaticDomainRandomisation(terrains=2)])
def test_what_a_run_says_of_niches_does_not_matter(trainer: Any) -> None:
    """An agent that has mastered its own terrain trains on, and its own terrain has no fresh instances."""
    parts = adr_parts(
        niche={"instances": 5, "rest_interval": 1000}, validation={"episodes": 2, "interval": 1000}, es={"pairs": 3}
    )
    state: RunState = trainer.start(parts, None)[0]
    assert [1] == [len(block.terrains) for block in blocks_of(parts, Purpose.SELF_EVAL)]
    (niche,) = state.active
    mastered = replace(niche, success=SuccessRates(niche.version_id, pushes=1.0, seeds=1.0))

    _, events = trainer.iterate(replace(state, active=(mastered,)), parts)

    assert 1 == len(of_kind(events, GenerationDone))
