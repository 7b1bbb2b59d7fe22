"""The contract of an engine, as tests: subclass ``EngineContract``, and name the engine."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.evaluation.local import LocalExecutor
from agents.policies.base import AbstractPolicy
from agents.policies.gru import GRUPolicy
from agents.policies.mlp import MLPPolicy
from agents.rollouts import box2d, check_engine, load_engine, prepare, run_chunk
from agents.rollouts.base import AbstractEngine
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult, join
from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
from environments.streams import stream_key
from environments.walker.ending import Outcome
from tests.agents import crowd
from tests.environments import crowded

_MAX_STEPS = 40
#: The paper's perceptron, one of another shape with walkers that hardly move or cannot be held, and one with memory.
_POLICIES = (
    MLPPolicy(),
    MLPPolicy((24, 7, 9, 4), ("relu", "tanh", "linear")),
    GRUPolicy((24, 6, 4), ("tanh", "linear"), units=5),
)


def _thetas(policy: AbstractPolicy, num: int) -> NDArray[np.float32]:
    """(num, P) from hardly moving to all or nothing."""
    rng, scales = np.random.default_rng(1), np.geomspace(0.02, 2.0, num)[:, None]
    return (scales * rng.standard_normal((num, policy.num_parameters))).astype(np.float32)


def _sample(policy: AbstractPolicy, antithetic: bool) -> Perturbations:
    centre = _thetas(policy, 9)[6]
    return Perturbations(centre, np.full_like(centre, 0.1), stream_key(7, "engine"), 6, antithetic)


def _thetas_as_they_are(policy: AbstractPolicy) -> Thetas:
    """Two of them so great that actions are no numbers, or none."""
    values = _thetas(policy, 24)
    values[[5, 17]] = np.float32(3e38) * np.sign(values[[5, 17]])
    return Thetas(values)


def _request(policy: AbstractPolicy = _POLICIES[0], max_steps: int = _MAX_STEPS) -> EvaluationRequest:
    """Samples of all kinds on easy and on hard ground, rows in no order and more than once; arrays are read-only."""
    blocks = (
        Block(_sample(policy, True), np.array([5, 2, 0, 7, 2]), crowd.terrains()[:3], np.array([0, 1, 2, 2, 0])),
        Block(_thetas_as_they_are(policy), np.arange(24)[::-1].copy(), crowd.terrains(), np.arange(24) % 8),
        Block(_sample(policy, False), np.arange(6), crowd.terrains()[4:], np.array([3, 2, 1, 0, 3, 2])),
    )
    for block in blocks:
        block.rows.flags.writeable = block.terrain_index.flags.writeable = False
        if isinstance(block.sample, Thetas):
            block.sample.values.flags.writeable = False
    return EvaluationRequest(blocks, policy, max_steps)


def _in_box2d(request: EvaluationRequest) -> RolloutResult:
    """The oracle's results, block after block."""
    return join(
        [
            box2d.run_episodes(request.policy, b.sample.theta(b.rows), b.terrains, b.terrain_index, request.max_steps)
            for b in request.blocks
        ]
    )


@cache
def _expected(policy: AbstractPolicy = _POLICIES[0], max_steps: int = _MAX_STEPS) -> bytes:
    return crowd.rows(_in_box2d(_request(policy, max_steps))).tobytes()


class EngineContract:
    """Tests of one engine; a subclass whose name begins with ``Test`` says which.

    Attributes:
        engine: what is tested: a key of ``ENGINES``, or ``"package.module:Name"``.
    """

    engine: str

    def run(self, request: EvaluationRequest, *arguments: Any) -> RolloutResult:
        """What the engine makes of a request that is one chunk."""
        return run_chunk(replace(request, engine=self.engine), *arguments)

    def test_it_is_an_engine_that_runs_here(self) -> None:
        """Found by its name, made without arguments, and prepared for any policy as often as one likes."""
        check_engine(self.engine)
        assert isinstance(load_engine(self.engine), AbstractEngine)
        assert load_engine(self.engine) is load_engine(self.engine)
        for policy in _POLICIES * 2:
            prepare(self.engine, policy)

    @pytest.mark.parametrize("max_steps", [1, _MAX_STEPS])
    @pytest.mark.parametrize("policy", _POLICIES, ids=["paper", "another shape", "memory"])
    def test_it_gives_the_bits_of_box2d(self, policy: AbstractPolicy, max_steps: int) -> None:
        """Returns, lengths and outcomes, episode after episode in the order asked, of walkers of every kind."""
        found = self.run(_request(policy, max_steps))
        assert (np.float64, np.int32, np.int8) == (found.returns.dtype, found.lengths.dtype, found.outcomes.dtype)
        assert _expected(policy, max_steps) == crowd.rows(found).tobytes()
        assert max_steps == found.lengths.max()
        if max_steps > 1:
            assert {Outcome.FELL, Outcome.TIMEOUT, Outcome.DIVERGED} <= {Outcome(o) for o in found.outcomes}
            assert 25 < np.unique(found.returns).size

    def test_what_its_physics_cannot_follow_is_box2ds_too(self) -> None:
        """Ground with more contacts than our own physics has room for, among others."""
        thetas = Thetas(_thetas(_POLICIES[0], 6))
        grounds = (crowd.terrains()[0], *crowded.TERRAINS)
        block = Block(thetas, np.arange(6), grounds, np.array([0, 1, 2, 2, 1, 0]))
        request = EvaluationRequest((block,), _POLICIES[0], _MAX_STEPS)
        assert crowd.rows(_in_box2d(request)).tobytes() == crowd.rows(self.run(request)).tobytes()

    @pytest.mark.parametrize(("size", "threads"), [(1, 1), (4, 2), (11, 3), (100, 2), (100, 7)])
    def test_chunks_and_threads_change_nothing(self, size: int, threads: int) -> None:
        """However a request is cut, and whoever walks beside whom."""
        parts = [self.run(chunk, threads) for chunk in _request().chunks(size)]
        assert _expected() == crowd.rows(join(parts)).tobytes()

    def test_executors_change_nothing(self) -> None:
        """Threads of this process or others, which find the engine by its name."""
        request = replace(_request(), engine=self.engine)
        with LocalExecutor(2) as executor:
            results = executor.evaluate(request)
        assert [block.rows.size for block in request.blocks] == [result.returns.size for result in results]
        assert _expected() == crowd.rows(join(results)).tobytes()

    def test_nothing_is_left_of_what_was_there_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In memory that nobody has written, from other episodes, or in the results of an earlier call."""
        first = self.run(_request())
        before = crowd.rows(first).tobytes()
        empty = np.empty

        def poisoned(shape: Any, dtype: Any = float, *arguments: Any, **options: Any) -> NDArray[Any]:
            array = empty(shape, dtype, *arguments, **options)
            if array.dtype.kind in "iuf":
                array.fill(np.nan if array.dtype.kind == "f" else 77)
            return array

        monkeypatch.setattr(np, "empty", poisoned)
        backwards = replace(_request(), blocks=_request().blocks[::-1])
        self.run(backwards)
        assert before == crowd.rows(self.run(_request())).tobytes() == crowd.rows(first).tobytes()

    def test_progress_is_told(self) -> None:
        """From the calling thread's point of view ever more episodes and steps, and all of them in the end."""
        told: list[tuple[int, int]] = []
        found = self.run(_request(), 2, lambda *numbers: told.append(numbers))
        assert told == sorted(told) and sorted(steps for _, steps in told) == [steps for _, steps in told]
        assert (found.returns.size, found.num_steps) == told[-1]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
    def test_what_progress_raises_ends_all(self, error: type[BaseException]) -> None:
        """It reaches the caller, nothing is told afterwards, and the next call is as if it had not been."""
        told = []

        def stop(num_done: int, num_steps: int) -> None:
            told.append(num_done)
            raise error

        with pytest.raises(error):
            self.run(_request(), 2, stop)
        assert 1 == len(told)
        assert _expected() == crowd.rows(self.run(_request(), 2)).tobytes()

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"policy": MLPPolicy((23, 4), ("tanh",))}, "policy must have 24 inputs and 4 outputs"),
            ({"policy": MLPPolicy((24, 4), ("tanh",))}, "theta must be float32 of shape"),
            ({"max_steps": 0}, "max_steps must be a whole number from 1 on"),
            ({"values": np.zeros((3, 2804))}, "theta must be float32 of shape .* but is float64"),
            ({"values": np.zeros((3, 2803), np.float32)}, "theta must be float32 of shape .* but is float32 of shape"),
            ({"values": np.full((3, 2804), np.nan, np.float32)}, "theta must be finite"),
            ({"values": np.full((3, 2804), np.inf, np.float32)}, "theta must be finite"),
            ({"rows": np.array([0, 3])}, r"rows of a block must be in 0\.\.2 for 3 thetas, but are in 0\.\.3"),
            ({"rows": np.array([-1, 0])}, r"rows of a block must be in 0\.\.2 for 3 thetas, but are in -1\.\.0"),
            ({"rows": np.array([0.0, 1.0])}, "rows and terrain_index of a block must be whole numbers"),
            ({"rows": np.array([0])}, "rows and terrain_index of a block must be whole numbers, one of each"),
            ({"terrain_index": np.array([0, 8])}, r"terrain_index must be in 0\.\.7 for 8 terrains"),
            ({"terrain_index": np.array([0, -1])}, r"terrain_index must be in 0\.\.7 for 8 terrains"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changes: dict[str, Any], sentence: str) -> None:
        """In one sentence, and before kernels could read beside their tables."""
        given = {"values": np.zeros((3, 2804), np.float32), "rows": np.arange(2), "terrain_index": np.arange(2)}
        given |= {"policy": MLPPolicy(), "max_steps": 5, **changes}
        block = Block(Thetas(given["values"]), given["rows"], crowd.terrains(), given["terrain_index"])
        with pytest.raises(InputError, match=sentence) as raised:
            self.run(EvaluationRequest((block,), given["policy"], given["max_steps"]))
        assert "\n" not in str(raised.value)
