"""POET: niches and their agents, evolved together. ``poet.open_run`` reads what a run recorded.

Part of poet-open-ended.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from poet_open_ended import check_packages

if TYPE_CHECKING:
    from poet.archive.reader import open_run

__all__ = ["open_run"]

# Imported when first asked for: `import poet` costs neither numpy nor numba.
_HOMES = {"open_run": "poet.archive.reader"}

check_packages("environments", "agents")
importlib.import_module("environments")  # makes sure that our modules are imported exactly


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Includes names that are not imported yet, for ``help`` and completion."""
    return sorted({*globals(), *__all__})
