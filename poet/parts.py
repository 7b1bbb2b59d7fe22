"""The parts of a run that its config names, loaded and ready to use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.policies.base import AbstractPolicy
from agents.rollouts import check_engine
from agents.rollouts.request import Block, EvaluationRequest
from agents.rollouts.result import RolloutResult
from agents.strategies import make_strategy, setting_names
from agents.strategies.base import AbstractStrategy
from environments.errors import InputError, nearest
from environments.machine import check_memory
from environments.registry import load_class, own_settings
from environments.terrain import genotype_class
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from poet.config import Config, EsConfig, config_keys, config_value
from poet.criterion import AbstractCriterion, ReturnBand
from poet.novelty import AbstractNovelty, NearestGenes, PataEc
from poet.policy import make_run_policy
from poet.roots import Root, read_roots
from poet.types import Purpose

#: Bytes per episode in a request and its result: row and terrain, return, length and outcome, some of them twice.
_EPISODE_BYTES = 50

#: The config keys of the fields that every criterion and every measure of novelty has.
_CRITERION_KEYS = {"lower": "poet.criterion_lower", "upper": "poet.criterion_upper"}
_NOVELTY_KEYS = {
    "neighbors": "novelty.neighbors",
    "scale": "novelty.scale",
    **_CRITERION_KEYS,
    "settings": "terrain.settings",
}

#: Runs the episodes of a request; ``AbstractExecutor.evaluate`` with its progress bound.
Evaluate = Callable[[EvaluationRequest], tuple[RolloutResult, ...]]

CRITERIA: dict[str, type[AbstractCriterion]] = {"return_band": ReturnBand}
NOVELTY_MEASURES: dict[str, type[AbstractNovelty]] = {"nearest_genes": NearestGenes, "pata_ec": PataEc}


@dataclass(frozen=True)
class Parts:
    """What the phases of an iteration get besides the state.

    Attributes:
        config: of the run.
        genotype_type, settings: how terrains are encoded, and what mutation may do.
        roots: the terrains that it starts on.
        strategy: the inner optimiser.
        criterion, novelty: decide which children are admitted, and in which order.
        policy: of every agent.
        evaluate: runs episodes.
    """

    config: Config
    genotype_type: type[AbstractGenotype]
    settings: TerrainSettings
    roots: tuple[Root, ...]
    strategy: AbstractStrategy[Any]
    criterion: AbstractCriterion
    novelty: AbstractNovelty
    policy: AbstractPolicy
    evaluate: Evaluate

    @property
    def seed(self) -> int:
        """The run's seed, which is part of every stream's name."""
        return self.config.run.seed

    def run_blocks(self, blocks: list[Block], purpose: Purpose) -> tuple[RolloutResult, ...]:
        """Run the episodes of some blocks as one request, labelled with their purpose."""
        if not blocks:
            return ()
        settings = self.config.evaluation
        return self.evaluate(
            EvaluationRequest(tuple(blocks), self.policy, settings.max_steps, settings.engine, label=purpose)
        )


def make_parts(config: Config, evaluate: Evaluate) -> Parts:
    """Load the parts that a config names, with their settings.

    Raises:
        InputError: a name is unknown, cannot be imported or names something of another kind; a part does not have a
            setting; or the first terrain is not valid.
    """
    check_engine(config.evaluation.engine)
    _check_size(config)
    criterion_type = load_class(config.poet.criterion, CRITERIA, AbstractCriterion, "poet.criterion")
    novelty_type = load_class(config.novelty.measure, NOVELTY_MEASURES, AbstractNovelty, "novelty.measure")
    of_criterion = own_settings(
        criterion_type, config.poet.criterion_settings, "poet.criterion_settings", _CRITERION_KEYS
    )
    of_novelty = own_settings(novelty_type, config.novelty.settings, "novelty.settings", _NOVELTY_KEYS)
    bounds = (config.poet.criterion_lower, config.poet.criterion_upper)
    genotype_type = genotype_class(config.terrain.genotype)
    settings = terrain_settings(config, genotype_type)
    policy = make_run_policy(config.policy)
    return Parts(
        config=config,
        genotype_type=genotype_type,
        settings=settings,
        roots=read_roots(config, genotype_type),
        strategy=_make_es(config.es, policy),
        criterion=criterion_type(*bounds, **of_criterion),
        novelty=novelty_type(config.novelty.neighbors, config.novelty.scale, *bounds, settings, **of_novelty),
        policy=policy,
        evaluate=evaluate,
    )


def imported_code(config: Config) -> dict[str, str]:
    """The keys that name a user's own code, with the names. Running the config imports that code."""
    keys = (
        "run.trainer", "terrain.genotype", "es.strategy", "policy.kind", "poet.criterion", "novelty.measure",
        "evaluation.engine",
    )  # fmt: skip
    return {key: name for key in keys if ":" in (name := config_value(config, key))}


def terrain_settings(config: Config, genotype_type: type[AbstractGenotype]) -> TerrainSettings:
    """The settings of an encoding's terrains, as a config has them.

    Raises:
        InputError: the encoding does not have a setting.
    """
    settings_type = genotype_type.settings_type
    keys = {**TerrainSettings.config_keys, **settings_type.config_keys}
    for key in keys.values():
        if key not in config_keys():
            raise InputError(f"{settings_type.__name__} names the config key {key!r}: {nearest(key, config_keys())}")
    own = own_settings(settings_type, config.terrain.settings, "terrain.settings", keys)
    return settings_type(**{name: config_value(config, key) for name, key in keys.items()}, **own)


def _check_size(config: Config) -> None:
    """Refuse settings with which the episodes of one niche's generation, even without thetas, do not fit in memory."""
    instances = max(1, config.niche.num_fresh)
    try:
        check_memory(config.es.pairs, 2 * instances * _EPISODE_BYTES, "pairs")
    except InputError as error:
        raise InputError(f"es.pairs is {config.es.pairs}: {error}") from None


def _make_es(es: EsConfig, policy: AbstractPolicy) -> AbstractStrategy[Any]:
    """The strategy with its own settings, and with the shared settings that it knows."""
    known = setting_names(es.strategy)
    settings = dict(es.settings)
    if "hidden_units" in known:
        units = policy.first_layer_units
        if not units:
            raise InputError(
                f"es.strategy {es.strategy!r} needs a first layer, which the policy {policy.kind!r} does not have"
            )
        said = settings.setdefault("hidden_units", units)
        if said != units:
            raise InputError(
                f"es.settings.hidden_units is {said}, but the first layer of the policy has {units} units: leave it out"
            )
    shared = {name: value for name, value in es.model_dump(exclude={"strategy", "settings"}).items() if name in known}
    return make_strategy(es.strategy, **{**shared, **settings})
