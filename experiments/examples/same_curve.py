"""PPO on Gymnasium's walker and on ours: the same learning, sooner. ``python -m experiments.examples.same_curve``.

Stable-Baselines3's PPO learns four times from the same seed: on ``BipedalWalker-v3`` as it is, on the same with a new
Box2D world for each episode, on ``poet/BipedalWalker-v3`` as single envs, and on its vector env. After each update the
weights are hashed. A table says up to which update they are equal, and what share of the time went into the envs. The
number of env-steps may follow. Needs the extra ``sb3``: ``pip install -e '.[sb3]'``.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import environments  # noqa: F401 - registers poet/BipedalWalker-v3
from environments.walker.new_world import NewWorld
from poet.trainers.walkers import WalkerVecEnv

NUM_ENVS = 16
NUM_STEPS = 32_768
_STEPS_AN_UPDATE = 128


def _single(env_id: str, wrap: Callable[[Any], Any] = lambda env: env) -> VecEnv:
    return DummyVecEnv([lambda: wrap(gymnasium.make(env_id))] * NUM_ENVS)


def _vector() -> VecEnv:
    envs: Any = gymnasium.make_vec("poet/BipedalWalker-v3", NUM_ENVS, autoreset_mode="SameStep", threads=1)
    return WalkerVecEnv(envs)


ENVS: dict[str, Callable[[], VecEnv]] = {
    "Gymnasium's": lambda: _single("BipedalWalker-v3"),
    "Gymnasium's, new worlds": lambda: _single("BipedalWalker-v3", NewWorld),
    "ours, single": lambda: _single("poet/BipedalWalker-v3"),
    "ours, vector": _vector,
}


@dataclass
class Curve(BaseCallback):  # type: ignore[misc] # an extra without which mypy sees Any
    """What is seen of a learner: a digest of its weights at each update, and the processor's time, s."""

    digests: list[str] = field(default_factory=list)
    in_envs: float = 0.0
    in_all: float = 0.0

    def __post_init__(self) -> None:
        super().__init__()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        weights = b"".join(value.numpy().tobytes() for value in self.model.policy.state_dict().values())
        self.digests.append(hashlib.sha256(weights + self.model.rollout_buffer.rewards.tobytes()).hexdigest())


def learn(make: Callable[[], VecEnv], num_steps: int) -> Curve:
    """Learn from random weights, of seed 0."""
    curve, envs = Curve(), make()
    step = envs.step_wait

    def timed() -> Any:
        begun = time.process_time()
        try:
            return step()
        finally:
            curve.in_envs += time.process_time() - begun

    envs.step_wait = timed
    ppo = PPO("MlpPolicy", envs, n_steps=_STEPS_AN_UPDATE, batch_size=256, n_epochs=4, seed=0, device="cpu")
    begun = time.process_time()
    ppo.learn(num_steps, callback=curve)
    curve.in_all = time.process_time() - begun
    envs.close()
    return curve


def main(num_steps: int = NUM_STEPS) -> None:
    """Learn on each, one after the other on one core, and print the table."""
    torch.set_num_threads(1)
    learn(_vector, 1)  # compiles
    curves = {name: learn(make, num_steps) for name, make in ENVS.items()}
    reference = curves["Gymnasium's, new worlds"]
    print("| PPO on | updates equal to those on Gymnasium's with new worlds | env-steps/s in the envs | and in all |")
    print("| --- | --: | --: | --: |")
    for name, curve in curves.items():
        num_equal = next(
            (i for i, (a, b) in enumerate(zip(curve.digests, reference.digests, strict=True)) if a != b),
            len(reference.digests),
        )
        rates = f"{num_steps / curve.in_envs:,.0f} | {num_steps / curve.in_all:,.0f}"
        print(f"| {name} | {num_equal} of {len(reference.digests)} | {rates} |")


if __name__ == "__main__":
    if len(sys.argv) > 2 or not all(word.isdigit() for word in sys.argv[1:]):
        sys.exit(__doc__)
    main(*[int(word) for word in sys.argv[1:]])
