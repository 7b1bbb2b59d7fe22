"""Signals that ask a process to stop: which there are, and blocks that none of them breaks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Ctrl-C; a plain ``kill``; a terminal that closes; and what Slurm, PBS, LSF and Grid Engine warn with before a kill.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)


def handlers() -> dict[signal.Signals, Any]:
    """Who handles each signal of ``STOPPING`` now; without those that are ignored, as ``nohup`` has it, and stay so.

    Empty in a thread other than the main one: only that may set a handler.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in STOPPING}
    return {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """A block that no signal breaks: what Python does about one, it does after. Another thread holds nothing.

    It gives a function that lets those through that have come.
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
        for number, handler in reversed(before.items()):  # Ctrl-C last: what it raises here leaves no other one held
            signal.signal(number, handler)
    let_through()


@contextmanager
def left_to_this_process() -> Iterator[None]:
    """A block as ``held``. Processes that are started in it leave the signals to this one, from their first moment on.

    A terminal and a cluster send theirs to every process of a run. SIGTERM alone still ends them: it is by that that
    their parents do.
    """
    with held():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPPING} - {signal.SIGTERM})  # which is inherited
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
