"""``poet replay``: an archived pair as a picture, and the check that it still does what the archive says."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageSequence

from agents.policies.mlp import MLPPolicy
from environments.biped import HULL
from environments.engines import ENGINES, Engine
from environments.errors import InputError
from environments.terrain.constants import TERRAIN_HEIGHT
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.draw import HULL_COLOR, TURF
from environments.walker.ending import Outcome
from environments.walker.episode import WalkerEpisode
from environments.walker.scene import Camera
from experiments.replay import formats, render
from experiments.replay.captions import OUTCOME_COLORS
from experiments.replay.film import Film
from experiments.replay.pairs import Pair, choose_pair
from experiments.replay.render import replay
from experiments.replay.strip import draw_strip, moments
from experiments.replay.verify import VerifyReport, verify
from experiments.replay.verify_worker import run_episode
from experiments.replay.walk import Walk, record_walk
from poet.archive.digests import text_digest
from poet.archive.reader import Run, open_run
from poet.archive.records import StoredAgent
from poet.config import make_config
from poet.events import AgentVersion
from poet.types import Origin, theta_digest

FLAT = ObstacleGenotype().express(seed=0)
#: Steps of an episode of the preset tiny, and the pictures of its film: every second step and the last.
NUM_STEPS, NUM_PICTURES = 60, 31
STANDING = np.array([0.7, 0.1, -0.4, -0.2], np.float32)


@pytest.fixture
def run(tiny_run: Path) -> Iterator[Run]:
    """The finished tiny run."""
    with open_run(tiny_run) as run:
        yield run


@pytest.fixture
def copied(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run that a test may change."""
    return Path(shutil.copytree(tiny_run, tmp_path / "copied"))


def change(folder: Path, sql: str, *parameters: object) -> None:
    """Change an archive behind its back."""
    connection = sqlite3.connect(folder / "run.sqlite")
    with connection:
        assert connection.execute(sql, parameters).rowcount == 1
    connection.close()


def pair_on(terrain: Terrain, niche_id: int = 3) -> Pair:
    """A niche and its agent, of no run."""
    theta = np.zeros(2804, np.float32)
    version = AgentVersion(8, niche_id, 5, None, Origin.ES, None, theta_digest(theta), 0.0, 0.0, 1, 3)
    return Pair(niche_id, StoredAgent(version, theta, make_config().policy), MLPPolicy(), terrain, 2000)


def walk_through(terrain: Terrain, hull_x: ArrayLike, outcome: Outcome = Outcome.TIMEOUT) -> Walk:
    """A walk that stands, as at the start, on the ground below each of these places."""
    start = WalkerEpisode(FLAT).world.body_state()[:, :3]
    x = np.array(hull_x, np.float32)
    heights = np.interp(x, terrain.ground[:, 0], terrain.ground[:, 1]) - FLAT.ground[0, 1]
    bodies = np.repeat(start[np.newaxis], len(x), axis=0)
    bodies[:, :, 0] += (x - start[0, 0])[:, np.newaxis]
    bodies[:, :, 1] += heights[:, np.newaxis].astype(np.float32)
    return Walk(terrain, bodies, np.ones((len(x), 24), np.float32), np.arange(len(x), dtype=float), outcome)


def holds(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> int:
    """How many pixels have exactly this colour."""
    return int((picture == np.array(color, np.uint8)).all(axis=-1).sum())


def test_a_gif_shows_every_second_step_at_the_walkers_pace(run: Run, tmp_path: Path) -> None:
    """Its pictures are 25 a second, small, repeated for ever, and the last one stays a while."""
    replay(run, 2, output=tmp_path / "walk.gif")

    with Image.open(tmp_path / "walk.gif") as gif:
        durations = [picture.info["duration"] for picture in ImageSequence.Iterator(gif)]
        assert ((400, 267), 0) == (gif.size, gif.info["loop"])
    assert [40] * (NUM_PICTURES - 1) == durations[:-1]
    assert 1000 <= durations[-1]
    assert NUM_PICTURES * 12_000 > (tmp_path / "walk.gif").stat().st_size


def test_an_mp4_shows_every_second_step_at_the_walkers_pace(run: Run, tmp_path: Path) -> None:
    """It is H.264 in yuv420p at 25 pictures a second, which browsers play."""
    replay(run, 2, output=tmp_path / "walk.mp4")

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", tmp_path / "walk.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True)
    pictures = np.frombuffer(decoded.stdout, np.uint8).reshape(-1, 480, 720, 3)
    about = decoded.stderr.decode()
    assert re.search(r"Video: h264 .*yuv420p.* 720x480.* 25 fps", about), about
    assert NUM_PICTURES + 37 == len(pictures), "the last picture stays 1.5 s"
    assert np.ptp(pictures[0]) > 100
    assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() > 0.2


def test_a_png_shows_the_whole_course(run: Run, tmp_path: Path) -> None:
    """It is one wide picture."""
    replay(run, 2, output=tmp_path / "walk.PNG")

    with Image.open(tmp_path / "walk.PNG") as png:
        assert "PNG" == png.format
        assert 1600 == png.width
        assert 600 < png.height < 2000


@pytest.mark.parametrize("cliff", [-1e6, -30.0, 50.0, 1e6])
def test_a_strip_of_a_cliff_shows_what_lies_around_the_walker(cliff: float) -> None:
    """However high or deep, a row is as tall as 40 m at most and shows the walker before the cliff."""
    ground = FLAT.ground.copy()
    ground[40:, 1] += cliff
    terrain = Terrain(ground)
    strip = draw_strip(pair_on(terrain), walk_through(terrain, np.linspace(4.7, 15.0, 100)))

    assert strip.shape[0] < 3 * 40.0 * 1600 / 31.0 + 100
    assert holds(strip, HULL_COLOR) > 500
    assert holds(strip, TURF) > 1000


def test_a_strip_shows_the_walker_at_moments_that_do_not_cover_each_other() -> None:
    """There is one every three metres however long it took, and always the end, alone where it stands."""
    forward = walk_through(FLAT, np.linspace(4.7, 30.0, 500))
    back = walk_through(FLAT, [*np.linspace(4.7, 30.0, 500), *np.linspace(30.0, 17.0, 300)])

    for walk in (forward, back):
        x = np.sort(walk.hull_x[moments(walk)])
        assert walk.length == moments(walk)[-1]
        assert np.diff(x).min() > 2.0
        assert 7 <= len(x) <= 9
    assert holds(draw_strip(pair_on(FLAT), forward), HULL_COLOR) > 500, "the end is solid"


def test_a_gif_of_a_long_walk_has_fewer_pictures_a_second_but_the_same_pace() -> None:
    """A walk of 2,000 steps makes at most 700 pictures, spread over 40 s."""
    walk = walk_through(FLAT, np.linspace(5, 60, 2001))
    film = Film(pair_on(FLAT), walk, (400, 267), max_pictures=700)

    assert 600 < len(film) <= 700
    assert (0, 2000) == (film.steps[0], film.steps[-1])
    assert 40.0 == pytest.approx(film.seconds_apart * (len(film) - 1), abs=film.seconds_apart)


@pytest.mark.parametrize("seed", range(3))
def test_the_walker_stays_in_the_picture_on_the_steepest_ground(seed: int) -> None:
    """All of the hull is seen at every place of the course, its end included."""
    terrain = ObstacleGenotype(roughness=8.0, stump_height=(2.0, 3.0)).express(seed)
    walk = walk_through(terrain, np.linspace(2, 89, 30))
    film = Film(pair_on(terrain), walk, (200, 134))
    on_flat = holds(Film(pair_on(FLAT), walk_through(FLAT, [20, 21]), (200, 134)).picture(0), HULL_COLOR)

    seen = [holds(film.picture(step), HULL_COLOR) for step in range(30)]

    assert on_flat > 80
    assert min(seen) > 0.6 * on_flat  # an obstacle's edge or a ray may cross it


@pytest.mark.parametrize(("cliff", "share"), [(-40.0, 0.8), (0.0, None), (40.0, 0.34)])
def test_the_camera_of_a_film_goes_with_the_walker(
    monkeypatch: pytest.MonkeyPatch, cliff: float, share: float | None
) -> None:
    """It stays within the course, shows level ground at a quarter of the height, and moves away from there only so far
    that a walker before or behind a cliff is seen."""
    cameras: list[Camera] = []
    picture = np.zeros((236, 400, 3), np.uint8)
    monkeypatch.setattr("experiments.replay.film.draw", lambda scene, size: (cameras.append(scene.camera), picture)[1])
    ground = FLAT.ground.copy()
    ground[100:, 1] += cliff
    places = ground[[5, 50, 98, 101, 195], 0]
    walk = walk_through(Terrain(ground), places)
    film = Film(pair_on(walk.terrain), walk, (400, 268))
    for step in range(5):
        film.picture(step)
    height = 16.0 * 236 / 400
    hull = walk.bodies[:, HULL, 1].astype(float) - [camera.bottom for camera in cameras]
    on_level = 0.25 + (float(walk.bodies[0, HULL, 1]) - TERRAIN_HEIGHT) / height

    assert [0.0, *(places[1:4] - 0.3 * 16.0), float(ground[-1, 0]) - 16.0] == pytest.approx([c.left for c in cameras])
    assert [on_level] * 3 == pytest.approx((hull / height)[[0, 1, 4]].tolist())
    assert (on_level if share is None else share) == pytest.approx(hull[2] / height)


def test_the_caption_covers_nothing_and_says_how_it_ended() -> None:
    """Another caption changes only the band above the view; the outcome appears with the last step."""
    walk = walk_through(FLAT, np.linspace(5, 8, 11), Outcome.FELL)
    one, other = (Film(pair_on(FLAT, niche_id), walk, (400, 266)) for niche_id in (3, 1234))

    differs = (one.picture(10) != other.picture(10)).any(axis=(1, 2))
    red = [holds(one.picture(step), OUTCOME_COLORS[Outcome.FELL]) for step in (9, 10)]

    assert differs[:32].any() and not differs[32:].any()
    assert red[0] == 0 < red[1]


def test_a_world_that_diverged_can_be_shown() -> None:
    """The walk keeps the last finite pose, so that every picture can be drawn."""
    actions = iter([STANDING, STANDING, np.full(4, np.nan, np.float32)])

    walk = record_walk(FLAT, lambda observation: next(actions), 2000)

    assert (Outcome.DIVERGED, 3, -100.0) == (walk.outcome, walk.length, walk.returns[3] - walk.returns[2])
    assert np.isfinite(walk.bodies).all()
    assert (267, 400, 3) == Film(pair_on(FLAT), walk, (400, 267)).picture(3).shape
    assert 1600 == draw_strip(pair_on(FLAT), walk).shape[1]


def test_a_file_appears_only_when_it_is_whole(run: Run, tmp_path: Path) -> None:
    """What stops the drawing leaves an older file as it was, and nothing else."""
    (tmp_path / "walk.gif").write_bytes(b"older")

    def stop(num_done: int, num_pictures: int) -> None:
        assert num_pictures == NUM_PICTURES
        if num_done == 5:
            raise KeyboardInterrupt

    for name in ("walk.gif", "walk.mp4"):
        with pytest.raises(KeyboardInterrupt):
            replay(run, 2, output=tmp_path / name, progress=stop)

    assert [tmp_path / "walk.gif"] == list(tmp_path.iterdir())
    assert b"older" == (tmp_path / "walk.gif").read_bytes()


def test_an_agent_walks_again_as_the_archive_says(run: Run, tmp_path: Path) -> None:
    """The report names version and iteration, and compares with the archived episode to the bit."""
    report = replay(run, 2, iteration=8, output=tmp_path / "walk.png")

    assert (2, 23, 7) == (report.niche_id, report.version.id, report.version.iteration)
    assert (report.version.own_return, NUM_STEPS) == (report.own_return, report.length)
    assert report.is_equal
    assert "iteration 7, the latest stored at or before 8" in report.lines()[0]
    assert "equal to the archive" in report.lines()[2]


def test_an_agent_on_anothers_terrain_is_shown_and_said_not_to_be_archived(run: Run, tmp_path: Path) -> None:
    """``--niche A --agent B`` is B's agent on A's terrain."""
    report = replay(run, 1, agent_id=4, output=tmp_path / "walk.png")

    act = choose_pair(run, 1, 4).agent.theta
    assert (1, 4, None) == (report.niche_id, report.version.niche_id, report.is_equal)
    assert theta_digest(act) == report.version.theta_digest
    assert run.terrain(1) == choose_pair(run, 1, 4).terrain != run.terrain(4)
    assert "not in the archive" in report.lines()[2]


def test_an_archive_that_says_otherwise_is_reported(copied: Path, tmp_path: Path) -> None:
    """A replay that differs from the record says so and what the record is."""
    change(copied, "UPDATE versions SET own_length = 59 WHERE id = 23")
    with open_run(copied) as run:
        report = replay(run, 2, iteration=7, output=tmp_path / "walk.png")

    assert report.is_equal is False
    assert "NOT equal to the archive: TIMEOUT after 59 steps" in report.lines()[2]


def test_the_numbers_are_those_of_the_engine_asked_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are drawn from Box2D; an engine that gives another episode is found out."""
    (tmp_path / "bent_engine.py").write_text(
        "from dataclasses import replace\n"
        "from agents.rollouts.engines import Box2D\n"
        "class Bent(Box2D):\n"
        "    def run(self, *arguments):\n"
        "        result = super().run(*arguments)\n"
        "        return replace(result, returns=result.returns + 1.0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(ENGINES, "bent", Engine("bent_engine:Bent"))

    good, bent = (replay(run, 2, output=tmp_path / "walk.png", engine=engine) for engine in ("box2d", "bent"))

    assert (True, True) == (good.is_as_drawn, good.is_equal)
    assert (False, False, good.own_return + 1.0) == (bent.is_as_drawn, bent.is_equal, bent.own_return)
    assert any("episode of Box2D, which is NOT equal" in line for line in bent.lines())


def test_without_a_niche_the_one_solved_last_is_shown_or_else_the_newest(copied: Path) -> None:
    """The pair says which rule chose it."""
    with open_run(copied) as run:
        newest = "the newest active niche; none was ever solved"
        assert (4, newest) == _chosen(run)
        assert (2, newest) == _chosen(run, iteration=6)
        for niche_id, iteration in ((3, 7), (1, 9)):
            change(copied, "INSERT INTO solved VALUES (?, ?, 0, 0, 'es', 'self_eval', 240.0, '')", niche_id, iteration)
        assert (1, "the niche solved once last") == _chosen(run)
        assert (3, "the niche solved once last") == _chosen(run, iteration=8)
        assert (2, newest) == _chosen(run, iteration=6)
        latest = run.agent(3).version.id
        change(copied, "UPDATE versions SET own_outcome = ? WHERE id = ?", int(Outcome.FINISHED), latest)
        assert (3, "of the niches whose agents now finish, the one solved once last") == _chosen(run)


def _chosen(run: Run, iteration: int | None = None) -> tuple[int, str]:
    pair = choose_pair(run, iteration=iteration)
    return pair.niche_id, pair.choice


def test_a_window_shows_the_film(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``--output`` every picture of the film is shown, the last one for a while, and the window closes."""
    shown: list[object] = []

    class Window:
        def __init__(self, title: str, frames_per_second: int) -> None:
            shown.append((title, frames_per_second))

        def show(self, picture: NDArray[np.uint8]) -> None:
            shown.append(picture.shape)

        def close(self) -> None:
            shown.append("closed")

    monkeypatch.setattr(render, "Window", Window)
    monkeypatch.setenv("DISPLAY", ":0")
    replay(run, 2)

    assert [("niche 2, agent 2", 25), *[(480, 720, 3)] * (NUM_PICTURES + 38), "closed"] == shown


def test_without_a_display_a_file_must_be_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(InputError, match=r"no display .* --output FILE, ending in \.gif, \.mp4 or \.png"):
        replay(run)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"output": Path("walk.avi")}, r"\.gif, \.mp4, \.png .* found 'walk\.avi'"),
        ({"output": Path("nowhere") / "walk.gif"}, "folder 'nowhere', which does not exist"),
        ({"niche_id": 9}, "no niche 9: its niches are 0 to 4"),
        ({"niche_id": 1, "agent_id": 7}, "no niche 7: its niches are 0 to 4"),
        ({"niche_id": 4, "iteration": 2}, "agent 4 .* begins at iteration 9"),
        ({"engine": "box3d"}, "did you mean 'box2d'"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, object], sentence: str
) -> None:
    """It names what was asked for and what there is, and writes no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=sentence):
        replay(run, **({"output": Path("walk.gif")} | arguments))  # type: ignore[arg-type]
    assert [] == list(tmp_path.iterdir())


def test_every_stored_pair_of_a_run_does_again_what_the_archive_says(run: Run, tiny_run: Path) -> None:
    """All of them are run, each once, and progress is told."""
    told: list[tuple[int, int]] = []
    report = verify(tiny_run, workers=2, progress=lambda done, total: told.append((done, total)))

    num_stored = len(run.stored_agents())
    assert num_stored > 20
    assert (num_stored, (), 0) == (report.num_pairs, report.mismatches, report.exit_status)
    assert [(i + 1, num_stored) for i in range(num_stored)] == told
    assert f"{num_stored} stored pairs" in report.lines()[0]


def test_a_tampered_archive_fails_the_check_and_says_where(copied: Path) -> None:
    """A return (by its last bit), a length, an outcome and a terrain: each is found, and nothing else."""
    with open_run(copied) as run:
        versions = {agent.version.id: agent for agent in run.stored_agents()}
        terrain = run.terrain(4).to_json()
    nearly = float(np.nextafter(versions[6].version.own_return, np.inf))
    change(copied, "UPDATE versions SET own_return = ? WHERE id = 6", nearly)
    change(copied, "UPDATE versions SET own_length = 61 WHERE id = 16")
    change(copied, "UPDATE versions SET own_outcome = 1 WHERE id = 17")
    terrain["push"] += 1.0
    change(copied, "UPDATE niches SET terrain = ? WHERE niche_id = 4", json.dumps(terrain))

    report = verify(copied, workers=1)

    reasons = {mismatch.version.id: mismatch.reason for mismatch in report.mismatches}
    assert [i for i, agent in versions.items() if i in (6, 16, 17) or agent.version.niche_id == 4] == list(reasons)
    assert f"own_return is {versions[6].version.own_return!r}, archived {nearly!r}" == reasons[6]
    assert "own_length is 60, archived 61" == reasons[16]
    assert "own_outcome is 3, archived 1" == reasons[17]
    assert 1 == report.exit_status
    assert f"version 6 of iteration {versions[6].version.iteration}" in report.lines()[1]


def test_a_theta_that_is_not_the_one_recorded_is_not_run(copied: Path) -> None:
    """One bit or its length: nothing of the run is verified until the file is mended."""
    with open_run(copied) as run:
        agent = run.stored_agents()[2]
    wrong = agent.theta.copy()
    wrong[-1] += np.float32(0.01)
    for data in (wrong.tobytes(), struct.pack("<3f", 1, 2, 3)):
        change(copied, "UPDATE thetas SET theta = ? WHERE digest = ?", data, agent.version.theta_digest)
        with pytest.raises(InputError, match=f"the theta {agent.version.theta_digest} has other bits"):
            verify(copied, workers=1)


def test_the_check_needs_the_archive_alone(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No code that the config names is imported, and no folder of the user's is taken for ours."""
    connection = sqlite3.connect(copied / "run.sqlite")
    ((text,),) = connection.execute("SELECT config FROM configs").fetchall()
    connection.close()
    config = json.loads(text)
    config["terrain"]["genotype"] = config["es"]["strategy"] = "nowhere.at_all:Thing"
    change(copied, "UPDATE configs SET config = ?", json.dumps(config))
    change(copied, "UPDATE digests SET digest = ? WHERE kind = 'config'", text_digest(json.dumps(config)))
    for name in ("agents", "poet"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')")
    monkeypatch.chdir(tmp_path)

    report = verify(copied.name, niche_id=4, workers=1)

    assert (0, True) == (report.exit_status, report.num_pairs >= 2)


def test_the_check_can_be_narrowed_to_a_niche_and_an_iteration(tiny_run: Path) -> None:
    """``--niche`` takes one agent's versions, ``--iteration`` the latest stored by then of each."""
    assert (1, 0) == _count(verify(tiny_run, niche_id=2, iteration=6))
    assert (3, 0) == _count(verify(tiny_run, iteration=6))


def _count(report: VerifyReport) -> tuple[int, int]:
    return report.num_pairs, report.exit_status


def test_the_check_refuses_what_the_archive_has_no_record_of(tiny_run: Path) -> None:
    """An agent on another's terrain, and a niche or run that does not exist."""
    with pytest.raises(InputError, match="no episode of agent 2 on niche 1"):
        verify(tiny_run, niche_id=1, agent_id=2)
    with pytest.raises(InputError, match="no niche 9"):
        verify(tiny_run, niche_id=9)
    with pytest.raises(InputError, match="begins at iteration 9"):
        verify(tiny_run, agent_id=4, iteration=3)
    with pytest.raises(InputError, match="there is no run"):
        verify(tiny_run / "nowhere")


def test_a_check_whose_process_dies_is_no_success(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how far the check came."""
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match=r"died: it ran 0 of \d+ pairs"):
        verify(tiny_run, workers=2)


def test_the_check_knows_time_limits_beyond_the_envs_own() -> None:
    """A run with ``evaluation.max_steps`` above 2,000 is checked over all its steps."""
    total, length, outcome = run_episode(FLAT, lambda observation: STANDING, 2100)
    walk = record_walk(FLAT, lambda observation: STANDING, 2100)

    assert (2100, Outcome.TIMEOUT) == (length, outcome)
    assert (walk.returns[-1], walk.length, walk.outcome) == (total, length, outcome)


def test_formats_are_those_that_the_sentence_names() -> None:
    """Each ending has a writer."""
    assert [".gif", ".mp4", ".png"] == list(formats.WRITERS)


def test_a_worker_whose_asker_is_gone_says_nothing(run: Run) -> None:
    """Ctrl-C may end the asker while a worker has a line to write."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-P", "-m", "experiments.replay.verify_worker", str(run.folder), "simd"]
    versions = " ".join(str(agent.version.id) for agent in run.stored_agents())
    ended = subprocess.run(command, input=versions, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)

    assert (1, "") == (ended.returncode, ended.stderr)
