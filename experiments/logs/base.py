"""The contract of loggers: who takes the numbers of a run, iteration by iteration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoggedRun:
    """The run whose numbers a logger takes.

    Attributes:
        folder: of the run.
        id: 16 hex digits, the same each time that the run goes on.
        settings: the config in force by key, such as ``es.pairs``, as JSON values.
        place: where to log, as the user said behind the logger's name; None if not said.
    """

    folder: Path
    id: str
    settings: Mapping[str, Any]
    place: str | None = None


@dataclass(frozen=True)
class Numbers:
    """What is logged of an iteration, read from the archive once the iteration is on disk.

    Attributes:
        iteration: 0 for the start of the run.
        values: by name, such as ``score/best``; all finite. ``docs/how-to/log.md`` lists them.
    """

    iteration: int
    values: Mapping[str, float]


class AbstractLogger(ABC):
    """Takes the numbers of a run. One is made each time that a run starts or goes on, once its start is on disk.

    What it raises becomes a sentence on standard error, and it is left alone from then on; the run goes on. Only an
    ``InputError`` of the constructor or of ``last`` stops the command, before anything new is computed.

    Args:
        run: whose numbers it takes.
    """

    def __init__(self, run: LoggedRun) -> None:
        self.run = run

    @property
    def last(self) -> int | None:
        """The last iteration that it has; -1 for none. It is given all later ones, those of the past from the archive.

        None, as here, if it does not know: then it is given what is computed from now on.
        """
        return None

    @abstractmethod
    def log(self, numbers: Numbers) -> None:
        """Take the numbers of an iteration; called in the order of iterations, each time after it is on disk."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Called when the run stops, unless the process is killed."""
