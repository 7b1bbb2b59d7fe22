"""The page in which a run's walkers walk: what it holds, what hostile archives do to it, and what a browser shows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from agents import rollout
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from experiments.analysis import complexity_report, run_report
from experiments.analysis.run_tables import read_tables
from experiments.page.agents import by_interest, choose_agents
from experiments.page.data import page_data, plain
from experiments.page.document import join_modules, make_document
from poet.archive.database import connect_to_write, transaction
from poet.archive.reader import open_run
from poet.config import make_config
from poet.events import Cost, Event, NicheValidated, Occasion, ValidationSet
from poet.scoring import SOLVED_RETURN
from poet.types import Origin, Purpose, theta_digest
from tests.experiments.command_line import Poet
from tests.experiments.pages import Opened, needs_browser, page_of
from tests.experiments.synthetic_runs import GENES, admitted, record_run, theta_of, three_niches, version

#: Texts that would do something in a page that took them for markup, a link, a script or an escape sequence.
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "javascript:window.hacked=1",
    "{{data}} ' \" ` ${window.hacked = 1}",
    "\u202egnp.\x1b[2J\x07\u2028",
)


def data_of(folder: Path, name: str = "run") -> dict[str, Any]:
    """What the page of a run holds."""
    with open_run(folder) as run:
        return page_data(name, run, read_tables(run))


def hostile_run(folder: Path, **sections: dict[str, Any]) -> Path:
    """Two niches whose genotypes are hostile texts, and whose numbers are no numbers."""
    genotype = {text: [0.0, 1.0] for text in HOSTILE} | {"note": list(HOSTILE), "size": 1e300}
    theta = theta_of(0)
    first = version(0, 0, 0, float("-inf"), Origin.INITIAL, digest=theta_digest(theta))
    events: list[Event] = [
        replace(admitted(0, 0, None, float("-inf"), 0, GENES[0]), genotype=genotype),
        replace(first, own_return=1e300, own_outcome=4),
        Cost(0, 0, Purpose.SELF_EVAL, 100, 1),
        *(NicheValidated(0, 0, 0, which, Occasion.ADMISSION, 10, 5, -1e300, 20.0) for which in ValidationSet),
        replace(admitted(1, 1, 0, 50.0, 1, GENES[0]), genotype=genotype, candidate_id=None, novelty=None),
        version(1, 1, 1, 50.0, Origin.ADMISSION_DIRECT, 0, 0, digest="f" * 64),
        Cost(1, 1, Purpose.ES, 100, 1),
    ]
    own = {"run": {"seed": 7}, "terrain": {"genotype": "no_such_module:Genotype"}}
    record_run(folder, events, 1, make_config(own, sections), [theta])
    with closing(connect_to_write(folder)) as connection, transaction(connection):
        connection.execute("UPDATE niches SET genotype = replace(genotype, '1e+300', '1e999')")  # read as infinity
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three niches without physics; tests only read it."""
    return three_niches(tmp_path_factory.mktemp("runs") / "three")


@pytest.fixture(scope="module")
def page_path(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a real run."""
    return page_of(tiny_run, tmp_path_factory.mktemp("page") / "report.html", "tiny")


def test_the_page_holds_every_stored_agent_as_it_is_archived(tiny_run: Path) -> None:
    """Parameters, grounds and archived results are those of the archive, bit for bit, after a way through JSON."""
    data = json.loads(json.dumps(data_of(tiny_run), allow_nan=False))
    with open_run(tiny_run) as run:
        stored = run.stored_agents()
        grounds = {niche_id: run.terrain(int(niche_id)) for niche_id in data["terrains"]}
        config = run.config
    agents = data["agents"]
    thetas = [np.frombuffer(base64.b64decode(text), "<f4") for text in data["thetas"]]

    assert [agent.version.id for agent in stored] == agents["version"]
    assert [agent.version.own_return for agent in stored] == agents["own_return"]
    assert {config.evaluation.max_steps} == set(agents["max_steps"])
    assert all(
        agent.theta.tobytes() == thetas[place].tobytes() for agent, place in zip(stored, agents["theta"], strict=True)
    )
    assert grounds == {niche_id: Terrain.from_json(ground) for niche_id, ground in data["terrains"].items()}
    assert f"every agent that the archive has stored: {len(stored)}" in data["chosen"]


def test_the_page_tells_the_story_of_the_niches(three: Path) -> None:
    """Births, deaths, parents, accepted transfers and counts are those of the archive."""
    data = data_of(three)
    niches = [(n["id"], n["parent_id"], n["created"], n["retired"], n["retired_env_steps"]) for n in data["niches"]]
    transfers = data["transfers"]

    assert [(0, None, 0, 3, 7450), (1, 0, 2, None, None), (2, 1, 3, None, None)] == niches
    assert "extremely challenging" == data["niches"][2]["level"]
    assert [0, 0, 0, 2] == transfers["source_id"]
    assert [1, 1, 2, 1] == transfers["target_id"]
    assert [False, True, False, True] == transfers["is_periodic"]
    assert {"variation", "challenge_level"} <= data["complexity"]["measures"].keys()
    assert "no neutral shadow" in data["complexity"]["remark"] or "no shadow" in data["complexity"]["remark"]


def test_numbers_that_json_lacks_become_texts_or_null() -> None:
    """Nothing else makes its way: JavaScript reads these texts as the same numbers."""
    assert ["NaN", "Infinity", "-Infinity", None, 1, 0.5] == plain(
        [float("nan"), np.float64("inf"), float("-inf"), None, np.int64(1), np.float32(0.5)]
    )


def test_a_large_run_has_a_documented_choice_of_agents(tiny_run: Path) -> None:
    """Under a limit, first each niche's last agent and its first one are kept, newest niches first, and it says so."""
    with open_run(tiny_run) as run:
        stored = run.stored_agents()
    size = stored[0].theta.nbytes
    choice = choose_agents(stored, 3 * size)
    order = list(by_interest(stored))
    newest = max(agent.version.niche_id for agent in stored)

    assert sorted(agent.version.id for agent in stored) == sorted(agent.version.id for agent in order)
    assert order[0] is [agent for agent in stored if agent.version.niche_id == newest][-1]
    assert 3 == len({agent.version.theta_digest for agent in choice.agents})
    assert f"{len(choice.agents)} of the {len(stored)} agents" in choice.sentence
    assert {agent.version.id for agent in choice.agents} <= {agent.version.id for agent in order[:6]}


def test_a_policy_that_the_module_does_not_know_leaves_a_page_without_a_stage(tmp_path: Path) -> None:
    """The sentence names the policy, and nothing is imported."""
    world = data_of(hostile_run(tmp_path / "run", policy={"kind": "no_such_module:Policy"}))["world"]

    assert world["policy"] is None
    assert "no_such_module:Policy" in world["why"]


def test_modules_are_joined_into_one_script() -> None:
    """Imports and the words ``export`` go; everything else stays as it is."""
    joined = join_modules("export const a = 1;\n", "import { a } from './a.mjs';\nexport class B { export_ = a; }\n")

    assert "'use strict';\nconst a = 1;\n\nclass B { export_ = a; }\n" == joined


def test_the_file_allows_nothing_but_what_is_in_it(three: Path) -> None:
    """Its policy forbids every request; scripts and style are named by their hashes; hostile titles are text."""
    text = make_document(HOSTILE[0], data_of(three, HOSTILE[0]))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    inline = re.findall(r"<script(?: id=\"physics\")?>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]

    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-inline" not in policy and "unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert 2 == len(inline)
    assert all(f"'sha256-{name}'" in policy for name in hashes)
    assert "<title>&lt;/script&gt;&lt;script&gt;window.hacked" in text
    assert not re.findall(r"\b(?:src|href)=\"?https?:", text)


def test_analyse_writes_the_page_beside_the_tables(
    poet: Poet, three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where, and both pages link to each other; for several runs there is none."""
    for module in (run_report, complexity_report):
        for name in [name for name in vars(module) if name.startswith("plot_")]:
            monkeypatch.setattr(module, name, lambda *_: None)  # plots take their time and say nothing here
    report = tmp_path / "report"
    ended = poet("analyse", three, "--output", report, "--matrix", 0)

    assert f"page: {report / 'report.html'}" in ended.out.splitlines()
    assert (report / "report.html").is_file()
    assert '<a href="report.html">' in (report / "index.html").read_text(encoding="utf-8")


@needs_browser
def test_a_chosen_niche_walks_to_its_end(browser: Browser, page_path: Path) -> None:
    """From a file, without a request or a complaint: a click shows a niche, its walker moves, and its episode ends."""
    with Opened(browser, page_path, reduced_motion="reduce") as page:
        page.get_by_role("option", name=re.compile("^Niche 1\\b")).click(position={"x": 5, "y": 5}, force=True)
        expect(page.locator("#niche-title")).to_contain_text("Niche 1")
        canvas = page.locator(".lane canvas").first
        page.get_by_label("speed").select_option("8")
        before = canvas.screenshot()
        page.get_by_role("button", name="play", exact=True).click()
        expect(page.locator(".lane .status").first).to_contain_text(
            re.compile("reached the end|fell|out of time"), timeout=60_000
        )
        assert before != canvas.screenshot()
        expect(page.get_by_role("button", name="replay")).to_be_visible(timeout=60_000)


@needs_browser
def test_the_page_is_worked_by_keys_and_keeps_still_if_asked_to(browser: Browser, page_path: Path) -> None:
    """Arrows and Enter choose a niche; who prefers less motion sees the first step until they press play."""
    with Opened(browser, page_path, reduced_motion="reduce") as page:
        title = page.locator("#niche-title").text_content()
        page.locator("[role=option][tabindex='0']").focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        first = page.locator("#niche-title").text_content()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        assert 2 <= len({title, first, page.locator("#niche-title").text_content()})
        expect(page.locator(".time")).to_have_text(re.compile(r"^0\.00 of"))
        page.get_by_role("button", name="One step on").click()
        expect(page.locator(".time")).to_have_text(re.compile(r"^0\.02 of"))


@needs_browser
def test_the_slider_moves_the_walk_while_it_plays_and_when_it_stands(browser: Browser, page_path: Path) -> None:
    """A reader pulls the slider: the walk stops there, and can be pulled on."""
    with Opened(browser, page_path, reduced_motion="no-preference") as page:
        slider = page.get_by_label("time", exact=True)
        for step, seconds in (("25", "0.50"), ("10", "0.20")):
            slider.fill(step)
            expect(page.locator(".time")).to_have_text(re.compile(rf"^{seconds} of"))
            expect(page.get_by_role("button", name="play", exact=True)).to_be_visible()


@needs_browser
def test_every_pair_is_proven(browser: Browser, page_path: Path, tiny_run: Path) -> None:
    """All archived returns, lengths and endings come out of the page's own physics again, bit for bit."""
    with open_run(tiny_run) as run:
        num = len(run.stored_agents())
    with Opened(browser, page_path) as page:
        expect(page.locator(".lane .proof").first).to_contain_text("the same here, bit for bit")
        page.get_by_role("button", name="Prove it").click()
        expect(page.locator("#prove .result")).to_contain_text(f"All {num} are equal", timeout=120_000)
        assert num == page.locator("#prove tbody tr").count()
        assert 0 == page.locator("#prove tr.unequal").count()


@needs_browser
def test_other_pushes_show_luck(browser: Browser, page_path: Path, tiny_run: Path) -> None:
    """Each walker succeeds in the page as often as in the engine; a push of one's own has no archived return."""
    pushes = [5.0 * ((2 * i + 1) / 20 - 1) for i in range(20)]
    with open_run(tiny_run) as run:
        root = run.terrain(0)
        agents = [agent for agent in run.stored_agents() if agent.version.niche_id == 0]
        terrains = [root.with_push(push) for push in pushes]
        limit = run.config.evaluation.max_steps
        walkers = [np.tile(agent.theta, (20, 1)) for agent in (agents[0], agents[-1])]
        results = [rollout(run.policy, thetas, terrains, engine="simd", max_steps=limit) for thetas in walkers]
    counts = [int(((r.outcomes == Outcome.FINISHED) & (r.returns >= SOLVED_RETURN)).sum()) for r in results]
    with Opened(browser, page_path) as page:
        page.get_by_role("option", name=re.compile("^Niche 0\\b")).focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="20 other pushes").click()
        for place, count in enumerate(counts):
            expect(page.locator(".pushes span").nth(place)).to_have_text(f"{count} of 20 succeed", timeout=60_000)
        page.locator(".pushes rect").first.hover()
        expect(page.locator(".tip")).to_contain_text(f"return {results[0].returns[0]:.1f}")
        page.locator("#push").fill("3.25")
        page.locator("#push").press("Enter")
        expect(page.locator(".lane .proof")).to_have_count(0)


@needs_browser
def test_a_transfer_is_shown_before_and_after(browser: Browser, page_path: Path) -> None:
    """A cell of the matrix plays the agent at home, whom it replaced, and the agent in its new place."""
    with Opened(browser, page_path) as page:
        page.locator(".matrix button").first.click()
        expect(page.locator("#stage-note")).to_contain_text("Transfer of iteration")
        expect(page.locator(".lane b").first).to_have_text("before, at home")
        expect(page.locator(".lane b").last).to_have_text("after, in the new place")


@needs_browser
def test_a_hostile_archive_stays_text(browser: Browser, tmp_path: Path) -> None:
    """Markup, scripts, links, control characters and infinities in an archive are shown; nothing of them runs.

    Its archived return is not what the walker does, and the page says so.
    """
    path = page_of(hostile_run(tmp_path / "run"), tmp_path / "report.html", HOSTILE[0])
    with Opened(browser, path) as page:
        page.get_by_role("option", name=re.compile("^Niche 0\\b")).focus()
        page.keyboard.press("Enter")
        shown = page.locator("#genotype").text_content() or ""
        assert all(
            text in shown for text in ('<img src=x onerror=\\"window.hacked = 1\\">', "javascript:window.hacked=1")
        )
        assert HOSTILE[0] == page.locator("h1").text_content()
        assert not page.locator("img, a[href^='javascript']").count()
        assert page.evaluate("window.hacked === undefined")
        expect(page.locator(".lane .proof")).to_contain_text("not equal: archived return 1e+300")
        page.get_by_role("button", name="Prove it").click()
        expect(page.locator("#prove .result")).to_contain_text("0 of 1 are equal", timeout=60_000)


@needs_browser
@pytest.mark.parametrize("script", ["{fail}", "self.onmessage = () => setTimeout(() => {{ {fail} }});"])
def test_a_worker_that_fails_is_one_sentence(browser: Browser, page_path: Path, script: str) -> None:
    """The page says so, and nothing waits for an answer that never comes, also when it is asked again."""
    broken = json.dumps(script.format(fail="throw new Error('out of luck');"))
    page = browser.new_page()
    page.add_init_script(
        "const Real = Worker; window.Worker = class extends Real { constructor() {"
        f"super(URL.createObjectURL(new Blob([{broken}]))); }} }};"
    )
    page.goto(page_path.as_uri())
    for _ in range(2):
        page.get_by_role("button", name="Prove it").click(timeout=60_000)
        expect(page.locator("#state")).to_contain_text(
            "Nothing can be run beside the page (Uncaught Error: out of luck)"
        )
        expect(page.locator("#prove .result")).to_contain_text("0 of ")
        expect(page.get_by_role("button", name="Prove it")).to_be_enabled()
    page.close()


@needs_browser
def test_a_page_without_a_stage_still_shows_the_run(browser: Browser, tmp_path: Path) -> None:
    """The tree and the curves of a run with a user's own policy, and one sentence that says why nobody walks."""
    run = hostile_run(tmp_path / "run", policy={"kind": "no_such_module:Policy"})
    with Opened(browser, page_of(run, tmp_path / "report.html")) as page:
        expect(page.locator("#player")).to_contain_text("their policy is no_such_module:Policy")
        expect(page.locator(".niche")).to_have_count(2)
        expect(page.locator("#proof")).to_be_hidden()
