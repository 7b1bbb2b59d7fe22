"""Config keys as lines of TOML: what is printed can be saved, changed and given back by ``--config`` or ``--set``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from environments.errors import InputError
from experiments.presets import describe_preset, load_preset, preset_names
from experiments.settings import Layer, toml_text, with_terrains
from experiments.start_terrains import unread_text
from experiments.text import visible
from poet.config import make_config
from poet.keys import ConfigKey, describe_keys, describe_sections

_WIDTH = 100
#: Where comments behind values begin, if these are not longer.
_COMMENT_AT = 40


@dataclass(frozen=True)
class Given:
    """Values that lie over the defaults, or over each other.

    Attributes:
        origin: where they come from, such as ``--set``.
        values: by section and key.
        sources: where each comes from in turn, by ``section.key``; empty if that is not known.
    """

    origin: str
    values: Layer
    sources: Mapping[str, str] = field(default_factory=dict)


def given_by_preset(name: str) -> Given:
    """The values of a preset.

    Raises:
        InputError: there is no preset of that name.
    """
    return Given(f"preset {name}", load_preset(name), describe_preset(name).sources)


#: What people call some things that keys and their sentences call otherwise.
_OTHER_WORDS = {
    "lr": "learning_rate", "alpha": "learning_rate", "sigma": "noise_std", "std": "noise_std", "popsize": "pairs",
    "population": "pairs", "samples": "pairs", "generations": "iterations", "horizon": "max_steps",
    "hidden": "layer_sizes", "network": "policy", "optimizer": "strategy", "optimiser": "strategy", "env": "terrain",
    "environment": "terrain",
}  # fmt: skip


def find_keys(words: Sequence[str]) -> list[str]:
    """The keys that words name or that speak of them; no word: all.

    A word is a ``section.key``, a section, or the end of a key, such as ``pairs``; ``criterion`` also brings the keys
    that begin with it. One that is none of these is looked for in the names of keys and in their sentences.

    Raises:
        InputError: no key has or knows such a word.
    """
    keys, sections = list(describe_keys()), describe_sections()
    ends = {end: [key for key in keys if key.endswith(f".{end}")] for end in (key.partition(".")[2] for key in keys)}
    found: list[str] = []
    for word in words:
        if word in sections:
            found += [key for key in keys if key.startswith(f"{word}.")]
        elif word in keys or word in ends:
            found += [*ends.get(word, [word]), *(key for key in keys if f".{word}_" in key)]
        elif (called := _ours(word)) in keys:
            found.append(called)
        elif speaking := _keys_speaking_of(word):
            found += speaking
        else:
            close = get_close_matches(word, [*keys, *sections, *ends], n=1)
            hint = f"did you mean {' or '.join(map(repr, ends.get(close[0], close)))}?" if close else "see poet config"
            raise InputError(f"unknown config key or section {word!r}; {hint}")
    return list(dict.fromkeys(found)) if words else keys


def _ours(word: str) -> str:
    """A ``section.key`` whose key people call otherwise, as we call it."""
    section, _, end = word.partition(".")
    return f"{section}.{_OTHER_WORDS.get(end, end)}"


def _keys_speaking_of(word: str) -> list[str]:
    """The keys in whose names a word stands, or what people call otherwise; where there is none, in whose sentences."""
    sought = [word.casefold(), _OTHER_WORDS.get(word.casefold(), word.casefold())]
    keys = describe_keys()
    named = [name for name in keys if any({*one.split("_")} <= {*re.split("[._]", name)} for one in sought)]
    said = re.compile(rf"\b({'|'.join(re.escape(one) for one in sought)})s?\b", re.IGNORECASE)
    return named or [name for name, key in keys.items() if said.search(key.about)]


def merged_lines(given: Sequence[Given]) -> list[str]:
    """Every key with its value, and behind it the default if it differs, and where it comes from.

    Raises:
        InputError: an unknown key, or a value out of range.
    """
    values, sections = _merged(given), describe_sections()
    lines: list[str] = []
    for section, found in _by_section(describe_keys().values()):
        lines += ["", *_comment(f"[{section}] {sections[section]}")]
        lines += [_line(key, values, given) for key in found]
    return lines[1:]


def documented_lines(names: Sequence[str], given: Sequence[Given], is_detailed: bool) -> list[str]:
    """Some keys with all that is known of them, as comments before each.

    Args:
        names: ``section.key`` of each.
        given: what lies over the defaults.
        is_detailed: whether the presets that change a key, and the settings of parts, are listed too.

    Raises:
        InputError: an unknown key, or a value out of range.
    """
    values, keys, sections = _merged(given), describe_keys(), describe_sections()
    lines: list[str] = []
    for section, found in _by_section(keys[name] for name in names):
        lines += ["", *_comment(f"[{section}] {sections[section]}")]
        for key in found:
            lines += ["", *_comment(key.about), *_comment(f"Takes {key.takes}. Default from: {key.source}.")]
            lines += [*_presets_lines(key), *_parts_lines(key)] if is_detailed else []
            lines.append(_line(key, values, given))
    return lines[1:]


def _merged(given: Sequence[Given]) -> Layer:
    return make_config(*(with_terrains(one.values, unread_text) for one in given)).to_json()


def _line(key: ConfigKey, values: Layer, given: Sequence[Given]) -> str:
    """``es.pairs = 64  # default 256; preset desktop, ours``."""
    value = _value(values, key.name)
    line = f"{key.name} = {toml_text(value)}"
    last = next((one for one in reversed(given) if _has(one.values, key.name)), None)
    if last is None:
        return line
    default = f"default {toml_text(key.default)}; " if value != key.default else ""
    source = f", {last.sources[key.name]}" if key.name in last.sources else ""
    return visible(f"{line:<{_COMMENT_AT}}  # {default}{last.origin}{source}")


def _presets_lines(key: ConfigKey) -> list[str]:
    """The presets that set a key to something else than its default."""
    said = []
    for name in preset_names():
        values = load_preset(name)
        if _has(values, key.name) and (value := _value(values, key.name)) != key.default:
            said.append(f"Preset {name}: {toml_text(value)}, {describe_preset(name).sources[key.name]}")
    return [line for one in said for line in _comment(one)]


def _parts_lines(key: ConfigKey) -> list[str]:
    """What our parts take in a table of settings."""
    if not key.name.endswith(".settings"):
        return []
    from experiments.reference.parts import part_settings  # here, since this imports every part

    return [
        line
        for one in part_settings()
        if one.key == key.name
        for line in _comment(f"{one.part}: {one.name} = {toml_text(one.default)}: {one.about}")
    ]


def _by_section(keys: Iterable[ConfigKey]) -> list[tuple[str, list[ConfigKey]]]:
    found: dict[str, list[ConfigKey]] = {}
    for key in keys:
        found.setdefault(key.name.partition(".")[0], []).append(key)
    return list(found.items())


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _has(values: Mapping[str, Any], name: str) -> bool:
    section, _, key = name.partition(".")
    return key in values.get(section, {})


def _value(values: Mapping[str, Any], name: str) -> Any:
    section, _, key = name.partition(".")
    return values[section][key]
