"""What a page of ``poet view`` costs in a real Chromium.

``python -m tests.benchmarks.viewed_page redraw RUN`` opens the page of a run that goes on, such as one that
``tests.benchmarks.large_run RUN --pause 0.35`` makes, and says when it is ready, and the page's tasks above 50 ms while
it follows. ``... loss FOLDER`` makes a run of ``desktop`` in FOLDER again and again, by turns alone and with a server
and an open page on the same cores, and says the env-steps a second of its second half.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, Playwright, sync_playwright

from tests.benchmarks.view import spent, viewed
from tests.experiments.command_line import COMMAND, environment
from tests.experiments.pages import CHROMIUM

_WATCH_TASKS = """() => {
    window.tasks = [];
    const note = (list) => window.tasks.push(...list.getEntries().map((task) => Math.round(task.duration)));
    new PerformanceObserver(note).observe({ type: 'longtask' });
}"""


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["redraw", "loss"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=25.0, help="how long the page is watched (redraw)")
    parser.add_argument("--pairs", type=int, default=2, help="of runs, one alone and one watched (loss)")
    parser.add_argument("--env-steps", type=int, default=7_500_000, help="of each run (loss)")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        if given.what == "redraw":
            redraw(playwright, given.folder, given.seconds)
        else:
            for _ in range(given.pairs):
                for is_watched in (False, True):
                    loss(playwright, given.folder, given.env_steps, is_watched)


def redraw(playwright: Playwright, folder: Path, seconds: float) -> None:
    """Print when a page of the run is ready, thrice, and its long tasks while the last one follows."""
    with viewed(folder) as (address, _):
        for _ in range(3):
            page, took = _opened(playwright, address)
            print(f"ready after {took:.2f} s: {page.locator('#lead').inner_text()}")
        page.evaluate(_WATCH_TASKS)
        time.sleep(seconds)
        print(f"tasks above 50 ms: {page.evaluate('() => window.tasks')}: {page.locator('#lead').inner_text()}")


def loss(playwright: Playwright, folder: Path, env_steps: int, is_watched: bool) -> None:
    """Make a run, watched or alone, and print how fast its second half was."""
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--preset", "desktop", "--seed", "5", "--env-steps", str(env_steps), "--quiet"]
    with subprocess.Popen(
        [*COMMAND, "run", str(folder), *options], env=environment(), stdout=subprocess.DEVNULL
    ) as run:
        cost = ""
        if is_watched:
            time.sleep(4)  # until there is a run to look at
            with viewed(folder) as (address, server):
                _opened(playwright, address)
                run.wait()
                cost = f", the server {spent(server):.2f} CPU s in all"
    with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
        ((last,),) = connection.execute("SELECT max(iteration) FROM iterations")
        half = "SELECT sum(env_steps) / sum(seconds) FROM iterations WHERE iteration > ?"
        ((speed,),) = connection.execute(half, (last // 2,))
    print(f"{'watched' if is_watched else 'alone'}: {speed:,.0f} env-steps/s{cost}", flush=True)


def _opened(playwright: Playwright, address: str) -> tuple[Page, float]:
    """A page in a browser of its own, and the seconds until it was ready."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("html[data-state=ready]").wait_for(state="attached", timeout=60_000)
    return page, time.perf_counter() - begun


if __name__ == "__main__":
    main()
