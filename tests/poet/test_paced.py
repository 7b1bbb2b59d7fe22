"""Paced curricula: in which order terrains come, how fast, who judges them, and which files are refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from poet.archived import MAX_BYTES, Judge, file_text, read_archived
from poet.config import Config
from poet.events import AnyEvent, Cost, GenerationDone
from poet.levels import make_level
from poet.parts import Parts
from poet.scoring import express
from poet.trainers.paced import AgentJudged, Graded, PacedCurriculum, PacedState, PoolChanged, TerrainGiven
from poet.types import Purpose, SuccessRates, theta_digest
from poet.unused import unused_settings
from tests.poet.builders import EPISODE_LENGTH, ledger, make_test_parts, theta_of
from tests.poet.test_adr import blocks_of
from tests.poet.test_transfer import of_kind

SEED = 5
GENOTYPES = tuple(ObstacleGenotype(roughness=0.5 * i) for i in range(6))
#: Agents whose first weight says how good they are; the first two have terrains of their own.
PANEL = (Judge(theta_of(10.0), 1), Judge(theta_of(20.0), 4), Judge(theta_of(40.0)))
POLICY = Config().to_json()["policy"]


def by_push(theta: NDArray[np.float32], terrain: Terrain) -> float:
    """A return that depends on the agent, the ground and the push."""
    return float(theta[0]) + 3.0 * float(terrain.push) - 7.0 * (int(terrain.digest()[:2], 16) % 5)


def file_of(folder: Path, panel: Sequence[Judge] = PANEL, genotypes: Sequence[ObstacleGenotype] = GENOTYPES) -> Path:
    """A file of terrains, whose seeds are 100, 101, ..."""
    path = folder / "terrains.json"
    terrains = [(genotype.to_json(), 100 + i) for i, genotype in enumerate(genotypes)]
    path.write_text(file_text("obstacles", terrains, POLICY, panel))
    return path


def parts_of(path: Path, **sections: Any) -> Parts:
    """Parts of a run that begins with a file."""
    es = {"pairs": 5, **sections.pop("es", {})}
    run = {"seed": SEED, "trainer": "paced", **sections.pop("run", {})}
    return make_test_parts(by_push, run=run, trainer={"source": str(path)}, es=es, **sections)


def graded(*means: float | None) -> tuple[Graded, ...]:
    """Terrains by id, with these scores."""
    return tuple(Graded(make_level(i, GENOTYPES[i % 6], 100 + i), mean) for i, mean in enumerate(means))


def walk(trainer: PacedCurriculum, parts: Parts, iterations: int) -> tuple[PacedState, list[AnyEvent]]:
    """The last state, and all events."""
    state, events = trainer.start(parts, None)
    happened = [*events]
    for _ in range(iterations):
        state, events = trainer.iterate(state, parts)
        happened += events
    return state, happened


def papers_pool(num: int, start: float, increase: float, interval: int, generation: int) -> int:
    """The pool of a generation as the paper's code finds it, batch after batch."""
    percent, limit = 1.0, num
    for batch in range(generation + 1):
        if batch % interval == 0:
            percent = start if batch == 0 else min(percent * increase, 1.0)
            limit = max(1, math.ceil(round(num * percent, 6)))
    return limit


@given(
    st.integers(1, 200), st.floats(0.001, 1.0), st.floats(1.01, 4.0), st.integers(1, 9), st.integers(0, 80)
)  # fmt: skip
def test_the_pool_grows_as_in_the_papers_code(
    num: int, start: float, increase: float, interval: int, generation: int
) -> None:
    """The number of terrains is that of an obvious twin, in every generation."""
    trainer = PacedCurriculum(start_share=start, increase=increase, interval=interval)

    assert papers_pool(num, start, increase, interval, generation) == trainer.pool_size(num, generation)


@given(st.integers(1, 200), st.floats(0.001, 1.0), st.floats(1.5, 4.0), st.data())
def test_the_varied_pool_grows_at_its_own_times(num: int, start: float, increase: float, data: st.DataObject) -> None:
    """As a twin that goes from generation to generation and multiplies when a time comes; evenly spaced times are the
    fixed pacing."""
    needed = next(i for i in range(99) if PacedCurriculum(start_share=start, increase=increase)._share_after(i) >= 1.0)
    times = data.draw(st.lists(st.integers(1, 40), min_size=needed, max_size=needed, unique=True).map(sorted))
    varied = PacedCurriculum(
        pacing="varied_exponential", start_share=start, increase=increase, growth_at=tuple(times)
    )  # fmt: skip
    share = start
    for generation in range(45):
        if generation in times:
            share = min(1.0, share * increase)
        assert max(1, math.ceil(round(num * share, 6))) == varied.pool_size(num, generation)
    assert num == varied.pool_size(num, 40)
    even = replace(varied, growth_at=tuple(3 * (i + 1) for i in range(needed)))
    fixed = PacedCurriculum(start_share=start, increase=increase, interval=3)
    assert [fixed.pool_size(num, i) for i in range(45)] == [even.pool_size(num, i) for i in range(45)]


def test_the_pool_by_hand() -> None:
    """The code's numbers; one step; all at once. A pool is never empty, and a quotient of 7 is not rounded up to 8."""
    sizes = [PacedCurriculum().pool_size(100, i) for i in (0, 99, 100, 200, 300, 400, 500, 599, 600, 10**9)]
    assert [4, 4, 8, 15, 28, 53, 100, 100, 100, 100] == sizes
    one_step = PacedCurriculum(pacing="single_step", interval=3)
    assert [4, 4, 100, 100] == [one_step.pool_size(100, i) for i in (0, 2, 3, 600)]
    assert [9] * 2 == [PacedCurriculum(order="none").pool_size(9, i) for i in (0, 50)]
    assert [1, 7] == [PacedCurriculum(start_share=0.07).pool_size(num, 0) for num in (1, 100)]


def selected(terrains: Sequence[Graded], is_before: Any) -> list[int]:
    """Ids in the order of an obvious sort: again and again the first terrain that no other comes before."""
    left, found = [*terrains], []
    while left:
        first = next(one for one in left if not any(is_before(other, one) for other in left if other is not one))
        found.append(first.level.id)
        left.remove(first)
    return found


@given(st.lists(st.sampled_from([-100.0, -0.0, 0.0, 50.0, 300.0]), min_size=1, max_size=9), st.integers(0, 99))
def test_terrains_come_in_the_order_of_their_scores(means: list[float], seed: int) -> None:
    """The easiest first, or the hardest, and of equals the lesser id; by a stream's numbers; or by id."""
    terrains = graded(*means)

    def ids(order: str) -> list[int]:
        return [one.level.id for one in PacedCurriculum(order=order).ordered(terrains, seed)]

    assert selected(terrains, lambda a, b: a.mean_return > b.mean_return) == ids("curriculum")
    assert selected(terrains, lambda a, b: a.mean_return < b.mean_return) == ids("anti")
    stream = Stream(seed, "paced_order")
    marks = [stream.uniform() for _ in means]
    assert selected(terrains, lambda a, b: marks[a.level.id] < marks[b.level.id]) == ids("random")
    assert [*range(len(means))] == ids("none")


def test_the_panel_judges_each_terrain_under_the_same_pushes(tmp_path: Path) -> None:
    """Each agent on each terrain but its own, the mean over all of it; recorded, and booked as ``order``."""
    trainer, parts = PacedCurriculum(terrains=2, episodes=3), parts_of(file_of(tmp_path))
    returns: dict[tuple[int, int], list[float]] = {}
    for i, genotype in enumerate(GENOTYPES):
        stream, terrain = Stream(SEED, "order_pushes", i), genotype.express(100 + i)
        pushes = [stream.uniform(-5.0, 5.0) for _ in range(3)]
        for j, judge in enumerate(PANEL):
            if judge.own != i:
                returns[i, j] = [by_push(judge.theta, terrain.with_push(push)) for push in pushes]

    state, events = trainer.start(parts, None)

    def mean(place: int, value: int) -> float:
        values = [v for key, some in returns.items() if key[place] == value for v in some]
        return math.fsum(values) / len(values)

    assert [mean(0, i) for i in range(6)] == [one.mean_return for one in state.terrains]
    (block,) = blocks_of(parts, Purpose.ORDER)
    assert 3 * (3 * 6 - 2) == block.rows.size
    assert [AgentJudged(0, theta_digest(j.theta), j.own, mean(1, i)) for i, j in enumerate(PANEL)] == of_kind(
        events, AgentJudged
    )
    ranked = sorted(range(6), key=lambda i: (-mean(0, i), i))
    expected = [
        TerrainGiven(0, i, 1 + ranked.index(i), mean(0, i), make_level(i, GENOTYPES[i], 0).genotype, 100 + i)
        for i in range(6)
    ]
    assert expected == of_kind(events, TerrainGiven)
    assert (48, 48 * EPISODE_LENGTH) == ledger(events)[0, Purpose.ORDER]
    costs = of_kind(events, Cost)
    assert (sum(c.env_steps for c in costs), sum(c.episodes for c in costs)) == (state.env_steps, state.episodes)


@pytest.mark.parametrize("order", ["random", "none"])
def test_who_needs_no_scores_pays_for_none(tmp_path: Path, order: str) -> None:
    """The panel does not run; a fork that would need its scores is refused."""
    trainer, parts = PacedCurriculum(terrains=2, order=order), parts_of(file_of(tmp_path))

    state, events = walk(trainer, parts, 1)

    assert [] == blocks_of(parts, Purpose.ORDER) == of_kind(events, AgentJudged)
    assert (
        {None}
        == {one.mean_return for one in state.terrains}
        == {one.mean_return for one in of_kind(events, TerrainGiven)}
    )
    with pytest.raises(InputError, match="began without scores of its terrains, which the order 'anti' needs"):
        replace(trainer, order="anti").iterate(state, parts)


def test_a_generation_trains_on_terrains_drawn_from_the_pool(tmp_path: Path) -> None:
    """K different ones by the iteration's stream, or the whole pool; direction m on terrain m mod K; scored on all."""
    trainer = PacedCurriculum(terrains=3, start_share=0.3, increase=2.0, interval=1)
    parts = parts_of(file_of(tmp_path))
    state, _ = trainer.start(parts, None)
    ranked = [one.level for one in sorted(state.terrains, key=lambda one: (-(one.mean_return or 0.0), one.level.id))]
    for iteration, size in ((1, 2), (2, 4), (3, 6), (4, 6)):
        state, _ = trainer.iterate(state, parts)
        stream, left, expected = Stream(SEED, "paced_terrains", iteration), ranked[:size], []
        for _ in range(min(3, size)):
            level = left.pop(stream.integer(0, len(left)))
            expected.append(GENOTYPES[level.id].express(level.terrain_seed))
        trained, scored = blocks_of(parts, Purpose.ES)[-1], blocks_of(parts, Purpose.SELF_EVAL)[-1]
        (niche,) = state.active
        assert tuple(expected) == trained.terrains
        assert [m % len(expected) for m in range(5) for _ in (1, -1)] == trained.terrain_index.tolist()
        assert (express(niche.genotype, niche.terrain_seed), *expected) == scored.terrains
        assert [size] == [state.pool_size] and [f"{size} of 6 terrains"] == trainer.facts(state)


def test_the_record_says_when_the_pool_changed(tmp_path: Path) -> None:
    """With what had been spent before that generation."""
    trainer, parts = PacedCurriculum(terrains=2, start_share=0.5, interval=2), parts_of(file_of(tmp_path))
    state, _ = trainer.start(parts, None)
    found, spent = [], []
    for _ in range(4):
        spent.append(state.env_steps)
        state, events = trainer.iterate(state, parts)
        found += of_kind(events, PoolChanged)

    assert [PoolChanged(1, 3, spent[0]), PoolChanged(3, 6, spent[2])] == found


def test_what_is_said_of_niches_is_not_heeded(tmp_path: Path) -> None:
    """An agent never rests because it has mastered the terrain for the record, nor are there fresh instances of it."""
    niches = {"instances": 3, "rest_interval": 1000}
    parts = parts_of(file_of(tmp_path), niche=niches, validation={"episodes": 1})
    trainer = PacedCurriculum(terrains=2, start_share=1.0)
    state, _ = trainer.start(parts, None)
    assert [1] == [len(block.terrains) for block in blocks_of(parts, Purpose.SELF_EVAL)]
    (niche,) = state.active
    mastered = replace(niche, success=SuccessRates(niche.version_id, pushes=1.0, seeds=1.0))

    _, events = trainer.iterate(replace(state, active=(mastered,)), parts)

    assert 1 == len(of_kind(events, GenerationDone))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"terrains": ()}, "it has 0 terrains"),
        ({"terrains": graded(*[1.0] * 4097)}, "it has 4097 terrains"),
        ({"pool_size": 4}, "it has 3 terrains, of which 4 are in the pool"),
        ({"terrains": graded(1.0, 2.0, 3.0, 4.0)[1:]}, "do not count from 0"),
        ({"terrains": graded(1.0, None, 3.0)}, "not all of its terrains have a score"),
        ({"terrains": graded(1.0, math.inf, 3.0)}, "not finite"),
    ],
)
def test_a_state_that_cannot_be_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """Ids count, all terrains have scores or none, and the pool is no larger than they are."""
    state = PacedState(2, (), terrains=graded(1.0, 2.0, 3.0), pool_size=3)
    state.check()
    replace(state, terrains=graded(None, None, None)).check()
    with pytest.raises(ValueError, match=sentence):
        replace(state, **changes).check()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"order": "hard"}, "order of the trainer 'paced' must be 'curriculum' or 'anti' or .* found 'hard'"),
        ({"pacing": "exponental"}, "did you mean 'exponential'"),
        ({"growth_at": 3}, "must be left out if pacing is 'exponential', found [3]".replace("[", r"\[")),
        ({"growth_at": (3,)}, "growth_at of the trainer 'paced' must be left out if pacing is 'exponential'"),
        ({"pacing": "varied_exponential"}, "growth_at of the trainer 'paced' must be 6 ascending whole numbers"),
        ({"pacing": "varied_exponential", "growth_at": (1, 2, 3, 4, 5)}, "must be 6 ascending"),
        ({"pacing": "varied_exponential", "growth_at": (1, 2, 3, 5, 4, 6)}, "must be 6 ascending"),
        ({"pacing": "varied_exponential", "growth_at": (0, 1, 2, 3, 4, 5)}, "from 1 on"),
        ({"pacing": "varied_exponential", "growth_at": (1.0, 2, 3, 4, 5, 6)}, "whole numbers"),
        ({"start_share": 0.0}, "start_share of the trainer 'paced' must be above 0, and at most 1, found 0.0"),
        ({"start_share": 1.5}, "at most 1, found 1.5"),
        ({"increase": 1.0}, "increase of the trainer 'paced' must be 1.01 or more, found 1.0"),
        ({"interval": 0}, "interval of the trainer 'paced' must be a whole number from 1 on"),
        ({"episodes": 501}, "episodes of the trainer 'paced' must be 500 at most, found 501"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], sentence: str) -> None:
    """In one sentence, before anything runs."""
    with pytest.raises(InputError, match=sentence):
        PacedCurriculum(**settings)


def test_a_generation_needs_a_pair_for_each_terrain(tmp_path: Path) -> None:
    """Before anything runs, and in a fork."""
    parts = parts_of(file_of(tmp_path))
    with pytest.raises(InputError, match=r"es.pairs = 5 pairs on each of its terrains = 16: raise es.pairs, or set"):
        PacedCurriculum().start(parts, None)
    assert [] == parts.evaluate.requests
    state, _ = walk(PacedCurriculum(terrains=5), parts, 0)
    with pytest.raises(InputError, match=r"its terrains = 6"):
        PacedCurriculum(terrains=6).iterate(state, parts)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """Terrains and agents, to the bit; the same text for the same; null for an agent from elsewhere."""
    path = file_of(tmp_path)
    found = read_archived(str(path), parts_of(path))

    assert tuple(make_level(i, genotype, 100 + i) for i, genotype in enumerate(GENOTYPES)) == found.levels
    assert [1, 4, None] == [judge.own for judge in found.panel]
    assert all(np.array_equal(a.theta, b.theta) for a, b in zip(PANEL, found.panel, strict=True))
    assert path.read_bytes() == file_of(tmp_path).read_bytes()


def changed(value: Any, *place: Any, to: Any) -> Any:
    """A JSON value with another one at some place in it."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = to
    return copy


@pytest.mark.parametrize(
    ("place", "to", "sentence"),
    [
        (("more",), 1, "must be an object of genotype, policy, terrains, panel"),
        (("genotype",), "cppn", "of the genotype 'cppn', but terrain.genotype is 'obstacles'"),
        (("policy",), {}, "another policy than the run"),
        (("terrains",), [], "its terrains must be a list of 1 to 4,096"),
        (("terrains",), [{}] * 4097, "its terrains must be a list of 1 to 4,096"),
        (("terrains",), {"a": 1}, "its terrains must be a list"),
        (("terrains", 2), {}, "terrain 2 must have a genotype and a terrain_seed"),
        (("terrains", 2, "terrain_seed"), 1_000_000, "terrain_seed of terrain 2 must be at most 999999"),
        (("terrains", 2, "terrain_seed"), True, "must be a whole number"),
        (("terrains", 2, "genotype"), {"roughnes": 1.0}, "did you mean 'roughness'"),
        (("terrains", 2, "genotype", "roughness"), 10**400, "cannot be used"),
        (("terrains", 2, "genotype", "roughness"), math.inf, "cannot be used"),
        (("panel",), [], "has no agents, but order"),
        (("panel", 0), {"own": 1}, "each agent of its panel must have own and theta"),
        (("panel", 0, "own"), 6, "own of an agent must be at most 5"),
        (("panel", 0, "theta"), "AAAA", "cannot be used"),
        (("panel", 0, "theta"), "AACAfw==", "theta must be"),
        (("panel", 0, "theta"), 7, "cannot be used"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, place: tuple[Any, ...], to: Any, sentence: str) -> None:
    """In one sentence, before anything runs."""
    path = file_of(tmp_path)
    path.write_text(json.dumps(changed(json.loads(path.read_text()), *place, to=to)))
    parts = parts_of(path)

    with pytest.raises(InputError, match=sentence) as refusal:
        PacedCurriculum(terrains=2).start(parts, None)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 700
    assert [] == parts.evaluate.requests


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """One that is not named, not there, too large, no JSON, too deep, or whose weights are not finite."""
    path, trainer = tmp_path / "it.json", PacedCurriculum(terrains=2)

    def refusal(parts: Parts) -> str:
        with pytest.raises(InputError) as found:
            trainer.start(parts, None)
        return str(found.value)

    parts = parts_of(path)
    nameless = replace(parts, config=parts.config.model_copy(update={"trainer": Config().trainer}))
    assert "let poet control paced or poet meta make the run" in refusal(nameless)
    assert "must be a readable file" in refusal(parts)
    for data, words in (
        (b"", "cannot be used"),
        (b"\xff\xfe{", "cannot be used"),
        (b"[" * 100_000, "cannot be used"),
        (b" " * (MAX_BYTES + 1), "has more than"),
    ):
        path.write_bytes(data)
        assert words in refusal(parts)
    bad = theta_of(math.nan)
    assert "theta must be finite" in refusal(parts_of(file_of(tmp_path, [Judge(bad)])))


def test_somebody_must_judge_each_terrain(tmp_path: Path) -> None:
    """A panel of one agent cannot, if one of the terrains is its own; a second agent can."""
    with pytest.raises(InputError, match="only its own agent could judge terrain 1: name agents of other terrains"):
        PacedCurriculum(terrains=2).start(parts_of(file_of(tmp_path, PANEL[:1])), None)
    alone = file_of(tmp_path, [replace(PANEL[0], own=0), PANEL[2]], GENOTYPES[:1])
    _, events = PacedCurriculum(terrains=2).start(parts_of(alone), None)
    assert [theta_digest(PANEL[2].theta)] == [one.theta_digest for one in of_kind(events, AgentJudged)]


def test_a_file_that_nobody_reads_is_reported() -> None:
    """Only trainers that begin with a file read the key."""
    for trainer, expected in (("paced", {}), ("dr", {"dr": ["trainer.source"]})):
        parts = make_test_parts(run={"trainer": trainer}, trainer={"source": "a.json"})
        assert expected == unused_settings(parts.config)
