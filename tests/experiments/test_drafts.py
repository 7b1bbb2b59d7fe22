"""Exports and shadows appear whole or not at all, and the remains of killed writers are deleted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from environments.errors import InputError
from experiments.analysis.shadow_file import FILE_NAME, check_output
from experiments.drafts import draft_of, new_folder
from tests.experiments.command_line import ROOT, Poet
from tests.experiments.test_bad_input import assert_refused

_KILLED = """
import os, signal, sys
from pathlib import Path
from experiments.drafts import draft_of
with draft_of(Path(sys.argv[1])) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _killed(target: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, target], cwd=ROOT, check=False)
    assert -signal.SIGKILL == ended.returncode


def test_what_a_killed_writer_left_goes_and_what_others_write_stays(tmp_path: Path) -> None:
    """Told by the lock that a living writer holds; what has no lock of ours is not touched."""
    _killed(tmp_path / "out")
    (left,) = tmp_path.iterdir()
    foreign = [tmp_path / ".out.mine.part", tmp_path / ".other.mine.part"]
    for path in foreign:
        path.mkdir()
        (path / "notes").write_text("mine")
    with new_folder(tmp_path / "out") as first:
        assert not left.exists()
        with new_folder(tmp_path / "other") as second, draft_of(tmp_path / "out"):
            assert first.is_dir()
            assert second.is_dir()
    assert {"out", "other", *(path.name for path in foreign)} == {path.name for path in tmp_path.iterdir()}


def test_a_shadow_is_written_where_a_killed_one_was(tmp_path: Path) -> None:
    """A folder that holds nothing but its rest takes the next one."""
    folder = tmp_path / "neutral"
    folder.mkdir()
    _killed(folder / FILE_NAME)
    assert list(folder.iterdir())
    check_output(folder)
    with draft_of(folder / FILE_NAME) as draft:
        draft.write_text("whole")
        draft.replace(folder / FILE_NAME)
    assert [FILE_NAME] == [path.name for path in folder.iterdir()]
    (folder / FILE_NAME).rename(folder / "notes")
    with pytest.raises(InputError, match="holds other files"):
        check_output(folder)


def test_an_empty_folder_becomes_an_export(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """An empty folder is used like a new one; one that is filled meanwhile is left alone."""
    (tmp_path / "empty").mkdir()
    assert 0 == poet("export", tiny_run, "--output", tmp_path / "empty").code
    assert (tmp_path / "empty" / "niches.parquet").is_file()
    with pytest.raises(InputError, match="exists: name a new folder"), new_folder(tmp_path / "late"):
        (tmp_path / "late").mkdir()
        (tmp_path / "late" / "notes").write_text("mine")
    assert {"empty", "late"} == {path.name for path in tmp_path.iterdir()}
    assert ["notes"] == [path.name for path in (tmp_path / "late").iterdir()]


@pytest.mark.parametrize("command", ["export", "control", "analyse"])
def test_output_that_is_taken_away_is_not_done(
    poet: Poet, tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The command fails with code 1 in one sentence, and does not say that something is there."""
    import pandas as pd

    from experiments.analysis import theme

    run, place = shutil.copytree(tiny_run, tmp_path / "run"), tmp_path / "place"

    def after(works):  # type: ignore[no-untyped-def]
        def act(*args, **options):  # type: ignore[no-untyped-def]
            works(*args, **options)
            shutil.rmtree(place)

        return act

    place.mkdir()
    monkeypatch.setattr(pd.DataFrame, "to_parquet", after(pd.DataFrame.to_parquet))
    monkeypatch.setattr(theme, "save_figure", after(theme.save_figure))
    arguments = {
        "export": ("export", run, "--output", place / "out"),
        "control": ("control", "neutral", run, "--replicates", 1, "--output", place / "out"),
        "analyse": ("analyse", run, "--matrix", 0, "--output", place / "out"),
    }
    ended = poet(*arguments[command])
    assert_refused(ended, "taken away", code=1)
    assert not os.path.lexists(place)
