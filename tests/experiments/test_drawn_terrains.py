"""A terrain that somebody drew, as a stranger uses it: start on it, replay on it, evaluate on it, control it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from environments.terrain.terrain import Terrain
from experiments.analysis.annecs import annecs_frame
from experiments.analysis.genes import gene_texts
from experiments.analysis.readable import short_niches_table
from experiments.analysis.run_tables import read_tables
from experiments.analysis.shadow_file import birth_origins, write_shadow
from experiments.controls.neutral import neutral_shadow
from experiments.page.data import page_data
from experiments.page.record import Record
from experiments.replay.pairs import choose_pair_on
from experiments.replay.strip import draw_strip
from experiments.replay.walk import record_walk
from experiments.suites import FIRST_SEED, load_suite
from experiments.suites.evaluation import Trial
from experiments.view.curves import run_curves
from poet.archive.reader import open_run
from poet.config import Config
from tests.experiments.command_line import Ended, Poet
from tests.poet.builders import DRAWN

#: The version that the claims are about: the latest stored agent of niche 2 in the finished run.
AGENT = 2


def drawn_file(folder: Path, name: str = "mine.json", **changes: Any) -> Path:
    """A terrain file that somebody wrote by hand."""
    path = folder / name
    path.write_text(json.dumps(DRAWN | changes))
    return path


def walk_of(run: Path, poet: Poet, path: Path) -> dict[str, Any]:
    """What the agent really does on the terrain of a file, as a file says it."""
    ended = poet("replay", run, "--terrain", path, "--agent", AGENT, "--verify")
    with open_run(run) as stored:
        version = stored.agent(AGENT).version
        max_steps = stored.config.evaluation.max_steps
    outcome, _, length, *_, own_return = ended.out.splitlines()[1].split()
    return {
        "version": version.id, "niche_id": AGENT, "max_steps": max_steps, "return": float(own_return),
        "length": int(length), "outcome": outcome.lower(),
    }  # fmt: skip


def test_a_walk_that_is_so_is_equal_to_the_bit(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """The agent is the one that the file names; Gymnasium says the same; a picture is written."""
    walk = walk_of(tiny_run, poet, drawn_file(tmp_path))
    path = drawn_file(tmp_path, "walked.json", walk=walk)

    verified = poet("replay", tiny_run, "--terrain", path, "--verify")
    pictured = poet("replay", tiny_run, "--terrain", path, "--engine", "simd", "--output", tmp_path / "walk.png")

    assert (0, 0) == (verified.code, pictured.code)
    for ended in (verified, pictured):
        assert f"terrain walked.json, agent {AGENT} (whom the file names): version {walk['version']} " in ended.out
        assert f"{walk['outcome'].upper()} after {walk['length']} steps" in ended.out
        assert f"return {walk['return']!r}\nequal to the walk in the file: return, length and outcome\n" in ended.out
    assert "Gymnasium in real Box2D gives the same" == verified.last_line
    assert (tmp_path / "walk.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("change", [{"return": 1e-9}, {"length": 3}, {"outcome": "diverged"}])
def test_a_walk_that_is_not_so_ends_with_code_1(
    poet: Poet, tiny_run: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """One sentence has what the file says and what is so."""
    walk = walk_of(tiny_run, poet, drawn_file(tmp_path))
    claimed = walk | {"return": walk["return"] + change["return"]} if "return" in change else walk | change
    path = drawn_file(tmp_path, "claimed.json", walk=claimed)

    ended = poet("replay", tiny_run, "--terrain", path, "--verify")

    said, found = (f"{w['outcome'].upper()} after {w['length']} steps, return {w['return']!r}" for w in (claimed, walk))
    assert 1 == ended.code
    assert f"NOT equal to the walk in the file: {said}; here it is {found}\n" in ended.out


def test_a_walk_is_of_the_agent_and_the_steps_that_it_names(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Another agent is not compared. The episode has as many steps as the file says, not as the run."""
    walk = walk_of(tiny_run, poet, drawn_file(tmp_path)) | {"max_steps": 3, "length": 3, "outcome": "timeout"}
    path = drawn_file(tmp_path, "walked.json", walk=walk)

    other = poet("replay", tiny_run, "--terrain", path, "--agent", 1, "--verify")
    short = poet("replay", tiny_run, "--terrain", path, "--niche", AGENT, "--verify")

    assert 0 == other.code and "\nthe file says nothing of this agent\n" in other.out
    assert 1 == short.code and "\nTIMEOUT after 3 steps (0.06 s)" in short.out


def _walk(**changes: Any) -> dict[str, Any]:
    walk = {"version": 0, "niche_id": 0, "max_steps": 60, "return": 0.0, "length": 60, "outcome": "timeout"}
    return {"walk": walk | changes}


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        (_walk(version=10**6), (), "has no agent of the version 1000000"),
        (_walk(niche_id=1), (), "says that version 0 is an agent of niche 1, but in"),
        ({}, ("--niche", 1, "--agent", 2), "leave out --niche"),
        ({}, ("--agent", 99), "no niche 99"),
        ({"push": 1e9}, (), "push must be"),
        ({}, ("--output", "walk.txt"), "--output ends in"),
    ],
)
def test_what_nobody_can_walk_is_bad_input(
    poet: Poet, tiny_run: Path, tmp_path: Path, changes: dict[str, Any], options: tuple[object, ...], words: str
) -> None:
    """Code 2 and one sentence."""
    ended = poet("replay", tiny_run, "--terrain", drawn_file(tmp_path, **changes), "--verify", *options)

    assert 2 == ended.code
    assert words in ended.err and 1 == ended.err.count("\n") and "Traceback" not in ended.err


@pytest.mark.parametrize(
    "ground", [[[-10_000, -10_000], [10_000, 10_000]], [[-10_000, 3.3], [10_000, 3.3]], [[0, 3], [0.01, 3]]]
)
def test_any_course_that_somebody_draws_has_a_picture(tiny_run: Path, tmp_path: Path, ground: list[Any]) -> None:
    """However far its vertices are from each other, the picture has rows of some height, and no endless ones."""
    with open_run(tiny_run) as run:
        pair = choose_pair_on(run, drawn_file(tmp_path, ground=ground))
    walk = record_walk(pair.terrain, pair.policy.controller(pair.agent.theta), 3)

    height, width, _ = draw_strip(pair, walk).shape

    assert 1600 == width and 64 < height < 15_000


def test_a_terrain_file_is_a_suite_of_one_cell(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Its ground under the pushes of any suite's ground, of which its own is none; others to choose an agent on."""
    path, own = drawn_file(tmp_path), Terrain.from_json(DRAWN)
    suite, chosen_on = load_suite(str(path)), load_suite(str(path), 5, 500_000)
    (cell,), (other,) = suite.cells, chosen_on.cells

    ended = poet("evaluate", f"{tiny_run}:1", "--on", path, "--episodes", 3, "--output", tmp_path / "out")

    assert ("mine", 100) == (cell.name, len(cell.terrains)) and own not in cell.terrains
    assert {own} == {terrain.with_push(own.push) for terrain in (*cell.terrains, *other.terrains)}
    assert not {*cell.terrains} & {*other.terrains}
    assert 0 == ended.code and Trial().max_steps == 2000
    table = pd.read_parquet(tmp_path / "out" / "episodes.parquet")
    assert ["mine"] * 3 == [*table["cell"]]


def test_a_terrain_that_a_genotype_made_has_the_episodes_of_its_cell(tmp_path: Path, tiny_run: Path) -> None:
    """An exported terrain as a file, and its genotype as a cell with that ground, are the same suite."""
    with open_run(tiny_run) as run:
        (row,) = run.niches[run.niches["niche_id"] == AGENT].to_dict("records")
        (tmp_path / "it.json").write_text(json.dumps(run.terrain(AGENT).to_json()))
    genes = ", ".join(f"{name} = {value}" for name, value in row["genotype"].items() if value is not None)
    cell = f'[[cells]]\nname = "it"\nground = {row["terrain_seed"]}\nterrain = {{{genes}}}\n'
    (tmp_path / "it.toml").write_text(f"first_seed = {FIRST_SEED}\n{cell}")

    of_file, of_cell = (load_suite(str(tmp_path / name), 4) for name in ("it.json", "it.toml"))

    assert of_file.digest == of_cell.digest


@pytest.fixture(scope="module")
def two_roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run on two drawn terrains is made, once."""
    return tmp_path_factory.mktemp("drawn") / "run"


def _started(poet: Poet, run: Path) -> Ended | None:
    """The run that starts on two files; None if it is there already."""
    if run.exists():
        return None
    files = [drawn_file(run.parent, f"{i}.json", push=float(i)) for i in range(2)]
    ended = poet(
        "run", run, "--preset", "tiny", "--iterations", 6, "--workers", 1,
        "--set", f"run.start_terrain=[{files[0]},{files[1]}]",
    )  # fmt: skip
    for path in files:
        path.unlink()
    return ended


def test_a_run_starts_on_files_and_needs_them_no_more(poet: Poet, two_roots: Path) -> None:
    """The start says little of them, the archive has them, and all its pairs are proven in Box2D."""
    started = _started(poet, two_roots)
    resumed = poet("resume", two_roots, "--iterations", 7, "--workers", 1)
    verified = poet("replay", two_roots, "--verify", "--workers", 1)

    assert started is None or (0 == started.code and len(started.out.splitlines()[0]) < 900)
    assert (0, 0) == (resumed.code, verified.code)
    with open_run(two_roots) as run:
        niches = run.niches
        assert [0, 1] == [*niches.loc[niches["parent_id"].isna(), "niche_id"]]
        assert [0.0, 1.0] == [run.terrain(i).push for i in range(2)]
        assert "0.json" not in run.config.run.start_terrain


def test_the_page_knows_several_and_drawn_roots(poet: Poet, two_roots: Path) -> None:
    """They are called drawn and have no genes to slide; counts of admitted niches and ANNECS leave all roots out."""
    _started(poet, two_roots)
    with open_run(two_roots) as run:
        tables, record = read_tables(run), Record(run)
        record.follow()
        page = page_data("run", run, tables)
    theirs = annecs_frame(tables.niches, tables.judgements, tables.solved, tables.validations, tables.admissible)

    texts, children = gene_texts(tables), [niche["id"] for niche in page["niches"] if niche["parent_id"] is not None]
    assert len(children) == len(page["niches"]) - 2 > 0
    assert ["drawn", "drawn"] == [niche["genes"] for niche in page["niches"][:2]]
    assert [texts[i] or "flat, or of genes without a number" for i in children] == [
        page["niches"][i]["genes"] for i in children
    ]
    assert {str(i) for i in children} == page["drawing"]["made"].keys()
    assert len(children) == run_curves(record)["admitted"]["value"][-1]
    assert page["annecs"]["annecs_paper"][-1] == theirs["annecs_paper"].iloc[-1]


def test_controls_of_a_drawn_niche(poet: Poet, two_roots: Path, tmp_path: Path) -> None:
    """ES alone trains on the very ground; a direct path has no target; a paced one leaves drawn terrains out."""
    _started(poet, two_roots)
    es = poet("control", "es", two_roots, 1, "--output", tmp_path / "es", "--env-steps", 100, "--workers", 1)
    path = poet("control", "curriculum", two_roots, 1, "--output", tmp_path / "path", "--workers", 1)
    settings = ("--set", "trainer.settings={terrains=2,episodes=2}", "--env-steps", 1)
    paced = poet("control", "paced", two_roots, "--output", tmp_path / "paced", "--workers", 1, *settings)

    assert 0 == es.code, es.err
    assert 2 == path.code and "is a drawn terrain" in path.err
    assert 0 == paced.code, paced.err
    with open_run(two_roots) as run, open_run(tmp_path / "es") as made:
        assert run.terrain(1) == made.terrain(0)
        num_made = len(run.niches) - 2
    assert num_made == len(json.loads((tmp_path / "paced.terrains.json").read_text())["terrains"])


def test_a_shadow_has_the_roots_of_its_run(poet: Poet, two_roots: Path) -> None:
    """Each replicate begins with both, as they were drawn; it is no shadow of a run on other grounds."""
    _started(poet, two_roots)
    with open_run(two_roots) as run:
        shadow = neutral_shadow(run, 2)
        write_shadow(shadow, two_roots / "neutral")
        tables, others = read_tables(run), birth_origins(run.niches, lambda iteration: Config())

    assert [0, 1, 0, 1] == [*shadow.loc[shadow["parent_id"].isna(), "niche_id"]]
    assert tables.shadow.niches is not None and len(shadow) == 2 * len(tables.niches)
    assert not {*others.values()} & {*shadow["origin"]}
    assert ["drawn", "drawn"] == [*short_niches_table(tables)["genes"][:2]]


def test_a_bad_file_starts_nothing(poet: Poet, tmp_path: Path) -> None:
    """Code 2, one sentence, and no folder."""
    path = drawn_file(tmp_path, ground=[[0, 0]])
    for terrain, words in ((path, "at least 2 vertices"), (tmp_path / "none.json", "No such file")):
        ended = poet("run", tmp_path / "run", "--preset", "tiny", "--set", f"run.start_terrain={terrain}")
        assert 2 == ended.code and words in ended.err and 1 == ended.err.count("\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("form", ["[{}]", '["{}"]'])
def test_too_many_terrains_are_refused_before_their_files_are_read(poet: Poet, tmp_path: Path, form: str) -> None:
    """A hundred files of megabytes would take a while; these are not even there."""
    text = form.format(('","' if '"' in form else ",").join(f"{i}.json" for i in range(100)))
    ended = poet("run", tmp_path / "run", "--preset", "tiny", "--set", f"run.start_terrain={text}")

    assert (2, 1) == (ended.code, ended.err.count("\n"))
    assert "run.start_terrain names 100 terrains, but poet.max_active is" in ended.err
