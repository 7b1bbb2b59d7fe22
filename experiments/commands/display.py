"""What moves on a terminal: a run's panel and the count of episodes; and what replaces them elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.box import SIMPLE
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.status import Status
from rich.table import Table
from rich.text import Text

from agents.policies.base import AbstractPolicy
from agents.rollouts import prepare
from environments.compiled import compiler_passes
from environments.signals import held
from experiments.commands.quiet import is_quiet
from experiments.commands.terminal import say
from experiments.progress import LINE_INTERVAL, AbstractDisplay, PlainLines, RunTracker
from experiments.text import visible

if TYPE_CHECKING:
    import pandas as pd

#: Of a table that is printed.
MAX_ROWS = 60
#: One console for all, so that nested displays are drawn below each other.
_CONSOLE = Console()


@contextmanager
def _moving(what: Live | Status) -> Iterator[None]:
    """A block in which something moves on the terminal. The cursor comes back afterwards, also after Ctrl-C."""
    try:
        with held():
            what.start()
        yield
    finally:
        with held():
            what.stop()


class LivePanel(AbstractDisplay):
    """Three lines that are redrawn a few times a second: a bar of iterations, the present work, and the facts."""

    def __init__(self, tracker: RunTracker, console: Console) -> None:
        self._tracker = tracker
        live = Live(get_renderable=self._lines, console=console, refresh_per_second=4, transient=True)
        self._moving = _moving(live)

    def iteration_done(self) -> None:
        """Nothing to do: the panel reads the tracker by itself."""

    def __enter__(self) -> Self:
        self._moving.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._moving.__exit__(kind, error, trace)

    def _lines(self) -> Table:
        tracker, lines = self._tracker, Table.grid()
        lines.add_row(ProgressBar(total=tracker.iterations, completed=tracker.iteration, width=60))
        lines.add_row(Text(tracker.phase, no_wrap=True))
        lines.add_row(Text(tracker.facts, no_wrap=True, style="dim"))
        return lines


class Nothing(AbstractDisplay):
    """Shows nothing."""

    def iteration_done(self) -> None:
        """Nothing to do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def make_display(tracker: RunTracker) -> AbstractDisplay:
    """A live panel where standard output is a terminal, plain lines elsewhere; nothing with ``--quiet``."""
    if is_quiet():
        return Nothing()
    return LivePanel(tracker, _CONSOLE) if _CONSOLE.is_terminal else PlainLines(tracker, sys.stdout)


@contextmanager
def compiling(what: str, before_pass: Callable[[], None] = lambda: None, is_kept: bool = True) -> Iterator[None]:
    """Say what is being compiled, and how long that takes, unless the disk cache has everything, or ``--quiet``.

    Args:
        what: such as ``"the simd engine's kernels"``.
        before_pass: called before each pass of the compiler, which it may end.
        is_kept: whether the disk cache takes all of it, as it does not take a user's own kernels.
    """
    begun: list[float] = []
    words = f"compiling {what} (about a minute{', once' if is_kept else ''})"

    def seconds() -> str:
        return f"{time.monotonic() - begun[0]:.0f} s"

    def begin() -> None:
        begun.append(time.monotonic())
        if is_quiet():
            return
        if _CONSOLE.is_terminal:
            line = Live(get_renderable=lambda: Text(f"{words}: {seconds()}"), console=_CONSOLE, transient=True)
            stack.enter_context(_moving(line))
        else:
            say(words)

    def tell() -> None:
        if not begun:
            begin()
        before_pass()

    with ExitStack() as stack:
        stack.enter_context(compiler_passes(tell))
        yield
    if begun and not is_quiet():
        say(f"compiled {what} in {seconds()}" + ("; they are kept for the next start" if is_kept else ""))


def prepare_engine(name: str, policy: AbstractPolicy) -> None:
    """Compile what the engine called ``name`` needs for a policy, or load it from the disk cache.

    Ctrl-C acts between passes: LLVM calls Python while it compiles, and an exception that a signal raises there is
    lost.
    """
    is_kept = type(policy).__module__.startswith("agents.")  # an edit of a user's file has to count at once
    with held() as let_through, compiling(f"the {name} engine's kernels", let_through, is_kept):
        prepare(name, policy)


def print_tables(tables: Sequence[tuple[str, pd.DataFrame]]) -> None:
    """Print titled tables of texts; of long ones only the first and last rows. Without a terminal, at full width."""
    console = _CONSOLE if _CONSOLE.is_terminal else Console(width=200)
    for title, frame in tables:
        table = Table(title=_shown(title), title_justify="left", title_style="bold", box=SIMPLE, pad_edge=False)
        for column in frame.columns:
            table.add_column(_shown(str(column)))
        num_hidden = max(0, len(frame) - MAX_ROWS)
        for i, row in enumerate(frame.itertuples(index=False, name=None)):
            if i == MAX_ROWS // 2 and num_hidden:
                table.add_row(f"... {num_hidden:,} rows more")
            if not MAX_ROWS // 2 <= i < MAX_ROWS // 2 + num_hidden:
                table.add_row(*map(_shown, row))
        console.print(table)


def _shown(text: str) -> Text:
    """A text for rich, without markup or letters that control a terminal."""
    return Text(visible(text))


@contextmanager
def redrawn() -> Iterator[Callable[[Sequence[str]], None]]:
    """Show lines in place of those before: on a terminal redrawn, elsewhere printed again if they have changed."""
    if _CONSOLE.is_terminal:
        live = Live(console=_CONSOLE, auto_refresh=False)
        with _moving(live):
            yield lambda lines: live.update(
                Text("\n".join(map(visible, lines)), no_wrap=True, overflow="crop"), refresh=True
            )
        return
    before: list[Sequence[str]] = []

    def print_changed(lines: Sequence[str]) -> None:
        if [lines] != before:
            say(*lines, "")
        before[:] = [lines]

    yield print_changed


class Count(Protocol):
    """Told how much is done: the ``Progress`` of executors and that of ``experiments.replay``."""

    def __call__(self, num_done: int, num_all: int, num_steps: int = 0, /) -> None:
        """Show how many are done, of how many, after how many env-steps."""
        ...


@contextmanager
def counted(what: str) -> Iterator[Count]:
    """Show how many of some things are done: a changing line on a terminal, a line every 10 s elsewhere.

    With ``--quiet``, show nothing.

    Args:
        what: the things, such as ``"pictures"``.
    """
    if is_quiet():
        yield lambda num_done, num_all, num_steps=0, /: None
        return
    said = [time.monotonic()]

    def words(num_done: int, num_all: int, num_steps: int) -> str:
        return f"{num_done}/{num_all} {what}" + (f", {num_steps:,} env-steps" if num_steps else "")

    if _CONSOLE.is_terminal:
        line = _CONSOLE.status(what)
        with _moving(line):
            yield lambda num_done, num_all, num_steps=0, /: line.update(words(num_done, num_all, num_steps))
        return

    def tell(num_done: int, num_all: int, num_steps: int = 0, /) -> None:
        if time.monotonic() - said[0] >= LINE_INTERVAL:
            said[0] = time.monotonic()
            say(words(num_done, num_all, num_steps))

    yield tell
