"""The page of one run, in which its archived walkers walk: one HTML file that needs nothing else, not even a network.

``data`` says what the page holds, ``agents`` which walkers, ``document`` joins it all. The page itself is in the files
beside them: ``page.html``, ``page.css`` and the JavaScript modules, ``main.mjs`` first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.files import write_text
from experiments.page.data import page_data
from experiments.page.document import make_document

if TYPE_CHECKING:
    from experiments.analysis.run_tables import RunTables
    from poet.archive.reader import Run

#: The page's file in the folder of a report.
FILE_NAME = "report.html"


def write_page(name: str, run: Run, tables: RunTables, path: Path, tables_page: str | None = None) -> Path:
    """Write the page of a run.

    Args:
        name: of the run, for people.
        run: its archive.
        tables: what the analysis reads from it.
        path: of the new file.
        tables_page: the address of the report with its tables, relative to the page; None for no link.

    Returns:
        ``path``.
    """
    write_text(path, make_document(name, page_data(name, run, tables, tables_page)))
    return path
