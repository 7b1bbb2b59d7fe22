"""Runs of the command line whose folder is taken away or comes from strangers: one sentence and the right code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from experiments.runner import session_info
from poet.archive.fingerprint import fingerprint
from poet.archive.journal import RunArchive
from poet.events import Event
from poet.types import PoetState
from tests.experiments.command_line import Poet
from tests.experiments.conftest import NUM_ITERATIONS
from tests.experiments.test_bad_input import assert_refused

TINY = ("--preset", "tiny", "--iterations", NUM_ITERATIONS, "--workers", 1)


@pytest.mark.parametrize("after", [3, NUM_ITERATIONS])
@pytest.mark.parametrize("what", [".", "run.sqlite"])
def test_a_run_that_was_deleted_is_not_done(
    poet: Poet, tmp_path: Path, tiny_fingerprint: str, monkeypatch: pytest.MonkeyPatch, after: int, what: str
) -> None:
    """It stops with code 1, says where it saved what it had, and that goes on to the same end."""
    append, folder = RunArchive.append, tmp_path / "run"

    def append_and_lose(archive: RunArchive, state: PoetState, events: list[Event], seconds: float) -> None:
        append(archive, state, events, seconds)
        if state.iteration == after:
            shutil.rmtree(folder) if what == "." else (folder / what).unlink()

    with monkeypatch.context() as patch:
        patch.setattr(RunArchive, "append", append_and_lose)
        ended = poet("run", folder, *TINY)

    saved = tmp_path / "run.saved-1"
    assert_refused(ended, "was taken away", f"all up to iteration {after} was saved in {saved}", code=1)
    assert "look at them with" not in ended.out
    assert 0 == poet("resume", saved, "--workers", 1).code
    assert tiny_fingerprint == fingerprint(saved)


def test_an_empty_folder_becomes_a_run(poet: Poet, tmp_path: Path, tiny_run: Path, tiny_fingerprint: str) -> None:
    """One that its user made, stands in or mounted is filled in place, by ``poet run`` and by ``poet fork``."""
    for name, command in {"run": ("run", tmp_path / "run", *TINY),
                          "fork": ("fork", tiny_run, tmp_path / "fork", "--at", 4)}.items():  # fmt: skip
        (tmp_path / name).mkdir()
        inode = (tmp_path / name).stat().st_ino
        ended = poet(*command)
        assert 0 == ended.code, ended.err
        assert inode == (tmp_path / name).stat().st_ino
        assert tiny_fingerprint == fingerprint(tmp_path / name)


def test_a_start_that_fails_leaves_an_empty_folder_empty(poet: Poet, tmp_path: Path) -> None:
    """Neither lock nor draft stays in a folder that its user made."""
    (tmp_path / "run").mkdir()
    assert_refused(poet("run", tmp_path / "run", *TINY, "--set", "es.pairs=0"), "'es.pairs'")
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("command", ["status", "resume"])
@pytest.mark.parametrize("name", ["lock", "run.sqlite", "run.sqlite-wal"])
def test_a_pipe_or_link_in_a_run_is_named(poet: Poet, tmp_path: Path, tiny_run: Path, command: str, name: str) -> None:
    """Nothing waits for a named pipe, and nothing outside is written through a link."""
    (tmp_path / "victim").write_text("mine")
    more = ("--iterations", NUM_ITERATIONS + 1) if command == "resume" else ()
    for kind in ("pipe", "link"):
        run = shutil.copytree(tiny_run, tmp_path / kind)
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name) if kind == "pipe" else (run / name).symlink_to(tmp_path / "victim")
        assert_refused(poet(command, run, *more), f"{name} is a ", kind, "plain file")
    assert "mine" == (tmp_path / "victim").read_text()


@pytest.mark.parametrize("text", ["", "somebody\n", "12 34"])
def test_a_lock_with_anything_in_it_is_no_process(poet: Poet, tmp_path: Path, tiny_run: Path, text: str) -> None:
    """Status says that somebody writes, and not who, where the lock names no process."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    with RunArchive.open(run, session=session_info("simd", "local", 1)):
        (run / "lock").write_text(text)
        ended = poet("status", run)
    assert (0, True) == (ended.code, "running, process unknown" in ended.out), ended.err
