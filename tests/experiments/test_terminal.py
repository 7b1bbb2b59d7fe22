"""How terminals, pages and plots show a hostile archive; terminals of every encoding; hints to copy."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

from experiments.analysis.gene_plot import plot_genes
from experiments.analysis.theme import save_figure
from experiments.commands import display
from experiments.markdown import markdown_table
from experiments.status import read_status, status_lines
from experiments.text import as_code, as_markdown, poet_command, visible
from poet.archive.reader import open_run
from tests.experiments.command_line import COMMAND, Poet, environment
from tests.experiments.synthetic_runs import read, three_niches
from tests.house import modules

#: A colour, a title of the window, markup of rich, formulas of matplotlib, HTML, and letters that turn the line.
EVIL = "\x1b[31m\x1b]0;x\x07\u202e[red]$\\frac$<script>\u2028\x9b2J"


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose criterion and a gene are called so; only read."""
    names = {"poet": {"criterion": f"{EVIL}:Name"}, "terrain": {"genotype": "somebody:Genes"}}
    folder = three_niches(tmp_path_factory.mktemp("runs") / "evil", **names)
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection, connection:
        for niche_id, text in connection.execute("SELECT niche_id, genotype FROM niches").fetchall():
            genes = json.dumps({**json.loads(text), EVIL: 1.5})
            connection.execute("UPDATE niches SET genotype = ? WHERE niche_id = ?", (genes, niche_id))
    return folder


def assert_harmless(text: str) -> None:
    """Check that nothing in it controls a terminal."""
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_no_text_of_an_archive_steers_the_terminal(poet: Poet, evil: Path, tmp_path: Path) -> None:
    """Control characters in names, genes and paths are escaped, in tables and in errors."""
    path = tmp_path / "\x1b[31mrun"
    ends = [poet("status", evil), poet("analyse", evil, "--matrix", 0, "--output", tmp_path / "report")]
    for ended in [*ends, poet("resume", evil, "--iterations", 9), poet("status", path)]:
        assert_harmless(ended.out + ended.err)
        assert "\\u001b[31m" in ended.out + ended.err
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert_harmless(page)
    assert "<script>" not in page


def test_markup_of_tables_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """In titles, in names of columns and in cells."""
    display.print_tables([("[red]title[/]", pd.DataFrame({"[bold]column[/]": ["[link=x]cell[/link]", "\x1b[31m"]}))])

    out = capsys.readouterr().out
    assert_harmless(out)
    for text in ("[red]title[/]", "[bold]column[/]", "[link=x]cell[/link]", "\\u001b[31m"):
        assert text in out


def test_a_plot_takes_every_text_as_it_is(evil: Path, tmp_path: Path) -> None:
    """A dollar begins no formula, and a name that is none is drawn all the same."""
    figure = plot_genes(read(evil))
    assert figure is not None
    save_figure(figure, tmp_path / "plot.png")

    titles = [axes.get_title("left") for axes in figure.axes]
    assert any("$\\frac$" in title for title in titles)
    for title in titles:
        assert_harmless(title)


def test_markdown_holds_no_markup_of_strangers() -> None:
    """Links, HTML, emphasis and ends of cells are letters; code spans hold backticks."""
    assert r"\[a\](b) \<i\> \*x\* \| \$y\$ \&lt;" == as_markdown("[a](b) <i> *x* | $y$ &lt;")
    assert "`` a`b ``" == as_code("a`b")
    assert r"| \[x\](y) \| z |" in markdown_table(pd.DataFrame({"name": ["[x](y) | z"]}))
    assert "ä ö 中 \u00a0" == visible("ä ö 中 \u00a0")


@pytest.mark.parametrize(
    "settings", [{"text.usetex": True, "figure.dpi": 40}, {"axes.facecolor": "k", "savefig.bbox": "tight"}]
)
def test_nobodys_matplotlib_settings_change_a_plot(evil: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    """With LaTeX, other sizes or colours in a matplotlibrc it is the same file."""
    for name, changed in (("ours", {}), ("theirs", settings)):
        with mpl.rc_context(changed):
            figure = plot_genes(read(evil))
            assert figure is not None
            save_figure(figure, tmp_path / name)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A line in ``sh``, in which ``poet`` is ours."""
    script = f'poet() {{ {shlex.join(COMMAND)} "$@"; }}\n{line}'
    return subprocess.run(["sh", "-c", script], env={**environment(), **variables}, capture_output=True, check=False)


def test_analyse_works_with_the_backend_of_a_notebook(tmp_path: Path) -> None:
    """One that is not installed here, or that does not exist."""
    folder = three_niches(tmp_path / "run")
    ended = shell(poet_command("analyse", folder, "--matrix", "0"), MPLBACKEND="no_such_backend")
    assert (0, b"") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin1"},
                  {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}],
    ids=["ascii", "latin1", "C"],
)  # fmt: skip
def test_a_terminal_of_few_letters_gets_what_it_can_show(tmp_path: Path, variables: dict[str, str]) -> None:
    """On standard output and on standard error; a letter that it lacks is replaced, and nothing ends in a traceback."""
    folder = three_niches(tmp_path / "läuft → 中")
    shown = shell(poet_command("status", folder), **variables)
    refused = shell(poet_command("status", tmp_path / "nö → 中"), **variables)

    assert (0, b"") == (shown.returncode, shown.stderr)
    assert b"3 of" in shown.stdout or b"iteration   4" in shown.stdout
    assert (2, b"") == (refused.returncode, refused.stdout)
    assert b"does not exist" in refused.stderr
    assert 1 == len(refused.stderr.splitlines())


def test_closed_and_full_streams_end_in_no_traceback(tmp_path: Path) -> None:
    """Where nobody listens nothing is said, and the exit code stays; a full disk is one sentence."""
    run = three_niches(tmp_path / "run")
    status, missing = poet_command("status", run), poet_command("status", tmp_path / "missing")
    for line, code in ((f"{status} <&- >&- 2>&-", 0), (f"{missing} 2>&-", 2), (f"{status} | true", 0)):
        ended = shell(line)
        assert (code, b"") == (ended.returncode, ended.stderr), line
    full = shell(f"{status} >/dev/full")
    assert 1 == full.returncode
    assert 1 == len(full.stderr.splitlines())
    assert b"disk is full" in full.stderr


@pytest.mark.parametrize("name", ["two words", "it's", "-n", "$HOME", 'a"b', "a;b", "two  blanks", "*"])
def test_every_hint_can_be_pasted_into_a_shell(
    poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It names the folder, whatever that is called: hints of status, of a run that exists and of one that is done."""
    monkeypatch.chdir(tmp_path)
    folder = three_niches(Path(f"./{name}"), run={"iterations": 4})
    with open_run(folder) as run:
        status = read_status(run)
    assert status is not None
    stopped = status_lines(folder, type(status)(**{**vars(status), "iterations": 9}))[0].partition("go on with: ")[2]
    exists = poet("run", f"./{name}", "--preset", "tiny").err.partition(" by: ")[2]
    further = poet("resume", f"./{name}").out.partition("go further with: ")[2]

    for hint in (stopped, exists, further):
        assert hint.startswith("poet resume ")
        shown = subprocess.run(
            ["sh", "-c", 'poet() { printf "%s\\n" "$@"; }\n' + hint], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert Path(name).resolve() == Path(shown[1]).resolve()
        assert not shown[1].startswith("-")
    assert [tmp_path / name] == list(tmp_path.iterdir())


def test_no_hint_is_written_without_quotes() -> None:
    """A command with a folder in it comes from ``poet_command``."""
    bare = re.compile(r"poet (run|resume|status|analyse|fork|control \w+) \{")
    assert [] == [module.path for module in modules("experiments", "poet") if bare.search(module.text)]
