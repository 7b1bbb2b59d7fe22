"""``--quiet``: the option of every command that shows progress, and what asks for it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated, Any

import typer

_IS_QUIET = ContextVar("is_quiet", default=False)
_Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress; results are said all the same.")]


def is_quiet() -> bool:
    """Whether the command that runs must show no progress."""
    return _IS_QUIET.get()


def shows_progress(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one more option, ``--quiet``."""

    @functools.wraps(command)
    def with_option(*args: Any, quiet: bool = False, **kwargs: Any) -> None:
        before = _IS_QUIET.set(quiet or is_quiet())
        try:
            command(*args, **kwargs)
        finally:
            _IS_QUIET.reset(before)

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Quiet)
    parameters = [*signature.parameters.values(), option]
    with_option.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_option.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_option
