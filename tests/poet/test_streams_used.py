"""The named stream of each draw in a run, written by hand, and one digest of everything that happens in a run."""

from __future__ import annotations

import hashlib
import typing
from dataclasses import fields, replace

import numpy as np
import pytest

from agents.strategies.normal import normals
from agents.strategies.perturbations import Perturbations
from environments.streams import Stream, stream_key
from environments.terrain.cppn import CppnGenotype
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.admission import reproduce_and_admit
from poet.events import CandidateJudged, CandidateOutcome, Event
from poet.loop import poet_iteration, random_theta
from poet.types import Purpose
from tests.poet.builders import make_niche, make_state, make_test_parts, start
from tests.poet.test_loop import rugged
from tests.poet.test_transfer import of_kind

SEED = 7
#: Every iteration after the first reproduces, admits its one child, and transfers.
BUSY = {
    "run": {"seed": SEED},
    "poet": {"reproduction_interval": 1, "reproduction_threshold": -1000.0, "max_children": 1,
             "criterion_lower": -1000.0, "criterion_upper": 1000.0},
    "transfer": {"interval": 1},
}  # fmt: skip


def fresh_terrains(genotype: AbstractGenotype, purpose: str, *ids: int) -> tuple[Terrain, ...]:
    """Two instances of a genotype, their seeds drawn one after the other from the stream of that name."""
    stream = Stream(SEED, purpose, *ids)
    return tuple(genotype.express(stream.integer(0, 1_000_000)) for _ in range(2))


def terrains_run(parts, purpose: Purpose) -> list[tuple[Terrain, ...]]:
    """The terrains of each block of the requests with that purpose."""
    return [block.terrains for request in parts.evaluate.requests if request.label == purpose
            for block in request.blocks]  # fmt: skip


def test_every_sample_has_its_own_stream():
    """ES by (iteration, niche), transfers by (iteration, target, source), candidates by (candidate, source)."""
    parts = make_test_parts(rugged, **BUSY)
    state, _ = start(parts)
    for _ in range(3):
        state, _ = poet_iteration(state, parts)

    names = [
        ("es", 1, 0),
        ("candidate_proposal", 0, 0),
        ("es", 2, 0), ("es", 2, 1),
        ("transfer_proposal", 2, 0, 1), ("transfer_proposal", 2, 1, 0),
        ("candidate_proposal", 1, 0), ("candidate_proposal", 1, 1),
        ("es", 3, 0), ("es", 3, 1), ("es", 3, 2),
        ("transfer_proposal", 3, 0, 1), ("transfer_proposal", 3, 0, 2),
        ("transfer_proposal", 3, 1, 0), ("transfer_proposal", 3, 1, 2),
        ("transfer_proposal", 3, 2, 0), ("transfer_proposal", 3, 2, 1),
    ]  # fmt: skip
    places = [
        block.sample.place
        for request in parts.evaluate.requests
        for block in request.blocks
        if isinstance(block.sample, Perturbations)
    ]
    assert [stream_key(SEED, *name) for name in names] == places
    assert len(names) == len(set(places))


def test_a_run_starts_from_its_named_draws():
    """Random weights are 0.1 times the normals of "initial_theta", the root's seed is that of "root_terrain"."""
    parts = make_test_parts(run={"seed": SEED})

    state, _ = start(parts)

    expected = np.float32(0.1) * normals(stream_key(SEED, "initial_theta"), 2804)
    assert np.array_equal(expected, random_theta(parts.policy, SEED))
    assert np.array_equal(expected, state.active[0].theta)
    assert Stream(SEED, "root_terrain").integer(0, 1_000_000) == state.active[0].terrain_seed


@pytest.mark.parametrize("has_quirks", [False, True])
def test_a_cppn_root_is_drawn_from_its_own_stream(has_quirks):
    """A run on CPPN terrains starts from the slope of "root_genotype", with the quirks that its config asks for."""
    parts = make_test_parts(run={"seed": SEED}, terrain={"genotype": "cppn"}, cppn={"released_quirks": has_quirks})

    state, _ = start(parts)

    assert CppnGenotype.initial(parts.settings, Stream(SEED, "root_genotype")) == state.active[0].genotype
    assert has_quirks == state.active[0].genotype.released_quirks
    assert Stream(SEED, "root_terrain").integer(0, 1_000_000) == state.active[0].terrain_seed


def test_a_child_is_drawn_from_its_candidates_stream():
    """In order: its parent among the eligible, its genes, and a terrain seed that is not its parent's."""
    parts = make_test_parts(run={"seed": SEED}, poet={"reproduction_threshold": 50.0, "max_children": 6})
    niches = [make_niche(i, parts, score) for i, score in enumerate((60.0, 10.0, 70.0, 80.0))]
    eligible = [niches[0], niches[2], niches[3]]

    _, events = reproduce_and_admit(make_state(*niches), parts)

    expected = []
    for candidate_id in range(6):
        stream = Stream(SEED, "mutation", candidate_id)
        parent = eligible[stream.integer(0, 3)]
        genotype = parent.genotype.mutate(stream, parts.settings)
        expected.append((candidate_id, parent.id, genotype.to_json(), stream.integer(0, 1_000_000)))
    judged = sorted(of_kind(events, CandidateJudged), key=lambda event: event.id)
    assert expected == [(c.id, c.parent_id, c.genotype, c.terrain_seed) for c in judged]
    assert 6 == len({c.terrain_seed for c in judged} - {niche.terrain_seed for niche in niches})


def test_all_of_an_iteration_runs_on_the_same_fresh_instances():
    """K = 2: the generation, the new theta, and every test of a transfer, all on the niche's two of the iteration."""
    parts = make_test_parts(rugged, run={"seed": SEED}, niche={"instances": 2})
    alike = {"genotype": ObstacleGenotype(roughness=1.0), "terrain_seed": 5}
    state = make_state(make_niche(0, parts, **alike), make_niche(1, parts, **alike))

    poet_iteration(state, parts)

    own = alike["genotype"].express(5)
    fresh = [fresh_terrains(alike["genotype"], "niche_instances", 1, niche_id) for niche_id in (0, 1)]
    whole = [(own, *terrains) for terrains in fresh]
    assert fresh == terrains_run(parts, Purpose.ES)
    assert whole == terrains_run(parts, Purpose.SELF_EVAL)
    assert whole == terrains_run(parts, Purpose.TRANSFER_DIRECT)
    assert fresh + whole == terrains_run(parts, Purpose.TRANSFER_PROPOSAL)
    assert 4 == len({terrain.digest() for terrains in fresh for terrain in terrains})


def test_fresh_instances_may_be_the_own_ground_under_other_pushes():
    """``niche.vary = "push"``: K pushes per generation from the same streams, for both niches and candidates."""
    parts = make_test_parts(
        rugged, run={"seed": SEED}, niche={"instances": 2, "vary": "push"},
        poet={"reproduction_threshold": -1000.0, "max_children": 1, "criterion_lower": -1e6},
    )  # fmt: skip
    genotype = ObstacleGenotype(roughness=1.0)
    niche = make_niche(0, parts, genotype=genotype, terrain_seed=5)

    _, events = reproduce_and_admit(make_state(niche), parts)
    poet_iteration(make_state(niche), parts)

    (child,) = of_kind(events, CandidateJudged)
    child_own = ObstacleGenotype.from_json(child.genotype).express(child.terrain_seed)
    for own, purpose, found in (
        (genotype.express(5), ("niche_instances", 1, 0), terrains_run(parts, Purpose.ES)[0]),
        (child_own, ("candidate_instances", 0), terrains_run(parts, Purpose.CANDIDATE_CRITERION)[0][1:]),
    ):
        stream = Stream(SEED, *purpose)
        assert tuple(replace(own, push=stream.uniform(-5.0, 5.0)) for _ in range(2)) == found


def test_fresh_instances_are_others_in_another_iteration():
    """The second iteration's instances come from its own streams."""
    parts = make_test_parts(rugged, run={"seed": SEED}, niche={"instances": 2})
    state, _ = start(parts)
    for _ in range(2):
        state, _ = poet_iteration(state, parts)

    genotype = state.active[0].genotype
    expected = [fresh_terrains(genotype, "niche_instances", iteration, 0) for iteration in (1, 2)]
    assert expected == terrains_run(parts, Purpose.ES)
    assert 4 == len({terrain.digest() for terrains in expected for terrain in terrains})


def test_a_candidate_has_fresh_instances_of_its_own():
    """Two candidates with the same genes run on different instances; each test of one runs on the same ones."""
    parts = make_test_parts(
        rugged, run={"seed": SEED}, niche={"instances": 2}, terrain={"obstacles": ["pit_gap"]},
        poet={"reproduction_threshold": -1000.0, "max_children": 2},
    )  # fmt: skip
    _, events = reproduce_and_admit(make_state(make_niche(0, parts)), parts)

    genotype = ObstacleGenotype(pit_gap=(0.0, 0.8))  # all that a flat niche's child can be
    fresh = [fresh_terrains(genotype, "candidate_instances", candidate_id) for candidate_id in (0, 1)]
    by_id = sorted(of_kind(events, CandidateJudged), key=lambda event: event.id)
    whole = [(genotype.express(c.terrain_seed), *terrains) for c, terrains in zip(by_id, fresh, strict=True)]
    assert whole == terrains_run(parts, Purpose.CANDIDATE_CRITERION)
    assert [whole[0], fresh[0], whole[0]] == terrains_run(parts, Purpose.CANDIDATE_TRANSFER)
    assert CandidateOutcome.ADMITTED is by_id[0].outcome
    assert 4 == len({terrain.digest() for terrains in fresh for terrain in terrains})


def as_text(event: Event) -> str:
    """All columns of an event; floats to the last bit, a terrain by its digest."""
    values = {f.name: getattr(event, f.name) for f in fields(event) if f.metadata.get("is_column", True)}
    return f"{type(event).__name__} " + " ".join(
        f"{name}={value.digest() if isinstance(value, Terrain) else value!r}" for name, value in values.items()
    )


@pytest.mark.parametrize(
    ("sections", "digest"),
    [
        (
            {"transfer": {"rule": "2019"}, "poet": {"annecs": False}},
            "017a6664daa73e9c1928af6c7797ca330e563815dee01a16b823d3f0f5c44bed",
        ),
        (
            {"transfer": {"rule": "2020"}, "poet": {"annecs": False}},
            "0e6c466539cc79c4ed6c9eb98fe50e6e4612363e09b97acc3c6472e8c2c7062e",
        ),
        ({"transfer": {"rule": "2019"}}, "e3e76877d90f2cc8e86b4414c226f172d3a074af7ad4c36a19da8d1741490bf6"),
        ({"transfer": {"rule": "2020"}}, "867305b42ab6fb977ee4eb0b07147e5727f1bee4c8ec73c8c764e90a8aa440fe"),
        (
            {"transfer": {"rule": "2020"}, "novelty": {"measure": "pata_ec"}},
            "4b3a847d1da79a254ef02fc30dc43b2a0f88902ac5cf5c807918a4e779dbe291",
        ),
        (
            {"transfer": {"rule": "2020"}, "novelty": {"measure": "pata_ec", "order": "random"}},
            "063635041d3a6ac5ecd97d210c3b97bc020592ece11ec3552111df68554e3f5b",
        ),
        (
            {"validation": {"episodes": 3, "interval": 3}, "niche": {"vary": "push"}},
            "ba0cd53dcd2abd0bc9bdaf278cbf6dabb4089a83705212a16e2991c19aefee4c",
        ),
    ],
    ids=[
        "2019 without ANNECS",
        "2020 without ANNECS",
        "2019",
        "2020",
        "PATA-EC",
        "PATA-EC, random order",
        "validation, pushes",
    ],
)
def test_a_short_run_is_the_same_to_the_last_bit(sections, digest):
    """One number for every key, order and sum of the algorithm. If it changes, that must be intended and documented."""
    busy = {
        "run": {"seed": SEED}, "niche": {"instances": 2}, "es": {"noise_std": 0.05, "learning_rate": 0.05},
        "poet": {"reproduction_interval": 2, "reproduction_threshold": 0.0, "max_children": 3, "max_admitted": 2,
                 "max_active": 3},
        "transfer": {"interval": 2, "recent_scores": 2},
    }  # fmt: skip
    changed = {name: {**busy.get(name, {}), **sections.get(name, {})} for name in {*busy, *sections}}
    parts = make_test_parts(lambda theta, terrain: 129.0 + rugged(theta, terrain), Outcome.FINISHED, **changed)
    state, events = start(parts)
    lines = [as_text(event) for event in events]
    for _ in range(7):
        state, events = poet_iteration(state, parts)
        lines += map(as_text, events)

    kinds = {kind.__name__ for kind in typing.get_args(Event)}
    kinds -= set() if parts.config.poet.annecs else {"NicheJudged"}
    kinds -= set() if parts.config.validation.episodes else {"NicheValidated"}
    assert kinds == {line.split(" ", 1)[0] for line in lines}
    assert digest == hashlib.sha256("\n".join(lines).encode()).hexdigest()
