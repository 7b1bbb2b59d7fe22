"""Who begins to adapt: the arms of adaptation curves on the test clades of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from environments.errors import InputError
from experiments.meta.clades import Part, Split, clean_versions
from experiments.meta.curves import Task
from experiments.text import poet_command
from poet.archive.reader import Run, open_run
from poet.archive.rows import canonical_json
from poet.parts import Parts

#: Arms that every run has: the walker that it began with, the agent of the nearest training terrain, and the niche's
#: own last agent, which has seen the task: no rival, but how far one can get.
FIRST, NEAREST, ORACLE = "first walker", "nearest agent", "oracle"


@dataclass(frozen=True, eq=False)
class Learner:
    """What a run of ``poet meta`` learned.

    Attributes:
        folder: of that run.
        arm: its trainer.
        tasks: its tasks, each a genotype's canonical JSON and a terrain seed.
        theta: (P,) float32, its last agent.
        env_steps: that it spent.
    """

    folder: Path
    arm: str
    tasks: frozenset[tuple[str, int]]
    theta: NDArray[np.float32]
    env_steps: int


def read_learner(folder: Path) -> Learner:
    """The last stored agent of a run of ``poet meta``.

    Raises:
        InputError: it is another run, or none.
    """
    with open_run(folder) as run, run.at_one_moment():
        tasks = run.own_tables.get("tasks")
        if tasks is None:
            raise InputError(
                f"{folder} must be a run that poet meta made, but its trainer is {run.config.run.trainer!r}: name "
                "other agents by --agent"
            )
        known = frozenset(zip(tasks["genotype"], tasks["terrain_seed"].map(int), strict=True))
        spent = int(run.ledger["env_steps"].sum())
        return Learner(folder, run.config.run.trainer, known, run.agent(0).theta, spent)


def run_tasks(run: Run, name: str, split: Split, part: Part) -> list[Task]:
    """The tasks of a part of a run."""
    seed = run.config.run.seed
    return [
        Task(name, niche, split.clade_of(niche), run.terrain(niche), seed) for niche in split.tasks(part)
    ]  # fmt: skip


def task_values(run: Run, split: Split, part: Part) -> list[tuple[str, int]]:
    """The genotype's canonical JSON and the terrain seed of each task of a part."""
    niches = run.niches.set_index("niche_id").loc[[*split.tasks(part)]]
    return [*zip(map(canonical_json, niches["genotype"]), niches["terrain_seed"].map(int), strict=True)]


def arms(
    run: Run, split: Split, parts: Parts, learners: Sequence[Learner], others: Mapping[str, NDArray[np.float32]]
) -> dict[int, dict[str, NDArray[np.float32]]]:
    """The starting agents of each test task of a run, by niche and arm.

    Args:
        run: whose tasks these are.
        split: of it.
        parts: of the run.
        learners: those whose tasks are this run's training tasks; of several with one trainer, each has a number.
        others: further arms, the same on every task.
    """
    names = _numbered([learner.arm for learner in learners])
    same = {FIRST: run.agent(0, 0).theta, **dict(zip(names, (one.theta for one in learners), strict=True)), **others}
    near = nearest_agents(run, split, parts)
    return {niche: {**same, NEAREST: near[niche], ORACLE: run.agent(niche).theta} for niche in split.tasks(Part.TEST)}


def nearest_agents(run: Run, split: Split, parts: Parts) -> dict[int, NDArray[np.float32]]:
    """For each test task the last clean agent of the nearest terrain of trunk and training clades, by its genes.

    Genes are divided by their greatest values (``novelty.scale = "gene_max"``); of equal ones the oldest is taken.
    """
    genotypes = dict(zip(run.niches["niche_id"].map(int), run.niches["genotype"], strict=True))
    limits = parts.genotype_type.feature_limits(parts.settings)
    place = {
        niche: parts.genotype_type.from_json(genes).features(parts.settings) / limits
        for niche, genes in genotypes.items()
    }
    last = {niche: versions[-1] for niche, versions in clean_versions(run, split).items()}
    found = {}
    for task in split.tasks(Part.TEST):
        nearest = min(last, key=lambda niche: (float(np.abs(place[niche] - place[task]).sum()), niche))
        found[task] = run.stored_agent(last[nearest]).theta
    return found


def learners_of(run: Run, split: Split, learners: Sequence[Learner]) -> list[Learner]:
    """The learners whose tasks are a run's training tasks."""
    mine = frozenset(task_values(run, split, Part.TRAIN))
    return [learner for learner in learners if learner.tasks == mine]


def check_learners(learners: Sequence[Learner], used: Sequence[Learner], runs: Sequence[Path]) -> None:
    """Refuse a learner whose tasks are those of no run.

    Raises:
        InputError: there is one.
    """
    for learner in learners:
        if learner not in used:
            how = poet_command("meta", learner.arm, runs[0])
            raise InputError(
                f"{learner.folder} learned on other tasks than the training clades of {', '.join(map(str, runs))}: "
                f"name the run that it was made from, or make one by {how}"
            )


def _numbered(names: Sequence[str]) -> list[str]:
    """Names that differ: a second ``reptile`` becomes ``reptile 2``."""
    return [name if (number := names[: i + 1].count(name)) == 1 else f"{name} {number}" for i, name in enumerate(names)]
