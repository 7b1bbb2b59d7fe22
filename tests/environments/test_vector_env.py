"""The vector env: Gymnasium's own SyncVectorEnv of BipedalTerrain-v0, step by step, and what is its own."""

from __future__ import annotations

import tracemalloc
import warnings
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from environments import make_vec_env
from environments.engines import engines_with_worlds
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from environments.walker.env import BipedalTerrainEnv
from environments.walker.registration import ENV_ID, register_envs
from tests.environments.actors import straddling

register_envs()

MODES = list(AutoresetMode)

FLAT = ObstacleGenotype().express(seed=0)
HARD = ObstacleGenotype(roughness=4.0, pit_gap=(0.8, 2.4), stump_height=(0.4, 1.6)).express(seed=1)
#: A walker thrown off this cliff finishes before it lands.
CLIFF = Terrain(np.array([[0.0, 3.3], [5.5, 3.3], [6.0, -200.0], [100.0, -200.0]]), push=1e6)
#: Short episodes, so that a few hundred steps hold many endings.
MAX_STEPS = 70
#: In the order of ``_actions``: falls, times out, finishes, diverges, falls.
GROUNDS = (HARD, FLAT, CLIFF, FLAT, HARD)


def _actions(step: int, stream: Stream) -> NDArray[np.float32]:
    """(5, 4): random with a tenth out of bounds; none; none; none but now and then not finite; always on."""
    actions = np.zeros((len(GROUNDS), 4), np.float32)
    actions[0] = [stream.uniform(-1.1, 1.1) for _ in range(4)]
    actions[3, step % 4] = np.nan if step % 23 == 22 else 0.0
    actions[4] = (1.0, -1.0, 0.5, 1.0)
    return actions


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> tuple[SyncVectorEnv, Any]:
    """Gymnasium's vector of single envs and our vector env, for (engine, mode), with the same short time limit."""
    engine, mode = request.param
    makers = [partial(BipedalTerrainEnv, terrain, max_steps=MAX_STEPS, engine="box2d") for terrain in GROUNDS]
    theirs = SyncVectorEnv(makers, autoreset_mode=mode)
    return theirs, make_vec_env(GROUNDS, engine=engine, max_steps=MAX_STEPS, autoreset_mode=mode)


def assert_same_infos(expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Same keys, masks and values; where the mask of ``outcome`` is false, ours holds 0 and Gymnasium's None."""
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_same_infos(value, found[key])
        elif key == "outcome":
            assert [outcome or 0 for outcome in value] == found[key].tolist()
        elif key == "final_obs":
            assert [None if row is None else row.tobytes() for row in value] == [
                None if row is None else row.tobytes() for row in found[key]
            ]
        else:
            assert (value.dtype, value.tobytes()) == (found[key].dtype, found[key].tobytes()), key


def assert_same_step(expected: Any, found: Any) -> None:
    """Every array of a step or reset has the same type, shape and bits, and the infos are the same."""
    assert_same_infos(expected[-1], found[-1])
    for theirs, ours in zip(expected[:-1], found[:-1], strict=True):
        assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
        assert theirs.tobytes() == ours.tobytes()


def pairs(*modes: AutoresetMode) -> pytest.MarkDecorator:
    """Run a test with the pair of every engine in these modes."""
    cases = [(engine, mode) for engine in engines_with_worlds() for mode in modes]
    return pytest.mark.parametrize("pair", cases, indirect=True, ids=[f"{e}-{mode.value}" for e, mode in cases])


@pairs(*MODES)
def test_every_step_is_that_of_gymnasiums_vector_env(pair: tuple[SyncVectorEnv, Any]) -> None:
    """Through 200 steps with endings of all four kinds: observations, rewards, flags and infos, bit for bit."""
    theirs, ours = pair
    assert_same_step(theirs.reset(seed=1), ours.reset(seed=1))
    stream, outcomes = Stream(0, "test_vector_env"), set()
    for step in range(200):
        actions = _actions(step, stream)
        expected, found = theirs.step(actions), ours.step(actions)
        assert_same_step(expected, found)
        last = found[-1].get("final_info", found[-1])
        outcomes |= set(last.get("outcome", np.zeros(0, int)).tolist()) - {0}
        is_over = found[2] | found[3]
        if ours.autoreset_mode is AutoresetMode.DISABLED and is_over.any():
            masks = [{"reset_mask": is_over.copy()} for _ in range(2)]
            assert_same_step(theirs.reset(options=masks[0]), ours.reset(options=masks[1]))
    assert set(Outcome) == outcomes


@pairs(*MODES)
def test_a_reset_in_the_middle_forgets_what_was_due(pair: tuple[SyncVectorEnv, Any]) -> None:
    """Reset of all or of some worlds, over or not: what follows is again what Gymnasium's vector env gives."""
    theirs, ours = pair
    stream = Stream(1, "test_vector_env")
    for mask in (None, [True, False, True, False, True], [False, True, False, True, False]):
        for env in pair:
            env.reset()
        is_over = np.zeros(len(GROUNDS), np.bool_)
        while not is_over.any():
            actions = _actions(0, stream)
            expected, found = theirs.step(actions), ours.step(actions)
            assert_same_step(expected, found)
            is_over = found[2] | found[3]
        is_due = is_over if ours.autoreset_mode is AutoresetMode.DISABLED else False
        options = [{} if mask is None else {"reset_mask": np.array(mask) | is_due} for _ in pair]
        assert_same_step(*(env.reset(options=option) for env, option in zip(pair, options, strict=True)))
        for step in range(3):
            actions = _actions(step, stream)
            assert_same_step(theirs.step(actions), ours.step(actions))


@pytest.mark.parametrize("mode", MODES)
def test_spaces_and_metadata_are_those_of_gymnasiums_vector_env(mode: AutoresetMode) -> None:
    """Single and batched spaces are equal, and the metadata names the autoreset mode, also when given as a string."""
    theirs = SyncVectorEnv([BipedalTerrainEnv] * 3)
    ours = make_vec_env([FLAT] * 3, engine="box2d", autoreset_mode=mode.value)
    for name in ("num_envs", "single_observation_space", "single_action_space", "observation_space", "action_space"):
        assert getattr(theirs, name) == getattr(ours, name)
    assert mode is ours.metadata["autoreset_mode"]


def test_terrains_are_dealt_out_in_turn() -> None:
    """World i walks on terrain i modulo their number; one terrain is everybody's; equal terrains may be repeated."""
    first = {terrain: BipedalTerrainEnv(terrain).reset()[0].tobytes() for terrain in (FLAT, HARD, CLIFF)}
    for terrains, num_envs, expected in (
        ([FLAT, HARD, CLIFF], 5, [FLAT, HARD, CLIFF, FLAT, HARD]),
        ([HARD, FLAT, HARD], None, [HARD, FLAT, HARD]),
        (HARD, 2, [HARD, HARD]),
        (CLIFF, None, [CLIFF]),
    ):
        observations, _ = make_vec_env(terrains, num_envs, engine="box2d").reset()
        assert [first[terrain] for terrain in expected] == [row.tobytes() for row in observations]


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_the_time_limit_is_2000_steps(engine: str) -> None:
    """A walker that stands still is truncated at step 2000, not before."""
    envs = make_vec_env(Terrain(FLAT.ground), engine=engine)
    observations, _ = envs.reset()
    for num_steps in range(1, 2001):
        observations, _, terminations, truncations, infos = envs.step(straddling(observations[0])[np.newaxis])
        assert (False, num_steps == 2000) == (terminations[0], truncations[0])
    assert [Outcome.TIMEOUT] == infos["outcome"]


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_the_seed_changes_nothing_in_the_episode(engine: str) -> None:
    """The push belongs to the terrain: reset(seed=...) only seeds np_random."""
    envs = make_vec_env([FLAT, HARD], engine=engine)
    assert envs.reset(seed=1)[0].tobytes() == envs.reset(seed=2)[0].tobytes()
    assert 2 == envs.np_random_seed


@pytest.mark.parametrize("engine", engines_with_worlds())
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_without_copies_all_arrays_are_the_same_ones(engine: str, mode: AutoresetMode) -> None:
    """copy=False gives the same values in arrays that each call overwrites; copy=True keeps what it gave."""
    copied, shared = (
        make_vec_env(GROUNDS, engine=engine, max_steps=5, autoreset_mode=mode, copy=copy) for copy in (True, False)
    )
    buffer, _ = shared.reset()
    assert copied.reset()[0].tobytes() == buffer.tobytes()
    kept, bits, buffers = [], [], []
    for step in range(8):
        actions = _actions(step, Stream(step, "test_vector_env"))
        kept.append(copied.step(actions))
        bits.append([array.tobytes() for array in kept[-1][:4]])
        buffers.append(shared.step(actions))
        assert_same_step(kept[-1], buffers[-1])
        assert all(one is other for one, other in zip(buffers[0][:4], buffers[-1][:4], strict=True))
        assert buffers[-1][0] is buffer
    assert bits == [[array.tobytes() for array in found[:4]] for found in kept]


@pytest.mark.parametrize(("copy", "makes_arrays"), [(False, False), (True, True)])
def test_a_step_without_copies_makes_no_array(copy: bool, makes_arrays: bool) -> None:
    """Not even for a moment within a step: with 4,000 worlds the least array, of flags, would be 4,000 bytes."""
    num_envs = 4000
    envs = make_vec_env(FLAT, num_envs, threads=1, copy=copy)
    envs.reset()
    still = np.zeros((num_envs, 4), np.float32)
    envs.step(still)
    tracemalloc.start()
    try:
        envs.step(still)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        envs.step(still)
        assert makes_arrays == (tracemalloc.get_traced_memory()[1] - before >= num_envs)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("engine", engines_with_worlds())
def test_actions_are_rounded_to_float32_and_stay_untouched(engine: str) -> None:
    """float64, whole numbers, lists and strided arrays count as the float32 array of their values."""
    exact = np.array([[1.0, -1.0, 0.0, 1.0], [0.0, 1.0, -1.0, 0.0]], np.float32)
    strided = np.repeat(exact, 2, axis=1)[:, ::2]
    strided.setflags(write=False)
    results = set()
    for actions in (exact, exact.astype(np.float64) + 1e-12, exact.astype(int), exact.tolist(), strided):
        envs = make_vec_env([FLAT, HARD], engine=engine)
        envs.reset()
        results.add(envs.step(actions)[0].tobytes())
    assert 1 == len(results)
    envs.reset()
    assert envs.step(np.full((2, 4), 1e300))[-1]["outcome"].tolist() == [Outcome.DIVERGED] * 2


def test_make_vec_makes_it_and_sync_takes_the_same_terrain() -> None:
    """gymnasium.make_vec gives our vector env without a warning, with the same first observation as its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs: Any = gymnasium.make_vec(
            ENV_ID, 3, "vector_entry_point", terrain=HARD, engine="box2d", autoreset_mode=AutoresetMode.SAME_STEP
        )
        theirs = gymnasium.make_vec(ENV_ID, 3, "sync", terrain=HARD)
        flat: Any = gymnasium.make_vec(ENV_ID, engine="box2d")
    assert theirs.reset()[0].tobytes() == envs.reset()[0].tobytes()
    assert (AutoresetMode.SAME_STEP, ENV_ID) == (envs.metadata["autoreset_mode"], envs.spec.id)
    assert (1, (FLAT,)) == (flat.num_envs, flat.terrains)


#: More edges, more obstacles and more corners than those before, so that tables have to grow.
LARGE = Terrain(
    np.column_stack((np.linspace(0.0, 95.0, 500), np.full(500, 10.0 / 3.0))),
    tuple(
        np.column_stack((x + 0.2 * np.cos(a), 3.4 + 0.2 * np.sin(a)))
        for a in (np.linspace(0.0, 6.0, 13),)
        for x in np.linspace(9.0, 90.0, 40)
    ),
)


@pytest.mark.parametrize("engine", engines_with_worlds())
@pytest.mark.parametrize("mode", MODES)
def test_worlds_get_other_terrains_from_their_next_episode_on(engine: str, mode: AutoresetMode) -> None:
    """What goes on goes on where it was; then the bits are those of an env that was made with the new terrains."""
    envs, before, after = (
        make_vec_env(grounds, engine=engine, max_steps=20, autoreset_mode=mode)
        for grounds in ([HARD, FLAT, FLAT], [HARD, FLAT, FLAT], [LARGE, FLAT, HARD])
    )
    still = np.zeros((3, 4), np.float32)
    assert_same_step(before.reset(), envs.reset())
    envs.set_terrains({2: CLIFF})
    envs.set_terrains({0: LARGE, 2: HARD})
    for _ in range(19):
        assert_same_step(before.step(still), envs.step(still))
    expected, found = before.step(still), envs.step(still)
    assert found[3].all()
    if mode is AutoresetMode.SAME_STEP:
        assert_same_step(expected[1:], found[1:])
    else:
        assert_same_step(expected, found)
        found = envs.step(still) if mode is AutoresetMode.NEXT_STEP else envs.reset()
    assert (LARGE, FLAT, HARD) == envs.terrains
    assert after.reset()[0].tobytes() == found[0].tobytes()
    stream = Stream(2, "test_vector_env")
    for _ in range(19):
        actions = np.array([[stream.uniform(-1.0, 1.0) for _ in range(4)] for _ in range(3)], np.float32)
        assert_same_step(after.step(actions), envs.step(actions))


def test_a_reset_gives_other_terrains() -> None:
    """options["terrains"] of the vector env, options["terrain"] of the single env."""
    envs, env = make_vec_env([FLAT, FLAT]), BipedalTerrainEnv(FLAT)
    observations, _ = envs.reset(options={"terrains": {1: HARD}})
    observation, _ = env.reset(options={"terrain": HARD})
    assert (FLAT, HARD, HARD) == (*envs.terrains, env.terrain)
    assert BipedalTerrainEnv(HARD).reset()[0].tobytes() == observation.tobytes() == observations[1].tobytes()


@pytest.mark.parametrize(
    ("terrains", "sentence"),
    [
        ([HARD], "terrains must map the numbers of worlds to terrains, found list"),
        ({0: HARD, 2: HARD}, "the number of a world must be .*1, but is 2"),
        ({0: HARD, 1: FLAT.ground}, "terrain 1 must be an environments.Terrain, found ndarray"),
    ],
)
def test_terrains_that_cannot_be_given_are_refused(terrains: Any, sentence: str) -> None:
    """One sentence, and every world stays on what it has."""
    envs = make_vec_env([FLAT, FLAT])
    with pytest.raises(InputError, match=sentence):
        envs.set_terrains(terrains)
    envs.reset()
    assert (FLAT, FLAT) == envs.terrains


def test_render_draws_every_walker_on_its_terrain() -> None:
    """The pictures are those of the single envs; without a render mode nothing is drawn."""
    envs = make_vec_env([FLAT, HARD], 3, engine="box2d", render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match=r"render needs episodes.*envs\.reset"):
        envs.render()
    envs.reset()
    for terrain, picture in zip((FLAT, HARD, FLAT), envs.render() or (), strict=True):
        env = BipedalTerrainEnv(terrain, render_mode="rgb_array")
        env.reset()
        assert np.array_equal(env.render(), picture)
    assert make_vec_env(FLAT, engine="box2d").render() is None


def test_steps_that_cannot_be_taken_are_refused() -> None:
    """Before the first reset, after an episode that nobody reset, and after close, one sentence says what to do."""
    still = np.zeros((2, 4), np.float32)
    envs = make_vec_env([FLAT, CLIFF], engine="box2d", autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(ResetNeeded, match=r"step needs episodes.*call envs\.reset\(\) first"):
        envs.step(still)
    with pytest.raises(ResetNeeded, match="the first reset must be of all worlds"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset()
    while not envs.step(still)[2].any():
        pass
    with pytest.raises(ResetNeeded, match=r"that of world 1 is over: .*reset_mask"):
        envs.step(still)
    envs.close()
    envs.close()
    for call in (envs.reset, lambda: envs.step(still)):
        with pytest.raises(ClosedEnvironmentError, match="was closed: make another one"):
            call()


@pytest.mark.parametrize(
    ("terrains", "options", "sentence"),
    [
        (5, {}, "terrains must be environments.Terrain, but is a int"),
        ([], {}, "terrains must hold at least one .*found none"),
        ([FLAT, ObstacleGenotype()], {}, "terrains must be environments.Terrain, but number 1 is a ObstacleGenotype"),
        (FLAT, {"engine": "simdd"}, "unknown engine 'simdd': did you mean 'simd'"),
        (FLAT, {"engine": 3}, "engine must be a name, but is 3; known: .*box2d, "),
        (
            FLAT,
            {"engine": "cuda"},
            "engine 'cuda' runs whole episodes and has no worlds to step: take 'simd' or ",
        ),
        (FLAT, {"num_envs": 0}, "num_envs must be a whole number from 1 on, but is 0"),
        ([FLAT, HARD], {"num_envs": 1}, "num_envs must be at least the number of terrains, 2, but is 1"),
        (FLAT, {"num_envs": 10**14}, "num_envs must be at most 2147483647"),
        (FLAT, {"num_envs": 2 * 10**9}, r"2000000000 worlds need \d+\.\d GiB of memory, but there are"),
        (FLAT, {"max_steps": 1.5}, "max_steps must be a whole number from 1 on, but is 1.5"),
        (FLAT, {"threads": True}, "threads must be a whole number from 1 on, but is True"),
        (FLAT, {"autoreset_mode": "SameStap"}, "autoreset_mode 'SameStap' is unknown, did you mean 'SameStep'"),
        (FLAT, {"autoreset_mode": ["NextStep"]}, "autoreset_mode .* is unknown"),
        (FLAT, {"render_mode": "human"}, "render_mode 'human' is unknown, known: rgb_array"),
    ],
)
def test_bad_arguments_are_refused(terrains: Any, options: dict[str, Any], sentence: str) -> None:
    """Each is answered with one sentence that names it and what was expected."""
    with pytest.raises(InputError, match=sentence):
        make_vec_env(terrains, **options)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("sync", {"max_episode_steps": 50}),
        ("async", {"max_episode_steps": 50}),
        ("vector_entry_point", {"max_episode_steps": 50}),
        (None, {"max_episode_steps": 50}),
        (None, {"max_steps": 50}),
        ("sync", {"max_steps": 50}),
    ],
)
def test_make_vec_sets_the_time_limit(mode: str | None, options: dict[str, int]) -> None:
    """Gymnasium's max_episode_steps, and our max_steps, truncate at that step in every vectorization mode."""
    envs = gymnasium.make_vec(ENV_ID, 2, mode, terrain=Terrain(FLAT.ground), **options)
    observations, _ = envs.reset()
    for num_steps in range(1, 51):
        actions = np.stack([straddling(row) for row in observations])
        observations, _, terminations, truncations, _ = envs.step(actions)
        assert [(False, num_steps == 50)] * 2 == list(zip(terminations, truncations, strict=True))
    envs.close()


def test_make_vec_knows_no_limit_and_two() -> None:
    """-1 is no time limit; two names with two numbers are refused, and so is what is no number."""
    make = partial(gymnasium.make_vec, ENV_ID, 1)
    assert 2000 == make().spec.max_episode_steps  # type: ignore[union-attr]
    make(max_episode_steps=None)
    endless: Any = make(terrain=Terrain(FLAT.ground), max_episode_steps=-1)
    observations, _ = endless.reset()
    for _ in range(2001):
        observations, _, _, truncations, _ = endless.step(straddling(observations[0])[np.newaxis])
        assert not truncations.any()
    with pytest.raises(InputError, match="max_episode_steps is 50 and max_steps is 60: give one of the two"):
        make(max_episode_steps=50, max_steps=60)
    with pytest.raises(InputError, match="max_episode_steps must be a whole number from 1 on, but is 0"):
        make(max_episode_steps=0)


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        (np.zeros(4), r"actions must have the shape \(2, 4\).*found \(4,\)"),
        (np.zeros((3, 4)), r"actions must have the shape \(2, 4\).*found \(3, 4\)"),
        ([[0.0] * 4, [0.0] * 3], r"actions must have the shape \(2, 4\), found \["),
        (np.zeros((2, 4), complex), "actions must be numbers.*found complex128"),
        (np.full((2, 4), None), "actions must be numbers.*found object"),
        (np.zeros((2, 4), bool), "actions must be numbers.*found bool"),
        (torch.zeros((2, 4), requires_grad=True), "actions must be numbers that NumPy can read, found Tensor: .*grad"),
    ],
)
def test_bad_actions_are_refused(actions: Any, sentence: str) -> None:
    """Another shape or type is named, and no world has moved."""
    envs = make_vec_env([FLAT, HARD], engine="box2d", copy=False)
    observations, _ = envs.reset()
    before = observations.tobytes()
    with pytest.raises(InputError, match=sentence):
        envs.step(actions)
    assert before == observations.tobytes()


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        ([True, False], r"must be a bool array of shape \(2,\), found list"),
        (np.array([True]), r"must be a bool array of shape \(2,\), found bool of shape \(1,\)"),
        (np.array([1, 0]), r"must be a bool array of shape \(2,\), found int64 of shape \(2,\)"),
        (np.array([False, False]), "must choose at least one world"),
    ],
)
def test_bad_reset_masks_are_refused(mask: Any, sentence: str) -> None:
    """Type, shape and an empty choice each have their sentence."""
    envs = make_vec_env([FLAT, HARD], engine="box2d")
    before = envs.terrains
    with pytest.raises(InputError, match=r"options\['reset_mask'\] " + sentence):
        envs.reset(options={"reset_mask": mask, "terrains": {0: HARD}})
    envs.reset()
    assert before == envs.terrains


@pytest.mark.parametrize("options", [np.array([True, False]), [True, False], True])
def test_a_mask_in_place_of_options_is_refused(options: Any) -> None:
    """It says where the mask belongs."""
    envs = make_vec_env([FLAT, HARD], engine="box2d")
    with pytest.raises(InputError, match=r"options must be a dict, such as \{'reset_mask': mask\}, found"):
        envs.reset(options=options)
