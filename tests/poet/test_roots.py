"""The terrains that a run starts on: which are refused, and what a drawn ground means for a niche."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.generation import draw_push, push_from
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from experiments.settings import resolve_config
from poet.archive.rows import canonical_json
from poet.config import Config
from poet.parts import Parts, make_parts
from poet.reproduction import reproduce
from poet.roots import drawn_roots, read_roots
from poet.scoring import FIRST_UNSEEN_SEED, niche_ground, own_terrain
from poet.trainers import TRAINERS, make_trainer
from poet.types import PoetState
from poet.validation import validation_terrains
from tests.poet.builders import DRAWN, Judge, first_weight

GENOTYPE = ObstacleGenotype(roughness=0.6, pit_gap=(0.4, 0.8))
MADE: dict[str, Any] = GENOTYPE.express(12).to_json() | {"genotype": {"roughness": 0.6, "pit_gap": [0.4, 0.8]}}
OTHER = DRAWN | {"push": 0.0}


def config_of(*terrains: Any, **keys: Any) -> Config:
    """The config of tests, which starts on one terrain or on a list of several."""
    text = json.dumps(terrains[0] if len(terrains) == 1 else terrains)
    return resolve_config(
        "tiny", flags={"run.start_terrain": text} | {k.replace("__", "."): v for k, v in keys.items()}
    )


def parts_of(config: Config) -> Parts:
    """Its parts, in which no walker walks."""
    return make_parts(config, Judge(first_weight))


def test_each_terrain_of_a_list_is_a_root() -> None:
    """A genotype, a terrain that a genotype made, and a drawn one; only the last has a ground of its own."""
    roots = read_roots(config_of({"roughness": 1}, MADE | {"terrain_seed": 12}, DRAWN), ObstacleGenotype)

    assert [ObstacleGenotype(1.0), GENOTYPE, None] == [root.genotype for root in roots]
    assert [None, 12, None] == [root.terrain_seed for root in roots]
    assert [None, None, Terrain.from_json(DRAWN)] == [root.drawn for root in roots]
    assert {2: Terrain.from_json(DRAWN)} == drawn_roots(config_of({"roughness": 1}, MADE, DRAWN))


def test_a_seed_that_the_config_gives_is_that_of_all_genotypes() -> None:
    """Also of a file with a genotype that does not say its seed."""
    roots = read_roots(config_of({"roughness": 1}, MADE, run__start_terrain_seed=12), ObstacleGenotype)

    assert [12, 12] == [root.terrain_seed for root in roots]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (MADE, "does not say with which seed"),
        (MADE | {"terrain_seed": 13}, "not the one that its genotype makes with the terrain_seed 13"),
        (MADE | {"terrain_seed": 12, "push": 1.0}, "not the one that its genotype makes"),
        (MADE | GENOTYPE.express(1_000_003).to_json() | {"terrain_seed": 1_000_003}, "are kept for validation"),
        (MADE | {"terrain_seed": 12, "genotype": {"roughnes": 1}}, "did you mean 'roughness'?"),
        ([DRAWN, OTHER, DRAWN], "terrains 0 and 2 of the list are the same"),
        (DRAWN | {"push": "much"}, "push must be"),
        ([], "the list is empty"),
        ([DRAWN, [DRAWN]], "an obstacle genotype is a JSON object"),
        ([DRAWN, 3], "an obstacle genotype is a JSON object"),
    ],
)
def test_what_no_run_can_start_on_is_refused(value: Any, words: str) -> None:
    """By one sentence that says what is wrong."""
    config = Config().model_copy(update={"run": Config().run.model_copy(update={"start_terrain": json.dumps(value)})})
    with pytest.raises(InputError, match=r"run\.start_terrain is no terrain of 'obstacles'") as refused:
        read_roots(config, ObstacleGenotype)
    assert words in str(refused.value)


def test_seeds_that_the_run_gives_to_several_terrains_differ() -> None:
    """Two roots of one genotype are two grounds, of which the first is that of a run with one."""
    several, one = (parts_of(config_of(*[{"roughness": 1}] * n)) for n in (2, 1))
    (first, second), (alone,) = (make_trainer(p.config).start(p, None)[0].active for p in (several, one))

    assert (alone.terrain_seed, own_terrain(alone)) == (first.terrain_seed, own_terrain(first))
    assert Stream(0, "root_terrain", 1).integer(0, 1_000_000) == second.terrain_seed
    assert (0, 1) == (first.version_id, second.version_id)
    assert first.theta.tobytes() == second.theta.tobytes()


def test_more_roots_than_may_be_active_are_refused() -> None:
    """The sentence names both numbers, to who writes a config and to who makes one of values."""
    config = config_of(DRAWN, OTHER, {}, poet__max_active=3)
    fewer = config.model_copy(update={"poet": config.poet.model_copy(update={"max_active": 2})})
    with pytest.raises(InputError, match=r"names 3 terrains, but poet\.max_active is 2"):
        config_of(DRAWN, OTHER, {}, poet__max_active=2)
    with pytest.raises(InputError, match=r"names 3 terrains, but poet\.max_active is 2"):
        make_trainer(fewer).start(parts_of(fewer), None)


@pytest.mark.parametrize("trainer", sorted({*TRAINERS} - {"poet", "paced", "joint", "reptile", "fomaml", "es-maml"}))
def test_a_trainer_of_one_agent_takes_one_terrain(trainer: str) -> None:
    """Several are refused by one sentence; a drawn one is taken, but not as the target of a path."""
    several, drawn = (
        parts_of(config_of(*terrains, run__trainer=trainer, trainer__settings=_few(trainer)))
        for terrains in ((DRAWN, {}), (DRAWN,))
    )
    with pytest.raises(InputError, match=f"'{trainer}' starts on one terrain, but run.start_terrain names 2"):
        make_trainer(several.config).start(several, None)
    if trainer == "curriculum":
        with pytest.raises(InputError, match=r"leads to a genotype, but run\.start_terrain is a drawn terrain"):
            make_trainer(drawn.config).start(drawn, None)
        return
    state, _ = make_trainer(drawn.config).start(drawn, None)
    assert Terrain.from_json(DRAWN) == own_terrain(state.active[0])


def _few(trainer: str) -> dict[str, int]:
    return {} if trainer in ("es", "curriculum", "ppo") else {"terrains": 2}


@pytest.fixture(scope="module")
def drawn_state() -> tuple[PoetState, Parts]:
    """A run of POET at its start, on a drawn ground, whose instances would differ by seed."""
    parts = parts_of(config_of(DRAWN, niche__instances=3, niche__vary="seed"))
    state: PoetState
    state, _ = make_trainer(parts.config).start(parts, None)
    return state, parts


def test_instances_of_a_drawn_ground_differ_by_push_alone(drawn_state: tuple[PoetState, Parts]) -> None:
    """No genotype makes others like it, whatever ``niche.vary`` says."""
    state, parts = drawn_state
    own, ground = Terrain.from_json(DRAWN), niche_ground(state.active[0], parts.config, 4)
    stream = Stream(0, "niche_instances", 4, 0)

    assert own == ground.own
    assert tuple(own.with_push(push_from(stream)) for _ in range(3)) == ground.fresh


def test_validation_of_a_drawn_ground_is_on_it(drawn_state: tuple[PoetState, Parts]) -> None:
    """Both sets are pushes on the ground itself, and they differ."""
    own, sets = Terrain.from_json(DRAWN), validation_terrains(drawn_state[0].active[0], 0, 4)

    assert {own} == {terrain.with_push(own.push) for terrain in sets.all}
    assert tuple(own.with_push(draw_push(FIRST_UNSEEN_SEED + i)) for i in range(4)) == sets.seeds
    assert not {*sets.pushes} & {*sets.seeds}


def test_children_of_a_drawn_ground_are_mutations_of_flat_ground(drawn_state: tuple[PoetState, Parts]) -> None:
    """They are terrains of a genotype like all others."""
    state, parts = drawn_state
    _, candidates, _ = reproduce(state, state.active, parts)

    assert candidates
    for candidate in candidates:
        stream = Stream(0, "mutation", candidate.id)
        stream.choice([0])
        assert ObstacleGenotype().child(stream, parts.settings) == candidate.genotype
        assert candidate.genotype.express(candidate.terrain_seed) == candidate.ground.own


def test_a_config_holds_terrains_and_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line and a TOML file may name files: what is in them is in the config, without the walk."""
    monkeypatch.chdir(tmp_path)
    walk = {"version": 0, "niche_id": 0, "max_steps": 9, "return": 0, "length": 9, "outcome": "fell"}
    Path("a.json").write_text(json.dumps(DRAWN | {"walk": walk}))
    Path("b.json").write_text(json.dumps(OTHER))
    Path("list.toml").write_text('[run]\nstart_terrain = ["a.json", {roughness = 1.0}, "b.json"]')
    a, b = (canonical_json(Terrain.from_json(terrain).to_json()) for terrain in (DRAWN, OTHER))

    texts = ["a.json", "[a.json, b.json]", '["a.json", "b.json"]', json.dumps([DRAWN, OTHER]), '{"roughness": 1}']
    found = [resolve_config(assignments=[f"run.start_terrain={text}"]).run.start_terrain for text in texts]

    assert [a, f"[{a},{b}]", f"[{a},{b}]", f"[{a},{b}]", '{"roughness": 1}'] == found
    config = resolve_config(file=Path("list.toml"))
    assert f'[{a},{{"roughness":1.0}},{b}]' == config.run.start_terrain
    assert config == resolve_config(base=config)


def test_a_path_in_a_stored_config_is_not_read(tmp_path: Path) -> None:
    """An archive from anywhere cannot make this machine open a file."""
    (tmp_path / "a.json").write_text(json.dumps(DRAWN))
    stored = Config().model_copy(
        update={"run": Config().run.model_copy(update={"start_terrain": f"{tmp_path}/a.json"})}
    )

    config = resolve_config(base=stored)

    assert stored.run.start_terrain == config.run.start_terrain
    with pytest.raises(InputError, match=r"run\.start_terrain is no terrain"):
        read_roots(config, ObstacleGenotype)
