"""Where compiled kernels are kept: where the user says, and otherwise in one place that is found again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from environments import cache_home as module
from environments.cache_home import cache_home
from environments.errors import InputError

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without a home that can be written, who has a folder for temporary files."""
    (tmp_path / "file").write_text("no folder")
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path


def test_the_user_chooses(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NUMBA_CACHE_DIR goes before XDG_CACHE_HOME, and that before the home; what cannot be written is passed over."""
    monkeypatch.setenv("HOME", str(nowhere / "home"))
    assert nowhere / "home" / ".cache" == cache_home()
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere / "xdg"))
    assert nowhere / "xdg" == cache_home()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(nowhere / "numba"))
    assert nowhere / "numba" == cache_home()

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(nowhere / "file" / "numba"))
    assert nowhere / "xdg" == cache_home()
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere / "file"))
    assert nowhere / "home" / ".cache" == cache_home()


def test_relative_paths(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NUMBA_CACHE_DIR may be one, from where the process is; as XDG_CACHE_HOME it counts as unset."""
    monkeypatch.chdir(nowhere)
    monkeypatch.setenv("HOME", str(nowhere / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert nowhere / "home" / ".cache" == cache_home()
    assert not (nowhere / "here").exists()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "here")
    assert nowhere / "here" == cache_home()


def test_without_a_home_there_is_one_folder_of_the_users_own(nowhere: Path) -> None:
    """Every process finds the same, which nobody else can read or write."""
    folder = cache_home()

    assert folder == cache_home()
    assert [folder] == list((nowhere / "tmp").iterdir())
    assert 0o700 == folder.stat().st_mode & 0o777


@pytest.mark.parametrize("plant", ["others may write", "a link", "another's", "a file"])
def test_a_folder_that_somebody_else_may_write_is_not_taken(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    """Kernels are code: a planted folder is left alone, and this process has one of its own, until it ends."""
    at_exit = []
    monkeypatch.setattr(module.atexit, "register", lambda *call, **options: at_exit.append((call, options)))
    planted = nowhere / "tmp" / f"poet-cache-{os.getuid()}"
    (nowhere / "elsewhere").mkdir(mode=0o700)
    if plant == "a link":
        planted.symlink_to(nowhere / "elsewhere")
    elif plant == "a file":
        planted.touch()
    else:
        planted.mkdir(mode=0o700)
        planted.chmod(0o770 if plant == "others may write" else 0o700)
    if plant == "another's":
        others = os.getuid() + 1
        planted.rename(planted.with_name(f"poet-cache-{others}"))
        monkeypatch.setattr(os, "getuid", lambda: others)

    folder = cache_home()

    assert folder.parent == nowhere / "tmp" and folder.name not in (planted.name, f"poet-cache-{os.getuid()}")
    assert not list((nowhere / "elsewhere").iterdir())
    ((remove, *arguments), options) = at_exit[0]
    remove(*arguments, **options)
    assert not folder.exists()


@pytest.mark.parametrize("plant", ["others may write", "a link of another's", "another's"])
def test_what_somebody_else_made_where_the_user_says_is_passed_over(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    """NUMBA_CACHE_DIR is often /tmp, where anybody may make a folder first, or a link to one of the user's."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(nowhere / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere / "xdg"))
    planted, others = nowhere / "tmp" / "poet", os.getuid() + 1
    if plant == "a link of another's":
        (nowhere / "own").mkdir()
        planted.symlink_to(nowhere / "own")
        os.chown(planted, others, -1, follow_symlinks=False)
    else:
        planted.mkdir()
        planted.chmod(0o777)
        if plant == "another's":
            os.chown(planted, others, -1)
    assert nowhere / "xdg" == cache_home()
    assert [] == [path for path in planted.iterdir() if path.name != "kernels"]


def test_nowhere_at_all_is_one_sentence(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to set."""
    monkeypatch.setattr("tempfile.tempdir", str(nowhere / "file"))

    with pytest.raises(InputError, match="set NUMBA_CACHE_DIR"):
        cache_home()


_SCRIPT = "from environments.compiled import CACHE_DIR; import environments.walker.judge; print(CACHE_DIR)"


def test_processes_without_a_home_share_a_folder_and_leave_no_other(tmp_path: Path) -> None:
    """Where nothing but the folder for temporary files can be written, the next start finds what this one kept."""
    environment = {"PYTHONPATH": str(_ROOT), "TMPDIR": str(tmp_path), "HOME": "/dev/null"}
    said = [
        subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    assert said[0].stdout == said[1].stdout
    assert [tmp_path / f"poet-cache-{os.getuid()}"] == list(tmp_path.iterdir())
