"""Stable-Baselines3's PPO on a terrain that POET evolved: ``python -m experiments.examples.train_ppo RUN``.

RUN is any run, such as one that ``make demo`` made. The number of env-steps and the niche whose terrain is taken may
follow. After each update SB3's table shows steps per second (``fps``) and the mean return of the last hundred episodes
(``ep_rew_mean``). Needs the extra ``sb3``: ``pip install -e '.[sb3]'``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from environments import make_vec_env
from environments.errors import InputError
from experiments.replay.pairs import choose_pair
from poet import open_run
from poet.trainers.walkers import WalkerVecEnv

NUM_ENVS = 64
NUM_STEPS = 3_000_000
GAMMA = 0.99


def main(folder: Path, num_steps: int = NUM_STEPS, niche_id: int | None = None, *, engine: str = "simd") -> None:
    """Train on the terrain of a niche, None: the one solved last.

    Two settings were tried on one terrain with one seed. With the other (a discount of 0.999 and smaller steps) the
    walker stood still for a million steps.
    """
    with open_run(folder) as run:
        pair = choose_pair(run, niche_id)
    print(f"PPO from random weights on the terrain of niche {pair.niche_id} of {folder}, {NUM_ENVS} walkers")
    walkers = make_vec_env(pair.terrain, NUM_ENVS, engine=engine, autoreset_mode="SameStep")
    envs = VecNormalize(WalkerVecEnv(walkers), gamma=GAMMA)
    ppo = PPO(
        "MlpPolicy",
        envs,
        n_steps=256,
        batch_size=512,
        n_epochs=10,
        gamma=GAMMA,
        gae_lambda=0.95,
        clip_range=0.18,
        learning_rate=5e-4,
        seed=0,
        device="cpu",
        verbose=1,
    )
    ppo.learn(num_steps)
    envs.close()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if not 1 <= len(arguments) <= 3 or not all(argument.isdigit() for argument in arguments[1:]):
        sys.exit(__doc__)
    try:
        main(Path(arguments[0]), *[int(argument) for argument in arguments[1:]])
    except InputError as error:
        sys.exit(str(error))
