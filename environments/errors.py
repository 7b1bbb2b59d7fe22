"""The one exception class for what a user did wrong."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from operator import index
from typing import SupportsIndex, cast

_MOST = 2**31 - 1


class InputError(ValueError):
    """Bad input, said in one sentence: what, what was expected, what was found, how to mend it.

    The command line prints the sentence without a traceback and exits with code 2.
    """


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raise ``InputError`` unless the name of a ``what`` is known."""
    names = list(known)
    if name not in names:
        raise InputError(f"{what} must be one of {', '.join(names)}, but is {name!r}; {nearest(name, names)}")


def check_count(name: str, value: object) -> None:
    """Raise ``InputError`` unless the value of ``name`` is a whole number from 1 on, NumPy's too, within an int32."""
    try:
        count = 0 if isinstance(value, bool) else index(cast(SupportsIndex, value))
    except TypeError:
        count = 0
    if count < 1:
        raise InputError(f"{name} must be a whole number from 1 on, but is {value!r}")
    if count > _MOST:
        raise InputError(f"{name} must be at most {_MOST}, but is {value!r}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The part of an error sentence that offers the nearest known name, or lists them all.

    Args:
        name: what the user wrote.
        known: the names that exist.

    Returns:
        ``"did you mean 'x'?"`` where one is close, otherwise ``"known: a, b, c"``.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
