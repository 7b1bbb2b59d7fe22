"""What a study's file says: questions, arms, seeds, budget, tests and stopping rule, checked before anything runs."""

from __future__ import annotations

import json
import reprlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from environments.errors import COUNT, InputError, check_name, nearest, whole_number
from experiments.comparison.arms import changed
from experiments.comparison.statistics import MAX_SEEDS
from experiments.settings import NO_END, assigned_keys, resolve_config
from experiments.suites import FILES, load_suite, suite_path
from experiments.walkers import load_walker
from poet.archive.configs import deciding_values
from poet.archive.digests import text_digest
from poet.archive.rows import canonical_json
from poet.config import Config
from poet.terrain_files import read_terrain_file
from poet.types import theta_digest

_FOLDER = Path(__file__).parent
#: Keys that belong to the study as a whole, or to forks, and so to no arm.
_NO_KEYS_OF_ARMS = ("run.seed", "run.iterations", "run.reject")
#: No slash and no dot, so that a run's folder is within the study's; one case, since some file systems know but one.
_ARM_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _whole(what: str, least: int, most: int) -> BeforeValidator:
    """A whole number, of which 3e8 is one, and true is none."""
    return BeforeValidator(lambda value: whole_number(what, value, least, most))


class Arm(_Part):
    """A way to train.

    Attributes:
        preset: its name.
        assignments: ``key=value`` texts as ``--set`` takes them, laid over the preset and over those of all arms.
    """

    preset: str
    assignments: tuple[str, ...] = Field((), alias="set")


class Question(_Part):
    """A question about two arms.

    Attributes:
        text: for people.
        arms: the names of both.
        suite: one of the study's, as there; None for its first.
        measure: ``success_rate``, a run's mean over cells; ``robust_cells``, the share of cells in which it succeeds in
            80 % or more. Either is that of the agent that the run hands over, see ``experiments.comparison.comparing``.
        test: of the difference in means between the arms' runs, over all ways to deal the runs.
        alternative: of the test.
    """

    text: str = Field(min_length=1)
    arms: tuple[str, str]
    suite: str | None = None
    measure: Literal["success_rate", "robust_cells"] = "success_rate"
    test: Literal["permutation"] = "permutation"
    alternative: Literal["two-sided"] = "two-sided"


class Plan(_Part):
    """The keys of a study's file.

    Attributes:
        title, about: for people.
        seeds: of the runs of each arm; each is one run.
        env_steps: of each run.
        suites: what runs are compared on: ``dcd``, ``grid``, ``roses``, a ``.toml`` or a terrain's ``.json``, whose
            paths begin at the study's folder. Every arm is tried on all.
        episodes: of each cell; None for as many as the suite says.
        alpha: level of all questions together, by Holm's correction.
        stopping: when questions are answered; ``"budget"``: when all runs have spent ``env_steps``, and not before.
        assignments: ``key=value`` texts, laid over the presets of all arms.
        arms: by name.
        questions: one or more.
    """

    title: str = Field(min_length=1)
    about: str = ""
    seeds: tuple[Annotated[int, _whole("a seed", 0, 2**63 - 1)], ...] = Field(min_length=1, max_length=MAX_SEEDS)
    env_steps: Annotated[int, _whole("env_steps", 1, 2**63 - 1)]
    suites: tuple[str, ...] = Field(min_length=1)
    episodes: Annotated[int, _whole("episodes", *COUNT)] | None = None
    alpha: float = Field(0.05, gt=0.0, lt=1.0)
    stopping: Literal["budget"] = "budget"
    assignments: tuple[str, ...] = Field((), alias="set")
    arms: dict[Annotated[str, Field(pattern=f"^{_ARM_NAME}$")], Arm] = Field(min_length=2)
    questions: tuple[Question, ...] = Field(min_length=1)

    @field_validator("seeds", "suites")
    @classmethod
    def _differ(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"each must stand there once, but they are {', '.join(map(str, values))}")
        return values

    @model_validator(mode="after")
    def _fits(self) -> Plan:
        for question in self.questions:
            for arm in question.arms:
                check_name("an arm of a question", arm, self.arms)
            if question.arms[0] == question.arms[1]:
                raise ValueError(f"a question compares two arms, but one compares {question.arms[0]!r} with itself")
            if question.suite is not None:
                check_name("the suite of a question", question.suite, self.suites)
        return self


@dataclass(frozen=True)
class Study:
    """A study that may run.

    Attributes:
        name: what a command line calls it by: a shipped one's name, or its file.
        path: its file.
        plan: what the file says.
        configs: of each arm, with seed 0.
    """

    name: str | Path
    path: Path
    plan: Plan
    configs: Mapping[str, Config]

    def config(self, arm: str, seed: int, engine: str | None = None) -> Config:
        """The config of a run; ``engine`` is the arm's if None. Only env-steps end it."""
        flags = {"run.seed": seed, "run.iterations": NO_END, "evaluation.engine": engine}
        return resolve_config(base=self.configs[arm], flags=flags)

    def suite_of(self, question: Question) -> str:
        """The suite of a question, as ``plan.suites`` has it."""
        return question.suite or self.plan.suites[0]

    def place_of(self, suite: str) -> str:
        """What ``load_suite`` takes."""
        return str(self.path.parent / suite) if suite.endswith(FILES) else suite

    @cached_property
    def meaning(self) -> dict[str, Any]:
        """JSON of all that the study means: its file, settings of arms in full, digests of first walkers and suites.

        Settings that change no result do not count, such as how often agents are stored.
        """
        said = self.plan.model_dump(mode="json", exclude={"assignments", "arms"})
        arms = {arm: deciding_values(config) | {"run.start": _start(config)} for arm, config in self.configs.items()}
        texts = {
            name: json.dumps(_suite(suite_path(self.place_of(name))), sort_keys=True, default=str)
            for name in self.plan.suites
        }
        return {**said, "arms": arms, "suites": {name: text_digest(text) for name, text in texts.items()}}

    @property
    def digest(self) -> str:
        """SHA-256 of the meaning, 64 hex digits."""
        return text_digest(canonical_json(self.meaning))


def study_names() -> list[str]:
    """The studies that are shipped."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_study(name: str) -> Study:
    """A study from its file.

    Args:
        name: a shipped one's, or the path of a ``.toml`` file.

    Raises:
        InputError: there is no such study, or its file is wrong.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not path.is_file():
        raise InputError(f"{name!r} is no study or .toml file; {nearest(name, study_names())}")
    data = _read(path, "study")
    try:
        plan = Plan.model_validate(data)
    except ValidationError as error:
        raise InputError(f"study {path}: {_sentence(error.errors())}") from None
    try:
        study = Study(
            path if name.endswith(".toml") else name, path, plan, {arm: _config(arm, plan) for arm in plan.arms}
        )
        for suite in plan.suites:
            load_suite(study.place_of(suite), 1)
        _check_arms_differ(study)
    except InputError as error:
        raise InputError(f"study {path}: {error}") from None
    return study


def _config(arm: str, plan: Plan) -> Config:
    texts = (*plan.assignments, *plan.arms[arm].assignments)
    if wrong := sorted(assigned_keys(texts) & {*_NO_KEYS_OF_ARMS}):
        raise InputError(f"the arm {arm} sets {wrong[0]}, which is the study's: leave it out")
    try:
        return resolve_config(plan.arms[arm].preset, assignments=texts)
    except InputError as error:
        raise InputError(f"the arm {arm}: {error}") from None


def _start(config: Config) -> str:
    """The first walker, by what it is: its file may change under the same name."""
    if config.run.start == "random":
        return config.run.start
    try:
        return theta_digest(load_walker(config.run.start, config.policy.activations, ["random"]).theta)
    except InputError as error:
        raise InputError(f"run.start: {error}") from None


def _check_arms_differ(study: Study) -> None:
    seen: dict[str, Config] = {}
    for arm, config in study.configs.items():
        for other, theirs in seen.items():
            if not changed(config, theirs):
                raise InputError(f"the arms {other} and {arm} have the same settings: leave one out, or set a key")
        seen[arm] = config


def _suite(path: Path) -> dict[str, Any]:
    return read_terrain_file(path).terrain.to_json() if path.suffix == ".json" else _read(path, "suite")


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{what} {path} must be a readable TOML file, but is not: {error}") from None
    except RecursionError:
        raise InputError(f"{what} {path}: its brackets are nested too deeply") from None
    except ValueError:  # Python converts no number of so many digits
        raise InputError(f"{what} {path}: a number in it is too large") from None


def _sentence(errors: Sequence[ErrorDetails]) -> str:
    """One sentence about the first error; a wrong name comes before the right one that is missing for it."""
    error = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    *above, last = [str(part) for part in error["loc"]] or [""]
    place = ".".join([*above, last])
    if error["type"] == "extra_forbidden":
        kind = Arm if above[:1] == ["arms"] else Question if above[:1] == ["questions"] else Plan
        known = [info.alias or name for name, info in kind.model_fields.items()]
        return f"there is no key {place!r}; {nearest(last, known)}"
    if error["type"] == "missing":
        return f"it lacks the key {place!r}: write it"
    if error["type"] == "string_pattern_mismatch":
        name = _quoted(error["input"])
        return f"an arm's name must be small letters, digits, - and _, at most 64, but one is {name}: rename it"
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}" if place else str(error["ctx"]["error"])
    return f"{place} is {_quoted(error['input'])}, but {error['msg'][:1].lower()}{error['msg'][1:]}"


def _quoted(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python converts no number of so many digits
        return "a very large number"
