"""The wheel: what is in it, and that it works where there is no checkout.

It is installed beside the packages of this virtual environment. So that it brings all that it needs, and that its
kernels are compiled where it lies, is left to ``make package``.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.house import ROOT, files
from tests.package import PACKAGES, Built, build, held, outside, try_out, version


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist, and wheels."""
    return build(tmp_path_factory.mktemp("built"))


def test_a_wheel_holds_all_that_a_run_reads(built: Built) -> None:
    """It has all code and data files, but only the code of the reports, whose other files are not read at run time."""
    with zipfile.ZipFile(built.wheel) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        commands = archive.read(entry_points).decode()
    wanted = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in files(ROOT / name)}
    pictures = {name for name in wanted if name.startswith("experiments/reports/") and not name.endswith(".py")}

    assert wanted - pictures | {"poet_open_ended.py"} == held(built.wheel)
    assert "poet = poet_open_ended:main" in commands


def test_the_sdist_gives_the_same_wheel(built: Built) -> None:
    """Who builds it from there misses nothing."""
    assert held(built.wheel) == held(built.wheel_of_sdist)


def test_an_installed_wheel_works_without_the_checkout(built: Built, tmp_path: Path) -> None:
    """From another folder it shows its example in Box2D, serves the example's page, and makes a run."""
    venv, user = tmp_path / "venv", tmp_path / "user"
    user.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    install = [sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, built.wheel], check=True, capture_output=True, env=outside())
    (site,) = venv.glob("lib/python*/site-packages")
    # Here, .pth files of the other folder do nothing, such as that of our own editable install.
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))

    assert site == try_out(venv / "bin", user, "box2d")


def test_whoever_cites_a_release_cites_its_version() -> None:
    """``CITATION.cff`` has the version of ``setup.cfg``, which ``poet --version`` says."""
    assert f"\nversion: {version()}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
