"""The console script ``poet``: how errors are shown, and what Ctrl-C does from the first line to the last."""

from __future__ import annotations

import sys
from typing import NoReturn

from environments.errors import InputError
from experiments import interrupts, listener

#: Exit codes, besides that of ``interrupts``: the run or check failed; the user's input was wrong.
FAILED, BAD_INPUT = 1, 2


def main() -> NoReturn:
    """Run the command line, and end the process; what a user did wrong is one sentence and no traceback.

    Raises:
        SystemExit: always, with the exit code.
    """
    interrupts.stop_at_once()
    listener.may_go_away()
    try:
        call()
    finally:
        interrupts.end()


def call() -> NoReturn:
    """Run the command line in a process that has other things to do.

    Raises:
        SystemExit: always, with the exit code.
    """
    # Imported here: this takes a while, during which Ctrl-C already works.
    import errno
    from contextlib import suppress
    from pathlib import Path

    # A user's "package.module:Name" is looked up in the current folder, but after our own root: an editable install
    # finds that root after all folders in sys.path, and no folder of the user's may hide one of ours.
    sys.path.append(str(Path(__file__).parents[1]))
    with suppress(OSError):  # the folder was removed, or may not be looked into
        sys.path.append(str(Path.cwd()))
    from experiments.commands.app import app
    from experiments.commands.terminal import open_streams

    open_streams()
    try:
        app()
    except InputError as error:
        _fail(error, BAD_INPUT)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):  # of a path that the user chose
            place = error.filename or "the output"
            _fail(f"{place} cannot be written ({error.strerror}): name a place that you may write to", BAD_INPUT)
        if error.errno == errno.ENOENT:
            _fail(f"{error.filename or 'the output'} was taken away meanwhile: run the command again", FAILED)
        if error.errno == errno.ENOSPC:
            _fail("the disk is full: make room and try again; runs are whole up to their last iteration", FAILED)
        _fail(error, FAILED)
    except MemoryError as error:
        _fail(f"there is not enough memory: {error}", FAILED)
    except RuntimeError as error:
        _fail(error, FAILED)
    sys.exit()  # not reached: typer ends every command by SystemExit


def _fail(error: object, code: int) -> NoReturn:
    from experiments.commands.terminal import say

    say(f"poet: {' '.join(line.strip() for line in str(error).splitlines())}", is_problem=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
