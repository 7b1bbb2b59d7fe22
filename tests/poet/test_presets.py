"""The presets of both papers, number by number; each table is POET.md 5.2 to 5.4 written out."""

from __future__ import annotations

from experiments.presets import load_preset
from poet.config import make_config

# What paper and released code have in common (POET.md 3, 4.2, 5.2).
ES = {
    "strategy": "openai_es",
    "pairs": 256,
    "learning_rate": 0.01,
    "learning_rate_decay": 0.9999,
    "learning_rate_limit": 0.001,
    "noise_std": 0.1,
    "noise_decay": 0.999,
    "noise_limit": 0.01,
    "weight_decay": 0.01,
    "return_ceiling": "none",
    "on_arrival": "fresh",
    "settings": {},
}
PPO = {  # of another trainer: without effect in these
    "terrains": "own",
    "envs": 16,
    "steps": 2048,
    "batch": 64,
    "epochs": 10,
    "learning_rate": 2.5e-4,
    "clip_range": 0.2,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "entropy_weight": 0.001,
    "value_weight": 0.5,
    "max_gradient_norm": 0.5,
    "log_noise": 0.0,
    "normalise_observations": True,
    "normalise_rewards": True,
}
POLICY = {"kind": "mlp", "layer_sizes": [24, 40, 40, 4], "activations": ["tanh"], "settings": {}}
START = {"trainer": "poet", "start_terrain": "", "start_terrain_seed": "drawn"}
NOVELTY = {
    "measure": "nearest_genes",
    "order": "novelty",
    "neighbors": 5,
    "scale": "none",
    "settings": {},
    "cached": True,
}

PAPER = {
    "run": {"seed": 0, "iterations": 25200, "start": "random", **START, "reject": []},
    "trainer": {"settings": {}, "source": ""},
    "terrain": {
        "genotype": "obstacles",
        "obstacles": ["roughness", "pit_gap", "stump_height", "stairs"],
        "max_pit_gap": 10.0,
        "settings": {},
    },
    "mutation": {"genes": "random_subset", "roughness_step": "upward", "most_mutations": 1},
    "cppn": {"released_quirks": False},  # of another encoding: without effect here
    "niche": {"instances": "fixed", "vary": "seed", "rest_interval": 1},
    "es": ES,
    "policy": POLICY,
    "ppo": PPO,
    "poet": {
        "max_active": 20,
        "retirement": "oldest",
        "reproduction_interval": 150,
        "reproduction_threshold": 200.0,
        "eligible_share": 0.0,
        "max_children": 8,
        "max_admitted": 1,
        "criterion": "return_band",
        "criterion_settings": {},
        "criterion_lower": 50.0,
        "criterion_upper": 300.0,
        "annecs": True,
    },
    "novelty": NOVELTY,
    "transfer": {
        "periodic": True,
        "at_admission": True,
        "interval": 25,
        "rule": "2019",
        "recent_scores": 5,  # of the 2020 rule: without effect here
        "confirm_episodes": 0,
        "max_sources": "all",
        "candidate_step": "adam",
    },
    "evaluation": {"max_steps": 2000, "engine": "simd"},
    "validation": {"episodes": 0, "interval": 25},  # ours: the papers measure no success rate
}
RELEASED = {
    "run": {"seed": 0, "iterations": 50000, "start": "random", **START, "reject": []},
    "trainer": {"settings": {}, "source": ""},
    "terrain": {
        "genotype": "obstacles",
        "obstacles": ["roughness", "pit_gap", "stump_height"],
        "max_pit_gap": 8.0,
        "settings": {},
    },
    "mutation": {"genes": "all", "roughness_step": "symmetric", "most_mutations": 1},
    "cppn": {"released_quirks": False},  # of another encoding: without effect here
    "niche": {"instances": "fixed", "vary": "seed", "rest_interval": 1},
    "es": ES,
    "policy": POLICY,
    "ppo": PPO,
    "poet": {
        "max_active": 25,
        "retirement": "oldest",
        "reproduction_interval": 200,
        "reproduction_threshold": 200.0,
        "eligible_share": 0.0,
        "max_children": 8,
        "max_admitted": 1,
        "criterion": "return_band",
        "criterion_settings": {},
        "criterion_lower": 25.0,
        "criterion_upper": 340.0,
        "annecs": True,
    },
    "novelty": NOVELTY,
    "transfer": {
        "periodic": True,
        "at_admission": True,
        "interval": 25,
        "rule": "2019",
        "recent_scores": 5,  # of the 2020 rule: without effect here
        "confirm_episodes": 0,
        "max_sources": "all",
        "candidate_step": "plain",
    },
    "evaluation": {"max_steps": 2000, "engine": "simd"},
    "validation": {"episodes": 0, "interval": 25},  # ours: the papers measure no success rate
}


ENHANCED = {
    "trainer": {"settings": {}, "source": ""},
    # Keys that CPPN terrains do not use have their defaults.
    "terrain": {
        "genotype": "cppn",
        "obstacles": ["roughness", "pit_gap", "stump_height"],
        "max_pit_gap": 10.0,
        "settings": {},
    },
    "mutation": {"genes": "all", "roughness_step": "symmetric", "most_mutations": 1},
    "niche": {"instances": "fixed", "vary": "seed", "rest_interval": 1},
    "es": ES,
    "policy": POLICY,
    "ppo": PPO,
    "novelty": {**NOVELTY, "measure": "pata_ec"},
    "evaluation": {"max_steps": 2000, "engine": "simd"},
    "validation": {"episodes": 0, "interval": 25},  # ours: the papers measure no success rate
}
PAPER_2020 = {
    **ENHANCED,
    "run": {"seed": 0, "iterations": 60000, "start": "random", **START, "reject": []},
    "cppn": {"released_quirks": False},
    "poet": {
        "max_active": 40,
        "retirement": "oldest",
        "reproduction_interval": 150,
        "reproduction_threshold": 200.0,
        "eligible_share": 0.0,
        "max_children": 8,
        "max_admitted": 1,
        "criterion": "return_band",
        "criterion_settings": {},
        "criterion_lower": 50.0,
        "criterion_upper": 300.0,
        "annecs": True,
    },
    "transfer": {
        "periodic": True,
        "at_admission": True,
        "interval": 25,
        "rule": "2020",
        "recent_scores": 5,
        "confirm_episodes": 0,
        "max_sources": "all",
        "candidate_step": "adam",
    },
}
RELEASED_2020 = {
    **ENHANCED,
    "run": {"seed": 0, "iterations": 60000, "start": "random", **START, "reject": []},
    "cppn": {"released_quirks": True},
    "poet": {
        "max_active": 40,
        "retirement": "oldest",
        "reproduction_interval": 150,
        "reproduction_threshold": 200.0,
        "eligible_share": 0.0,
        "max_children": 8,
        "max_admitted": 1,
        "criterion": "return_band",
        "criterion_settings": {},
        "criterion_lower": 25.0,
        "criterion_upper": 340.0,
        "annecs": True,
    },
    "transfer": {
        "periodic": True,
        "at_admission": True,
        "interval": 25,
        "rule": "2020",
        "recent_scores": 5,
        "confirm_episodes": 0,
        "max_sources": "all",
        "candidate_step": "plain",
    },
}


def science(name: str) -> dict[str, object]:
    """A preset's config, without the settings of what is kept on disk."""
    config = make_config(load_preset(name)).to_json()
    assert {"keep_every", "theta_every"} == set(config.pop("checkpoint"))
    return config


def test_the_paper_preset_is_the_paper_in_every_number():
    """Criterion 50 to 300, 20 niches, 25,200 iterations, 512 samples, stairs, gaps to 10, U(0, 0.6), Adam."""
    assert PAPER == science("poet2019-paper")


def test_the_released_preset_is_the_released_code_in_every_number():
    """Criterion 25 to 340, 25 niches, 50,000 iterations, every 200, no stairs, gaps to 8, U(-0.6, 0.6), plain steps."""
    assert RELEASED == science("poet2019-released")


def test_the_2020_paper_preset_is_the_paper_in_every_number():
    """CPPN, 40 niches, 60,000 iterations, M 150, N 25, criterion 50 to 300, PATA-EC with k = 5, best of 5 scores."""
    assert PAPER_2020 == science("poet2020-paper")


def test_the_2020_released_preset_is_the_released_code_in_every_number():
    """Criterion 25 to 340, the CPPN's quirks, plain steps in candidates; all else as the paper has it."""
    assert RELEASED_2020 == science("poet2020-released")
