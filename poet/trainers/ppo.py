"""Proximal policy optimisation: gradients of a critic's advantages instead of evolution, on the same ground.

The learner is Stable-Baselines3's (extra ``sb3``); ``poet.trainers.sb3`` says what is exact about it. An iteration is
one rollout of ``ppo.envs`` walkers and one update. All episodes begin anew with it, so that a state is whole: what was
walked since a walker's last end is bootstrapped by the critic, as at the end of every rollout, but those episodes are
never walked to their ends. The beginning of a terrain is therefore seen more often than its end.

Reference: Schulman et al. 2017, Proximal Policy Optimization Algorithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast

from numpy import float32
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from agents.strategies.base import StrategyState
from environments.arithmetic import exact
from environments.engines import AUTO, find_engine
from environments.errors import InputError
from environments.registry import import_optional
from environments.terrain.obstacles import ObstacleGenotype
from poet import streams
from poet.events import AnyEvent, Cost, OwnEvent
from poet.loop import close_iteration
from poet.optimisation import generation_done, take_step
from poet.parts import Parts
from poet.scoring import Ground, agent_block, cost, niche_ground, own_terrain, read_evaluations
from poet.trainers.base import LEARNING, AbstractTrainer, without_niches
from poet.trainers.randomised import check_obstacles, instances, settings_of
from poet.types import Niche, Purpose, RunState
from poet.validation import validate

if TYPE_CHECKING:
    from poet.trainers.sb3 import LearnerState


@dataclass(frozen=True)
class NetworkUpdated(OwnEvent):
    """The numbers of an update, as Stable-Baselines3 logs them.

    Attributes:
        episodes: that ended in the rollout.
        approx_kl: how far new action probabilities are from the old, in the last epoch, nats.
        clip_fraction: the share of steps whose ratio of probabilities was cut.
        entropy: of the actions' distribution, nats.
        value_loss: mean square of the critic's error, in units of normalised rewards.
        explained_variance: of returns by the critic before the update, at most 1; None if they do not vary.
    """

    table = "ppo"

    episodes: int
    approx_kl: float
    clip_fraction: float
    entropy: float
    value_loss: float
    explained_variance: float | None


@dataclass(frozen=True)
class Ppo(AbstractTrainer[RunState]):
    """One agent, niche 0, which learns by PPO; its settings are in ``[ppo]``.

    What the archive has as the agent is the mean of the actor, with the normalisation of observations built into its
    first layer: a policy of ours without noise. From random weights, these are Stable-Baselines3's.
    """

    kind = "ppo"
    events = LEARNING | {NetworkUpdated}
    unused = ("poet", "novelty", "transfer", "mutation", "es", "trainer.source", "niche.rest_interval")

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            InputError: Stable-Baselines3 is not installed.
        """
        super().__post_init__()
        import_optional("stable_baselines3", "sb3", f"the trainer {self.kind!r}")

    def start(self, parts: Parts, theta: NDArray[float32] | None) -> tuple[RunState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: ``[ppo]``, ``[policy]`` or the run's terrains do not fit each other.
        """
        check_parts(parts)
        if theta is None:
            theta = _first(parts, None).theta[0]
        state: RunState
        state, events = super().start(_scored(parts), theta)
        return state, events

    def first_optimiser(self, parts: Parts, theta: NDArray[float32]) -> StrategyState:
        """See ``AbstractTrainer``."""
        check_parts(parts)
        return _first(parts, theta)

    @exact
    def iterate(self, state: RunState, parts: Parts) -> tuple[RunState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: the learner has diverged.
        """
        from poet.trainers import sb3

        check_parts(parts)
        before, iteration, (niche,), config = state, state.iteration + 1, state.active, parts.config
        ground = _ground(niche, parts, iteration)
        learned = sb3.learn(
            config.ppo,
            _perceptron(parts),
            cast("LearnerState", niche.optimiser),
            ground.training,
            config.evaluation.max_steps,
            _engine(config.evaluation.engine),
            streams.ppo_actions(parts.seed, iteration),
            streams.ppo_batches(parts.seed, iteration),
        )
        (result,) = parts.run_blocks([agent_block([learned.state.theta[0]], ground)], Purpose.SELF_EVAL)
        (evaluation,) = read_evaluations(result, ground)
        state, moved, happened = take_step(state, niche, learned.state, evaluation, parts, len(ground.fresh))
        log, num_ended, num_steps = learned.log, learned.ended.returns.size, config.ppo.envs * config.ppo.steps
        explained = log["explained_variance"]
        events = [
            *happened,
            generation_done(niche, moved, learned.ended, learned.noise_std, config.ppo.learning_rate, iteration),
            cost(iteration, niche.id, Purpose.SELF_EVAL, result),
            # Every walker is in an episode that has not ended.
            Cost(iteration, niche.id, Purpose.ES, num_steps, num_ended + config.ppo.envs),
        ]
        updated = NetworkUpdated(
            iteration,
            num_ended,
            log["approx_kl"],
            log["clip_fraction"],
            -log["entropy_loss"],
            log["value_loss"],
            explained if math.isfinite(explained) else None,
        )
        state = state.evaluated_at(config.evaluation.max_steps)
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [updated, *events, *validated])


def check_parts(parts: Parts) -> None:
    """Raise ``InputError`` if PPO cannot train by these settings."""
    ppo, limit, instances_ = parts.config.ppo, parts.config.evaluation.max_steps, parts.config.niche.num_fresh
    if ppo.terrains == "dr":
        check_obstacles(parts, Ppo.kind)
    elif instances_ > ppo.envs:
        raise InputError(
            f"the trainer 'ppo' has a walker on each of niche.instances = {instances_} instances, but ppo.envs is "
            f"{ppo.envs}: raise it, or lower niche.instances"
        )
    if ppo.steps < limit:
        raise InputError(
            f"ppo.steps must be evaluation.max_steps = {limit} or more, but is {ppo.steps}: episodes begin anew in "
            "each iteration, and a shorter one would not see how they end"
        )
    _perceptron(parts)


def _perceptron(parts: Parts) -> MLPPolicy:
    policy = parts.policy
    if (
        not isinstance(policy, MLPPolicy)
        or policy.kind != MLPPolicy.kind  # such as a GRU, which has a perceptron beside it
        or len({*policy.activations[:-1]}) > 1
        or policy.activations[-1] == "relu"
    ):
        raise InputError(
            "the trainer 'ppo' trains perceptrons with one activation in all hidden layers, and tanh or none at the "
            f"end, but the policy is {policy.description}: change [policy]"
        )
    return policy


def _first(parts: Parts, theta: NDArray[float32] | None) -> StrategyState:
    from poet.trainers import sb3

    return sb3.first_state(parts.config.ppo, _perceptron(parts), theta, streams.ppo_weights(parts.seed))


def _scored(parts: Parts) -> Parts:
    """The parts by which the agent is scored: it has instances of a niche only if it trains on these."""
    return without_niches(parts) if parts.config.ppo.terrains == "dr" else parts


def _ground(niche: Niche, parts: Parts, iteration: int) -> Ground:
    """Where the agent trains in an iteration, and is scored."""
    if parts.config.ppo.terrains == "own":
        return niche_ground(niche, parts.config, iteration)
    stream = streams.randomised_terrains(parts.seed, iteration)
    drawn = instances(lambda draws: ObstacleGenotype.drawn(settings_of(parts), draws), stream)
    return Ground(own_terrain(niche), tuple(islice(drawn, parts.config.ppo.envs)))


def _engine(name: str) -> str:
    """Who steps the walkers: the run's engine if it can, else ``simd``, which gives the same."""
    return name if name == AUTO or find_engine(name).worlds else "simd"
