"""Signals that ask a process to stop, and blocks that they do not interrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Ctrl-C, a plain ``kill``, a terminal that closes, and the warnings of Slurm, PBS, LSF and Grid Engine before a kill.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


def handlers() -> dict[signal.Signals, Any]:
    """The present handler of each signal of ``STOPPING``, without those that are ignored, as under ``nohup``.

    Empty outside the main thread, which alone may set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in STOPPING}
    return {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """A block that no signal interrupts: handlers run after it. In threads other than the main one it does nothing.

    It yields a function that lets pending signals through.
    """
    came: list[signal.Signals] = []
    before = {number: handler for number, handler in handlers().items() if callable(handler)}

    def let_through() -> None:
        while came:
            number = came.pop(0)
            before[number](number, None)

    try:
        for number in before:
            signal.signal(number, lambda number, frame: came.append(signal.Signals(number)))
        yield let_through
    finally:
        for number, handler in reversed(before.items()):  # Ctrl-C last: when it raises, no other signal stays held
            signal.signal(number, handler)
    let_through()


@contextmanager
def left_to_this_process() -> Iterator[None]:
    """Like ``held``. Processes that start in this block leave the signals to this one from their first moment on.

    Terminals and clusters send signals to every process of a run. Only SIGTERM still ends them, since that is how
    their parents end them.
    """
    with held():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPPING} - {signal.SIGTERM})  # children inherit it
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
