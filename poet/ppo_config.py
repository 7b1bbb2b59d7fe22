"""The settings of the trainer ``ppo``."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from poet.sections import Count, Fraction, Positive, Section
from poet.sections import config_key as _key

_ZOO = "rl-baselines3-zoo: hyperparams/ppo.yml, BipedalWalkerHardcore-v3"
_SB3 = "Stable-Baselines3"


class PpoConfig(Section):
    """Proximal policy optimisation by Stable-Baselines3, if ``run.trainer`` is ``ppo`` (Schulman et al. 2017)."""

    terrains: Literal["own", "dr"] = _key(
        "own",
        "What the agent trains on: 'own', the terrain of run.start_terrain (or its instances, see niche.instances); "
        "'dr', fresh terrains as the trainer 'dr' draws them, one for each walker in each iteration.",
        "ours",
    )
    envs: Count = _key(16, "Walkers that are stepped together.", _ZOO)
    steps: Count = _key(
        2048,
        "Steps of each walker in an iteration, which all begin anew: not below evaluation.max_steps, so that each ends "
        "an episode.",
        _ZOO,
    )
    batch: int = _key(64, "Steps in a gradient step; it divides envs times steps.", _ZOO, ge=2)
    epochs: Count = _key(10, "How often an iteration's steps are gone through.", _ZOO)
    learning_rate: Positive = _key(
        2.5e-4, "Step size of Adam. It stays, since a run has no last iteration.", f"{_ZOO}, where it falls to 0"
    )
    clip_range: Fraction = _key(
        0.2, "How far the ratio of new to old probabilities may go from 1.", f"{_ZOO}, where it falls to 0"
    )
    gamma: Fraction = _key(0.99, "The discount of later rewards, for each step.", _ZOO)
    gae_lambda: float = _key(0.95, "The lambda of generalised advantages.", _ZOO, ge=0.0, le=1.0)
    entropy_weight: float = _key(0.001, "The weight of the actions' entropy in the loss.", _ZOO, ge=0.0)
    value_weight: Positive = _key(0.5, "The weight of the critic's error in the loss.", f"{_SB3}: vf_coef")
    max_gradient_norm: Positive = _key(
        0.5, "A gradient with a larger norm is shortened to it.", f"{_SB3}: max_grad_norm"
    )
    log_noise: float = _key(
        0.0, "Natural logarithm of the first standard deviation of actions.", f"{_SB3}: log_std_init", ge=-20.0, le=2.0
    )
    normalise_observations: bool = _key(
        True,
        "Whether the network sees each observation by its mean and deviation so far; an agent has it built in. They "
        "begin anew, so a walker that run.start names is soon lost: set it to false for one.",
        f"{_ZOO}, which also cuts it at 10 deviations",
    )
    normalise_rewards: bool = _key(
        True, "Whether rewards are divided by the deviation of the discounted return so far, and cut at 10.", _ZOO
    )

    @model_validator(mode="after")
    def _divides(self) -> PpoConfig:
        if self.envs * self.steps % self.batch:
            raise ValueError(
                f"batch must divide envs times steps, but {self.batch} does not divide {self.envs} times {self.steps}"
            )
        return self
