"""Runs the tutorials, and compares what they print with the outputs that they show.

A tutorial is a Markdown page that Jupytext opens as a notebook. Its fences ``bash`` and ``python`` are the cells; one
that begins with ``%%writefile NAME`` makes a file. A fence ``text`` right behind a cell shows its output, in which
``...`` stands for what differs from run to run, such as a speed. A picture below ``images`` is one that the page makes.

``python -m tests.tutorials FILE...`` runs pages and writes their outputs and pictures anew; all, if none is named.
"""

from __future__ import annotations

import ast
import doctest
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from tests.house import ROOT

FOLDER = ROOT / "docs" / "tutorials"
PAGES = sorted(FOLDER.glob("*.md"))

_CELLS = ("bash", "python")
_OUTPUT = "text"
_PICTURE = re.compile(r"!\[[^\]]*\]\(images/([\w.-]+)\)")


@dataclass(frozen=True)
class Cell:
    """A cell of a page.

    Attributes:
        language: ``bash`` or ``python``.
        source: its code.
        end: the line after its fence, from 0.
        output: what the page shows as its output; None if it shows none.
        output_lines: the first line and the line after the last of that fence; ``(end, end)`` if there is none.
    """

    language: str
    source: str
    end: int
    output: str | None
    output_lines: tuple[int, int]


def cells(text: str) -> list[Cell]:
    """The cells of a page, in their order."""
    tokens = MarkdownIt().parse(text)
    found = []
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "fence" and token.info in _CELLS and token.map is not None:
            has_output = after is not None and after.type == "fence" and after.info == _OUTPUT
            end = token.map[1]
            output = after.content if has_output and after is not None else None
            lines = (after.map[0], after.map[1]) if has_output and after is not None and after.map else (end, end)
            found.append(Cell(token.info, token.content, end, output, lines))
    return found


def run(text: str, folder: Path) -> list[str]:
    """Run a page's cells in a folder; what each of them printed, without spaces at ends of lines.

    Raises:
        RuntimeError: a command failed.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with _working_in(folder):
        return [_tidy(_run_cell(cell, names)) for cell in cells(text)]


def differences(text: str, outputs: list[str]) -> list[str]:
    """What a page shows otherwise than it was printed, a paragraph for each cell."""
    return [
        f"{cell.source}prints\n{output}but the page shows\n{cell.output}"
        for cell, output in zip(cells(text), outputs, strict=True)
        if not _is_shown(cell, output)
    ]


def renewed(text: str, outputs: list[str]) -> str:
    """The page with the outputs that differ written anew."""
    lines = text.splitlines()
    for cell, output in reversed(list(zip(cells(text), outputs, strict=True))):
        if not _is_shown(cell, output):
            start, end = cell.output_lines
            fence = [f"```{_OUTPUT}", *output.splitlines(), "```"] if output else []
            lines[start:end] = fence if cell.output is not None or not fence else ["", *fence]
    return "\n".join(lines) + "\n"


def pictures(text: str) -> list[str]:
    """The names of the pictures that a page makes and shows."""
    return _PICTURE.findall(text)


def main(pages: list[Path]) -> None:
    """Run pages, and write their outputs and pictures."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(renewed(text, run(text, Path(folder))), encoding="utf-8")
            for name in pictures(text):
                shutil.copyfile(Path(folder) / name, page.parent / "images" / name)


def _is_shown(cell: Cell, output: str) -> bool:
    return doctest.OutputChecker().check_output(_tidy(cell.output or ""), output, doctest.ELLIPSIS)


def _tidy(output: str) -> str:
    text = "\n".join(line.rstrip() for line in output.splitlines()).strip("\n")
    return f"{text}\n" if text else ""


def _run_cell(cell: Cell, names: dict[str, Any]) -> str:
    first, _, rest = cell.source.partition("\n")
    if first.startswith("%%writefile "):
        Path(first.split()[1]).write_text(rest, encoding="utf-8")
        return ""
    return _run_bash(cell.source) if cell.language == "bash" else _run_python(cell.source, names)


def _run_bash(source: str) -> str:
    """What it prints on standard output. On the other one there may be progress, if the machine is slow."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", source], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{source}ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _run_python(source: str, names: dict[str, Any]) -> str:
    """What it prints, and the value of an expression at its end, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """As if a reader had opened a terminal there, 120 columns wide, with the virtual environment of this Python."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    before, environment = Path.cwd(), dict(os.environ)
    os.environ |= {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "PYTHONWARNINGS": "error::FutureWarning"}
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or PAGES)
