"""The presets: named differences from the defaults, one TOML file each, with the source of every number."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from environments.errors import InputError, nearest

_FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """The names that ``--preset`` knows."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_preset(name: str) -> dict[str, Any]:
    """A preset's differences from the defaults, a layer for ``make_config``.

    Raises:
        InputError: there is no preset of that name.
    """
    if name not in preset_names():
        raise InputError(f"unknown preset {name!r}; {nearest(name, preset_names())}")
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
