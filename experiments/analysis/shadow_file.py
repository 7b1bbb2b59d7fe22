"""A neutral shadow on disk: one Parquet file beside its run, and whether it still belongs to that run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from environments.errors import InputError
from experiments.analysis.terrain_measures import MEASURES_VERSION
from experiments.drafts import is_draft_of
from experiments.files import written
from poet.archive.files import is_plain_or_missing
from poet.config import Config
from poet.roots import drawn_roots

#: Folder in a run's folder, and the file in it.
FOLDER_NAME, FILE_NAME = "neutral", "shadows.parquet"
#: What every row has besides its measures. The first three are the same in all rows: the run's seed, its last iteration
#: at the time, and the version of the measuring code. ``origin`` is that of ``birth_origins``.
COLUMNS = (
    "run_seed", "run_iteration", "measures_version", "replicate", "niche_id", "parent_id", "admitted", "retired",
    "origin", "genotype", "terrain_seed",
)  # fmt: skip
#: Keys that shadows of before did not know, with what they did.
_KEYS_SINCE = {"mutation.most_mutations": 1, "terrain.settings": {}}
#: Columns without missing values.
_COUNTS = ("run_seed", "run_iteration", "measures_version", "replicate", "niche_id", "admitted")


@dataclass(frozen=True, eq=False)
class Shadow:
    """What an analysis knows of a neutral shadow.

    Attributes:
        niches: the replicates' niches with ``COLUMNS`` and measures; None if none fits the run.
        remark: why there is none; empty if there is one.
    """

    niches: pd.DataFrame | None
    remark: str = ""


NO_SHADOW = Shadow(None, "there is none")


def check_output(folder: Path) -> None:
    """Refuse a folder that a shadow cannot go to. An earlier shadow may be overwritten.

    Raises:
        InputError: it is a file, or holds other things.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"--output {folder} is a file, but a shadow is a folder: name a new folder")
    path = folder / FILE_NAME
    if folder.is_dir() and not path.is_file() and not all(is_draft_of(held, path) for held in folder.iterdir()):
        raise InputError(f"--output {folder} holds other files: name a new folder, or that of an earlier shadow")


def write_shadow(niches: pd.DataFrame, folder: Path) -> Path:
    """Write the file in one piece, over an earlier one. Genotypes (JSON values) become text."""
    check_output(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    with written(path) as file:
        niches.assign(genotype=niches["genotype"].map(json.dumps)).to_parquet(file, index=False)
    return path


def birth_origins(niches: pd.DataFrame, config_at: Callable[[int], Config]) -> dict[int, str]:
    """What the shadow of each niche depends on besides the run's seed and births, by niche id.

    Args:
        niches: of the run, see ``poet.archive.reader.Run``.
        config_at: the config in force in an iteration.

    Returns:
        SHA-256 of the roots' genotypes, terrain seeds and drawn grounds, and of the sections terrain, mutation and cppn
        in force when the niche was admitted: 64 hex digits.
    """
    ordered = niches[niches["iteration"] == 0].sort_values("niche_id")
    roots: list[Any] = [*zip(ordered["genotype"], ordered["terrain_seed"].astype(int), strict=True)]
    drawn = {niche_id: terrain.digest() for niche_id, terrain in drawn_roots(config_at(0)).items()}
    roots += [drawn] if drawn else []
    digests: dict[int, str] = {}
    for admitted in niches["iteration"].unique().tolist():
        text = json.dumps([*roots, *_terrain_sections(config_at(admitted))], sort_keys=True)
        digests[admitted] = hashlib.sha256(text.encode()).hexdigest()
    pairs = zip(niches["niche_id"].tolist(), niches["iteration"].tolist(), strict=True)
    return {niche_id: digests[admitted] for niche_id, admitted in pairs}


def _terrain_sections(config: Config) -> list[dict[str, Any]]:
    """What decides mutation; a later key that says what was done before it came makes no shadow another one."""
    values = config.to_json()
    return [
        {key: value for key, value in values[section].items() if (f"{section}.{key}", value) not in _KEYS_SINCE.items()}
        for section in ("terrain", "mutation", "cppn")
    ]


def read_shadow(folder: Path, seed: int, iteration: int, births: pd.DataFrame) -> Shadow:
    """The shadow of a run, if there is one that fits.

    Args:
        folder: of the shadow.
        seed: of the run.
        iteration: the run's last.
        births: of the run's niches: columns niche_id, admitted, retired (missing: not so far), origin.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    path = folder / FILE_NAME
    if not is_plain_or_missing(path):
        return NO_SHADOW
    try:
        niches = pd.read_parquet(path)
    except Exception as error:  # Arrow has its own error for each kind of damage
        raise InputError(f"{path} cannot be read as Parquet ({error}): remake it with poet control neutral") from error
    version = niches.get("measures_version", pd.Series(dtype="int64"))
    if is_numeric_dtype(version) and len(version) and version.iloc[0] != MEASURES_VERSION:
        return Shadow(None, "it was measured by another version of this code")
    if not _is_shadow(niches):
        raise InputError(f"{path} is not a neutral shadow: remake it with poet control neutral, or remove it")
    if int(niches["run_seed"].iloc[0]) != seed:
        return Shadow(None, "it is that of a run with another seed")
    niches = niches[niches["admitted"] <= iteration]
    first = niches[niches["replicate"] == niches["replicate"].iloc[0]]
    if not _same_births(first, births, iteration):
        done = int(niches["run_iteration"].iloc[0])
        return Shadow(None, f"it was made when the run had done {done} iterations, and other niches came or went since")
    if first.sort_values("niche_id")["origin"].tolist() != births.sort_values("niche_id")["origin"].tolist():
        return Shadow(None, "it is that of a run with another root, or with other settings of terrains and mutation")
    if any(sorted(one) != sorted(first["niche_id"]) for _, one in niches.groupby("replicate")["niche_id"]):
        return Shadow(None, "some of its replicates lack niches of the run")
    return Shadow(niches.reset_index(drop=True))


def _is_shadow(niches: pd.DataFrame) -> bool:
    """Whether a table has the columns of a shadow, with values of their types."""
    if niches.empty or not {*COLUMNS} <= {*niches.columns}:
        return False
    numbers = [niches[name] for name in niches.columns if name not in ("origin", "genotype")]
    return not niches[[*_COUNTS]].isna().any(axis=None) and all(
        is_numeric_dtype(values) or values.isna().all() for values in numbers
    )


def _same_births(shadow: pd.DataFrame, births: pd.DataFrame, iteration: int) -> bool:
    """Whether the same niches came and went up to an iteration."""
    found = []
    for frame in (shadow, births):
        ordered = frame.sort_values("niche_id")
        retired = ordered["retired"].where(ordered["retired"] <= iteration).fillna(-1).astype("int64")
        found.append((ordered["niche_id"].tolist(), ordered["admitted"].tolist(), retired.tolist()))
    return bool(found[0] == found[1])
