"""Damaged archives by the hundred: every command answers in one sentence, or rightly where the damage is none to it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from experiments.analysis import report
from experiments.analysis.run_report import TABLES
from experiments.analysis.run_tables import read_tables
from poet.archive.schema import TABLES_OF, table_names
from tests.experiments.command_line import Poet
from tests.experiments.conftest import NUM_ITERATIONS
from tests.experiments.damage import Damage, damages

DAMAGES = dict(damages())
COMMANDS = ("status", "fingerprint", "resume", "export", "verify", "replay", "fork", "analyse", "control")


@pytest.fixture(scope="module")
def loose(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run by schema 2, in which SQLite takes any value in any column."""
    folder = tmp_path_factory.mktemp("loose") / "run"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "run.sqlite", isolation_level=None)) as connection:
        connection.executescript(TABLES_OF[2])
        connection.execute("ATTACH ? AS source", (str(tiny_run / "run.sqlite"),))
        for table in table_names(TABLES_OF[2]):
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM source.{table}")
        connection.executescript("PRAGMA main.application_id = 1347372372; PRAGMA main.user_version = 2;")
    return folder


def _tables_only(stored: dict[str, object], output: Path, *_: object) -> Path:
    """What a report reads and computes; its plots take seconds."""
    for run in stored.values():
        tables = read_tables(run)  # type: ignore[arg-type]
        for make, _what in TABLES.values():
            make(tables)
    output.mkdir(exist_ok=True)
    return output / report.INDEX


def _arguments(command: str, run: Path, output: Path) -> tuple[object, ...]:
    further = NUM_ITERATIONS + 1
    return {
        "resume": ("resume", run, "--iterations", further, "--workers", 1),
        "export": ("export", run, "--output", output),
        "replay": ("replay", run, "--output", output.with_suffix(".png")),
        "fork": ("fork", run, output, "--at", NUM_ITERATIONS, "--iterations", further, "--workers", 1),
        "analyse": ("analyse", run, "--output", output, "--matrix", 0),
        "control": ("control", "neutral", run, "--replicates", 1, "--output", output),
    }.get(command, (command, run))


@pytest.mark.parametrize("part", range(9))
def test_no_damage_ends_in_a_traceback(
    poet: Poet, loose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Exit code 2, one sentence, nothing written and nothing left; or the damage does not matter to the command."""
    monkeypatch.setattr(report, "write_report", _tables_only)
    names = sorted(DAMAGES)[part::9]
    for i, name in enumerate(names):
        if i % STRIDE == 0:
            _check(poet, loose, tmp_path / str(i), name, DAMAGES[name], COMMANDS[(i // STRIDE + part) % len(COMMANDS)])


#: Every so many of them are tried in ``make test``; 1 tries all.
STRIDE = 6


def _check(poet: Poet, loose: Path, place: Path, name: str, damage: Damage, command: str) -> None:
    run, output = shutil.copytree(loose, place / "run"), place / "output"
    try:
        damage(run / "run.sqlite")
    except sqlite3.Error:
        return  # SQLite itself refuses it
    before = (run / "run.sqlite").read_bytes()
    ended = poet(*_arguments(command, run, output))
    what = (name, command, ended)
    assert ended.code in ((0, 1, 2) if command == "verify" else (0, 2)), what
    if ended.code == 2:
        assert 1 == len(ended.err.splitlines()), what
        assert len(ended.err) < 1000, what
        assert not output.exists(), what
        assert before == (run / "run.sqlite").read_bytes(), what
    shutil.rmtree(place)
