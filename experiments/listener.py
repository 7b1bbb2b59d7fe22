"""The reader of a command's output, who may go away before it ends: ``poet analyse RUN | head -1``."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

#: Errors of a pipe that nobody reads any more, and of a terminal that is gone while ``nohup`` keeps us running.
_GONE = (errno.EPIPE, errno.EIO)


class _Output(io.FileIO):
    """A stream that drops what nobody reads. Other errors, as of a full disk, are raised once: Python retries later."""

    _has_failed = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _GONE and not self._has_failed:
                self._has_failed = True
                raise
            return memoryview(data).nbytes


def may_go_away() -> None:
    """From here on, if nobody can read this process's output any more, only that output is lost."""
    sys.stdout, sys.stderr = _tolerant(sys.stdout), _tolerant(sys.stderr)


def _tolerant(stream: Any) -> Any:
    try:
        raw = _Output(stream.fileno(), "wb", closefd=False)
    except (AttributeError, OSError):  # it was closed before we began, or is somebody else's object
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=stream.line_buffering
    )
