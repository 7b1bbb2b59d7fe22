"""A run's settings: one frozen tree with defaults. Presets and ``--set`` only name what differs.

Defaults are numbers from the 2019 paper and choices of the released code (POET.md 5.3, 5.4). Where the papers, the
released code or their readers disagree, a setting makes the choice, and each preset says where its value comes from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from environments.engines import AUTO, ENGINES
from environments.errors import InputError, nearest
from poet.ppo_config import PpoConfig
from poet.sections import Count, Fraction, Positive, Section
from poet.sections import config_key as _key

#: The number of units in a layer.
Units = Annotated[int, Field(ge=1, le=65_536)]
#: A value in the settings of a user-defined part.
Plain = bool | int | float | str
OwnSettings = dict[str, Plain | tuple[Plain, ...]]


def _gene_group(name: str) -> str:
    """Check a name in ``terrain.obstacles``."""
    from environments.terrain.genes import check_group  # here, so that a config alone does not import NumPy

    return check_group(name)


class RunConfig(Section):
    """The run as a whole."""

    seed: int = _key(0, "Every random draw of the run is keyed by it.", "ours", ge=0, lt=2**63)
    iterations: Count = _key(
        25200, "The run ends after so many iterations; a resumed run may have more.", "paper 2019, POET.md 5.3"
    )
    trainer: str = _key(
        "poet",
        "The main loop: 'poet'; 'es' (ES alone, on one terrain); 'curriculum' (from flat ground straight to one "
        "terrain); 'dr' and 'adr' (domain randomisation, plain and automatic); 'plr', 'accel' and 'sfl' (levels that "
        "are played again); 'paced' (terrains of an archive, easy ones first); 'joint', 'reptile', 'fomaml', 'es-maml' "
        "(learning to learn, on terrains of an archive); 'ppo' (gradients, on one terrain or random ones); or your own "
        "'package.module:Name'.",
        "paper 2019",
    )
    start: str = _key(
        "random",
        "The first theta: 'random' draws each weight from N(0, 0.1^2); otherwise a shipped walker's name, such as "
        "'flat', or a walker's file.",
        "released code: init, POET.md 2",
    )
    start_terrain: str = _key(
        "",
        "What the run starts on, or the target of 'curriculum': a genotype or a terrain, as JSON, or a list of "
        "several, each a root niche; --set and TOML files take paths of terrain files, too. '' is the easiest terrain.",
        "paper 2019: flat ground, POET.md 1.4",
    )
    start_terrain_seed: Literal["drawn"] | Annotated[int, Field(ge=0, lt=1_000_000)] = _key(
        "drawn",
        "The seed of the own instance of these genotypes; 'drawn' comes from run.seed. Seeds from 1,000,000 on are "
        "kept for validation.",
        "ours",
    )
    reject: tuple[str, ...] = _key((), "What must not happen in a forked run; poet fork --reject sets it.", "ours")


class TrainerConfig(Section):
    """The trainer's own settings."""

    settings: OwnSettings = _key({}, "Settings of the trainer that run.trainer names.", "ours")
    source: str = _key(
        "",
        "The file of an archive's terrains with which 'paced' and the trainers of poet meta start; poet control paced "
        "and poet meta make it.",
        "ours",
    )


class TerrainConfig(Section):
    """The genotype of terrains, and its limits."""

    genotype: str = _key(
        "obstacles",
        "How terrains are encoded: 'obstacles' (POET 2019), 'cppn' (Enhanced POET), or your own 'package.module:Name'.",
        "paper 2019, POET.md 1.4",
    )
    obstacles: tuple[Annotated[str, AfterValidator(_gene_group)], ...] = _key(
        ("roughness", "pit_gap", "stump_height"),
        "The gene groups that mutate, of 'roughness', 'pit_gap', 'stump_height' and 'stairs'.",
        "released code: run_poet_local.sh, POET.md 1.4; the paper adds stairs",
        min_length=1,
    )
    max_pit_gap: float = _key(
        10.0,
        "The widest pit that mutation reaches, in terrain steps.",
        "paper 2019, table 1; released code: 8",
        ge=0.8,
        le=10.0,
    )
    settings: OwnSettings = _key({}, "Settings of a genotype of your own: the fields of its settings_type.", "ours")


class MutationConfig(Section):
    """How a child differs from its parent."""

    genes: Literal["all", "random_subset"] = _key(
        "all",
        "Which of the gene groups in terrain.obstacles mutate in a child: all, or a random part of them.",
        "released code: reproduce_ops.py, POET.md 1.4; paper 2019: some or all",
    )
    roughness_step: Literal["symmetric", "upward"] = _key(
        "symmetric",
        "How roughness changes: by U(-0.6, 0.6), or only upward, by U(0, 0.6).",
        "released code: reproduce_ops.py, POET.md 1.4; paper 2019, table 1: upward",
    )
    most_mutations: int = _key(
        1, "The most mutations between parent and child; their number is drawn.", "both papers", ge=1, le=20
    )


class CppnConfig(Section):
    """CPPN terrains, if ``terrain.genotype`` is ``cppn``; POET.md 1.7."""

    released_quirks: bool = _key(
        False,
        "Whether terrains have the released code's validity test, unbounded amplitudes and held vertices.",
        "ours; released code: true, POET.md 6.3",
    )


class NicheConfig(Section):
    """The terrain instances on which a niche's agent is run."""

    instances: Literal["fixed"] | Count = _key(
        "fixed",
        "'fixed': a niche's agent is run on the niche's own terrain alone. K: on K fresh instances in each generation.",
        "paper 2019: an environment stores its seed, POET.md 1.6",
    )
    vary: Literal["seed", "push"] = _key(
        "seed",
        "How fresh instances differ: by the seed of the genotype, or by the push on the niche's own ground.",
        "ours",
    )
    rest_interval: Count = _key(
        1, "A robustly solved niche trains only in every n-th iteration; 1: it never rests.", "both papers: no rest"
    )

    @property
    def num_fresh(self) -> int:
        """The number of fresh instances; 0 if only the niche's own is used."""
        return 0 if self.instances == "fixed" else self.instances


class EsConfig(Section):
    """The inner optimiser; POET.md 3. A strategy uses the settings that it knows; openai_es knows all of them."""

    strategy: str = _key(
        "openai_es",
        "'openai_es'; 'standardised_es' (as if the policy's inputs were standardised); 'averaged_es' (that, and the "
        "agent is an average of the latest steps); 'pgpe' and 'cem' (EvoTorch's); or your own 'package.module:Name'.",
        "both papers, POET.md 3",
    )
    pairs: Count = _key(256, "Antithetic pairs in a generation, two episodes each.", "both papers: 512 samples")
    learning_rate: Positive = _key(0.01, "The first step size of Adam.", "both papers, POET.md 3")
    learning_rate_decay: Fraction = _key(
        0.9999, "The step size is multiplied by it after each step.", "both papers, POET.md 3"
    )
    learning_rate_limit: Positive = _key(0.001, "The step size does not decay below this.", "both papers, POET.md 3")
    noise_std: Positive = _key(
        0.1, "The first standard deviation of the perturbations of theta.", "both papers, POET.md 3"
    )
    noise_decay: Fraction = _key(
        0.999, "The standard deviation is multiplied by it after each step.", "both papers, POET.md 3"
    )
    noise_limit: Positive = _key(0.01, "The standard deviation does not decay below this.", "both papers, POET.md 3")
    weight_decay: float = _key(
        0.01,
        "The L2 penalty: this times theta is added to the descent gradient before Adam.",
        "released code: es.py, l2_coeff",
        ge=0.0,
    )
    return_ceiling: Literal["none"] | float = _key(
        "none",
        "Returns from here on rank equal, so that nobody risks a fall to spare torque; 'none': all of them differ.",
        "both papers: none",
    )
    on_arrival: Literal["fresh", "kept"] = _key(
        "fresh",
        "Step sizes and moments of an agent that comes to another niche: 'fresh' ones, or 'kept' from where it was.",
        "both papers, POET.md 3",
    )
    settings: dict[str, int | float | str] = _key(
        {}, "Further settings of the strategy, such as {step_length = 0.1} for pgpe.", "ours"
    )


class PolicyConfig(Section):
    """The network of every agent; POET.md 2. A policy uses the settings that it knows."""

    kind: str = _key(
        "mlp",
        "'mlp' (a perceptron), 'gru' (with a memory beside it), or your own 'package.module:Name'.",
        "both papers, POET.md 2",
    )
    layer_sizes: tuple[Units, ...] = _key(
        (24, 40, 40, 4),
        "Units in each layer, the 24 inputs and the 4 outputs included.",
        "both papers, POET.md 2",
        min_length=2,
        max_length=100,
    )
    activations: tuple[str, ...] = _key(
        ("tanh",),
        "'tanh', 'relu' or 'linear' for each layer but the first, or one for all.",
        "released code: model.py, POET.md 2",
        min_length=1,
    )
    settings: OwnSettings = _key({}, "Further settings of the policy, such as {units = 8} for gru.", "ours")


class PoetConfig(Section):
    """The outer loop; POET.md 4.2 and 5.4."""

    max_active: Count = _key(
        20, "The most active niches; when there are more, some retire.", "paper 2019; paper 2020: 40, POET.md 5.3"
    )
    retirement: Literal["oldest", "none"] = _key(
        "oldest", "Which niches retire when there are too many; 'none': their number grows.", "both papers"
    )
    reproduction_interval: Count = _key(
        150, "Iterations between two reproductions.", "paper 2020: M, POET.md 4.2; released code: 200 in 2019"
    )
    reproduction_threshold: float = _key(200.0, "A niche with this score or more may reproduce.", "both papers")
    eligible_share: float = _key(
        0.0,
        "The share of active niches that must be eligible before any reproduces: so terrains wait for agents.",
        "both papers: none",
        ge=0.0,
        le=1.0,
    )
    max_children: Count = _key(
        8, "Mutations that are tried in a reproduction.", "released code: poet_algo.py, POET.md 4.2"
    )
    max_admitted: Count = _key(
        1, "The most children that a reproduction admits.", "released code: poet_algo.py, POET.md 4.2"
    )
    criterion: str = _key(
        "return_band",
        "The minimal criterion: 'return_band' (a best score within the two bounds), or your own 'package.module:Name'.",
        "both papers",
    )
    criterion_settings: OwnSettings = _key(
        {}, "Settings of a criterion of your own: its fields other than the bounds.", "ours"
    )
    criterion_lower: float = _key(
        50.0, "A candidate with a best score below this is too hard.", "both papers; released code: 25, POET.md 5.4"
    )
    criterion_upper: float = _key(
        300.0, "A candidate with a best score above this is too easy.", "both papers; released code: 340, POET.md 5.4"
    )
    annecs: bool = _key(
        True,
        "Whether all agents are scored in each new niche, without which ANNECS cannot be counted.",
        "paper 2020, POET.md 4.5",
    )

    @model_validator(mode="after")
    def _ordered(self) -> PoetConfig:
        if not self.criterion_lower < self.criterion_upper:
            raise ValueError(
                f"criterion_lower must be below criterion_upper, but they are {self.criterion_lower} and "
                f"{self.criterion_upper}"
            )
        return self


class NoveltyConfig(Section):
    """How candidates are ranked; POET.md 4.2 and 4.4."""

    measure: str = _key(
        "nearest_genes",
        "'nearest_genes' (distance between genes), 'pata_ec' (how all agents rank in an environment), or your own "
        "'package.module:Name'.",
        "paper 2019; paper 2020: pata_ec",
    )
    order: Literal["novelty", "random"] = _key(
        "novelty", "Which candidates are tried first: the most novel, or in a random order.", "both papers"
    )
    neighbors: Count = _key(5, "How many nearest environments count.", "both papers; released code: novelty.py")
    scale: Literal["none", "gene_max"] = _key(
        "none",
        "Whether genes are compared raw, or each divided by its largest value.",
        "released code: novelty.py, POET.md 4.2",
    )
    settings: OwnSettings = _key(
        {}, "Settings of a measure of your own: its fields other than those of every measure.", "ours"
    )
    cached: bool = _key(
        True,
        "Whether, if novelty needs scores, no agent is run twice on the same terrain; false: to measure the cost.",
        "ours; released code: false, POET.md 4.4",
    )


class TransferConfig(Section):
    """Which agents may replace which; POET.md 4.3."""

    periodic: bool = _key(True, "Whether active niches try each other's agents at every interval.", "both papers")
    at_admission: bool = _key(
        True, "Whether a candidate's first agent is the best of all niches' agents, or its parent's.", "both papers"
    )
    interval: Count = _key(25, "Iterations between two rounds of transfers.", "paper 2020: N; released code")
    rule: Literal["2019", "2020"] = _key(
        "2019",
        "2019: any better source replaces an agent, as it is or after a step. 2020: both must be better, one after "
        "the other.",
        "paper 2019, POET.md 4.3",
    )
    recent_scores: Count = _key(
        5, "Under the rule 2020 a source must beat the best of this many latest scores.", "paper 2020, POET.md 4.3"
    )
    max_sources: Count | Literal["all"] = _key(
        "all",
        "Most agents tried in a niche or candidate: the best in their own niches, and a candidate's parent; all: every "
        "other one.",
        "ours; both papers: all",
    )
    confirm_episodes: int = _key(
        0,
        "Fresh instances (see niche.vary) on which a better source must also beat the agent that it would replace: "
        "succeed more often, or equally often with a higher score; 0: the first score decides.",
        "both papers: none",
        ge=0,
        le=500,
    )
    candidate_step: Literal["adam", "plain", "none"] = _key(
        "adam",
        "The ES step after which agents are also tried in a candidate; 'none': they are tried as they are.",
        "ours; released code: plain, POET.md 4.2",
    )


class EvaluationConfig(Section):
    """How episodes are run."""

    max_steps: Annotated[int, Field(ge=1, le=2000)] = _key(
        2000, "An episode ends after so many control steps, 50 a second.", "both papers; released code: model.py"
    )
    engine: str = _key(
        "simd",
        f"Which physics engine runs episodes: {', '.join(map(repr, (*ENGINES, AUTO)))}, or your own "
        "'package.module:Name'. It changes no result.",
        "ours",
    )


class ValidationConfig(Section):
    """Measuring how often agents succeed on instances that they never trained on; see ``poet.validation``."""

    episodes: int = _key(
        0, "Validation episodes under other pushes, and as many on fresh seeds; 0: no validation.", "ours", ge=0, le=500
    )
    interval: Count = _key(25, "Iterations between two validations of every active niche.", "ours")


class CheckpointConfig(Section):
    """What is kept on disk; does not change results."""

    keep_every: Count = _key(100, "Iterations between two states that are kept for poet fork.", "ours")
    theta_every: Count = _key(25, "Iterations between two stored thetas of every active niche.", "ours")


class Config(Section):
    """The whole tree. Its fields are the sections of a preset file."""

    run: RunConfig = RunConfig()
    trainer: TrainerConfig = TrainerConfig()
    terrain: TerrainConfig = TerrainConfig()
    mutation: MutationConfig = MutationConfig()
    cppn: CppnConfig = CppnConfig()
    niche: NicheConfig = NicheConfig()
    es: EsConfig = EsConfig()
    policy: PolicyConfig = PolicyConfig()
    ppo: PpoConfig = PpoConfig()
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
    "ppo.terrains": "own", "ppo.envs": 16, "ppo.steps": 2048, "ppo.batch": 64, "ppo.epochs": 10,
    "ppo.learning_rate": 2.5e-4, "ppo.clip_range": 0.2, "ppo.gamma": 0.99, "ppo.gae_lambda": 0.95,
    "ppo.entropy_weight": 0.001, "ppo.value_weight": 0.5, "ppo.max_gradient_norm": 0.5, "ppo.log_noise": 0.0,
    "ppo.normalise_observations": True, "ppo.normalise_rewards": True,
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
