"""Episodes of a run's agents as a data set of Minari, for offline reinforcement learning and imitation.

A data set has a folder for each episode: observations (T+1, 24) and actions (T, 4) float32, rewards (T,) float64,
terminations and truncations (T,) bool, and JSON with the terrain, from which ``Terrain.from_json`` makes it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from environments.errors import COUNT, InputError, whole_number
from environments.registry import import_optional
from environments.streams import Stream
from environments.terrain.generation import push_from
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from environments.walker.env import BipedalTerrainEnv
from environments.walker.vector_env import BipedalTerrainVectorEnv, make_vec_env
from experiments.drafts import new_folder
from poet.scoring import SOLVED_RETURN

if TYPE_CHECKING:
    from poet.archive.reader import Run

#: The name of a data set, for ``minari.load_dataset`` with its folder in MINARI_DATASETS_PATH.
DATASET = "poet-v0"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One episode of T steps.

    Attributes:
        observations: (T+1, 24) float32.
        actions: (T, 4) float32, within -1..1.
        rewards: (T,) float64.
        outcome: how it ended.
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float64]
    outcome: Outcome

    @property
    def total(self) -> float:
        """The return: rewards added in the order of steps."""
        return float(np.add.accumulate(self.rewards)[-1])


def export_trajectories(
    run: Run, output: Path, niches: Sequence[int] | None = None, num_episodes: int = 1
) -> list[str]:
    """Write episodes of agents on their own niches' terrains to a new or empty folder, all of them or nothing.

    Args:
        run: what is exported; the latest stored version of each agent walks.
        output: the folder; gets a folder ``DATASET``, a data set in Minari's format ``arrow``.
        niches: whose agents; None for all.
        num_episodes: of each: the first is the archived one, the others are under other pushes that decided nothing in
            the run.

    Returns:
        Lines for people that say what was written.

    Raises:
        InputError: Minari is missing, there is no such niche, the number is none, or the folder holds anything.
        RuntimeError: the folder was removed in the meantime.
    """
    version = import_optional("minari", "minari", "--format minari").__version__
    from minari.dataset.minari_storage import MinariStorage

    num_episodes = whole_number("--episodes", num_episodes, *COUNT)
    if run.iteration is None:
        raise InputError(f"the run {run.folder} has no iteration on disk yet, and so no agents")
    with new_folder(output) as draft, run.at_one_moment():
        ids = [int(niche_id) for niche_id in (run.niches["niche_id"] if niches is None else niches)]
        grounds = {niche_id: _grounds(run, niche_id, num_episodes) for niche_id in dict.fromkeys(ids)}
        data = draft / DATASET / "data"
        data.mkdir(parents=True)
        env = BipedalTerrainEnv()
        storage = MinariStorage.new(data, env.observation_space, env.action_space, data_format="arrow")
        storage.update_metadata(
            {
                "dataset_id": DATASET,
                "minari_version": version,
                "algorithm_name": "POET",
                "description": _description(run, num_episodes),
            }
        )
        num_steps = 0
        for niche_id, terrains in grounds.items():
            num_steps += _export_niche(run, niche_id, terrains, storage)
    return [
        f"{output}: {len(grounds) * num_episodes} episodes of {len(grounds)} agents, {num_steps:,} steps",
        f"read it by: MINARI_DATASETS_PATH={output} python -c \"import minari; minari.load_dataset('{DATASET}')\"",
    ]


def _grounds(run: Run, niche_id: int, num_episodes: int) -> list[Terrain]:
    """A niche's own terrain, then the same under the pushes of ``poet evaluate``."""
    own, stream = run.terrain(niche_id), Stream(run.config.run.seed, "pushes of evaluate", niche_id)
    return [own, *(own.with_push(push_from(stream)) for _ in range(num_episodes - 1))]


def _export_niche(run: Run, niche_id: int, terrains: Sequence[Terrain], storage: Any) -> int:
    """Add the episodes of one agent to a data set. Returns their steps."""
    from minari.data_collector import EpisodeBuffer

    agent = run.agent(niche_id)
    limit = run.config_at(agent.version.iteration).evaluation.max_steps
    first, num_steps = storage.total_episodes, 0
    buffers, facts = [], []
    for i, (terrain, walked) in enumerate(zip(terrains, walk(run.policy, agent.theta, terrains, limit), strict=True)):
        is_end = np.arange(len(walked.rewards)) == len(walked.rewards) - 1
        is_truncated = walked.outcome == Outcome.TIMEOUT
        num_steps += len(walked.rewards)
        buffers.append(
            EpisodeBuffer(
                id=first + i,
                observations=walked.observations,
                actions=walked.actions,
                rewards=walked.rewards,
                terminations=is_end & (not is_truncated),
                truncations=is_end & is_truncated,
            )
        )
        facts.append(
            {
                "niche_id": niche_id,
                "version_id": agent.version.id,
                "iteration": agent.version.iteration,
                "outcome": walked.outcome.name,
                "return": walked.total,
                "is_success": walked.outcome == Outcome.FINISHED and walked.total >= SOLVED_RETURN,
                "terrain": terrain.to_json(),
            }
        )
    storage.update_episodes(buffers)
    storage.update_episode_metadata(facts, range(first, first + len(facts)))
    return num_steps


def walk(
    policy: AbstractPolicy, theta: NDArray[np.float32], terrains: Sequence[Terrain], max_steps: int
) -> Iterator[Trajectory]:
    """One agent's episode on each terrain, step by step; the same bits as in a run.

    Args:
        policy, theta: the agent, (P,) float32.
        terrains: (B,).
        max_steps: control steps after which an episode is TIMEOUT.
    """
    envs = make_vec_env(terrains, max_steps=max_steps)
    controllers = [policy.controller(theta) for _ in terrains]
    steps = _Steps(envs)
    while not steps.is_over.all():
        seen = steps.observations[-1]
        actions = np.stack([act(row) for act, row in zip(controllers, seen, strict=True)])
        steps.take(np.clip(actions, np.float32(-1), np.float32(1)))
    envs.close()
    return (steps.trajectory(world) for world in range(len(terrains)))


class _Steps:
    """What happened in all worlds so far; a world's episode ends once."""

    def __init__(self, envs: BipedalTerrainVectorEnv) -> None:
        self._envs = envs
        self.observations: list[NDArray[np.float32]] = [envs.reset()[0]]
        self._actions: list[NDArray[np.float32]] = []
        self._rewards: list[NDArray[np.float64]] = []
        self._lengths = np.zeros(envs.num_envs, np.int64)
        self._outcomes = np.zeros(envs.num_envs, np.int8)

    @property
    def is_over(self) -> NDArray[np.bool_]:
        return self._lengths > 0

    def take(self, actions: NDArray[np.float32]) -> None:
        observations, rewards, terminations, truncations, infos = self._envs.step(actions)
        self.observations.append(observations)
        self._actions.append(actions)
        self._rewards.append(rewards)
        ends = (terminations | truncations) & ~self.is_over
        if ends.any():
            self._outcomes[ends] = infos["outcome"][ends]
            self._lengths[ends] = len(self._rewards)

    def trajectory(self, world: int) -> Trajectory:
        length = int(self._lengths[world])
        return Trajectory(
            np.array([observations[world] for observations in self.observations[: length + 1]]),
            np.array([actions[world] for actions in self._actions[:length]]),
            np.array([rewards[world] for rewards in self._rewards[:length]]),
            Outcome(self._outcomes[world]),
        )


def _description(run: Run, num_episodes: int) -> str:
    return (
        f"{num_episodes} episodes of each agent of a run of POET on its own niche's terrain; policy "
        f"{run.config.policy.kind}, seed {run.config.run.seed}, iteration {run.iteration}. The metadata of an episode "
        "has its terrain (environments.Terrain.from_json), its niche, how it ended and its return."
    )
