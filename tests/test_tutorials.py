"""Tutorials: each page is a notebook, runs as it stands there, and prints what it shows."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest

from tests.tutorials import PAGES, cells, differences, pictures, renewed, run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    """Every cell runs, every output is the one on the page, and every picture that it shows is made."""
    text = page.read_text(encoding="utf-8")
    found = differences(text, run(text, tmp_path))

    assert not found, "\n".join([*found, "If that is right: python -m tests.tutorials"])
    assert all((tmp_path / name).is_file() and (page.parent / "images" / name).is_file() for name in pictures(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_is_a_notebook(page: Path) -> None:
    """Jupytext makes a notebook of it whose code cells are those that are tested."""
    text = page.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="md")
    in_notebook = [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code"]
    tested = [f"%%bash\n{cell.source}" if cell.language == "bash" else cell.source for cell in cells(text)]

    assert [source.strip() for source in tested] == in_notebook


def test_an_output_that_differs_is_found_and_written_anew(tmp_path: Path) -> None:
    """Values at ends of cells count, dots stand for anything, missing outputs are added, and files are made."""
    text = (
        "```python\n%%writefile two.txt\n2\n```\n\n```bash\ncat two.txt\n```\n\n```text\n3\n```\n\nBetween.\n\n"
        "```python\nx = 1\nx + 1\n```\n\n```bash\necho 12 steps/s\n```\n\n```text\n... steps/s\n```\n"
    )
    outputs = run(text, tmp_path)
    again = renewed(text, outputs)

    assert ["", "2\n", "2\n", "12 steps/s\n"] == outputs
    assert 2 == len(differences(text, outputs)) and not differences(again, outputs)
    assert text.replace("3\n", "2\n").replace("x + 1\n```\n", "x + 1\n```\n\n```text\n2\n```\n") == again


def test_a_command_that_fails_ends_a_tutorial(tmp_path: Path) -> None:
    """It says which command, and what that printed."""
    with pytest.raises(RuntimeError, match="echo oh; false\nended with 1:\noh"):
        run("```bash\necho oh; false\n```\n", tmp_path)
