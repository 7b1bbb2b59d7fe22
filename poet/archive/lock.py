"""The lock that keeps a run to one writer."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from environments.copying import NotCopied
from environments.errors import InputError
from poet.archive.files import file_id, open_plain

_NAME = "lock"
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.05
#: The errors of a file system without locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class RunTakenError(InputError):
    """Another process is writing the run."""


class WriterLock(NotCopied):
    """The right to write to a run, held until ``release`` or until the process ends, however it ends.

    Two things are locked. One is the folder itself, which cannot be deleted without the run; it keeps out writers on
    this machine. The other is the file ``lock`` in it, which holds our process id. Over NFS it keeps out writers on
    other machines, and ``poet status`` reads it.

    Raises:
        RunTakenError: another writer holds it.
        InputError: ``lock`` is not a regular file, or the file system has no locks.
        OSError: the lock file cannot be created.
    """

    copy_refusal = "the right to write to a run cannot be copied: there is one"

    def __init__(self, folder: Path) -> None:
        self._run = folder
        self._path = folder / _NAME
        self._file = -1
        #: Descriptor of the folder; it stays valid if the folder is moved.
        self.folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if not self._acquire_folder():
                raise self._taken()
            self._file = self._claim()
        except BaseException:
            self.release()
            raise

    @property
    def is_held(self) -> bool:
        """Whether the lock has not been released yet."""
        return self.folder >= 0

    def renew(self) -> None:
        """Create the file again if somebody deleted it, so that others still see which process writes.

        Raises:
            RunTakenError: another writer has created it.
            InputError, OSError: as for the constructor.
        """
        if file_id(self._path) != _id_of(self._file):
            deleted, self._file = self._file, self._claim()
            os.close(deleted)

    def release(self) -> None:
        """Let another writer in; a second call does nothing."""
        for file in (self._file, self.folder):
            if file >= 0:
                os.close(file)
        self._file = self.folder = -1

    def _acquire_folder(self) -> bool:
        try:
            return _acquire(self.folder)
        except OSError:  # some network file systems only lock files
            return True

    def _claim(self) -> int:
        """Lock the lock file, and write our process id into it. Returns its descriptor."""
        for _ in range(_ATTEMPTS):
            file = open_plain(self._path, os.O_RDWR | os.O_CREAT)
            try:
                if not self._acquire_file(file):
                    raise self._taken()
                if file_id(self._path) == _id_of(file):
                    os.ftruncate(file, 0)
                    os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)  # somebody deleted it meanwhile
        raise self._taken()

    def _acquire_file(self, file: int) -> bool:
        try:
            return _acquire(file)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            message = f"the file system under the run {self._run} has no locks ({error.strerror}), without which two"
            raise InputError(
                f"{message} processes could write to the run at once: name a folder on a local disk, or mount that "
                "file system with locks"
            ) from error

    def _taken(self) -> RunTakenError:
        try:
            file = open_plain(self._path, os.O_RDONLY)
        except FileNotFoundError:
            holder = 0
        else:
            holder = _process_in(file)
            os.close(file)
        message = f"the run {self._run} is being written by process {holder or 'unknown'}"
        return RunTakenError(f"{message}: wait for it, or stop it first")


def writer_of(folder: Path) -> int | None:
    """The id of the process that is writing a run; 0 if that is not known, None if no process is.

    Raises:
        InputError: ``lock`` is not a regular file.
        OSError: it cannot be read.
    """
    try:
        file = open_plain(folder / _NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process_in(file)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    finally:
        os.close(file)
    return None


def _acquire(file: int) -> bool:
    """Try to lock a file; returns whether it worked. Retries briefly, as ``poet status`` locks it for a moment too."""
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _process_in(file: int) -> int:
    """The process id in a lock file; 0 if it does not hold one."""
    text = os.pread(file, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def _id_of(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino
