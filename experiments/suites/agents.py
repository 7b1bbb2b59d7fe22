"""The agents that a command line names: of archived runs, and of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from environments.errors import InputError
from experiments.walkers import load_walker
from poet.archive.reader import Run, open_run


@dataclass(frozen=True, eq=False)
class Agent:
    """A walker to be tried.

    Attributes:
        name: shown in tables.
        policy: its policy.
        theta: (P,) float32.
        noise_std: (4,) float32, of the noise on its actions in training; None for none, or if that is not known.
    """

    name: str
    policy: AbstractPolicy
    theta: NDArray[np.float32]
    noise_std: NDArray[np.float32] | None = None


def find_agents(
    texts: Sequence[str], activations: Sequence[str] | None = None, trust: bool = False
) -> tuple[Agent, ...]:
    """The agents that texts name, each once, in order.

    Args:
        texts: each the folder of a run, for the last agents of its active niches; ``FOLDER:NICHE`` for one of them,
            active or not; the name of a shipped walker; or the path of a walker's file (``experiments.walkers``).
        activations: of PyTorch state dicts, see ``experiments.walkers.foreign.read_foreign``.
        trust: whether a policy that a run names may be imported.

    Raises:
        InputError: there is no such agent, or its file is wrong.
    """
    found = {agent.name: agent for text in texts for agent in _agents(text, activations, trust)}
    return tuple(found.values())


def split_run(text: str) -> tuple[Path, int | None] | None:
    """The folder and the niche that a text names; None if it names no folder."""
    folder, colon, niche = text.rpartition(":")
    if colon and niche.isdecimal() and Path(folder).is_dir():
        return Path(folder), int(niche)
    return (Path(text), None) if Path(text).is_dir() else None


def _agents(text: str, activations: Sequence[str] | None, trust: bool) -> list[Agent]:
    place = split_run(text)
    if place is None:
        walker = load_walker(text, activations)
        policy = walker.policy
        policy.check_theta(walker.theta)
        return [Agent(text, policy, walker.theta, walker.noise_std)]
    folder, niche = place
    with open_run(folder, trust) as run:
        return [_agent(run, folder, niche_id) for niche_id in (_active(run) if niche is None else [niche])]


def _agent(run: Run, folder: Path, niche_id: int) -> Agent:
    return Agent(f"{folder}:{niche_id}", run.policy, run.agent(niche_id).theta)


def _active(run: Run) -> list[int]:
    """The niches that have not retired, by id."""
    retired = set(run.retirements["niche_id"])
    found = [int(niche_id) for niche_id in run.niches["niche_id"] if niche_id not in retired]
    if not found:
        raise InputError("the run has no iteration on disk yet, and so no agent")
    return found
