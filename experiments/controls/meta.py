"""A run that learns to learn on the training clades of another: its settings, and the file of its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from environments.errors import InputError
from experiments.meta.clades import Part, split_run
from experiments.settings import NO_END, for_trainer, resolve_config
from poet.archive.reader import Run
from poet.archived import file_text
from poet.config import Config


def meta_config(
    run: Run, trainer: str, source: str, assignments: Sequence[str], seed: int | None, engine: str | None
) -> Config:
    """The settings of such a run: those of the other, with another trainer, and from the same first walker.

    Args:
        run: whose terrains are the tasks.
        trainer: its name.
        source: path of the file that will have the tasks.
        assignments: ``key=value`` texts.
        seed: of the new run; None for the other's.
        engine: None for the other's.

    Raises:
        InputError: a key or value that does not exist.
    """
    flags: dict[str, Any] = {
        "run.trainer": trainer,
        "run.iterations": NO_END,
        "run.reject": [],
        "run.seed": seed,
        "trainer.source": source,
        "evaluation.engine": engine,
    }
    if int(run.niches["parent_id"].isna().sum()) > 1:  # its only niche is for the record, and has one terrain
        flags["run.start_terrain"] = ""
    return resolve_config(assignments=assignments, flags=flags, base=for_trainer(run.config, trainer))


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
