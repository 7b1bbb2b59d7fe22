"""Signals that ask a process to stop: held back where they would break something, and left alone where ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from environments.signals import STOPPING, handlers, held, left_to_this_process


@pytest.fixture(autouse=True)
def _handlers_come_back() -> object:
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_held_signal_comes_after_the_block() -> None:
    """What Python would have done within a block it does after, and handlers are as they were."""
    reached = []
    with pytest.raises(KeyboardInterrupt), held():
        signal.raise_signal(signal.SIGINT)
        reached.append("the end of the block")

    assert ["the end of the block"] == reached
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)


def test_a_held_signal_is_let_through_where_the_block_allows_it() -> None:
    """Between two parts of a block that must not be broken; blocks may lie in blocks."""
    reached = []
    with pytest.raises(KeyboardInterrupt), held() as let_through, held():
        with held():
            signal.raise_signal(signal.SIGINT)
            reached.append("inner")
        reached.append("outer")
        let_through()
        reached.append("never")

    assert ["inner", "outer"] == reached[:2]


def test_an_ignored_signal_is_nobodys_to_handle() -> None:
    """Under ``nohup``, or in the background of a plain shell, signals stay ignored, even in held blocks."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with held():
        assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)

    assert signal.SIGHUP not in handlers()
    assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)


def test_another_thread_may_use_a_held_block() -> None:
    """Only the main thread receives signals, so in other threads there is nothing to hold."""
    errors = []

    def work() -> None:
        try:
            with held(), left_to_this_process():
                pass
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert [] == errors


def test_processes_leave_signals_to_the_one_that_starts_them() -> None:
    """From their first moment on; SIGTERM alone ends them. The one that starts them hears all again."""
    script = "import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))))"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with left_to_this_process():
        blocked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout

    assert sorted(map(int, {*STOPPING, *before} - {signal.SIGTERM})) == [int(word) for word in blocked[1:-2].split(",")]
    assert before == signal.pthread_sigmask(signal.SIG_BLOCK, ())
