"""Stable-Baselines3's PPO on a terrain that POET evolved, and back: ``python -m experiments.examples.train_ppo RUN``.

RUN is any run, such as one that ``make demo`` made. The number of env-steps, the niche whose terrain is taken, and the
agent's file (``ppo.zip``) may follow. After each update SB3's table shows steps per second (``fps``) and the mean
return of the last hundred episodes (``ep_rew_mean``). At the end the agent is saved, read back as a walker of ours, and
walks once in a film beside its file; then come the commands that try it on all terrains of the run and that start a run
of POET from it. Needs the extra ``sb3``: ``pip install -e '.[sb3]'``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import imageio.v3 as imageio
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from environments import make_vec_env
from environments.errors import InputError
from environments.physics.constants import STEPS_PER_SECOND
from environments.terrain.terrain import Terrain
from experiments.files import written
from experiments.replay.pairs import choose_pair
from experiments.settings import assignment
from experiments.text import poet_command
from experiments.walkers import Walker, load_walker
from poet import open_run
from poet.trainers.walkers import WalkerVecEnv

NUM_ENVS = 64
NUM_STEPS = 3_000_000
GAMMA = 0.99
#: What a run that starts from the agent has to know of its network.
_SAID = ("layer_sizes", "activations")


def main(
    folder: Path,
    num_steps: int = NUM_STEPS,
    niche_id: int | None = None,
    path: Path = Path("ppo.zip"),
    *,
    engine: str = "simd",
) -> None:
    """Train on the terrain of a niche, None: the one solved last; save the agent and show what it has learnt."""
    torch.set_num_threads(1)  # its networks are so small that more threads wait for each other: 6,286 steps/s, not 283
    with open_run(folder) as run:
        pair = choose_pair(run, niche_id)
    print(f"PPO from random weights on the terrain of niche {pair.niche_id} of {folder}, {NUM_ENVS} walkers")
    train(pair.terrain, num_steps, path, engine)
    walker = load_walker(str(path))
    print(film(walker, pair.terrain, path.with_suffix(".gif")))
    print("try it:   ", poet_command("evaluate", path, f"{folder}:{pair.niche_id}", "--on", folder))
    values = {"run.start": str(path), **{f"policy.{name}": getattr(walker.config, name) for name in _SAID}}
    settings = [word for key, value in values.items() for word in ("--set", assignment(key, value))]
    print("evolve it:", poet_command("run", Path("from-ppo"), "--preset", "demo", *settings))


def train(terrain: Terrain, num_steps: int, path: Path, engine: str = "simd") -> None:
    """Learn from random weights, and save what POET can read.

    Two settings were tried on one terrain with one seed. With the other (a discount of 0.999 and smaller steps) the
    walker stood still for a million steps.
    """
    walkers = make_vec_env(terrain, NUM_ENVS, engine=engine, autoreset_mode="SameStep")
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
    take_in_scales(ppo, envs)
    with written(path) as file:
        ppo.save(file)
    envs.close()


def take_in_scales(ppo: PPO, envs: VecNormalize) -> None:
    """Put the scales of ``VecNormalize`` into the first layers, so that the networks take observations as they are.

    Its file does not have them. All that differs is that observations beyond 10 standard deviations are not clipped.
    """
    mean = torch.from_numpy(envs.obs_rms.mean).float()
    std = torch.from_numpy((envs.obs_rms.var + envs.epsilon) ** 0.5).float()
    with torch.no_grad():
        for network in (ppo.policy.mlp_extractor.policy_net, ppo.policy.mlp_extractor.value_net):
            network[0].weight /= std
            network[0].bias -= network[0].weight @ mean


def film(walker: Walker, terrain: Terrain, path: Path) -> str:
    """Let a walker cross a terrain in a film of 25 pictures a second. Returns a sentence on how that went."""
    env = gymnasium.make("BipedalTerrain-v0", terrain=terrain, render_mode="rgb_array")
    act = walker.policy.controller(walker.theta)
    (observation, _), total, is_over = env.reset(), 0.0, False
    pictures = [np.asarray(env.render())]
    while not is_over:
        observation, reward, is_terminated, is_truncated, info = env.step(act(observation))
        total, is_over = total + float(reward), is_terminated or is_truncated
        pictures += [np.asarray(env.render())]
    env.close()
    gif = imageio.imwrite(
        "<bytes>", np.stack(pictures[::2]), extension=".gif", duration=2000 / STEPS_PER_SECOND, loop=0
    )
    with written(path) as file:
        file.write(gif)
    end = "crosses it" if info["finished"] else "does not cross it"
    return f"{path}: it {end}, with a return of {total:.0f} after {len(pictures) - 1} steps"


if __name__ == "__main__":
    words = [*sys.argv[1:], *[""] * 4]
    if not 1 <= len(sys.argv) - 1 <= 4:
        sys.exit(__doc__)
    if wrong := [word for word in sys.argv[2:4] if not word.isdigit()]:
        sys.exit(f"env-steps and niche must be whole numbers before the agent's file, found {wrong[0]!r}")
    try:
        main(
            Path(words[0]), int(words[1] or NUM_STEPS), int(words[2]) if words[2] else None, Path(words[3] or "ppo.zip")
        )
    except InputError as error:
        sys.exit(str(error))
