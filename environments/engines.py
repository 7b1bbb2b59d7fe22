"""Who integrates: the one table of engines, for whole episodes and for the worlds of a vector environment.

An engine has two halves, and each is imported by those who use it. Here are their names alone: this package imports no
agents.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from environments.errors import InputError, nearest
from environments.registry import load_named


@dataclass(frozen=True)
class Engine:
    """Where an engine is.

    Attributes:
        episodes: ``"package.module:Name"`` of what runs whole episodes, a subclass of
            ``agents.rollouts.base.AbstractEngine``.
        worlds: the same of its ``environments.walker.worlds.Worlds``, which are stepped by actions from outside; empty
            if it has none.
    """

    episodes: str
    worlds: str = ""


#: By name.
ENGINES = {
    "simd": Engine("agents.rollouts.engines:Simd", "environments.walker.simd:SimdWorlds"),
    "cuda": Engine("agents.rollouts.engines:Cuda"),
    "box2d": Engine("agents.rollouts.engines:Box2D", "environments.walker.box2d_worlds:Box2DWorlds"),
}

#: The name that stands for the fastest engine that runs here.
AUTO = "auto"


def find_engine(name: str) -> Engine:
    """The engine called ``name``.

    Args:
        name: a key of ``ENGINES``, or ``"package.module:Name"`` of a user's own subclass of ``AbstractEngine``, which
            is imported, and whose attribute ``worlds`` names its worlds.

    Raises:
        InputError: there is none of that name.
    """
    if not isinstance(name, str):
        raise InputError(f"engine must be a name, but is {name!r}; {nearest('', (*ENGINES, AUTO))}")
    if name in ENGINES:
        return ENGINES[name]
    own = load_named(name, dict.fromkeys((*ENGINES, AUTO)), "engine")
    return Engine(name, getattr(own, "worlds", ""))


def engines_with_worlds() -> list[str]:
    """The engines that step worlds, in the order of ``ENGINES``."""
    return [name for name, engine in ENGINES.items() if engine.worlds]


def box2d_problem() -> str | None:
    """Why Box2D cannot be used here, as a sentence without its full stop; None if it can."""
    try:
        importlib.import_module("environments.physics.box2d")
    except InputError as error:
        return str(error)
    return None
