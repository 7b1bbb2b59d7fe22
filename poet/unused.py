"""Finds settings of a config that have no effect, because none of the parts that it names reads them."""

from __future__ import annotations

from agents.policies import policy_settings
from agents.strategies import setting_names
from environments.registry import load_named
from environments.terrain import genotype_class, our_genotypes
from poet.config import Config, config_keys, config_value
from poet.parts import NOVELTY_MEASURES
from poet.trainers import unread_keys

_OF_ROUNDS = ["transfer.interval", "transfer.rule", "transfer.recent_scores", "transfer.confirm_episodes"]
_UNUSED_BY_RULE = {"2019": ["transfer.recent_scores"]}


def unused_settings(config: Config) -> dict[str, list[str]]:
    """The keys that were changed from their defaults but have no effect, by the part that does not read them.

    A user's own criterion or measure of novelty may read every key that exists for its kind.
    """
    es, genotype, measure = config.es, config.terrain.genotype, config.novelty.measure
    needs_scores = getattr(load_named(measure, NOVELTY_MEASURES, "novelty.measure"), "needs_scores", True)
    known = {"strategy", "settings", "on_arrival", *setting_names(es.strategy)}
    of_policy = {"kind", "settings", *policy_settings(config.policy.kind)}
    of_terrains = {key for encoding in our_genotypes().values() for key in encoding.settings_type.config_keys.values()}
    of_others = of_terrains - {*genotype_class(genotype).settings_type.config_keys.values()}
    unused: dict[str, list[str]] = {}
    for part, keys in (
        (config.run.trainer, [*unread_keys(config.run.trainer)]),
        (es.strategy, [key for key in _keys("es") if key.partition(".")[2] not in known]),
        (config.policy.kind, [key for key in _keys("policy") if key.partition(".")[2] not in of_policy]),
        (genotype, [key for key in config_keys() if key in of_others]),
        ("ppo.terrains = dr", ["niche.instances", "niche.vary"] if _draws_for_ppo(config) else []),
        (measure, ["novelty.scale"] if measure == "pata_ec" else []),
        (measure, [] if needs_scores else ["novelty.cached"]),
        (
            "niche.instances = fixed",
            [] if config.niche.num_fresh or config.transfer.confirm_episodes else ["niche.vary"],
        ),
        ("transfer.periodic = false", [] if config.transfer.periodic else _OF_ROUNDS),
        (
            "transfer.periodic = transfer.at_admission = false",
            [] if config.transfer.periodic or config.transfer.at_admission else ["transfer.max_sources"],
        ),
        ("transfer.at_admission = false", [] if config.transfer.at_admission else ["transfer.candidate_step"]),
        (
            "validation.episodes = 0",
            [] if config.validation.episodes else ["validation.interval", "niche.rest_interval"],
        ),
        (f"the {config.transfer.rule} transfer rule", _UNUSED_BY_RULE.get(config.transfer.rule, [])),
    ):
        told = {key for others in unused.values() for key in others}
        changed = [key for key in keys if config_value(config, key) != config_value(Config(), key) and key not in told]
        if changed:
            unused[part] = [*unused.get(part, []), *changed]
    return unused


def _draws_for_ppo(config: Config) -> bool:
    return config.run.trainer == "ppo" and config.ppo.terrains == "dr"


def _keys(section: str) -> list[str]:
    return [f"{section}.{name}" for name in type(getattr(Config(), section)).model_fields]
