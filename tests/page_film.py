"""A film of a run's page: `python -m tests.page_film REPORT.html FILM.gif --niche 25 --seconds 21 --rate 5`.

README shows it.

A real Chromium shows the page. It is moved on step by step, so the film does not depend on how fast this machine is.
"""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: Of the window, in CSS pixels. Two columns, and all of the stage.
SIZE = (1280, 812)
NUM_COLOURS = 96
STEPS_PER_SECOND = 50


def main() -> None:
    """Read the command line, and make the film."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="a report.html")
    parser.add_argument("film", type=Path, help="the .gif to write")
    parser.add_argument("--niche", type=int, required=True, help="whose first and last agents walk")
    parser.add_argument("--seconds", type=float, default=8.0, help="of the walk, from its first step on")
    parser.add_argument("--rate", type=int, default=10, help="pictures a second")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce")
        page.goto(f"{arguments.page.resolve().as_uri()}#niche={arguments.niche}")
        page.wait_for_selector("html[data-state=ready]")
        pictures = list(_pictures(page, round(arguments.seconds * arguments.rate), STEPS_PER_SECOND // arguments.rate))
        browser.close()
    _write(arguments.film, pictures, 1000 // arguments.rate)


def _pictures(page: Page, count: int, steps: int) -> Iterator[Image.Image]:
    """The page at every so many steps of the walk."""
    scrub = page.locator("#player input[type=range]")
    for picture in range(count):
        scrub.fill(str(picture * steps))
        yield Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _write(path: Path, pictures: list[Image.Image], milliseconds: int) -> None:
    """One palette for all, so that what stands still costs nothing."""
    palette = pictures[len(pictures) // 2].quantize(NUM_COLOURS, Image.Quantize.MEDIANCUT)
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    first.save(path, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=False)


if __name__ == "__main__":
    main()
