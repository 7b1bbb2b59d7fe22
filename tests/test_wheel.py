"""The content of a wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house import ROOT, files

PACKAGES = ("environments", "agents", "poet", "experiments")
_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def test_a_wheel_holds_all_that_a_run_reads(tmp_path: Path) -> None:
    """It has all code and data files, but only the code of the reports, whose other files are not read at run time."""
    source = tmp_path / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("poet_open_ended.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-c", _BUILD, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry_points,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        commands = archive.read(entry_points).decode()
    wanted = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in files(ROOT / name)}
    pictures = {name for name in wanted if name.startswith("experiments/reports/") and not name.endswith(".py")}

    assert wanted - pictures | {"poet_open_ended.py"} == held
    assert "poet = poet_open_ended:main" in commands
