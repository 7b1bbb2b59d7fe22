"""Configs: layers, clear refusals, presets that say where their numbers come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import experiments.presets
from environments.errors import InputError
from experiments.presets import load_preset, preset_names
from poet.config import EARLIER_VALUES, NEUTRAL_KEYS, Config, config_keys, make_config
from poet.unused import unused_settings

_PRESETS = Path(experiments.presets.__file__).parent


def test_later_layers_overrule_earlier_ones():
    """Defaults, then the preset, then what the user sets."""
    config = make_config({"es": {"pairs": 4, "noise_std": 0.2}}, {"es": {"pairs": 8}})

    assert (8, 0.2, 0.01) == (config.es.pairs, config.es.noise_std, config.es.learning_rate)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"es": {"pears": 3}}, ["es.pears", "es.pairs"]),
        ({"novlety": {}}, ["novlety", "novelty"]),
        ({"es": {"pairs": 0}}, ["es.pairs", "0"]),
        ({"es": {"noise_std": float("nan")}}, ["es.noise_std", "nan"]),
        ({"niche": {"instances": "some"}}, ["niche.instances", "some", "fixed"]),
        ({"poet": {"criterion_lower": 300.0}}, ["criterion_lower", "criterion_upper"]),
        ({"terrain": {"obstacles": []}}, ["terrain.obstacles"]),
        ({"terrain": {"obstacles": ["roughness", "stair"]}}, ["terrain.obstacles", "'stair'", "'stairs'"]),
        ({"terrain": {"obstacles": ["roughness", 3]}}, ["terrain.obstacles", "3", "string"]),
        ({"transfer": {"rule": "2021"}}, ["transfer.rule", "2019"]),
        ({"seed": 3}, ["seed", "section"]),
    ],
)
def test_bad_values_are_one_sentence_that_names_them(layer, words):
    """An unknown or impossible key is named with what was found and the nearest right one, in one line."""
    with pytest.raises(InputError) as caught:
        make_config(layer)

    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@settings(max_examples=30, deadline=None, derandomize=True)
@given(pairs=st.integers(1, 999), lower=st.floats(-1e6, 0), instances=st.sampled_from(["fixed", 1, 7]))
def test_a_config_survives_json(pairs, lower, instances):
    """What the archive stores makes an equal config again."""
    config = make_config(
        {"es": {"pairs": pairs}, "poet": {"criterion_lower": lower}, "niche": {"instances": instances}}
    )

    assert config == make_config(config.to_json())


def test_neutral_keys_exist():
    """The keys that a fingerprint leaves out, always or at earlier values, are keys of the config."""
    assert {*NEUTRAL_KEYS, *EARLIER_VALUES} <= set(config_keys())


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_every_value_has_its_source(name):
    """Each preset makes a config, and each of its lines says paper, released code, silent or ours."""
    assert isinstance(make_config(load_preset(name)), Config)
    for line in (_PRESETS / f"{name}.toml").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            assert re.search(r"# (paper|released code|silent|ours)\b", line), line


@pytest.mark.parametrize(
    ("layer", "unused"),
    [
        ({"es": {"strategy": "pgpe", "weight_decay": 0.5}}, {"pgpe": ["es.weight_decay"]}),
        ({"novelty": {"measure": "pata_ec", "scale": "gene_max"}}, {"pata_ec": ["novelty.scale"]}),
        (
            {"run": {"trainer": "es"}, "novelty": {"measure": "pata_ec", "scale": "gene_max"}},
            {"es": ["novelty.measure", "novelty.scale"]},
        ),
        (
            {"run": {"trainer": "dr"}, "niche": {"instances": 2, "rest_interval": 8}, "terrain": {"max_pit_gap": 8.0}},
            {"dr": ["niche.instances", "niche.rest_interval"]},
        ),
        ({"run": {"trainer": "dr"}, "ppo": {"envs": 8}}, {"dr": ["ppo.envs"]}),
        (
            {"run": {"trainer": "ppo"}, "ppo": {"terrains": "dr"}, "niche": {"instances": 2}, "es": {"pairs": 4}},
            {"ppo": ["es.pairs"], "ppo.terrains = dr": ["niche.instances"]},
        ),
        ({"run": {"trainer": "ppo"}, "niche": {"instances": 2}}, {}),
        ({"novelty": {"cached": False}}, {"nearest_genes": ["novelty.cached"]}),
        ({"transfer": {"recent_scores": 3}}, {"the 2019 transfer rule": ["transfer.recent_scores"]}),
        (
            {
                "transfer": {
                    "periodic": False,
                    "at_admission": False,
                    "interval": 9,
                    "rule": "2020",
                    "recent_scores": 3,
                    "candidate_step": "none",
                }
            },
            {
                "transfer.periodic = false": ["transfer.interval", "transfer.rule", "transfer.recent_scores"],
                "transfer.at_admission = false": ["transfer.candidate_step"],
            },
        ),
        ({"transfer": {"periodic": False, "candidate_step": "none"}}, {}),
        ({"transfer": {"at_admission": False, "interval": 9}}, {}),
        ({"cppn": {"released_quirks": True}}, {"obstacles": ["cppn.released_quirks"]}),
        (
            {
                "terrain": {"genotype": "cppn", "obstacles": ["stairs"], "max_pit_gap": 8.0},
                "mutation": {"genes": "random_subset", "roughness_step": "upward"},
            },
            {"cppn": ["terrain.obstacles", "terrain.max_pit_gap", "mutation.genes", "mutation.roughness_step"]},
        ),
        ({"niche": {"vary": "push"}}, {"niche.instances = fixed": ["niche.vary"]}),
        ({"niche": {"vary": "push", "instances": 2}}, {}),
        ({"validation": {"interval": 5}}, {"validation.episodes = 0": ["validation.interval"]}),
        ({"validation": {"interval": 5, "episodes": 2}}, {}),
        ({"run": {"trainer": "dr"}, "es": {"on_arrival": "kept"}}, {"dr": ["es.on_arrival"]}),
        ({"run": {"trainer": "joint"}, "ppo": {"epochs": 3}}, {"joint": ["ppo.epochs"]}),
        ({"run": {"trainer": "curriculum"}, "es": {"on_arrival": "kept"}}, {}),
        ({"novelty": {"measure": "pata_ec", "cached": False}}, {}),
        ({"novelty": {"scale": "gene_max"}}, {}),
        ({"novelty": {"measure": "tests.poet.test_novelty:Longest", "scale": "gene_max"}}, {}),
        ({"transfer": {"rule": "2020", "recent_scores": 3}}, {}),
        ({"terrain": {"genotype": "cppn"}, "cppn": {"released_quirks": True}}, {}),
        ({"terrain": {"obstacles": ["stairs"], "max_pit_gap": 8.0}, "mutation": {"roughness_step": "upward"}}, {}),
    ],
)
def test_a_key_that_nothing_reads_is_known(layer, unused):
    """A key is only reported if it differs from its default, under the name of the part that does not use it."""
    assert unused == unused_settings(make_config(layer))


@pytest.mark.parametrize("name", preset_names())
def test_presets_say_nothing_in_vain(name):
    """No preset has a key that does nothing."""
    assert {} == unused_settings(make_config(load_preset(name)))
