"""A run's settings: one frozen tree with defaults. Presets and ``--set`` only name what differs.

Defaults are numbers from the 2019 paper and choices of the released code (POET.md 5.3, 5.4). Where the papers, the
released code or their readers disagree, a setting makes the choice, and each preset says where its value comes from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from environments.engines import AUTO, ENGINES
from environments.errors import InputError, nearest


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
#: The number of units in a layer.
Units = Annotated[int, Field(ge=1, le=65_536)]
#: A value in the settings of a user-defined part.
Plain = bool | int | float | str
OwnSettings = dict[str, Plain | tuple[Plain, ...]]


def _gene_group(name: str) -> str:
    """Check a name in ``terrain.obstacles``."""
    from environments.terrain.genes import check_group  # here, so that a config alone does not import NumPy

    return check_group(name)


class RunConfig(_Section):
    """The run as a whole."""

    seed: int = Field(0, ge=0, lt=2**63, description="key of every random draw in the run")
    iterations: Count = Field(25200, description="POET iterations; can be raised when a run is resumed (paper: 25,200)")
    trainer: str = Field(
        "poet",
        description="the main loop: 'poet', 'es' (ES alone, on one terrain), 'curriculum' (from flat ground straight "
        "to one terrain), 'dr', 'adr' (domain randomisation, plain and automatic), 'plr', 'accel', 'sfl' (levels that "
        "are played again), 'paced' (terrains of an archive, easy ones first), or a user's 'package.module:Name'",
    )
    start: str = Field("random", description="'random': theta ~ N(0, 0.1^2); or a walker's name or .npz file")
    start_terrain: str = Field(
        "",
        description="the root's genotype, as JSON (poet control es sets it), or the target of 'curriculum'; '' for the "
        "easiest",
    )
    start_terrain_seed: Literal["drawn"] | Annotated[int, Field(ge=0, lt=1_000_000)] = Field(
        "drawn", description="seed of that terrain's own instance; seeds from 1,000,000 on are kept for validation"
    )
    reject: tuple[str, ...] = Field((), description="what must not happen in a forked run; poet fork --reject sets it")


class TrainerConfig(_Section):
    """The trainer's own settings."""

    settings: OwnSettings = Field({}, description="settings of the trainer that run.trainer names")
    source: str = Field(
        "", description="file of the terrains and agents that 'paced' starts with; poet control paced makes it"
    )


class TerrainConfig(_Section):
    """The genotype of terrains, and its limits."""

    genotype: str = Field("obstacles", description="'obstacles', 'cppn' or a user's 'package.module:Name'")
    obstacles: tuple[Annotated[str, AfterValidator(_gene_group)], ...] = Field(
        ("roughness", "pit_gap", "stump_height"), min_length=1, description="gene groups that mutate"
    )
    max_pit_gap: float = Field(10.0, ge=0.8, le=10.0, description="in terrain steps (paper: 10, released code: 8)")
    settings: OwnSettings = Field({}, description="of a user-defined genotype: the fields of its settings_type")


class MutationConfig(_Section):
    """How a child differs from its parent."""

    genes: Literal["all", "random_subset"] = Field("all", description="which enabled gene groups mutate in each child")
    roughness_step: Literal["symmetric", "upward"] = Field(
        "symmetric", description="symmetric: U(-0.6, 0.6), as in the released code; upward: U(0, 0.6), as in the paper"
    )
    most_mutations: int = Field(
        1, ge=1, le=20, description="the most mutations between parent and child; the number is drawn (papers: 1)"
    )


class CppnConfig(_Section):
    """CPPN terrains, if ``terrain.genotype`` is ``cppn``; POET.md 1.7."""

    released_quirks: bool = Field(
        False, description="use the released code's validity test, unbounded amplitudes and held vertices"
    )


class NicheConfig(_Section):
    """The terrain instances on which a niche's agent is run."""

    instances: Literal["fixed"] | Count = Field(
        "fixed", description="'fixed': the niche's own terrain; K: K fresh instances of it per generation"
    )
    vary: Literal["seed", "push"] = Field(
        "seed", description="how fresh instances differ: by seed of the genotype, or by push on the niche's own ground"
    )
    rest_interval: Count = Field(
        1, description="a robustly solved niche trains only in every n-th iteration; 1: in every one"
    )

    @property
    def num_fresh(self) -> int:
        """The number of fresh instances; 0 if only the niche's own is used."""
        return 0 if self.instances == "fixed" else self.instances


class EsConfig(_Section):
    """The inner optimiser; POET.md 3. A strategy uses the settings that it knows; openai_es knows all of them."""

    strategy: str = Field(
        "openai_es",
        description="'openai_es', 'standardised_es', 'averaged_es', 'pgpe', 'cem' or a user's 'package.module:Name'",
    )
    pairs: Count = Field(256, description="antithetic pairs per generation (paper: 512 samples)")
    learning_rate: Positive = 0.01
    learning_rate_decay: Fraction = 0.9999
    learning_rate_limit: Positive = 0.001
    noise_std: Positive = 0.1
    noise_decay: Fraction = 0.999
    noise_limit: Positive = 0.01
    weight_decay: float = Field(0.01, ge=0.0)
    return_ceiling: Literal["none"] | float = Field(
        "none",
        description="returns from here on rank equal: nobody risks a fall to spare torque; 'none': all differ (paper)",
    )
    on_arrival: Literal["fresh", "kept"] = Field(
        "fresh",
        description="of an agent that comes to another niche: first step sizes and no moments (papers); 'kept': those "
        "that it had before",
    )
    settings: dict[str, int | float | str] = Field(
        {}, description="further settings of the strategy, such as {step_length = 0.1} for pgpe"
    )


class PolicyConfig(_Section):
    """The network of every agent; POET.md 2. A policy uses the settings that it knows."""

    kind: str = Field("mlp", description="'mlp', 'gru' or a user's 'package.module:Name'")
    layer_sizes: tuple[Units, ...] = Field(
        (24, 40, 40, 4),
        min_length=2,
        max_length=100,
        description="units in each layer, including the 24 inputs and the 4 outputs",
    )
    activations: tuple[str, ...] = Field(
        ("tanh",), min_length=1, description="'tanh', 'relu' or 'linear' for each layer but the first, or one for all"
    )
    settings: OwnSettings = Field({}, description="further settings of the policy, such as {units = 8} for gru")


class PoetConfig(_Section):
    """The outer loop; POET.md 4.2 and 5.4."""

    max_active: Count = Field(20, description="most active niches; the oldest ones beyond that retire (paper: 20)")
    retirement: Literal["oldest", "none"] = Field("oldest", description="which niches retire when there are too many")
    reproduction_interval: Count = Field(150, description="iterations between reproductions (2020 paper's M: 150)")
    reproduction_threshold: float = Field(200.0, description="minimum score at which a niche may reproduce")
    eligible_share: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="share of active niches that must be eligible before any reproduces: terrains wait for agents",
    )
    max_children: Count = Field(8, description="mutations tried per reproduction (released code: 8)")
    max_admitted: Count = Field(1, description="children admitted per reproduction (released code: 1)")
    criterion: str = Field("return_band", description="'return_band' or a user's 'package.module:Name'")
    criterion_settings: OwnSettings = Field(
        {}, description="of a user-defined criterion: its fields other than the bounds"
    )
    criterion_lower: float = Field(50.0, description="a best score below this is TOO_HARD (paper: 50)")
    criterion_upper: float = Field(300.0, description="a best score above this is TOO_EASY (paper: 300)")
    annecs: bool = Field(True, description="at each admission, record the scores of all agents in the new niche")

    @model_validator(mode="after")
    def _ordered(self) -> PoetConfig:
        if not self.criterion_lower < self.criterion_upper:
            raise ValueError(
                f"criterion_lower must be below criterion_upper, but they are {self.criterion_lower} and "
                f"{self.criterion_upper}"
            )
        return self


class NoveltyConfig(_Section):
    """How candidates are ranked; POET.md 4.2 and 4.4."""

    measure: str = Field("nearest_genes", description="'nearest_genes', 'pata_ec' or a user's 'package.module:Name'")
    order: Literal["novelty", "random"] = Field(
        "novelty",
        description="which candidates are tried first: the most novel, or a random order",
    )
    neighbors: Count = Field(5, description="k nearest environments (paper and code: 5)")
    scale: Literal["none", "gene_max"] = Field("none", description="raw genes, or each divided by its largest value")
    settings: OwnSettings = Field(
        {}, description="of a user-defined measure: its fields other than those of every measure"
    )
    cached: bool = Field(
        True,
        description="if novelty needs scores, run no agent twice on the same terrain; false: to measure the cost",
    )


class TransferConfig(_Section):
    """Which agents may replace which; POET.md 4.3."""

    periodic: bool = Field(True, description="try transfers between active niches at every interval")
    at_admission: bool = Field(True, description="a candidate's first agent is the best one from all sources")
    interval: Count = Field(25, description="iterations between transfer rounds (released code: 25)")
    rule: Literal["2019", "2020"] = Field("2019", description="any better source, or direct test, then proposal")
    recent_scores: Count = Field(5, description="2020 rule: the threshold is the best of this many latest scores")
    max_sources: Count | Literal["all"] = Field(
        "all",
        description="most agents tried in a niche or candidate: those with the best scores in their own niches, and a "
        "candidate's parent; 'all': every other one (papers)",
    )
    confirm_episodes: int = Field(
        0,
        ge=0,
        le=500,
        description="fresh instances (see niche.vary) on which a better source must also beat the agent that it would "
        "replace: succeed more often, or equally often with a higher score; 0: the first score decides",
    )
    candidate_step: Literal["adam", "plain", "none"] = Field(
        "adam", description="the proposal step in a candidate; 'none': agents are only tried as they are"
    )


class EvaluationConfig(_Section):
    """Episodes."""

    max_steps: Annotated[int, Field(ge=1, le=2000)] = Field(2000, description="control steps (paper: 2000)")
    engine: str = Field(
        "simd",
        description=f"physics engine: {', '.join(map(repr, (*ENGINES, AUTO)))} or a 'package.module:Name'; "
        "changes no result",
    )


class ValidationConfig(_Section):
    """Measuring how often agents succeed on instances that they never trained on; see ``poet.validation``."""

    episodes: int = Field(
        0, ge=0, le=500, description="validation episodes with pushes, and as many on fresh seeds; 0: no validation"
    )
    interval: Count = Field(25, description="iterations between validations of every active niche")


class CheckpointConfig(_Section):
    """What is kept on disk; does not change results."""

    keep_every: Count = Field(100, description="iterations between states that are kept for poet fork")
    theta_every: Count = Field(25, description="iterations between stored thetas of every active niche")


class Config(_Section):
    """The whole tree. Its fields are the sections of a preset file."""

    run: RunConfig = RunConfig()
    trainer: TrainerConfig = TrainerConfig()
    terrain: TerrainConfig = TerrainConfig()
    mutation: MutationConfig = MutationConfig()
    cppn: CppnConfig = CppnConfig()
    niche: NicheConfig = NicheConfig()
    es: EsConfig = EsConfig()
    policy: PolicyConfig = PolicyConfig()
    poet: PoetConfig = PoetConfig()
    novelty: NoveltyConfig = NoveltyConfig()
    transfer: TransferConfig = TransferConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()

    def to_json(self) -> dict[str, Any]:
        """JSON values from which ``make_config`` makes an equal config."""
        return self.model_dump(mode="json")


#: Keys that do not change results, so fingerprints leave them out. (Of ``run.start`` only the theta itself matters,
#: and of ``trainer.source`` only what is in the file, which the start of a run records.)
NEUTRAL_KEYS = (
    "run.iterations", "run.start", "trainer.source", "evaluation.engine", "checkpoint.keep_every",
    "checkpoint.theta_every",
)  # fmt: skip

#: Keys that the first release did not have, with the values that describe its behaviour. A stored config without such a
#: key is read with that value, and a fingerprint leaves out a key with that value. So new keys do not change old runs.
#: A neutral one is no part of a fingerprint at any value.
EARLIER_VALUES: dict[str, bool | float | str | list[Any] | dict[str, Any]] = {
    "cppn.released_quirks": False, "novelty.order": "novelty", "novelty.cached": True, "poet.annecs": False,
    "poet.eligible_share": 0.0, "niche.vary": "seed", "niche.rest_interval": 1, "validation.episodes": 0,
    "validation.interval": 25, "transfer.confirm_episodes": 0, "transfer.max_sources": "all",
    "run.start_terrain": "", "run.start_terrain_seed": "drawn", "mutation.most_mutations": 1,
    "es.return_ceiling": "none", "es.on_arrival": "fresh",
    "terrain.settings": {}, "poet.criterion_settings": {}, "novelty.settings": {},
    "run.trainer": "poet", "trainer.settings": {}, "trainer.source": "",
    "policy.kind": "mlp", "policy.layer_sizes": [24, 40, 40, 4], "policy.activations": ["tanh"], "policy.settings": {},
}  # fmt: skip


def make_config(*layers: dict[str, Any]) -> Config:
    """Make a config from layers. Later layers override earlier ones, and all override the defaults.

    Args:
        layers: nested dictionaries ``{section: {key: value}}``, as in TOML files.

    Raises:
        InputError: a section or key is unknown (the error suggests the nearest one), or a value is out of range.
    """
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, values in layer.items():
            if not isinstance(values, dict):
                raise InputError(
                    f"config key {section!r} must stand in a section, such as [run]; found it at top level"
                )
            merged.setdefault(section, {}).update(values)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise InputError(_sentence(error.errors()[0])) from None


def config_value(config: Config, key: str) -> Any:
    """The value of a ``section.key``."""
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def config_keys() -> list[str]:
    """Every ``section.key`` that exists."""
    keys = []
    for section, info in Config.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            keys += [f"{section}.{key}" for key in info.annotation.model_fields]
    return keys


def _sentence(error: ErrorDetails) -> str:
    """One sentence about the first error."""
    place = [str(part) for part in error["loc"][:2]]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        if len(place) == 1:
            return f"unknown config section [{key}]; {nearest(key, Config.model_fields)}"
        return f"unknown config key {key!r}; {nearest(key, config_keys())}"
    if error["type"] == "value_error":
        wrong = str(error["ctx"]["error"])
        return f"config [{key}]: {wrong}" if len(place) == 1 else wrong  # the error of a single key names it already
    return f"config key {key!r} is {error['input']!r}, which is out of range: {error['msg'].lower()}"
