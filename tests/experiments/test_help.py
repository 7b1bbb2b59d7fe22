"""What a newcomer looks for: help that answers at once, examples, the version, less talk, completion in the shell."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from experiments.commands.app import app
from experiments.presets import preset_names
from poet.archive.fingerprint import fingerprint
from tests.experiments.command_line import Poet, environment

TINY = ("--preset", "tiny", "--workers", 1)
HEAVY = ("numba", "pandas", "gymnasium", "Box2D", "torch", "ray", "matplotlib", "rich", "sqlite3")
#: The commands that show progress.
LONG = """
    run resume fork replay analyse evaluate compare bench 'bench inner' 'bench evolution' 'control neutral' 'control es'
    'control curriculum' 'control paced' 'control no-transfer' 'study run' 'study report'
    'meta curves' 'meta adaptability' 'meta joint' 'meta reptile' 'meta fomaml' 'meta es-maml'
"""


def all_commands() -> Iterator[tuple[str, Any]]:
    """Every command and every group with its name, such as ``control es``."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        yield name, command
        for inner_name, inner in getattr(command, "commands", {}).items():
            yield f"{name} {inner_name}", inner


COMMANDS = dict(all_commands())


@pytest.mark.parametrize(
    "line", ["--help", "--version", "run --help", "control es --help", "presets", "config", "config --preset demo"]
)
def test_what_says_something_without_a_run_imports_nothing_heavy(line: str) -> None:
    """No compiler, no tables, no plots: so it answers at once."""
    script = (
        "import sys\nfrom experiments.cli import main\ntry:\n    main()\nfinally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *line.split()], check=True, capture_output=True, text=True, env=environment()
    )

    assert "[]" == ended.stdout.splitlines()[-1]
    assert len(ended.stdout.splitlines()) > 1


def test_the_version_is_that_of_the_package(poet: Poet) -> None:
    """In one line, for whoever reports something."""
    assert f"poet {version('poet-open-ended')}\n" == poet("--version").out


@pytest.mark.parametrize("name", [name for name, command in all_commands() if not hasattr(command, "commands")])
def test_every_help_ends_with_examples_that_can_be_typed(name: str) -> None:
    """One or two of each command; its options and arguments exist."""
    lines = [line.strip() for line in (COMMANDS[name].epilog or "").splitlines() if line.startswith("  ")]

    assert 1 <= len(lines) <= 2
    for line in lines:
        words = shlex.split(line.partition(" > ")[0])
        assert ["poet", *name.split()] == words[: 1 + len(name.split())]
        COMMANDS[name].make_context(name, words[1 + len(name.split()) :])


def test_every_command_that_shows_progress_can_be_quiet() -> None:
    """And no other has the option."""
    quiet = {name for name, command in COMMANDS.items() if any("--quiet" in one.opts for one in command.params)}

    assert set(shlex.split(LONG)) == quiet


def test_a_quiet_run_says_what_it_is_and_where_it_is(poet: Poet, tmp_path: Path) -> None:
    """Without a line for each iteration; it is the same run, and the next command is as talkative as ever."""
    quiet = poet("run", tmp_path / "quiet", *TINY, "--iterations", 2, "--quiet")
    loud = poet("run", tmp_path / "loud", *TINY, "--iterations", 2)
    verified = poet("replay", tmp_path / "quiet", "--verify", "--quiet", "--engine", "simd", "--workers", 1)

    assert (0, "") == (quiet.code, quiet.err)
    assert [tmp_path / "quiet", "done"] == [Path(quiet.out.split(":")[0]), quiet.last_line.split(":")[0]]
    assert 2 == len(quiet.out.splitlines()) == len(loud.out.splitlines()) - 2
    assert fingerprint(tmp_path / "quiet") == fingerprint(tmp_path / "loud")
    assert 1 == len(verified.out.splitlines())


def test_the_options_of_bench_are_no_options_of_its_commands(poet: Poet, tmp_path: Path) -> None:
    """``poet bench --quiet compare`` would be ignored, and is refused."""
    ended = poet("bench", "--quiet", "compare", tmp_path / "t.csv")

    assert 2 == ended.code
    assert "not those of poet bench compare" in ended.err


def test_a_help_names_every_preset_and_a_wrong_name_the_nearest(poet: Poet, tmp_path: Path) -> None:
    """Nobody has to look for the names elsewhere."""
    text = poet("run", "--help").out
    wrong = poet("run", tmp_path / "run", "--preset", "dektop")

    assert [] == [name for name in preset_names() if name not in text]
    assert (2, "poet: unknown preset 'dektop'; did you mean 'desktop'?\n") == (wrong.code, wrong.err)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("poet stat", {"status"}),
        ("poet run x --preset poet2020", {"poet2020-paper", "poet2020-released"}),
        ("poet run x --set es.noise_l", {"es.noise_limit="}),
        ("poet config novelty.n", {"novelty.neighbors"}),
        ("poet control n", {"neutral", "no-transfer"}),
    ],
)
def test_a_shell_completes_commands_presets_and_keys(typed: str, words: set[str]) -> None:
    """What ``poet --install-completion`` makes a shell ask for."""
    script = "import sys; sys.argv[0] = 'poet'; from experiments.cli import main; main()"
    asked = {"_POET_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**environment(), **asked}
    )

    assert words == set(ended.stdout.split()), ended
