"""How a config names a piece of code (ours by a short name, a user's as ``package.module:Name``) and sets it up."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar

from environments.errors import InputError, nearest
from environments.signals import held

Thing = TypeVar("Thing")
Base = TypeVar("Base")


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
        with held():  # half an import is worse than waiting for its end
            module = importlib.import_module(module_name)
    except InputError:  # already a sentence, such as of a package that is missing
        raise
    except Exception as error:  # a user's module may fail in any way while it is imported
        raise InputError(f"{what} {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        known_names = [found for found in dir(module) if not found.startswith("_")]
        raise InputError(f"{what} {name!r}: the module has no {attribute!r}; {nearest(attribute, known_names)}")
    return getattr(module, attribute)


def load_class(name: str, known: Mapping[str, Any], base: type[Base], what: str) -> type[Base]:
    """The class called ``name``.

    Args:
        name: a key of ``known``, or ``"package.module:Name"`` of a user's own.
        known: ours, by short name; each the class, or where it is, as ``"package.module:Name"``.
        base: what it must be a subclass of.
        what: the kind of thing, for the error sentence.

    Raises:
        InputError: as ``load_named``, or it is not a concrete subclass of ``base``.
    """
    found = load_named(name, known, what)
    found = load_named(found, {}, what) if isinstance(found, str) else found
    if not (isinstance(found, type) and issubclass(found, base)) or inspect.isabstract(found):
        raise InputError(
            f"{what} {name!r} must be a concrete subclass of {base.__module__}.{base.__name__}, but is {found!r}"
        )
    return found


def import_optional(name: str, extra: str, what: str) -> ModuleType:
    """A module of a package that not everybody has installed.

    Args:
        name: of the module.
        extra: of ours that brings its package.
        what: needs it, for the error sentence.

    Raises:
        InputError: the package is not installed.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name != package:  # it is there, but something that it needs is not
            raise
        raise InputError(f"{what} needs the package {package}: pip install 'poet-open-ended[{extra}]'") from None


def own_settings(
    part: Callable[..., object], settings: Mapping[str, Any], key: str, given: Mapping[str, str]
) -> dict[str, Any]:
    """A part's own settings, checked against what its constructor takes.

    Args:
        part: its class, whose constructor takes them by name.
        settings: found under a config key.
        key: that key, for the error sentence.
        given: the parameters that are set elsewhere, with the config key of each.

    Returns:
        ``settings``, to be given to ``part`` by name.

    Raises:
        InputError: the part has no such setting, it is set elsewhere, or one is missing that has no default.
    """
    parameters = inspect.signature(part).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    own = [
        setting
        for setting, parameter in parameters.items()
        if setting not in given and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    name = getattr(part, "__name__", str(part))
    for setting in settings:
        if setting in given:
            raise InputError(f"{key} has {setting!r}, which is set by {given[setting]}")
        if setting not in own and inspect.Parameter.VAR_KEYWORD not in kinds:
            has = nearest(setting, own) if own else "it has none"
            raise InputError(f"{key} has {setting!r}, but {name} has no such setting: {has}")
    for setting in own:
        if parameters[setting].default is inspect.Parameter.empty and setting not in settings:
            raise InputError(f"{key} lacks {setting!r}, which {name} needs")
    return dict(settings)
