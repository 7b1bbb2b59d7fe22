"""A run's settings: one frozen tree with defaults. Presets and ``--set`` state only differences.

Defaults are numbers of the 2019 paper and choices of the released code (POET.md 5.3, 5.4). Where papers, released code
or readers differ, the choice is a named value, and each preset says where its value comes from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from environments.errors import InputError, nearest


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
#: A value in the settings of a user's own part.
Plain = bool | int | float | str
OwnSettings = dict[str, Plain | tuple[Plain, ...]]


def _gene_group(name: str) -> str:
    """A name in ``terrain.obstacles``."""
    from environments.terrain.genes import check_group  # here, so that a config alone costs no NumPy

    return check_group(name)


class RunConfig(_Section):
    """The run as a whole."""

    seed: int = Field(0, ge=0, lt=2**63, description="every random draw of the run is keyed by it")
    iterations: Count = Field(25200, description="POET iterations; a resumed run may go further (paper: 25,200)")
    trainer: str = Field(
        "poet", description="who makes its iterations: 'poet', 'es' (alone, on one terrain) or 'package.module:Name'"
    )
    start: str = Field("random", description="'random': theta ~ N(0, 0.1^2); or a walker's name or .npz file")
    start_terrain: str = Field(
        "", description="the root's genotype, as JSON (poet control es fills it in); '' for the easiest"
    )
    start_terrain_seed: Literal["drawn"] | Annotated[int, Field(ge=0, lt=1_000_000)] = Field(
        "drawn", description="of the root's own instance; from a million on seeds are unseen, see validation"
    )
    reject: tuple[str, ...] = Field((), description="what must not happen in a forked run; poet fork --reject fills it")


class TrainerConfig(_Section):
    """What ``run.trainer`` has of its own."""

    settings: dict[str, int | float | str] = Field({}, description="settings of the trainer named")


class TerrainConfig(_Section):
    """The genotype and what it may do."""

    genotype: str = Field("obstacles", description="'obstacles', 'cppn' or a user's 'package.module:Name'")
    obstacles: tuple[Annotated[str, AfterValidator(_gene_group)], ...] = Field(
        ("roughness", "pit_gap", "stump_height"), min_length=1, description="gene groups that mutate"
    )
    max_pit_gap: float = Field(10.0, ge=0.8, le=10.0, description="terrain steps (paper 10, released code 8)")
    settings: OwnSettings = Field({}, description="of a user's own genotype: the fields of its settings_type")


class MutationConfig(_Section):
    """How a child differs from its parent."""

    genes: Literal["all", "random_subset"] = Field("all", description="enabled gene groups mutated in each child")
    roughness_step: Literal["symmetric", "upward"] = Field(
        "symmetric", description="U(-0.6, 0.6) as the released code has it, or the paper's U(0, 0.6)"
    )
    most_mutations: int = Field(
        1, ge=1, le=20, description="a child is its parent mutated 1 to so many times, drawn; papers: once"
    )


class CppnConfig(_Section):
    """CPPN terrains, where ``terrain.genotype`` is ``cppn``; POET.md 1.7."""

    released_quirks: bool = Field(
        False, description="the released code's validity test, unbounded amplitudes and held vertices"
    )


class NicheConfig(_Section):
    """The instances that a niche's agent is run on."""

    instances: Literal["fixed"] | Count = Field(
        "fixed", description="'fixed': the niche's own terrain; K: K fresh instances of it a generation"
    )
    vary: Literal["seed", "push"] = Field(
        "seed", description="how fresh instances differ: seeds of the genotype, or pushes on the niche's own ground"
    )
    rest_interval: Count = Field(
        1, description="a niche that is robustly solved trains in one of so many iterations only; 1: in each"
    )

    @property
    def num_fresh(self) -> int:
        """How many fresh instances there are; 0 where the niche's own is the only one."""
        return 0 if self.instances == "fixed" else self.instances


class EsConfig(_Section):
    """The inner optimiser; POET.md 3. A strategy takes those settings that it has; openai_es has all of them."""

    strategy: str = Field("openai_es", description="'openai_es', 'pgpe', 'cem' or a user's 'package.module:Name'")
    pairs: Count = Field(256, description="antithetic pairs a generation (paper: 512 samples)")
    learning_rate: Positive = 0.01
    learning_rate_decay: Fraction = 0.9999
    learning_rate_limit: Positive = 0.001
    noise_std: Positive = 0.1
    noise_decay: Fraction = 0.999
    noise_limit: Positive = 0.01
    weight_decay: float = Field(0.01, ge=0.0)
    settings: dict[str, int | float | str] = Field(
        {}, description="further settings of the strategy named, such as {step_length = 0.1} of pgpe"
    )


class PolicyConfig(_Section):
    """The network of every agent; POET.md 2. A policy takes what it has of these."""

    kind: str = Field("mlp", description="'mlp', 'gru' or a user's 'package.module:Name'")
    layer_sizes: tuple[Count, ...] = Field(
        (24, 40, 40, 4), min_length=2, description="units of each layer, with the 24 observed and the 4 of an action"
    )
    activations: tuple[str, ...] = Field(
        ("tanh",), min_length=1, description="'tanh', 'relu' or 'linear' of each layer but the first, or one for all"
    )
    settings: dict[str, int | float | str] = Field(
        {}, description="further settings of the policy named, such as {units = 8} of gru"
    )


class PoetConfig(_Section):
    """The outer loop; POET.md 4.2 and 5.4."""

    max_active: Count = Field(20, description="active niches; the oldest beyond it retire (paper: 20)")
    retirement: Literal["oldest", "none"] = Field("oldest", description="who leaves when there are too many")
    reproduction_interval: Count = Field(150, description="iterations between reproductions (2020 paper's M: 150)")
    reproduction_threshold: float = Field(200.0, description="score from which a niche is eligible")
    eligible_share: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="share of the active niches that must be eligible, or nobody reproduces: terrains wait for agents",
    )
    max_children: Count = Field(8, description="mutations tried a reproduction (released code: 8)")
    max_admitted: Count = Field(1, description="children admitted a reproduction (released code: 1)")
    criterion: str = Field("return_band", description="'return_band' or a user's 'package.module:Name'")
    criterion_settings: OwnSettings = Field(
        {}, description="of a user's own criterion: the fields that it has beside the bounds"
    )
    criterion_lower: float = Field(50.0, description="a lower best score is TOO_HARD (paper: 50)")
    criterion_upper: float = Field(300.0, description="a higher best score is TOO_EASY (paper: 300)")
    annecs: bool = Field(True, description="at each admission, what all agents score in the new niche")

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
        description="who is tried first: the most novel, or whom a draw of each candidate puts first",
    )
    neighbors: Count = Field(5, description="k nearest environments (paper and code: 5)")
    scale: Literal["none", "gene_max"] = Field("none", description="raw genes, or each over its greatest value")
    settings: OwnSettings = Field(
        {}, description="of a user's own measure: the fields that it has beside those of every measure"
    )
    cached: bool = Field(
        True,
        description="where novelty needs scores, no agent is run twice on one terrain; false: to know the cost",
    )


class TransferConfig(_Section):
    """Who may replace whom; POET.md 4.3."""

    periodic: bool = Field(True, description="transfers between active niches every interval")
    at_admission: bool = Field(True, description="a candidate's first agent is the best of all sources")
    interval: Count = Field(25, description="iterations between transfer rounds (released code: 25)")
    rule: Literal["2019", "2020"] = Field("2019", description="any better source, or direct test then proposal")
    recent_scores: Count = Field(5, description="2020 rule: the threshold is the best of that many last scores")
    confirm_episodes: int = Field(
        0,
        ge=0,
        le=500,
        description="fresh instances (see niche.vary) on which a better source must do better than the agent it would "
        "replace, too: succeed more often, or as often with a higher score; 0: the first score decides",
    )
    candidate_step: Literal["adam", "plain", "none"] = Field(
        "adam", description="the proposal step in a candidate; 'none': agents are tried there as they are alone"
    )


class EvaluationConfig(_Section):
    """An episode."""

    max_steps: Annotated[int, Field(ge=1, le=2000)] = Field(2000, description="control steps (paper: 2000)")
    engine: str = Field(
        "simd",
        description="who integrates: 'simd', 'cuda', 'box2d', 'auto' or a 'package.module:Name'; changes no result",
    )


class ValidationConfig(_Section):
    """How often agents succeed where they were never trained; see ``poet.validation``."""

    episodes: int = Field(
        0, ge=0, le=500, description="pushes, and as many fresh seeds, that an agent is validated on; 0: never"
    )
    interval: Count = Field(25, description="iterations between validations of every active niche")


class CheckpointConfig(_Section):
    """What is kept on disk; changes no result."""

    keep_every: Count = Field(100, description="iterations between states that stay, for poet fork")
    theta_every: Count = Field(25, description="iterations between stored thetas of every active niche")


class Config(_Section):
    """The whole tree; the sections of a preset file."""

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
        """Plain JSON values from which ``make_config`` makes an equal config."""
        return self.model_dump(mode="json")


#: Keys that change no result. A fingerprint leaves them out. (For ``run.start`` the theta counts, not its name.)
NEUTRAL_KEYS = (
    "run.iterations", "run.start", "evaluation.engine", "checkpoint.keep_every", "checkpoint.theta_every",
)  # fmt: skip

#: Keys that the first release did not have, with the values that describe what runs did then. A config stored without
#: the key is read with that value. A fingerprint leaves out a key with that value. So no new key changes an old run.
EARLIER_VALUES: dict[str, bool | float | str | list[Any] | dict[str, Any]] = {
    "cppn.released_quirks": False, "novelty.order": "novelty", "novelty.cached": True, "poet.annecs": False,
    "poet.eligible_share": 0.0, "niche.vary": "seed", "niche.rest_interval": 1, "validation.episodes": 0,
    "validation.interval": 25, "transfer.confirm_episodes": 0,
    "run.start_terrain": "", "run.start_terrain_seed": "drawn", "mutation.most_mutations": 1,
    "terrain.settings": {}, "poet.criterion_settings": {}, "novelty.settings": {},
    "run.trainer": "poet", "trainer.settings": {},
    "policy.kind": "mlp", "policy.layer_sizes": [24, 40, 40, 4], "policy.activations": ["tanh"], "policy.settings": {},
}  # fmt: skip


def make_config(*layers: dict[str, Any]) -> Config:
    """The config in which later layers override earlier ones and the defaults.

    Args:
        layers: nested dictionaries ``{section: {key: value}}``, as TOML files have them.

    Raises:
        InputError: an unknown section or key (with the nearest right one), or a value out of range.
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
    """One sentence for the first thing that is wrong."""
    place = [str(part) for part in error["loc"][:2]]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        if len(place) == 1:
            return f"unknown config section [{key}]; {nearest(key, Config.model_fields)}"
        return f"unknown config key {key!r}; {nearest(key, config_keys())}"
    if error["type"] == "value_error":
        wrong = str(error["ctx"]["error"])
        return f"config [{key}]: {wrong}" if len(place) == 1 else wrong  # an error of a single key names the key itself
    return f"config key {key!r} is {error['input']!r}, which is out of range: {error['msg'].lower()}"
