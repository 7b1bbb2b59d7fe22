"""The settings that parts of ours have besides the config's keys, read from their classes' docstrings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from inspect import cleandoc
from typing import Any

from agents.policies import POLICIES
from agents.strategies import STRATEGIES
from environments.registry import load_named
from poet.config import EsConfig, PolicyConfig
from poet.trainers import TRAINERS

#: The parts whose own settings stand under a key, and the fields that are set elsewhere: a run takes the number of
#: hidden units from its policy.
_PARTS: dict[str, tuple[Mapping[str, str], frozenset[str]]] = {
    "trainer.settings": (TRAINERS, frozenset()),
    "es.settings": (STRATEGIES, frozenset({*EsConfig.model_fields, "hidden_units"})),
    "policy.settings": (POLICIES, frozenset(PolicyConfig.model_fields)),
}
#: An entry of ``Attributes:`` in a docstring: names, then what they are.
_ENTRY = re.compile(r"    (\w+(?:, \w+)*): (.*)")


@dataclass(frozen=True)
class PartSetting:
    """A setting of one part.

    Attributes:
        key: where it is set, such as ``es.settings``.
        part: the part that has it, as the config names it.
        name: of the setting.
        default: its value where nothing sets it.
        about: what it means; empty if its class does not say.
    """

    key: str
    part: str
    name: str
    default: Any
    about: str


def part_settings() -> tuple[PartSetting, ...]:
    """The settings of trainers, strategies and policies that are no keys of their own. Our other parts have none."""
    return tuple(
        PartSetting(key, part, field.name, field.default, documented(kind).get(field.name, ""))
        for key, (parts, elsewhere) in _PARTS.items()
        for part, place in parts.items()
        for kind in (load_named(place, {}, key),)
        for field in fields(kind)
        if field.name not in elsewhere
    )


def documented(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of its bases say about its attributes, by name; a class before its bases."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, text = cleandoc(base.__dict__.get("__doc__") or "").partition("Attributes:\n")
        names: list[str] = []
        for line in text.splitlines():
            if not line.startswith("    "):
                break
            if entry := _ENTRY.fullmatch(line):
                names = entry[1].split(", ")
                said |= dict.fromkeys(names, entry[2])
            else:
                said |= {name: f"{said[name]} {line.strip()}" for name in names}
    return {name: text.replace("``", "`") for name, text in said.items()}
