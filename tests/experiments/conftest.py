"""Fixtures for tests of the command line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from agents.evaluation import make_executor
from experiments.progress import PlainLines
from experiments.runner import run_experiment
from experiments.settings import resolve_config
from poet.archive.fingerprint import fingerprint
from tests.experiments.command_line import Poet, in_process

#: Iterations of the reference run: reproduction, admission, transfers and retirements have happened, some twice.
NUM_ITERATIONS = 10

#: The browser that opens pages; None if there is none.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


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
