"""Records of an archive that are not events: its writers, the run it was forked from, and stored agents."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from environments.errors import InputError
from poet.config import PolicyConfig
from poet.events import AgentVersion

if TYPE_CHECKING:
    import torch

    from agents.policies.mlp import MLPPolicy


@dataclass(frozen=True)
class SessionInfo:
    """Describes a program that writes a run; the archive adds the time. None of it affects results.

    Attributes:
        host: the machine's name.
        versions: of Python and of packages, by name.
        engine, executor, workers: the physics engine, where it runs, and in how many workers.
        code_version: of POET itself, such as a git commit.
    """

    host: str
    versions: dict[str, str]
    engine: str
    executor: str
    workers: int
    code_version: str


class Shown(Protocol):
    """What ``Run.show`` gives: it draws itself in a notebook. It is made above the algorithm, which knows no page."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, which any browser opens."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""


@dataclass(frozen=True)
class ForkOrigin:
    """The origin of a forked run.

    Attributes:
        run: the folder of the other run at that time.
        iteration: the last iteration that both share.
    """

    run: str
    iteration: int


@dataclass(frozen=True, eq=False)
class StoredAgent:
    """An agent version whose theta the archive kept.

    A perceptron of any shape can be taken to PyTorch, ONNX and Stable-Baselines3. Its parameters stay the same to the
    bit, its actions do not: other libraries sum in another order and have another tanh, which changes the last bits. As
    walking is chaotic, an episode then takes another course; how often the agent succeeds stays the same.

    Attributes:
        version: its record.
        theta: (P,) float32, read-only.
        config: its policy, as the run's config has it.
    """

    version: AgentVersion
    theta: NDArray[np.float32]
    config: PolicyConfig

    def __repr__(self) -> str:
        """In brief: theta would fill a screen."""
        version = self.version
        return (
            f"StoredAgent(niche {version.niche_id}, iteration {version.iteration}, version {version.id}, "
            f"score {version.score:.1f}, policy {self.config.kind!r}, {self.theta.size:,} parameters)"
        )

    def to_torch(self) -> torch.nn.Sequential:
        """The agent as a PyTorch module, from observations (B, 24) or (24,) to actions (B, 4) or (4,), float32.

        Raises:
            InputError: its policy is no perceptron.
        """
        from agents.networks import to_torch

        return to_torch(self._perceptron(), self.theta)

    def to_onnx(self, path: str | PathLike[str]) -> None:
        """Write the agent as an ONNX model: ``observation`` (B, 24) to ``action`` (B, 4), float32; extra ``onnx``.

        Args:
            path: of the file, which is replaced if it is there.

        Raises:
            InputError: its policy is no perceptron, or the package is missing.
        """
        from agents.networks import to_onnx

        to_onnx(self._perceptron(), self.theta, Path(path))

    def to_sb3(self, env: Any = None) -> Any:
        """The agent as the actor of a model of Stable-Baselines3, which can go on learning; extra ``sb3``.

        Args:
            env: where it goes on learning, see SB3; None for a ``BipedalTerrain-v0`` that is flat.

        Returns:
            ``TD3`` for a perceptron that ends with tanh, as the default one does, and ``PPO`` for one that ends
            linearly. Its critics have not learnt anything, so let them learn before the actor does.

        Raises:
            InputError: its policy is no perceptron, or one that SB3 does not have; or the package is missing.
        """
        from agents.networks import to_sb3
        from environments.walker.env import BipedalTerrainEnv

        return to_sb3(self._perceptron(), self.theta, BipedalTerrainEnv() if env is None else env)

    def _perceptron(self) -> MLPPolicy:
        from agents.policies.mlp import MLPPolicy
        from poet.policy import make_run_policy

        policy = make_run_policy(self.config) if self.config.kind == MLPPolicy.kind else None
        if not isinstance(policy, MLPPolicy):
            raise InputError(
                f"agent {self.version.niche_id} has the policy {self.config.kind!r}, but only a perceptron, "
                f"{MLPPolicy.kind!r}, can be taken to PyTorch, ONNX and Stable-Baselines3"
            )
        return policy
