"""Simulated walkers and the ground they walk on. Part of poet-open-ended."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from environments.exact_imports import import_exactly

if TYPE_CHECKING:
    from environments.terrain.cppn import CppnGenotype
    from environments.terrain.obstacles import ObstacleGenotype
    from environments.terrain.terrain import Terrain
    from environments.walker.vector_env import make_vec_env

__all__ = ["CppnGenotype", "ObstacleGenotype", "Terrain", "make_vec_env"]

# Public names are imported when first asked for: `import environments` costs neither numpy nor numba.
_HOMES = {
    "CppnGenotype": "environments.terrain.cppn",
    "ObstacleGenotype": "environments.terrain.obstacles",
    "Terrain": "environments.terrain.terrain",
    "make_vec_env": "environments.walker.vector_env",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Includes names that are not imported yet, for ``help`` and completion."""
    return sorted({*globals(), *__all__})


import_exactly()
importlib.import_module("environments.walker.registration").register_when_gymnasium_is_imported()
