"""Proximal policy optimisation by Stable-Baselines3 on our walkers, one iteration at a time: state in, state out.

A learner is made anew for each iteration, from a state that has all that it knows: weights, moments of Adam, and the
statistics of observations and rewards. Episodes begin anew, too. Noise on actions and the order of batches are keyed by
the iteration. So it does not matter where a run is stopped.

Episodes have the same bits everywhere. What torch computes does not: it is done on one thread, which gives the same on
every call of the same version of torch on the same kind of processor, but torch promises no more.

Reference: Schulman et al. 2017, Proximal Policy Optimization Algorithms; Raffin et al. 2021, Stable-Baselines3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.ppo import MlpPolicy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from agents.policies.mlp import MLPPolicy
from agents.rollouts.result import RolloutResult
from agents.strategies.base import StrategyState
from environments import make_vec_env
from environments.arithmetic import exact
from environments.errors import InputError
from environments.streams import StreamKey, words
from environments.terrain.terrain import Terrain
from environments.walker.env import BipedalTerrainEnv
from poet.ppo_config import PpoConfig
from poet.trainers.walkers import WalkerVecEnv

#: Of ``VecNormalize``: it is added to a variance.
_EPSILON = 1e-8
#: How many observations or returns the first statistics, mean 0 and variance 1, count as (``RunningMeanStd``).
_FIRST_COUNT = 1e-4
_MODULES = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "linear": torch.nn.Identity}
_TENSORS = ("observations", "actions", "values", "log_probs", "advantages", "returns")

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LearnerState(StrategyState):
    """What a learner knows between two iterations. Its ``centre`` is the agent: the actor's mean, as our policy.

    Attributes:
        parameters: (N, Q) float32, of actor, critic and noise, in the order of SB3's network.
        first_moments, second_moments: (N, Q) float32, of Adam.
        num_steps: (N,) int64, gradient steps.
        observations: (N, 2, 24) float64, mean and variance of each number so far.
        rewards: (N, 2) float64, mean and variance of discounted returns so far.
        counts: (N, 2) float64, how many observations and returns these are of.
    """

    parameters: Array
    first_moments: Array
    second_moments: Array
    num_steps: NDArray[np.int64]
    observations: NDArray[np.float64]
    rewards: NDArray[np.float64]
    counts: NDArray[np.float64]

    def check(self) -> None:
        """See ``StrategyState``."""
        arrays = (self.parameters, self.first_moments, self.second_moments, self.observations, self.rewards)
        if not all(np.isfinite(array).all() for array in (*arrays, self.counts)):
            raise ValueError("a number of its learner is not finite")
        least = (self.second_moments, self.observations[:, 1:], self.rewards[:, 1:], self.counts, self.num_steps)
        if any((array < 0).any() for array in least):
            raise ValueError("a variance or a count of its learner is below 0")


@dataclass(frozen=True, eq=False)
class Learned:
    """One iteration.

    Attributes:
        state: after it.
        ended: the episodes that ended in it, with noise on actions.
        noise_std: mean standard deviation of the noise after it.
        log: SB3's numbers of its update, by name, such as ``approx_kl``.
    """

    state: LearnerState
    ended: RolloutResult
    noise_std: float
    log: dict[str, float]


@exact
def first_state(config: PpoConfig, policy: MLPPolicy, theta: Array | None, weights: StreamKey) -> LearnerState:
    """A learner that has learned nothing.

    Args:
        config: its settings.
        policy: of the agent, whose layers the actor has; the critic has its hidden ones.
        theta: (P,) float32, the actor's first weights; None for SB3's, which are orthogonal.
        weights: the place of random weights.
    """
    with _apart():
        _seed(weights)
        env = BipedalTerrainEnv()
        network = MlpPolicy(env.observation_space, env.action_space, lambda _: 0.0, **_options(config, policy))
        _finish(network, policy)
    if theta is None:
        theta = _theta(network)
    else:
        _put(network, policy, theta)
    parameters = parameters_to_vector(network.parameters()).detach().numpy()[None, :]
    zeros, size = np.zeros_like(parameters), policy.num_inputs
    return LearnerState(
        centre=theta[None, :].copy(),
        parameters=parameters,
        first_moments=zeros,
        second_moments=zeros.copy(),
        num_steps=np.zeros(1, np.int64),
        observations=np.stack([np.zeros(size), np.ones(size)])[None, :],
        rewards=np.array([[0.0, 1.0]]),
        counts=np.full((1, 2), _FIRST_COUNT),
    )


@exact
def learn(
    config: PpoConfig,
    policy: MLPPolicy,
    state: LearnerState,
    terrains: Sequence[Terrain],
    max_steps: int,
    engine: str,
    actions: StreamKey,
    batches: StreamKey,
) -> Learned:
    """Run all walkers for ``config.steps`` steps from their start, and update the network by these.

    Args:
        config, policy: see ``first_state``.
        state: before.
        terrains: dealt out to the walkers in turn.
        max_steps: after which an episode ends.
        engine: who integrates, see ``make_vec_env``; changes no bit.
        actions: the place of the noise on actions.
        batches: the place of the order of batches.

    Raises:
        InputError: the network's parameters grew beyond all numbers.
    """
    walkers = make_vec_env(
        terrains, config.envs, engine=engine, threads=1, max_steps=max_steps, autoreset_mode="SameStep"
    )
    with _apart():
        envs = VecNormalize(
            WalkerVecEnv(walkers),
            norm_obs=config.normalise_observations,
            norm_reward=config.normalise_rewards,
            clip_obs=math.inf,  # a cut could not be built into the agent's first layer
            gamma=config.gamma,
            epsilon=_EPSILON,
        )
        try:
            ppo = _learner(config, policy, envs, batches)
            _restore(ppo, envs, state)
            _seed(actions)
            ppo.learn(config.envs * config.steps, log_interval=None)
        except ValueError as error:  # of torch, which draws from no distribution whose mean is no number
            raise InputError(_DIVERGED) from error
        finally:
            envs.close()
    after = _stored(ppo, envs, config)
    if not all(np.isfinite(array).all() for array in (after.centre, after.parameters, after.second_moments)):
        raise InputError(_DIVERGED)
    episodes = ppo.ep_info_buffer
    ended = RolloutResult(
        np.array([episode["r"] for episode in episodes]),
        np.array([episode["l"] for episode in episodes], np.int32),
        np.array([episode["outcome"] for episode in episodes], np.int8),
    )
    log = {name.removeprefix("train/"): float(value) for name, value in ppo.logger.name_to_value.items()}
    return Learned(after, ended, float(torch.exp(ppo.policy.log_std.detach()).mean()), log)


_DIVERGED = (
    "the trainer 'ppo' has diverged: its network's parameters are no numbers any more; begin again with a lower "
    "ppo.learning_rate, or fork an earlier state with one"
)


class _Batches(RolloutBuffer):  # type: ignore[misc] # an extra without which mypy sees Any
    """The steps of an iteration, in batches whose order is drawn from a stream and not from NumPy's global one.

    Args:
        place: of that stream.
    """

    def __init__(self, *arguments: Any, place: StreamKey, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._place, self._num_epochs = place, 0

    def reset(self) -> None:
        """See ``RolloutBuffer``."""
        super().reset()
        self._is_flat = False

    def get(self, batch_size: int | None = None) -> Iterator[Any]:
        """See ``RolloutBuffer``."""
        if not self._is_flat:
            for name in _TENSORS:
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self._is_flat = True
        number = self.buffer_size * self.n_envs
        blocks = -(-number // 4)
        drawn = words(self._place, self._num_epochs * blocks, blocks)[:number]
        self._num_epochs += 1
        order = np.argsort(drawn, kind="stable")
        for start in range(0, number, batch_size or number):
            yield self._get_samples(order[start : start + (batch_size or number)])


def _seed(place: StreamKey) -> None:
    """Set torch's global generator by a stream; within ``_apart``."""
    torch.manual_seed(place.key[0] | place.key[1] << 32)


@contextmanager
def _apart() -> Iterator[None]:
    """Run torch on one thread. Afterwards the number of threads and the global generator are as before."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(num_threads)


def _options(config: PpoConfig, policy: MLPPolicy) -> dict[str, Any]:
    """Of SB3's network: an actor with the policy's layers, and a critic with the same hidden ones."""
    hidden = list(policy.layer_sizes[1:-1])
    return {
        "net_arch": {"pi": hidden, "vf": hidden},
        "activation_fn": _MODULES[policy.activations[0] if hidden else "tanh"],
        "log_std_init": config.log_noise,
    }


def _finish(network: Any, policy: MLPPolicy) -> None:
    """Give the actor's mean the policy's last activation; SB3's has none."""
    network.action_net = torch.nn.Sequential(network.action_net, _MODULES[policy.activations[-1]]())


def _learner(config: PpoConfig, policy: MLPPolicy, envs: VecNormalize, batches: StreamKey) -> PPO:
    ppo = PPO(
        MlpPolicy,
        envs,
        learning_rate=config.learning_rate,
        n_steps=config.steps,
        batch_size=config.batch,
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
        ent_coef=config.entropy_weight,
        vf_coef=config.value_weight,
        max_grad_norm=config.max_gradient_norm,
        rollout_buffer_class=_Batches,
        rollout_buffer_kwargs={"place": batches},
        stats_window_size=config.envs * config.steps,
        policy_kwargs=_options(config, policy),
        device="cpu",
    )
    _finish(ppo.policy, policy)
    return ppo


def _restore(ppo: PPO, envs: VecNormalize, state: LearnerState) -> None:
    """Put what a state knows into a new learner."""
    parameters = list(ppo.policy.parameters())
    vector_to_parameters(torch.from_numpy(state.parameters[0].copy()), parameters)
    if state.num_steps[0]:
        moments = [torch.from_numpy(array[0].copy()) for array in (state.first_moments, state.second_moments)]
        ends = np.cumsum([0, *(parameter.numel() for parameter in parameters)]).tolist()
        for parameter, (start, stop) in zip(parameters, pairwise(ends), strict=True):
            first, second = (moment[start:stop].reshape(parameter.shape).clone() for moment in moments)
            ppo.policy.optimizer.state[parameter] = {
                "step": torch.tensor(float(state.num_steps[0])), "exp_avg": first, "exp_avg_sq": second
            }  # fmt: skip
    for statistics, moments_of, count in (
        (envs.obs_rms, state.observations[0], state.counts[0, 0]),
        (envs.ret_rms, state.rewards[0], state.counts[0, 1]),
    ):
        statistics.mean, statistics.var = moments_of[0].copy(), moments_of[1].copy()
        statistics.count = float(count)


def _stored(ppo: PPO, envs: VecNormalize, config: PpoConfig) -> LearnerState:
    """What a learner knows."""
    parameters, moments = list(ppo.policy.parameters()), ppo.policy.optimizer.state

    def joined(name: str) -> Array:
        return np.asarray(torch.cat([moments[p][name].reshape(-1) for p in parameters])[None, :].numpy())

    observed = (envs.obs_rms.mean, envs.obs_rms.var) if config.normalise_observations else None
    return LearnerState(
        centre=_theta(ppo.policy, observed)[None, :],
        parameters=parameters_to_vector(parameters).detach().numpy()[None, :].copy(),
        first_moments=joined("exp_avg"),
        second_moments=joined("exp_avg_sq"),
        num_steps=np.array([int(moments[parameters[0]]["step"])], np.int64),
        observations=np.stack([envs.obs_rms.mean, envs.obs_rms.var])[None, :],
        rewards=np.array([[float(envs.ret_rms.mean), float(envs.ret_rms.var)]]),
        counts=np.array([[envs.obs_rms.count, envs.ret_rms.count]], np.float64),
    )


def _linears(network: Any) -> list[Any]:
    """The actor's layers."""
    parts = [*network.mlp_extractor.policy_net.modules(), *network.action_net.modules()]
    return [module for module in parts if isinstance(module, torch.nn.Linear)]


def _theta(network: Any, observed: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None) -> Array:
    """The actor's mean as our policy's theta (P,) float32, which takes observations as they are.

    With x the observation, m and v its means and variances, the first layer computes W (x - m) / s + b, where s is the
    root of v + epsilon: the weights are W / s, and the biases b less the sum of m W / s.
    """
    layers = [
        (linear.weight.detach().numpy().T.astype(np.float64), linear.bias.detach().numpy().astype(np.float64))
        for linear in _linears(network)
    ]
    if observed is not None:
        means, variances = observed
        weights = layers[0][0] / np.sqrt(variances + _EPSILON)[:, None]
        parts = -means[:, None] * weights
        biases = [
            math.fsum([bias, *column]) for bias, column in zip(layers[0][1].tolist(), parts.T.tolist(), strict=True)
        ]
        layers[0] = weights, np.array(biases)
    return np.concatenate([array.ravel() for layer in layers for array in layer]).astype(np.float32)


def _put(network: Any, policy: MLPPolicy, theta: Array) -> None:
    """Set the actor's weights."""
    start = 0
    with torch.no_grad():
        for linear, (num_in, num_out) in zip(_linears(network), pairwise(policy.layer_sizes), strict=True):
            bias = start + num_in * num_out
            linear.weight.copy_(torch.from_numpy(theta[start:bias].reshape(num_in, num_out).T.copy()))
            linear.bias.copy_(torch.from_numpy(theta[bias : bias + num_out].copy()))
            start = bias + num_out
