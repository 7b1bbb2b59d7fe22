"""From a command line to a config: preset, file, ``--set`` and flags, of which later ones win."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from environments.errors import InputError, nearest
from experiments.presets import load_preset
from experiments.start_terrains import num_roots, start_terrain_text
from experiments.text import shortened, visible
from poet.config import Config, config_keys, config_value, make_config
from poet.trainers import unread_keys

#: ``run.iterations`` of a run that only its env-steps should end: more than it can reach.
NO_END = 10**9
#: Keys that mean something else to each trainer.
_OF_TRAINERS = ("trainer.settings", "trainer.source")
#: Sections of a config by key by value, as TOML has them.
Layer = dict[str, dict[str, Any]]


def resolve_config(
    preset: str | None = None,
    file: Path | None = None,
    assignments: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
    base: Config | None = None,
) -> Config:
    """The config that a command line asks for.

    Args:
        preset: its name; None for the defaults.
        file: a TOML file laid over it; None for none.
        assignments: ``key=value`` texts laid over that, in order.
        flags: values of options such as ``--seed`` by key, laid over all; None means not given.
        base: the config of a stored run to start from; None for the defaults.

    Raises:
        InputError: a preset, key or value that does not exist, or a file that cannot be read.
    """
    layers = [load_preset(preset)] if preset else []
    layers += [read_config_file(file)] if file else []
    layers += [parse_assignment(text) for text in assignments]
    layers += [_layer(key, value) for key, value in (flags or {}).items() if value is not None]
    _check_num_roots(layers, base)
    layers = [with_terrains(layer, start_terrain_text) for layer in layers]
    # A stored config names no files, and none that it might name is read.
    return make_config(*([base.to_json()] if base else []), *layers)


def for_trainer(config: Config, trainer: str) -> Config:
    """The settings of a run for another trainer: what that one does not read, and settings of its own, are defaults.

    So two controls that do the same are the same run.

    Raises:
        InputError: no trainer of that name.
    """
    layers = [_layer(key, config_value(Config(), key)) for key in (*unread_keys(trainer), *_OF_TRAINERS)]
    return make_config(config.to_json(), *layers)


def assigned_keys(assignments: Iterable[str]) -> set[str]:
    """The keys that ``key=value`` texts set."""
    return {text.partition("=")[0].strip() for text in assignments}


def parse_assignment(text: str) -> Layer:
    """The layer that ``section.key=value`` means; the value is TOML, or a plain string where that does not fit.

    Raises:
        InputError: no ``=``, or a key that is not known.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise InputError(f"--set takes key=value, such as es.pairs=64, found {text!r}")
    if key not in config_keys():
        raise InputError(f"unknown config key {key!r}; {nearest(key, config_keys())}")
    try:
        layer = _layer(key, tomllib.loads(f"value = {value}")["value"])
    except tomllib.TOMLDecodeError:
        # [stump_height,stairs], without the quotes that a shell takes away.
        words, plain = _layer(key, [word.strip() for word in value[1:-1].split(",")]), _layer(key, value)
        # If neither fits, one of the words is wrong, and the error sentence should name that word.
        return words if value.startswith("[") and value.endswith("]") and (_fits(words) or not _fits(plain)) else plain
    # transfer.rule=2020 is a number in TOML and a name to us.
    return layer if _fits(layer) or not _fits(_layer(key, value)) else _layer(key, value)


def assignment(key: str, value: Any) -> str:
    """The text from which ``parse_assignment`` makes this value: plain if that works, otherwise TOML."""
    plain = f"{key}={value}"
    try:
        is_read_back = isinstance(value, str) and parse_assignment(plain) == _layer(key, value)
    except InputError:
        is_read_back = False
    return plain if is_read_back else f"{key}={toml_text(value)}"


def toml_text(value: Any) -> str:
    """A value as TOML has it, in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, except for letters beyond 16 bits. Invisible letters are escaped likewise.
        return visible(json.dumps(value, ensure_ascii=False))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_text, value)) + "]"
    return repr(value)


def read_config_file(path: Path) -> Layer:
    """The layer in a TOML file.

    Raises:
        InputError: it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"--config must be a readable TOML file, but {str(path)!r} is not: {error}") from error


def differences(config: Config, base: Config | None = None) -> dict[str, Any]:
    """The values of ``config`` that differ from those of ``base`` (None for the defaults), by ``section.key``."""
    values, others = config.to_json(), (base or Config()).to_json()
    return {
        f"{section}.{key}": value
        for section, keys in values.items()
        for key, value in keys.items()
        if value != others[section][key]
    }


def describe(values: Mapping[str, Any]) -> str:
    """Config values in one line: ``es.pairs=64 run.seed=3``. Each can be copied into a shell after ``--set``.

    Of a very long one, such as a drawn terrain, only the beginning is shown.
    """
    return " ".join(shortened(shlex.quote(assignment(key, value))) for key, value in values.items())


def with_terrains(layer: Layer, text_of: Callable[[Any], Any]) -> Layer:
    """The layer with ``run.start_terrain`` as a text.

    Args:
        layer: in which it may be missing.
        text_of: ``start_terrain_text``, whose text has what is in the files, since these may change or vanish; or
            ``unread_text``.
    """
    if not _has_terrain(layer):
        return layer
    return {**layer, "run": {**layer["run"], "start_terrain": text_of(layer["run"]["start_terrain"])}}


def _check_num_roots(layers: list[Layer], base: Config | None) -> None:
    """Refuse too many terrains for POET before any of their files is read."""
    found = max((num_roots(layer["run"]["start_terrain"]) for layer in layers if _has_terrain(layer)), default=1)
    if found == 1:
        return
    from poet.trainers.poet import check_num_roots  # here, so that settings alone do not import NumPy

    others = [with_terrains(layer, lambda _: "") for layer in layers]
    config = make_config(*([base.to_json()] if base else []), *others)
    if config.run.trainer == "poet":
        check_num_roots(found, config)


def _has_terrain(layer: Layer) -> bool:
    run = layer.get("run")
    return isinstance(run, dict) and "start_terrain" in run


def _fits(layer: Layer) -> bool:
    try:
        make_config(layer)
    except InputError:
        return False
    return True


def _layer(key: str, value: Any) -> Layer:
    section, _, name = key.partition(".")
    return {section: {name: value}}
