"""``--example``: the run that comes with the package, which there is before any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import example
from experiments.analysis.success import rates_by_niche
from experiments.example import FOLDER, example_folder
from experiments.settings import differences, resolve_config
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused
from tests.experiments.test_help import COMMANDS

#: The commands that only look at runs.
LOOKING = {"status", "replay", "view", "analyse", "fingerprint", "verify", "export"}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no display."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_that_only_looks_takes_the_example() -> None:
    """And no other: it is never written to."""
    assert LOOKING == {
        name for name, command in COMMANDS.items() if any("--example" in one.opts for one in command.params)
    }


@pytest.mark.parametrize("name", sorted(LOOKING))
def test_a_run_or_the_example_must_be_named(poet: Poet, name: str) -> None:
    """Neither of them, or both, is one sentence."""
    more = ("--output", "new") if name == "export" else ()

    assert_refused(poet(name, *more), "RUN", "--example", "neither")
    assert_refused(poet(name, "there", "--example", *more), "RUN", "--example", "both")


def test_an_example_that_was_not_installed_is_missed(
    poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what to do."""
    monkeypatch.setattr(example, "FOLDER", tmp_path)

    assert_refused(poet("status", "--example"), str(tmp_path), "install poet-open-ended again")


def test_the_example_is_the_preset_demo_and_learns() -> None:
    """Who runs that preset has the same run, for a while at least; an agent that failed its terrain crosses it."""
    with open_run(example_folder()) as run:
        rates = rates_by_niche(run.validations)
        changed = differences(run.config, resolve_config("demo"))

    assert {"checkpoint.keep_every", "checkpoint.theta_every"} == {*changed}
    assert len(rates) > 5 and ((rates["pushes_admission"] < 0.4) & (rates["pushes_now"] >= 0.8)).any()


def test_every_stored_pair_of_the_example_is_what_it_says(poet: Poet) -> None:
    """Its file is whole, too, and looking at it leaves nothing beside it, which an installed package may not allow."""
    before = {*FOLDER.iterdir()}

    assert 0 == poet("verify", "--example").code
    assert "to the bit" in poet("replay", "--example", "--verify", "--engine", "simd", "--workers", 1).out
    assert before == {*FOLDER.iterdir()}
    assert b"\1\1" == (FOLDER / "run.sqlite").read_bytes()[18:20], "SQLite would read it through a journal"


def test_what_the_example_shows_goes_to_the_current_folder(poet: Poet, elsewhere: Path) -> None:
    """The film, where no window can be opened, and the report: what stands in their way is named."""
    for name in ("poet-example.gif", "report"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "mine").touch()

    assert_refused(poet("replay", "--example", "--quiet"), "poet-example.gif is a folder")
    assert_refused(poet("analyse", "--example", "--quiet"), "report holds other files")
