"""Packages with the names of ours, in a user's folder or installed over ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("environments", "agents", "poet", "experiments")
SCRIPT = ("-c", "from poet_open_ended import main; main()")
MODULE = ("-m", "experiments.cli")
LIBRARY = ("-c", "import poet")


def _begin(command: tuple[str, ...], cwd: Path, site: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A Python that finds ``cwd`` first, then what is in ``site``; -S: nothing that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-S", *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def _place(folder: Path, name: str, is_file: bool) -> Path:
    """Make a module or a package of a user."""
    path = folder / (f"{name}.py" if is_file else f"{name}/__init__.py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemError('code of the user was run')\n")
    return path if is_file else path.parent


@pytest.mark.parametrize(
    ("name", "is_file"), [("environments", False), ("agents", True), ("poet", False), ("experiments", False)]
)
def test_the_console_script_names_what_hides_one_of_our_packages(tmp_path: Path, name: str, is_file: bool) -> None:
    """One sentence with the place, exit code 2, and nothing of it is run."""
    place = _place(tmp_path, name, is_file)
    ended = _begin(SCRIPT, tmp_path)

    assert (2, "", 1) == (ended.returncode, ended.stdout, ended.stderr.count("\n")), ended.stderr
    assert f"poet: {place} is not POET's package {name}" in ended.stderr


@pytest.mark.parametrize(
    ("module", "name"),
    [("cli", "environments"), ("cli", "poet"), ("walkers.ship", "agents"), ("examples.train_ppo", "poet")],
)
def test_every_program_names_what_hides_one_of_our_packages(tmp_path: Path, module: str, name: str) -> None:
    """Programs started by ``python -m`` say the same sentence as the console script."""
    place = _place(tmp_path, name, is_file=False)
    ended = _begin(("-m", f"experiments.{module}"), tmp_path)

    assert (2, "", 1) == (ended.returncode, ended.stdout, ended.stderr.count("\n")), ended.stderr
    assert f"poet: {place} is not POET's package {name}" in ended.stderr


@pytest.mark.parametrize(
    ("library", "name"), [("poet", "agents"), ("poet", "environments"), ("agents", "environments")]
)
def test_an_import_names_what_hides_one_of_our_packages(tmp_path: Path, library: str, name: str) -> None:
    """User code gets an ImportError with the sentence. Namesakes of packages that it does not need do not matter."""
    place = _place(tmp_path, name, is_file=False)
    _place(tmp_path, "experiments", is_file=False)
    ended = _begin(("-c", f"import {library}"), tmp_path)

    assert 1 == ended.returncode
    assert f"ImportError: {place} is not POET's package {name}" in ended.stderr.splitlines()[-1]


def test_a_folder_without_a_face_is_no_matter_where_python_passes_it_over(tmp_path: Path) -> None:
    """Results of the user's in a folder ``agents`` hide nothing on a path that has ours."""
    (tmp_path / "agents").mkdir()
    ended = _begin(LIBRARY, tmp_path)

    assert 0 == ended.returncode, ended.stderr


def test_a_folder_without_a_face_is_named_where_it_hides_ours(tmp_path: Path) -> None:
    """An editable install finds ours last, after any folder of that name on the path."""
    (tmp_path / "agents").mkdir()
    finder = f"""
import sys
from importlib.util import spec_from_file_location
class Editable:
    def find_spec(name, path=None, target=None):
        places = {{'poet_open_ended': 'poet_open_ended.py', **{{name: name + '/__init__.py' for name in {PACKAGES}}}}}
        return spec_from_file_location(name, {str(ROOT)!r} + '/' + places[name]) if name in places else None
sys.meta_path.append(Editable)
import poet
"""
    ended = _begin(("-c", finder), tmp_path, site=tmp_path)

    assert f"ImportError: {tmp_path / 'agents'} is not POET's package agents" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "face"),
    [(SCRIPT, "import openai"), (MODULE, "import openai"), (LIBRARY, "import openai"), (LIBRARY, None)],
)
def test_a_package_written_over_ours_is_named(tmp_path: Path, command: tuple[str, ...], face: str | None) -> None:
    """openai-agents replaces the face of our ``agents``, and takes it away when it is uninstalled."""
    site = tmp_path / "site"
    for path in ("poet_open_ended.py", "experiments/cli.py", *(f"{name}/__init__.py" for name in PACKAGES)):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, site / path)
    if face:
        (site / "agents/__init__.py").write_text(face)
    else:
        (site / "agents/__init__.py").unlink()
    ended = _begin(command, tmp_path, site)

    assert (1 if command is LIBRARY else 2) == ended.returncode, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert str(site) in last and "agents" in last and "reinstall poet-open-ended" in last
