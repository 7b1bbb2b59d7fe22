"""``poet config``, ``poet presets``, docs/CONFIG.md: settings are explained, and what is printed can be given back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agents.policies import POLICIES
from agents.strategies import STRATEGIES
from environments.engines import AUTO, ENGINES
from environments.terrain import our_genotypes
from environments.terrain.genes import GENE_GROUPS
from experiments.presets import describe_preset, load_preset, preset_names
from experiments.reference.page import config_page
from experiments.reference.parts import documented, part_settings
from experiments.settings import resolve_config
from poet.config import Config, config_keys
from poet.keys import describe_keys, describe_sections
from poet.parts import CRITERIA, NOVELTY_MEASURES
from poet.trainers import TRAINERS
from tests.experiments.command_line import ROOT, Poet

#: What the source of a default begins with.
ORIGINS = ("paper 2019", "paper 2020", "both papers", "released code", "ours", "rl-baselines3-zoo", "Stable-Baselines3")
#: The keys that name one of several things of ours.
NAMES = {
    "run.trainer": TRAINERS,
    "terrain.genotype": our_genotypes(),
    "terrain.obstacles": GENE_GROUPS,
    "es.strategy": STRATEGIES,
    "policy.kind": POLICIES,
    "poet.criterion": CRITERIA,
    "novelty.measure": NOVELTY_MEASURES,
    "evaluation.engine": (*ENGINES, AUTO),
}


def test_every_key_has_a_sentence_and_a_source() -> None:
    """Whoever adds a key says what it means and where its default comes from."""
    keys = describe_keys()
    undocumented = [key.name for key in keys.values() if not (key.about[:1].strip() and key.about.endswith("."))]
    without_source = [key.name for key in keys.values() if not key.source.startswith(ORIGINS)]

    assert config_keys() == list(keys)
    assert [] == undocumented
    assert [] == without_source
    assert all(about.endswith(".") for about in describe_sections().values())


def test_every_setting_of_a_part_has_a_sentence() -> None:
    """The docstring of a trainer, strategy or policy says what each of its fields is; a class before its bases."""
    found = part_settings()

    assert [] == [(one.part, one.name) for one in found if not one.about]
    assert {"curriculum", "plr", "pgpe", "gru"} <= {one.part for one in found}
    assert {"threshold", "roughness_step"} == {one.name for one in found if one.part == "curriculum"}
    about = {(one.part, one.name): one.about for one in found}
    assert about["sfl", "episodes"] != about["plr", "episodes"] == about["accel", "episodes"]


def test_a_docstring_explains_several_names_at_once_and_over_lines() -> None:
    """``a, b: words`` is said of both, and lines that go on belong to it."""

    class Base:
        """Some settings.

        Attributes:
            first, second: of the two
                there are.
            third: a base's.

        Raises:
            no: this is none.
        """

    class Own(Base):
        """Others.

        Attributes:
            third: ``its own``.
        """

    assert {"first": "of the two there are.", "second": "of the two there are.", "third": "`its own`."} == documented(
        Own
    )


@pytest.mark.parametrize("key", NAMES)
def test_a_key_that_names_a_part_names_all_of_ours(key: str) -> None:
    """A new trainer, strategy, policy, genotype, gene group, criterion, measure or engine is told of."""
    assert [] == [name for name in NAMES[key] if f"'{name}'" not in describe_keys()[key].about]


@pytest.mark.parametrize(
    ("key", "takes"),
    [
        ("run.seed", "a whole number from 0, below 2^63"),
        ("run.start_terrain_seed", '"drawn" or a whole number from 0, below 1,000,000'),
        ("es.learning_rate_decay", "a number above 0, at most 1"),
        ("policy.layer_sizes", "a list of 2 to 100 whole numbers from 1, at most 65,536"),
        ("terrain.obstacles", "a list of 1 or more texts"),
        ("run.reject", "a list of texts"),
        ("transfer.rule", '"2019" or "2020"'),
        ("poet.annecs", "true or false"),
        ("es.settings", "a table of settings"),
    ],
)
def test_what_a_key_takes_is_said_in_words(key: str, takes: str) -> None:
    """Type, range or allowed values, as the config checks them."""
    assert takes == describe_keys()[key].takes


def test_the_page_of_all_keys_is_up_to_date() -> None:
    """docs/CONFIG.md is what the code says."""
    page = (ROOT / "docs" / "CONFIG.md").read_text(encoding="utf-8")
    assert config_page() == page, "make it again: poet config --markdown > docs/CONFIG.md"


def test_markdown_prints_that_page_and_nothing_else(poet: Poet) -> None:
    """So the page is made by a command; with a key beside it nothing is printed."""
    refused = poet("config", "es", "--markdown")

    assert config_page() == poet("config", "--markdown").out
    assert (2, "") == (refused.code, refused.out)


@pytest.mark.parametrize("preset", preset_names())
def test_the_settings_of_a_preset_can_be_saved_and_given_back(poet: Poet, tmp_path: Path, preset: str) -> None:
    """The output is a TOML file that makes the same config; it has every key."""
    file = tmp_path / "saved.toml"
    file.write_text(poet("config", "--preset", preset).out, encoding="utf-8")
    stored = tomllib.loads(file.read_text(encoding="utf-8"))

    assert resolve_config(preset) == resolve_config(file=file)
    assert config_keys() == [f"{section}.{key}" for section, values in stored.items() for key in values]


def test_all_that_is_printed_without_a_preset_makes_the_defaults(poet: Poet, tmp_path: Path) -> None:
    """Also with comments; a part of it is a file too."""
    for words in ((), ("es", "poet.criterion_lower", "settings")):
        file = tmp_path / "saved.toml"
        file.write_text(poet("config", *words).out, encoding="utf-8")
        assert Config() == resolve_config(file=file)


def test_each_line_can_be_given_to_set(poet: Poet) -> None:
    """With its comment, in quotes."""
    changed = ("--set", "es.settings={a = 'b # c'}", "--set", "run.start=two words # and a mark")
    lines = poet("config", "--preset", "demo", *changed).out.splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]

    assert resolve_config("demo", assignments=changed[1::2]) == resolve_config(assignments=lines)


def test_terrains_that_a_file_lists_can_be_given_back(poet: Poet, tmp_path: Path) -> None:
    """As a table, a list, or paths, which stay paths; what JSON does not have is refused."""
    path, mine, again = tmp_path / "drawn.json", tmp_path / "mine.toml", tmp_path / "again.toml"
    path.write_text('{"ground": [[0, 3.5], [90, 3.5]], "obstacles": [], "push": 0}')
    for value in ("{roughness = 0.5}", f'["{path}", {{roughness = 0.5}}]', f'"{path}"'):
        mine.write_text(f"[run]\nstart_terrain = {value}\n", "utf-8")
        again.write_text(poet("config", "--config", mine).out, "utf-8")
        assert resolve_config(file=mine) == resolve_config(file=again) != Config()
        assert ("drawn.json" in value) == ("drawn.json" in again.read_text("utf-8"))
    mine.write_text("[run]\nstart_terrain = {roughness = nan}\n")
    ended = poet("config", "--config", mine)
    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("poet: run.start_terrain: ")


def test_each_value_says_the_default_from_which_it_differs_and_whence_it_comes(poet: Poet, tmp_path: Path) -> None:
    """Preset with the source in its file, file, --set: the last counts. What nothing sets has no mark."""
    file = tmp_path / "mine.toml"
    file.write_text("[es]\nnoise_std = 0.2\npairs = 4\n")
    ended = poet("config", "--preset", "demo", "--config", file, "--set", "es.pairs=5")
    lines = {line.split(" = ")[0]: line.partition(" = ")[2].split("  # ") for line in ended.out.splitlines()}
    found = {key: [part.strip() for part in parts] for key, parts in lines.items()}

    assert ["5", "default 256; --set"] == found["es.pairs"]
    assert ["0.2", f"default 0.1; {file}"] == found["es.noise_std"]
    assert ['"upward"', 'default "symmetric"; preset demo, paper: table 1'] == found["mutation.roughness_step"]
    assert ["1", "preset demo, released code"] == found["poet.max_admitted"]
    assert ["0.999"] == found["es.noise_decay"]


def test_a_key_in_detail_has_the_presets_that_change_it(poet: Poet) -> None:
    """Those that repeat the default are left out; with a preset its value is shown."""
    lines = poet("config", "es.pairs", "--preset", "demo").out.splitlines()

    assert "# Antithetic pairs in a generation, two episodes each." in lines
    assert "# Takes a whole number from 1. Default from: both papers: 512 samples." in lines
    assert "# Preset desktop: 64, ours" in lines
    assert not any("poet2019" in line for line in lines)
    assert lines[-1].startswith("es.pairs = 32 ")


def test_settings_of_parts_are_shown_with_their_key(poet: Poet) -> None:
    """The fields of each part of ours, with defaults and what they mean."""
    out = poet("config", "policy.settings").out

    assert "# gru: units = 8: the size of the GRU's state" in out


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("lr", ["es.learning_rate", "es.learning_rate_decay", "es.learning_rate_limit"]),
        ("sigma", ["es.noise_std"]),
        ("Friction", []),
        ("antithetic", ["es.pairs"]),
        ("criterion", ["poet.criterion", "poet.criterion_settings", "poet.criterion_lower", "poet.criterion_upper"]),
        ("es.lr", ["es.learning_rate"]),
    ],
)
def test_a_word_that_is_no_key_is_looked_for(poet: Poet, word: str, keys: list[str]) -> None:
    """In the names of keys, also of what people call otherwise; then in their sentences."""
    ended = poet("config", word)
    found = [line.partition(" = ")[0] for line in ended.out.splitlines() if line and not line.startswith(("#", "["))]

    assert set(keys) <= set(found)
    assert (0 if keys else 2) == ended.code
    assert len(found) <= len(keys) + 3


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("es.pears", "did you mean 'es.pairs'?"),
        ("pears", "did you mean 'es.pairs'?"),
        ("novlety", "did you mean 'novelty'?"),
        ("criterion_settigns", "did you mean 'poet.criterion_settings'?"),
        ("intervl", "did you mean 'transfer.interval' or 'validation.interval'?"),
        ("xyzzy", "see poet config"),
    ],
)
def test_a_mistyped_key_is_answered_by_the_nearest(poet: Poet, word: str, hint: str) -> None:
    """A key, the end of one, or a section."""
    ended = poet("config", word)

    assert (2, "") == (ended.code, ended.out)
    assert f"poet: unknown config key or section {word!r}; {hint}\n" == ended.err


def test_a_wrong_value_or_preset_is_one_sentence(poet: Poet, tmp_path: Path) -> None:
    """Nothing is printed of a config that cannot be."""
    file = tmp_path / "bad.toml"
    file.write_text("es = 3\n")
    for arguments, words in (
        (("--set", "es.pairs=0"), "es.pairs"),
        (("--preset", "dmeo"), "did you mean 'demo'?"),
        (("--config", file), "'es' must stand in a section"),
        (("es.pairs", "--config", tmp_path / "missing.toml"), "readable TOML file"),
    ):
        ended = poet("config", *arguments)
        assert (2, "") == (ended.code, ended.out)
        assert words in ended.err
        assert 1 == len(ended.err.splitlines())


def test_presets_are_listed_with_their_time_and_purpose(poet: Poet) -> None:
    """All of them, each with what its file says at its beginning; every value has its source."""
    out = " ".join(poet("presets").out.split())

    for name in preset_names():
        found = describe_preset(name)
        assert f"{name} {found.time} {found.about} For {found.purpose}" in out
        assert {f"{section}.{key}" for section, values in load_preset(name).items() for key in values} == set(
            found.sources
        )
