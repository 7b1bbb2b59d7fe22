"""Requests to stop, such as Ctrl-C, from the first line of a command to its last."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from types import FrameType
from typing import TYPE_CHECKING, Any

from environments.signals import handlers

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: The exit code of a command that was asked to stop: what a shell expects after Ctrl-C, 128 + SIGINT.
INTERRUPTED = 130
#: Seconds after which a lost interrupt is raised again.
_SOON = 0.1


class Interrupts:
    """What this process does when a signal asks it to stop: the first signal ends it, further ones change nothing.

    Attributes:
        came: the first signal that came, if any.
    """

    def __init__(self) -> None:
        self.came: signal.Signals | None = None
        self._num_blocks = 0
        self._before: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        """Handle all signals that ask to stop, except those ignored when the process began (``nohup``)."""
        self._before = handlers()
        for number in self._before:
            signal.signal(number, self._handle)

    def uninstall(self) -> None:
        """Restore the handlers from before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def block(self) -> Iterator[None]:
        """A block for code that has to tidy up: a signal raises ``KeyboardInterrupt`` in it, once."""
        hook, sys.unraisablehook = sys.unraisablehook, self._raise_again
        self._hook = hook
        self._num_blocks += 1
        try:
            yield
        finally:
            self._num_blocks -= 1
            sys.unraisablehook = hook

    def who(self) -> str:
        """`` by SIGTERM``, say; empty for Ctrl-C, whose user knows, and where no signal has come."""
        return "" if self.came in (None, signal.SIGINT) else f" by {self.came.name}"

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.came is not None:
            return  # a second one is not needed, and would interrupt the tidying up
        self.came = signal.Signals(number)
        if self._num_blocks:
            raise KeyboardInterrupt
        # Nothing has begun, and an import may turn an exception raised in it into any other.
        try:
            os.write(2, f"poet: stopped{self.who()}\n".encode())
        finally:
            os._exit(INTERRUPTED)

    def _raise_again(self, lost: UnraisableHookArgs) -> None:
        """Called when a ``__del__`` or a callback from C has swallowed the exception: raise it again afterwards."""
        if lost.exc_type is KeyboardInterrupt and self.came is not None:
            number, self.came = self.came, None
            Timer(_SOON, os.kill, (os.getpid(), number)).start()
        else:
            self._hook(lost)


_in_force: list[Interrupts] = []


def stop_at_once() -> None:
    """From here on a signal that asks to stop ends the process with a line and ``INTERRUPTED``, outside of blocks."""
    _in_force[:] = [Interrupts()]
    _in_force[0].install()


def end() -> None:
    """From here on nothing can be stopped any more. If there was an interrupt, the process ends here."""
    for number in handlers():
        signal.signal(number, signal.SIG_IGN)
    if _in_force and _in_force[0].came is not None:
        # Python would kill itself by SIGINT if KeyboardInterrupt has ever passed through certain kinds of imports.
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(INTERRUPTED)


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """A block that signals of ``environments.signals.STOPPING`` end by ``KeyboardInterrupt``, once; for tidying up."""
    if _in_force:
        with _in_force[0].block():
            yield _in_force[0]
        return
    mine = Interrupts()
    _in_force.append(mine)
    try:
        with mine.block():
            mine.install()
            yield mine
    finally:
        mine.uninstall()
        _in_force.clear()


@contextmanager
def stopping_cleanly() -> Iterator[Interrupts]:
    """The same for a command, which ends with a line and ``INTERRUPTED``.

    Raises:
        SystemExit: it was interrupted.
    """
    with interrupts() as requests:
        try:
            yield requests
        except (KeyboardInterrupt, Exception) as error:
            if not is_interrupt(error):
                raise
            print(f"poet: stopped{requests.who()}", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an error is ``KeyboardInterrupt``, or one that some import or library has made of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
