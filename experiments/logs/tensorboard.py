"""TensorBoard's event files: one record for each iteration, so that a kill leaves whole iterations behind."""

from __future__ import annotations

import time
from pathlib import Path

from environments.errors import InputError
from environments.registry import import_optional
from experiments.files import check_sub_folder
from experiments.logs.base import AbstractLogger, LoggedRun, Numbers

import_optional("tensorboard", "tensorboard", "--log tensorboard")
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader  # noqa: E402 - says what is missing
from tensorboard.compat.proto.event_pb2 import Event  # noqa: E402
from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: E402
from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: E402


class TensorBoard(AbstractLogger):
    """Scalars in the folder ``RUN/tensorboard``, or in ``PLACE/RUN``, so that several runs may share a place.

    The step is the iteration. Of what a killed process left, the whole records count.
    """

    def __init__(self, run: LoggedRun) -> None:
        super().__init__(run)
        self._folder = (
            check_sub_folder(run.folder / "tensorboard", "--log tensorboard:FOLDER")
            if run.place is None
            else Path(run.place) / run.folder.resolve().name
        )
        self._writer: EventFileWriter | None = None

    @property
    def last(self) -> int:
        """See ``AbstractLogger``.

        Raises:
            InputError: the folder holds another run's events.
        """
        paths = sorted(self._folder.glob("*tfevents*"))
        for path in paths:
            if path.suffix != f".{self.run.id}":
                raise InputError(f"{path} is not of the run {self.run.folder}: name another place for its events")
        steps = (event.step for path in paths for event in EventFileLoader(str(path)).Load() if event.summary.value)
        return max(steps, default=-1)

    def log(self, numbers: Numbers) -> None:
        """See ``AbstractLogger``."""
        if self._writer is None:
            self._writer = EventFileWriter(str(self._folder), filename_suffix=f".{self.run.id}")
        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers.values.items()]
        self._writer.add_event(Event(wall_time=time.time(), step=numbers.iteration, summary=Summary(value=values)))
        self._writer.flush()

    def close(self) -> None:
        """See ``AbstractLogger``."""
        if self._writer is not None:
            self._writer.close()
