"""Whoever reads what a command prints, and may go away before it ends: ``poet analyse RUN | head -1``."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

#: A pipe that nobody reads any more; a terminal that is gone, while ``nohup`` keeps us.
_GONE = (errno.EPIPE, errno.EIO)


class _Output(io.FileIO):
    """What nobody reads is lost. Another failure, as of a full disk, is raised once: Python tries again at its end."""

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
    """From here on what this process prints is lost, and nothing else, when nobody can read it any more."""
    sys.stdout, sys.stderr = _tolerant(sys.stdout), _tolerant(sys.stderr)


def _tolerant(stream: Any) -> Any:
    try:
        raw = _Output(stream.fileno(), "wb", closefd=False)
    except (AttributeError, OSError):  # it was closed before we began, or is somebody's object
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=stream.line_buffering
    )
