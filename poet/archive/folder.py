"""A run's folder: its files, its making in one piece, and the lock of its one writer."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.copying import NotCopied
from environments.errors import InputError

_LOCK_ATTEMPTS, _LOCK_PAUSE_SECONDS = 5, 0.05


def archive_path(folder: Path) -> Path:
    """The SQLite file of a run.

    Raises:
        InputError: there is no such folder, or it holds no run.
    """
    if not folder.exists():
        raise InputError(f"there is no run {folder}: the folder does not exist")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, but a run is a folder: name the folder that holds run.sqlite")
    path = folder / "run.sqlite"
    if not path.is_file():
        raise InputError(f"{folder} is no run: it holds no run.sqlite")
    return path


@contextmanager
def new_run_folder(folder: Path) -> Iterator[Path]:
    """A draft folder that becomes ``folder`` when the block ends well, and vanishes when it does not.

    Raises:
        InputError: ``folder`` exists.
        OSError: it cannot be made.
    """
    taken = InputError(f"{folder} exists: name a new folder for the run, or go on with it by poet resume")
    if os.path.lexists(folder):
        raise taken
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(draft, ignore_errors=True)  # of a killed process that had the same id
    draft.mkdir()
    try:
        yield draft
        if os.path.lexists(folder):
            raise taken
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


class WriterLock(NotCopied):
    """The right to write to a run, held until ``release`` or until the process ends, however it ends.

    Raises:
        InputError: another writer holds it.
        OSError: the lock file cannot be made.
    """

    copy_refusal = "the right to write to a run cannot be copied: there is one"

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if not self._acquire():
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise InputError(f"the run {folder} is being written by process {holder}: wait for it, or stop it first")
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError:
            self.release()
            raise

    @property
    def is_held(self) -> bool:
        """Whether ``release`` is still to come."""
        return self._file >= 0

    def _acquire(self) -> bool:
        """Whether the lock is ours now. Tried for a moment, since ``poet status`` looks at it by locking it too."""
        for _ in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_SECONDS)
            else:
                return True
        return False

    def release(self) -> None:
        """Let another writer in; a second call does nothing."""
        if self.is_held:
            os.close(self._file)
            self._file = -1
