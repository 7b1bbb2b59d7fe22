"""The outer yardstick: what settings reach with the same number of env-steps, over several seeds.

``poet bench evolution FOLDER NAME...``: a NAME is a preset, ``a`` or ``b`` (settings that stand in
``experiments/yardstick/settings``), or a TOML file. Each run is FOLDER/NAME-SEED and goes on until its env-steps are
spent, whatever number of iterations its settings ask for. Existing runs go on, so a yardstick that was interrupted, or
should reach further, is simply called again. At the end ``poet analyse`` writes FOLDER/report: the first
terrain of each class that was solved once, robustly, and by a general agent, success at admission and at last, and
env-steps by purpose, as medians over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environments.errors import InputError
from experiments.presets import preset_names
from experiments.runner import check_settings
from experiments.settings import NO_END, resolve_config
from poet.config import Config

SETTINGS = Path(__file__).with_name("settings")


@dataclass(frozen=True)
class Entry:
    """A run of the yardstick.

    Attributes:
        folder: where it is, or will be.
        config: its settings, those of the run's length included.
    """

    folder: Path
    config: Config


def make_entries(folder: Path, names: Sequence[str], seeds: Sequence[int], assignments: Sequence[str]) -> list[Entry]:
    """The runs that are asked for, seed by seed.

    Raises:
        InputError: two settings have one name, settings do not exist or do not fit, or a run exists already and has
            others.
    """
    stems = [Path(name).stem for name in names]
    if len(set(stems)) < len(stems):
        raise InputError(f"settings must have names of their own, but are {', '.join(stems)}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"FOLDER must be a folder, new or not, but {folder} is a file")
    entries = []
    for seed in seeds:
        for name, stem in zip(names, stems, strict=True):
            config = _config_of(name, seed, assignments)
            entry = Entry(folder / f"{stem}-{seed}", config)
            if entry.folder.exists():
                check_settings(entry.folder, entry.config)
            entries.append(entry)
    return entries


def _config_of(name: str, seed: int, assignments: Sequence[str]) -> Config:
    ours = SETTINGS / f"{name}.toml"
    preset, file = (None, ours) if ours.exists() else (name, None) if name in preset_names() else (None, Path(name))
    return resolve_config(preset, file, assignments, {"run.seed": seed, "run.iterations": NO_END})
