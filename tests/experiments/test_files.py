"""Writing into hostile folders: nothing outside them changes, and nothing is half written."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from environments.errors import InputError
from experiments.analysis.page import GENERATOR
from experiments.analysis.report import write_report
from experiments.analysis.shadow_file import FILE_NAME, write_shadow
from experiments.files import written
from experiments.replay.strip import stack_strips
from experiments.throughput.report import BenchReport
from experiments.throughput.report import write_report as write_bench_report
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.synthetic_runs import simulated_run, three_niches
from tests.experiments.test_bad_input import assert_refused
from tests.house import modules

OUTSIDE = "what a stranger must not touch"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run; tests only read it."""
    return three_niches(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A file outside every folder that is written; it must be as it was."""
    place = tmp_path / "outside"
    place.mkdir()
    file = place / "file"
    file.write_text(OUTSIDE)
    yield file
    assert OUTSIDE == file.read_text()
    assert [file] == list(place.iterdir())


def report_of(run: Path, output: Path) -> set[Path]:
    """The files of a report, by their places in it."""
    with open_run(run) as stored:
        write_report({"run": stored}, output)
    return {path.relative_to(output) for path in output.rglob("*") if path.is_file()}


def test_a_report_replaces_links_and_does_not_follow_them(run: Path, tmp_path: Path, outside: Path) -> None:
    """Plots, tables and page of an earlier report that are links become files; what they lead to stays as it is."""
    files = report_of(run, tmp_path / "first")
    planted = tmp_path / "planted"
    for file in files - {Path("index.html")}:
        (planted / file).parent.mkdir(parents=True, exist_ok=True)
        (planted / file).symlink_to(outside)
    (tmp_path / "page").write_text(GENERATOR)
    (planted / "index.html").symlink_to(tmp_path / "page")

    assert files == report_of(run, planted)
    assert not [path for path in planted.rglob("*") if path.is_symlink()]
    assert GENERATOR == (tmp_path / "page").read_text()


@pytest.mark.parametrize("name", ["plots", "tables", "run01", "run02/plots"])
def test_a_folder_in_a_report_that_is_a_link_is_refused(
    poet: Poet, run: Path, tmp_path: Path, outside: Path, name: str
) -> None:
    """Before anything is printed or written; the folder of the report itself may be one that the user names."""
    report, other = tmp_path / "report", simulated_run(tmp_path / "other", iterations=3)
    (report / name).parent.mkdir(parents=True)
    (report / "index.html").write_text(GENERATOR)
    (report / name).symlink_to(outside.parent, target_is_directory=True)
    (tmp_path / "link").symlink_to(report, target_is_directory=True)

    ended = poet("analyse", run, *([other] if "run" in name else []), "--output", tmp_path / "link", "--matrix", 0)
    assert_refused(ended, f"link/{name} is a link", "take it away")
    assert "" == ended.out
    assert GENERATOR == (report / "index.html").read_text()


@pytest.mark.parametrize(("command", "name"), [(("analyse",), "report"), (("control", "neutral"), "neutral")])
def test_the_folders_in_a_run_that_nobody_named_may_be_no_links(
    poet: Poet, tmp_path: Path, outside: Path, command: tuple[str, ...], name: str
) -> None:
    """``RUN/report`` and ``RUN/neutral`` came with the run, perhaps from a stranger; ``--output`` may be a link."""
    run, empty = three_niches(tmp_path / "run"), tmp_path / "empty"
    empty.mkdir()
    (run / name).symlink_to(empty, target_is_directory=True)
    options = ("--matrix", 0) if name == "report" else ("--replicates", 1)

    assert_refused(poet(*command, run, *options), f"run/{name} is a link")
    assert not list(empty.iterdir())
    assert 0 == poet(*command, run, *options, "--output", run / name).code
    assert list(empty.iterdir())


@pytest.mark.parametrize("ending", [".gif", ".png", ".mp4"])
def test_a_replay_replaces_a_link(poet: Poet, tiny_run: Path, tmp_path: Path, outside: Path, ending: str) -> None:
    """Of the file's name, and of what a draft of it was or is called; the file has the rights that the user gives."""
    output = tmp_path / f"walk{ending}"
    for name in (output.name, f".walk.part{ending}", f".walk.{os.getpid()}.part{ending}"):
        (tmp_path / name).symlink_to(outside)

    assert 0 == poet("replay", tiny_run, "--niche", 0, "--output", output).code
    assert not output.is_symlink()
    assert output.stat().st_mode == outside.stat().st_mode


def test_other_files_replace_links(tmp_path: Path, outside: Path) -> None:
    """Shadows, figures of ``poet bench``, and strips of a page."""
    strip, shadow = tmp_path / "strip.png", tmp_path / "shadow"
    with written(strip) as file:
        file.write((Path(__file__).parents[2] / "experiments/reports/demo/learnt.png").read_bytes())
    shadow.mkdir()
    places = [shadow / FILE_NAME, tmp_path / "bench.md", tmp_path / "film.png"]
    for place in places:
        place.symlink_to(outside)

    write_shadow(pd.DataFrame({"genotype": [{}]}), shadow)
    write_bench_report(BenchReport("poet bench", {}, [], [], {}, None, []), places[1])
    stack_strips([strip], places[2])
    assert not [place for place in places if place.is_symlink()]


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    """An error while it is written leaves the earlier one, and no draft; a folder in its place is named."""
    path = tmp_path / ("x" * 240 + ".txt")
    path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), written(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken is a folder"), written(tmp_path / "taken"):
        pass

    assert "earlier" == path.read_text()
    assert {path, tmp_path / "taken"} == set(tmp_path.iterdir())


def test_every_writer_of_files_goes_through_the_one_room() -> None:
    """A name given to a library is opened by it, links and all: only a new folder of our own is written to so."""
    found = {
        f"{module.path}:{node.lineno}: {node.attr}"
        for module in modules("experiments")
        if module.path not in ("experiments/files.py", "experiments/export.py")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes", "copyfile", "copytree")
    }
    assert not found
