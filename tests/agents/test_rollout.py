"""``rollout``: episodes in one call, from a user's code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from agents import MLPPolicy, rollout
from agents.rollouts import available_engines, box2d, simd
from agents.rollouts.result import RolloutResult
from environments import ObstacleGenotype, Terrain
from environments.errors import InputError
from environments.streams import Stream
from environments.walker.ending import Outcome
from tests.environments import crowded

_POLICY = MLPPolicy()
_FLAT = ObstacleGenotype().express(seed=1)
_ROUGH = ObstacleGenotype(roughness=6.0).express(seed=2)
_STEPS = 60


def _theta(num_rows: int) -> NDArray[np.float32]:
    stream = Stream(8, "test rollout")
    return np.array([[stream.uniform(-0.5, 0.5) for _ in range(2804)] for _ in range(num_rows)], np.float32)


def _run(theta: NDArray[np.float32], terrains: Any, *args: Any, **options: Any) -> RolloutResult:
    return rollout(_POLICY, theta, terrains, *args, **{"max_steps": _STEPS, "threads": 1, **options})


def _numbers(result: RolloutResult) -> list[tuple[float, int, int]]:
    return list(zip(result.returns.tolist(), result.lengths.tolist(), result.outcomes.tolist(), strict=True))


def test_an_episode_that_lasts_is_a_timeout() -> None:
    """One theta gives one row: a walker that has not fallen yet is out of time after exactly max_steps steps."""
    result = _run(np.zeros(2804, np.float32), _FLAT, max_steps=7)

    assert (np.float64, np.int32, np.int8) == (result.returns.dtype, result.lengths.dtype, result.outcomes.dtype)
    assert [7] == result.lengths.tolist()
    assert [Outcome.TIMEOUT] == result.outcomes.tolist()


def test_a_limit_beyond_the_papers_is_kept() -> None:
    """max_steps may exceed 2000: a walker that stands is watched that long."""
    theta = np.zeros(2804, np.float32)
    theta[-4] = 1.0  # the bias of one hip's motor

    assert [2003] == _run(theta, _FLAT, max_steps=2003).lengths.tolist()


def test_a_network_that_overflows_has_diverged() -> None:
    """An action that is no number ends the episode as DIVERGED, 100 below what it had, and counts as -inf."""
    theta = np.full(2804, 3e38, np.float32)
    theta[960:1000:2] = -3e38

    result = _run(theta, _FLAT)

    assert [Outcome.DIVERGED] == result.outcomes.tolist()
    assert -101.0 < result.returns[0] <= -100.0
    assert result.lengths[0] < _STEPS
    assert [-np.inf] == result.fitness.tolist()


@pytest.mark.parametrize("engine", available_engines())
def test_a_walker_that_diverges_leaves_the_others_alone(engine: str) -> None:
    """In a batch with a network that overflows every other row has the bits that it has without it."""
    theta = _theta(5)
    expected = _numbers(_run(theta, _ROUGH, engine=engine))
    theta[2] = 3e38
    theta[2, 960:1000:2] = -3e38

    found = _run(theta, _ROUGH, engine=engine)

    assert [b == 2 for b in range(5)] == [outcome == Outcome.DIVERGED for outcome in found.outcomes]
    assert [expected[b] for b in (0, 1, 3, 4)] == [_numbers(found)[b] for b in (0, 1, 3, 4)]


@pytest.mark.parametrize("terrain", crowded.TERRAINS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_ground_with_more_contacts_than_fit_is_walked_in_box2d(terrain: Terrain, threads: int) -> None:
    """Our engine gives up where vertices lie too dense, sooner or later; their episodes have Box2D's bits."""
    theta = _theta(4)
    expected = _numbers(_run(theta, [_ROUGH, terrain], [0, 1, 0, 1], engine="box2d"))

    assert expected == _numbers(_run(theta, [_ROUGH, terrain], [0, 1, 0, 1], threads=threads))


def test_what_box2d_finishes_counts_when_it_is_done() -> None:
    """Progress counts finished episodes and never falls, and its callback may stop those that Box2D runs."""
    told: list[tuple[int, int]] = []
    theta, index = _theta(4), np.array([0, 1, 0, 1])
    arguments = (_POLICY, theta, [_ROUGH, crowded.TERRAINS[0]], index, _STEPS)

    result = simd.run_episodes(*arguments, on_progress=lambda *numbers: told.append(numbers))

    assert told == sorted(told)
    assert [(2, result.lengths[::2].sum()), (3, result.lengths[:3].sum()), (4, result.num_steps)] == told[-3:]

    def stop(num_done: int, num_steps: int) -> None:
        if num_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simd.run_episodes(*arguments, on_progress=stop)


def test_terrains_are_one_for_all_one_for_each_or_named() -> None:
    """Which theta walks where: one ground for all, as many as thetas, or an index; a row is the same in any company."""
    theta = _theta(2)
    single = [[_numbers(_run(row, ground))[0] for ground in (_FLAT, _ROUGH)] for row in theta]

    assert [single[0][0], single[1][0]] == _numbers(_run(theta, _FLAT))
    assert [single[0][0], single[1][0]] == _numbers(_run(theta, [_FLAT]))
    assert [single[0][0], single[1][1]] == _numbers(_run(theta, [_FLAT, _ROUGH]))
    assert [single[0][1], single[1][0]] == _numbers(_run(theta, [_FLAT, _ROUGH], [1, 0]))
    assert [single[0][1], single[1][1]] == _numbers(_run(theta, (_FLAT, _ROUGH), np.array([1, 1], np.int32)))
    assert 4 == len({*single[0], *single[1]})


@pytest.mark.parametrize(
    ("theta", "terrains", "options", "sentence"),
    [
        (np.zeros((2, 7), np.float32), _FLAT, {}, r"P = 2804 .* but is float32 of shape \(2, 7\)"),
        (np.zeros((2, 2804)), _FLAT, {}, "but is float64"),
        (np.full((2, 2804), np.inf, np.float32), _FLAT, {}, "must be finite, but holds NaN or infinity"),
        (np.full(2804, np.nan, np.float32), _FLAT, {"engine": "box2d"}, "must be finite, but holds NaN or infinity"),
        (np.zeros((0, 2804), np.float32), _FLAT, {}, "at least one row, but is empty"),
        (np.zeros((3, 2804), np.float32), [_FLAT, _ROUGH], {}, "one for each of 3 thetas, but there are 2; give"),
        (np.zeros((3, 2804), np.float32), [], {}, "but there are 0"),
        (np.zeros((1, 2804), np.float32), ["flat"], {}, "Terrain or a list of them, but one is a str"),
        (np.zeros((2, 2804), np.float32), [_FLAT], {"terrain_index": [0]}, "2 whole numbers.* int64 of shape"),
        (np.zeros((1, 2804), np.float32), [_FLAT], {"terrain_index": [0.0]}, "1 whole numbers.* float64"),
        (np.zeros((2, 2804), np.float32), [_FLAT], {"terrain_index": [0, 1]}, r"in 0\.\.0 for 1 terrains.*0\.\.1"),
        (np.zeros((2, 2804), np.float32), [_FLAT], {"terrain_index": [-1, 0]}, r"holds -1\.\.0"),
        (np.zeros(2804, np.float32), _FLAT, {"engine": "box3d"}, "did you mean 'box2d'"),
        (np.zeros(2804, np.float32), _FLAT, {"max_steps": 0}, "max_steps must be a whole number from 1 on, but is 0"),
        (np.zeros(2804, np.float32), _FLAT, {"max_steps": 2.5}, "max_steps must be a whole number"),
        (np.zeros(2804, np.float32), _FLAT, {"max_steps": 2**31}, "max_steps must be at most 2147483647"),
        (np.zeros(2804, np.float32), _FLAT, {"threads": -1}, "threads must be a whole number from 1 on, but is -1"),
        ([0.0] * 2804, _FLAT, {}, "but is float64"),
        (np.zeros(2804, np.float32), 7, {}, "a Terrain or a list of them, but is a int"),
        (
            np.zeros((2, 2804), np.float32),
            [_FLAT],
            {"terrain_index": [[0], [0, 0]]},
            "2 whole numbers.* rows of several lengths",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    theta: NDArray[np.float32], terrains: Any, options: dict[str, Any], sentence: str
) -> None:
    """A wrong argument is one sentence that names it, what was expected and what was found."""
    with pytest.raises(InputError, match=sentence):
        _run(theta, terrains, **options)


def test_something_else_than_a_policy_is_refused() -> None:
    """The error names its type."""
    with pytest.raises(InputError, match=r"policy must be a policy, such as agents\.MLPPolicy\(\), but is a function"):
        rollout(lambda observation: observation, np.zeros(2804, np.float32), _FLAT)  # type: ignore[arg-type]


@pytest.mark.parametrize("layer_sizes", [(23, 40, 4), (24, 40, 5)])
def test_a_network_that_is_no_walkers_is_refused(layer_sizes: tuple[int, ...]) -> None:
    """It must take what a walker senses and give what moves it."""
    policy = MLPPolicy(layer_sizes)
    theta = np.zeros(policy.num_parameters, np.float32)

    with pytest.raises(InputError, match=r"policy must have 24 inputs and 4 outputs, but mlp 2.* has 2[34] and [45]"):
        rollout(policy, theta, _FLAT)


def _worker_ids() -> set[int]:
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if "--multiprocessing-fork" in child.cmdline()}


def test_numpys_whole_numbers_are_whole_numbers() -> None:
    """Counts may be NumPy's integers, as they come out of arrays."""
    theta = _theta(2)
    expected = _numbers(_run(theta, _FLAT, max_steps=5, threads=2))

    assert expected == _numbers(_run(theta, _FLAT, max_steps=np.int64(5), threads=np.uint8(2)))


@pytest.mark.parametrize("engine", [simd, box2d])
@pytest.mark.parametrize(
    ("theta", "index", "sentence"),
    [
        (np.zeros((1, 2804), np.float32), np.array([-1]), "terrain_index must be in"),
        (np.zeros((1, 2804), np.float32), np.array([1]), "terrain_index must be in"),
        (np.zeros((2, 2804), np.float32), np.array([0]), "a whole number for each row"),
        (np.zeros((1, 2804), np.float32), np.array([0.0]), "a whole number for each row"),
        (np.zeros(2804, np.float32), np.array([0]), "a whole number for each row"),
        (np.zeros((1, 2803), np.float32), np.array([0]), "P = 2804"),
        (np.zeros((1, 2804)), np.array([0]), "float64"),
    ],
)
def test_an_engine_itself_refuses_what_does_not_fit(
    engine: ModuleType, theta: NDArray[np.float32], index: NDArray[np.int64], sentence: str
) -> None:
    """Otherwise its kernels would read outside the tables."""
    with pytest.raises(InputError, match=sentence):
        engine.run_episodes(_POLICY, theta, [_FLAT], index, 10)


def test_threads_change_nothing() -> None:
    """One thread or three, or one for each core: the same rows, and no process is started for them."""
    theta, before = _theta(6), _worker_ids()
    expected = _numbers(_run(theta, _FLAT))

    assert expected == _numbers(_run(theta, _FLAT, threads=3))
    assert expected == _numbers(_run(theta, _FLAT, threads=None))
    assert before == _worker_ids()


def test_worker_processes_change_nothing_and_are_kept() -> None:
    """Two processes with Box2D give the bits of our own engine here, and wait for the next call instead of being
    restarted."""
    theta, before = _theta(6), _worker_ids()
    expected = _numbers(_run(theta, _FLAT))

    assert expected == _numbers(_run(theta, _FLAT, engine="box2d", threads=2))
    started = _worker_ids() - before
    assert expected == _numbers(_run(theta, _FLAT, engine="box2d", threads=2))
    assert started == _worker_ids() - before
    assert 0 < len(started) <= 2


_SCRIPT = """
import numpy as np
from agents import MLPPolicy, rollout
from environments import ObstacleGenotype

print("once")
policy = MLPPolicy()
theta = np.zeros((4, policy.num_parameters), np.float32)
print(rollout(policy, theta, ObstacleGenotype().express(seed=1), max_steps=20, engine="box2d", threads=2).lengths)
"""


def test_a_plain_script_may_call_it(tmp_path: Path) -> None:
    """A script without ``if __name__ == "__main__"`` runs once, not once more in each worker, and ends by itself."""
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    root = str(Path(__file__).parents[2])

    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60.0, env={"PYTHONPATH": root}
    )

    assert ("once\n[20 20 20 20]\n", "") == (done.stdout, done.stderr)


def test_the_ground_is_not_touched() -> None:
    """Terrains are read only: running on one changes nothing in it."""
    ground = Terrain.from_json(_ROUGH.to_json())
    _run(_theta(1), ground)

    assert _ROUGH == ground
