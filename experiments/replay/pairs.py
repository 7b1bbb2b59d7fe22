"""Which agent is shown on which terrain, and what the archive knows about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents.policies.base import AbstractPolicy
from environments.errors import InputError, whole_number
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from experiments.analysis.genes import hardness
from experiments.analysis.success import percentage, rates_by_niche
from experiments.text import visible
from poet.archive.reader import Run
from poet.archive.records import StoredAgent
from poet.events import AgentVersion, ValidationSet
from poet.terrain_files import ClaimedWalk, read_terrain_file
from poet.validation import ROBUST_RATE


@dataclass(frozen=True, eq=False)
class Pair:
    """A niche's own instance, or the terrain of a file, and the agent that walks on it.

    Attributes:
        niche_id: whose terrain it is; None for that of a file.
        agent: the stored version that walks.
        policy: its policy.
        terrain: what is walked on.
        max_steps: control steps after which the episode is TIMEOUT.
        choice: why this niche, or this agent on the terrain of a file; empty when the user named it.
        successes: how many pushes the agent was validated under on this ground, and under how many it succeeded; None
            if it never was. It tells how lucky a single episode may be.
        file: whose terrain it is; None for a niche's.
        walk: what that file says of this very agent; None if it says nothing.
    """

    niche_id: int | None
    agent: StoredAgent
    policy: AbstractPolicy
    terrain: Terrain
    max_steps: int
    choice: str = ""
    successes: tuple[int, int] | None = None
    file: Path | None = None
    walk: ClaimedWalk | None = None

    @property
    def place(self) -> str:
        """What the terrain is called."""
        return f"niche {self.niche_id}" if self.file is None else f"terrain {visible(self.file.name):.40}"

    @property
    def archived(self) -> AgentVersion | None:
        """The record of this very episode; None for an agent on another's terrain, which the archive does not have."""
        version = self.agent.version
        return version if version.niche_id == self.niche_id else None


def choose_pair(
    run: Run, niche_id: int | None = None, agent_id: int | None = None, iteration: int | None = None
) -> Pair:
    """The pair that a user asks for.

    Args:
        run: the archive.
        niche_id: whose terrain; None for the hardest that is robustly solved, or, where none is, the one whose agent
            succeeds most often. Where nobody was validated, or never with success: the niche that was solved last of
            those whose agents finish, or of all, or, where none is solved, the active niche with the highest id.
        agent_id: which agent; None for the niche's own.
        iteration: its latest stored version at or before it; None for the latest of all.

    Raises:
        InputError: no such niche or agent, or none that old.
    """
    choice = ""
    niche_id, iteration = (None if i is None else whole_number("an id or iteration", i) for i in (niche_id, iteration))
    if niche_id is None:
        niche_id, choice = _default_niche(run, iteration)
    agent = run.agent(niche_id if agent_id is None else agent_id, iteration)
    return pair_of(run, niche_id, agent, choice)


def choose_pair_on(
    run: Run, path: Path, niche_id: int | None = None, agent_id: int | None = None, iteration: int | None = None
) -> Pair:
    """The agent that a user asks for, on the terrain of a file.

    Args:
        run: the archive.
        path: of the file, see ``poet.terrain_files``.
        niche_id, agent_id: whose agent; None for the one that the file names, or, where it names none, the agent of
            the niche that ``choose_pair`` chooses.
        iteration: its latest stored version at or before it; None for the one that the file names, if nobody is named
            otherwise, or else for the latest of all.

    Raises:
        InputError: no such agent, or none that old; or the file is no terrain's, or names another run's agent.
    """
    file, choice = read_terrain_file(path), ""
    walk = file.walk
    if None not in (niche_id, agent_id) and niche_id != agent_id:
        raise InputError(f"--terrain takes the place of the terrain of niche {niche_id}: leave out --niche")
    named = agent_id if niche_id is None else niche_id
    if named is None and walk is not None:
        choice = "whom the file names"
        agent = run.stored_agent(walk.version_id) if iteration is None else run.agent(walk.niche_id, iteration)
    else:
        pair = choose_pair(run, named, iteration=iteration)
        agent, choice = pair.agent, pair.choice
    version = agent.version
    if walk is not None and walk.version_id == version.id and walk.niche_id != version.niche_id:
        raise InputError(
            f"the terrain file {str(path)!r} says that version {version.id} is an agent of niche {walk.niche_id}, but "
            f"in {run.folder} it is one of niche {version.niche_id}: is the walk another run's?"
        )
    said = walk if walk is not None and walk.version_id == version.id else None
    max_steps = run.config_at(version.iteration).evaluation.max_steps if said is None else said.max_steps
    return Pair(None, agent, run.policy, file.terrain, max_steps, choice, file=path, walk=said)


def pair_of(run: Run, niche_id: int, agent: StoredAgent, choice: str = "") -> Pair:
    """A niche's terrain and a stored agent version of any niche."""
    config = run.config_at(agent.version.iteration)
    successes = _successes(run, niche_id, agent)
    return Pair(niche_id, agent, run.policy, run.terrain(niche_id), config.evaluation.max_steps, choice, successes)


def _successes(run: Run, niche_id: int, agent: StoredAgent) -> tuple[int, int] | None:
    measured = run.validations
    mine = measured[
        (measured["niche_id"] == niche_id)
        & (measured["version_id"] == agent.version.id)
        & (measured["validation_set"] == ValidationSet.PUSHES)
    ]
    if mine.empty:
        return None
    return int(mine["num_successes"].iloc[0]), int(mine["num_episodes"].iloc[0])


def _default_niche(run: Run, iteration: int | None) -> tuple[int, str]:
    """The most interesting niche by then, and why it is."""
    until = run.iteration if iteration is None else iteration
    until = -1 if until is None else until
    successful = _most_successful(run, iteration, until)
    if successful is not None:
        return successful
    solved, retired = run.solved, run.retirements
    solved = solved[solved["iteration"] <= until].sort_values(["iteration", "niche_id"])
    latest_first = [int(niche_id) for niche_id in solved["niche_id"][::-1]]
    for niche_id in latest_first:
        if run.agent(niche_id, iteration).version.own_outcome == Outcome.FINISHED:
            return niche_id, "of the niches whose agents now finish, the one solved once last"
    if latest_first:
        return latest_first[0], "the niche solved once last"
    niches = run.niches
    niches = niches[niches["iteration"] <= until]
    gone = retired.loc[retired["iteration"] <= until, "niche_id"]
    active = niches.loc[~niches["niche_id"].isin(gone), "niche_id"]
    return (int(active.max()) if len(active) else 0), "the newest active niche; none was ever solved"


def _most_successful(run: Run, iteration: int | None, until: int) -> tuple[int, str] | None:
    """The hardest niche that is robustly solved by then, or the one that is solved most often; None without success."""
    validations, niches = run.validations, run.niches.set_index("niche_id")["genotype"]
    rates = rates_by_niche(validations[validations["iteration"] <= until])["pushes_now"]
    robust = [int(niche_id) for niche_id in rates.index[rates >= ROBUST_RATE]]
    hardest_first = sorted(robust, key=lambda niche_id: (*hardness(niches[niche_id]), niche_id), reverse=True)
    for niche_id in hardest_first:
        if run.agent(niche_id, iteration).version.own_outcome == Outcome.FINISHED:
            return niche_id, f"the hardest robustly solved ({percentage(rates[niche_id])} of pushes) and finished"
    if hardest_first:
        best = hardest_first[0]
        return best, f"the hardest robustly solved ({percentage(rates[best])} of pushes)"
    if rates.empty or not rates.max() > 0.0:
        return None
    best = max(rates.index, key=lambda niche_id: (rates[niche_id], *hardness(niches[niche_id]), niche_id))
    how_often = percentage(rates[best])
    return int(best), f"none is robustly solved; this one's agent succeeds most often ({how_often} of pushes)"
