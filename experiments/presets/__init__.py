"""The presets: named differences from the defaults, one TOML file each, with the source of every number.

A file begins with a sentence on what it is, how long it takes (``# Time: ``) and what it is for (``# For: ``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.errors import InputError, nearest

_FOLDER = Path(__file__).parent
_SECTION = re.compile(r"\[(\w+)\]")
#: A value, and the comment that says where it comes from.
_VALUE = re.compile(r"(\w+) = .*\S  # (.+)")


@dataclass(frozen=True)
class Preset:
    """What a preset's file says of it.

    Attributes:
        name: for ``--preset``.
        about: what it is, a sentence.
        time: how long it takes.
        purpose: what it is for.
        sources: where its values come from, by ``section.key``.
    """

    name: str
    about: str
    time: str
    purpose: str
    sources: dict[str, str]


def preset_names() -> list[str]:
    """The names that ``--preset`` knows."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_preset(name: str) -> dict[str, Any]:
    """A preset's differences from the defaults, a layer for ``make_config``.

    Raises:
        InputError: there is no preset of that name.
    """
    import tomllib  # here, since every help lists the presets' names

    return tomllib.loads(_text(name))


def describe_preset(name: str) -> Preset:
    """What the comments in a preset's file say.

    Raises:
        InputError: there is no preset of that name.
    """
    about, *lines = _text(name).splitlines()
    said = {word: text for word, _, text in (line.removeprefix("# ").partition(": ") for line in lines)}
    section, sources = "", {}
    for line in lines:
        if heading := _SECTION.fullmatch(line):
            section = heading[1]
        elif value := _VALUE.fullmatch(line):
            sources[f"{section}.{value[1]}"] = value[2]
    return Preset(name, about.removeprefix("# "), said["Time"], said["For"], sources)


def _text(name: str) -> str:
    if name not in preset_names():
        raise InputError(f"unknown preset {name!r}; {nearest(name, preset_names())}")
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
