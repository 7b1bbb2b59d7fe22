"""Drawing a terrain in the page: what genes make there, what can be drawn, whose files are read, and what is proven."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from agents import rollout
from environments.streams import Stream
from environments.terrain.constants import TERRAIN_HEIGHT, TERRAIN_STARTPAD, TERRAIN_STEP
from environments.terrain.course import Course
from environments.terrain.genes import lay_pit, lay_stairs, lay_stump
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from experiments.page.drawing import KNOWN_GROUPS, course_sizes, drawing_data
from poet.archive.reader import open_run
from poet.config import make_config
from tests.experiments.pages import Opened, needs_browser, page_of
from tests.house import ROOT

_NODE = shutil.which("node")
_NUM_CASES, _SEED = 300, 23
_LINE = [[i * 0.5, 3.0] for i in range(200)]


def _file(**changes: Any) -> str:
    return json.dumps({"ground": _LINE, "obstacles": [], "push": 1.0} | changes)


#: Files that are no terrain, or too large, and one word of the page's sentence.
_HOSTILE = {
    "": "JSON",
    "[[[[": "JSON",
    "[" * 100_000: "JSON",
    "null": "object",
    "[]": "object",
    '"<script>window.hacked = 1</script>"': "object",
    '{"ground": [], "obstacles": []}': "push",
    _file(script="<img src=x onerror=alert(1)>"): "script",
    _file(**{"<script>": 1}): "<script>",
    _file(ground="<script>"): "ground",
    _file(ground=[[0, 0]]): "vertices",
    _file(ground=[[1, 0], [0, 0]]): "increasing",
    _file(ground=[[0, 0], ["1", 0]]): "ground",
    _file(ground=[[0, 0], [1e300, 0]]): "ground",
    _file(ground=[[i, 0] for i in range(10_001)]): "at most",
    _file(ground={"length": 3}): "ground",
    _file(obstacles={"length": 1}): "obstacles",
    _file(obstacles=[[[0, 0]] * 10_000]): "obstacle 0",
    _file(obstacles=[[[0, 0], [1, 0], [2, 0], [1, 1]]]): "convex",
    _file(obstacles=[[[0, 0], [1, 0], [1, 1e-7]]]): "area",
    _file(obstacles=[[]] * 1_001): "obstacles",
    _file(push="1"): "push",
    _file(push=1e39): "push",
    _file(push=2_000): "within",
    _file(ground=[[0, 0], [20_000, 0]]): "within",
    _file(push=float("nan")): "JSON",
    _file().replace(": 1.0}", ": 1e999}"): "push",
}


def _genotypes() -> list[ObstacleGenotype]:
    """Of every set of groups, flat ground first."""
    stream, found = Stream(_SEED, "test drawing"), [ObstacleGenotype()]
    while len(found) < _NUM_CASES:
        groups = tuple(name for name in KNOWN_GROUPS if stream.integer(0, 3)) or KNOWN_GROUPS
        found.append(ObstacleGenotype.drawn(ObstacleSettings(obstacles=groups), stream))
    return found


def _seeds() -> list[int]:
    stream = Stream(_SEED, "test drawing seeds")
    return [stream.integer(0, 1_000_000) if i % 2 else stream.integer(0, 2**32) * 2**20 + i for i in range(_NUM_CASES)]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What ``drawing.mjs`` tells."""
    if _NODE is None:
        pytest.skip("node is not installed: the page's terrains are not compared with Python's")
    cases = [{"genes": g.to_json(), "seed": seed} for g, seed in zip(_genotypes(), _seeds(), strict=True)]
    asked = {"sizes": course_sizes(), "cases": cases, "strokes": _SEED, "files": [*_HOSTILE, _file()]}
    script = Path(__file__).with_name("drawing.mjs")
    done = subprocess.run([_NODE, str(script), str(ROOT)], input=json.dumps(asked), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_genes_make_the_very_same_terrain(told: dict[str, Any]) -> None:
    """Every bit of ground, obstacles and push, for genes from the whole space and seeds of up to 52 bits."""
    expected = [genotype.express(seed) for genotype, seed in zip(_genotypes(), _seeds(), strict=True)]
    assert expected == [Terrain.from_json(terrain) for terrain in told["terrains"]]
    assert [terrain.to_json() for terrain in expected] == told["terrains"]


def test_whatever_is_drawn_is_a_terrain(told: dict[str, Any]) -> None:
    """After each of many random strokes and obstacles; the start pad stays as it was, and undo leads all the way."""
    numbers = [number for edited in told["edited"] for number in edited["states"]]
    pad = [[float(np.float32(i * TERRAIN_STEP)), float(np.float32(TERRAIN_HEIGHT))] for i in range(TERRAIN_STARTPAD)]
    for terrain in numbers:
        assert Terrain.from_json(terrain).to_json() == terrain
        assert terrain["ground"][:TERRAIN_STARTPAD] == pad
    assert len({json.dumps(terrain) for terrain in numbers}) > len(numbers) / 2
    assert sum(edited["numRefused"] for edited in told["edited"]) < len(numbers) / 20
    assert all(edited["isBack"] for edited in told["edited"])


def test_obstacles_placed_by_hand_are_those_of_the_generator(told: dict[str, Any]) -> None:
    """On flat ground, where the generator would lay them."""
    laid = (
        lambda course: lay_stump(course, (2.0, 2.0)),
        lambda course: lay_pit(course, (2.5, 2.5)),
        lambda course: lay_stairs(course, (1.0, 1.0), (3, 3)),
    )
    for terrain, lay in zip(told["placed"], laid, strict=True):
        seed = next(filter(_goes_down, range(100)))
        course = Course(Stream(seed, "down"), {}, y=float(np.float32(TERRAIN_HEIGHT)))
        for _ in range(40):
            course.add_vertex(course.y)
        lay(course)
        course.add_vertex(course.y)
        while len(course.ground) < 200:
            course.add_vertex(course.y)
        assert Terrain(course.ground, tuple(course.obstacles), terrain["push"]) == Terrain.from_json(terrain)


def _goes_down(seed: int) -> bool:
    """Whether stairs that are laid first with this stream go down: the second draw says so."""
    stream = Stream(seed, "down")
    return stream.uniform() >= 0.0 and stream.uniform() <= 0.5


def test_hostile_files_are_refused_in_one_sentence(told: dict[str, Any]) -> None:
    """It names what is wrong. A file with nothing wrong is taken."""
    *refusals, last = told["refusals"]
    assert last is None
    for word, sentence in zip(_HOSTILE.values(), refusals, strict=True):
        assert sentence is not None and word in sentence and len(sentence) < 200 and "\n" not in sentence


def test_runs_without_genes_say_so() -> None:
    """Networks have no genes to slide, and neither has a user's own genotype; nothing of it is imported."""
    for kind in ("cppn", "no_such_module:Genotype"):
        data = drawing_data(make_config({"terrain": {"genotype": kind}}, {}), [(0, {"nodes": []}, 1)])
        assert data["genes"] is None and kind in data["why"] and data["made"] == {}


def test_only_the_genes_of_the_run_have_sliders() -> None:
    """Their limits are the run's; niches whose genotype cannot be read have none."""
    config = make_config({"terrain": {"obstacles": ["pit_gap", "roughness"], "max_pit_gap": 8.0}}, {})
    genotype = ObstacleGenotype(pit_gap=(0.0, 0.8)).to_json()
    data = drawing_data(config, [(0, genotype, 7), (1, {"<script>": 1}, 8), (2, genotype | {"roughness": 1e999}, 9)])
    assert [("roughness", 10.0), ("pit_gap", 8.0)] == [(gene["name"], gene["greatest"]) for gene in data["genes"]]
    assert {"0": {"genes": genotype, "seed": 7}} == data["made"]


def test_a_drawn_root_has_no_genes() -> None:
    """Its niche says that of flat ground, from which its children mutate; no slider makes its own."""
    genotype, terrain = ObstacleGenotype().to_json(), ObstacleGenotype(roughness=1.0).express(3).to_json()
    config = make_config({"run": {"start_terrain": json.dumps([genotype, terrain])}}, {})
    data = drawing_data(config, [(0, genotype, 7), (1, genotype, 8), (2, genotype, 9)])
    assert {"0", "2"} == set(data["made"])


@pytest.fixture(scope="module")
def page_path(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a real run."""
    return page_of(tiny_run, tmp_path_factory.mktemp("page") / "report.html", "tiny")


def _draw(page: Page) -> None:
    """A fixed script of the mouse: a hill, then a stump behind it."""
    page.get_by_role("button", name="draw on this terrain").click()
    easel = page.locator(".easel")
    easel.scroll_into_view_if_needed()
    box = easel.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 150)
    page.mouse.down()
    for x, y in ((430, 140), (480, 125), (540, 150)):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
    page.mouse.up()
    page.get_by_role("radio", name="stump").check()
    easel.click(position={"x": 700, "y": 100})


def _saved(page: Page, path: Path) -> dict[str, Any]:
    with page.expect_download() as download:
        page.get_by_role("button", name="save the terrain").click()
    download.value.save_as(path)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _is_stump(polygon: list[list[float]]) -> bool:
    """Whether it is as wide as a stump, and two terrain steps high, which is what the page offers first."""
    width, height = np.ptp(np.array(polygon), axis=0)
    return bool(np.allclose([width, height], [TERRAIN_STEP, 2 * TERRAIN_STEP], atol=1e-5))


@needs_browser
def test_a_drawn_terrain_is_ranked_saved_and_proven(
    browser: Browser, page_path: Path, tiny_run: Path, tmp_path: Path
) -> None:
    """Heights are dragged, a stump is placed, all agents try it; Python gives the saved walk again, to the bit."""
    with open_run(tiny_run) as run:
        stored = {agent.version.id: agent for agent in run.stored_agents()}
        policy, root = run.policy, run.terrain(0)
    num = len({agent.version.theta_digest for agent in stored.values()})
    with Opened(browser, page_path, reduced_motion="reduce") as page:
        _draw(page)
        page.get_by_role("button", name="Who can cross it?").click()
        expect(page.locator(".ask .result")).to_contain_text(re.compile(rf"of {num} cross.*found by"), timeout=60_000)
        distances = [
            float(text.split()[0]) for text in page.locator(".ranking tbody td:nth-child(4)").all_text_contents()
        ]
        expect(page.locator("#drawn-player .lane b")).to_have_text("rank 1")
        file = _saved(page, tmp_path / "terrain.json")
        expect(page.locator(".command")).to_have_text("poet replay RUN --terrain terrain.json --verify")
        page.locator(".ranking tbody input").nth(1).check()
        expect(page.locator("#drawn-player .lane")).to_have_count(2)
        page.get_by_role("button", name="undo").click()
        expect(page.locator(".ask .result")).to_contain_text("has changed since")
        again = _saved(page, tmp_path / "again.json")
    terrain, walk = Terrain.from_json({key: file[key] for key in ("ground", "obstacles", "push")}), file["walk"]
    agent = stored[walk["version"]]
    result = rollout(policy, agent.theta, terrain, engine="simd", max_steps=walk["max_steps"])

    assert {"ground", "obstacles", "push", "walk"} == set(file)
    assert num == len(distances) and distances == sorted(distances, reverse=True)
    assert (agent.version.niche_id, False) == (walk["niche_id"], terrain == root)
    found = float(result.returns[0]), int(result.lengths[0]), Outcome(result.outcomes[0]).name.lower()
    assert found == (walk["return"], walk["length"], walk["outcome"])
    (stump,) = [polygon for polygon in file["obstacles"] if _is_stump(polygon)]
    assert stump not in again["obstacles"]


@needs_browser
def test_a_terrain_is_made_of_genes_and_drawn_by_keys(browser: Browser, page_path: Path, tmp_path: Path) -> None:
    """A slider and the seed make what Python makes; the file says of which genes until somebody draws on it."""
    with Opened(browser, page_path, reduced_motion="reduce") as page:
        page.get_by_role("button", name="draw on this terrain").click()
        page.get_by_role("slider", name="roughness").fill("2.3")
        page.get_by_label("seed", exact=True).fill("77")
        page.get_by_label("seed", exact=True).press("Enter")
        made = _saved(page, tmp_path / "made.json")
        page.locator(".easel").focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"):
            page.keyboard.press(key)
        expect(page.locator("#live")).to_contain_text(re.compile("^Vertex 2[1-9] of 199"))
        drawn = _saved(page, tmp_path / "drawn.json")
    genotype = ObstacleGenotype.from_json(made["genotype"])
    terrain = {key: made[key] for key in ("ground", "obstacles", "push")}

    assert (2.3, 77) == (genotype.roughness, made["terrain_seed"])
    assert genotype.express(77) == Terrain.from_json(terrain)
    assert not {"genotype", "terrain_seed"} & set(drawn)
    raised = [i for i, (a, b) in enumerate(zip(made["ground"], drawn["ground"], strict=True)) if a != b]
    assert raised and min(raised) > TERRAIN_STARTPAD


@needs_browser
def test_files_come_in_as_text(browser: Browser, page_path: Path, tmp_path: Path) -> None:
    """A hostile one is one sentence and changes nothing; a terrain is taken, walked on, and saved as it came."""
    (tmp_path / "hostile.json").write_text(_file(**{"<img src=x onerror=alert(1)>": 1}), encoding="utf-8")
    (tmp_path / "line.json").write_text(_file(), encoding="utf-8")
    with Opened(browser, page_path, reduced_motion="reduce") as page:
        page.get_by_role("button", name="draw on this terrain").click()
        before = _saved(page, tmp_path / "before.json")
        page.get_by_label("a terrain file").set_input_files(tmp_path / "hostile.json")
        expect(page.locator("#drawing .note")).to_contain_text('no terrain that can be shown: it has the key "<img')
        assert before == _saved(page, tmp_path / "after.json")
        assert not page.locator("img").count()
        page.get_by_label("a terrain file").set_input_files(tmp_path / "line.json")
        expect(page.locator("#drawing .note")).to_be_empty()
        taken = _saved(page, tmp_path / "taken.json")
    assert [_LINE, [], 1.0] == [taken["ground"], taken["obstacles"], taken["push"]]
