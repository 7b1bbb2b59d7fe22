"""Settings of a user's own genotype, criterion and measure of novelty: given to them, checked, stored."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from environments import ObstacleGenotype
from environments.errors import InputError
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from environments.terrain.obstacles import ObstacleSettings
from poet.config import make_config
from poet.criterion import AbstractCriterion, Judgement
from poet.events import CandidateJudged
from poet.loop import poet_iteration
from poet.novelty import AbstractNovelty
from poet.parts import make_parts, terrain_settings
from poet.unused import unused_settings
from tests.house import examples
from tests.poet.builders import Judge, make_test_parts, start
from tests.poet.test_loop import rugged
from tests.poet.test_transfer import of_kind

HERE = "tests.poet.test_own_settings"


@dataclass(frozen=True)
class HillSettings(TerrainSettings):
    """Of ``Hills``; ``direction`` has a key that obstacle terrains have, too."""

    config_keys: ClassVar[dict[str, str]] = {"direction": "mutation.roughness_step"}

    rise: float = 0.5
    shapes: tuple[str, ...] = ("round",)
    direction: str = "symmetric"


@dataclass(frozen=True)
class Hills(AbstractGenotype):
    """Ground that gets rougher by ``rise`` in each child."""

    kind: ClassVar[str] = "hills"
    settings_type: ClassVar[type[TerrainSettings]] = HillSettings

    roughness: float = 0.0

    @classmethod
    def initial(cls, settings, stream):
        """Flat."""
        return cls()

    def mutate(self, stream, settings):
        """Rougher."""
        return Hills(self.roughness + settings.rise)

    def express(self, seed):
        """Obstacle terrain of that roughness."""
        return ObstacleGenotype(self.roughness).express(seed)

    def features(self, settings):
        """The roughness."""
        return np.array([self.roughness])

    @classmethod
    def feature_limits(cls, settings):
        """Ten."""
        return np.array([10.0])

    def to_json(self):
        """The roughness by its name."""
        return {"roughness": self.roughness}

    @classmethod
    def from_json(cls, data):
        """See ``to_json``."""
        return cls(**data)


@dataclass(frozen=True)
class Untyped(Hills):
    """A genotype whose settings are none."""

    settings_type: ClassVar[Any] = dict


@dataclass(frozen=True)
class Wrong(HillSettings):
    """Settings that name a key which does not exist."""

    config_keys: ClassVar[dict[str, str]] = {"direction": "mutation.roughnes_step"}


@dataclass(frozen=True)
class Misled(Hills):
    """A genotype with them."""

    settings_type: ClassVar[type[TerrainSettings]] = Wrong


@dataclass(frozen=True)
class Margin(AbstractCriterion):
    """The band, made narrower by a margin."""

    margin: float
    is_strict: bool = False

    def judge(self, score: float) -> Judgement:
        """Admissible within."""
        is_in = self.lower + self.margin <= score <= self.upper - self.margin
        return Judgement.ADMISSIBLE if is_in else Judgement.TOO_HARD


@dataclass(frozen=True)
class Weighted(AbstractNovelty):
    """One number for all."""

    weight: float = 2.0

    def measure(self, candidates, others):
        """The weight."""
        return [self.weight for _ in candidates]


def test_a_users_parts_are_given_their_settings():
    """A run's mutations, verdicts and ranks follow them; what is left out has its default, what is shared its key."""
    parts = make_test_parts(
        rugged,
        terrain={"genotype": f"{HERE}:Hills", "settings": {"rise": 1.5}},
        mutation={"roughness_step": "upward"},
        poet={
            "criterion": f"{HERE}:Margin",
            "criterion_settings": {"margin": 5, "is_strict": True},
            "reproduction_threshold": 0.0,
            "reproduction_interval": 1,
        },
        novelty={"measure": f"{HERE}:Weighted", "settings": {"weight": 3.5}},
    )
    state, _ = start(parts)
    while not (judged := of_kind(poet_iteration(state, parts)[1], CandidateJudged)):
        state, _ = poet_iteration(state, parts)

    assert HillSettings(1.5, ("round",), "upward") == parts.settings == parts.novelty.settings
    assert Margin(50.0, 300.0, 5, True) == parts.criterion
    assert judged and {1.5} == {event.genotype["roughness"] for event in judged}
    assert {3.5} == {event.novelty for event in judged} - {None}


def test_settings_are_stored_as_they_were_written():
    """Numbers, booleans, strings and lists of them keep their types in the config's JSON."""
    settings = {"whole": 2, "half": 0.5, "one": 1.0, "yes": True, "name": "2020", "list": (1, 2.5, "x", False)}
    for section, key in (("terrain", "settings"), ("poet", "criterion_settings"), ("novelty", "settings")):
        config = make_config({section: {key: settings}})
        again = make_config(config.to_json())
        found = getattr(getattr(again, section), key)
        assert config == again and settings == found
        assert list(map(repr, settings.values())) == list(map(repr, found.values()))


def test_our_genotypes_have_the_keys_that_were_there_before():
    """Each of their settings has a key of its own, and nothing is left for ``terrain.settings``."""
    config = make_config(
        {
            "terrain": {"obstacles": ["stairs"], "max_pit_gap": 8.0},
            "mutation": {"genes": "random_subset", "roughness_step": "upward"},
        }
    )
    assert ObstacleSettings(("stairs",), "random_subset", "upward", 8.0) == terrain_settings(config, ObstacleGenotype)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        (
            {"terrain": {"genotype": f"{HERE}:Hills", "settings": {"ries": 1.0}}},
            "terrain.settings has 'ries', but HillSettings has no such setting: did you mean 'rise'?",
        ),
        (
            {"terrain": {"genotype": f"{HERE}:Hills", "settings": {"direction": "upward"}}},
            "terrain.settings has 'direction', which is set by mutation.roughness_step",
        ),
        (
            {"terrain": {"settings": {"max_pit_gap": 8.0}}},
            "terrain.settings has 'max_pit_gap', which is set by terrain.max_pit_gap",
        ),
        (
            {"terrain": {"settings": {"rise": 8.0}}},
            "terrain.settings has 'rise', but ObstacleSettings has no such setting: it has none",
        ),
        (
            {"poet": {"criterion": f"{HERE}:Margin", "criterion_settings": {"magrin": 1.0}}},
            "poet.criterion_settings has 'magrin', but Margin has no such setting: did you mean 'margin'?",
        ),
        (
            {"poet": {"criterion": f"{HERE}:Margin"}},
            "poet.criterion_settings lacks 'margin', which Margin needs",
        ),
        (
            {"poet": {"criterion_settings": {"lower": 1.0}}},
            "poet.criterion_settings has 'lower', which is set by poet.criterion_lower",
        ),
        (
            {"novelty": {"measure": f"{HERE}:Weighted", "settings": {"wieght": 1.0}}},
            "novelty.settings has 'wieght', but Weighted has no such setting: did you mean 'weight'?",
        ),
        (
            {"novelty": {"settings": {"neighbors": 1}}},
            "novelty.settings has 'neighbors', which is set by novelty.neighbors",
        ),
        ({"terrain": {"genotype": f"{HERE}:Untyped"}}, "must be a subclass of TerrainSettings, found <class 'dict'>"),
        (
            {"terrain": {"genotype": f"{HERE}:Misled"}},
            "Wrong names the config key 'mutation.roughnes_step': did you mean 'mutation.roughness_step'?",
        ),
    ],
)
def test_a_setting_that_a_part_lacks_is_refused(sections, sentence):
    """One sentence with the nearest right name, or with where the setting is really set."""
    with pytest.raises(InputError) as refused:
        make_parts(make_config(sections), Judge(rugged))
    assert sentence in str(refused.value)


@pytest.mark.parametrize("value", [{"a": {"b": 1}}, {"a": None}, {"a": float("nan")}, 3])
def test_settings_are_plain_values_by_name(value):
    """Tables within tables, and numbers that JSON does not have, are refused by the config."""
    with pytest.raises(InputError, match=r"'terrain\.settings'"):
        make_config({"terrain": {"settings": value}})


def test_keys_that_a_users_genotype_does_not_name_are_known_as_unused():
    """They are reported like keys that our own genotypes do not use."""
    config = make_config(
        {
            "terrain": {"genotype": f"{HERE}:Hills", "max_pit_gap": 8.0},
            "mutation": {"genes": "random_subset", "roughness_step": "upward"},
        }
    )
    assert {f"{HERE}:Hills": ["terrain.max_pit_gap", "mutation.genes"]} == unused_settings(config)


def test_the_parts_of_the_documentation_work(monkeypatch):
    """The measure of ``add-genotype.md`` ranks children by their ground, and its settings name a key that exists."""
    monkeypatch.setitem(sys.modules, "my_novelty", page := ModuleType("my_novelty"))
    exec("\n".join(examples("add-genotype.md")), vars(page))
    parts = make_test_parts(
        rugged,
        poet={"reproduction_threshold": 0.0, "reproduction_interval": 1},
        novelty={"measure": "my_novelty:Profile", "settings": {"places": 40}},
    )
    state, _ = start(parts)
    judged = of_kind(poet_iteration(state, parts)[1], CandidateJudged)
    while not judged:
        state, _ = poet_iteration(state, parts)
        judged = of_kind(poet_iteration(state, parts)[1], CandidateJudged)

    monkeypatch.setattr(Hills, "settings_type", page.HillSettings)
    hills = make_config({"terrain": {"genotype": f"{HERE}:Hills"}, "mutation": {"roughness_step": "upward"}})
    assert any(event.novelty for event in judged)
    assert page.HillSettings(0.5, "upward") == terrain_settings(hills, Hills)
