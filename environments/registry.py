"""How a config names a piece of code: one of ours by its short name, a user's as ``package.module:Name``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, TypeVar

from environments.errors import InputError, nearest
from environments.signals import held

Thing = TypeVar("Thing")


def load_named(name: str, known: Mapping[str, Thing], what: str) -> Thing | Any:
    """The thing called ``name``.

    Args:
        name: a key of ``known``, or ``"package.module:Name"`` to import.
        known: what we offer, by short name.
        what: the kind of thing, for the error sentence, such as ``"genotype"``.

    Returns:
        The value in ``known``, or whatever the module holds under that name: the caller checks that it fits.

    Raises:
        InputError: the name is unknown, the module does not import, or it holds no such name.
    """
    if name in known:
        return known[name]
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise InputError(
            f"unknown {what} {name!r}: {nearest(name, known)} (your own is named as 'package.module:Name')"
        )
    try:
        with held():  # half an import is worse than to wait for its end
            module = importlib.import_module(module_name)
    except Exception as error:  # a user's module may fail in any way while it is imported
        raise InputError(f"{what} {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        known_names = [found for found in dir(module) if not found.startswith("_")]
        raise InputError(f"{what} {name!r}: the module has no {attribute!r}; {nearest(attribute, known_names)}")
    return getattr(module, attribute)
