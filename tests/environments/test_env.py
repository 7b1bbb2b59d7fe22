"""BipedalTerrain-v0 as a Gymnasium environment: episodes, endings, errors, registration."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.envs.box2d.bipedal_walker import BipedalWalkerHeuristics
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from environments.biped import MAX_STEPS, NUM_BODIES
from environments.errors import InputError
from environments.terrain.constants import FINISH_X
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON, Outcome, ending
from environments.walker.env import BipedalTerrainEnv
from environments.walker.episode import WalkerEpisode
from environments.walker.registration import ENV_ID, register_envs
from tests.environments.actors import straddling

register_envs()

FLAT = ObstacleGenotype().express(seed=0)
STILL = np.zeros(4, np.float32)


def _heuristic() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    heuristic: Any = BipedalWalkerHeuristics()
    return lambda observation: np.asarray(heuristic.step_heuristic(observation), np.float32)


def _episode(env: BipedalTerrainEnv, num_steps: int) -> list[Any]:
    act = _heuristic()
    observation, _ = env.reset()
    steps: list[Any] = [observation.tobytes()]
    for _ in range(num_steps):
        observation, *rest = env.step(act(observation))
        steps.append((observation.tobytes(), *rest))
    return steps


@pytest.mark.parametrize("render_mode", [None, "rgb_array", "human"])
def test_check_env_has_nothing_to_say(render_mode: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gymnasium's own checker passes the env without a single warning."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = gymnasium.make(ENV_ID, terrain=FLAT, render_mode=render_mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_the_default_terrain_is_flat() -> None:
    """Without a terrain the walker stands on flat ground."""
    env: Any = gymnasium.make(ENV_ID).unwrapped
    assert FLAT == env.terrain
    assert 0 == np.ptp(env.terrain.ground[:, 1])


def test_spaces_are_those_of_gymnasiums_walker() -> None:
    """Observation and action space equal those of BipedalWalker-v3."""
    theirs, ours = gymnasium.make("BipedalWalker-v3"), BipedalTerrainEnv()
    assert theirs.observation_space == ours.observation_space
    assert theirs.action_space == ours.action_space


def test_episodes_of_one_env_are_identical() -> None:
    """Each reset makes a fresh world: a second episode with the same policy repeats the first bit for bit."""
    env = BipedalTerrainEnv(ObstacleGenotype(roughness=1.0, stump_height=(0.0, 0.4)).express(seed=4))
    assert _episode(env, 150) == _episode(env, 150)


def test_the_seed_of_reset_changes_nothing_in_the_episode() -> None:
    """The push belongs to the terrain, so reset(seed=...) only seeds np_random."""
    env = BipedalTerrainEnv(FLAT)
    first, _ = env.reset(seed=1)
    second, _ = env.reset(seed=2)
    assert first.tobytes() == second.tobytes()


def test_the_push_of_the_terrain_is_felt() -> None:
    """Two terrains that differ in their push alone give different first observations."""
    first, _ = BipedalTerrainEnv(Terrain(FLAT.ground, push=-5.0)).reset()
    second, _ = BipedalTerrainEnv(Terrain(FLAT.ground, push=5.0)).reset()
    assert first[2] < second[2]


def test_walking_to_the_end_finishes() -> None:
    """Gymnasium's heuristic walker reaches the end of a flat course: terminated, finished, and the reward goes on."""
    env = BipedalTerrainEnv(Terrain(FLAT.ground))
    act = _heuristic()
    observation, _ = env.reset()
    infos = []
    is_terminated = is_truncated = False
    while not (is_terminated or is_truncated):
        observation, reward, is_terminated, is_truncated, info = env.step(act(observation))
        infos.append(info)
    assert (True, False) == (is_terminated, is_truncated)
    assert {"finished": True, "outcome": Outcome.FINISHED} == infos[-1]
    assert all({"finished": False} == info for info in infos[:-1])
    assert reward > 0.0


def test_a_fall_ends_the_episode_with_minus_100() -> None:
    """A walker without torque sinks down until its hull touches: terminated, reward exactly -100, FELL."""
    env = BipedalTerrainEnv(FLAT)
    env.reset()
    steps = [env.step(STILL) for _ in range(121)]
    assert all((False, False) == step[2:4] for step in steps[:-1])
    _, reward, is_terminated, is_truncated, info = steps[-1]
    assert (-100.0, True, False) == (reward, is_terminated, is_truncated)
    assert {"finished": False, "outcome": Outcome.FELL} == info


def test_leaving_the_course_to_the_left_is_a_fall() -> None:
    """A walker that is pushed beyond x = 0 has fallen, even if its hull touched nothing."""
    episode = WalkerEpisode(Terrain(FLAT.ground, push=-1e6))
    while episode.outcome is None:
        reward, _ = episode.step(STILL)
    assert not episode.world.has_fallen
    assert episode.world.body_state()[0, 0] < 0.0
    assert (Outcome.FELL, -100.0) == (episode.outcome, reward)


@pytest.mark.parametrize(
    ("has_fallen", "x", "num_steps", "expected"),
    [
        (False, FINISH_X - 1.0, 1, GOES_ON),
        (False, FINISH_X + 1.0, 1, Outcome.FINISHED),
        (True, FINISH_X + 1.0, 1, Outcome.FELL),
        (False, -0.1, 1, Outcome.FELL),
        (False, 0.0, MAX_STEPS - 1, GOES_ON),
        (False, 0.0, MAX_STEPS, Outcome.TIMEOUT),
        (True, 0.0, MAX_STEPS, Outcome.FELL),
        (False, FINISH_X + 1.0, MAX_STEPS, Outcome.FINISHED),
    ],
)
def test_a_fall_wins_over_the_finish_and_both_over_the_time_limit(
    has_fallen: bool, x: float, num_steps: int, expected: int
) -> None:
    """FELL before FINISHED before TIMEOUT; x < 0 is a fall, x = 0 is not."""
    assert expected == ending(has_fallen, np.float32(x), num_steps, MAX_STEPS)


def test_the_time_limit_is_2000_steps() -> None:
    """A walker that stands still is truncated at step 2000, not before."""
    env = BipedalTerrainEnv(Terrain(FLAT.ground))
    observation, _ = env.reset()
    for num_steps in range(1, MAX_STEPS + 1):
        observation, _, is_terminated, is_truncated, info = env.step(straddling(observation))
        assert (False, num_steps == 2000) == (is_terminated, is_truncated)
    assert {"finished": False, "outcome": Outcome.TIMEOUT} == info


@pytest.mark.parametrize("limit", [50, 2003])
def test_make_sets_the_time_limit(limit: int) -> None:
    """max_episode_steps truncates at that step, be it shorter or longer than the registered 2000, and is in the
    spec."""
    env = gymnasium.make(ENV_ID, terrain=Terrain(FLAT.ground), max_episode_steps=limit, disable_env_checker=True)
    assert (2000, limit) == (gymnasium.spec(ENV_ID).max_episode_steps, env.spec and env.spec.max_episode_steps)
    observation, _ = env.reset()
    for num_steps in range(1, limit + 1):
        observation, _, is_terminated, is_truncated, _ = env.step(straddling(observation))
        assert (False, num_steps == limit) == (is_terminated, is_truncated)


def test_made_envs_are_truncated_at_step_2000_as_others_are() -> None:
    """gymnasium.make without a limit of the user's: truncated at step 2000, TIMEOUT."""
    env = gymnasium.make(ENV_ID, terrain=Terrain(FLAT.ground), disable_env_checker=True)
    observation, _ = env.reset()
    is_truncated = False
    for _ in range(MAX_STEPS):
        assert not is_truncated
        observation, _, _, is_truncated, info = env.step(straddling(observation))
    assert is_truncated
    assert {"finished": False, "outcome": Outcome.TIMEOUT} == info


@pytest.mark.parametrize("max_steps", [0, 1.5, True, "50"])
def test_a_time_limit_that_is_no_number_of_steps_is_refused(max_steps: Any) -> None:
    """One sentence, as in make_vec_env."""
    with pytest.raises(InputError, match="max_steps must be a whole number from 1 on, but is"):
        BipedalTerrainEnv(FLAT, max_steps=max_steps)


@pytest.mark.parametrize("action", [[0.0, np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0, -np.inf], [1e300, 0.0, 0.0, 0.0]])
def test_an_action_that_is_not_finite_diverges(action: list[float]) -> None:
    """No exception: terminated, -100, DIVERGED, and the observation stays the last finite one."""
    env = BipedalTerrainEnv(FLAT)
    env.reset()
    before, *_ = env.step(STILL)
    observation, reward, is_terminated, is_truncated, info = env.step(np.array(action))
    assert before.tobytes() == observation.tobytes()
    assert (-100.0, True, False) == (reward, is_terminated, is_truncated)
    assert {"finished": False, "outcome": Outcome.DIVERGED} == info


@pytest.mark.parametrize("body", range(NUM_BODIES))
@pytest.mark.parametrize("velocity", ["linearVelocity", "angularVelocity"])
def test_a_body_that_is_not_finite_diverges_at_once(body: int, velocity: str) -> None:
    """Whichever body is spoiled, the next step is DIVERGED; so is every step after it, without an exception."""
    episode = WalkerEpisode(FLAT)
    setattr(episode.world._bodies[body], velocity, (np.nan, 0.0) if velocity == "linearVelocity" else np.nan)
    assert (-100.0, Outcome.DIVERGED) == episode.step(STILL)
    assert (-100.0, Outcome.DIVERGED) == episode.step(STILL)
    assert np.isfinite(episode.observation).all()


def test_an_assertion_of_box2d_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    """When Box2D's step asserts, the caller sees DIVERGED and no exception."""

    def step(*arguments: Any) -> None:
        raise AssertionError("alpha0 < 1.0f")

    episode = WalkerEpisode(FLAT)
    monkeypatch.setattr("environments.physics.box2d._step", step)
    assert (-100.0, Outcome.DIVERGED) == episode.step(STILL)


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (np.zeros(3), r"action must have the shape \(4,\), a number for each motor, found \(3,\)"),
        (np.zeros((1, 4)), r"action must have the shape \(4,\), .*found \(1, 4\)"),
        (0.5, r"action must have the shape \(4,\), .*found \(\)"),
        ([0.0, [0.0], 0.0, 0.0], r"action must have the shape \(4,\), found \["),
        (None, "action must be numbers.*found object"),
        (["0.5"] * 4, "action must be numbers.*found <U3"),
        ("0.5", "action must be numbers.*found <U3"),
        (np.full(4, None), "action must be numbers.*found object"),
        (np.full(4, 0.5, object), "action must be numbers.*found object"),
        (np.zeros(4, bool), "action must be numbers.*found bool"),
        (np.zeros(4, complex), "action must be numbers.*found complex128"),
        (torch.zeros(4, requires_grad=True), "action must be numbers that NumPy can read, found Tensor: .*grad"),
    ],
)
def test_bad_actions_are_refused(action: Any, sentence: str) -> None:
    """As in the vector env: the sentence says what was expected and what was found, and nothing has moved."""
    env, other = BipedalTerrainEnv(FLAT), BipedalTerrainEnv(FLAT)
    env.reset()
    other.reset()
    with pytest.raises(InputError, match=sentence):
        env.step(action)
    assert other.step(STILL)[0].tobytes() == env.step(STILL)[0].tobytes()


def test_actions_are_rounded_to_float32() -> None:
    """float64, whole numbers, lists, tensors, strided and read-only arrays count as the float32 array of their
    values."""
    exact = np.array([1.0, -1.0, 0.0, 1.0], np.float32)
    strided, fixed = np.repeat(exact, 2)[::2], exact.copy()
    fixed.setflags(write=False)
    numbers = (exact.astype(np.float64) + 1e-12, exact.astype(int), exact.tolist(), exact.astype(">f4"))
    results = set()
    for action in (exact, strided, fixed, torch.tensor(exact), torch.tensor(exact, dtype=torch.float64), *numbers):
        env = BipedalTerrainEnv(FLAT)
        env.reset()
        results.add(env.step(action)[0].tobytes())
    assert 1 == len(results)


def test_a_step_before_the_first_reset_is_refused() -> None:
    """Neither step nor render make up an episode."""
    env = BipedalTerrainEnv(FLAT, render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match=r"call env\.reset"):
        env.step(STILL)
    with pytest.raises(ResetNeeded, match=r"call env\.reset"):
        env.render()


def test_what_is_no_terrain_is_refused() -> None:
    """A genotype or an array in the place of the terrain is named, and the way to mend it."""
    with pytest.raises(InputError, match=r"terrain must be .*found ObstacleGenotype.*express"):
        BipedalTerrainEnv(ObstacleGenotype())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"terrain must be .*found ndarray"):
        BipedalTerrainEnv(FLAT.ground)  # type: ignore[arg-type]


def test_an_unknown_render_mode_is_refused() -> None:
    """A misspelt render mode is answered with the nearest one."""
    with pytest.raises(InputError, match="'rgb-array' is unknown, did you mean 'rgb_array'"):
        BipedalTerrainEnv(FLAT, render_mode="rgb-array")


def test_env_and_spec_survive_pickling_and_copying() -> None:
    """A pickled or copied env gives the same episode on the same terrain, and a pickled spec makes the same env."""
    env: Any = gymnasium.make(ENV_ID, terrain=ObstacleGenotype(roughness=2.0).express(seed=3)).unwrapped
    expected = _episode(env, 60)
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env), pickle.loads(pickle.dumps(env.spec)).make()):
        assert env.terrain == other.unwrapped.terrain
        assert expected == _episode(other.unwrapped, 60)


def test_registering_twice_changes_nothing() -> None:
    """A second call neither warns nor replaces the spec."""
    spec = gymnasium.registry[ENV_ID]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()
    assert gymnasium.registry[ENV_ID] is spec


@pytest.mark.parametrize("order", [("gymnasium", "ours"), ("ours", "gymnasium")])
def test_the_env_is_known_whichever_is_imported_first(order: tuple[str, str]) -> None:
    """gymnasium.make finds the env in a fresh process in both orders of import, and we import no Gymnasium for that."""
    lines = {
        "gymnasium": "import gymnasium",
        "ours": (
            "import sys; had = 'gymnasium' in sys.modules\n"
            "from environments.walker.registration import register_when_gymnasium_is_imported as register\n"
            "register(); register(); assert had == ('gymnasium' in sys.modules)"
        ),
    }
    program = "\n".join([*(lines[name] for name in order), f"print(gymnasium.make({ENV_ID!r}).unwrapped)"])
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"<BipedalTerrainEnv<{ENV_ID}>>" == result.stdout.strip()
