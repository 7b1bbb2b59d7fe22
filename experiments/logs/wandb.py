"""Weights & Biases, offline unless the environment says otherwise: each session writes a file that can be sent later.

Its library writes in another process, and what had not reached the file is lost in a kill. So the files are read to
know what is there.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from environments.registry import import_optional
from experiments.files import check_sub_folder
from experiments.logs.base import AbstractLogger, LoggedRun, Numbers

wandb = import_optional("wandb", "wandb", "--log wandb")
from google.protobuf.message import DecodeError  # noqa: E402 - says what is missing
from wandb.proto.wandb_internal_pb2 import Record  # noqa: E402

#: The file is a log of LevelDB: blocks, in which a header of checksum, length and kind stands before each part of a
#: record. See github.com/google/leveldb/blob/main/doc/log_format.md; Weights & Biases puts 7 bytes before all.
_BLOCK, _BEGINNING, _HEADER = 32_768, 7, struct.Struct("<IHB")
_WHOLE, _LAST_PART = 1, 4


class WeightsAndBiases(AbstractLogger):
    """A run of the project poet, in ``RUN/wandb`` or ``PLACE/wandb``. The step is the iteration.

    ``WANDB_MODE=online`` sends it at once, ``WANDB_PROJECT`` names another project.
    """

    def __init__(self, run: LoggedRun) -> None:
        super().__init__(run)
        if run.place is None:
            check_sub_folder(run.folder / "wandb", "--log wandb:FOLDER")
        self._folder = run.folder if run.place is None else Path(run.place)
        self._last = max(self._steps(), default=-1)
        self._folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("WANDB_DISABLE_WEAVE", "true")  # it takes our package agents for OpenAI's, and advertises
        self._wandb = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "poet"),
            id=run.id,
            name=run.folder.resolve().name,
            dir=str(self._folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            resume="allow",
            config=dict(run.settings),
            settings=wandb.Settings(silent=True, console="off"),
        )

    @property
    def last(self) -> int:
        """See ``AbstractLogger``."""
        return self._last

    def log(self, numbers: Numbers) -> None:
        """See ``AbstractLogger``."""
        self._wandb.log(dict(numbers.values), step=numbers.iteration, commit=True)

    def close(self) -> None:
        """See ``AbstractLogger``."""
        self._wandb.finish()

    def _steps(self) -> Iterator[int]:
        """The steps in the files of all sessions."""
        for path in sorted((self._folder / "wandb").glob(f"*run-*-{self.run.id}/run-{self.run.id}.wandb")):
            with suppress(DecodeError):  # a kill has cut it off, and another session of the same second went on there
                for record in map(Record.FromString, records(path.read_bytes())):
                    if record.HasField("history"):
                        yield record.history.step.num


def records(data: bytes) -> Iterator[bytes]:
    """The whole records of a log of LevelDB."""
    place, parts = _BEGINNING, b""
    while place + _HEADER.size <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER.size:  # no header fits there
            place += left
            continue
        _, length, kind = _HEADER.unpack_from(data, place)
        place += _HEADER.size + length
        if place > len(data):  # killed while it was written
            return
        parts += data[place - length : place]
        if kind in (_WHOLE, _LAST_PART):
            yield parts
            parts = b""
