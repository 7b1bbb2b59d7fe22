"""A niche in a notebook: its agents walk there, offline, and nothing of a stranger's archive gets out of its frame."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from environments.errors import InputError
from experiments.page import document, notebook
from poet.archive.reader import open_run
from tests.experiments.pages import Opened, needs_browser
from tests.experiments.synthetic_runs import three_niches
from tests.experiments.test_page import HOSTILE, hostile_run

#: A page of any run stays below this, bytes: it is stored in the notebook.
MOST_BYTES = 1_000_000
#: Milliseconds that a busy machine may take until a frame is ready.
LONG = 60_000


@pytest.mark.parametrize("modules", [notebook.MODULES, document.PAGE_MODULES])
def test_a_page_has_all_that_its_modules_import(modules: tuple[str, ...]) -> None:
    """Joined into one script, a name that is missing is an error only when it is used."""
    folder = Path(document.__file__).parent
    known = [*document.PHYSICS_MODULES, *modules]
    for name in known:
        needed = re.findall(r"^import .* from './(\S+)';$", (folder / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert set(needed) <= set(known), name


@needs_browser
def test_a_niche_walks_in_a_cell(browser: Browser, tiny_run: Path, tmp_path: Path) -> None:
    """First and last agent walk side by side, the archived returns come out to the bit, and the frame fits them."""
    with open_run(tiny_run) as run:
        shown = run.show(0)
    cell = tmp_path / "cell.html"
    cell.write_text(f'<html data-state="ready"><body>{shown._repr_html_()}</body></html>', encoding="utf-8")
    with Opened(browser, cell) as page:
        frame = page.frame_locator("iframe")
        expect(frame.locator(".lane")).to_have_count(2, timeout=LONG)
        expect(frame.locator(".proof.equal")).to_have_count(2)
        time = frame.locator(".time")
        before = time.inner_text()
        expect(time).not_to_have_text(before, timeout=LONG)
        needed = frame.locator("html").evaluate("html => html.scrollHeight")
        assert shown.height >= needed
        frame.locator(".remove").first.click()
        expect(frame.locator(".lane")).to_have_count(1)


@needs_browser
def test_a_saved_page_shows_one_agent_on_the_ground_of_another(
    browser: Browser, tiny_run: Path, tmp_path: Path
) -> None:
    """``agent`` names who walks; the file opens from disk, and its own ground is there to choose, with its proof."""
    with open_run(tiny_run) as run:
        shown = run.show(1, agent=0, iteration=4)
    assert len(shown.page) < MOST_BYTES
    assert "1" == shown.title[-1]
    shown.save(tmp_path / "walk.html")
    with Opened(browser, tmp_path / "walk.html") as page:
        expect(page.locator(".lane")).to_have_count(1)
        expect(page.locator(".proof")).to_have_count(0)
        page.locator("select[aria-label=ground]").select_option("0")
        expect(page.locator(".proof.equal")).to_have_count(1)


@needs_browser
def test_a_hostile_archive_stays_text_in_a_cell(browser: Browser, tmp_path: Path) -> None:
    """Names and genes of a stranger are shown as letters: nothing runs, in the frame or around it."""
    folder = hostile_run(tmp_path / HOSTILE[0].replace("/", ""))
    with open_run(folder) as run:
        shown = run.show(0)
    cell = tmp_path / "cell.html"
    cell.write_text(f'<html data-state="ready"><body>{shown._repr_html_()}</body></html>', encoding="utf-8")
    with Opened(browser, cell) as page:
        frame = page.frame_locator("iframe")
        expect(frame.locator("h2")).to_contain_text("<script>window.hacked = 1<script>, niche 0", timeout=LONG)
        expect(frame.locator(".lane")).to_have_count(1, timeout=LONG)
        assert frame.locator("html").evaluate("() => window.hacked") is None
        assert page.evaluate("window.hacked") is None


def test_a_long_run_has_a_small_page(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many versions those that walk are held, and a few others, evenly spread."""
    monkeypatch.setattr(notebook, "MOST_OTHERS", 2)
    with open_run(tiny_run) as run:
        page = run.show(0).page
        stored = [agent.version.id for agent in run.stored_agents() if agent.version.niche_id == 0]
        assert stored == [agent.version.id for agent in run.stored_agents(0)]
    assert len(page) < MOST_BYTES
    packed = re.search(r'id="data">([^<]+)<', page)
    assert packed is not None
    held = json.loads(gzip.decompress(base64.b64decode(packed[1])))["agents"]["version"]
    assert len(stored) > 4
    assert [stored[0], stored[1], stored[-2], stored[-1]] == held


def test_what_cannot_be_shown_is_said_in_a_sentence(tmp_path: Path, tiny_run: Path) -> None:
    """No such niche; a policy of a user's own, which a page has no physics for."""
    with open_run(tiny_run) as run, pytest.raises(InputError, match="has no niche 99"):
        run.show(99)
    folder = three_niches(tmp_path / "run", policy={"kind": "no_such_module:Policy"})
    with open_run(folder) as run, pytest.raises(InputError, match="--trust"):
        run.show(0)
