"""The live panel of a run on a terminal, and the choice between it and plain lines."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from experiments.progress import AbstractDisplay, PlainLines, RunTracker


class LivePanel(AbstractDisplay):
    """Three lines that are drawn anew a few times a second: a bar of iterations, what happens now, and the facts."""

    def __init__(self, tracker: RunTracker, console: Console) -> None:
        self._tracker = tracker
        self._live = Live(get_renderable=self._lines, console=console, refresh_per_second=4, transient=True)

    def iteration_done(self) -> None:
        """Nothing to do: the panel looks at the tracker by itself."""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _lines(self) -> Group:
        tracker = self._tracker
        bar = ProgressBar(total=max(1, tracker.iterations), completed=tracker.iteration, width=60)
        return Group(bar, Text(tracker.phase, no_wrap=True), Text(tracker.facts, no_wrap=True, style="dim"))


def make_display(tracker: RunTracker) -> AbstractDisplay:
    """A live panel where standard output is a terminal, plain lines elsewhere."""
    console = Console()
    return LivePanel(tracker, console) if console.is_terminal else PlainLines(tracker, sys.stdout)
