"""The one exception class for what a user did wrong."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

#: Bounds of a count, for ``whole_number``: kernels count in int32.
COUNT = 1, 2**31 - 1


class InputError(ValueError):
    """Bad input, explained in one sentence: what was expected, what was found, and how to fix it.

    The command line prints the sentence without a traceback and exits with code 2.
    """


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raise ``InputError`` unless ``name`` is a known ``what``."""
    names = list(known)
    if name not in names:
        raise InputError(f"{what} must be one of {', '.join(names)}, but is {name!r}; {nearest(name, names)}")


def whole_number(what: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """A whole number of any kind as a Python ``int``: NumPy's, pandas', or a float without a fraction.

    Args:
        what: what it is, for the error sentence.
        value: what a caller gave.
        least, most: its bounds; None for no bound.

    Raises:
        InputError: it is something else, such as a truth value or a text.
    """
    try:
        is_whole = not isinstance(value, bool) and (hasattr(value, "__index__") or value.is_integer())
        number = (operator.index(value) if hasattr(value, "__index__") else int(value)) if is_whole else None
    except (AttributeError, TypeError):
        number = None
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" from {least} on"
        raise InputError(f"{what} must be a whole number{bound}, but is {value!r}")
    if most is not None and number > most:
        raise InputError(f"{what} must be at most {most}, but is {value!r}")
    return number


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
