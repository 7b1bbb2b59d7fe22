"""Fixtures for tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.evaluation import make_executor
from experiments.progress import PlainLines
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from poet.archive.fingerprint import fingerprint
from tests.experiments.command_line import Poet, in_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Iterations of the reference run: reproduction, admission, transfers and retirements have happened, some twice.
NUM_ITERATIONS = 10


@pytest.fixture
def poet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Poet:
    """``poet(*arguments)`` calls the command line in this process."""
    return in_process(capsys, monkeypatch)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the preset tiny, made in this process without interruption; tests only read it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    config = resolve_config("tiny", flags={"run.iterations": NUM_ITERATIONS})
    with Path("/dev/null").open("w") as nowhere, make_executor("local", 1) as executor:
        run_experiment(folder, config, executor, lambda tracker: PlainLines(tracker, nowhere))
    return folder


@pytest.fixture(scope="session")
def tiny_fingerprint(tiny_run: Path) -> str:
    """The fingerprint of the finished run."""
    return fingerprint(tiny_run)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all pages."""
    from playwright.sync_api import sync_playwright

    from tests.experiments.pages import CHROMIUM

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
