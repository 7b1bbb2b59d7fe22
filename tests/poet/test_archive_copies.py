"""Copies of objects that use a run's folder: a reader is reopened, a writer cannot be copied."""

from __future__ import annotations

import pickle
from copy import copy, deepcopy
from pathlib import Path
from typing import Any

import pytest

from environments.errors import InputError
from poet.archive.folder import WriterLock
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from tests.poet.archive_examples import CONFIG, SESSION, toy_run


def _pickled(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


WAYS = pytest.mark.parametrize("copied", [copy, deepcopy, _pickled])


@WAYS
def test_a_copied_run_is_opened_anew(copied: Any, tmp_path: Path) -> None:
    """It reads the same, and goes on reading when the original is closed: a run can be sent to other processes."""
    with open_run(toy_run(tmp_path / "run", 2)) as run:
        other, expected = copied(run), run.versions.theta_digest.to_list()
    with other:
        assert expected == other.versions.theta_digest.to_list()


@WAYS
def test_a_writer_and_its_lock_are_not_copied(copied: Any, tmp_path: Path) -> None:
    """Each is refused in one sentence. The writer can go on, and the lock stays held."""
    writer = create_run(tmp_path / "run", CONFIG, session=SESSION)
    with writer, pytest.raises(InputError, match="a run has one writer, which cannot be copied: read it with open_run"):
        copied(writer)
    lock = WriterLock(tmp_path / "run")
    with pytest.raises(InputError, match="the right to write to a run cannot be copied"):
        copied(lock)
    assert lock.is_held
    lock.release()
