"""The parts of a run that its config names, loaded and ready to use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from inspect import isabstract
from typing import Any

from agents.evaluation.request import Block, EvaluationRequest
from agents.policies import policy_settings
from agents.policies.base import AbstractPolicy
from agents.rollouts import check_engine
from agents.rollouts.result import RolloutResult
from agents.strategies import make_strategy, setting_names
from agents.strategies.base import AbstractStrategy
from environments.errors import InputError
from environments.machine import check_memory
from environments.registry import load_named
from environments.terrain import genotype_class
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from poet.config import Config, EsConfig
from poet.criterion import AbstractCriterion, ReturnBand
from poet.novelty import AbstractNovelty, NearestGenes, PataEc
from poet.policy import make_run_policy
from poet.types import Purpose

#: What a request and its result hold of an episode, bytes: row and terrain, return, length and outcome, some twice.
_EPISODE_BYTES = 50

_UNUSED_BY_RULE = {"2019": ["transfer.recent_scores"]}

#: Runs the episodes of a request; ``AbstractExecutor.evaluate`` with its progress bound.
Evaluate = Callable[[EvaluationRequest], tuple[RolloutResult, ...]]

CRITERIA: dict[str, type[AbstractCriterion]] = {"return_band": ReturnBand}
NOVELTY_MEASURES: dict[str, type[AbstractNovelty]] = {"nearest_genes": NearestGenes, "pata_ec": PataEc}


@dataclass(frozen=True)
class Parts:
    """What the phases of an iteration are given beside the state.

    Attributes:
        config: the run's.
        genotype_type, settings: how terrains are encoded and what mutation may do.
        start_terrain: the root's genotype; None for the easiest.
        strategy: the inner optimiser.
        criterion, novelty: who is admitted, and in which order.
        policy: of every agent.
        evaluate: runs episodes.
    """

    config: Config
    genotype_type: type[AbstractGenotype]
    settings: TerrainSettings
    start_terrain: AbstractGenotype | None
    strategy: AbstractStrategy[Any]
    criterion: AbstractCriterion
    novelty: AbstractNovelty
    policy: AbstractPolicy
    evaluate: Evaluate

    @property
    def seed(self) -> int:
        """The run's seed, part of every stream's name."""
        return self.config.run.seed

    def run_blocks(self, blocks: list[Block], purpose: Purpose) -> tuple[RolloutResult, ...]:
        """Run the episodes of some blocks as one request, labelled with what they are for."""
        if not blocks:
            return ()
        settings = self.config.evaluation
        return self.evaluate(
            EvaluationRequest(tuple(blocks), self.policy, settings.max_steps, settings.engine, label=purpose)
        )


def make_parts(config: Config, evaluate: Evaluate) -> Parts:
    """Load what a config names.

    Raises:
        InputError: a name is unknown, cannot be imported or is no part of that kind, or the first terrain is none.
    """
    check_engine(config.evaluation.engine)
    _check_size(config)
    criterion_type = load_named(config.poet.criterion, CRITERIA, "poet.criterion")
    novelty_type = load_named(config.novelty.measure, NOVELTY_MEASURES, "novelty.measure")
    for name, part, base in (
        (config.poet.criterion, criterion_type, AbstractCriterion),
        (config.novelty.measure, novelty_type, AbstractNovelty),
    ):
        if not (isinstance(part, type) and issubclass(part, base)) or isabstract(part):
            raise InputError(
                f"{name!r} must be a concrete subclass of {base.__module__}.{base.__name__}, but is {part!r}"
            )
    bounds = (config.poet.criterion_lower, config.poet.criterion_upper)
    settings = terrain_settings(config)
    genotype_type = genotype_class(config.terrain.genotype)
    policy = make_run_policy(config.policy)
    return Parts(
        config=config,
        genotype_type=genotype_type,
        settings=settings,
        start_terrain=_start_terrain(config, genotype_type),
        strategy=_make_es(config.es, policy),
        criterion=criterion_type(*bounds),
        novelty=novelty_type(config.novelty.neighbors, config.novelty.scale, *bounds, settings),
        policy=policy,
        evaluate=evaluate,
    )


def imported_code(config: Config) -> dict[str, str]:
    """The keys that name code which is not ours, with what they name: ``make_parts`` imports it."""
    keys = ("terrain.genotype", "es.strategy", "policy.kind", "poet.criterion", "novelty.measure")
    return {key: name for key in keys if ":" in (name := _value(config, key))}


def terrain_settings(config: Config) -> TerrainSettings:
    """What terrains may do by a config."""
    return TerrainSettings(
        obstacles=config.terrain.obstacles,
        mutated_genes=config.mutation.genes,
        roughness_step=config.mutation.roughness_step,
        max_pit_gap=config.terrain.max_pit_gap,
        cppn_released_quirks=config.cppn.released_quirks,
    )


def _start_terrain(config: Config, genotype_type: type[AbstractGenotype]) -> AbstractGenotype | None:
    if not config.run.start_terrain:
        return None
    try:
        return genotype_type.from_json(json.loads(config.run.start_terrain))
    except (ValueError, RecursionError) as error:
        raise InputError(f"run.start_terrain is no terrain of {config.terrain.genotype!r}: {error}") from None


def _check_size(config: Config) -> None:
    """Refuse a generation of one niche whose episodes alone, without thetas, do not fit into memory."""
    instances = max(1, config.niche.num_fresh)
    try:
        check_memory(config.es.pairs, 2 * instances * _EPISODE_BYTES, "pairs")
    except InputError as error:
        raise InputError(f"es.pairs is {config.es.pairs}: {error}") from None


def unused_settings(config: Config) -> dict[str, list[str]]:
    """The keys that differ from their defaults though nothing reads them, by the part that has no use for them.

    A user's own parts may read all there is for their kind, save the settings that a strategy does not have.
    """
    es, genotype, measure = config.es, config.terrain.genotype, config.novelty.measure
    needs_scores = getattr(load_named(measure, NOVELTY_MEASURES, "novelty.measure"), "needs_scores", True)
    known = {"strategy", "settings", *setting_names(es.strategy)}
    of_policy = {"kind", "settings", *policy_settings(config.policy.kind)}
    of_obstacles = ["terrain.obstacles", "terrain.max_pit_gap", *_keys("mutation")]
    unused: dict[str, list[str]] = {}
    for part, keys in (
        (es.strategy, [key for key in _keys("es") if key.partition(".")[2] not in known]),
        (config.policy.kind, [key for key in _keys("policy") if key.partition(".")[2] not in of_policy]),
        (genotype, {"obstacles": _keys("cppn"), "cppn": of_obstacles}.get(genotype, [])),
        (measure, ["novelty.scale"] if measure == "pata_ec" else []),
        (measure, [] if needs_scores else ["novelty.cached"]),
        (
            "niche.instances = fixed",
            [] if config.niche.num_fresh or config.transfer.confirm_episodes else ["niche.vary"],
        ),
        ("transfer.periodic = false", [] if config.transfer.periodic else ["transfer.confirm_episodes"]),
        (
            "validation.episodes = 0",
            [] if config.validation.episodes else ["validation.interval", "niche.rest_interval"],
        ),
        (f"the {config.transfer.rule} transfer rule", _UNUSED_BY_RULE.get(config.transfer.rule, [])),
    ):
        if changed := [key for key in keys if _value(config, key) != _value(Config(), key)]:
            unused[part] = [*unused.get(part, []), *changed]
    return unused


def _keys(section: str) -> list[str]:
    return [f"{section}.{name}" for name in type(getattr(Config(), section)).model_fields]


def _value(config: Config, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def _make_es(es: EsConfig, policy: AbstractPolicy) -> AbstractStrategy[Any]:
    """The strategy with those of the shared settings that it has, and with its own."""
    known = setting_names(es.strategy)
    settings = dict(es.settings)
    if "hidden_units" in known:
        units = policy.first_layer_units
        if not units:
            raise InputError(
                f"es.strategy {es.strategy!r} needs a first layer, which the policy {policy.kind!r} has not"
            )
        said = settings.setdefault("hidden_units", units)
        if said != units:
            raise InputError(
                f"es.settings.hidden_units is {said}, but the first layer of the policy has {units} units: leave it out"
            )
    shared = {name: value for name, value in es.model_dump(exclude={"strategy", "settings"}).items() if name in known}
    return make_strategy(es.strategy, **{**shared, **settings})
