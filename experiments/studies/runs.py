"""The runs of a study: one folder ARM-SEED for each, below a folder that belongs to this study and no other."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.errors import InputError, check_name
from experiments.comparison.comparing import budgets
from experiments.drafts import is_draft_of
from experiments.files import write_text
from experiments.runner import check_settings
from experiments.studies.plan import Study
from experiments.text import visible
from poet.archive.folder import is_free
from poet.archive.lock import writer_of
from poet.archive.reader import open_run
from poet.config import NEUTRAL_KEYS, Config

#: The file that says to which study a folder belongs.
SEAL_NAME = "study.json"
#: In what a run may differ from what the study says: how it is carried out, and how far ``poet resume`` took it.
_FREE = {*NEUTRAL_KEYS} - {"run.start"}


@dataclass(frozen=True)
class StudyRun:
    """One run of a study, which may not exist yet.

    Attributes:
        arm, seed: which.
        folder: of the run.
        config: its settings.
    """

    arm: str
    seed: int
    folder: Path
    config: Config


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        env_steps: spent so far.
        is_finished: whether that is the study's budget or more.
        is_running: whether a process writes it now.
    """

    env_steps: int = 0
    is_finished: bool = False
    is_running: bool = False

    def words(self) -> str:
        """``120,500, running``."""
        state = "finished" if self.is_finished else "running" if self.is_running else "stopped"
        return f"{self.env_steps:,}, {state}" if self.env_steps else state if self.is_running else "not begun"


def study_runs(
    study: Study, folder: Path, arms: Sequence[str] = (), seeds: Sequence[int] = (), engine: str | None = None
) -> list[StudyRun]:
    """The runs of a study, seed by seed: whenever it stops, all arms have nearly as many.

    Args:
        study: the study.
        folder: the study's.
        arms, seeds: of the runs; empty for all.
        engine: of all runs; None for that of each arm.

    Raises:
        InputError: the study has no such arm or seed.
    """
    for arm in arms:
        check_name("--arm", arm, study.plan.arms)
    for seed in seeds:
        check_name("--seed", str(seed), map(str, study.plan.seeds))
    return [
        StudyRun(arm, seed, folder / f"{arm}-{seed}", study.config(arm, seed, engine))
        for seed in study.plan.seeds
        if not seeds or seed in seeds
        for arm in study.plan.arms
        if not arms or arm in arms
    ]


def standing(run: StudyRun, env_steps: int) -> Standing:
    """How far a run is on its way to a budget of ``env_steps``.

    Raises:
        InputError: what is there is not this run.
    """
    if is_free(run.folder):
        return Standing(is_running=run.folder.is_dir() and writer_of(run.folder) is not None)
    check_settings(run.folder, run.config, _FREE)
    with open_run(run.folder) as opened:
        if opened.parent is not None:
            raise InputError(f"{run.folder} is a fork, which began with what another run had learned: take it away")
        spent = int(opened.iterations["env_steps"].sum())
    return Standing(spent, spent >= env_steps, writer_of(run.folder) is not None)


def check_comparable(run: StudyRun, env_steps: int) -> None:
    """Check that a finished run can be compared, before others are made that could not be either.

    Raises:
        InputError: it has not stored its agents near the budget, for example.
    """
    try:
        with open_run(run.folder) as opened:
            budgets({str(run.folder): opened}, env_steps)
    except InputError as error:
        raise InputError(f"runs of this study could not be compared at its env_steps: {error}") from None


def seal(study: Study, folder: Path) -> bool:
    """Give a folder to a study, or check that it has it.

    Before a run has begun the seal is written anew each time, since the study may have been committed meanwhile.

    Returns:
        Whether no run has begun.

    Raises:
        InputError: it belongs to something else, or to this study before it was changed.
    """
    if (folder / SEAL_NAME).is_file():
        check_seal(study, folder)
        if not all(is_free(run.folder) for run in study_runs(study, folder)):
            return False
    elif os.path.lexists(folder) and (
        not folder.is_dir() or any(not is_draft_of(path, folder / SEAL_NAME) for path in folder.iterdir())
    ):
        raise InputError(f"FOLDER must be new or empty, or hold a study, but {folder} does not: name another")
    folder.mkdir(parents=True, exist_ok=True)
    record = {"digest": study.digest, "committed": commit_of(study.path), "study": study.meaning}
    write_text(folder / SEAL_NAME, json.dumps(record, indent=1) + "\n")
    return True


def check_seal(study: Study, folder: Path) -> str:
    """Check that a folder belongs to a study as it is now.

    Returns:
        ``commit_of`` the study's file before its first run.

    Raises:
        InputError: it belongs to none, to another, or to this one before it was changed.
    """
    record = _record(folder / SEAL_NAME)
    if record["digest"] == study.digest:
        return visible(str(record["committed"]))
    before = record["study"]
    keys = [key for key, value in study.meaning.items() if before.get(key) != value]
    raise InputError(
        f"{folder} was begun with another study than {study.path} is now ({', '.join(keys) or 'other keys'} differ): "
        "name another folder for this one, or take the change back"
    )


def _record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path.parent} holds no study yet: begin it by poet study run")
    try:
        record = json.loads(path.read_text("utf-8"))
        is_whole = isinstance(record["study"], dict) and {"digest", "committed"} <= set(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise InputError(f"{path} is damaged: take the folder of another study, or name a new one")
    return dict(record)


def commit_of(path: Path) -> str:
    """Whether Git has a file as it is now: ``committed in 88d401a``, ``not committed``, ``changed since 88d401a``."""
    try:
        if _git(path, "rev-parse", "--git-dir") is None:
            return "in no Git repository"
        stored = _git(path, "cat-file", "blob", f"HEAD:./{path.name}")
        commit = _git(path, "rev-list", "--abbrev-commit", "-1", "HEAD", "--", path.name)
    except OSError:
        return "unknown, since there is no Git here"
    if stored is None or not commit:
        return "not committed"
    state = "committed in" if stored == path.read_bytes() else "changed since"
    return f"{state} {commit.decode().strip()}"


def _git(path: Path, *command: str) -> bytes | None:
    """What a command of Git prints in a file's folder; None if it fails."""
    where = ["git", "-C", str(path.absolute().parent)]
    done = subprocess.run([*where, *command], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
