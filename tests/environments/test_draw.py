"""Pictures of walkers: shape, what is visible, camera, ghosts, and the window."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from environments.biped import LIDAR_RANGE, NUM_RAYS
from environments.terrain.constants import TERRAIN_HEIGHT
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker import draw as paint
from environments.walker.draw import draw
from environments.walker.episode import WalkerEpisode
from environments.walker.registration import ENV_ID, register_envs
from environments.walker.scene import Camera, Scene, WalkerPose, follow, frame, pose_of

register_envs()

FLAT = ObstacleGenotype().express(seed=0)
PITS = ObstacleGenotype(pit_gap=(3.0, 3.0)).express(seed=0)
CAMERA = Camera(left=0.0)
FAR_AWAY = Camera(left=40.0)


def _pose(opacity: float = 1.0, lidar: bool = True) -> WalkerPose:
    """A walker with its legs apart, near x = 4.7 m."""
    episode = WalkerEpisode(FLAT)
    for _ in range(15):
        episode.step(np.array([1.0, 0.0, -1.0, 0.0], np.float32))
    return pose_of(episode.world.body_state(), episode.observation if lidar else None, opacity)


def _count(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> int:
    """How many pixels are within 3 of ``color``."""
    return int((np.abs(picture.astype(int) - color).max(axis=-1) <= 3).sum())


def _at(picture: NDArray[np.uint8], camera: Camera, x: float, y: float) -> tuple[int, int, int]:
    """The pixel at a point of the course."""
    scale = picture.shape[1] / camera.width
    red, green, blue = picture[int(picture.shape[0] - (y - camera.bottom) * scale), int((x - camera.left) * scale)]
    return int(red), int(green), int(blue)


@pytest.mark.parametrize("size", [(600, 400), (320, 90)])
def test_a_picture_has_the_size_asked_for(size: tuple[int, int]) -> None:
    """Width and height in, (height, width, 3) uint8 out."""
    picture = draw(Scene(FLAT, (_pose(),), CAMERA), size)
    assert (size[1], size[0], 3) == picture.shape
    assert np.uint8 == picture.dtype


def test_a_picture_depends_on_its_scene_alone() -> None:
    """Drawing the same scene twice gives the same pixels."""
    scene = Scene(PITS, (_pose(0.5), _pose()), CAMERA)
    assert np.array_equal(draw(scene), draw(scene))


@pytest.mark.parametrize("color", [paint.HULL_COLOR, paint.NEAR_LEG, paint.FAR_LEG, paint.OUTLINE])
def test_the_walker_is_visible(color: tuple[int, int, int]) -> None:
    """Hull, both legs and outlines are there where the walker is, and not elsewhere on the course."""
    poses = (_pose(lidar=False),)
    seen = _count(draw(Scene(FLAT, poses, CAMERA)), color)
    assert seen > _count(draw(Scene(FLAT, (), CAMERA)), color) + 5
    assert _count(draw(Scene(FLAT, poses, FAR_AWAY)), color) == _count(draw(Scene(FLAT, (), FAR_AWAY)), color)


def test_the_lidar_is_visible_as_red_rays() -> None:
    """Pixels that change when the rays are drawn become redder, and they reach the ground ahead of the walker."""
    without, with_rays = (draw(Scene(FLAT, (_pose(lidar=lidar),), CAMERA)).astype(int) for lidar in (False, True))
    rows, columns = np.nonzero((without != with_rays).any(axis=-1))
    redness = [picture[rows, columns, 0] - picture[rows, columns, 1:].mean(axis=-1) for picture in (without, with_rays)]
    assert rows.size > 300
    assert (redness[1] > redness[0]).all()
    assert columns.max() - columns.min() > 0.8 * LIDAR_RANGE * 30


def test_lidar_rays_end_where_the_readings_say() -> None:
    """A reading of 0.5 ends a ray halfway, a reading of 1 at the full range."""
    bodies, observation = np.zeros((5, 6), np.float32), np.ones(24, np.float32)
    observation[14] = 0.5
    pose = pose_of(bodies, observation)
    assert pose.lidar is not None
    expected = [0.5 * LIDAR_RANGE] + [LIDAR_RANGE] * (NUM_RAYS - 1)
    np.testing.assert_allclose(np.hypot(*pose.lidar.T), expected, rtol=1e-6)


def test_pits_are_holes() -> None:
    """Between a pit's walls the sky is seen, beside them soil down to the lower edge."""
    wall, far_wall = PITS.obstacles[:2]
    top, middle = float(wall[:, 1].max()), float(wall[:, 0].max() + far_wall[:, 0].min()) / 2.0
    camera = frame(PITS, middle - 5.0, middle + 5.0)
    picture, empty = (
        draw(Scene(terrain, (), camera)) for terrain in (PITS, Terrain(np.array([[-99, -99], [-98, -99]])))
    )
    assert _at(empty, camera, middle, top - 0.5) == _at(picture, camera, middle, top - 0.5)
    assert paint.STONE == _at(picture, camera, float(wall[:, 0].mean()), top - 0.5)
    soil = [color for _, color in paint.SOIL]
    assert all(_at(picture, camera, middle - 2.5, y) in soil for y in np.arange(camera.bottom + 1.0, top - 0.3, 0.3))


def test_a_steep_descent_is_no_pit() -> None:
    """Ground that falls more and more, and does not come up again, has its soil right below its surface."""
    ground = FLAT.ground.copy()
    ground[30:, 1] -= 0.2 * np.minimum(np.arange(1, 171, dtype=np.float32), 20.0) ** 2
    camera = Camera(left=12.0, bottom=-12.0, width=20.0)
    picture = draw(Scene(Terrain(ground), (), camera))
    soil = [color for _, color in paint.SOIL]
    for vertex in range(34, 38):
        x, y = ground[vertex].tolist()
        assert _at(picture, camera, x, y - 0.8) in soil
        assert _at(picture, camera, x, y + 0.4) not in [paint.TURF, *soil]


def test_a_ghost_is_fainter_than_a_walker() -> None:
    """At half opacity the hull's colour is mixed with what lies behind it."""
    solid, ghost, nothing = (
        draw(Scene(FLAT, poses, CAMERA)).astype(float) for poses in ((_pose(lidar=False),), (_pose(0.5, False),), ())
    )
    is_hull = np.abs(solid - paint.HULL_COLOR).max(axis=-1) == 0
    np.testing.assert_allclose(ghost[is_hull], (solid + nothing)[is_hull] / 2.0, atol=2.0)


def test_several_poses_share_a_picture() -> None:
    """A strip shows each pose at its own place."""
    bodies = [_pose(lidar=False).bodies + np.array([shift, 0.0, 0.0]) for shift in (0.0, 6.0, 12.0)]
    camera = frame(FLAT, 0.0, 24.0, (900, 200))
    picture = draw(Scene(FLAT, tuple(WalkerPose(b) for b in bodies), camera), (900, 200))
    for pose in bodies:
        assert paint.HULL_COLOR == _at(picture, camera, float(pose[0, 0]) - 0.5, float(pose[0, 1]))


def test_the_camera_follows_the_hull() -> None:
    """The hull stays at the same share of the width, and flat ground at a quarter of the height."""
    here = _pose()
    there = WalkerPose(here.bodies + np.array([30.0, 0.0, 0.0]))
    cameras = [follow(FLAT, pose) for pose in (here, there)]
    assert cameras[1].left - cameras[0].left == pytest.approx(30.0)
    for camera in cameras:
        assert TERRAIN_HEIGHT - camera.bottom == pytest.approx(0.25 * camera.width * 400 / 600)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(("share", "weight"), [(0.05, 0.005), (0.25, 0.125), (0.5, 0.5), (0.75, 0.875)])
def test_ground_weighs_more_the_nearer_it_is_to_the_middle(side: int, share: float, weight: float) -> None:
    """Of a plateau 10 m high over a share of the picture, the camera rises by as much as that share weighs: what has
    just come into view hardly moves it."""
    edge = 20.0 * (share - 0.5)
    ground = np.array([(-99.0, 10.0), (edge, 10.0), (edge + 0.01, 0.0), (99.0, 0.0)])
    terrain = Terrain(ground if side < 0 else ground[::-1] * (-1.0, 1.0))
    level = frame(terrain, -10.0, 10.0).bottom - frame(Terrain(ground * (1.0, 0.0)), -10.0, 10.0).bottom

    assert 10.0 * weight == pytest.approx(level, abs=0.15)


def test_rgb_array_shows_the_walker_and_the_way() -> None:
    """The env's picture is the scene's, and it changes as the walker moves."""
    env = gymnasium.make(ENV_ID, terrain=FLAT, render_mode="rgb_array")
    env.reset()
    first: Any = env.render()
    for _ in range(20):
        env.step(np.ones(4, np.float32))
    second: Any = env.render()
    assert (400, 600, 3) == first.shape == second.shape
    assert _count(first, paint.HULL_COLOR) > 500
    assert not np.array_equal(first, second)


def test_without_a_render_mode_render_says_so() -> None:
    """render() of an env made without a render mode returns None and warns how to get pictures."""
    env = gymnasium.make(ENV_ID, terrain=FLAT).unwrapped
    env.reset()
    with pytest.warns(UserWarning, match="render_mode="):
        assert env.render() is None


def test_human_mode_shows_a_window_of_the_pictures_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """reset opens the window, step goes on showing, close closes it."""
    import pygame

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gymnasium.make(ENV_ID, terrain=FLAT, render_mode="human").unwrapped
    env.reset()
    env.step(np.zeros(4, np.float32))
    window = pygame.display.get_surface()
    assert window is not None
    assert (600, 400) == window.get_size()
    assert _count(np.swapaxes(pygame.surfarray.array3d(window), 0, 1), paint.HULL_COLOR) > 500
    env.close()
    assert not pygame.display.get_init()
