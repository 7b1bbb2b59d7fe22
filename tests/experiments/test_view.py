"""``poet view``: whom the server answers, and what a browser shows of a run that goes on."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from agents import rollout
from environments.errors import InputError
from environments.terrain.terrain import Terrain
from experiments.view import watched
from experiments.view.server import Server
from experiments.view.watched import Watched
from poet.archive.reader import open_run
from tests.benchmarks.large_run import large_run
from tests.experiments.command_line import begin, end, wait_for
from tests.experiments.pages import needs_browser
from tests.experiments.synthetic_runs import three_niches
from tests.experiments.test_page import HOSTILE, hostile_run


@contextmanager
def served(*folders: Path) -> Iterator[Server]:
    """A server of these runs, called by their folders."""
    with ExitStack() as stack:
        runs = [stack.enter_context(closing(Watched(folder.name, folder))) for folder in folders]
        server = stack.enter_context(Server(runs))
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """What the server answers: status, headers, content. The path follows the token, unless it begins with a slash."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    try:
        connection.request(method, path if path.startswith("/") else f"/{server.token}/{path}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def answer(server: Server, path: str) -> dict[str, Any]:
    """What the server answers as JSON."""
    status, _, content = ask(server, path)
    assert status == 200, content
    found: dict[str, Any] = json.loads(content)
    return found


def data_in(page: str) -> dict[str, Any]:
    """What is packed into a page."""
    (packed,) = re.findall(r'<script type="text/plain" id="data">([^<]+)<', page)
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return found


@contextmanager
def opened(browser: Browser, server: Server, path: str = "") -> Iterator[Page]:
    """A page of the server, which must not complain, nor ask anybody else."""
    complaints: list[str] = []
    page = browser.new_context(reduced_motion="reduce").new_page()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.address + path)
    page.locator("html[data-state=ready]").wait_for(state="attached", timeout=60_000)
    yield page
    page.context.close()
    elsewhere = [url for url in asked if not url.startswith((server.address, "blob:"))]
    assert ([], []) == (complaints, elsewhere)


def test_the_server_answers_only_who_knows_its_token_and_asks_for_its_address(tmp_path: Path) -> None:
    """Without the token, or by a name that a stranger may let lead here, nothing is said; no other page may read it."""
    with served(three_niches(tmp_path / "run-1")) as server:
        refused = [
            ask(server, path)[0] for path in ("/", "/favicon.ico", f"/{server.token}x/", f"/{server.token[:-1]}/news")
        ]
        named = [
            ask(server, "", Host=host)[0] for host in ("evil.example", "evil.example:80", "", "127.0.0.1.evil.org")
        ]
        known = [ask(server, "", Host=host)[0] for host in ("localhost:9000", "127.0.0.1", "[::1]:80")]
        status, headers, page = ask(server, "", Origin="http://evil.example")
        moved, to, _ = ask(server, f"/{server.token}")
        written = ask(server, "", method="POST")[0]
        missing = [ask(server, path)[0] for path in ("../../etc/passwd", "run/7/", "run/x/", "niches", "curves")]

    assert "127.0.0.1" == server.server_address[0]
    assert {403} == {*refused, *named}
    assert {200} == {*known, status}
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert "no-store" == headers["Cache-Control"] and "no-referrer" == headers["Referrer-Policy"]
    assert b"connect-src &#x27;self&#x27;" in page or b"connect-src 'self'" in page
    assert (308, f"/{server.token}/") == (moved, to["Location"])
    assert 501 == written
    assert {404} == {*missing}


@pytest.mark.parametrize(
    "path",
    ["niche?id=99", "niche?id=-1", "niche?id=x", "niche", "thetas?versions=1,x", "thetas", "news?since=1", "news",
     "thetas?versions=" + ",".join(["1"] * 201), "niche?id=99999999999999999999"],
)  # fmt: skip
def test_a_bad_question_gets_a_sentence(path: str, tmp_path: Path) -> None:
    """And the server goes on."""
    with served(three_niches(tmp_path / "run-1")) as server:
        status, _, content = ask(server, path)
        assert (400, str) == (status, type(json.loads(content)["error"]))
        assert 200 == ask(server, "")[0]


def test_what_is_fetched_is_what_the_archive_has(tiny_run: Path) -> None:
    """Terrains, agents and parameters, bit for bit."""
    with served(tiny_run) as server, open_run(tiny_run) as run:
        for niche_id in run.niches["niche_id"]:
            found = answer(server, f"niche?id={niche_id}")
            assert run.terrain(niche_id).to_json() == found["terrain"]
            stored = run.stored_versions(niche_id)
            assert [version.id for version in stored] == found["agents"]["version"]
            assert [version.own_return for version in stored] == found["agents"]["own_return"]
        agents = run.stored_agents()
        thetas = answer(server, f"thetas?versions={','.join(str(a.version.id) for a in agents)},123456")
    assert {str(agent.version.id) for agent in agents} == thetas.keys()
    for agent in agents:
        theta = np.frombuffer(base64.b64decode(thetas[str(agent.version.id)]), "<f4")
        assert theta.tobytes() == agent.theta.tobytes()


def test_a_large_run_lists_the_ends_of_its_niches_and_measures_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """News bring only what is new, while a writer goes on; a niche brings the rest of its agents."""
    monkeypatch.setattr(watched, "MOST_LISTED", 50)
    monkeypatch.setattr(watched, "_LOOK_AFTER", 0.0)
    monkeypatch.setattr(watched, "_MEASURE_FOR", 0.0)
    writing = large_run(tmp_path / "run", 100, 101, 12)
    while next(writing) < 99:
        pass
    with served(tmp_path / "run") as server:
        run = server.runs[0]
        moment, whole = run.news("1.0.0")["moment"], len(run.news("1.-1.-1")["agents"]["version"])
        page = data_in(ask(server, "")[2].decode())
        nothing = answer(server, f"news?since={moment}")
        assert next(writing) == 100
        news = answer(server, f"news?since={moment}")
        grown = answer(server, "growth")
        assert "stored first and last of each niche" in page["chosen"]
        assert 50 < len(page["agents"]["version"]) <= 200 < whole
        assert {"moment", "state"} == nothing.keys()
        assert 100 == news["iteration"]
        assert {*news["success"]["iteration"], *news["scores"]["iteration"]} == {100}
        assert len(news["niches"]) < 20
        assert {100} == {*news["agents"]["iteration"]}
        young = {str(niche["id"]) for niche in page["niches"] if niche["created"] > 50}
        assert ({}, 100) == (news["made"], len(page["drawing"]["made"]))
        assert young and young == run.news("1.50.0")["made"].keys()
        assert grown == {"done": 0, "of": 100}
        monkeypatch.setattr(watched, "_MEASURE_FOR", 60.0)
        assert {"done", "of", "remark", "measures"} == answer(server, "growth").keys()
    writing.close()


def test_another_run_at_its_place_is_another_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of the old one is told to load again; while there is none, the old one is shown."""
    monkeypatch.setattr(watched, "_LOOK_AFTER", 0.0)
    folder = three_niches(tmp_path / "run")
    other = three_niches(tmp_path / "other", 5)
    with served(folder) as server:
        moment = server.runs[0].news("1.0.0")["moment"]
        (folder / "run.sqlite").rename(tmp_path / "away.sqlite")
        assert 200 == ask(server, "")[0]
        shutil.copy(other / "run.sqlite", folder / "run.sqlite")
        assert answer(server, f"news?since={moment}")["is_other"]


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page says so and looks again; of several runs the others are shown."""
    monkeypatch.setattr(watched, "_LOOK_AFTER", 0.0)
    writing = large_run(tmp_path / "a-1", 3, 3, 2)
    begun, second = three_niches(tmp_path / "a-2"), tmp_path / "a-1"
    next(writing)
    with sqlite3.connect(second / "run.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            if table not in ("run", "configs", "sessions", "digests"):
                connection.execute(f"DELETE FROM {table}")
    with served(second, begun) as server:
        assert b"recorded yet" in ask(server, "run/0/")[2]
        assert [-1, 4] == [run["iteration"] for run in answer(server, "curves")["runs"]]
    writing.close()


@pytest.mark.parametrize("host", ["no.such.host.example", "203.0.113.7"])
def test_an_address_that_is_not_here_is_one_sentence(host: str) -> None:
    """Names are refused, since what they lead to may change."""
    with pytest.raises(InputError, match=re.escape(host)):
        Server([], host)


def test_ctrl_c_ends_it_and_its_last_line_is_the_address(tmp_path: Path) -> None:
    """The whole command, from outside."""
    process = begin("view", three_niches(tmp_path / "run-1"))
    assert process.stdout is not None
    assert "page of run-1" in process.stdout.readline()
    address = process.stdout.readline().strip()
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/[\w-]{32}/", address)
    assert found is not None
    with closing(http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)) as connection:
        connection.request("GET", f"/{address.split('/', 3)[3]}")
        assert 200 == connection.getresponse().status
    process.send_signal(signal.SIGINT)
    ended = end(process)
    assert (130, "", "poet: stopped\n") == (ended.code, ended.out, ended.err)


@needs_browser
def test_a_page_grows_with_its_run_through_a_kill(browser: Browser, tmp_path: Path) -> None:
    """New niches appear; the chosen niche, its walkers and the zoom stay; a walker's bits are those of the archive."""
    folder = tmp_path / "run-1"
    process = begin("run", folder, "--preset", "tiny", "--iterations", 400)
    wait_for(process, "iteration 20")  # by then the root has retired
    with served(folder) as server, opened(browser, server) as page:
        expect(page.locator(".lane .proof").first).to_contain_text("the same here, bit for bit")
        niches = page.locator(".niche")
        page.get_by_role("option", name=re.compile("^Niche 0\\b")).focus()
        page.keyboard.press("Enter")
        expect(page.locator("#niche-title")).to_contain_text("Niche 0")
        page.locator("button[title^='Zoom in']").click()
        lane, span = page.locator(".lane canvas").first.element_handle(), _shown_span(page)
        before = niches.count()
        process.kill()
        process.wait()
        end(process)
        expect(page.locator("#state")).to_have_text("It has stopped.", timeout=30_000)
        process = begin("resume", folder, "--iterations", 400)
        expect(page.locator("#state")).to_have_text("It goes on, and this page with it.", timeout=60_000)
        page.wait_for_function("n => document.querySelectorAll('.niche').length > n", arg=before, timeout=60_000)
        process.kill()
        end(process)
        expect(page.locator("#state")).to_have_text("It has stopped.", timeout=30_000)
        assert page.evaluate("lane => lane.isConnected", lane)
        expect(page.locator("#niche-title")).to_contain_text("Niche 0")
        assert abs(_shown_span(page) / span - 1.0) < 0.01
        page.locator("#player").get_by_label("speed").select_option("8")
        page.locator("#player").get_by_role("button", name="play", exact=True).click()
        expect(page.locator(".lane .status").first).to_contain_text(
            re.compile("reached the end|fell|out of time"), timeout=60_000
        )
        grown = page.locator("#lead").text_content()
        page.reload()
        expect(page.locator("#lead")).to_have_text(grown or "", timeout=60_000)


def _shown_span(page: Page) -> float:
    """Pixels from the beginning of the root's bar to its end: how far the tree is zoomed in time."""
    width = "document.querySelector('.niche .frame').getAttribute('width')"
    return float(page.evaluate(width))


@needs_browser
def test_a_newer_agent_is_offered_and_takes_no_place_by_itself(browser: Browser, tmp_path: Path) -> None:
    """The walkers that were chosen go on; a button shows the one that was stored since."""
    writing = large_run(tmp_path / "run", 8, 60, 8)
    while next(writing) < 45:
        pass
    with served(tmp_path / "run") as server, opened(browser, server) as page:
        page.get_by_role("option", name=re.compile("^Niche 3\\b")).focus()
        page.keyboard.press("Enter")
        last = page.locator(".lane .agent").last
        expect(last).to_have_text(re.compile("^niche 3, iteration 25,"))
        expect(page.locator("#newest")).to_be_hidden()
        while next(writing) < 52:
            pass
        expect(page.locator("#newest")).to_be_visible(timeout=30_000)
        expect(last).to_have_text(re.compile("^niche 3, iteration 25,"))
        page.locator("#newest").click()
        expect(last).to_have_text(re.compile("^niche 3, iteration 50"))
        expect(page.locator("#newest")).to_be_hidden()
    writing.close()


@needs_browser
def test_all_pairs_of_a_served_page_are_proven(
    browser: Browser, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters and grounds come in batches; a walker goes to any ground, and other pushes are tried."""
    with open_run(tiny_run) as run:
        num = len(run.stored_versions())
    with served(tiny_run) as server, opened(browser, server) as page:
        page.get_by_role("button", name="Prove it").click()
        expect(page.locator("#prove .result")).to_contain_text(f"All {num} are equal", timeout=120_000)
        page.get_by_label("ground").first.focus()
        page.get_by_label("ground").first.select_option("0")
        page.get_by_role("button", name="20 other pushes").click()
        expect(page.locator(".pushes span").first).to_have_text(re.compile("of 20 succeed"), timeout=60_000)
        expect(page.locator("#run-curves figure").nth(1)).to_be_visible(timeout=60_000)


@needs_browser
def test_in_a_served_page_a_terrain_is_drawn_and_ranked_and_the_best_walks(
    browser: Browser, tiny_run: Path, tmp_path: Path
) -> None:
    """All agents are fetched and tried; the saved walk is that of Python, to the bit."""
    with open_run(tiny_run) as run:
        stored = {agent.version.id: agent for agent in run.stored_agents()}
        policy, last = run.policy, int(run.niches["niche_id"].max())
    num = len({agent.version.theta_digest for agent in stored.values()})
    with served(tiny_run) as server, opened(browser, server) as page:
        page.get_by_role("button", name="draw on this terrain").click()
        ground = page.locator("#drawing").get_by_label("ground", exact=True)
        expect(ground.locator("option:checked")).to_have_text(re.compile(r"^niche \d+$"))
        ground.focus()
        ground.select_option(str(last))
        expect(page.locator("#drawn-player .lane .agent")).to_have_text(re.compile(f"^niche {last},"))
        page.locator(".easel").focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
        page.get_by_role("button", name="Who can cross it?").click()
        expect(page.locator(".ask .result")).to_contain_text(re.compile(rf"of {num} cross.*found by"), timeout=60_000)
        expect(page.locator(".ranking tbody tr")).to_have_count(num)
        expect(page.locator("#drawn-player .lane b")).to_have_text("rank 1")
        with page.expect_download() as download:
            page.get_by_role("button", name="save the terrain").click()
        download.value.save_as(tmp_path / "terrain.json")
    file = json.loads((tmp_path / "terrain.json").read_text(encoding="utf-8"))
    terrain, walk = Terrain.from_json({key: file[key] for key in ("ground", "obstacles", "push")}), file["walk"]
    result = rollout(policy, stored[walk["version"]].theta, terrain, engine="simd", max_steps=walk["max_steps"])
    assert (walk["return"], walk["length"]) == (float(result.returns[0]), int(result.lengths[0]))


@needs_browser
def test_a_hostile_archive_stays_text_when_it_is_served(browser: Browser, tmp_path: Path) -> None:
    """Also in the overview of several, and in a run's name."""
    folders = [hostile_run(tmp_path / name) for name in ("<b onclick=alert(1)>-7", "javascript:window.hacked=1-7")]
    with served(*folders) as server:
        with opened(browser, server) as page:
            expect(page.locator("#runs a").first).to_have_text(folders[0].name)
            assert not page.locator("b[onclick], a[href^='javascript']").count()
        with opened(browser, server, "run/0/") as page:
            shown = page.locator("#genotype").text_content() or ""
            assert all(text in shown for text in (HOSTILE[2], '<img src=x onerror=\\"window.hacked = 1\\">'))
            assert not page.locator("img, a[href^='javascript']").count()
            assert page.evaluate("window.hacked === undefined")
            expect(page.locator(".lane .proof")).to_contain_text("not equal: archived return 1e+300")


@needs_browser
def test_runs_are_overlaid_and_lead_to_their_pages(browser: Browser, tmp_path: Path, tiny_run: Path) -> None:
    """Colours by arm; a click on a run opens its page."""
    folders = [three_niches(tmp_path / name) for name in ("dr-0", "poet-0", "poet-1")]
    with served(*folders) as server, opened(browser, server) as page:
        expect(page.locator("#lead")).to_have_text("3 runs, 2 arms.")
        assert ["arm-0", "arm-1", "arm-1"] == [
            swatch.get_attribute("class").split()[1] for swatch in page.locator(".swatch").all()
        ]
        admitted = page.locator("figure", has_text="Niches admitted").locator(".curve")
        expect(admitted).to_have_count(3)
        page.get_by_role("link", name="poet-1").click()
        expect(page.locator("h1")).to_have_text("poet-1")
        expect(page.locator(".niche")).to_have_count(3)
