"""Evolution strategies by name."""

from __future__ import annotations

import inspect
from typing import Any

from agents.strategies.base import AbstractStrategy
from environments.registry import load_class, own_settings

#: Our strategies, imported when first asked for.
STRATEGIES = {
    "openai_es": "agents.strategies.openai_es:OpenAIES",
    "standardised_es": "agents.strategies.standardised_es:StandardisedES",
    "averaged_es": "agents.strategies.averaged_es:AveragedES",
    "pgpe": "agents.strategies.evotorch:Pgpe",
    "cem": "agents.strategies.evotorch:Cem",
}


def make_strategy(name: str, **settings: Any) -> AbstractStrategy[Any]:
    """The strategy called ``name``.

    Args:
        name: a key of ``STRATEGIES``, or ``"package.module:Name"`` of a user's subclass of ``AbstractStrategy``.
        settings: its fields; a field that is left out keeps its default.

    Raises:
        InputError: no strategy of that name, no such setting, one is missing, or a value out of range.
    """
    strategy = _strategy_class(name)
    return strategy(**own_settings(strategy, settings, f"strategy {name!r}", {}))


def setting_names(name: str) -> list[str]:
    """The names of the settings of the strategy called ``name``.

    Raises:
        InputError: no strategy of that name.
    """
    return list(inspect.signature(_strategy_class(name)).parameters)


def _strategy_class(name: str) -> type[AbstractStrategy[Any]]:
    return load_class(name, STRATEGIES, AbstractStrategy, "strategy")
