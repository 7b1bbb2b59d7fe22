"""A run that learns to learn on the training clades of another: the file of its tasks."""

from __future__ import annotations

from environments.errors import InputError
from experiments.meta.clades import Part, split_run
from poet.archive.reader import Run
from poet.archived import file_text


def tasks_text(run: Run) -> str:
    """The text of the file of a run's training tasks, see ``poet.archived``; it has no agents.

    Raises:
        InputError: the run cannot be split.
    """
    niches = run.niches.set_index("niche_id").loc[[*split_run(run).tasks(Part.TRAIN)]]
    if niches.empty:
        raise InputError(f"{run.folder} has no training task: let it go on until more lineages branch off")
    terrains = [*zip(niches["genotype"], niches["terrain_seed"].map(int), strict=True)]
    return file_text(run.config.terrain.genotype, terrains, run.config.to_json()["policy"], [])
