"""The page of one run, in which its archived walkers walk: one HTML file that needs nothing else, not even a network.

``data`` says what the page holds, ``agents`` which walkers, ``document`` joins it all. The page itself is in the files
beside them: ``page.html``, ``page.css`` and the JavaScript modules, ``main.mjs`` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.page.data import page_data
from experiments.page.document import make_document

if TYPE_CHECKING:
    from experiments.analysis.run_tables import RunTables
    from poet.archive.reader import Run

#: The page's file in the folder of a report.
FILE_NAME = "report.html"


def make_page(name: str, run: Run, tables: RunTables, tables_page: str | None = None) -> str:
    """The page of a run: the text of its file.

    Args:
        name: of the run, for people.
        run: its archive.
        tables: what the analysis reads from it.
        tables_page: the address of the report with its tables, relative to the page; None for no link.

    Raises:
        InputError: the archive is damaged.
    """
    return make_document(name, page_data(name, run, tables, tables_page))
