"""``--example``: the option of every command that only looks at runs, in the place of RUN."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import typer

from environments.errors import InputError

_Example = Annotated[bool, typer.Option("--example", help="Take the run that comes with POET, in the place of RUN.")]


def takes_example(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one more option, ``--example``, with which RUN is left out.

    Args:
        command: its first parameter is the folder of a run, or a list of such folders.
    """
    signature = inspect.signature(command, eval_str=True)
    run, *others = signature.parameters.values()
    kind, argument = get_args(run.annotation)

    @functools.wraps(command)
    def with_option(*, example: bool = False, **kwargs: Any) -> None:
        if example == bool(kwargs[run.name]):
            found = "both" if example else "neither"
            raise InputError(f"give RUN, a run's folder, or --example for the run that comes with POET; found {found}")
        if example:
            from experiments.example import example_folder

            folder = example_folder()
            kwargs[run.name] = [folder] if get_origin(kind) is list else folder
        command(**kwargs)

    # Not required by typer, which cannot say that --example is the other way.
    optional = run.replace(annotation=Annotated[kind | None, argument], default=None)
    option = inspect.Parameter("example", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Example)
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (optional, *others, option)]
    with_option.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_option.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_option
