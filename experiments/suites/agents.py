"""The agents that a command line names: of archived runs, and of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from environments.errors import InputError
from experiments.walkers import load_walker, walker_names
from experiments.walkers.foreign import STATE_DICTS
from poet.archive.reader import Run, open_run


@dataclass(frozen=True, eq=False)
class Agent:
    """A walker to be tried.

    Attributes:
        name: shown in tables.
        policy: its policy.
        theta: (P,) float32.
        noise_std: (4,) float32, of the noise on its actions in training; None for none, or if that is not known.
        iteration: of a run named on the command line, in which this theta was made; None for any other agent.
        newest: likewise, in which the last agent of its niche was made.
        is_behind: whether that is another one, which is not stored, as in a run that was killed or goes on.
    """

    name: str
    policy: AbstractPolicy
    theta: NDArray[np.float32]
    noise_std: NDArray[np.float32] | None = None
    iteration: int | None = None
    newest: int | None = None
    is_behind: bool = False


def find_agents(
    texts: Sequence[str], activations: Sequence[str] | None = None, trust: bool = False
) -> tuple[Agent, ...]:
    """The agents that texts name, each once, in order.

    Args:
        texts: each the name of a shipped walker, also where a folder has that name (``./NAME`` is the folder); the
            folder of a run, for the last stored agents of its active niches; ``FOLDER:NICHE`` for one of them, active
            or not; or the path of a walker's file (``experiments.walkers``).
        activations: of PyTorch state dicts, see ``experiments.walkers.foreign.read_foreign``.
        trust: whether a policy that a run names may be imported.

    Raises:
        InputError: there is no such agent, its file is wrong, or there are activations but no state dict.
    """
    if activations is not None and not any(text.endswith(STATE_DICTS) for text in texts):
        raise InputError("activations are given for PyTorch state dicts alone (.pt, .pth): leave out --activations")
    found = {agent.name: agent for text in texts for agent in _agents(text, activations, trust)}
    return tuple(found.values())


def _split_run(text: str) -> tuple[Path, int | None] | None:
    """The folder and the niche that a text names; None if it names no folder."""
    folder, colon, niche = text.rpartition(":")
    if colon and niche.isdecimal() and Path(folder).is_dir():
        return Path(folder), int(niche)
    return (Path(text), None) if Path(text).is_dir() else None


def _agents(text: str, activations: Sequence[str] | None, trust: bool) -> list[Agent]:
    place = None if text in walker_names() else _split_run(text)
    if place is None:
        walker = load_walker(text, activations)
        policy = walker.policy
        policy.check_theta(walker.theta)
        return [Agent(text, policy, walker.theta, walker.noise_std)]
    folder, niche = place
    with open_run(folder, trust) as run, run.at_one_moment():
        last, found = run.versions.sort_values("id").groupby("niche_id")[["id", "iteration"]].last(), []
        for niche_id in active_niches(run) if niche is None else [niche]:
            stored = run.agent(niche_id)
            version, newest = stored.version, int(last["iteration"][niche_id])
            is_behind = version.id != last["id"][niche_id]
            name = f"{folder}:{niche_id}"
            found.append(Agent(name, run.policy, stored.theta, None, version.iteration, newest, bool(is_behind)))
        return found


def run_agent(run: Run, name: str, niche_id: int, iteration: int | None = None) -> Agent:
    """A niche's latest stored agent at or before an iteration; None for the last of all.

    Raises:
        InputError: there is no such niche, or none that old.
    """
    return Agent(f"{name}:{niche_id}", run.policy, run.agent(niche_id, iteration).theta)


def active_niches(run: Run, iteration: int | None = None) -> list[int]:
    """The niches that were active after an iteration, by id; None for the last one.

    Raises:
        InputError: the run has no iteration on disk yet.
    """
    if run.iteration is None:
        raise InputError("the run has no iteration on disk yet, and so no agent")
    last = run.iteration if iteration is None else iteration
    niches, gone = run.niches, run.retirements
    retired = set(gone.loc[gone["iteration"] <= last, "niche_id"])
    admitted = niches.loc[niches["iteration"] <= last, "niche_id"]
    return [int(niche_id) for niche_id in admitted if niche_id not in retired]
