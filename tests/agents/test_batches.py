"""A batched engine gets many episodes at once, on threads of this process, and results do not depend on that."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.evaluation import local
from agents.evaluation.executor import AbstractExecutor, even_size
from agents.evaluation.local import LocalExecutor
from agents.policies.mlp import MLPPolicy
from agents.rollouts import run_chunk
from agents.rollouts.base import OnProgress
from agents.rollouts.chunks import grounds, thetas
from agents.rollouts.request import Block, EvaluationRequest, Thetas, every_row
from agents.rollouts.result import RolloutResult
from agents.strategies.perturbations import Perturbations
from environments import ObstacleGenotype
from environments.engines import ENGINES, Engine
from environments.streams import stream_key
from tests.agents import lanes_engine
from tests.agents.lanes_engine import Call

_GROUNDS = tuple(ObstacleGenotype(roughness=r / 2).express(seed=r) for r in range(3))
_SCALE = np.full(2804, 0.1, np.float32)
_SAMPLES = tuple(Perturbations(_SCALE * n, _SCALE, stream_key(4, "test batches", n), 40) for n in range(2))


class Cluster(AbstractExecutor):
    """Runs chunks one after the other here, cut for eight workers elsewhere."""

    num_workers = 8

    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        for chunk in chunks:
            yield run_chunk(chunk)

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture(autouse=True)
def lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in, under the name "lanes"."""
    monkeypatch.setitem(ENGINES, "lanes", Engine("tests.agents.lanes_engine:Lanes"))
    lanes_engine.calls.clear()


def _request(engine: str = "lanes") -> EvaluationRequest:
    """Blocks of both kinds of samples on shared and unshared grounds, 203 episodes."""
    return EvaluationRequest(
        (
            every_row(_SAMPLES[0], _GROUNDS[:2]),
            Block(Thetas(_SAMPLES[1].theta(np.array([0, 5]))), np.array([1, 0, 1]), _GROUNDS, np.array([2, 2, 0])),
            Block(_SAMPLES[1], np.arange(40), _GROUNDS[1:], np.arange(40) % 2),
        ),
        MLPPolicy(),
        max_steps=3,
        engine=engine,
    )


def _numbers(results: tuple[RolloutResult, ...]) -> list[list[list[float]]]:
    return [[r.returns.tolist(), r.lengths.tolist(), r.outcomes.tolist()] for r in results]


def test_a_phase_is_one_call_on_threads_of_this_process() -> None:
    """All blocks of a request go to a batched engine at once, each ground once, on as many threads as there are
    workers; no process is started, and the results are those of a pool of processes."""
    children = set(psutil.Process().children(recursive=True))
    with LocalExecutor(2) as executor:
        results = executor.evaluate(_request())
        started = set(psutil.Process().children(recursive=True)) - children
        expected = executor.evaluate(_request("box2d"))

    assert [Call(203, 3, 2)] == lanes_engine.calls
    assert not started
    assert _numbers(expected) == _numbers(results)


def test_thetas_never_take_more_than_a_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of more thetas than memory is meant for is cut into slabs of even size; the results are the same."""
    with LocalExecutor(2) as executor:
        expected = executor.evaluate(_request())
        lanes_engine.calls.clear()
        monkeypatch.setattr(local, "_SLAB_BYTES", 4 * 2804 * 100)
        results = executor.evaluate(_request())

    assert [68, 68, 67] == [call.num_episodes for call in lanes_engine.calls]
    assert _numbers(expected) == _numbers(results)


def test_progress_is_told_while_a_batch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's progress within a batch is added to the progress of the request."""
    monkeypatch.setattr(local, "_SLAB_BYTES", 4 * 2804 * 100)
    told: list[tuple[int, int, int]] = []
    with LocalExecutor(1) as executor:
        executor.evaluate(_request(), lambda *numbers: told.append(numbers))

    assert list(range(1, 204)) == sorted({num_done for num_done, _, _ in told})
    assert told == sorted(told)
    assert {(num_done, 203, 3 * num_done) for num_done in range(1, 204)} == set(told)


def test_ctrl_c_ends_a_batch_at_once() -> None:
    """What is raised while the engine tells its progress reaches the caller with no further episode; one may go on."""

    def stop(num_done: int, *_: int) -> None:
        reached.append(num_done)
        if num_done == 5:
            raise KeyboardInterrupt

    reached: list[int] = []
    with LocalExecutor(2) as executor:
        with pytest.raises(KeyboardInterrupt):
            executor.evaluate(_request(), stop)
        results = executor.evaluate(_request())

    assert [1, 2, 3, 4, 5] == reached
    assert 203 == sum(result.returns.size for result in results)


def test_a_workers_chunk_fills_lanes() -> None:
    """Elsewhere a task gets an even share of the phase across its blocks, on one thread, but no fewer episodes than
    there are lanes; the results are the same."""
    results = Cluster().evaluate(_request())

    assert [32, 32, 32, 32, 32, 32, 11] == [call.num_episodes for call in lanes_engine.calls]
    assert {1} == {call.threads for call in lanes_engine.calls}
    with LocalExecutor(1) as executor:
        assert _numbers(executor.evaluate(_request())) == _numbers(results)


@given(num=st.integers(1, 10**6), most=st.integers(1, 1000), workers=st.integers(1, 100))
def test_even_pieces_keep_every_worker_busy(num: int, most: int, workers: int) -> None:
    """No piece is above the limit, and all workers have as many but for the last, short by less than one each."""
    size = even_size(num, most, workers)
    rounds = -(-num // (most * workers))

    assert 1 <= size <= most
    assert rounds * workers * (size - 1) < num <= rounds * workers * size


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_thetas_are_the_same_on_any_number_of_threads(threads: int) -> None:
    """The rows of all blocks, one after the other, as the samples give them."""
    request = _request()
    expected = np.concatenate([block.sample.theta(block.rows) for block in request.blocks])

    assert expected.tobytes() == thetas(request, threads).tobytes()


def test_a_ground_that_blocks_share_is_there_once() -> None:
    """Grounds equal by content are one for the engine; each episode's index finds its own."""
    request = _request()
    expected = [block.terrains[i] for block in request.blocks for i in block.terrain_index]

    terrains, index = grounds(request)

    assert _GROUNDS == terrains
    assert expected == [terrains[i] for i in index]
