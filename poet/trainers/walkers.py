"""Our vector envs behind the interface of Stable-Baselines3 (extra ``sb3``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from environments.walker.vector_base import WalkerVectorEnv


class WalkerVecEnv(VecEnv):  # type: ignore[misc] # an extra without which mypy sees Any
    """Our walkers behind SB3's own interface, which is older than Gymnasium's: each world has an info and one ``done``.

    Where an episode ended, the info has ``episode`` as SB3's ``Monitor`` has it: ``r``, the return, and ``l``, the
    length. If our env tells it, there is ``outcome`` too, a value of ``environments.walker.ending.Outcome``.

    Args:
        envs: made with the autoreset mode ``"SameStep"``.
    """

    def __init__(self, envs: WalkerVectorEnv) -> None:
        self._envs = envs
        self._actions = np.zeros((envs.num_envs, 4), np.float32)
        self._returns, self._lengths = np.zeros(envs.num_envs), np.zeros(envs.num_envs, np.int64)
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in every world; the first time with the seeds that ``seed`` was given."""
        seeds = None if None in self._seeds else self._seeds[0]
        self._reset_seeds()
        self._returns[:], self._lengths[:] = 0.0, 0
        return self._envs.reset(seed=seeds)[0]

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards, dones and infos; where an episode ended, the observation is the next one's first."""
        observations, rewards, terminations, truncations, infos = self._envs.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        dones = terminations | truncations
        rows: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(dones):
            rows[i] = {
                "terminal_observation": infos["final_obs"][i],
                "TimeLimit.truncated": bool(truncations[i] and not terminations[i]),
                "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i])},
            }
            if "outcome" in infos["final_info"]:
                rows[i]["episode"]["outcome"] = int(infos["final_info"]["outcome"][i])
        self._returns[dones], self._lengths[dones] = 0.0, 0
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
