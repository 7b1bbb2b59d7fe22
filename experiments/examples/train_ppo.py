"""Stable-Baselines3's PPO on a terrain that POET evolved: ``python -m experiments.examples.train_ppo RUN``.

RUN is any run, such as one that ``make demo`` made. The number of env-steps and the niche whose terrain is taken may
follow. After each update SB3's table shows steps per second (``fps``) and the mean return of the last hundred episodes
(``ep_rew_mean``). Needs the extra ``sb3``: ``pip install -e '.[sb3]'``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from environments import Terrain, make_vec_env
from environments.errors import InputError
from environments.walker.ending import Outcome
from experiments.replay.pairs import choose_pair
from poet import open_run

NUM_ENVS = 64
NUM_STEPS = 3_000_000
GAMMA = 0.99


class WalkerVecEnv(VecEnv):  # type: ignore[misc] # an extra without which mypy sees Any
    """Our walkers behind SB3's own interface, which is older than Gymnasium's: each world has an info and one ``done``.

    Args:
        terrains: dealt out in turn, see ``make_vec_env``.
        num_envs: number of worlds.
        engine: who integrates.
    """

    def __init__(self, terrains: Terrain | Sequence[Terrain], num_envs: int, engine: str = "simd") -> None:
        self._envs = make_vec_env(terrains, num_envs, engine=engine, autoreset_mode="SameStep")
        self._actions = np.zeros((num_envs, 4), np.float32)
        super().__init__(num_envs, self._envs.single_observation_space, self._envs.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in every world."""
        return self._envs.reset()[0]

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards, dones and infos; where an episode ended, the observation is the next one's first."""
        observations, rewards, terminations, truncations, infos = self._envs.step(self._actions)
        dones = terminations | truncations
        rows: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(dones):
            rows[i] = {
                "terminal_observation": infos["final_obs"][i],
                "TimeLimit.truncated": bool(truncations[i]),
                "outcome": Outcome(infos["final_info"]["outcome"][i]),
            }
        return observations, rewards.astype(np.float32), dones, rows

    def close(self) -> None:
        """Let the worlds go."""
        self._envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of the whole, once for each world."""
        return [getattr(self._envs, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Worlds have no attributes of their own."""
        raise NotImplementedError

    def env_method(self, method_name: str, *arguments: Any, indices: Any = None, **options: Any) -> list[Any]:
        """Worlds have no methods of their own."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """No world is wrapped."""
        return [False] * len(list(self._get_indices(indices)))


def main(folder: Path, num_steps: int = NUM_STEPS, niche_id: int | None = None, *, engine: str = "simd") -> None:
    """Train on the terrain of a niche, None: the one solved last.

    Two settings were tried on one terrain with one seed. With the other (a discount of 0.999 and smaller steps) the
    walker stood still for a million steps.
    """
    with open_run(folder) as run:
        pair = choose_pair(run, niche_id)
    print(f"PPO from random weights on the terrain of niche {pair.niche_id} of {folder}, {NUM_ENVS} walkers")
    envs = VecNormalize(VecMonitor(WalkerVecEnv(pair.terrain, NUM_ENVS, engine)), gamma=GAMMA)
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
