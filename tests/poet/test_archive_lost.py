"""A run whose files are taken away while it is being written stops, says so, and saves what it has."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from environments.errors import InputError
from poet.archive.errors import ArchiveError
from poet.archive.fingerprint import fingerprint
from poet.archive.journal import RunArchive, create_run
from poet.archive.lock import WriterLock, writer_of
from poet.archive.reader import open_run
from tests.poet.archive_examples import CONFIG, SESSION, go_on, record, toy_run, toy_steps
from tests.poet.test_archive_journal import files_up_to


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[RunArchive]:
    """A toy run of five iterations, open for writing; ``tmp_path / "run"`` is a link to it."""
    toy_run(tmp_path / "real", 3)
    (tmp_path / "run").symlink_to(tmp_path / "real", target_is_directory=True)
    archive = RunArchive.open(tmp_path / "run", session=SESSION)
    record(archive, *toy_steps(5)[4:])
    yield archive
    archive._lock.release()


def _replace_by_copy(run: Path) -> None:
    shutil.copy(run / "run.sqlite", run / "copy")
    (run / "copy").replace(run / "run.sqlite")


def _point_elsewhere(run: Path) -> None:
    toy_run(run.with_name("backup"), 3)
    run.unlink()
    run.symlink_to(run.with_name("backup"), target_is_directory=True)


def _restore_backup(run: Path) -> None:
    shutil.rmtree(run.resolve())
    toy_run(run.resolve(), 3)


#: What somebody does to a run's folder, and what the sentence says of it.
LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "rm -rf RUN": (lambda run: shutil.rmtree(run.resolve()), r"run was taken away"),
    "rm RUN": (Path.unlink, r"run was moved away .* is in \S*/real;"),
    "rm run.sqlite": (lambda run: (run / "run.sqlite").unlink(), r"run\.sqlite was taken away"),
    "rm run.sqlite-wal": (lambda run: (run / "run.sqlite-wal").unlink(), r"run\.sqlite-wal was taken away"),
    "rm run.sqlite-shm": (lambda run: (run / "run.sqlite-shm").unlink(), r"run\.sqlite-shm was taken away"),
    "cp and mv": (_replace_by_copy, r"run\.sqlite was replaced"),
    "mv RUN": (lambda run: run.resolve().rename(run.with_name("a new")), r"run was moved away .* is in .*/a new;"),
    "ln -sfn": (_point_elsewhere, r"run was moved away .* is in \S*/real;"),
    "restored": (_restore_backup, r"run was replaced"),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("moment", ["append", "close"])
def test_a_run_that_is_gone_stops_and_saves_what_it_has(
    archive: RunArchive, tmp_path: Path, loss: str, moment: str
) -> None:
    """Before each commit and at the end the writer sees that its files are those at their path; a copy goes on."""
    take_away, words = LOSSES[loss]
    before = fingerprint(tmp_path / "run")
    take_away(tmp_path / "run")
    step = toy_steps(6)[6]
    with pytest.raises(ArchiveError, match=words) as refusal:
        record(archive, step) if moment == "append" else archive.close()
    archive.close()
    assert "all up to iteration 5" in str(refusal.value)
    assert str(refusal.value).count("go on with: poet resume ") == 1
    (saved,) = map(Path, shlex.split(str(refusal.value).split("poet resume ")[-1]))
    assert "moved away" in words or saved == tmp_path / "run.saved-1"
    assert before == fingerprint(saved)
    go_on(saved, 4)
    assert fingerprint(toy_run(tmp_path / "whole", 9)) == fingerprint(saved)


def test_what_was_saved_before_is_not_written_over(archive: RunArchive, tmp_path: Path) -> None:
    """The next free number is used."""
    (tmp_path / "run.saved-1").write_text("mine")
    (tmp_path / "run.saved-2").mkdir()
    shutil.rmtree(tmp_path / "real")
    with pytest.raises(ArchiveError, match=r"saved in \S*/run\.saved-3"):
        archive.close()
    assert "mine" == (tmp_path / "run.saved-1").read_text()
    assert not list((tmp_path / "run.saved-2").iterdir())
    assert ["lock", "run.sqlite"] == sorted(path.name for path in (tmp_path / "run.saved-3").iterdir())


def test_a_run_whose_parent_is_gone_is_saved_among_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nothing can be created beside the run, the sentence names a place where it could be."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    archive = create_run(tmp_path / "parent" / "run", CONFIG, session=SESSION)
    record(archive, *toy_steps(2))
    before = fingerprint(tmp_path / "parent" / "run")
    shutil.rmtree(tmp_path / "parent")
    with pytest.raises(ArchiveError, match=r"saved in \S*/temporary/run\.saved-1"):
        archive.close()
    assert before == fingerprint(tmp_path / "temporary" / "run.saved-1")


def test_a_full_disk_while_a_lost_run_is_saved_is_said(archive: RunArchive, tmp_path: Path) -> None:
    """Nothing half-saved stays."""
    shutil.rmtree(tmp_path / "real")
    with (
        files_up_to(20_000),
        pytest.raises(
            ArchiveError, match=r"taken away .* all up to iteration 5 is lost, since no copy could be saved .*disk"
        ),
    ):
        archive.close()
    assert {tmp_path / "run"} == set(tmp_path.iterdir())


def test_a_run_put_in_the_place_of_a_lost_one_is_left_alone(archive: RunArchive, tmp_path: Path) -> None:
    """Not a byte of a backup that was put back is changed, its journal included."""
    toy_run(tmp_path / "backup", 3)
    other = RunArchive.open(tmp_path / "backup", session=SESSION)
    record(other, toy_steps(4)[4])  # is in the journal alone
    shutil.rmtree(tmp_path / "real")
    shutil.copytree(tmp_path / "backup", tmp_path / "real")
    other.close()
    before = {path.name: path.read_bytes() for path in (tmp_path / "real").iterdir()}
    with pytest.raises(ArchiveError, match="was replaced"):
        record(archive, toy_steps(6)[6])
    archive.close()
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "real").iterdir()}
    assert before["run.sqlite-wal"]


def test_a_run_in_a_folder_made_read_only_goes_on(archive: RunArchive, tmp_path: Path) -> None:
    """Rights that are taken from the folder concern new files, and a writer has all it needs."""
    (tmp_path / "real").chmod(0o555)
    record(archive, *toy_steps(8)[6:])
    (tmp_path / "real").chmod(0o755)
    archive.close()
    assert fingerprint(toy_run(tmp_path / "whole", 8)) == fingerprint(tmp_path / "run")


def test_a_deleted_lock_lets_nobody_in(archive: RunArchive, tmp_path: Path) -> None:
    """The folder itself is locked too; the writer makes the file again, so that others see who writes."""
    (tmp_path / "run" / "lock").unlink()
    with pytest.raises(InputError, match=r"is being written by process"):
        RunArchive.open(tmp_path / "run", session=SESSION)
    record(archive, toy_steps(6)[6])
    assert os.getpid() == writer_of(tmp_path / "run")
    (tmp_path / "run" / "lock").rename(tmp_path / "run" / "old")
    (tmp_path / "run" / "lock").write_text("999999")
    record(archive, toy_steps(7)[7])
    assert os.getpid() == writer_of(tmp_path / "run")
    archive.close()
    assert writer_of(tmp_path / "run") is None


@pytest.mark.parametrize("has_lock", [True, False])
def test_a_writer_of_another_machine_stops_the_first(
    archive: RunArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_lock: bool
) -> None:
    """Where a folder's lock is not seen and the file was deleted, the second writer's session tells the first."""
    monkeypatch.setattr(WriterLock, "_acquire_folder", lambda lock: True)
    (tmp_path / "run" / "lock").unlink()
    with RunArchive.open(tmp_path / "run", session=SESSION) as other:
        with closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as connection, connection:
            if has_lock:  # the second one is only about to begin its session
                connection.execute("DELETE FROM sessions WHERE id = 3")
        with pytest.raises(ArchiveError, match="another process has begun to write to the run"):
            record(archive, toy_steps(6)[6])
        archive.close()
        if not has_lock:
            record(other, toy_steps(6)[6])
    with open_run(tmp_path / "run") as run:
        assert run.iteration == (5 if has_lock else 6)
