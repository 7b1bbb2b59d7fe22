"""The package as others get it: the sdist and the wheel are built, and the wheel is installed and tried elsewhere.

``make package`` does so in a virtual environment of its own, with all that the wheel needs from the package index, with
no kernel compiled yet, and leaves both files in ``dist``. ``test_wheel.py`` is quicker, and says what it leaves out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from tests.house import ROOT

PACKAGES = ("environments", "agents", "poet", "experiments")
#: What else the package is made of.
_FILES = ("poet_open_ended.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
_BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


@dataclass(frozen=True)
class Built:
    """What is uploaded of a release, and what must be the same.

    Attributes:
        sdist, wheel: both made of the checkout.
        wheel_of_sdist: made of the sdist, as pip does where it takes no wheel.
    """

    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


def build(folder: Path) -> Built:
    """Build in a new folder, from a copy: nothing that lies about in the checkout gets in."""
    source, unpacked = folder / "source", folder / "unpacked"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, source / name)
    sdist = _build("sdist", source, folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (root,) = unpacked.iterdir()
    return Built(sdist, _build("wheel", source, folder / "dist"), _build("wheel", root, folder / "of-sdist"))


def _build(kind: str, source: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    before = {*folder.iterdir()}
    command = [sys.executable, "-c", _BUILD, f"build_{kind}", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = {*folder.iterdir()} - before
    return made


def held(wheel: Path) -> set[str]:
    """The files in a wheel, without what describes it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def version() -> str:
    """The version in setup.cfg."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return settings["metadata"]["version"]


def try_out(scripts: Path, folder: Path, engine: str) -> Path:
    """Use an installed package as somebody does who has just got it: look at the example, and make a run.

    Args:
        scripts: the folder of its console script and of its Python.
        folder: where the user is.
        engine: of the run.

    Returns:
        The folder in which the package was found.

    Raises:
        AssertionError: something is not as it must be.
    """
    installed = Path(_call(scripts, folder, "python", "-c", "import poet; print(poet.__file__)").strip()).parents[1]
    assert f"poet {version()}\n" == _call(scripts, folder, "poet", "--version")
    walk = _call(scripts, folder, "poet", "replay", "--example", "--output", "walk.png")
    assert "equal to the archive: return, length and outcome" in walk, walk
    assert (folder / "walk.png").is_file()
    _call(scripts, folder, "poet", "run", "tiny", "--preset", "tiny", "--engine", engine, "--iterations", "2")
    assert "tiny: finished" in _call(scripts, folder, "poet", "status", "tiny")
    assert '<script type="text/plain" id="data">' in _live_page(scripts, folder)
    archives = [path.name for path in (installed / "experiments" / "example").glob("run.sqlite*")]
    assert ["run.sqlite"] == archives, "SQLite has written beside the example, in a folder that may be read-only"
    return installed


def outside() -> dict[str, str]:
    """The environment of somebody who has no checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def main() -> None:
    """Build into ``dist``, install what was built with all that it needs, and try it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        built = build(folder)
        assert held(built.wheel) == held(built.wheel_of_sdist), held(built.wheel) ^ held(built.wheel_of_sdist)
        venv, user = folder / "venv", folder / "user"
        user.mkdir()
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        install = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt"]
        print("installing the wheel with all that it needs; this takes a minute or two", flush=True)
        subprocess.run([*install, built.wheel], check=True, env=outside())
        os.environ["NUMBA_CACHE_DIR"] = str(folder / "kernels")
        print("trying it; all kernels are compiled, which takes a minute or two", flush=True)
        installed = try_out(venv / "bin", user, "simd")
        assert installed.is_relative_to(venv), f"{installed} was tried in place of the wheel"
        _call(venv / "bin", user, "poet", "analyse", "--example")
        assert (user / "report" / "report.html").is_file()
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        shutil.copytree(folder / "dist", ROOT / "dist")
    print(*(f"dist/{path.name}" for path in (built.sdist, built.wheel)), sep="\n")


def _call(scripts: Path, folder: Path, *command: str) -> str:
    """What a command says on standard output, see ``outside``."""
    done = subprocess.run(
        [scripts / command[0], *command[1:]], cwd=folder, env=outside(), capture_output=True, text=True
    )
    assert 0 == done.returncode, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _live_page(scripts: Path, folder: Path) -> str:
    """The page of the example, as ``poet view`` serves it."""
    command = [scripts / "poet", "view", "--example"]
    with subprocess.Popen(command, cwd=folder, env=outside(), stdout=subprocess.PIPE, text=True) as server:
        try:
            _, address = (server.stdout.readline() for _ in range(2)) if server.stdout else ("", "")
            with urllib.request.urlopen(address.strip(), timeout=300) as answer:
                return str(answer.read().decode())
        finally:
            server.terminate()  # Ctrl-C would be ignored where this runs in the background of a script


if __name__ == "__main__":
    main()
