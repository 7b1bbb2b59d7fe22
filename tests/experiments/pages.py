"""Pages of runs, opened from disk in a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from experiments.analysis.run_tables import read_tables
from experiments.page import make_page
from poet.archive.reader import open_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed here: apt-get install chromium")


def page_of(folder: Path, path: Path, name: str = "run") -> Path:
    """The page of a run."""
    with open_run(folder) as run:
        path.write_text(make_page(name, run, read_tables(run)), encoding="utf-8")
    return path


class Opened:
    """A page opened from disk, with all that it complained of and asked for."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_context(**options).new_page()
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.locator("html[data-state=ready]").wait_for(state="attached", timeout=60_000)

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        """It must have been silent, and have asked for nothing but itself and the text of its worker."""
        elsewhere = [url for url in self.requests[1:] if not url.startswith("blob:")]
        self.page.context.close()
        assert ([], []) == (self.complaints, elsewhere)
