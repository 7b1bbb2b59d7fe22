"""The console script ``poet``: what each command is called, and what an error looks like.

Everything heavy is imported inside the commands, so that ``poet --help`` answers at once.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import NoReturn

import typer

from environments.errors import InputError
from experiments.commands import bench, control, evolve, record, show

#: Exit codes: the run or check failed; the user's input was wrong; stopped by Ctrl-C.
FAILED, BAD_INPUT = 1, 2

#: Errors of a place that the user chose, not of the run.
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}

app = typer.Typer(
    name="poet",
    help="Paired open-ended co-evolution of walkers and terrains: run, resume, look at, analyse.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    evolve.run, evolve.resume, show.status, show.replay, show.analyse, evolve.fork, record.fingerprint, record.verify,
    record.export, bench.bench,
):  # fmt: skip
    app.command()(command)
app.add_typer(control.app)


def main() -> None:
    """Run the command line; what a user did wrong is one sentence and no traceback."""
    try:
        # A user's "package.module:Name" is found where they stand; after our own root, which an editable install finds
        # later than any folder in sys.path: no folder of theirs may hide one of ours.
        sys.path += [str(Path(__file__).parents[1]), str(Path.cwd())]
        app()
    except InputError as error:
        _fail(error, BAD_INPUT)
    except OSError as error:
        if error.errno in _NOT_WRITABLE:
            place = error.filename or "the output"
            _fail(f"{place} cannot be written ({error.strerror}): name a place that you may write to", BAD_INPUT)
        if error.errno == errno.ENOSPC:
            _fail("the disk is full: make room and try again; runs are whole up to their last iteration", FAILED)
        _fail(error, FAILED)
    except MemoryError as error:
        _fail(f"there is not enough memory: {error}", FAILED)
    except RuntimeError as error:
        _fail(error, FAILED)


def _fail(error: object, code: int) -> NoReturn:
    print(f"poet: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
