"""What acts: policies, strategies that improve them, and where episodes run. Part of poet-open-ended."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from poet_open_ended import check_packages

if TYPE_CHECKING:
    from agents.evaluation.rollout import rollout
    from agents.policies.mlp import MLPPolicy

__all__ = ["MLPPolicy", "rollout"]

_HOMES = {"MLPPolicy": "agents.policies.mlp", "rollout": "agents.evaluation.rollout"}

check_packages("environments")
import_module("environments")  # makes sure that our modules are imported exactly


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import agents`` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Includes names that are not imported yet, for ``help`` and completion."""
    return sorted({*globals(), *__all__})
