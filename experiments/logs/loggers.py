"""Loggers by name, and how they follow a run: none of them can change a result, or end a run by its failure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from environments.errors import InputError
from environments.registry import load_class
from environments.signals import left_to_this_process
from experiments.interrupts import is_interrupt
from experiments.logs.base import AbstractLogger, LoggedRun, Numbers
from experiments.text import poet_command, visible
from poet.archive.reader import open_run

#: Our loggers, imported when first asked for.
LOGGERS = {
    "tensorboard": "experiments.logs.tensorboard:TensorBoard",
    "wandb": "experiments.logs.wandb:WeightsAndBiases",
    "mlflow": "experiments.logs.mlflow:MLflow",
}


def log_run(folder: str | PathLike[str], names: Sequence[str]) -> None:
    """Log what loggers do not have yet of a run, finished or not, as ``poet resume RUN --log`` does.

    Args:
        folder: of the run.
        names: see ``Loggers``.

    Raises:
        InputError: no such run or logger.
    """
    with Loggers(names).following(Path(folder)):
        pass


class Loggers:
    """The loggers that a user named.

    Args:
        names: of ``LOGGERS``, or ``package.module:Name`` of an ``AbstractLogger``; ``:PLACE`` may follow.
        warn: is given the sentence on one that has failed.

    Raises:
        InputError: there is no such logger, or its library is missing.
    """

    def __init__(self, names: Sequence[str] = (), warn: Callable[[str], None] | None = None) -> None:
        self._named = [(name, *_named(name)) for name in dict.fromkeys(names)]
        self._warn = warn or _warn

    @contextmanager
    def following(self, folder: Path) -> Iterator[Callable[[], None]]:
        """A block in which the loggers are open. It yields what logs all that is new on disk, as is done at its start.

        Args:
            folder: of the run, whose start is on disk.

        Raises:
            InputError: a logger cannot take this run.
        """
        if not self._named:
            yield lambda: None
            return
        following = _Following(folder, self._warn)
        try:
            for name, kind, place in self._named:
                following.begin(name, kind, place)
            following.log_new()
            yield following.log_new
        finally:
            following.close()


class _Following:
    """The open loggers of a run, by name, each with the last iteration that it has."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        from experiments.logs.numbers import NumbersReader  # with pandas, which a run without loggers does not need

        self._warn = warn
        self._run = open_run(folder)
        self._reader = NumbersReader(self._run)
        self._open: dict[str, tuple[AbstractLogger, int]] = {}

    def begin(self, name: str, kind: type[AbstractLogger], place: str | None) -> None:
        """Make one of the loggers."""
        config = self._run.config.to_json()
        settings = {f"{section}.{key}": value for section, keys in config.items() for key, value in keys.items()}
        now = self._run.iteration or 0
        with self._excused(name), left_to_this_process():
            try:
                logger = kind(LoggedRun(self._run.folder, self._run.id, settings, place))
                last = logger.last
            except InputError as error:
                raise _RefusedError(f"--log {name}: {error}") from error
            self._open[name] = logger, last if last is not None else now or -1

    def log_new(self) -> None:
        """Log what is new on disk to whoever does not have it."""
        with self._excused(*self._open):
            after = min((last for _, last in self._open.values()), default=-1)
            for numbers in self._reader.read(after) if self._open else ():
                for name in [*self._open]:
                    self._give(name, numbers)

    def close(self) -> None:
        """Close the loggers and the archive."""
        for name, (logger, _) in [*self._open.items()]:
            with self._excused(name):
                logger.close()
        self._run.close()

    def _give(self, name: str, numbers: Numbers) -> None:
        with self._excused(name):
            logger, last = self._open[name]
            if numbers.iteration > last:
                logger.log(numbers)
                self._open[name] = logger, numbers.iteration

    @contextmanager
    def _excused(self, *names: str) -> Iterator[None]:
        """A block whose error becomes a sentence, and costs the run these loggers and nothing else."""
        try:
            yield
        except _RefusedError:
            raise
        except Exception as error:  # loggers may fail in any way
            if is_interrupt(error):
                raise
            for name in names:
                self._open.pop(name, None)
            options = [word for name in names for word in ("--log", name)]
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._warn(
                f"{' and '.join(names)} failed, so nothing more is logged there, and the run goes on ({why}); "
                f"{poet_command('resume', self._run.folder, *options)} logs what is missing"
            )


class _RefusedError(InputError):
    """The logger cannot take this run."""


def _named(text: str) -> tuple[type[AbstractLogger], str | None]:
    """The class and the place in ``tensorboard``, ``tensorboard:PLACE``, ``package.module:Name:PLACE``."""
    name, colon, place = text.partition(":")
    if name not in LOGGERS and colon:
        own, colon, place = place.partition(":")
        name = f"{name}:{own}"
    if colon and not place:
        raise InputError(f"--log takes NAME or NAME:PLACE, such as tensorboard:logs, found {text!r}")
    return load_class(name, LOGGERS, AbstractLogger, "logger"), place or None


def _warn(sentence: str) -> None:
    print(f"poet: {visible(sentence)}", file=sys.stderr, flush=True)
