"""Settings as printed and as typed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from experiments.presets import load_preset, preset_names
from experiments.settings import describe, differences, for_trainer, resolve_config
from poet.config import Config, config_keys, make_config
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import TINY, assert_refused

TEXTS = (
    "plain", "two words", " blanks ", "it's", 'a"b', "$HOME", "2020", "1e3", "true", "[a]", "[a,b]", "{a = 1}", "a=b",
    "", "ä → 中", "\x1b[31m\x7f\u202e", "\n", "\\", "-x", "😀", "nan", "2026-11-29", "# no comment",
)  # fmt: skip
#: More values than the defaults for keys of each type.
VALUES: dict[type, tuple[Any, ...]] = {
    bool: (True, False),
    int: (1, 7, 2000),
    float: (0.125, 1e-5, 1.0, 3, 60.5),
    str: TEXTS,
    tuple: (("roughness",), ("stairs", "roughness"), (24, 9, 4)),
    dict: ({"step_length": 0.1}, {"a b": "it's", "n": 3, "s": "2"}, {"=": "\x1b"}),
}
#: The values of keys whose other values say that something is to be read, or do not go with the other keys' defaults.
ONLY: dict[str, tuple[Any, ...]] = {
    "run.start_terrain": ('{"roughness": 1}', '[{"roughness":1},{}]'),
    "ppo.batch": (64, 128),
}


def configs_of(key: str) -> list[Config]:
    """Configs that have, for this key, every value above that is one of it."""
    section, _, name = key.partition(".")
    default = getattr(getattr(Config(), section), name)
    choices = get_args(type(getattr(Config(), section)).model_fields[name].annotation)
    lists: dict[str, list[list[Any]]] = {
        "run.reject": [list(TEXTS), *([text] for text in TEXTS)],
        "policy.layer_sizes": [[24, 8, 4], [24, 4]],
    }
    found = []
    for value in ONLY.get(key) or [*VALUES[type(default)], *choices, *lists.get(key, []), 3]:
        try:
            found.append(make_config({section: {name: value}}))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("key", config_keys())
def test_every_setting_can_be_pasted_back(key: str) -> None:
    """What is printed of a config, behind ``--set`` in a shell, makes the same config: for every key and value."""
    configs = configs_of(key)
    assert configs
    printed = [described for config in configs if (described := describe(differences(config)))]
    assert printed
    script = 'for word in "$@"; do printf "%s\\0" "$word"; done'
    lines = [f"set -- {one}\n{script}\nprintf '\\001'" for one in printed]
    words = subprocess.run(["sh", "-c", "\n".join(lines)], capture_output=True, check=True).stdout.split(b"\x01")
    pasted = [[word.decode() for word in some.split(b"\0") if word] for some in words[:-1]]
    assert [c for c in configs if differences(c)] == [resolve_config(assignments=some) for some in pasted]


def test_presets_and_lists_without_quotes_can_be_pasted_back() -> None:
    """A whole preset; and a list as a shell hands it over that took its quotes away."""
    for name in preset_names():
        config = make_config(load_preset(name))
        pasted = [
            f"{key}={value}" for key, value in differences(config).items() if isinstance(value, str | int | float)
        ]
        lists = [f"{key}=[{','.join(v)}]" for key, v in differences(config).items() if isinstance(v, list)]
        assert config == resolve_config(assignments=[*pasted, *lists])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "run.start=randon"), "'randon'"),
        (("--set", "run.start=missing.npz"), "missing.npz"),
        (("--set", "poet.criterion=nowhere:Nothing"), "nowhere"),
        (("--set", "terrain.genotype=cpnn"), "'cpnn'"),
        (("--set", "es.strategy=pgpee"), "'pgpee'"),
        (("--set", "novelty.measure=nearest"), "'nearest'"),
        (("--set", "es.pairs=1000000000000"), "GiB"),
        (("--engine", "box3d"), "box3d"),
    ],
)
def test_an_error_comes_before_anything_is_said(
    poet: Poet, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    """Whatever key is wrong: no settings are printed before it, and nothing is made."""
    ended = poet("run", tmp_path / "run", *TINY, *options)
    assert_refused(ended, words)
    assert "" == ended.out
    assert not list(tmp_path.iterdir())


def test_a_resumed_run_that_is_refused_says_nothing_else(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """A place that takes no folder, and a report that cannot be, are refused at once too."""
    (tmp_path / "file").write_text("")
    for ended in (
        poet("run", tmp_path / "file" / "run", *TINY),
        poet("analyse", tiny_run, "--output", tmp_path / "file"),
        poet("analyse", tiny_run, "--output", tmp_path),
    ):
        assert_refused(ended, str(tmp_path))
        assert "" == ended.out


def test_another_trainer_keeps_what_it_reads() -> None:
    """The rest stands at its default, by section or by key, and so do settings that mean something else to it."""
    run = resolve_config(
        assignments=["es.pairs=7", "es.on_arrival=kept", "transfer.interval=3", "trainer.settings={a = 1}"]
    )

    for trainer, arrival in (("es", "fresh"), ("curriculum", "kept")):
        config = for_trainer(run, trainer)
        assert (7, arrival) == (config.es.pairs, config.es.on_arrival)
        assert (Config().transfer, {}) == (config.transfer, config.trainer.settings)
    assert run.es == for_trainer(run, "poet").es
    assert run.transfer == for_trainer(run, "poet").transfer
