"""The page ``docs/CONFIG.md``, made from what the code says of its settings."""

from __future__ import annotations

import re
from collections.abc import Iterable

from experiments.presets import describe_preset, preset_names
from experiments.reference.parts import PartSetting, part_settings
from experiments.settings import toml_text
from experiments.text import as_code, as_markdown
from poet.keys import describe_keys, describe_sections

_INTRODUCTION = """\
# Every config key

A run's settings are one tree of sections and keys. Where several things set a key, the last of these counts: its
default, the preset, the TOML file of `--config`, each `--set KEY=VALUE` in order, and options such as `--seed`. In a
TOML file a key is `es.pairs = 64`, or `pairs = 64` below `[es]`.

`poet config` prints the tables of this page as TOML, and `poet config es.pairs` one key with the presets that change
it. `poet config --preset demo` prints all values of a preset with their sources. What is printed can be saved, changed
and given back by `--config`. [POET.md](POET.md) says where papers and released code differ.

This page is made by `poet config --markdown > docs/CONFIG.md`; a test compares it with the code.
"""
_PARTS = {
    "trainer.settings": "Settings of the trainers, set in `trainer.settings`",
    "es.settings": "Settings of the strategies, set in `es.settings`",
    "policy.settings": "Settings of the policies, set in `policy.settings`",
}
#: What is code in a docstring.
_CODE = re.compile(r"(`[^`]+`)")


def config_page() -> str:
    """The whole page: presets, keys by section, settings of parts."""
    return "\n".join([_INTRODUCTION, *_presets(), *_sections(), *_parts()])


def _presets() -> list[str]:
    found = [describe_preset(name) for name in preset_names()]
    rows = [[as_code(one.name), as_markdown(one.time), as_markdown(f"{one.about} For {one.purpose}")] for one in found]
    return ["## Presets", "", *_table(["preset", "time", "what it is, and what for"], rows)]


def _sections() -> list[str]:
    lines, keys = [], describe_keys().values()
    for section, about in describe_sections().items():
        rows = [
            [as_code(key.name), as_code(toml_text(key.default)), *map(as_markdown, (key.takes, key.about, key.source))]
            for key in keys
            if key.name.startswith(f"{section}.")
        ]
        head = ["key", "default", "takes", "what it means", "where the default comes from"]
        lines += [f"## [{section}]", "", as_markdown(about), "", *_table(head, rows)]
    return lines


def _parts() -> list[str]:
    lines = ["## Settings of parts", "", "A part of your own has the fields of its class.", ""]
    for key, title in _PARTS.items():
        rows = [_part_row(one) for one in part_settings() if one.key == key]
        lines += [f"### {title}", "", *_table(["of", "setting", "default", "what it means"], rows)]
    return lines


def _part_row(one: PartSetting) -> list[str]:
    pieces = _CODE.split(one.about)
    about = "".join(as_code(piece.strip("`")) if piece.startswith("`") else as_markdown(piece) for piece in pieces)
    return [as_code(one.part), as_code(one.name), as_code(toml_text(one.default)), about]


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    """A table, and an empty line after it."""
    return [*(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)), ""]
