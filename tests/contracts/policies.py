"""The contract of a policy as a test class: subclass ``PolicyContract`` and set ``policy``."""

from __future__ import annotations

import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from agents.rollouts import box2d, simd
from agents.rollouts.checks import check_policy
from agents.rollouts.chunks import grounds
from agents.rollouts.named import named_episodes
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from environments.errors import InputError
from environments.physics.course import Course
from tests.agents import crowd, threads_on_cpu
from tests.ptx.gpu import on_cpu

#: The walkers of the crowd whose episodes are run, and the number of steps.
_FEW = np.arange(0, crowd.NUM, 40)
_MAX_STEPS = 40
_OBSERVED = np.random.default_rng(3).standard_normal((6, 24)).astype(np.float32)


class PolicyContract:
    """Tests of one policy, which a subclass sets. Its name must begin with ``Test``.

    Attributes:
        policy: the policy under test.
    """

    policy: AbstractPolicy

    def thetas(self) -> NDArray[np.float32]:
        """(len(_FEW), P), from thetas that hardly move to thetas that saturate."""
        rng = np.random.default_rng(1)
        scales = np.geomspace(0.02, 2.0, len(_FEW))[:, None]
        return (scales * rng.standard_normal((len(_FEW), self.policy.num_parameters))).astype(np.float32)

    def _request(self) -> EvaluationRequest:
        block = Block(Thetas(self.thetas()), np.arange(len(_FEW)), crowd.terrains(), crowd.terrain_index()[_FEW])
        return EvaluationRequest((block,), self.policy, _MAX_STEPS)

    def _in_box2d(self) -> bytes:
        index = crowd.terrain_index()[_FEW]
        return crowd.rows(box2d.run_episodes(self.policy, self.thetas(), crowd.terrains(), index, _MAX_STEPS)).tobytes()

    @pytest.mark.parametrize("threads", [1, 2])
    def test_lanes_give_the_bits_of_box2d(self, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whole episodes have the same bits, whichever walkers share a team or used the same world before."""
        monkeypatch.setattr(simd, "TEAM_SIZE", 4)
        index = crowd.terrain_index()[_FEW]
        found = simd.run_episodes(self.policy, self.thetas(), crowd.terrains(), index, _MAX_STEPS, threads)
        assert 20 < np.unique(found.returns).size
        assert self._in_box2d() == crowd.rows(found).tobytes()
        back = slice(None, None, -1)
        found = simd.run_episodes(self.policy, self.thetas()[back], crowd.terrains(), index[back], _MAX_STEPS, threads)
        assert self._in_box2d() == crowd.rows(found)[back].tobytes()

    def test_threads_of_a_gpu_give_them_too(self) -> None:
        """Compiled for the CPU and in poisoned memory, five walkers run the episodes one after another."""
        terrains, index = grounds(self._request())
        episodes = named_episodes(self._request(), index)
        found = threads_on_cpu.run(self.policy, episodes, Course.of(terrains), _MAX_STEPS, 5, 7)
        assert self._in_box2d() == crowd.rows(found).tobytes()

    @pytest.mark.skipif(find_spec("numba_cuda") is None, reason="the extra cuda is not installed")
    def test_what_a_gpu_would_be_given_gives_them_too(self) -> None:
        """The GPU's virtual instructions (PTX), run on this CPU, give the same bits."""
        assert self._in_box2d() == crowd.rows(on_cpu(self._request(), num_walkers=10)).tobytes()

    def test_columns_and_rows_give_the_same_bits_and_stay_in_their_places(self) -> None:
        """The parameters and states of three walkers are interleaved; no walker reads or writes a neighbour's."""
        kernels, shape = self.policy.kernels, np.array(self.policy.shape, np.int64)
        thetas = self.thetas()[[5, 12, 20]]
        columns = np.ascontiguousarray(thetas.T).ravel()
        states = np.full(3 * self.policy.state_size, np.nan, np.float32)
        acts = [self.policy.controller(theta) for theta in thetas]
        for walker in range(3):
            kernels.begin(columns, walker, 3, shape, states, walker)
        for observation in _OBSERVED:
            for walker in (1, 2, 0):
                action, scratch = (np.full(size, np.nan, np.float32) for size in (4, self.policy.scratch_shape))
                kernels.act(columns, walker, 3, shape, observation, states, walker, action, scratch)
                assert acts[walker](observation).tobytes() == action.tobytes()
        assert columns.tobytes() == np.ascontiguousarray(thetas.T).tobytes()

    def test_an_episode_begins_without_the_last_one(self) -> None:
        """``begin`` forgets any state, even NaN, and nothing but the state is remembered."""
        act, other = (self.policy.controller(self.thetas()[12]) for _ in range(2))
        first = [act(observation).tobytes() for observation in _OBSERVED]
        act(np.full(24, np.nan, np.float32))
        act.begin()
        assert first == [act(observation).tobytes() for observation in _OBSERVED]
        assert first == [other(observation).tobytes() for observation in _OBSERVED]

    def test_a_walker_that_diverges_leaves_the_others_alone(self) -> None:
        """Huge parameters give actions of NaN or infinity, and the neighbours' episodes do not change."""
        theta, index = self.thetas(), crowd.terrain_index()[_FEW]
        expected = crowd.rows(simd.run_episodes(self.policy, theta, crowd.terrains(), index, _MAX_STEPS))
        theta[3::7] = 3e38 * np.sign(theta[3::7])
        found = crowd.rows(simd.run_episodes(self.policy, theta, crowd.terrains(), index, _MAX_STEPS))
        others = np.setdiff1d(np.arange(len(_FEW)), np.arange(3, len(_FEW), 7))
        assert expected[others].tobytes() == found[others].tobytes()
        in_box2d = box2d.run_episodes(self.policy, theta, crowd.terrains(), index, _MAX_STEPS)
        assert crowd.rows(in_box2d).tobytes() == found.tobytes()

    def test_it_is_a_value(self) -> None:
        """Equality, hash and pickle depend on the settings alone, and the policy fits a walker."""
        copy = pickle.loads(pickle.dumps(self.policy))
        assert copy == self.policy and hash(copy) == hash(self.policy)
        assert self.policy.kind in self.policy.description
        check_policy(self.policy)

    def test_a_run_begins_with_a_theta_of_its_own(self) -> None:
        """The first theta is finite, random and of size P, and a walker of the same policy is adopted unchanged."""
        noise = np.float32(0.1) * np.random.default_rng(2).standard_normal(self.policy.num_parameters, np.float32)
        theta = self.policy.initial_theta(noise.copy())
        self.policy.check_theta(theta)
        assert theta.shape == noise.shape and theta.any()
        adopted = self.policy.adopted(self.policy, self.thetas()[0], noise)
        assert adopted is not None and self.thetas()[0].tobytes() == adopted.tobytes()

    @pytest.mark.parametrize(
        ("more", "dtype", "value"),
        [(1, np.float32, 0.0), (-1, np.float32, 0.0), (0, float, 0.0), (0, np.float32, np.nan)],
    )
    def test_a_theta_that_does_not_fit_is_refused(self, more: int, dtype: type, value: float) -> None:
        """A wrong size, a wrong type and NaN are refused."""
        theta = np.full(self.policy.num_parameters + more, value, dtype)
        with pytest.raises(InputError, match="theta must be"):
            self.policy.controller(theta)
