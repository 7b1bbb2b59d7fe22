"""Makes the site: ``make docs``. Its pages are the Markdown files where they lie, so that they read as well on GitHub.

The source folder is the whole repository, and a page's address is its path. The order of pages stands in ``NAVIGATION``
and in no page, since a list of pages for Sphinx is no sight on GitHub.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from experiments.commands.app import app as poet_commands

ROOT = Path(__file__).parents[1]

#: The first page, and under each caption its pages, in their order.
FIRST = "docs/index"
NAVIGATION = {
    "Tutorials": [
        "docs/tutorials/first-run",
        "docs/tutorials/own-parts",
        "docs/tutorials/compare",
        "docs/tutorials/take-out",
    ],
    "How to": [
        "docs/how-to/configure",
        "docs/how-to/terrains",
        "docs/how-to/watch",
        "docs/how-to/log",
        "docs/how-to/evaluate",
        "docs/how-to/compare",
        "docs/how-to/meta",
        "docs/how-to/take-away",
        "docs/how-to/machines",
    ],
    "How to add": [
        "docs/how-to/add-gene",
        "docs/how-to/add-genotype",
        "docs/how-to/add-trainer",
        "docs/how-to/add-policy",
        "docs/how-to/add-engine",
        "docs/how-to/add-key",
    ],
    "The science": [
        "docs/science/poet",
        "docs/science/differences",
        "docs/science/exact",
        "docs/science/shown",
        "docs/science/methods",
        "docs/POET",
        "docs/PHYSICS",
        "docs/WALKER",
    ],
    "Reference": [
        "docs/CONFIG",
        "docs/reference/commands",
        "docs/reference/python",
        "docs/reference/archive",
        "docs/reference/contracts",
    ],
    "Results": [
        "BENCHMARKS",
        "experiments/reports/desktop/README",
        "experiments/reports/growth/README",
        "experiments/reports/demo/README",
        "experiments/reports/enhanced2020/README",
        "experiments/reports/ceiling/README",
        "experiments/reports/arms/README",
        "experiments/reports/threshold/README",
        "experiments/reports/longer/README",
        "experiments/reports/meta/README",
    ],
    "The project": ["README", "CONTRIBUTING", "docs/how-to/release", "CHANGELOG"],
}
#: What the navigation calls pages whose headings do not tell them apart.
TITLES = {
    "README": "README",
    "experiments/reports/desktop/README": "Three seeds of desktop",
    "experiments/reports/growth/README": "Three seeds with small steps",
    "experiments/reports/demo/README": "Three seeds of demo",
    "experiments/reports/ceiling/README": "With and without a return ceiling",
    "experiments/reports/arms/README": "Children several mutations away",
    "experiments/reports/threshold/README": "Waiting for agents",
    "experiments/reports/longer/README": "Desktop before the ceiling",
}

project = "POET"
author = "the authors of poet-open-ended"
copyright = "the authors of poet-open-ended, Apache-2.0"
html_title = "POET"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = FIRST
include_patterns = [f"{page}.md" for page in (FIRST, *chain(*NAVIGATION.values()))]
exclude_patterns = [".*", "build", "dist", "runs"]

myst_heading_anchors = 4
# The pages that `poet bench evolution` writes begin with headings of the third level.
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 100
napoleon_use_ivar = True
toc_object_entries = False

# Furo brings no fonts and no scripts from elsewhere: a built site needs no network.
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["start"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": False}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
# A command without its prompt, a cell without its output.
copybutton_prompt_text = "$ "


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _with_navigation)
    app.connect("source-read", _with_options)


def _with_navigation(app: Any, page: str, text: list[str]) -> None:
    """Put hidden lists of all pages behind the first page."""
    if page == FIRST:
        for caption, pages in NAVIGATION.items():
            there = [_entry(name) for name in pages if (ROOT / f"{name}.md").exists()]
            text[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *there, "```", ""])


def _entry(page: str) -> str:
    return f"{TITLES[page]} </{page}>" if page in TITLES else f"/{page}"


def _with_options(app: Any, page: str, text: list[str]) -> None:
    """Put what ``--help`` says of each command behind the table of commands."""
    if page == "docs/reference/commands":
        group = typer.main.get_command(poet_commands)
        manual = get_docs_for_click(obj=group, ctx=typer.Context(group), name="poet")
        text[0] += manual[manual.index("## ") :]
