"""POET: niches and their agents, evolved together. ``poet.open_run`` reads what a run recorded."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from environments.arithmetic import exact

if TYPE_CHECKING:
    from poet.archive.reader import open_run

__all__ = ["open_run"]

# Imported when first asked for: `import poet` costs neither numpy nor numba.
_HOMES = {"open_run": "poet.archive.reader"}


@exact  # a module's constants are rounded too
def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
